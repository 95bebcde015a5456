//! Foreign text, made fit to be shown: output of npm, names of files, words of servers.

/// Characters of the longest line that is kept.
const LINE_MAX: usize = 300;

/// One line without terminal sequences, control characters and passwords.
pub(crate) fn clean_line(text: &str) -> String {
    let mut line = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut chars),
            '\t' => line.push(' '),
            c if c.is_control() || is_invisible(c) => {}
            c => line.push(c),
        }
    }
    let line = redact(&line);
    let short: String = line.chars().take(LINE_MAX).collect();
    if short.len() < line.len() {
        short + "…"
    } else {
        short
    }
}

/// The rest of an ANSI sequence: `[ … letter`, `] … BEL` or one character.
fn skip_sequence(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            while chars
                .next()
                .is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c))
            {}
        }
        Some(']') => while chars.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {},
        _ => {}
    }
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Hides `user:password@` in URLs and values of npm's `_auth…` settings.
fn redact(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        out.push_str(before);
        let end = after
            .find([' ', '/', '"', '\'', '>', ')', '?', '#'])
            .unwrap_or(after.len());
        let authority = &after[..end];
        match authority.rfind('@') {
            Some(at) => {
                out.push_str("***");
                out.push_str(&authority[at..]);
            }
            None => out.push_str(authority),
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    match out.find("_auth").or_else(|| out.find("_password")) {
        Some(at) => match out[at..].find(['=', ':']) {
            Some(sign) => format!("{}***", &out[..=at + sign]),
            None => out,
        },
        None => out,
    }
}

/// Bytes as people read them: `12.1 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().iec().to_string()
}

/// The first and the last lines of an output: where a program tells its reason first and
/// its usage after, the first are worth more, and where it stops at an error, the last.
#[derive(Debug, Default)]
pub(crate) struct Excerpt {
    first: Vec<String>,
    last: std::collections::VecDeque<String>,
    dropped: usize,
}

impl Excerpt {
    /// So many of the first lines are kept.
    const FIRST: usize = 10;
    /// So many of the last.
    const LAST: usize = 30;

    /// Adds a line; one that says nothing is passed over.
    pub(crate) fn push(&mut self, line: &str) {
        let line = clean_line(line);
        if matches!(line.trim(), "" | "npm error" | "npm warn") {
            return;
        }
        if self.first.len() < Self::FIRST {
            self.first.push(line);
            return;
        }
        if self.last.len() == Self::LAST {
            self.last.pop_front();
            self.dropped += 1;
        }
        self.last.push_back(line);
    }
}

impl std::fmt::Display for Excerpt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.first {
            write!(f, "\n{line}")?;
        }
        if self.dropped > 0 {
            write!(f, "\n… ({} lines)", self.dropped)?;
        }
        for line in &self.last {
            write!(f, "\n{line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cleaned_of_what_a_terminal_or_a_thief_would_use() {
        for (text, expected) in [
            ("plain", "plain"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}x", "x"),
            ("a\rb\u{8}\tc", "ab c"),
            (
                "git clone https://me:hunter2@example.org/x failed",
                "git clone https://***@example.org/x failed",
            ),
            (
                "two https://a:b@c/ and http://d@e",
                "two https://***@c/ and http://***@e",
            ),
            (
                "//registry.example.org/:_authToken=hunter2",
                "//registry.example.org/:_authToken=***",
            ),
            (
                "https://example.org/@scope/x",
                "https://example.org/@scope/x",
            ),
            ("\u{202e}evil", "evil"),
            ("\u{1b}", ""),
        ] {
            assert_eq!(clean_line(text), expected, "{text:?}");
        }
        assert_eq!(clean_line(&"ä".repeat(1_000)).chars().count(), LINE_MAX + 1);
    }

    #[test]
    fn an_excerpt_keeps_the_first_and_the_last_lines() {
        let mut excerpt = Excerpt::default();
        for n in 0..100 {
            excerpt.push(&format!("line {n}"));
            excerpt.push(" ");
        }
        let text = excerpt.to_string();
        assert!(text.starts_with("\nline 0\n"), "{text}");
        assert!(text.contains("\nline 9\n… (60 lines)\nline 70\n"), "{text}");
        assert!(text.ends_with("\nline 99"), "{text}");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(12_345), "12.1 KiB");
        assert_eq!(size(268_435_456), "256.0 MiB");
    }
}
