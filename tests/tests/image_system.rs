//! What both ways to make a card configure of the system around Atek: one list of files, for both.
//!
//! The same is looked at on a booted card by `card_box.rs`.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn overlay() -> PathBuf {
    atek_tests::paths::repository().join("image/overlay")
}

fn text(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `NAME=VALUE` of a systemd configuration file; comments and section titles are left out.
fn settings(file: &str) -> BTreeMap<String, String> {
    text(overlay().join(file))
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn assert_settings(file: &str, wanted: &[(&str, &str)]) {
    let found = settings(file);
    for (name, value) in wanted {
        assert_eq!(
            found.get(*name).map(String::as_str),
            Some(*value),
            "{file}: {name}"
        );
    }
}

#[test]
fn names_are_asked_of_the_router_alone() {
    // Buildroot's defaults ask foreign servers until the router answers, and open port 5355.
    assert_settings(
        "usr/lib/systemd/resolved.conf.d/50-atek.conf",
        &[
            ("DNSSEC", "no"),
            ("DNSOverTLS", "no"),
            ("LLMNR", "no"),
            ("MulticastDNS", "no"),
            ("FallbackDNS", ""),
        ],
    );
    for network in ["80-atek-wired", "80-atek-wifi"] {
        assert_settings(
            &format!("usr/lib/systemd/network/{network}.network"),
            &[
                ("MulticastDNS", "no"),
                ("LLMNR", "no"),
                ("RequiredForOnline", "no"),
            ],
        );
    }
}

#[test]
fn every_part_of_systemd_that_a_distribution_configures_otherwise_has_a_file_of_ours() {
    for file in [
        "usr/lib/systemd/journald.conf.d/50-atek.conf",
        "usr/lib/systemd/logind.conf.d/50-atek.conf",
        "usr/lib/systemd/resolved.conf.d/50-atek.conf",
        "usr/lib/systemd/system.conf.d/50-atek.conf",
        "usr/lib/systemd/timesyncd.conf.d/50-atek.conf",
        "usr/lib/sysctl.d/50-atek.conf",
        "usr/lib/tmpfiles.d/atek-box.conf",
    ] {
        assert!(overlay().join(file).is_file(), "{file}");
    }
}

#[test]
fn the_journal_is_in_memory_and_compressed() {
    assert_settings(
        "usr/lib/systemd/journald.conf.d/50-atek.conf",
        &[
            ("Storage", "volatile"),
            ("Compress", "yes"),
            ("RuntimeMaxUse", "16M"),
        ],
    );
}

#[test]
fn nothing_waits_for_a_network_whatever_enables_the_unit() {
    // systemd-networkd.service enables it along with itself (`Also=`), whatever a preset says.
    let unit = "etc/systemd/system/systemd-networkd-wait-online.service";
    assert_eq!(
        fs::read_link(overlay().join(unit)).unwrap(),
        Path::new("/dev/null")
    );
}

#[test]
fn units_that_only_delay_a_start_are_off() {
    // Nothing of a box uses them: message catalogues are left out of the root.
    for unit in [
        "dev-hugepages.mount",
        "sys-kernel-debug.mount",
        "sys-kernel-tracing.mount",
        "systemd-journal-catalog-update.service",
    ] {
        let link = overlay().join("etc/systemd/system").join(unit);
        assert_eq!(
            fs::read_link(link).unwrap(),
            Path::new("/dev/null"),
            "{unit}"
        );
    }
    // What works when the box is turned off runs nothing before.
    let unit = text(overlay().join("usr/lib/systemd/system/atek-journal-keep-at-stop.service"));
    assert!(!unit.contains("ExecStart="), "{unit}");
}

#[test]
fn tests_of_the_card_use_no_program_that_buildroots_root_lacks() {
    // busybox has no findmnt and getent, and its df and stat know other options.
    let folder = atek_tests::paths::repository().join("tests");
    let mut looked = 0;
    for entry in fs::read_dir(folder.join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".rs") || !(name.starts_with("card_") || name.starts_with("soak_wear")) {
            continue;
        }
        looked += 1;
        for program in ["findmnt", "getent", "stat -", "df -", "lsblk", "pgrep"] {
            assert!(!text(&path).contains(program), "{name}: {program}");
        }
    }
    assert!(looked >= 5, "{looked}");
}

#[test]
fn the_checklist_for_a_pi_uses_no_program_that_a_card_lacks() {
    let list = text(atek_tests::paths::repository().join("image/PI-CHECKLIST.md"));
    // What a person is told to enter: `cat /proc/cmdline`, not `ACT` or `os_check=0`.
    let commands = list.split('`').skip(1).step_by(2).filter_map(|code| {
        let (program, rest) = code.split_once(' ')?;
        (!rest.is_empty() && program.chars().all(|c| c.is_ascii_lowercase())).then_some(program)
    });
    let known = [
        "atek",
        "cat",
        "echo",
        "journalctl",
        "ls",
        "reboot",
        "systemctl",
    ];
    let commands: Vec<&str> = commands.collect();
    assert!(commands.len() >= 6, "{commands:?}");
    for program in commands {
        assert!(known.contains(&program), "{program}: is it on both cards?");
    }
}

#[test]
fn files_of_systemd_that_warn_at_each_boot_are_replaced() {
    for file in ["home.conf", "provision.conf"] {
        let text = text(overlay().join("etc/tmpfiles.d").join(file));
        assert!(
            text.lines().all(|line| line.starts_with('#')),
            "{file}: {text}"
        );
    }
}

#[test]
fn sshd_is_configured_for_a_build_without_pam() {
    let config = text(overlay().join("usr/lib/atek/sshd_config"));
    assert!(
        !config.contains("UsePAM"),
        "sshd warns of it when it is built without PAM"
    );
    assert!(
        config.contains("\nAuthenticationMethods publickey\n"),
        "{config}"
    );
}

#[test]
fn what_is_enabled_is_named_and_everything_else_stays_off() {
    let folder = overlay().join("usr/lib/systemd/system-preset");
    let ours = atek_tests::paths::repository().join("units/system-preset/80-atek.preset");
    let enabled: BTreeSet<String> = [ours, folder.join("81-atek-box.preset")]
        .iter()
        .flat_map(|file| text(file).lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| line.strip_prefix("enable ").map(str::to_owned))
        .collect();
    let off = text(folder.join("82-atek-leaves-off.preset"));
    for line in off.lines().filter(|line| !line.starts_with('#')) {
        let unit = line
            .strip_prefix("disable ")
            .unwrap_or_else(|| panic!("{line}"));
        assert!(!enabled.contains(unit), "{unit} is both");
    }
    let last = text(folder.join("99-atek-nothing-else.preset"));
    assert!(last.ends_with("\ndisable *\n"), "{last}");
}

#[test]
fn the_sockets_of_the_network_are_those_of_the_list() {
    // (unit, port): what a socket unit of the tree opens to the network. A path is no port.
    let mut found = BTreeSet::new();
    let units = atek_tests::paths::repository().join("units");
    for folder in [units, overlay().join("usr/lib/systemd/system")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_none_or(|extension| extension != "socket")
            {
                continue;
            }
            for line in text(&path).lines() {
                let listens = line
                    .strip_prefix("ListenStream=")
                    .or(line.strip_prefix("ListenDatagram="));
                if let Some(port) = listens.filter(|address| !address.starts_with('/')) {
                    let unit = path.file_name().unwrap().to_str().unwrap().to_owned();
                    found.insert((unit, port.to_owned()));
                }
            }
        }
    }
    let wanted = [("atek-ssh.socket", "22"), ("atekd.socket", "80")];
    assert_eq!(
        found,
        wanted
            .map(|(unit, port)| (unit.to_owned(), port.to_owned()))
            .into()
    );
}
