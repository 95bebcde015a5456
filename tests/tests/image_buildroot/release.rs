//! What the pinned Buildroot itself says of the tree. With `BUILDROOT_DIR` only: it is not in any
//! package archive.

use super::*;
use std::ffi::OsStr;
use std::process::{Command, Output};

/// The folder of Buildroot, or a word that this part is skipped.
fn buildroot() -> Option<PathBuf> {
    let folder = std::env::var_os("BUILDROOT_DIR").filter(|folder| !folder.is_empty());
    if folder.is_none() {
        atek_tests::skip(
            "BUILDROOT_DIR is not set: Buildroot is the user's, and no package archive has it",
        );
    }
    folder.map(PathBuf::from)
}

fn make<S: AsRef<OsStr>>(
    buildroot: &Path,
    output: &Path,
    external: &Path,
    words: impl IntoIterator<Item = S>,
) -> Output {
    let mut command = Command::new("make");
    command
        .arg("--silent")
        .arg("-C")
        .arg(buildroot)
        .arg(format!("O={}", output.display()))
        .arg(format!("BR2_EXTERNAL={}", external.display()))
        .args(words);
    // A make that runs the tests would hand its own flags on.
    command.env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn configure(buildroot: &Path, external: &Path, board: &str) -> tempfile::TempDir {
    let output = tempfile::tempdir().unwrap();
    let made = make(
        buildroot,
        output.path(),
        external,
        [format!("{board}_defconfig")],
    );
    assert!(
        made.status.success(),
        "{board}: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    output
}

#[test]
fn no_line_of_any_configuration_is_dropped_by_the_pinned_release() {
    let Some(buildroot) = buildroot() else { return };
    for board in BOARDS {
        let output = configure(&buildroot, &tree(), board);
        let checked = Command::new(tree().join("scripts/check-config"))
            .arg(output.path().join(".config"))
            .arg(configuration(board))
            .output()
            .unwrap();
        assert!(
            checked.status.success(),
            "{board}: {}",
            String::from_utf8_lossy(&checked.stdout)
        );
    }
}

/// A configuration with fragments on top, as `buildroot/build` makes it.
fn configure_with(buildroot: &Path, fragments: &[PathBuf]) -> tempfile::TempDir {
    let output = configure(buildroot, &tree(), BOARDS[2]);
    let merged = Command::new(buildroot.join("support/kconfig/merge_config.sh"))
        .args(["-m", ".config"])
        .args(fragments)
        .current_dir(output.path())
        .output()
        .unwrap();
    assert!(merged.status.success(), "{merged:?}");
    let made = make(buildroot, output.path(), &tree(), ["olddefconfig"]);
    assert!(made.status.success(), "{made:?}");
    output
}

#[test]
fn each_fragment_is_taken_whole_by_the_pinned_release_and_loses_nothing_of_the_boards() {
    let Some(buildroot) = buildroot() else { return };
    for name in ["external-toolchain.config", "mirror.config"] {
        let fragment = tree().join("fragments").join(name);
        let output = configure_with(&buildroot, std::slice::from_ref(&fragment));
        let checked = Command::new(tree().join("scripts/check-config"))
            .arg(output.path().join(".config"))
            .arg(&fragment)
            .output()
            .unwrap();
        assert!(
            checked.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&checked.stdout)
        );
        // The check of external.mk, which every build begins with.
        let words = [
            &format!("ATEK_FRAGMENTS={}", fragment.display()),
            "atek-rsync",
        ];
        let made = make(&buildroot, output.path(), &tree(), words);
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{name}: {said}");
    }
}

#[test]
fn legal_info_has_atek_and_the_licences_of_its_crates_before_anything_is_built() {
    let Some(buildroot) = buildroot() else { return };
    let output = configure(&buildroot, &tree(), BOARDS[2]);
    let words = [
        // It would be downloaded where this machine's is too old, and packs nothing of ours.
        "BR2_TAR_HOST_DEPENDENCY=",
        "legal-info-prepare",
        "atek-legal-info",
    ];
    let made = make(&buildroot, output.path(), &tree(), words);
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    let folder = output.path().join("legal-info");
    assert!(text(folder.join("manifest.csv")).contains("\n\"atek\",\""));
    assert!(folder.join("licenses/atek/LICENSE").is_file());
    let crates = text(folder.join("licenses/atek-crates/manifest.csv"));
    assert!(crates.lines().count() > 300, "{crates}");
    assert!(crates.lines().any(|line| line.starts_with("tokio,")));
}

#[test]
fn with_a_mirror_no_other_site_is_asked_for_a_download() {
    let Some(buildroot) = buildroot() else { return };
    let folder = tempfile::tempdir().unwrap();
    // `wget` with the address as its last word.
    let asked = folder.path().join("asked");
    let wget = folder.path().join("wget");
    let script = format!(
        "#!/bin/sh\nprintf '%s ' \"$@\" >>{}\nexit 1\n",
        asked.display()
    );
    std::fs::write(&wget, script).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&wget, executable).unwrap();
    let output = configure_with(&buildroot, &[tree().join("fragments/mirror.config")]);
    let words = [
        format!("BR2_WGET={}", wget.display()),
        format!("BR2_DL_DIR={}", folder.path().join("dl").display()),
        "ATEK_FRAGMENTS=mirror".to_owned(),
        "host-lz4-source".to_owned(),
    ];
    let made = make(&buildroot, output.path(), &tree(), words);
    assert!(!made.status.success(), "nothing was downloaded");
    let asked = text(&asked);
    let addresses: Vec<&str> = asked
        .split_whitespace()
        .map(|word| word.trim_matches('\''))
        .filter(|word| word.contains("://"))
        .collect();
    assert!(addresses[0].starts_with("https://mirror.example/buildroot/lz4/lz4-"));
    assert!(
        addresses
            .iter()
            .all(|address| address.starts_with("https://mirror.example/")),
        "{addresses:?}"
    );
}

