//! wpa_supplicant's own file: country and networks, by its own rules. It lies on the card itself
//! (headless setup of older systems), or in an old `firstrun.sh`.

use crate::settings::{Reading, Ssid, Wifi, WifiKey, WrongValue};
use std::collections::BTreeMap;

/// Who wrote the file, which decides what a backslash in quotes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// Raspberry Pi Imager: `\"` and `\\` stand for quote and backslash.
    Imager,
    /// A person: wpa_supplicant takes what is between the quotes as it is.
    Person,
}

/// Reads `wpa_supplicant.conf` as it lies on the card.
pub fn read_file(text: &str) -> Reading {
    let mut reading = Reading::default();
    read(text, Writer::Person, &mut reading);
    if reading == Reading::default() && text.lines().any(|line| !without_comment(line).is_empty()) {
        reading.problem("there is neither a `network={` block nor a `country=` in it");
    }
    reading
}

/// Adds the country and the networks of the file: the one of the highest priority first, none that
/// is disabled.
pub fn read(text: &str, writer: Writer, reading: &mut Reading) {
    let mut network: Option<BTreeMap<&str, &str>> = None;
    let mut found: Vec<(i64, Result<Wifi, WrongValue>)> = Vec::new();
    for line in text.lines().map(without_comment) {
        match (line.split_once('='), &mut network) {
            (Some(("network", _)), _) => network = Some(BTreeMap::new()),
            (_, Some(fields)) if line == "}" => {
                if fields.get("disabled") != Some(&"1") {
                    let priority = fields.get("priority").and_then(|text| text.parse().ok());
                    found.push((priority.unwrap_or(0), wifi(fields, writer)));
                }
                network = None;
            }
            (Some((name, value)), Some(fields)) => {
                fields.insert(name.trim(), value.trim());
            }
            (Some(("country", value)), None) => reading.country(value),
            _ => {}
        }
    }
    if network.is_some() {
        reading.problem("the last `network={` block has no `}`");
    }
    // Stable: networks of the same priority keep the file's order.
    found.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
    for (_, wifi) in found {
        reading.wifi(wifi);
    }
}

/// The line without the comment: what follows a `#` behind the last quote, or the first `#` where
/// there is none.
fn without_comment(line: &str) -> &str {
    let from = line.rfind('"').map_or(0, |quote| quote + 1);
    let end = line
        .get(from..)
        .and_then(|rest| rest.find('#'))
        .map_or(line.len(), |at| from + at);
    line.get(..end).unwrap_or(line).trim()
}

fn wifi(fields: &BTreeMap<&str, &str>, writer: Writer) -> Result<Wifi, WrongValue> {
    let quoted = |value: &str| quoted(value, writer);
    let ssid = match fields.get("ssid") {
        Some(value) => match (quoted(value), value.strip_prefix("hex:")) {
            (Some(name), _) => Ssid::new(name)?,
            // Imager writes `hex:`, wpa_supplicant itself plain digits.
            (None, Some(digits)) => Ssid::from_hex(digits)?,
            (None, None) => {
                Ssid::new(*value)?;
                Ssid::from_hex(value)?
            }
        },
        None => return Err(WrongValue::Ssid),
    };
    let management = fields.get("key_mgmt").copied().unwrap_or_default();
    let managed_by = |word: &str| management.split_whitespace().any(|kind| kind == word);
    if fields.keys().any(|name| name.starts_with("wep_")) {
        return Err(WrongValue::Wep);
    }
    let key = match (fields.get("psk"), fields.get("sae_password")) {
        (Some(_), _) if management == "NONE" => return Err(WrongValue::KeyOfOpenNetwork),
        (Some(key), _) => {
            let words = quoted(key).unwrap_or_else(|| (*key).to_owned());
            if management == "SAE" {
                WifiKey::sae(&words)?
            } else {
                WifiKey::parse(&words)?
            }
        }
        (None, Some(words)) => WifiKey::sae(&quoted(words).unwrap_or_default())?,
        (None, None) if managed_by("NONE") => WifiKey::Open,
        (None, None) if managed_by("OWE") => WifiKey::Owe,
        (None, None) if managed_by("WPA-EAP") || managed_by("IEEE8021X") => {
            return Err(WrongValue::Enterprise);
        }
        (None, None) => return Err(WrongValue::NoWifiKey),
    };
    let hidden = fields.get("scan_ssid") == Some(&"1");
    Ok(Wifi { ssid, key, hidden })
}

/// What stands between the first and the last quote.
fn quoted(value: &str, writer: Writer) -> Option<String> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    Some(match writer {
        Writer::Imager => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
        Writer::Person => inner.to_owned(),
    })
}
