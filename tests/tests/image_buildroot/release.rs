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
