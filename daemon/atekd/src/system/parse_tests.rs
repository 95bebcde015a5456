use super::*;

#[test]
fn the_name_of_the_system_is_read_as_a_shell_would() {
    for (text, name) in [
        (
            "NAME=\"Debian GNU/Linux\"\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n",
            Some("Debian GNU/Linux 13 (trixie)"),
        ),
        ("NAME=Buildroot\nVERSION=2026.05.1\n", Some("Buildroot")),
        ("PRETTY_NAME='Ada'\\''s \"Box\"'", Some("Ada's \"Box\"")),
        ("PRETTY_NAME=\"a \\\"b\\\" \\$c\"", Some("a \"b\" $c")),
        ("PRETTY_NAME=\"\"\nNAME=x", Some("x")),
        ("# nothing\n", None),
        ("", None),
    ] {
        assert_eq!(os_name(text).as_deref(), name, "{text}");
    }
}

#[test]
fn memory_is_read_with_and_without_swap() {
    let text =
        "MemTotal:        948280 kB\nMemFree:          80000 kB\nMemAvailable:     512000 kB\n";
    let memory_only = Memory {
        total_bytes: 948_280 * 1024,
        available_bytes: 512_000 * 1024,
    };
    assert_eq!(memory(text), Some((memory_only, Swap::default())));
    let with_swap = format!("{text}SwapCached: 0 kB\nSwapTotal: 100 kB\nSwapFree: 60 kB\n");
    let swap = Swap {
        total_bytes: 102_400,
        free_bytes: 61_440,
    };
    assert_eq!(memory(&with_swap), Some((memory_only, swap)));
    for broken in ["", "MemTotal: x kB\nMemAvailable: 1 kB", "MemTotal: 1 kB\n"] {
        assert_eq!(memory(broken), None, "{broken}");
    }
}

#[test]
fn loads_and_uptimes_are_read() {
    assert_eq!(
        load("0.52 1.08 12.30 2/345 6789\n"),
        Some([0.52, 1.08, 12.3])
    );
    for broken in ["", "1 2", "a b c", "nan 1 1"] {
        assert_eq!(load(broken), None, "{broken}");
    }
    assert_eq!(uptime("35033.77 60000.01\n"), Some(35033));
    assert_eq!(uptime("never"), None);
}

#[test]
fn processors_are_busy_with_everything_but_waiting() {
    let before = cpu_times("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1\ncpu1 2\nintr 5\n").unwrap();
    assert_eq!(before.cpus, 2);
    let after = cpu_times("cpu  150 0 150 850 150 0 0 0 90 0\ncpu0 1\ncpu1 2\n").unwrap();
    assert_eq!(after.percent_since(before), Some(100.0 / 3.0));
    assert_eq!(after.percent_since(after), None);
    assert_eq!(before.percent_since(after), None);
    for broken in [
        "",
        "cpu  1 2\ncpu0 1\n",
        "cpu  1 2 x 4\ncpu0 1\n",
        "cpu  1 2 3 4\n",
    ] {
        assert_eq!(cpu_times(broken), None, "{broken}");
    }
}

#[test]
fn the_model_comes_from_the_device_tree_or_the_firmware() {
    for (parts, name) in [
        (
            &[&b"Raspberry Pi 4 Model B Rev 1.5\0"[..]][..],
            Some("Raspberry Pi 4 Model B Rev 1.5"),
        ),
        (
            &[b"Dell Inc.\n", b"OptiPlex 3060\n"],
            Some("Dell Inc. OptiPlex 3060"),
        ),
        (&[b"HP\n", b"HP EliteDesk 800\n"], Some("HP EliteDesk 800")),
        (&[b"QEMU\n", b"Default string\n"], Some("QEMU")),
        (&[b"To Be Filled By O.E.M.", b"\n"], None),
        (&[], None),
    ] {
        assert_eq!(model(parts.iter().copied()).as_deref(), name);
    }
}

#[test]
fn the_processors_temperature_is_found_among_the_sensors() {
    let zones = |list: &[(&str, &str)]| {
        let zones: Vec<_> = list
            .iter()
            .filter_map(|(kind, text)| Some(((*kind).to_owned(), millidegrees(text)?)))
            .collect();
        processor_temperature(zones)
    };
    for (list, celsius) in [
        (&[("cpu-thermal", "48312\n")][..], Some(48.312)),
        (
            &[
                ("acpitz", "60000"),
                ("x86_pkg_temp", "55000"),
                ("iwlwifi_1", "70000"),
            ],
            Some(55.0),
        ),
        (&[("acpitz", "27800"), ("nvme", "41000")], Some(41.0)),
        (&[("soc-thermal", "0"), ("gpu", "39000")], Some(39.0)),
        (&[("cpu", "-274000"), ("cpu", "999999")], None),
        (&[("cpu", "warm")], None),
        (&[], None),
    ] {
        assert_eq!(zones(list), celsius, "{list:?}");
    }
}
