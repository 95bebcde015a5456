//! The factory reset: at a boot that finds a request for it, everything of people is removed before
//! anything else of Atek starts.
//!
//! ```text
//! atekd: /var/lib/atek/factory-reset, synced -> restart
//!   -> atek-init: nothing of /etc is kept
//!   -> `atek-spawnd erase`: PLACES, the request last -> atekd: a new box
//! ```
//!
//! Nothing of it counts steps: after a power cut the next boot removes what is left.

use crate::files::{FileError, Folder, remove_tree};
use atek_api::spec::paths;
use atek_api::system::ResetRequest;
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::path::Path;

/// Bytes of the longest request.
const REQUEST_MAX: u64 = 4096;

/// Where atek-firstboot keeps what the card's settings asked for.
const FIRSTBOOT: &str = "/var/lib/atek-firstboot";
/// Digests of the settings files on the card that were applied, by format.
const APPLIED: &str = "applied.json";
/// The same of those that are never applied again, and removed from the card.
const FORGOTTEN: &str = "forgotten.json";
const WIFI: &str = "wifi.conf";

/// Only a box has it: elsewhere the rest of the disk is the machine's, and not Atek's.
const MARK_OF_BOX: &str = "/usr/lib/atek/etc.keep";

/// A folder that is emptied.
struct Place {
    folder: &'static str,
    /// Whether an entry goes.
    goes: fn(&str, &ResetRequest) -> bool,
    /// Whether it is emptied on a box alone.
    of_box: bool,
}

const PLACES: &[Place] = &[
    // The states of apps, the databases, the keys, and copies of them.
    Place {
        folder: "/var/lib/private",
        goes: |name, _| name.starts_with("atek-"),
        of_box: false,
    },
    // systemd's links to them.
    Place {
        folder: "/var/lib",
        goes: |name, _| name.starts_with("atek-app-"),
        of_box: false,
    },
    Place {
        folder: paths::STATE,
        goes: |name, _| name != paths::FACTORY_RESET_NAME,
        of_box: false,
    },
    Place {
        folder: FIRSTBOOT,
        goes: |name, request| match name {
            FORGOTTEN => false,
            APPLIED | WIFI => !request.keep_network,
            _ => true,
        },
        of_box: false,
    },
    Place {
        folder: "/var/log/journal",
        goes: |_, _| true,
        of_box: true,
    },
    Place {
        folder: "/var/home",
        goes: |_, _| true,
        of_box: true,
    },
    Place {
        folder: "/var/roothome",
        goes: |_, _| true,
        of_box: true,
    },
    // systemd removes those of its units itself, and some run already.
    Place {
        folder: "/var/tmp",
        goes: |name, _| !name.starts_with("systemd-private-"),
        of_box: true,
    },
    Place {
        folder: "/var/lib/systemd/coredump",
        goes: |_, _| true,
        of_box: true,
    },
];

/// Carries a request out. Returns whether there was one.
///
/// # Errors
///
/// The first thing that could not be removed. Everything else was, and the request stays.
pub(crate) fn run(root: &Path) -> Result<bool, FileError> {
    let at = |path: &str| root.join(path.trim_start_matches('/'));
    let name = OsStr::new(paths::FACTORY_RESET_NAME);
    let host = match Folder::open(&at(paths::STATE)) {
        Err(error) if error.is_missing() => return Ok(false),
        opened => opened?,
    };
    let Some(request) = read(&host, name)? else {
        return Ok(false);
    };
    let is_box = at(MARK_OF_BOX).exists();
    let mut outcome = Ok(());
    if !request.keep_network {
        outcome = forget_card(&at(FIRSTBOOT));
    }
    for place in PLACES.iter().filter(|place| is_box || !place.of_box) {
        outcome = outcome.and(empty(&at(place.folder), |name| {
            (place.goes)(name, &request)
        }));
    }
    outcome?;
    host.sync_file_system()?;
    crash_point();
    host.remove_file(name)?;
    host.sync()?;
    Ok(true)
}

/// What is asked for; a file that cannot be understood asks for all: it is only there when it was
/// decided.
fn read(host: &Folder, name: &OsStr) -> Result<Option<ResetRequest>, FileError> {
    let file = match host.open_file(name) {
        Err(error) if error.is_missing() => return Ok(None),
        opened => opened?,
    };
    let mut text = Vec::new();
    let read = file.take(REQUEST_MAX).read_to_end(&mut text);
    let request = read.ok().and_then(|_| serde_json::from_slice(&text).ok());
    Ok(Some(request.unwrap_or_default()))
}

/// Says of the settings on the card that they are not applied again.
fn forget_card(folder: &Path) -> Result<(), FileError> {
    let folder = match Folder::open(folder) {
        Err(error) if error.is_missing() => return Ok(()),
        opened => opened?,
    };
    if folder.has(APPLIED.as_ref())? {
        folder.rename(APPLIED.as_ref(), &folder, FORGOTTEN.as_ref())?;
        folder.sync()?;
        crash_point();
    }
    Ok(())
}

/// Removes what goes of a folder, which stays. A folder that is not there is fine.
fn empty(path: &Path, goes: impl Fn(&str) -> bool) -> Result<(), FileError> {
    let folder = match Folder::open(path) {
        Err(error) if error.is_missing() => return Ok(()),
        opened => opened?,
    };
    let mut outcome = Ok(());
    // The list is made first: it need not show what changes while it is read.
    let names: Vec<OsString> = folder.names()?.collect::<Result<_, _>>()?;
    for name in names {
        if goes(&name.to_string_lossy()) {
            outcome = outcome.and(remove_tree(&folder, &name));
            crash_point();
        }
    }
    folder.sync_file_system()?;
    outcome
}

