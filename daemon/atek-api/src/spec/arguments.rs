//! Arguments of programs. They may have line ends and tabs, as the scripts in compose files do
//! (`sh -c "…"`), and no other control characters.
//!
//! No text with a line end gets into the property of a unit: atek-spawnd writes such arguments with
//! backslashes, and atek-sandbox reads them back.

/// Whether a text can be the argument of a program.
#[must_use]
pub fn is_argument(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t')
}

/// An argument without line ends and tabs: `\n` and `\t` stand for them, and `\\` for a backslash.
#[must_use]
pub fn escape(argument: &str) -> String {
    argument
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\t', "\\t")
}

/// What [`escape`] was given; `None`: it did not write this.
#[must_use]
pub fn unescape(escaped: &str) -> Option<String> {
    let mut argument = String::with_capacity(escaped.len());
    let mut chars = escaped.chars();
    while let Some(c) = chars.next() {
        argument.push(match c {
            '\\' => match chars.next()? {
                '\\' => '\\',
                'n' => '\n',
                't' => '\t',
                _ => return None,
            },
            c => c,
        });
    }
    Some(argument)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_escaped_argument_has_no_control_characters_and_comes_back(text in r"[\\nt\n\ta é]{0,24}") {
            prop_assert!(is_argument(&text));
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(char::is_control), "{escaped:?}");
            prop_assert_eq!(unescape(&escaped), Some(text));
        }
    }

    #[test]
    fn other_control_characters_are_no_argument_and_other_escapes_are_nothing() {
        for text in ["\0", "\r", "\u{1b}[31m", "\u{85}", "\x7f"] {
            assert!(!is_argument(text), "{text:?}");
        }
        for escaped in ["\\", "\\x", "a\\r"] {
            assert_eq!(unescape(escaped), None, "{escaped}");
        }
    }
}
