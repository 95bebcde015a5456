//! The values of settings, checked where they enter: a value of these types may be used in a file
//! or a call.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// Why a value of a settings file is not used. The value itself is not repeated: it may be a secret
/// in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongValue {
    #[error(
        "the name must be 1 to 63 letters, digits and dashes, and not begin or end with a dash"
    )]
    HostName,
    #[error("the name `localhost` means every computer itself; choose another")]
    Localhost,
    #[error("the time zone must be a name such as Europe/London")]
    TimeZone,
    #[error("the Wi-Fi country must be two letters such as GB")]
    Country,
    #[error("the name of the Wi-Fi network must be 1 to 32 bytes")]
    Ssid,
    #[error("the Wi-Fi password must be 8 to 63 characters, or 64 hexadecimal digits")]
    WifiKey,
    #[error("the Wi-Fi network is set to open, but a password is given for it")]
    KeyOfOpenNetwork,
    #[error("the Wi-Fi network needs a password")]
    NoWifiKey,
    #[error(
        "Wi-Fi networks with WEP cannot be joined: WEP protects nothing; set the router to WPA2 or WPA3"
    )]
    Wep,
    #[error("networks with a user name and a password (802.1X, EAP) cannot be joined")]
    Enterprise,
    #[error(
        "a value is in curly quotes, as word processors make them; write straight quotes or none"
    )]
    CurlyQuotes,
    #[error("an ssh key must be a line such as `ssh-ed25519 AAAA... name`, as in a .pub file")]
    SshKey,
}

/// Quotation marks that an editor puts in place of straight ones.
pub const CURLY_QUOTES: [char; 7] = ['“', '”', '„', '‟', '‘', '‚', '’'];

/// Refuses a value in quotation marks that no format knows: they would become part of it.
///
/// Only a value that begins *and* ends with one is refused: a network may be called `Mia’s phone`.
///
/// # Errors
///
/// [`WrongValue::CurlyQuotes`].
pub fn refuse_curly_quotes(text: &str) -> Result<(), WrongValue> {
    let text = text.trim();
    if text.chars().count() > 1 && text.starts_with(CURLY_QUOTES) && text.ends_with(CURLY_QUOTES) {
        return Err(WrongValue::CurlyQuotes);
    }
    Ok(())
}

/// A host name of one label, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(String);

