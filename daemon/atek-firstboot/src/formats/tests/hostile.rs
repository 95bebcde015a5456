//! Wrong and hostile files: a problem each, soon, and no value of the file in it.

use super::*;
use std::time::{Duration, Instant};

/// Reads, and holds what holds for every file.
fn read_hostile(file: &str, content: &[u8]) -> Reading {
    let begin = Instant::now();
    let reading = read(file, content);
    // What is not held back takes for ever.
    assert!(
        begin.elapsed() < Duration::from_secs(60),
        "{file} took {:?}",
        begin.elapsed()
    );
    assert!(reading.problems.len() <= 8 && reading.ignored.len() <= 32);
    reading
}

#[test]
fn fuzz_files_of_the_imager() {
    let seeds: [&[u8]; 6] = [
        b"config_version = \"1.0\"\n[system]\nhostname = \"kitchen\"\n[wlan]\nssid = \"Home\"\npassword = \"12345678\"\ncountry = \"AT\"\n",
        b"#cloud-config\nhostname: kitchen\ntimezone: Europe/Vienna\nusers:\n- name: pi\n  ssh_authorized_keys:\n  - ssh-ed25519 AAAA x\n",
        b"network:\n  version: 2\n  wifis:\n    wlan0:\n      access-points:\n        \"Home\": {password: \"12345678\"}\n",
        b"#!/bin/bash\nset +e\nCURRENT_HOSTNAME=`cat /etc/hostname | tr -d \" \\t\\n\\r\"`\nif [ -f /usr/lib/raspberrypi-sys-mods/imager_custom ]; then\n   /usr/lib/raspberrypi-sys-mods/imager_custom set_hostname kitchen\nfi\n",
        b"cat >/etc/wpa_supplicant/wpa_supplicant.conf <<'WPAEOF'\ncountry=AT\nnetwork={\n\tssid=\"Home\"\n\tpsk=0123456789012345678901234567890123456789012345678901234567890123\n}\nWPAEOF\n",
        b"instance-id: x\nlocal-hostname: kitchen\n",
    ];
    let tokens: [&[u8]; 10] = [
        b"&a",
        b"*a",
        b"<<: *a",
        b"!!binary |",
        b"- ",
        b": ",
        b"<<EOF\n",
        b"\"\"\"",
        b"\\x00",
        b"$((1",
    ];
    let files: Vec<&str> = all_files().collect();
    atek_fuzz::run("files of the Imager", &seeds, &tokens, |input| {
        let mut accepted = false;
        for file in &files {
            let reading = read_hostile(file, input);
            accepted |= reading.problems.is_empty();
            if let Some(name) = name(&reading.settings) {
                assert!(!name.contains(['\n', '/', ' ']), "{name:?}");
            }
            for key in keys(&reading.settings) {
                assert!(!key.contains('\n'), "{key:?}");
            }
        }
        accepted
    });
}

fn all_files() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().flat_map(|(_, files)| files.iter().copied())
}

#[test]
fn mistakes_are_told_with_their_line() {
    for (file, text, problem) in [
        (
            "rpi-preseed.toml",
            "config_version = \"1.0\"\n[wlan\nssid = 1",
            "line 2: this is no valid TOML",
        ),
        (
            "rpi-preseed.toml",
            "[system]\nhostname = \"x\"\n",
            "`config_version` must be \"1.0\": other versions are not known here",
        ),
        (
            "rpi-preseed.toml",
            "config_version = \"2.0\"\n",
            "`config_version` must be \"1.0\": other versions are not known here",
        ),
        (
            "rpi-preseed.toml",
            "config_version = \"1.0\"\nwlan = 3\n",
            "`wlan` should hold settings with names",
        ),
        (
            "rpi-preseed.toml",
            "config_version = \"1.0\"\n[wlan]\npassword = \"12345678\"\n",
            "there is a Wi-Fi password, but no `ssid`",
        ),
        (
            "rpi-preseed.toml",
            "config_version = \"1.0\"\n[ethernet]\nmethod = \"static\"\n",
            "a wired network gets its address from the router (DHCP) here, always",
        ),
        (
            "user-data",
            "#cloud-config\nhostname: x\n  y: z\n",
            "line 3: this is no valid YAML",
        ),
        (
            "user-data",
            "#cloud-config\n- a\n",
            "this is no list of settings, each with its name",
        ),
        (
            "user-data",
            "#cloud-config\nhostname: [a]\n",
            "`hostname` has a value of the wrong kind",
        ),
        (
            "user-data",
            "hostname: x\n",
            "the first line must be `#cloud-config`",
        ),
        (
            "user-data",
            "#!/bin/sh\nreboot\n",
            "scripts are not run here: only `#cloud-config` is read",
        ),
        (
            "user-data",
            "#cloud-config\nssh_import_id: gh:alice\n",
            "ssh keys are not fetched from the internet: give them as `ssh_authorized_keys`",
        ),
        (
            "network-config",
            "version: 1\nconfig: []\n",
            "only `version: 2` of a network configuration is read",
        ),
        (
            "firstrun.sh",
            "#!/bin/sh\nrm -rf /\n",
            "scripts are not run here, and none of Raspberry Pi Imager's settings is in this one",
        ),
        (
            "firstrun.sh",
            "a\0b",
            "this is no text: there are zero bytes in it",
        ),
        (
            "firstrun.sh",
            "imager_custom set_wlan '' 12345678 XX",
            "the name of the Wi-Fi network must be 1 to 32 bytes",
        ),
    ] {
        assert_eq!(
            read_hostile(file, text.as_bytes()).problems,
            [problem],
            "{file}: {text}"
        );
    }
}

