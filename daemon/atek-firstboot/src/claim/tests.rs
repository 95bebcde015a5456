//! Files and screens below a folder that stands for the box.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

fn a_box() -> (Root, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    for path in ["/boot", "/etc", "/dev", "/run/atek", "/var/lib/atek"] {
        fs::create_dir_all(root.at(path)).unwrap();
    }
    fs::write(root.at("/etc/hostname"), "kitchen\n").unwrap();
    fs::write(root.at("/dev/console"), "").unwrap();
    (root, folder)
}

fn get(root: &Root, path: &str) -> String {
    fs::read_to_string(root.at(path)).unwrap_or_default()
}

#[test]
fn the_code_is_shown_until_the_box_has_an_owner() {
    let (root, _folder) = a_box();
    fs::write(root.at("/run/atek/claim-code"), "7K3M-Q0XD\n").unwrap();
    run(&root).unwrap();
    for shown in [ISSUE, "/dev/console", "/boot/atek-claim.txt"] {
        assert!(get(&root, shown).contains("7K3M-Q0XD"), "{shown}");
    }
    let mode = root.at(SHOWN).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "the code is for the person at the screen");

    fs::remove_file(root.at("/run/atek/claim-code")).unwrap();
    run(&root).unwrap();
    assert!(!root.at("/boot/atek-claim.txt").exists());
    let issue = get(&root, ISSUE);
    assert!(
        issue.contains("http://kitchen.local") && !issue.contains("7K3M"),
        "{issue}"
    );
}

#[test]
fn a_code_that_is_removed_while_it_is_shown_is_not_shown_on() {
    let (root, _folder) = a_box();
    fs::write(root.at("/run/atek/claim-code"), "7K3M-Q0XD\n").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !root.at("/boot/atek-claim.txt").exists() {
                std::thread::yield_now();
            }
            fs::remove_file(root.at("/run/atek/claim-code")).unwrap();
        });
        run(&root).unwrap();
    });
    assert!(!get(&root, ISSUE).contains("7K3M"));
    assert!(!root.at("/boot/atek-claim.txt").exists());
}

#[test]
fn before_the_host_runs_the_kept_code_counts() {
    let (root, _folder) = a_box();
    fs::write(root.at("/var/lib/atek/claim-code"), "7K3M-Q0XD").unwrap();
    run(&root).unwrap();
    assert!(get(&root, "/boot/atek-claim.txt").contains("7K3M-Q0XD"));
}

#[test]
fn a_screen_is_written_to_only_when_something_changed() {
    let (root, _folder) = a_box();
    run(&root).unwrap();
    let once = get(&root, "/dev/console");
    // The file that stands for the screen is written from its start.
    fs::write(root.at("/dev/console"), "").unwrap();
    run(&root).unwrap();
    assert_eq!(get(&root, "/dev/console"), "");
    fs::write(root.at("/etc/hostname"), "cellar\n").unwrap();
    run(&root).unwrap();
    assert_eq!(
        get(&root, "/dev/console"),
        once.replace("kitchen", "cellar")
    );
}

#[test]
fn problems_of_the_settings_stand_on_the_screen() {
    let (root, _folder) = a_box();
    fs::create_dir_all(root.at("/run/atek-firstboot")).unwrap();
    fs::write(
        root.at(PROBLEMS),
        r#"[{"file":"user-data","problem":"line 3: \\S wrong"}]"#,
    )
    .unwrap();
    run(&root).unwrap();
    let issue = get(&root, ISSUE);
    assert!(
        issue.contains("  - user-data: line 3:  S wrong\n"),
        "{issue}"
    );
}

#[test]
fn a_box_without_a_card_shows_what_it_can() {
    let (root, _folder) = a_box();
    fs::remove_dir(root.at("/boot")).unwrap();
    fs::write(root.at("/run/atek/claim-code"), "7K3M-Q0XD").unwrap();
    run(&root).unwrap();
    assert!(get(&root, ISSUE).contains("7K3M-Q0XD"));
}

#[test]
fn a_card_that_could_not_be_written_kept_the_code_off_the_screens() {
    let (root, _folder) = a_box();
    fs::write(root.at("/run/atek/claim-code"), "7K3M-Q0XD\n").unwrap();
    let refused = FileError::at("remove", &root.at("/boot/atek-reset.txt"));
    let outcome = show_after(
        Err(refused(std::io::ErrorKind::ReadOnlyFilesystem.into())),
        &root,
    );
    assert!(outcome.is_err(), "the failure is told");
    assert!(get(&root, "/dev/console").contains("7K3M-Q0XD"));
}
