//! The three configurations and the kernel's fragments.

use super::*;
use std::os::unix::fs::PermissionsExt as _;

/// What the issue asks of the kernel, what `units/` and `image/` need of it, and with which value.
const KERNEL_NEEDS: &[(&str, &str)] = &[
    ("CONFIG_SECURITY_LANDLOCK", "y"),
    ("CONFIG_SECCOMP_FILTER", "y"),
    ("CONFIG_CGROUP_BPF", "y"),
    ("CONFIG_MEMCG", "y"),
    ("CONFIG_CFS_BANDWIDTH", "y"),
    ("CONFIG_CGROUP_PIDS", "y"),
    ("CONFIG_PSI", "y"),
    ("CONFIG_PSI_DEFAULT_DISABLED", "n"),
    ("CONFIG_USER_NS", "y"),
    ("CONFIG_NET_NS", "y"),
    ("CONFIG_PID_NS", "y"),
    ("CONFIG_UTS_NS", "y"),
    ("CONFIG_IPC_NS", "y"),
    ("CONFIG_VETH", "m"),
    ("CONFIG_NF_TABLES", "m"),
    ("CONFIG_NFT_NAT", "m"),
    ("CONFIG_NFT_MASQ", "m"),
    ("CONFIG_NFT_FIB_INET", "m"),
    ("CONFIG_NFT_CONNLIMIT", "m"),
    ("CONFIG_NFT_HASH", "m"),
    ("CONFIG_NFT_REJECT_INET", "m"),
    ("CONFIG_IP_MULTIPLE_TABLES", "y"),
    ("CONFIG_IPV6_MULTIPLE_TABLES", "y"),
    ("CONFIG_OVERLAY_FS", "y"),
    ("CONFIG_SQUASHFS", "y"),
    ("CONFIG_SQUASHFS_ZSTD", "y"),
    ("CONFIG_EROFS_FS", "y"),
    ("CONFIG_EROFS_FS_ZIP_ZSTD", "y"),
    ("CONFIG_EXT4_FS", "y"),
    ("CONFIG_VFAT_FS", "y"),
    ("CONFIG_NLS_CODEPAGE_437", "y"),
    ("CONFIG_NLS_ISO8859_1", "y"),
    ("CONFIG_EFI_PARTITION", "y"),
    ("CONFIG_BLK_DEV_DM", "y"),
    ("CONFIG_DM_INIT", "y"),
    ("CONFIG_DM_VERITY", "y"),
    ("CONFIG_CRYPTO_SHA256", "y"),
    ("CONFIG_ZRAM", "y"),
    ("CONFIG_WATCHDOG", "y"),
    ("CONFIG_IPV6", "y"),
    ("CONFIG_AUTOFS_FS", "y"),
    ("CONFIG_ARM64_4K_PAGES", "y"),
];

const PI_NEEDS: &[(&str, &str)] = &[
    ("CONFIG_MMC_BLOCK", "y"),
    ("CONFIG_MMC_SDHCI_IPROC", "y"),
    ("CONFIG_MMC_SDHCI_BRCMSTB", "y"),
    ("CONFIG_BCM2835_WDT", "y"),
    ("CONFIG_CFG80211", "m"),
    ("CONFIG_BRCMFMAC", "m"),
    ("CONFIG_BRCMFMAC_SDIO", "y"),
    ("CONFIG_RFKILL", "m"),
];

const VIRT_NEEDS: &[(&str, &str)] = &[
    ("CONFIG_VIRTIO_PCI", "y"),
    ("CONFIG_VIRTIO_BLK", "y"),
    ("CONFIG_VIRTIO_NET", "y"),
    ("CONFIG_PCI_HOST_GENERIC", "y"),
    ("CONFIG_SERIAL_AMBA_PL011_CONSOLE", "y"),
];

fn is_a_pi(board: &str) -> bool {
    board.starts_with("atek_rpi")
}

#[test]
fn every_setting_of_every_configuration_and_fragment_is_named_once() {
    for board in BOARDS {
        assert!(buildroot_settings(board).len() > 30);
        assert!(kernel_settings(board).len() > 100);
    }
}

#[test]
fn boards_differ_in_nothing_but_the_board() {
    const OF_A_BOARD: &[&str] = &[
        "BR2_cortex_",
        "BR2_LINUX_KERNEL_DEFCONFIG",
        "BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES",
        "BR2_LINUX_KERNEL_DTS_SUPPORT",
        "BR2_LINUX_KERNEL_INTREE_DTS_NAME",
        "BR2_ROOTFS_POST_SCRIPT_ARGS",
        "BR2_PACKAGE_RPI_FIRMWARE",
        "BR2_PACKAGE_BRCMFMAC_SDIO_FIRMWARE_RPI",
        "BR2_PACKAGE_WIRELESS_REGDB",
        "BR2_PACKAGE_WPA_SUPPLICANT",
    ];
    let common = |board: &str| {
        let mut settings = buildroot_settings(board);
        settings.retain(|name, _| !OF_A_BOARD.iter().any(|start| name.starts_with(start)));
        settings
    };
    for board in BOARDS {
        assert_eq!(
            common(board),
            common(BOARDS[0]),
            "{board} and {}",
            BOARDS[0]
        );
    }
}

