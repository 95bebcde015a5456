//! Which names and passwords an account may have. Pure, and the same wherever one is made.

use std::ops::RangeInclusive;

/// The shortest password that the configuration can ask for, and the default: NIST SP 800-63B
/// asks for 8.
pub const SHORTEST_MIN: usize = 8;
/// The longest minimum: more would refuse what people can remember.
pub const LONGEST_MIN: usize = 64;
/// Longer passwords only cost time.
const LONGEST: usize = 1024;
/// Of a name to sign in with, in characters.
const NAME: RangeInclusive<usize> = 3..=64;
/// Of a display name, in characters.
const LONGEST_DISPLAY_NAME: usize = 64;

/// Words that are tried first, in lower case and with letters for the digits that look like them.
const COMMON: &[&str] = &[
    "abc",
    "abcd",
    "access",
    "admin",
    "administrator",
    "asdf",
    "asdfgh",
    "asdfghjkl",
    "atek",
    "baseball",
    "changeme",
    "computer",
    "default",
    "dragon",
    "football",
    "geheim",
    "guest",
    "hallo",
    "hallowelt",
    "hello",
    "helloworld",
    "iloveyou",
    "internet",
    "letmein",
    "login",
    "master",
    "michael",
    "monkey",
    "passwort",
    "password",
    "princess",
    "qazwsx",
    "qwerty",
    "qwertyuiop",
    "qwertz",
    "qwertzuiop",
    "raspberry",
    "root",
    "schatz",
    "secret",
    "sommer",
    "starwars",
    "sunshine",
    "superman",
    "test",
    "welcome",
    "willkommen",
];

/// The least number of characters of a password, as configured within reason.
#[must_use]
pub fn min_length(configured: usize) -> usize {
    configured.clamp(SHORTEST_MIN, LONGEST_MIN)
}

/// Why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// See [`SHORTEST_MIN`].
    #[error("a password must have {min} to {LONGEST} characters")]
    Length {
        /// The least, as configured.
        min: usize,
    },
    /// It is one that guessers try first.
    #[error(
        "this password is one of the first that others would try: choose a longer or less common one"
    )]
    Common,
    /// It is the name, or little more.
    #[error("this password is too much like the user name: choose another one")]
    LikeName,
}

/// Checks a new password of the user with this name.
///
/// # Errors
///
/// [`BadPassword`].
pub fn check_password(password: &str, username: &str, min: usize) -> Result<(), BadPassword> {
    let min = min_length(min);
    if !(min..=LONGEST).contains(&password.chars().count()) {
        return Err(BadPassword::Length { min });
    }
    let word = base_word(password);
    let name = username.to_lowercase();
    let is_name = word == name || (!word.is_empty() && word == base_word(username));
    if is_name || password.to_lowercase() == format!("{name}{name}") {
        return Err(BadPassword::LikeName);
    }
    if COMMON.contains(&word.as_str()) || COMMON.contains(&letters_for_digits(&word).as_str()) {
        return Err(BadPassword::Common);
    }
    if is_sequence(password) {
        return Err(BadPassword::Common);
    }
    Ok(())
}

/// A password without the digits and signs that people add to a word: `Password1!` is
/// `password`.
fn base_word(password: &str) -> String {
    let is_added = |c: char| c.is_ascii_digit() || c.is_ascii_punctuation() || c == ' ';
    password.trim_matches(is_added).to_lowercase()
}

fn letters_for_digits(word: &str) -> String {
    word.chars()
        .map(|c| match c {
            '0' => 'o',
            '1' => 'l',
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            c => c,
        })
        .collect()
}

/// Whether a password is one character again and again, characters in their order, or a short
/// piece repeated.
fn is_sequence(password: &str) -> bool {
    let chars: Vec<char> = password.chars().collect();
    let steps = |step: i64| {
        chars
            .windows(2)
            .filter(|pair| i64::from(u32::from(pair[1])) - i64::from(u32::from(pair[0])) == step)
            .count()
    };
    // One break is allowed for, as in 1234567890 and abcdabcd.
    let pairs = chars.len() - 1;
    if [0, 1, -1].into_iter().any(|step| steps(step) + 1 >= pairs) {
        return true;
    }
    (1..=4).any(|piece| chars.iter().zip(&chars[piece..]).all(|(a, b)| a == b))
}

