//! What the firmware of a Raspberry Pi reads, against its documentation: `config.txt`, device
//! trees, the firmware's own files, Wi-Fi, the watchdog; on both ways to make a card.
//!
//! No board is here to try it on. Source: <https://www.raspberrypi.com/documentation/computers/>.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::fs;

fn text(path: &str) -> String {
    let path = atek_tests::paths::repository().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Lines without comments and empty ones.
fn lines(path: &str) -> Vec<String> {
    let text = text(path);
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

const CONFIGS: [&str; 3] = [
    "image/board/rpi/config.txt",
    "image/debian/kernel.txt",
    "buildroot/board/rpi/kernel.txt",
];

#[test]
fn the_firmware_is_told_nothing_that_its_documentation_does_not_have() {
    // config_txt.html, legacy_config_txt.html
    const KNOWN: [&str; 12] = [
        "arm_64bit",
        "disable_overscan",
        "disable_splash",
        "dtoverlay",
        "enable_uart",
        "gpu_mem",
        "hdmi_force_hotplug",
        "kernel",
        "os_check",
        "otg_mode",
        "upstream_kernel",
        "include kernel.txt",
    ];
    const FILTERS: [&str; 2] = ["[all]", "[cm4]"];
    for file in CONFIGS {
        let mut filter = "[all]".to_owned();
        for line in lines(file) {
            if line.starts_with('[') {
                assert!(FILTERS.contains(&&*line), "{file}: {line}");
                filter = line;
                continue;
            }
            // No space around `=`, and no comment after a value: both would be part of it.
            let name = line.split('=').next().unwrap();
            assert!(KNOWN.contains(&name), "{file}: {line}");
            assert!(
                name.starts_with("include") || !line.contains(' '),
                "{file}: {line}"
            );
        }
        assert_eq!(
            filter, "[all]",
            "{file}: what follows would be for one board"
        );
    }
}

#[test]
fn each_kernel_gets_the_device_trees_of_its_own_names() {
    // With `upstream_kernel=1` the firmware looks for the names of Linux itself, else for its own:
    // they differ for Compute Modules.
    assert_eq!(lines("image/debian/kernel.txt"), ["upstream_kernel=1"]);
    let debian = lines("image/board/rpi/device-trees");
    for tree in ["bcm2711-rpi-4-b", "bcm2711-rpi-400", "bcm2711-rpi-cm4-io"] {
        assert!(debian.contains(&format!("{tree}.dtb")), "{tree}");
    }
    assert!(!lines("buildroot/board/rpi/kernel.txt").contains(&"upstream_kernel=1".to_owned()));
    for (board, trees) in [
        (
            "rpi4",
            &["bcm2711-rpi-4-b", "bcm2711-rpi-400", "bcm2711-rpi-cm4"][..],
        ),
        (
            "rpi5",
            &[
                "bcm2712-rpi-5-b",
                // A Pi 5 with the later revision of the chip.
                "bcm2712d0-rpi-5-b",
                "bcm2712-rpi-500",
                "bcm2712-rpi-cm5-cm5io",
            ],
        ),
    ] {
        let config = text(&format!("buildroot/configs/atek_{board}_64_defconfig"));
        for tree in trees {
            let name = format!("broadcom/{tree}");
            let is_named = config.split([' ', '"']).any(|word| word == name);
            assert!(is_named, "{board}: {tree}");
        }
    }
}

#[test]
fn a_pi_4_has_the_firmware_that_its_share_of_memory_chooses() {
    // gpu_mem=16 selects the cut-down firmware, whose two files belong together.
    assert!(lines(CONFIGS[0]).contains(&"gpu_mem=16".to_owned()));
    let debian = lines("image/board/rpi/firmware");
    assert_eq!(
        debian,
        ["start4.elf", "fixup4.dat", "start4cd.elf", "fixup4cd.dat"]
    );
    let config = text("buildroot/configs/atek_rpi4_64_defconfig");
    for variant in ["PI4", "PI4_CD"] {
        let line = format!("\nBR2_PACKAGE_RPI_FIRMWARE_VARIANT_{variant}=y\n");
        assert!(config.contains(&line), "{variant}");
    }
    // A Pi 5 has it in its EEPROM. Overlays are for both: `vc4-kms-v3d` is found by their map.
    let config = text("buildroot/configs/atek_rpi5_64_defconfig");
    assert!(!config.contains("RPI_FIRMWARE_VARIANT"));
    for board in ["rpi4", "rpi5"] {
        let config = text(&format!("buildroot/configs/atek_{board}_64_defconfig"));
        assert!(config.contains("\nBR2_PACKAGE_RPI_FIRMWARE_INSTALL_DTB_OVERLAYS=y\n"));
    }
}

#[test]
fn wifi_has_the_firmware_of_each_boards_chip_and_the_rules_of_each_country() {
    // Pi 4, CM4, 5, CM5, 500: CYW43455. Pi 400: CYW43456. What is left out of the root keeps both.
    let kept = lines("image/debian/leave-out.list");
    assert!(kept.contains(&"usr/lib/firmware/brcm/!(brcmfmac4345*)".to_owned()));
    assert!(kept.contains(&"usr/lib/firmware/cypress/!(cyfmac43455*)".to_owned()));
    let packages = lines("image/debian/packages.list");
    for package in ["firmware-brcm80211", "wireless-regdb", "wpasupplicant"] {
        assert!(packages.contains(&package.to_owned()), "{package}");
    }
    let modules = lines("image/debian/modules.list");
    for module in ["brcmfmac", "brcmfmac_wcc", "brcmfmac_cyw", "rfkill"] {
        assert!(modules.contains(&module.to_owned()), "{module}");
    }
}

#[test]
fn the_watchdog_is_not_asked_for_more_than_the_chip_can_count() {
    // bcm2835_wdt counts 20 bits of 1/65536 s: 15.99 s.
    let config = lines("image/overlay/usr/lib/systemd/system.conf.d/50-atek.conf");
    let seconds = config
        .iter()
        .find_map(|line| line.strip_prefix("RuntimeWatchdogSec=")?.strip_suffix('s'))
        .unwrap();
    assert!(seconds.parse::<u32>().unwrap() <= 15, "{seconds}");
    assert!(lines("image/debian/modules.list").contains(&"bcm2835_wdt".to_owned()));
    assert!(text("buildroot/board/rpi/linux.fragment").contains("\nCONFIG_BCM2835_WDT=y\n"));
}

#[test]
fn the_light_on_the_board_can_show_every_pattern_on_both_routes() {
    let modules = lines("image/debian/modules.list");
    for module in ["leds_gpio", "ledtrig_timer"] {
        assert!(modules.contains(&module.to_owned()), "{module}");
    }
    let common = text("buildroot/board/common/linux.fragment");
    for option in ["LEDS_CLASS", "LEDS_TRIGGER_TIMER", "LEDS_TRIGGER_HEARTBEAT"] {
        assert!(
            common.contains(&format!("\nCONFIG_{option}=y\n")),
            "{option}"
        );
    }
    assert!(text("buildroot/board/rpi/linux.fragment").contains("\nCONFIG_LEDS_GPIO=y\n"));
    // The names are the same in the program, in what it may write to, and in what starts it.
    let unit = text("image/overlay/usr/lib/systemd/system/atek-led.service");
    let rule = text("image/overlay/usr/lib/udev/rules.d/60-atek-led.rules");
    assert!(rule.contains("KERNEL==\"ACT|led0\""), "{rule}");
    for name in ["ACT", "led0"] {
        assert!(unit.contains(&format!("ConditionPathExists=|/sys/class/leds/{name}\n")));
        let line = unit
            .lines()
            .find(|line| line.starts_with("ReadWritePaths="))
            .unwrap();
        assert!(line.contains(&format!("-/sys/class/leds/{name}")), "{line}");
    }
}

#[test]
fn disks_can_be_asked_about_their_health_on_both_routes() {
    let packages = lines("image/debian/packages.list");
    assert!(packages.contains(&"smartmontools".to_owned()));
    for board in ["rpi4_64", "rpi5_64", "qemu_aarch64_virt"] {
        let config = text(&format!("buildroot/configs/atek_{board}_defconfig"));
        assert!(
            config.contains("\nBR2_PACKAGE_SMARTMONTOOLS=y\n"),
            "{board}"
        );
    }
    let unit = text("image/overlay/usr/lib/systemd/system/atek-disk-health.service");
    assert!(unit.contains("ConditionPathExists=/usr/sbin/smartctl\n"));
    let preset = lines("image/overlay/usr/lib/systemd/system-preset/81-atek-box.preset");
    assert!(preset.contains(&"enable atek-disk-health.timer".to_owned()));
}

#[test]
fn no_unit_of_the_box_has_the_name_of_one_that_the_host_makes() {
    let names = text("daemon/atek-api/src/spec/paths.rs");
    let units = names
        .lines()
        .filter_map(|line| line.split_once("_UNIT: &str = \"")?.1.strip_suffix("\";"));
    // The firewall's unit is there, and the host starts it.
    let made: Vec<&str> = units
        .filter(|unit| *unit != "atek-network.service")
        .collect();
    assert!(made.contains(&"atek-disks.service"), "{made:?}");
    for unit in made {
        for folder in ["units", "image/overlay/usr/lib/systemd/system"] {
            let path = atek_tests::paths::repository().join(folder).join(unit);
            assert!(!path.exists(), "{}", path.display());
        }
    }
}

#[test]
fn what_chooses_the_slot_is_what_the_boot_loader_reads() {
    // autoboot.txt: at most 512 bytes, and the filters [all], [none] and [tryboot].
    let autoboot = atek_image::assemble::AUTOBOOT;
    assert!(autoboot.len() <= 512);
    for line in autoboot.lines() {
        let known = [
            "[all]",
            "[tryboot]",
            "tryboot_a_b=1",
            "boot_partition=2",
            "boot_partition=3",
        ];
        assert!(known.contains(&line), "{line}");
    }
    // A partition counts as bootable by start4.elf (Pi 4) or config.txt (Pi 5); the first one,
    // which people see, has neither.
    assert!(!text("image/layout.toml").contains("config.txt"));
}