#[test]
fn every_file_that_a_configuration_names_is_there_and_scripts_can_be_run() {
    for board in BOARDS {
        let settings = buildroot_settings(board);
        for (name, value) in &settings {
            if !value.contains("$(BR2_EXTERNAL_ATEK_PATH)") {
                continue;
            }
            for path in words(&settings, name) {
                let status = path
                    .metadata()
                    .unwrap_or_else(|error| panic!("{board}, {name}: {}: {error}", path.display()));
                if name.ends_with("_SCRIPT") {
                    assert_ne!(status.permissions().mode() & 0o111, 0, "{}", path.display());
                }
            }
        }
    }
}

#[test]
fn no_board_folder_is_left_over() {
    for folder in std::fs::read_dir(tree().join("board")).unwrap() {
        let folder = folder.unwrap().path();
        let used = BOARDS.iter().any(|board| {
            text(configuration(board)).contains(&format!(
                "/board/{}/",
                folder.file_name().unwrap().display()
            ))
        });
        assert!(used, "no configuration uses {}", folder.display());
    }
}

#[test]
fn the_kernel_has_every_option_that_atek_needs() {
    for board in BOARDS {
        let kernel = kernel_settings(board);
        let of_the_board = if is_a_pi(board) { PI_NEEDS } else { VIRT_NEEDS };
        for (name, value) in KERNEL_NEEDS.iter().chain(of_the_board) {
            assert_eq!(
                kernel.get(*name).map(String::as_str),
                Some(*value),
                "{board}: {name}"
            );
        }
    }
}

#[test]
fn the_kernel_names_landlock_among_its_security_modules_and_none_that_is_not_built() {
    for board in BOARDS {
        let kernel = kernel_settings(board);
        let modules: Vec<&str> = kernel["CONFIG_LSM"].split(',').collect();
        assert!(modules.contains(&"landlock"), "{board}: {modules:?}");
        for module in modules {
            let option = match module {
                "bpf" => "CONFIG_BPF_LSM".to_owned(),
                other => format!("CONFIG_SECURITY_{}", other.to_uppercase()),
            };
            assert_eq!(
                kernel.get(&option).map(String::as_str),
                Some("y"),
                "{board}: {module} needs {option}"
            );
        }
    }
}

#[test]
fn nothing_that_the_root_is_mounted_with_is_a_module() {
    // There is no initramfs to load one from.
    for board in BOARDS {
        let kernel = kernel_settings(board);
        for (name, value) in &kernel {
            let early = [
                "_FS",
                "SQUASHFS",
                "DM_",
                "BLK",
                "MMC",
                "CRYPTO_SHA",
                "PCI",
                "NLS",
                "SCSI",
                "USB",
            ]
            .iter()
            .any(|part| name.contains(part));
            assert!(!early || value != "m", "{board}: {name} is a module");
        }
    }
}

#[test]
fn wifi_has_its_driver_its_firmware_its_rules_and_its_daemon() {
    for board in BOARDS.iter().filter(|board| is_a_pi(board)) {
        let settings = buildroot_settings(board);
        for name in [
            "BR2_PACKAGE_BRCMFMAC_SDIO_FIRMWARE_RPI_WIFI",
            "BR2_PACKAGE_WIRELESS_REGDB",
            "BR2_PACKAGE_WPA_SUPPLICANT",
            "BR2_PACKAGE_WPA_SUPPLICANT_WPA3",
        ] {
            assert_eq!(
                settings.get(name).map(String::as_str),
                Some("y"),
                "{board}: {name}"
            );
        }
    }
}

#[test]
fn nobody_can_sign_in_on_a_screen_or_with_a_password() {
    for board in BOARDS {
        let settings = buildroot_settings(board);
        for name in ["BR2_TARGET_ENABLE_ROOT_LOGIN", "BR2_TARGET_GENERIC_GETTY"] {
            assert_eq!(
                settings.get(name).map(String::as_str),
                Some("n"),
                "{board}: {name}"
            );
        }
        assert!(
            !settings.contains_key("BR2_TARGET_GENERIC_ROOT_PASSWD"),
            "{board}"
        );
    }
}

#[test]
fn the_kernels_headers_are_of_the_kernels_version() {
    // Without this line the toolchain counts as too old, and systemd and Atek are dropped in
    // silence.
    let hashes = text(tree().join("patches/linux/linux.hash"));
    let version = hashes
        .split(['(', ')'])
        .nth(1)
        .expect("the comment names the version in parentheses");
    let mut numbers = version.split('.');
    let wanted = format!(
        "BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_{}_{}",
        numbers.next().unwrap(),
        numbers.next().unwrap()
    );
    for board in BOARDS {
        assert_eq!(
            buildroot_settings(board).get(&wanted).map(String::as_str),
            Some("y"),
            "{board}: {wanted}"
        );
    }
}
