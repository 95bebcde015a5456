//! Files as Raspberry Pi Imager and people write them, and hostile ones.

use super::*;
use crate::settings::{Country, Settings, Ssid, TimeZone, Wifi, WifiKey};
use proptest::prelude::*;

mod hostile;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice@laptop";
const HASH: &str = "5b1d0a3f7c2e4d6890ab12cd34ef56789a0b1c2d3e4f5061728394a5b6c7d8e9";

/// A file with `@KEY@` and `@HASH@` filled in.
fn read_filled(file: &str, text: &str) -> Reading {
    read(
        file,
        text.replace("@KEY@", KEY)
            .replace("@HASH@", HASH)
            .as_bytes(),
    )
}

fn name(settings: &Settings) -> Option<&str> {
    settings
        .host_name
        .as_ref()
        .map(crate::settings::HostName::as_str)
}

fn keys(settings: &Settings) -> Vec<&str> {
    settings
        .ssh_keys
        .iter()
        .map(crate::settings::SshKey::as_line)
        .collect()
}

fn hashed(ssid: impl Into<Vec<u8>>, hidden: bool) -> Wifi {
    let ssid = Ssid::new(ssid).unwrap();
    let key = WifiKey::Hash(HASH.into());
    Wifi { ssid, key, hidden }
}

/// What each of the whole files below asks for.
fn assert_all_of_it(reading: &Reading) {
    assert_eq!(reading.problems, [""; 0]);
    let settings = &reading.settings;
    assert_eq!(name(settings), Some("kitchen"));
    assert_eq!(
        settings.time_zone.as_ref().map(TimeZone::as_str),
        Some("Europe/Vienna")
    );
    assert_eq!(settings.wifi, [hashed("Our Home", true)]);
    assert_eq!(settings.country.as_ref().map(Country::as_str), Some("AT"));
    assert_eq!(keys(settings), [KEY]);
}

#[test]
fn a_preseed_file_of_imager_2_is_honoured_whole() {
    let reading = read_filled(
        "rpi-preseed.toml",
        r#"config_version = "1.0"

[system]
hostname = "kitchen"

[user]
name = "alice"
password = "$y$j9T$abcdefgh$0123456789"
password_encrypted = true
groups = ["sudo"]

[ssh]
enabled = true
password_authentication = false
authorized_keys = [
  "@KEY@",
]

[wlan]
ssid = "Our Home"
password = "@HASH@"
password_encrypted = true
hidden = true
country = "AT"

[locale]
keymap = "de"
timezone = "Europe/Vienna"
"#,
    );
    assert_all_of_it(&reading);
    assert_eq!(reading.ignored, ["locale.keymap", "user"]);
}

#[test]
fn a_custom_file_of_bookworm_is_honoured_whole() {
    let text = "config_version = 1\n[system]\nhostname = \"kitchen\"\n[ssh]\nenabled = true\nauthorized_keys = [ \"@KEY@\" ]\n\
        [wlan]\nssid = \"Our Home\"\npassword = \"@HASH@\"\nhidden = true\ncountry = \"at\"\n[locale]\ntimezone = \"Europe/Vienna\"\n";
    assert_all_of_it(&read_filled("custom.toml", text));
}

const USER_DATA: &str = r#"#cloud-config
manage_resolv_conf: false

hostname: kitchen
manage_etc_hosts: true
packages:
- avahi-daemon
apt:
  preserve_sources_list: true
  conf: |
    Acquire {
      Check-Date "false";
    };
timezone: Europe/Vienna
keyboard:
  model: pc105
  layout: "de"
user:
  name: alice
  shell: /bin/bash
  lock_passwd: false
  passwd: "$y$j9T$abcdefgh$0123456789"
  ssh_authorized_keys:
    - "@KEY@"
  sudo: null
ssh_pwauth: false
runcmd:
  - [ systemctl, enable, --now, ssh ]
