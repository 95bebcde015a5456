//! Removes what could control the terminal from text that an app wrote.

use std::borrow::Cow;

/// One line of foreign text, without escape sequences and control characters.
///
/// Tabs stay, line breaks become spaces. Characters that reorder the text around
/// them go too: they can make one name look like another.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| is_unsafe(c) && c != '\t') {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_csi(&mut rest),
            '\t' => clean.push(c),
            '\n' => clean.push(' '),
            c if is_unsafe(c) => {}
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

/// Several lines of foreign text, each as [`fn@line`] leaves it.
pub(crate) fn block(text: &str) -> String {
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Skips what follows an ESC: a CSI or string sequence, or one more character.
fn skip_escape(rest: &mut Rest<'_>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_csi(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            // A string ends at BEL or ESC \; without an end only its opening goes,
            // so that a stray ESC ] cannot hide the rest of a line.
            let mut ahead = rest.clone();
            while let Some(c) = ahead.next() {
                if c == '\u{7}' || c == '\u{9c}' {
                    *rest = ahead;
                    return;
                }
                if c == '\u{1b}' {
                    if ahead.peek() == Some(&'\\') {
                        ahead.next();
                    }
                    *rest = ahead;
                    return;
                }
            }
        }
        // ESC ( B and the like have intermediate characters before their last one.
        Some(' '..='/') => {
            while rest.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            rest.next_if(|c| matches!(c, '0'..='~'));
        }
        Some('0'..='~') => {
            rest.next();
        }
        _ => {}
    }
}

/// Skips the parameters of a control sequence and its final character.
fn skip_csi(rest: &mut Rest<'_>) {
    while rest.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    rest.next_if(|c| matches!(c, '@'..='~'));
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        for (text, expected) in [
            ("plain text, ünïcode ✓", "plain text, ünïcode ✓"),
            ("a\tb", "a\tb"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}[2J\u{1b}[1;1Hgone", "gone"),
            ("\u{1b}]0;new title\u{7}text", "text"),
            ("\u{1b}]8;;http://x\u{1b}\\link", "link"),
            ("\u{1b}]never ends", "never ends"),
            ("\u{9b}31mred", "red"),
            ("\u{1b}(Bx", "x"),
            ("\u{1b}cx", "x"),
            ("ring\u{7} back\u{8} cr\r", "ring back cr"),
            ("two\nlines", "two lines"),
            ("abc\u{202e}cba", "abccba"),
            ("\u{1b}", ""),
            ("\u{1b}[", ""),
            ("\u{1b}[12", ""),
        ] {
            assert_eq!(line(text), expected, "{text:?}");
        }
    }

    #[test]
    fn no_control_character_survives() {
        for first in (0..0x100u32).filter_map(char::from_u32) {
            for second in (0..0x100u32).filter_map(char::from_u32) {
                let text: String = ['\u{1b}', first, second, 'x'].iter().collect();
                assert!(
                    line(&text).chars().all(|c| c == '\t' || !c.is_control()),
                    "{text:?}"
                );
            }
        }
    }
}
