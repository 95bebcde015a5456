//! `rpi-preseed.toml`: one TOML file, as Raspberry Pi Imager writes it for `init_format`
//! rpi-preseed, and `custom.toml`, its predecessor of Raspberry Pi OS Bookworm, which has the same
//! sections.
//!
//! Fields by rpi-preseed's own schema (July 2026). `config_version` is `"1.0"` there, the number 1
//! in `custom.toml`.

use super::tree::{self, Table, text, texts, truth, with};
use crate::settings::WrongValue;
use crate::settings::{Reading, Ssid, Wifi, WifiKey};

/// Sections for another system, which have no use here.
const OF_OTHER_SYSTEMS: &[&str] = &[
    "boot",
    "ca_certificates",
    "connect",
    "debug",
    "interfaces",
    "mounts",
    "packages",
    "runcmd",
    "time",
    "user",
];

pub fn read(content: &str) -> Reading {
    let file = match tree::toml(content) {
        Ok(file) => file,
        Err(problem) => return Reading::refused(problem),
    };
    let version = file.get("config_version").and_then(text);
    if version
        .as_deref()
        .and_then(|version| version.split('.').next())
        != Some("1")
    {
        return Reading::refused(
            "`config_version` must be \"1.0\": other versions are not known here",
        );
    }
    let mut reading = Reading::default();

    let system = tree::table(&file, "system", &mut reading);
    with(&system, "hostname", text, &mut reading, |reading, name| {
        reading.host_name(&name)
    });

    let locale = tree::table(&file, "locale", &mut reading);
    with(&locale, "timezone", text, &mut reading, |reading, zone| {
        reading.time_zone(&zone)
    });
    for name in locale.keys().filter(|name| *name != "timezone") {
        reading.ignore(&format!("locale.{name}"));
    }

    ssh(&tree::table(&file, "ssh", &mut reading), &mut reading);
    wlan(&tree::table(&file, "wlan", &mut reading), &mut reading);

    let ethernet = tree::table(&file, "ethernet", &mut reading);
    with(
        &ethernet,
        "method",
        text,
        &mut reading,
        |reading, method| {
            if method != "dhcp" {
                reading.problem(
                    "a wired network gets its address from the router (DHCP) here, always",
                );
            }
        },
    );
    for name in file
        .keys()
        .filter(|name| OF_OTHER_SYSTEMS.contains(&name.as_str()))
    {
        reading.ignore(name);
    }
    reading
}

fn ssh(ssh: &Table, reading: &mut Reading) {
    with(ssh, "enabled", truth, reading, |reading, on| {
        reading.ssh(on)
    });
    with(ssh, "authorized_keys", texts, reading, |reading, keys| {
        keys.iter().for_each(|key| reading.ssh_keys(key));
    });
    with(ssh, "ssh_import_id", texts, reading, |reading, ids| {
        if !ids.is_empty() {
            reading.problem(
                "ssh keys are not fetched from the internet: give them as `authorized_keys`",
            );
        }
    });
}

fn wlan(wlan: &Table, reading: &mut Reading) {
    with(wlan, "country", text, reading, |reading, country| {
        reading.country(&country)
    });
    let (mut ssid, mut password, mut hidden, mut kind) = (None, None, false, None);
    // The bytes, for a name that is no UTF-8, go before the text.
    with(wlan, "ssid", text, reading, |_, name| {
        ssid = Some(Ssid::new(name))
    });
    with(wlan, "ssid_hex", text, reading, |_, hex| {
        ssid = Some(Ssid::from_hex(&hex))
    });
    with(wlan, "password", text, reading, |_, words| {
        password = Some(words)
    });
    with(wlan, "hidden", truth, reading, |_, truth| hidden = truth);
    with(wlan, "key_mgmt", text, reading, |_, name| kind = Some(name));
    match ssid {
        Some(ssid) => {
            let key = key(kind.as_deref(), password.filter(|words| !words.is_empty()));
            reading.wifi(ssid.and_then(|ssid| {
                Ok(Wifi {
                    ssid,
                    key: key?,
                    hidden,
                })
            }));
        }
        None if password.is_some() => reading.problem("there is a Wi-Fi password, but no `ssid`"),
        None => {}
    }
}

fn key(kind: Option<&str>, password: Option<String>) -> Result<WifiKey, WrongValue> {
    match (kind, password) {
        (None | Some("none"), None) => Ok(WifiKey::Open),
        (Some("owe"), None) => Ok(WifiKey::Owe),
        (Some("none" | "owe"), Some(_)) => Err(WrongValue::KeyOfOpenNetwork),
        (Some(_), None) => Err(WrongValue::NoWifiKey),
        (Some("sae"), Some(words)) => WifiKey::sae(&words),
        (_, Some(words)) => WifiKey::parse(&words),
    }
}