#[test]
fn no_problem_repeats_a_secret() {
    let secret = "correct-horse-battery";
    for (file, text) in [
        (
            "rpi-preseed.toml",
            format!("config_version = \"1.0\"\n[wlan]\npassword = \"{secret}\n"),
        ),
        (
            "rpi-preseed.toml",
            format!(
                "config_version = \"1.0\"\n[wlan]\nssid = \"{}\"\npassword = \"{secret}\"\n",
                "x".repeat(33)
            ),
        ),
        (
            "rpi-preseed.toml",
            format!(
                "config_version = \"1.0\"\n[system]\nhostname = \"{secret} !\"\n[ssh]\nauthorized_keys = [\"{secret}\"]\n"
            ),
        ),
        (
            "user-data",
            format!("#cloud-config\npassword: \"{secret}\nhostname: {secret}!\n"),
        ),
        ("user-data", format!("#cloud-config\n{secret}: *{secret}\n")),
        (
            "network-config",
            format!(
                "version: 2\nwifis: {{wlan0: {{access-points: {{x: {{password: [{secret}]}}}}}}}}\n"
            ),
        ),
        (
            "firstrun.sh",
            format!("imager_custom set_wlan home '{}' 'AT'\n", secret.repeat(4)),
        ),
    ] {
        let reading = read_hostile(file, text.as_bytes());
        assert!(!reading.problems.is_empty(), "{file}: {text}");
        let shown = format!("{:?} {:?}", reading.problems, reading.settings.wifi);
        assert!(!shown.contains(secret), "{file}: {shown}");
    }
}

#[test]
fn yaml_that_grows_or_nests_is_refused_soon() {
    let mut laughs = String::from("#cloud-config\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let last = format!("*a{}", level - 1);
        laughs.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            vec![last; 9].join(", ")
        ));
    }
    let deep = format!("#cloud-config\na: {}\n", "[".repeat(100_000));
    let block: String = (0..2_000)
        .map(|depth| format!("{}a:\n", " ".repeat(depth % 200)))
        .collect();
    let nested: String = (0..400)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    let documents = format!("#cloud-config\n{}", "---\na: b\n".repeat(20_000));
    let wide = format!("#cloud-config\n{}", "- x\n".repeat(60_000));
    let loops = "#cloud-config\na: &a\n  b: *a\n".to_owned();
    for text in [
        laughs,
        deep,
        format!("#cloud-config\n{block}"),
        format!("#cloud-config\n{nested}"),
        documents,
        wide,
        loops,
    ] {
        for file in ["user-data", "meta-data", "network-config"] {
            let reading = read_hostile(file, text.as_bytes());
            assert_eq!(reading.problems.len(), 1, "{file}: {reading:?}");
        }
    }
}

#[test]
fn toml_and_scripts_that_nest_are_refused_soon() {
    let deep = "[".repeat(100_000);
    for text in [
        format!("a = {deep}"),
        "a.".repeat(60_000),
        "[[a]]\n".repeat(40_000),
        "\"\\".repeat(60_000),
        "$(".repeat(60_000),
    ] {
        for file in all_files() {
            read_hostile(file, text.as_bytes());
        }
    }
    let heredocs = "cat <<E\n".repeat(20_000);
    read_hostile("firstrun.sh", heredocs.as_bytes());
}

#[test]
fn every_beginning_of_a_good_file_is_read() {
    // What a card has when it was pulled while being written.
    for (file, text) in [
        ("user-data", USER_DATA),
        ("network-config", NETWORK_CONFIG),
        ("firstrun.sh", FIRSTRUN),
    ] {
        let text = text.replace("@KEY@", KEY).replace("@HASH@", HASH);
        for end in (0..text.len()).step_by(7) {
            read_hostile(file, &text.as_bytes()[..end]);
        }
    }
}

/// Files that are nearly right: pieces of settings in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "#cloud-config\n",
        "config_version = \"1.0\"\n",
        "hostname",
        "timezone",
        "user",
        "users",
        "wifis",
        "wlan0",
        "access-points",
        "network",
        "version: 2\n",
        ": ",
        " = ",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "\"",
        "'",
        "&a ",
        "*a ",
        "<<: ",
        "[wlan]\n",
        "[ssh]\n",
        "ssid",
        "password",
        "!!binary ",
        "|\n",
        ">\n",
        "imager_custom set_wlan ",
        "imager_custom enable_ssh -k ",
        "<<'EOF'\n",
        "EOF\n",
        "$(",
        "`",
        "\\",
        "é",
        "\u{feff}",
        "\r\n",
        "\t",
        "\u{2028}",
        "%YAML 1.2\n---\n",
        "true",
        "0x1f",
        "1e999",
        "~",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nearly_right_files_are_read(text in pieces()) {
        for file in all_files() {
            read_hostile(file, text.as_bytes());
        }
    }

    #[test]
    fn any_bytes_are_read(content in prop::collection::vec(any::<u8>(), 0..600)) {
        for file in all_files() {
            read_hostile(file, &content);
        }
    }

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        for file in all_files() {
            read_hostile(file, text.as_bytes());
            read_hostile(file, format!("#cloud-config\n{text}").as_bytes());
        }
    }
}