"#;

const NETWORK_CONFIG: &str = r#"network:
  version: 2
  ethernets:
    eth0:
      dhcp4: true
      dhcp6: true
      optional: true
  wifis:
    wlan0:
      dhcp4: true
      regulatory-domain: "AT"
      access-points:
        "Our Home":
          hidden: true
          password: "@HASH@"
      optional: true
"#;

#[test]
fn the_files_of_cloud_init_are_honoured_together() {
    let mut reading = read_filled("user-data", USER_DATA);
    let network = read_filled("network-config", NETWORK_CONFIG);
    assert_eq!(network.problems, [""; 0]);
    assert!(reading.settings.fill_from(network.settings).is_empty());
    assert_all_of_it(&reading);
    assert!(reading.ignored.iter().any(|name| name == "runcmd"));
    let meta = read("meta-data", b"instance-id: rpi-imager-1766000000000\n");
    assert_eq!(meta, Reading::default());
}

#[test]
fn other_ways_to_say_the_same_in_cloud_init() {
    let reading = read_filled(
        "user-data",
        "#cloud-config\nfqdn: kitchen.example.org\nssh_authorized_keys: [\"@KEY@\"]\nusers:\n- default\n- name: bob\n  ssh-authorized-keys: '@KEY@'\n",
    );
    assert_eq!(
        (name(&reading.settings), keys(&reading.settings)),
        (Some("kitchen"), vec![KEY])
    );
    let meta = read("meta-data", b"local-hostname: cellar.lan\n").settings;
    assert_eq!(name(&meta), Some("cellar"));
}

/// The networks of a `network-config` whose access points are `text`.
fn access_points(text: &str) -> Reading {
    let text = text.replace('\n', "\n        ");
    let file = format!("version: 2\nwifis:\n  wlan0:\n    access-points:\n        {text}\n");
    read_filled("network-config", &file)
}

#[test]
fn every_kind_of_access_point_is_known() {
    let wifi = |ssid: &[u8], key| Wifi {
        ssid: Ssid::new(ssid).unwrap(),
        key,
        hidden: false,
    };
    let words = |text: &str| WifiKey::Passphrase(text.into());
    for (text, wifi) in [
        ("\"open\": {}", wifi(b"open", WifiKey::Open)),
        ("open:", wifi(b"open", WifiKey::Open)),
        (
            "\"open\":\n  auth:\n    key-management: none",
            wifi(b"open", WifiKey::Open),
        ),
        (
            "home: {password: \"my secret\"}",
            wifi(b"home", words("my secret")),
        ),
        // YAML takes these for numbers.
        (
            "12345: {password: 12345678}",
            wifi(b"12345", words("12345678")),
        ),
        (
            "w3:\n  auth: {key-management: sae, password: short}",
            wifi(b"w3", WifiKey::Sae("short".into())),
        ),
        // Imager writes bytes: UTF-8, and what is none.
        (
            "\"Caf\\xc3\\xa9\": {}",
            wifi("Café".as_bytes(), WifiKey::Open),
        ),
        ("\"Caf\\xe9\": {}", wifi(b"Caf\xe9", WifiKey::Open)),
        // People write text.
        ("Café: {}", wifi("Café".as_bytes(), WifiKey::Open)),
        ("\"Caf\\u00e9\": {}", wifi("Café".as_bytes(), WifiKey::Open)),
    ] {
        let reading = access_points(text);
        assert_eq!(reading.problems, [""; 0], "{text}");
        assert_eq!(reading.settings.wifi, [wifi], "{text}");
    }
    for text in [
        "home: {password: short}",
        "\"\": {}",
        "home: {auth: {key-management: psk}}",
        "home: {auth: {key-management: none}, password: \"my secret\"}",
        "corp: {auth: {key-management: eap, method: peap, identity: bob, password: \"my secret\"}}",
    ] {
        let reading = access_points(text);
        assert!(
            reading.settings.wifi.is_empty() && reading.problems.len() == 1,
            "{text}: {reading:?}"
        );
    }
}

