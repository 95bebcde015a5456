//! Texts, and how values of strangers are shown.

use super::{Description, Field, Meaning, Read};
use crate::crypto::ToSign;

/// A text that is signed as it is.
pub(super) fn text(text: &str) -> Read {
    let description = match login(text) {
        Some((domain, _)) => Description {
            meaning: Meaning::Login,
            words: format!("sign in at {}", visible(domain, 100)),
            fields: vec![Field::new("site", domain), Field::new("text", text)],
        },
        None => Description {
            meaning: Meaning::Message,
            words: "sign this text".to_owned(),
            fields: vec![Field::new("text", text)],
        },
    };
    Read {
        description,
        to_sign: ToSign::Message(text.as_bytes().to_vec()),
        event: None,
    }
}

/// The site and account of a login challenge (EIP-4361), by its first two lines.
pub(super) fn login(text: &str) -> Option<(&str, &str)> {
    let (first, rest) = text.split_once('\n')?;
    let site = first.strip_suffix(" wants you to sign in with your Ethereum account:")?;
    let account = rest.lines().next().unwrap_or_default();
    let is_site = !site.is_empty() && site.len() <= 300 && !site.contains(char::is_whitespace);
    is_site.then_some((site, account))
}

/// Whether a person can read it: no control characters but line ends and tabs.
pub(super) fn is_readable(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(is_hidden)
}

/// A text of a stranger as it is shown: characters that are not seen, or turn the text around,
/// stand as their numbers, and a long one is cut with a note.
pub(super) fn visible(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == most {
            shown.push_str(&format!("… ({} characters in all)", text.chars().count()));
            break;
        }
        match is_hidden(c) {
            true => shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(c))),
            false => shown.push(c),
        }
    }
    shown
}

fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_named() {
        assert_eq!(visible("pay \u{202e}100", 50), "pay ⟨U+202E⟩100");
        assert_eq!(visible("a\0b\rc", 50), "a⟨U+0000⟩b⟨U+000D⟩c");
        assert_eq!(visible("abcdef", 3), "abc… (6 characters in all)");
        assert!(is_readable("Grüße\n") && !is_readable("a\u{200b}b") && !is_readable(""));
    }

    #[test]
    fn a_login_challenge_is_one() {
        let read =
            text("example.org wants you to sign in with your Ethereum account:\n0xabc\n\nNonce: 1");
        assert_eq!(read.description.meaning, Meaning::Login);
        assert_eq!(read.description.words, "sign in at example.org");
        for other in [
            "I think example.org wants you to sign in with your Ethereum account:\n0x",
            "example.org wants you to sign in with your Ethereum account:",
            "",
        ] {
            assert_eq!(text(other).description.meaning, Meaning::Message, "{other}");
        }
    }
}