impl HostName {
    /// Takes `Kitchen`, and `kitchen.local` too: people write the address that they know.
    ///
    /// # Errors
    ///
    /// When it is no label of RFC 1123, or `localhost`.
    pub fn parse(text: &str) -> Result<Self, WrongValue> {
        refuse_curly_quotes(text)?;
        let name = text.trim().to_ascii_lowercase();
        let name = name.strip_suffix(".local").unwrap_or(&name);
        let dash_at_end = name.starts_with('-') || name.ends_with('-');
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if !(1..=63).contains(&name.len()) || dash_at_end || !name.chars().all(good) {
            return Err(WrongValue::HostName);
        }
        if name == "localhost" {
            return Err(WrongValue::Localhost);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a time zone that has the form of one. Whether the box knows it, only the box can
/// tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeZone(String);

impl TimeZone {
    /// # Errors
    ///
    /// When it is no relative path of plain names: `..`, a leading `/`, other characters.
    pub fn parse(text: &str) -> Result<Self, WrongValue> {
        refuse_curly_quotes(text)?;
        let zone = text.trim();
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+');
        let part = |part: &str| !part.is_empty() && part.chars().all(good);
        let parts = zone.split('/').count();
        if zone.len() > 64 || parts > 3 || !zone.split('/').all(part) {
            return Err(WrongValue::TimeZone);
        }
        Ok(Self(zone.to_owned()))
    }

    /// The name, a path below `/usr/share/zoneinfo`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A country code of ISO 3166, in upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Country(String);

impl Country {
    /// # Errors
    ///
    /// When it is not two letters.
    pub fn parse(text: &str) -> Result<Self, WrongValue> {
        refuse_curly_quotes(text)?;
        let country = text.trim().to_ascii_uppercase();
        if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(WrongValue::Country);
        }
        Ok(Self(country))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A public ssh key, without options: one line of `authorized_keys`.
#[derive(Clone, PartialEq, Eq)]
pub struct SshKey(String);

/// The kinds of keys that sshd takes today (no DSA).
const SSH_KINDS: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Bytes of the longest key line: an RSA key of 16384 bits has less than half.
const SSH_KEY_MAX_BYTES: usize = 8192;

impl SshKey {
    /// # Errors
    ///
    /// When it is not `KIND BASE64 [COMMENT]`, or the data is of another kind than it says.
    pub fn parse(text: &str) -> Result<Self, WrongValue> {
        let line = text.trim();
        if line.len() > SSH_KEY_MAX_BYTES || line.chars().any(char::is_control) {
            return Err(WrongValue::SshKey);
        }
        let mut words = line.split_whitespace();
        let (kind, data) = match (words.next(), words.next()) {
            (Some(kind), Some(data)) if SSH_KINDS.contains(&kind) => (kind, data),
            _ => return Err(WrongValue::SshKey),
        };
        let decoded = STANDARD.decode(data).map_err(|_| WrongValue::SshKey)?;
        // The data begins with its own kind, as a length of four bytes and the name.
        let named = decoded.get(4..4 + kind.len()) == Some(kind.as_bytes());
        let length = decoded
            .first_chunk::<4>()
            .map(|bytes| u32::from_be_bytes(*bytes) as usize);
        if !named || length != Some(kind.len()) || decoded.len() < kind.len() + 12 {
            return Err(WrongValue::SshKey);
        }
        let comment = words.collect::<Vec<_>>().join(" ");
        Ok(Self(
            format!("{kind} {data} {comment}").trim_end().to_owned(),
        ))
    }

    /// The line, without its end.
    #[must_use]
    pub fn as_line(&self) -> &str {
        &self.0
    }
}

// Not a secret, but it names a person.
impl fmt::Debug for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.0.split(' ').next().unwrap_or_default();
        write!(f, "SshKey({kind})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_label_are_taken() {
        for (text, name) in [
            ("atek", "atek"),
            ("Kitchen-2", "kitchen-2"),
            (" cellar ", "cellar"),
            ("box.local", "box"),
        ] {
            assert_eq!(HostName::parse(text).unwrap().as_str(), name, "{text}");
        }
        let long = "a".repeat(64);
        for text in [
            "", "-a", "a-", "a.b", "a b", "ä", "a_b", "$(id)", "a\nb", ".local", &long,
        ] {
            assert_eq!(HostName::parse(text), Err(WrongValue::HostName), "{text}");
        }
        assert_eq!(HostName::parse("localhost"), Err(WrongValue::Localhost));
    }

    #[test]
    fn a_time_zone_never_leaves_the_folder_of_zones() {
        for text in [
            "UTC",
            "Europe/London",
            "America/Argentina/Ushuaia",
            "Etc/GMT+5",
        ] {
            assert_eq!(TimeZone::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            "/etc/shadow",
            "..",
            "Europe/../../x",
            "Europe//London",
            "a/b/c/d",
            "x\0",
            "Europe/",
        ] {
            assert_eq!(TimeZone::parse(text), Err(WrongValue::TimeZone), "{text}");
        }
    }

    #[test]
    fn countries_are_two_letters() {
        assert_eq!(Country::parse("gb").unwrap().as_str(), "GB");
        for text in ["", "G", "GBR", "00", "G\n"] {
            assert_eq!(Country::parse(text), Err(WrongValue::Country), "{text:?}");
        }
    }

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice@laptop";

    #[test]
    fn public_keys_are_taken_and_anything_else_is_not() {
        assert_eq!(SshKey::parse(&format!("  {KEY}\n")).unwrap().as_line(), KEY);
        let bare = KEY.rsplit_once(' ').unwrap().0;
        assert_eq!(SshKey::parse(bare).unwrap().as_line(), bare);
        let other_kind = KEY.replacen("ssh-ed25519", "ssh-rsa", 1);
        let two_lines = format!("{bare} a\nssh-rsa AAAA");
        let with_options = format!("command=\"/bin/sh\" {KEY}");
        for text in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 AAAA",
            "ssh-ed25519 !!!!",
            "ssh-dss AAAAB3NzaC1kc3MAAACBAP",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            &other_kind,
            &two_lines,
            &with_options,
        ] {
            assert_eq!(SshKey::parse(text), Err(WrongValue::SshKey), "{text}");
        }
    }
}
