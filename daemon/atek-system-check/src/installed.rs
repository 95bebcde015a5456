//! A root that does not run: what can be said of its files alone, before a card is made of it.

use crate::{Report, Severity, Systemd, Wrong, degraded, fatal, note_files, systemd_version};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Checks a root that does not run, whatever its processor: nothing of it is started. The kernel
/// and everything that exists at run time only are left to [`crate::check`].
#[must_use]
pub fn check_installed(root: &Path) -> Report {
    let mut report = Report::default();
    let systemd = systemd_of(root);
    report.note("systemd", systemd_version(systemd.as_ref()));
    if let Some(systemd) = &systemd {
        report.note("systemd-seccomp", crate::seccomp_feature(systemd));
    }
    report.note("d-bus", dbus(root));
    note_files(&mut report, root);
    report.note("units", programs_of_units(root));
    report.missing.sort_by_key(|miss| miss.severity);
    report
}

/// Version and features of systemd, from the library that all its programs share:
/// `libsystemd-shared-257.so`, in which the features are one text (`+PAM … +SECCOMP …`).
fn systemd_of(root: &Path) -> Option<Systemd> {
    let library = systemd_folders(root).into_iter().find_map(|folder| {
        let files = fs::read_dir(folder).ok()?;
        files
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .find(|path| version_of(path).is_some())
    })?;
    let version = version_of(&library)?;
    let bytes = fs::read(&library).ok()?;
    let features = ["SECCOMP"]
        .into_iter()
        .filter_map(|name| {
            ['+', '-']
                .into_iter()
                .map(|sign| format!("{sign}{name}"))
                .find(|word| contains(&bytes, word.as_bytes()))
        })
        .collect();
    Some(Systemd { version, features })
}

/// Where distributions put systemd's own libraries: `/usr/lib/systemd`, or a folder of that name
/// below that of the processor.
fn systemd_folders(root: &Path) -> Vec<PathBuf> {
    let libraries = root.join("usr/lib");
    let mut folders = vec![libraries.join("systemd")];
    let entries = fs::read_dir(&libraries).into_iter().flatten();
    folders.extend(
        entries
            .filter_map(Result::ok)
            .map(|entry| entry.path().join("systemd")),
    );
    folders
}

fn version_of(library: &Path) -> Option<u32> {
    let name = library.file_name()?.to_str()?;
    let version = name.strip_prefix("libsystemd-shared-")?;
    version.split(['.', '-', '~']).next()?.parse().ok()
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|part| part == word)
}

fn dbus(root: &Path) -> Result<(), Wrong> {
    let there = ["usr/bin/dbus-daemon", "usr/bin/dbus-broker"]
        .into_iter()
        .any(|path| crate::is_program(&root.join(path)));
    if there {
        return Ok(());
    }
    Err(fatal(
        "there is no D-Bus daemon",
        "Install dbus (Buildroot: BR2_PACKAGE_DBUS=y).",
    ))
}