#[test]
fn the_number_of_packages_that_a_build_shows_is_that_of_all_that_are_built() {
    let Some(buildroot) = buildroot() else { return };
    let output = configure(&buildroot, &tree(), BOARDS[2]);
    let list = |target: &str| {
        let shown = make(&buildroot, output.path(), &tree(), [target]);
        String::from_utf8(shown.stdout).unwrap()
    };
    let order = list("show-build-order");
    let mut order: Vec<&str> = order.split_whitespace().collect();
    order.sort_unstable();
    order.dedup();
    let info: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(&list("show-info")).unwrap();
    // File systems are made of packages, and are none.
    let packages: Vec<&str> = info
        .keys()
        .map(String::as_str)
        .filter(|name| !name.starts_with("rootfs-"))
        .collect();
    assert_eq!(order, packages);
    assert!(order.contains(&"host-make") || order.contains(&"host-skeleton"));
}

#[test]
fn every_archive_of_every_package_has_a_hash() {
    let Some(buildroot) = buildroot() else { return };
    let output = configure(&buildroot, &tree(), BOARDS[0]);
    let shown = make(&buildroot, output.path(), &tree(), ["show-info"]);
    assert!(
        shown.status.success(),
        "{}",
        String::from_utf8_lossy(&shown.stderr)
    );
    let packages: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&shown.stdout).unwrap();
    for name in [
        "atek",
        "nodejs-prebuilt",
        "systemd",
        "polkit",
        "avahi",
        "openssh",
        "rpi-firmware",
    ] {
        assert!(packages.contains_key(name), "{name} was dropped");
    }
    for (name, package) in &packages {
        let count = |key: &str| package[key].as_array().map_or(0, Vec::len);
        assert!(
            count("downloads") == 0 || count("hashes") > 0,
            "{name} is downloaded without a hash"
        );
    }
}

#[test]
fn another_release_of_buildroot_is_refused_and_told_which_one_is_wanted() {
    let Some(buildroot) = buildroot() else { return };
    let copy = tempfile::tempdir().unwrap();
    // Beside it, as in the checkout: configurations name files of image/.
    let external = copy.path().join("buildroot");
    let copied = Command::new("cp")
        .arg("-a")
        .args([tree(), external.clone()])
        .status()
        .unwrap();
    assert!(copied.success());
    std::fs::write(external.join("BUILDROOT_VERSION"), "1999.02\n").unwrap();
    let output = configure(&buildroot, &external, BOARDS[2]);
    let shown = make(&buildroot, output.path(), &external, ["show-info"]);
    assert!(!shown.status.success());
    let said = String::from_utf8_lossy(&shown.stderr);
    assert!(
        said.contains("this tree is for Buildroot 1999.02"),
        "{said}"
    );
}

#[test]
fn a_configuration_that_lost_a_setting_is_not_built() {
    let Some(buildroot) = buildroot() else { return };
    let output = configure(&buildroot, &tree(), BOARDS[2]);
    let config = output.path().join(".config");
    let lost = text(&config).replace(
        "BR2_PACKAGE_OPENSSH=y\n",
        "# BR2_PACKAGE_OPENSSH is not set\n",
    );
    std::fs::write(&config, lost).unwrap();
    // Any target that builds; it has to end before it begins.
    let made = make(&buildroot, output.path(), &tree(), ["atek-rsync"]);
    assert!(!made.status.success());
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(
        said.contains("BR2_PACKAGE_OPENSSH is n, wanted y"),
        "{said}"
    );
}

#[test]
fn buildroots_own_linter_has_nothing_to_say() {
    let Some(buildroot) = buildroot() else { return };
    let has_libraries = Command::new("python3")
        .args(["-c", "import magic, flake8"])
        .output()
        .unwrap();
    if !has_libraries.status.success() {
        atek_tests::skip(
            "check-package needs the Python modules magic and flake8 (python3-magic, python3-flake8)",
        );
        return;
    }
    let listed = Command::new("find")
        .arg(tree())
        .args(["(", "-type", "f", "-o", "-type", "l", ")"])
        .output()
        .unwrap();
    let files = String::from_utf8(listed.stdout).unwrap();
    let checked = Command::new("python3")
        .arg(buildroot.join("utils/check-package"))
        .arg("-b")
        .args(files.lines())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(
        checked.status.success() && said.contains("0 warnings generated"),
        "{}{said}",
        String::from_utf8_lossy(&checked.stdout)
    );
}