const FIRSTRUN: &str = r#"#!/bin/sh

set +e

CURRENT_HOSTNAME=$(cat /etc/hostname | tr -d " \t\n\r")
if [ -f /usr/lib/raspberrypi-sys-mods/imager_custom ]; then
   /usr/lib/raspberrypi-sys-mods/imager_custom set_hostname kitchen
else
   echo kitchen >/etc/hostname
   sed -i "s/127.0.1.1.*$CURRENT_HOSTNAME/127.0.1.1\tkitchen/g" /etc/hosts
fi
FIRSTUSER=$(getent passwd 1000 | cut -d: -f1)
FIRSTUSERHOME=$(getent passwd 1000 | cut -d: -f6)
if [ -f /usr/lib/raspberrypi-sys-mods/imager_custom ]; then
   /usr/lib/raspberrypi-sys-mods/imager_custom enable_ssh -k '@KEY@'
else
   install -o "$FIRSTUSER" -m 700 -d "$FIRSTUSERHOME/.ssh"
cat > "$FIRSTUSERHOME/.ssh/authorized_keys" <<'EOF'
@KEY@
EOF
   chmod 600 "$FIRSTUSERHOME/.ssh/authorized_keys"
   echo 'PasswordAuthentication no' >>/etc/ssh/sshd_config
   systemctl enable ssh
fi
if [ -f /usr/lib/userconf-pi/userconf ]; then
   /usr/lib/userconf-pi/userconf 'alice' '$y$j9T$abcdefgh$0123456789'
else
   echo "$FIRSTUSER:$y$j9T$abcdefgh$0123456789" | chpasswd -e
fi
if [ -f /usr/lib/raspberrypi-sys-mods/imager_custom ] && true; then
   /usr/lib/raspberrypi-sys-mods/imager_custom set_wlan  -h 'Our Home' '@HASH@' 'AT'
else
cat >/etc/wpa_supplicant/wpa_supplicant.conf <<'WPAEOF'
country=AT
ctrl_interface=DIR=/var/run/wpa_supplicant GROUP=netdev
ap_scan=1

