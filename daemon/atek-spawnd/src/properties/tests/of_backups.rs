//! The units of backups and of lists of disks.

use super::*;

#[test]
fn a_link_in_a_folder_of_atekd_stored_a_file_of_the_system_in_a_backup() {
    let spec = atek_api::spec::BackupSpec {
        target: "/mnt/disk".into(),
        disk: None,
        line: false,
        restore: Vec::new(),
        whole: false,
        read: false,
    };
    let (input, output) = std::io::pipe().unwrap();
    let properties = backup(&spec, NEW, OwnedFd::from(input), OwnedFd::from(output));
    let hidden = value(&properties, "TemporaryFileSystem");
    for folder in ["/etc", "/run", "/var"] {
        assert!(
            hidden.contains(&format!("{folder:?}")),
            "{folder}: {hidden}"
        );
    }
    let closed = value(&properties, "InaccessiblePaths");
    // Not the folder above the target.
    for folder in ["-/boot", "-/media", "-/opt", "-/srv"] {
        assert!(closed.contains(folder), "{folder}: {closed}");
    }
}

#[test]
fn a_job_with_a_disk_is_given_that_device_and_may_write_only_to_one_that_was_chosen() {
    let job = |look: bool, read: bool| {
        let spec = atek_api::spec::BackupSpec {
            target: "/run/atek-disk".into(),
            disk: Some(atek_api::spec::DiskSpec {
                device: "sda1".parse().unwrap(),
                kind: atek_api::spec::FileSystem::Vfat,
                look,
            }),
            line: false,
            restore: Vec::new(),
            whole: false,
            read,
        };
        spec.validate().unwrap();
        let (input, output) = std::io::pipe().unwrap();
        backup(&spec, NEW, OwnedFd::from(input), OwnedFd::from(output))
    };
    for (look, read, allowed, capabilities, access) in [
        (
            true,
            true,
            r#"("/dev/sda1", "r")"#,
            1u64 << 21 | 1 << 2,
            "look",
        ),
        (
            false,
            true,
            r#"("/dev/sda1", "rw")"#,
            1 << 21 | 1 << 2 | 1 << 1,
            "read",
        ),
        (
            false,
            false,
            r#"("/dev/sda1", "rw")"#,
            1 << 21 | 1 << 2 | 1 << 1,
            "write",
        ),
    ] {
        let properties = job(look, read);
        let found = value(&properties, "DeviceAllow");
        assert!(found.contains(allowed), "{found}");
        assert_eq!(value(&properties, "DevicePolicy"), r#""closed""#);
        assert_eq!(value(&properties, "PrivateDevices"), "true");
        let bounded = values(&properties, "CapabilityBoundingSet").pop().unwrap();
        assert!(bounded.ends_with(&capabilities.to_string()), "{bounded}");
        let command = value(&properties, "ExecStartEx");
        assert!(command.contains(access), "{command}");
        assert!(!value(&properties, "BindPaths").contains("/mnt"));
    }
}

#[test]
fn a_job_with_a_server_has_no_network_but_the_socket_that_leads_there() {
    let mut spec = atek_api::spec::BackupSpec {
        target: "/run/atek-line".into(),
        disk: None,
        line: true,
        restore: Vec::new(),
        whole: false,
        read: false,
    };
    spec.validate().unwrap();
    let (input, output) = std::io::pipe().unwrap();
    let properties = backup(&spec, NEW, OwnedFd::from(input), OwnedFd::from(output));
    assert_eq!(value(&properties, "PrivateNetwork"), "true");
    let families = value(&properties, "RestrictAddressFamilies");
    assert!(
        families.contains("AF_UNIX") && !families.contains("INET"),
        "{families}"
    );
    let seen = value(&properties, "BindReadOnlyPaths");
    assert!(
        seen.contains(r#"("/run/atek/backup/atek-backup.service", "/run/atek-line""#),
        "{seen}"
    );
    // An empty list would take the other away.
    assert!(values(&properties, "BindPaths").is_empty());
    // Only that socket.
    spec.target = "/run/atek/control.sock".into();
    assert!(spec.validate().is_err());
}

#[test]
fn the_list_of_disks_reads_disks_and_nothing_else() {
    let (_input, output) = std::io::pipe().unwrap();
    let properties = crate::properties::disks(NEW, OwnedFd::from(output));
    assert_eq!(values(&properties, "DeviceAllow").len(), 1);
    assert!(value(&properties, "DeviceAllow").contains(r#"("block-*", "r")"#));
    assert_eq!(value(&properties, "DevicePolicy"), r#""closed""#);
    assert!(value(&properties, "CapabilityBoundingSet").ends_with('0'));
    assert!(values(&properties, "PrivateDevices").is_empty());
}
