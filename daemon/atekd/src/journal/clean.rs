//! A line as a terminal and a browser may show it. Pure.

/// Characters of the longest line that is shown.
const MAX_CHARS: usize = 16 * 1024;
const ESCAPE: char = '\u{1b}';
const BELL: char = '\u{7}';

/// The text of a message: UTF-8 whatever it was, without escape sequences (colours, titles)
/// and control characters. Tabs and line breaks stay.
pub(super) fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut chars = text.chars().peekable();
    let mut out = String::with_capacity(text.len());
    let mut length = 0;
    while let Some(c) = chars.next() {
        match c {
            ESCAPE => skip_sequence(&mut chars),
            // The single-character form of ESC [.
            '\u{9b}' => skip_csi(&mut chars),
            '\t' | '\n' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
        length += 1;
        if length == MAX_CHARS {
            out.push('…');
            break;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

type Chars<'t> = std::iter::Peekable<std::str::Chars<'t>>;

fn skip_sequence(chars: &mut Chars<'_>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_csi(chars);
        }
        // Strings (titles, links): up to BEL or ESC \.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            while let Some(c) = chars.next() {
                if c == BELL {
                    return;
                }
                if c == ESCAPE {
                    chars.next_if_eq(&'\\');
                    return;
                }
            }
        }
        Some(' '..='/') => {
            while chars.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            chars.next();
        }
        Some('0'..='~') => {
            chars.next();
        }
        _ => {}
    }
}

fn skip_csi(chars: &mut Chars<'_>) {
    while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    chars.next_if(|c| matches!(c, '@'..='~'));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_what_a_terminal_would_obey() {
        for (line, shown) in [
            (&b"plain"[..], "plain"),
            (b"\x1b[31mred\x1b[0m", "red"),
            (b"\x1b]0;title\x07text", "text"),
            (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            (b"\x1b(Bg0", "g0"),
            (b"\x1bcreset", "reset"),
            ("\u{9b}2Jclear".as_bytes(), "clear"),
            (b"bell\x07 back\x08space", "bell backspace"),
            (b"tab\tkept\r\n", "tab\tkept"),
            (b"bad \xff utf8", "bad \u{fffd} utf8"),
            (b"\x1b[", ""),
            (b"\x1b", ""),
        ] {
            assert_eq!(clean(line), shown, "{line:?}");
        }
        assert_eq!(clean(&vec![b'x'; 100_000]).chars().count(), MAX_CHARS + 1);
    }

    proptest::proptest! {
        #[test]
        fn no_line_ever_has_a_control_character(bytes in proptest::collection::vec(0u8.., 0..200)) {
            let odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n');
            proptest::prop_assert!(!clean(&bytes).contains(odd));
        }
    }
}
