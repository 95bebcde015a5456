//! cloud-init's `network-config`, version 2 (netplan): of it, the wireless networks.

use super::tree::{self, Table, text, truth, with};
use crate::settings::{Reading, Ssid, Wifi, WifiKey, WrongValue};
use serde_json::Value;

pub fn read(content: &str) -> Reading {
    let file = match tree::yaml(content) {
        Ok(file) => file,
        Err(problem) => return Reading::refused(problem),
    };
    let mut reading = Reading::default();
    let network = match file.get("network") {
        Some(_) => tree::table(&file, "network", &mut reading),
        None => file,
    };
    if network.is_empty() {
        return reading;
    }
    if network.get("version").and_then(text).as_deref() != Some("2") {
        return Reading::refused("only `version: 2` of a network configuration is read");
    }
    // Imager writes the bytes of a name as `\xHH` and nothing else that is not ASCII.
    let names_are_bytes =
        content.is_ascii() && !content.contains("\\u") && !content.contains("\\U");

    let wired = tree::table(&network, "ethernets", &mut reading);
    let radios = tree::table(&network, "wifis", &mut reading);
    for interface in wired
        .values()
        .chain(radios.values())
        .filter_map(Value::as_object)
    {
        if has(interface, "addresses") || has(interface, "gateway4") || has(interface, "routes") {
            reading.problem("every network gets its address from the router (DHCP) here, always");
        }
    }
    for radio in radios.values().filter_map(Value::as_object) {
        with(
            radio,
            "regulatory-domain",
            text,
            &mut reading,
            |reading, country| {
                reading.country(&country);
            },
        );
        let networks = tree::table(radio, "access-points", &mut reading);
        for (name, network) in &networks {
            access_point(ssid(name, names_are_bytes), network, &mut reading);
        }
    }
    reading
}

fn has(interface: &Table, name: &str) -> bool {
    !matches!(interface.get(name), None | Some(Value::Null))
}

fn ssid(name: &str, is_bytes: bool) -> Result<Ssid, WrongValue> {
    let bytes: Option<Vec<u8>> = name
        .chars()
        .map(|c| u8::try_from(u32::from(c)).ok())
        .collect();
    match bytes {
        Some(bytes) if is_bytes => Ssid::new(bytes),
        _ => Ssid::new(name),
    }
}

fn access_point(ssid: Result<Ssid, WrongValue>, network: &Value, reading: &mut Reading) {
    let network = network.as_object().cloned().unwrap_or_default();
    let auth = tree::table(&network, "auth", reading);
    let (mut hidden, mut kind, mut password) = (false, None, None);
    with(&network, "hidden", truth, reading, |_, truth| {
        hidden = truth
    });
    with(&auth, "key-management", text, reading, |_, name| {
        kind = Some(name)
    });
    with(&auth, "password", text, reading, |_, words| {
        password = Some(words)
    });
    with(&network, "password", text, reading, |_, words| {
        password = Some(words)
    });
    let key = match (kind.as_deref(), password) {
        (None | Some("none"), None) => Ok(WifiKey::Open),
        (Some("none"), Some(_)) => Err(WrongValue::KeyOfOpenNetwork),
        (Some("sae"), Some(words)) => WifiKey::sae(&words),
        (None | Some("psk"), Some(words)) => WifiKey::parse(&words),
        (Some("psk" | "sae"), None) => Err(WrongValue::NoWifiKey),
        (Some(_), _) => {
            reading
                .problem("networks with a user name and a password (802.1X, EAP) cannot be joined");
            return;
        }
    };
    reading.wifi(ssid.and_then(|ssid| {
        Ok(Wifi {
            ssid,
            key: key?,
            hidden,
        })
    }));
}