/// In a debug build, `ATEK_FAULT=erase:N` ends the process at the Nth place between two steps, so
/// that a test sees what is left. A release build does not read the variable.
#[cfg(all(debug_assertions, not(test)))]
fn crash_point() {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    static REACHED: AtomicU32 = AtomicU32::new(0);
    static AT: LazyLock<Option<u32>> = LazyLock::new(|| {
        let fault = std::env::var("ATEK_FAULT").ok()?;
        fault.strip_prefix("erase:")?.parse().ok()
    });
    let reached = REACHED.fetch_add(1, Ordering::Relaxed) + 1;
    if *AT == Some(reached) {
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
    }
}

#[cfg(not(any(debug_assertions, test)))]
fn crash_point() {}

#[cfg(test)]
use tests::crash_point;

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::fs;
    use std::path::PathBuf;

    const REQUEST: &str = "var/lib/atek/factory-reset";

    thread_local! {
        /// Steps until one panics.
        static STEPS: Cell<Option<u32>> = const { Cell::new(None) };
    }

    pub(super) fn crash_point() {
        let left = STEPS.get();
        STEPS.set(left.map(|left| left.saturating_sub(1)));
        assert!(left != Some(1), "ended at this step");
    }

    /// A root with files of people and of the machine.
    fn used(request: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for file in [
            "var/lib/private/atek-app-k1/data/note",
            "var/lib/private/atek-snapshots/k1/one/note",
            "var/lib/private/other/file",
            "var/lib/atek/config.json",
            "var/lib/atek/packages/k1/versions/v1/index.js",
            "var/lib/atek-firstboot/applied.json",
            "var/lib/atek-firstboot/wifi.conf",
            "var/lib/atek-firstboot/authorized_keys",
            "var/lib/systemd/random-seed",
            "var/log/journal/1/system.journal",
            "var/home/anna/letter",
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        std::os::unix::fs::symlink("private/atek-app-k1", root.join("var/lib/atek-app-k1"))
            .unwrap();
        fs::write(root.join(REQUEST), request).unwrap();
        (folder, root)
    }

    fn left(root: &Path) -> Vec<String> {
        let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.symlink_metadata().unwrap().is_dir() {
                    true => folders.push(path),
                    false => found.push(path.strip_prefix(root).unwrap().display().to_string()),
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn everything_of_people_goes_and_the_machine_keeps_its_own() {
        let (_folder, root) = used("{}");
        assert!(run(&root).unwrap());
        let of_machine = [
            "var/home/anna/letter",
            "var/lib/atek-firstboot/forgotten.json",
            "var/lib/private/other/file",
            "var/lib/systemd/random-seed",
            "var/log/journal/1/system.journal",
        ];
        assert_eq!(left(&root), of_machine);
        assert!(!run(&root).unwrap(), "it was asked for once");
    }

    #[test]
    fn ended_after_any_step_it_is_finished_by_the_next_run() {
        for step in 1.. {
            let (_folder, root) = used("{}");
            STEPS.set(Some(step));
            let run_through = std::panic::catch_unwind(|| run(&root)).is_ok();
            STEPS.set(None);
            if run_through {
                assert!(step > 8, "{step} steps are too few");
                return;
            }
            assert!(root.join(REQUEST).exists(), "step {step}");
            assert!(run(&root).unwrap());
            assert!(root.join("var/lib/atek-firstboot/forgotten.json").exists());
            let of_people = [
                "atek-app-k1",
                "atek-app-k1/data",
                "config.json",
                "wifi.conf",
            ];
            let left = left(&root);
            let stays = left
                .iter()
                .any(|path| of_people.iter().any(|name| path.contains(name)));
            assert!(!stays, "step {step}: {left:?}");
        }
    }

    #[test]
    fn on_a_box_logs_and_homes_go_as_well() {
        let (_folder, root) = used("what?");
        fs::create_dir_all(root.join("usr/lib/atek")).unwrap();
        fs::write(root.join("usr/lib/atek/etc.keep"), "").unwrap();
        assert!(run(&root).unwrap());
        let of_machine = [
            "usr/lib/atek/etc.keep",
            "var/lib/atek-firstboot/forgotten.json",
            "var/lib/private/other/file",
            "var/lib/systemd/random-seed",
        ];
        assert_eq!(left(&root), of_machine);
    }

    #[test]
    fn the_network_stays_where_that_is_asked_for() {
        let (_folder, root) = used(r#"{"keepNetwork":true}"#);
        assert!(run(&root).unwrap());
        let kept = fs::read_dir(root.join("var/lib/atek-firstboot")).unwrap();
        let mut kept: Vec<_> = kept.map(|entry| entry.unwrap().file_name()).collect();
        kept.sort();
        assert_eq!(kept, ["applied.json", "wifi.conf"]);
    }

    #[test]
    fn what_cannot_be_removed_keeps_the_request_and_the_rest_goes() {
        let (_folder, root) = used("{}");
        // A file where a folder belongs.
        fs::remove_dir_all(root.join("var/lib/private")).unwrap();
        fs::write(root.join("var/lib/private"), "").unwrap();
        run(&root).unwrap_err();
        assert!(root.join(REQUEST).exists());
        assert!(!root.join("var/lib/atek/config.json").exists());
        fs::remove_file(root.join("var/lib/private")).unwrap();
        assert!(run(&root).unwrap());
        assert!(!root.join(REQUEST).exists());
    }

    #[test]
    fn without_a_request_nothing_is_touched() {
        let (_folder, root) = used("{}");
        fs::remove_file(root.join(REQUEST)).unwrap();
        let before = left(&root);
        assert!(!run(&root).unwrap());
        assert_eq!(left(&root), before);
        fs::remove_dir_all(root.join("var/lib/atek")).unwrap();
        assert!(!run(&root).unwrap());
    }
}
