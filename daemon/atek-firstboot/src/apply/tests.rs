//! Effects below a folder that stands for the box.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

/// A box that has not booted yet.
struct Box {
    root: Root,
    _folder: tempfile::TempDir,
}

impl Box {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        for path in ["/boot", "/etc", "/dev", "/usr/share/zoneinfo/Europe"] {
            fs::create_dir_all(root.at(path)).unwrap();
        }
        fs::write(root.at("/usr/share/zoneinfo/Europe/Vienna"), "TZif").unwrap();
        fs::write(root.at("/dev/console"), "").unwrap();
        fs::write(root.at("/etc/hostname"), "atek\n").unwrap();
        Self {
            root,
            _folder: folder,
        }
    }

    fn put(&self, file: &str, text: &str) {
        fs::write(self.root.at("/boot").join(file), text).unwrap();
    }

    fn get(&self, path: &str) -> String {
        fs::read_to_string(self.root.at(path)).unwrap()
    }

    fn has(&self, path: &str) -> bool {
        self.root.at(path).exists()
    }

    fn problems(&self) -> Vec<(String, String)> {
        let listed: Vec<BTreeMap<String, String>> =
            serde_json::from_str(&self.get(PROBLEMS)).unwrap();
        listed
            .iter()
            .map(|problem| (problem["file"].clone(), problem["problem"].clone()))
            .collect()
    }
}

fn preseed(rest: &str) -> String {
    format!("config_version = \"1.0\"\n{rest}")
}

#[test]
fn a_card_without_settings_changes_nothing() {
    let machine = Box::new();
    run(&machine.root);
    assert_eq!(machine.get("/etc/hostname"), "atek\n");
    assert_eq!(machine.get(PROBLEMS), "[]");
    assert!(!machine.has("/var"));
}

#[test]
fn settings_are_applied_and_secrets_are_roots() {
    let machine = Box::new();
    machine.put(
        "rpi-preseed.toml",
        &preseed(&format!(
            "[system]\nhostname = \"kitchen\"\n[locale]\ntimezone = \"Europe/Vienna\"\n[ssh]\nauthorized_keys = [\"{KEY}\"]\n\
             [wlan]\nssid = \"home\"\npassword = \"my secret words\"\ncountry = \"AT\"\n"
        )),
    );
    run(&machine.root);
    assert_eq!(machine.get("/etc/hostname"), "kitchen\n");
    let zone = fs::read_link(machine.root.at("/etc/localtime")).unwrap();
    assert_eq!(zone.to_str(), Some("../usr/share/zoneinfo/Europe/Vienna"));
    assert!(
        machine
            .get("/var/lib/atek-firstboot/wifi.conf")
            .contains("psk=\"my secret words\"")
    );
    assert_eq!(
        machine.get("/var/lib/atek-firstboot/authorized_keys"),
        format!("{KEY}\n")
    );
    for file in ["wifi.conf", "authorized_keys", "applied.json"] {
        let mode = machine
            .root
            .at(STATE)
            .join(file)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(machine.get(PROBLEMS), "[]");
    let mode = machine
        .root
        .at(PROBLEMS)
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644, "atekd reads it");
}

#[test]
fn a_file_is_applied_once_and_again_when_it_changes() {
    let machine = Box::new();
    machine.put("user-data", "#cloud-config\nhostname: kitchen\n");
    run(&machine.root);
    // As the setup page or the system page does.
    fs::write(machine.root.at("/etc/hostname"), "renamed\n").unwrap();
    run(&machine.root);
    assert_eq!(machine.get("/etc/hostname"), "renamed\n");
    machine.put("user-data", "#cloud-config\nhostname: cellar\n");
    run(&machine.root);
    assert_eq!(machine.get("/etc/hostname"), "cellar\n");
}