/// Whether it can be a name to sign in with: letters of any script, digits, `.`, `-` and `_`.
#[must_use]
pub fn is_username(name: &str) -> bool {
    NAME.contains(&name.chars().count())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

/// A display name as it is stored: trimmed, in any script, none if nothing is left.
///
/// # Errors
///
/// `()` for one that is too long, or has characters that are not seen or change the direction
/// of the text around them.
pub fn display_name(text: &str) -> Result<Option<String>, ()> {
    let name = text.trim();
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if name.chars().count() > LONGEST_DISPLAY_NAME || name.chars().any(is_hidden) {
        return Err(());
    }
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn passwords_that_are_guessed_first_are_refused() {
        for (password, expected) in [
            ("correct horse battery staple", Ok(())),
            ("Kühlschrank und Kerze", Ok(())),
            ("x7Lq-91mz", Ok(())),
            ("password the longer one", Ok(())),
            ("short", Err(BadPassword::Length { min: 8 })),
            ("password1", Err(BadPassword::Common)),
            ("Password123!", Err(BadPassword::Common)),
            ("P@ssw0rd", Err(BadPassword::Common)),
            ("Passwort1", Err(BadPassword::Common)),
            ("iloveyou2", Err(BadPassword::Common)),
            ("12345678", Err(BadPassword::Common)),
            ("1234567890", Err(BadPassword::Common)),
            ("87654321", Err(BadPassword::Common)),
            ("aaaaaaaaa", Err(BadPassword::Common)),
            ("abababab", Err(BadPassword::Common)),
            ("qwertz123", Err(BadPassword::Common)),
            ("Marie-Luise", Err(BadPassword::LikeName)),
            ("marie-luise1", Err(BadPassword::LikeName)),
        ] {
            let checked = check_password(password, "marie-luise", 8);
            assert_eq!(checked, expected, "{password}");
        }
        let long = "x7Lq-91mz".repeat(200);
        assert!(check_password(&long, "bob", 8).is_err());
    }

    #[test]
    fn the_configured_minimum_counts_within_reason() {
        let eleven = "x7Lq-91mzAB";
        assert_eq!(
            check_password(eleven, "bob", 12),
            Err(BadPassword::Length { min: 12 })
        );
        assert_eq!(check_password(eleven, "bob", 0), Ok(()));
        assert_eq!(
            check_password("x7Lq", "bob", 0),
            Err(BadPassword::Length { min: 8 })
        );
        assert_eq!(
            check_password(eleven, "bob", 9999),
            Err(BadPassword::Length { min: 64 })
        );
    }

    #[test]
    fn a_display_name_is_in_any_script_and_shows_what_it_is() {
        for (text, expected) in [
            ("Marie Müller", Ok(Some("Marie Müller"))),
            (" 田中 さくら ", Ok(Some("田中 さくら"))),
            ("", Ok(None)),
            ("  ", Ok(None)),
            ("a\nb", Err(())),
            ("bob\u{202e}nimda", Err(())),
            ("a\u{200b}b", Err(())),
        ] {
            let name = display_name(text);
            assert_eq!(
                name.as_ref().ok().map(Option::as_deref),
                expected.ok(),
                "{text:?}"
            );
        }
        assert!(display_name(&"ä".repeat(64)).is_ok() && display_name(&"ä".repeat(65)).is_err());
        assert!(is_username("jürgen") && !is_username("Marie Müller") && !is_username("ab"));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_check_panic(text in any::<String>(), name in any::<String>()) {
            let _ = check_password(&text, &name, 8);
            if let Ok(Some(shown)) = display_name(&text) {
                prop_assert!(!shown.contains('\n'));
            }
        }
    }
}
