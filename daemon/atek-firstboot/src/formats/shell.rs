//! Takes a shell script apart into simple commands, to look at them. Nothing is ever run, expanded or looked up.
//!
//! It knows words, quotes, comments, operators, redirections and here-documents; substitutions stay in the
//! word as they are written. What it does not know it takes as plain text: at worst a command is not recognised.

/// A simple command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments, without quotes.
    pub words: Vec<String>,
    /// Where `>` or `>>` sends its output.
    pub output: Option<String>,
    /// The text of its here-document.
    pub input: Option<String>,
}

/// The simple commands of a script, in order, whatever branch they are in.
#[must_use]
pub fn commands(script: &str) -> Vec<Command> {
    let mut lexer = Lexer {
        rest: script,
        commands: Vec::new(),
        current: Command::default(),
        heredocs: Vec::new(),
    };
    lexer.run();
    lexer.commands
}

struct Lexer<'a> {
    rest: &'a str,
    commands: Vec<Command>,
    current: Command,
    /// The ends of here-documents that begin after this line, with the index of their command.
    heredocs: Vec<(String, usize)>,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(c) = self.rest.chars().next() {
            match c {
                '\n' => {
                    self.skip(1);
                    self.end_command();
                    self.read_heredocs();
                }
                ';' | '&' | '|' | '(' | ')' => {
                    self.skip(1);
                    self.end_command();
                }
                '#' => {
                    let end = self.rest.find('\n').unwrap_or(self.rest.len());
                    self.skip(end);
                }
                '>' => {
                    self.skip(if self.rest.starts_with(">>") { 2 } else { 1 });
                    self.skip_blanks();
                    let target = self.word();
                    self.current.output = Some(target);
                }
                '<' if self.rest.starts_with("<<") => {
                    self.skip(if self.rest.starts_with("<<-") { 3 } else { 2 });
                    self.skip_blanks();
                    let end = self.word();
                    self.heredocs.push((end, self.commands.len()));
                }
                '<' if !self.rest.starts_with("<(") => self.skip(1),
                c if c.is_whitespace() => self.skip(c.len_utf8()),
                _ => {
                    let word = self.word();
                    self.current.words.push(word);
                }
            }
        }
        self.end_command();
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn end_command(&mut self) {
        // A here-document belongs to a command by its index, so one with none is kept too.
        let waited_for = self
            .heredocs
            .iter()
            .any(|(_, index)| *index == self.commands.len());
        if !self.current.words.is_empty() || self.current.output.is_some() || waited_for {
            self.commands.push(std::mem::take(&mut self.current));
        }
    }

    fn read_heredocs(&mut self) {
        for (end, index) in std::mem::take(&mut self.heredocs) {
            let mut text = String::new();
            while !self.rest.is_empty() {
                let length = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
                let line = self.rest.get(..length).unwrap_or_default().to_owned();
                self.skip(length);
                if line.trim_end_matches(['\r', '\n']).trim_start_matches('\t') == end {
                    break;
                }
                text.push_str(&line);
            }
            if let Some(command) = self.commands.get_mut(index) {
                command.input = Some(text);
            }
        }
    }

    /// The word that begins here; always takes at least one character.
    fn word(&mut self) -> String {
        let mut word = String::new();
        let mut first = true;
        while let Some(c) = self.rest.chars().next() {
            match c {
                '\'' => {
                    self.skip(1);
                    let end = self.rest.find('\'').unwrap_or(self.rest.len());
                    word.push_str(self.rest.get(..end).unwrap_or_default());
                    self.skip(end + 1);
                }
                '"' => {
                    self.skip(1);
                    self.double_quoted(&mut word);
                }
                '\\' => {
                    self.skip(1);
                    if let Some(escaped) = self.rest.chars().next() {
                        self.skip(escaped.len_utf8());
                        // A line that goes on in the next one.
                        if escaped != '\n' {
                            word.push(escaped);
                        }
                    }
                }
                '$' | '<' | '>' if self.rest[1..].starts_with('(') => {
                    let length = substitution(self.rest);
                    word.push_str(self.rest.get(..length).unwrap_or_default());
                    self.skip(length);
                }
                ';' | '&' | '|' | '(' | ')' | '<' | '>' if !first => break,
                c if c.is_whitespace() => break,
                c => {
                    word.push(c);
                    self.skip(c.len_utf8());
                }
            }
            first = false;
        }
        word
    }

    fn double_quoted(&mut self, word: &mut String) {
        while let Some(c) = self.rest.chars().next() {
            self.skip(c.len_utf8());
            match (c, self.rest.chars().next()) {
                ('"', _) => return,
                ('\\', Some(escaped @ ('"' | '\\' | '$' | '`'))) => {
                    word.push(escaped);
                    self.skip(1);
                }
                _ => word.push(c),
            }
        }
    }
}

/// Bytes of the `$(…)` or `<(…)` at the start of `text`, by counting parentheses outside quotes.
fn substitution(text: &str) -> usize {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('"') | None, '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') if depth == 1 => return at + 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(script: &str) -> Vec<Vec<String>> {
        commands(script)
            .into_iter()
            .map(|command| command.words)
            .collect()
    }

    #[test]
    fn quotes_join_to_words() {
        assert_eq!(
            words(r#"set_wlan -h 'it'"'"'s "mine"' "a\"b\$c" d\ e # no"#),
            [["set_wlan", "-h", "it's \"mine\"", "a\"b$c", "d e"]]
        );
    }

    #[test]
    fn commands_end_at_operators_and_lines() {
        assert_eq!(
            words("if [ -f x ]; then\n  y --z\nfi && a | b\n"),
            [
                vec!["if", "[", "-f", "x", "]"],
                vec!["then"],
                vec!["y", "--z"],
                vec!["fi"],
                vec!["a"],
                vec!["b"]
            ]
        );
    }

    #[test]
    fn output_and_here_documents_belong_to_their_command() {
        let found = commands("cat >/etc/x <<'EOF'\none; two\n\"three\nEOF\nnext\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].output.as_deref(), Some("/etc/x"));
        assert_eq!(found[0].input.as_deref(), Some("one; two\n\"three\n"));
        assert_eq!(found[1].words, ["next"]);
    }

    #[test]
    fn substitutions_stay_as_written() {
        assert_eq!(
            words("A=$(cat /etc/hostname | tr -d \" \\t)\")\ninstall <(printf \"x)y\") f"),
            [
                vec!["A=$(cat /etc/hostname | tr -d \" \\t)\")"],
                vec!["install", "<(printf \"x)y\")", "f"]
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart(script in "[a-z \\n\\t'\"\\\\$<>();&|#é]{0,200}") {
            let length: usize = commands(&script).iter().flat_map(|c| &c.words).map(String::len).sum();
            prop_assert!(length <= script.len());
        }

        #[test]
        fn any_text_at_all_is_taken_apart(script in any::<String>()) {
            let length: usize = commands(&script).iter().flat_map(|c| &c.words).map(String::len).sum();
            prop_assert!(length <= script.len());
        }
    }
}
