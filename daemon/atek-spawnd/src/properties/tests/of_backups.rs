//! The units of backups and of lists of disks.

use super::*;

#[test]
fn a_link_in_a_folder_of_atekd_stored_a_file_of_the_system_in_a_backup() {
    let spec = atek_api::spec::BackupSpec {
        target: "/mnt/disk".into(),
        disk: None,
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
fn the_list_of_disks_reads_disks_and_nothing_else() {
    let (_input, output) = std::io::pipe().unwrap();
    let properties = crate::properties::disks(NEW, OwnedFd::from(output));
    assert_eq!(values(&properties, "DeviceAllow").len(), 1);
    assert!(value(&properties, "DeviceAllow").contains(r#"("block-*", "r")"#));
    assert_eq!(value(&properties, "DevicePolicy"), r#""closed""#);
    assert!(value(&properties, "CapabilityBoundingSet").ends_with('0'));
    assert!(values(&properties, "PrivateDevices").is_empty());
}
