//! Wireless networks, and the text that tells wpa_supplicant of them.

use super::values::{Country, WrongValue, refuse_curly_quotes};
use std::fmt;
use std::fmt::Write as _;

/// The name of a wireless network: bytes, mostly but not always UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssid(Vec<u8>);

impl Ssid {
    /// # Errors
    ///
    /// When it is empty, longer than the standard's 32 bytes, or in curly quotes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, WrongValue> {
        let bytes = bytes.into();
        if let Ok(text) = std::str::from_utf8(&bytes) {
            refuse_curly_quotes(text)?;
        }
        if (1..=32).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(WrongValue::Ssid)
        }
    }

    /// From an even run of hexadecimal digits.
    ///
    /// # Errors
    ///
    /// When it is something else, or the name has a wrong length.
    pub fn from_hex(text: &str) -> Result<Self, WrongValue> {
        let text = text.trim();
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let pairs = text.as_bytes().chunks(2);
        let bytes = pairs.map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
            _ => None,
        });
        Self::new(bytes.collect::<Option<Vec<u8>>>().ok_or(WrongValue::Ssid)?)
    }

    fn hex(&self) -> String {
        self.0.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// How a station proves that it belongs to the network.
#[derive(Clone, PartialEq, Eq)]
pub enum WifiKey {
    /// Everybody belongs.
    Open,
    /// Open to all, and encrypted (WPA3 Enhanced Open).
    Owe,
    /// The words that people know: WPA2, and WPA3 where the network has it.
    Passphrase(String),
    /// The words, for a network of WPA3 only.
    Sae(String),
    /// 64 hexadecimal digits: the hash of words and name. WPA2 only; WPA3 needs the words.
    Hash(String),
}

// The kind, never the words.
impl fmt::Debug for WifiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Owe => "Owe",
            Self::Passphrase(_) => "Passphrase(…)",
            Self::Sae(_) => "Sae(…)",
            Self::Hash(_) => "Hash(…)",
        })
    }
}

impl WifiKey {
    /// A key by its look, which is how every tool takes it: 64 hexadecimal digits are a hash.
    ///
    /// # Errors
    ///
    /// When it has the length of neither, or a control character, which no line of a file can hold.
    pub fn parse(text: &str) -> Result<Self, WrongValue> {
        // A pasted end of line is no part of a password (and would make 63 characters 64).
        let text = text.trim_end_matches(['\r', '\n']);
        refuse_curly_quotes(text)?;
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self::Hash(text.to_ascii_lowercase()));
        }
        if !(8..=63).contains(&text.len()) || text.chars().any(char::is_control) {
            return Err(WrongValue::WifiKey);
        }
        Ok(Self::Passphrase(text.to_owned()))
    }

    /// The password of a network of WPA3 only, which may be shorter than WPA2's.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than 128 bytes, or has a control character.
    pub fn sae(text: &str) -> Result<Self, WrongValue> {
        let text = text.trim_end_matches(['\r', '\n']);
        refuse_curly_quotes(text)?;
        if !(1..=128).contains(&text.len()) || text.chars().any(char::is_control) {
            return Err(WrongValue::WifiKey);
        }
        Ok(Self::Sae(text.to_owned()))
    }
}

/// A wireless network to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wifi {
    /// Its name.
    pub ssid: Ssid,
    /// What it asks for.
    pub key: WifiKey,
    /// It does not announce itself: it must be called by name.
    pub hidden: bool,
}

