//! wpa_supplicant's own file, where an old `firstrun.sh` carries one: country and networks.

use crate::settings::{Reading, Ssid, Wifi, WifiKey, WrongValue};
use std::collections::BTreeMap;

pub fn read(text: &str, reading: &mut Reading) {
    let mut network: Option<BTreeMap<&str, &str>> = None;
    for line in text.lines().map(str::trim) {
        match (line.split_once('='), &mut network) {
            (Some(("network", _)), _) => network = Some(BTreeMap::new()),
            (_, Some(fields)) if line == "}" => {
                let wifi = wifi(fields);
                network = None;
                reading.wifi(wifi);
            }
            (Some((name, value)), Some(fields)) => {
                fields.insert(name.trim(), value.trim());
            }
            (Some(("country", value)), None) => reading.country(value),
            _ => {}
        }
    }
}

fn wifi(fields: &BTreeMap<&str, &str>) -> Result<Wifi, WrongValue> {
    let ssid = match fields.get("ssid") {
        Some(value) => match (quoted(value), value.strip_prefix("hex:")) {
            (Some(name), _) => Ssid::new(name)?,
            // Imager writes `hex:`, wpa_supplicant itself plain digits.
            (None, Some(digits)) => Ssid::from_hex(digits)?,
            (None, None) => Ssid::from_hex(value)?,
        },
        None => return Err(WrongValue::Ssid),
    };
    let key = match (fields.get("psk"), fields.get("sae_password")) {
        (Some(key), _) => WifiKey::parse(&quoted(key).unwrap_or_else(|| (*key).to_owned()))?,
        (None, Some(words)) => WifiKey::sae(&quoted(words).unwrap_or_default())?,
        (None, None) => match fields.get("key_mgmt") {
            Some(&"NONE") => WifiKey::Open,
            Some(&"OWE") => WifiKey::Owe,
            _ => return Err(WrongValue::NoWifiKey),
        },
    };
    let hidden = fields.get("scan_ssid") == Some(&"1");
    Ok(Wifi { ssid, key, hidden })
}

/// What stands between the first and the last quote, with Imager's two escapes undone.
fn quoted(value: &str) -> Option<String> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    Some(inner.replace("\\\"", "\"").replace("\\\\", "\\"))
}