update_config=1
network={
	scan_ssid=1
	ssid="Our Home"
	key_mgmt=WPA-PSK SAE
	psk=@HASH@
	ieee80211w=1
}
WPAEOF
   chmod 600 /etc/wpa_supplicant/wpa_supplicant.conf
   rfkill unblock wifi
   for filename in /var/lib/systemd/rfkill/*:wlan ; do
       echo 0 > $filename
   done
fi
if [ -f /usr/lib/raspberrypi-sys-mods/imager_custom ]; then
   /usr/lib/raspberrypi-sys-mods/imager_custom set_keymap 'de'
   /usr/lib/raspberrypi-sys-mods/imager_custom set_timezone 'Europe/Vienna'
else
   rm -f /etc/localtime
   echo "Europe/Vienna" >/etc/timezone
   dpkg-reconfigure -f noninteractive tzdata
fi
rm -f /boot/firstrun.sh
sed -i 's| systemd.run.*||g' /boot/cmdline.txt
exit 0
"#;

#[test]
fn a_script_of_imager_is_read_and_honoured_whole() {
    let reading = read_filled("firstrun.sh", FIRSTRUN);
    assert_all_of_it(&reading);
    assert_eq!(reading.ignored, ["user and password", "keyboard"]);
}

#[test]
fn a_script_without_imager_custom_says_the_same_by_hand() {
    let by_hand = FIRSTRUN
        .lines()
        .filter(|line| !line.contains("imager_custom "))
        .collect::<Vec<_>>()
        .join("\n");
    assert_all_of_it(&read_filled("firstrun.sh", &by_hand));
}

#[test]
fn names_of_networks_that_are_no_text_come_in_hexadecimal() {
    let script = "if [ -f /x/imager_custom ] && false; then\nelse\ncat >/etc/wpa_supplicant/wpa_supplicant.conf <<'WPAEOF'\n\
        network={\n\tssid=hex:436166e9\n\tkey_mgmt=NONE\n}\nWPAEOF\nfi\n";
    let wifi = read_filled("firstrun.sh", script).settings.wifi;
    let open = |ssid: &[u8]| Wifi {
        ssid: Ssid::new(ssid).unwrap(),
        key: WifiKey::Open,
        hidden: false,
    };
    assert_eq!(wifi, [open(b"Caf\xe9")]);
    let toml = "config_version = \"1.0\"\n[wlan]\nssid_hex = \"436166e9\"\n";
    assert_eq!(
        read("rpi-preseed.toml", toml.as_bytes()).settings.wifi,
        [open(b"Caf\xe9")]
    );
}

#[test]
fn the_keys_of_imager_1_are_found_in_their_substitution() {
    let script = "install -o \"$FIRSTUSER\" -m 600 <(printf \"@KEY@\") \"$FIRSTUSERHOME/.ssh/authorized_keys\"\n";
    assert_eq!(keys(&read_filled("firstrun.sh", script).settings), [KEY]);
}

#[test]
fn nothing_of_a_script_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let script = format!(
        "echo kitchen >/etc/hostname\ntouch {0}\necho $(touch {0}) `touch {0}`\n",
        mark.display()
    );
    assert_eq!(
        name(&read("firstrun.sh", script.as_bytes()).settings),
        Some("kitchen")
    );
    assert!(!mark.exists());
}

#[test]
fn ssh_with_a_password_is_refused_and_told() {
    for (file, text) in [
        (
            "rpi-preseed.toml",
            "config_version = \"1.0\"\n[ssh]\nenabled = true\npassword_authentication = true\n",
        ),
        ("user-data", "#cloud-config\nssh_pwauth: true\n"),
        (
            "firstrun.sh",
            "/usr/lib/raspberrypi-sys-mods/imager_custom enable_ssh\n",
        ),
        ("firstrun.sh", "systemctl enable ssh\n"),
    ] {
        let reading = read(file, text.as_bytes());
        assert!(reading.settings.is_empty(), "{text}");
        assert_eq!(reading.problems.len(), 1, "{text}: {reading:?}");
        assert!(reading.problems[0].contains("public key"), "{reading:?}");
    }
}

#[test]
fn empty_files_and_templates_ask_for_nothing() {
    for (file, text) in [
        ("user-data", ""),
        ("user-data", "#cloud-config\n"),
        ("user-data", "# See the documentation.\n\n#hostname: x\n"),
        ("meta-data", ""),
        ("network-config", "# nothing\n"),
        ("firstrun.sh", "\n"),
        ("rpi-preseed.toml", "config_version = \"1.1\"\n"),
    ] {
        assert_eq!(
            read(file, text.as_bytes()),
            Reading::default(),
            "{file}: {text}"
        );
    }
}

/// What people leave on the card: the kinds that trackers of other systems tell of.
mod left_by_people {
    use super::*;

    fn only_wifi(reading: &Reading) -> &Wifi {
        assert_eq!(reading.problems, [""; 0]);
        let [wifi] = &reading.settings.wifi[..] else {
            panic!("{reading:?}")
        };
        wifi
    }

    #[test]
    fn yaml_scalars_that_look_like_numbers_stay_as_written() {
        for written in [
            "0123456789",
            "12345678901234567890123456789012",
            "0x12345678",
            "1_000_000_000",
            "1234567.0",
            "1.50000000",
            "1e10000000",
            "+12345678",
            "12345678 # the one on the fridge",
        ] {
            let text = format!(
                "version: 2\nwifis:\n  wlan0:\n    access-points:\n      cellar:\n        password: {written}\n"
            );
            let words = written.split(" #").next().unwrap();
            let reading = read("network-config", text.as_bytes());
            assert_eq!(
                only_wifi(&reading).key,
                WifiKey::Passphrase(words.into()),
                "{written}"
            );
        }
        let digits = "1234567890".repeat(6) + "1234";
        let text = format!(
            "version: 2\nwifis: {{w: {{access-points: {{cellar: {{password: {digits}}}}}}}}}\n"
        );
        let reading = read("network-config", text.as_bytes());
        assert_eq!(only_wifi(&reading).key, WifiKey::Hash(digits));
        for named in ["yes", "no", "0042", "1_0"] {
            let text = format!("version: 2\nwifis: {{w: {{access-points: {{{named}: {{}}}}}}}}\n");
            let reading = read("network-config", text.as_bytes());
            assert_eq!(
                only_wifi(&reading).ssid,
                Ssid::new(named).unwrap(),
                "{named}"
            );
        }
        for named in ["yes", "0042", "1e5"] {
            let reading = read(
                "user-data",
                format!("#cloud-config\nhostname: {named}\n").as_bytes(),
            );
            assert_eq!(name(&reading.settings), Some(named));
        }
    }

    #[test]
    fn the_files_of_older_systems_are_read_or_answered() {
        let wpa = "country=DE\nctrl_interface=DIR=/var/run/wpa_supplicant GROUP=netdev\nupdate_config=1\n\
                   network={\n ssid=\"cellar\"\n psk=\"my secret words\"\n}\n";
        let reading = read("wpa_supplicant.conf", wpa.as_bytes());
        assert_eq!(
            only_wifi(&reading).key,
            WifiKey::Passphrase("my secret words".into())
        );
        assert_eq!(
            reading.settings.country.as_ref().map(Country::as_str),
            Some("DE")
        );
        for (file, word) in [("ssh", "public key"), ("userconf", "in the browser")] {
            let reading = read(file, b"pi:$6$abc$def\n");
            assert!(reading.settings.is_empty());
            assert!(reading.problems[0].contains(word), "{file}: {reading:?}");
            assert!(!reading.problems[0].contains("abc"), "a password is told");
        }
        let nothing = read("wpa_supplicant.conf", b"hello\n");
        assert!(nothing.problems[0].contains("network={"), "{nothing:?}");
    }

    #[test]
    fn variables_of_a_script_made_by_hand_are_resolved_or_told() {
        let script = "#!/bin/bash\nWIFI_NAME=\"cellar\"\nWIFI_KEY='my secret words'\nBOX=attic\n\
            /x/imager_custom set_hostname \"$BOX\"\n/x/imager_custom set_wlan \"$WIFI_NAME\" \"${WIFI_KEY}\" 'AT'\n\
            /x/imager_custom enable_ssh -k \"$(cat /boot/key.pub)\"\n";
        let reading = read("firstrun.sh", script.as_bytes());
        assert_eq!(name(&reading.settings), Some("attic"));
        assert_eq!(reading.settings.wifi[0].ssid, Ssid::new("cellar").unwrap());
        assert_eq!(
            reading.settings.wifi[0].key,
            WifiKey::Passphrase("my secret words".into())
        );
        assert_eq!(reading.problems.len(), 1, "{reading:?}");
        assert!(reading.problems[0].contains("`enable_ssh`"), "{reading:?}");
        for script in [
            "imager_custom set_hostname $NAME\n",
            "echo \"$NAME\" >/etc/hostname\n",
            "A=b\nA=c\nimager_custom set_wlan \"$A\" 'my secret words'\n",
        ] {
            let reading = read("firstrun.sh", script.as_bytes());
            assert!(reading.settings.is_empty(), "{script}: {reading:?}");
            assert!(
                reading.problems[0].contains("write the value itself"),
                "{script}: {reading:?}"
            );
        }
    }

    #[test]
    fn wpa_supplicants_own_rules_hold() {
        let read = |networks: &str| read("wpa_supplicant.conf", networks.as_bytes());
        let one = |fields: &str| read(&format!("network={{\n{fields}\n}}\n"));
        let commented = one(
            "ssid=\"cellar\" # below\n psk=\"my secret # words\" # the one on the fridge\n key_mgmt=WPA-PSK #",
        );
        assert_eq!(
            only_wifi(&commented).key,
            WifiKey::Passphrase("my secret # words".into())
        );
        // No escape: a person's backslash is a backslash.
        let slash = one("ssid=\"a\"\npsk=\"my\\\\secret\"");
        assert_eq!(
            only_wifi(&slash).key,
            WifiKey::Passphrase("my\\\\secret".into())
        );
        let two = read(
            "network={\nssid=\"later\"\npsk=\"my secret words\"\n}\nnetwork={\nssid=\"first\"\nkey_mgmt=NONE\npriority=5\n}\n\
             network={\nssid=\"off\"\nkey_mgmt=NONE\ndisabled=1\n}\n",
        );
        let names: Vec<&Ssid> = two.settings.wifi.iter().map(|wifi| &wifi.ssid).collect();
        assert_eq!(
            names,
            [&Ssid::new("first").unwrap(), &Ssid::new("later").unwrap()]
        );
        for (fields, word) in [
            ("ssid=\"old\"\nkey_mgmt=NONE\nwep_key0=\"abcde\"", "WEP"),
            (
                "ssid=\"work\"\nkey_mgmt=WPA-EAP\nidentity=\"bob\"",
                "802.1X",
            ),
            (
                "ssid=\"odd\"\nkey_mgmt=NONE\npsk=\"my secret words\"",
                "set to open",
            ),
        ] {
            let reading = one(fields);
            assert!(reading.settings.wifi.is_empty(), "{fields}");
            assert!(reading.problems[0].contains(word), "{fields}: {reading:?}");
        }
        let cut_off = read("network={\nssid=\"cellar\"\n");
        assert!(cut_off.problems[0].contains("no `}`"), "{cut_off:?}");
    }

    #[test]
    fn an_apostrophe_as_imager_1_7_3_quoted_it_is_read() {
        let script = format!(
            "/x/imager_custom set_wlan 'Nora\\'s Net' '{HASH}' 'AT'\n/x/imager_custom set_timezone 'Europe/Vienna'\n"
        );
        let reading = read("firstrun.sh", script.as_bytes());
        assert_eq!(only_wifi(&reading), &hashed("Nora's Net", false));
        assert!(reading.settings.time_zone.is_some());
    }

    #[test]
    fn curly_quotes_of_an_editor_are_told() {
        for (file, text) in [
            ("user-data", "#cloud-config\nhostname: “cellar”\n"),
            (
                "network-config",
                "version: 2\nwifis: {w: {access-points: {cellar: {password: “my secret words”}}}}\n",
            ),
            ("firstrun.sh", "imager_custom set_wlan ‘cellar’ 12345678\n"),
            (
                "wpa_supplicant.conf",
                "network={\nssid=“cellar”\npsk=\"my secret words\"\n}\n",
            ),
            (
                "rpi-preseed.toml",
                "config_version = \"1.0\"\n[system]\nhostname = “cellar”\n",
            ),
        ] {
            let reading = read(file, text.as_bytes());
            assert!(reading.settings.is_empty(), "{file}: {reading:?}");
            assert!(
                reading.problems[0].contains("curly quotes"),
                "{file}: {reading:?}"
            );
        }
        // A phone's own name for its network.
        let text = "version: 2\nwifis: {w: {access-points: {\"Mia’s phone\": {}}}}\n";
        let reading = read("network-config", text.as_bytes());
        assert_eq!(only_wifi(&reading).ssid, Ssid::new("Mia’s phone").unwrap());
    }
}