/// Programs that Atek's units start (`ExecStart=` and its like, systemd.service(5)).
fn programs_of_units(root: &Path) -> Result<(), Wrong> {
    let mut missing = BTreeSet::new();
    let units = fs::read_dir(root.join("usr/lib/systemd/system"));
    for unit in units.into_iter().flatten().filter_map(Result::ok) {
        let name = unit.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("atek") || !name.ends_with(".service") {
            continue;
        }
        let text = fs::read_to_string(unit.path()).unwrap_or_default();
        for program in text.lines().filter_map(program_of) {
            if !exists_below(root, program) {
                missing.insert(format!("{program} ({name})"));
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.into_iter().collect::<Vec<_>>().join(", ");
    Err(degraded(
        format!("programs that units start are missing: {list}"),
        "Install the packages that have them, or take the units out of image/install.list.",
    ))
}

/// The path of the program in a line `Exec…=PATH ARGUMENT…`, without the letters before it that
/// change how it is started.
fn program_of(line: &str) -> Option<&str> {
    let (name, value) = line.split_once('=')?;
    if !name.starts_with("Exec") {
        return None;
    }
    let path = value.split_whitespace().next()?;
    let path = path.trim_start_matches(['-', '@', ':', '+', '!', '|']);
    path.starts_with('/').then_some(path)
}

/// Whether a path is there, also where its folder is a link such as `/bin` (to `usr/bin`), which
/// must not lead out of the root.
fn exists_below(root: &Path, path: &str) -> bool {
    let direct = Path::new(path.trim_start_matches('/'));
    let below_usr = Path::new("usr").join(direct);
    // Debian and Buildroot merge /sbin into /bin or not; what units name exists in one of them.
    [direct.to_owned(), below_usr]
        .iter()
        .any(|path| crate::is_program(&root.join(path)))
}

impl Report {
    /// What is missing, one line each, with what to do about it; the fatal ones first.
    #[must_use]
    pub fn in_words(&self) -> String {
        let line = |miss: &crate::Miss| {
            let label = match miss.severity {
                Severity::Fatal => "missing",
                Severity::Degraded => "limited",
            };
            format!("{label}: {}. {}\n", miss.problem, miss.advice)
        };
        self.missing.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{a_whole_system, put};

    /// What an installation has besides what the running system is asked for.
    fn an_installation(features: &str) -> tempfile::TempDir {
        let folder = a_whole_system();
        let root = folder.path();
        // Nothing of another processor can be run, and nothing runs.
        for gone in ["usr/bin/systemctl", "run/dbus/system_bus_socket"] {
            fs::remove_file(root.join(gone)).unwrap();
        }
        for gone in ["proc", "sys"] {
            fs::remove_dir_all(root.join(gone)).unwrap();
        }
        let library = "/usr/lib/aarch64-linux-gnu/systemd/libsystemd-shared-257.so";
        put(root, library, &format!("\x7fELF\0{features}\0"), 0o644);
        put(root, "/usr/bin/dbus-daemon", "", 0o755);
        put(root, "/usr/bin/true", "", 0o755);
        let unit = "[Service]\nExecStartPre=-/bin/true\nExecStart=/usr/lib/atek/atekd --x\n";
        put(root, "/usr/lib/systemd/system/atekd.service", unit, 0o644);
        folder
    }

    #[test]
    fn a_whole_installation_lacks_nothing_and_nothing_of_it_is_started() {
        let folder = an_installation("+PAM +SECCOMP -APPARMOR");
        let report = check_installed(folder.path());
        assert_eq!(report.missing, []);
        assert_eq!(report.in_words(), "");
        assert!(report.met.contains(&"units"), "{report:?}");
    }

    #[test]
    fn what_a_root_lacks_is_said_before_a_card_is_made_of_it() {
        type Damage = fn(&Path);
        let cases: [(Damage, &str, &str); 5] = [
            (
                |root| fs::remove_file(root.join("usr/bin/dbus-daemon")).unwrap(),
                "d-bus",
                "missing: there is no D-Bus daemon",
            ),
            (
                |root| fs::remove_file(root.join("usr/bin/true")).unwrap(),
                "units",
                "limited: programs that units start are missing: /bin/true (atekd.service)",
            ),
            (
                |root| fs::remove_dir_all(root.join("usr/lib/aarch64-linux-gnu")).unwrap(),
                "systemd",
                "systemd",
            ),
            (
                |root| fs::remove_file(root.join("usr/lib/atek/atek-sandbox")).unwrap(),
                "programs",
                "missing: programs are missing: /usr/lib/atek/atek-sandbox",
            ),
            (
                |root| put(root, "/etc/passwd", "root:x:0:0\n", 0o644),
                "users",
                "missing: users or groups are missing: atek, atek-build",
            ),
        ];
        for (damage, need, words) in cases {
            let folder = an_installation("+SECCOMP");
            damage(folder.path());
            let report = check_installed(folder.path());
            let needs: Vec<_> = report.missing.iter().map(|miss| miss.need).collect();
            assert_eq!(needs, [need]);
            assert!(report.in_words().contains(words), "{}", report.in_words());
        }
    }

    #[test]
    fn a_systemd_without_seccomp_is_found_in_its_library() {
        let folder = an_installation("+PAM -SECCOMP");
        let report = check_installed(folder.path());
        assert_eq!(report.missing[0].need, "systemd-seccomp");
        assert!(!report.is_usable());
    }
}