/// What wpa_supplicant reads. Names are written in hexadecimal, so that no name can be syntax.
#[must_use]
pub fn wpa_supplicant_conf(networks: &[Wifi], country: Option<&Country>) -> String {
    let mut text = String::from(
        "# Made by atek-firstboot from the settings on the card. Wi-Fi keys: readable by root alone.\n\
         ctrl_interface=/run/wpa_supplicant\n",
    );
    if let Some(country) = country {
        let _ = writeln!(text, "country={}", country.as_str());
    }
    for (index, wifi) in networks.iter().enumerate() {
        let priority = networks.len() - index;
        let _ = writeln!(
            text,
            "network={{\n\tssid={}\n\tpriority={priority}",
            wifi.ssid.hex()
        );
        if wifi.hidden {
            text.push_str("\tscan_ssid=1\n");
        }
        // A quoted value ends at the line's last quote, so it may hold quotes itself.
        let _ = match &wifi.key {
            WifiKey::Open => writeln!(text, "\tkey_mgmt=NONE"),
            WifiKey::Owe => writeln!(text, "\tkey_mgmt=OWE\n\tieee80211w=2"),
            WifiKey::Passphrase(words) => writeln!(
                text,
                "\tkey_mgmt=WPA-PSK WPA-PSK-SHA256 SAE\n\tieee80211w=1\n\tpsk=\"{words}\""
            ),
            WifiKey::Sae(words) => {
                writeln!(
                    text,
                    "\tkey_mgmt=SAE\n\tieee80211w=2\n\tsae_password=\"{words}\""
                )
            }
            WifiKey::Hash(hash) => {
                writeln!(
                    text,
                    "\tkey_mgmt=WPA-PSK WPA-PSK-SHA256\n\tieee80211w=1\n\tpsk={hash}"
                )
            }
        };
        text.push_str("}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_is_what_it_looks_like() {
        let hash = "0123456789ABCDEF".repeat(4);
        assert_eq!(
            WifiKey::parse(&hash),
            Ok(WifiKey::Hash(hash.to_lowercase()))
        );
        let words = |text: &str| Ok(WifiKey::Passphrase(text.into()));
        assert_eq!(WifiKey::parse("eight888"), words("eight888"));
        assert_eq!(
            WifiKey::parse("with \"quotes\" and #"),
            words("with \"quotes\" and #")
        );
        assert_eq!(WifiKey::parse("eight888\r\n"), words("eight888"));
        let (long, longer) = ("g".repeat(64), "a".repeat(65));
        for text in ["", "seven77", "eight\n88", &long, &longer] {
            assert_eq!(WifiKey::parse(text), Err(WrongValue::WifiKey), "{text:?}");
        }
    }

    #[test]
    fn names_in_hexadecimal_are_bytes() {
        assert_eq!(Ssid::from_hex("436166e9"), Ssid::new(*b"Caf\xe9"));
        for text in ["", "4", "4x", "é1", &"00".repeat(33)] {
            assert_eq!(Ssid::from_hex(text), Err(WrongValue::Ssid), "{text}");
        }
    }

    #[test]
    fn wpa_supplicant_gets_every_kind_of_network() {
        let wifi = |key, hidden| Wifi {
            ssid: Ssid::new(*b"home").unwrap(),
            key,
            hidden,
        };
        let networks = [
            wifi(WifiKey::parse("my \"secret\" words").unwrap(), true),
            wifi(WifiKey::sae("short").unwrap(), false),
            wifi(WifiKey::parse(&"ab".repeat(32)).unwrap(), false),
            wifi(WifiKey::Open, false),
            wifi(WifiKey::Owe, false),
        ];
        let country = Country::parse("GB").unwrap();
        let text = wpa_supplicant_conf(&networks, Some(&country));
        assert!(text.contains("\ncountry=GB\n"));
        assert!(text.contains("\tssid=686f6d65\n\tpriority=5\n\tscan_ssid=1\n"));
        assert!(text.contains("\tpsk=\"my \"secret\" words\"\n"));
        assert!(text.contains("\tsae_password=\"short\"\n"));
        assert!(text.contains(&format!("\tpsk={}\n", "ab".repeat(32))));
        assert!(text.contains("\tkey_mgmt=NONE\n") && text.contains("\tkey_mgmt=OWE\n"));
    }

    #[test]
    fn the_words_are_not_shown() {
        let key = WifiKey::parse("my secret words").unwrap();
        assert_eq!(format!("{key:?}"), "Passphrase(…)");
    }

    /// Keys of a valid length that may hold ends of lines, quotes and braces at any place.
    fn key_or_line() -> impl Strategy<Value = String> {
        let syntax =
            prop::sample::select(vec!['\n', '\r', '\u{b}', '\u{2028}', '"', '}', '\\', '\t']);
        prop::collection::vec(prop_oneof![3 => any::<char>(), 1 => syntax], 8..70)
            .prop_map(|chars| chars.into_iter().collect())
    }

    #[test]
    fn a_key_with_an_end_of_line_within_is_refused() {
        for end in ['\n', '\r', '\u{b}', '\u{85}'] {
            assert_eq!(
                WifiKey::parse(&format!("my secret{end}words")),
                Err(WrongValue::WifiKey)
            );
            assert_eq!(
                WifiKey::sae(&format!("my secret{end}words")),
                Err(WrongValue::WifiKey)
            );
        }
    }

    proptest! {
        #[test]
        fn no_name_and_no_key_adds_a_line(ssid in prop::collection::vec(any::<u8>(), 1..33), key in key_or_line()) {
            let Ok(key) = WifiKey::parse(&key) else { return Ok(()) };
            let lines = |key: WifiKey| {
                let wifi = Wifi { ssid: Ssid::new(ssid.clone()).unwrap(), key, hidden: false };
                wpa_supplicant_conf(&[wifi], None).lines().count()
            };
            prop_assert_eq!(lines(key), lines(WifiKey::Passphrase("plain words".into())));
        }
    }
}