#[test]
fn a_power_cut_before_the_record_means_once_more() {
    let machine = Box::new();
    machine.put("user-data", "#cloud-config\nhostname: kitchen\n");
    run(&machine.root);
    // The record was not written yet; something half-written lies about.
    fs::remove_file(machine.root.at(STATE).join("applied.json")).unwrap();
    fs::write(machine.root.at(STATE).join("applied.json.new"), "{\"cl").unwrap();
    fs::write(machine.root.at("/etc/hostname.new"), "kit").unwrap();
    fs::write(machine.root.at("/etc/hostname"), "atek\n").unwrap();
    run(&machine.root);
    assert_eq!(machine.get("/etc/hostname"), "kitchen\n");
    assert!(
        !machine.has("/etc/hostname.new") && machine.has("/var/lib/atek-firstboot/applied.json")
    );
}

#[test]
fn a_damaged_record_is_as_good_as_none() {
    let machine = Box::new();
    fs::create_dir_all(machine.root.at(STATE)).unwrap();
    fs::write(machine.root.at(STATE).join("applied.json"), "\0\0\0").unwrap();
    machine.put("user-data", "#cloud-config\nhostname: kitchen\n");
    run(&machine.root);
    assert_eq!(machine.get("/etc/hostname"), "kitchen\n");
}

#[test]
fn a_wrong_file_is_told_at_every_boot_and_spoils_no_other() {
    let machine = Box::new();
    machine.put("rpi-preseed.toml", "config_version = ");
    machine.put(
        "user-data",
        "#cloud-config\nhostname: kitchen\ntimezone: Europe/Wien\n",
    );
    for _ in 0..2 {
        run(&machine.root);
        let files: Vec<String> = machine
            .problems()
            .into_iter()
            .map(|(file, _)| file)
            .collect();
        assert_eq!(files, ["rpi-preseed.toml", "cloud-init"]);
    }
    assert_eq!(machine.get("/etc/hostname"), "kitchen\n");
    assert!(!machine.has("/etc/localtime"));
    let console = machine.get("/dev/console");
    assert!(
        console.contains("Atek settings: rpi-preseed.toml: line 1: this is no valid TOML\r\n"),
        "{console}"
    );
    // It is mended: the problems are gone.
    machine.put("rpi-preseed.toml", &preseed(""));
    machine.put("user-data", "#cloud-config\ntimezone: Europe/Vienna\n");
    run(&machine.root);
    assert_eq!(machine.problems(), []);
}

#[test]
fn formats_that_contradict_are_told_and_the_first_wins() {
    let machine = Box::new();
    machine.put(
        "rpi-preseed.toml",
        &preseed("[system]\nhostname = \"kitchen\"\n"),
    );
    machine.put(
        "firstrun.sh",
        "imager_custom set_hostname cellar\nimager_custom set_timezone Europe/Vienna\n",
    );
    run(&machine.root);
    assert_eq!(machine.get("/etc/hostname"), "kitchen\n");
    assert!(fs::read_link(machine.root.at("/etc/localtime")).is_ok());
    assert_eq!(machine.problems()[0].0, "firstrun");
}

#[test]
fn what_cannot_be_written_is_told_and_tried_again() {
    let machine = Box::new();
    machine.put("user-data", "#cloud-config\nhostname: kitchen\n");
    // A folder is in the way of the new file.
    fs::create_dir(machine.root.at("/etc/hostname.new")).unwrap();
    run(&machine.root);
    assert!(
        machine.problems()[0]
            .1
            .starts_with("they cannot be applied now: cannot remove"),
        "{:?}",
        machine.problems()
    );
    fs::remove_dir(machine.root.at("/etc/hostname.new")).unwrap();
    run(&machine.root);
    assert_eq!(
        (
            machine.get("/etc/hostname").as_str(),
            machine.problems().len()
        ),
        ("kitchen\n", 0)
    );
}

#[test]
fn a_box_without_its_data_says_so_first() {
    let machine = Box::new();
    machine.put("user-data", "#cloud-config\n- a\n");
    fs::create_dir_all(machine.root.at("/run/atek-init")).unwrap();
    fs::write(
        machine.root.at(DATA_PROBLEM),
        "there is no partition atek-data\n",
    )
    .unwrap();
    run(&machine.root);
    let problems = machine.problems();
    assert_eq!(problems[0].0, "data partition");
    assert!(
        problems[0].1.ends_with("there is no partition atek-data"),
        "{problems:?}"
    );
    assert_eq!(problems[1].0, "user-data");
}
