//! Takes a shell script apart into simple commands, to look at them. Nothing is ever run or looked
//! up.
//!
//! It knows words, quotes, comments, operators, redirections and here-documents, and variables that
//! the script itself gives a plain value, once. Anything else that a shell would compute stays in
//! the word as it is written, with a mark ([`is_computed`]). What it does not know it takes as
//! plain text: at worst a command is not recognised.

use std::collections::BTreeMap;

/// Stands before what only a shell could compute. It is in no script: [`commands`] leaves it out of
/// its input.
const COMPUTED: char = '\u{f8ff}';

/// Bytes of all values of variables that are put in place: a script may name a long one a thousand
/// times.
const EXPANDED_MAX: usize = 64 * 1024;

/// Whether a word holds a variable of unknown value, or the output of a command.
#[must_use]
pub fn is_computed(word: &str) -> bool {
    word.contains(COMPUTED)
}

/// The word as the script has it.
#[must_use]
pub fn as_written(word: &str) -> String {
    word.replace(COMPUTED, "")
}

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
    let script = script.replace(COMPUTED, "");
    let mut lexer = Lexer {
        rest: &script,
        commands: Vec::new(),
        current: Command::default(),
        heredocs: Vec::new(),
        variables: BTreeMap::new(),
        expanded: 0,
    };
    lexer.run();
    lexer.commands
}

struct Lexer<'a> {
    rest: &'a str,
    commands: Vec<Command>,
    current: Command,
    /// The ends of here-documents that begin after this line, with the index of their command.
    heredocs: Vec<Heredoc>,
    /// The values that the script gives; `None`: computed, or not always the same.
    variables: BTreeMap<String, Option<String>>,
    /// Bytes of values that were put in place so far.
    expanded: usize,
}

#[derive(Debug, Clone)]
struct Heredoc {
    end: String,
    command: usize,
    /// Its end is written without quotes, so a shell would put variables in place.
    expands: bool,
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
                    let expands = !self.rest.starts_with(['\'', '"', '\\']);
                    let end = self.word();
                    let command = self.commands.len();
                    self.heredocs.push(Heredoc {
                        end,
                        command,
                        expands,
                    });
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
            .any(|heredoc| heredoc.command == self.commands.len());
        self.remember_variables();
        if !self.current.words.is_empty() || self.current.output.is_some() || waited_for {
            self.commands.push(std::mem::take(&mut self.current));
        }
    }

    fn read_heredocs(&mut self) {
        for heredoc in std::mem::take(&mut self.heredocs) {
            let mut text = String::new();
            while !self.rest.is_empty() {
                let length = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
                let line = self.rest.get(..length).unwrap_or_default().to_owned();
                self.skip(length);
                if line.trim_end_matches(['\r', '\n']).trim_start_matches('\t') == heredoc.end {
                    break;
                }
                text.push_str(&line);
            }
            if heredoc.expands {
                text = self.with_variables(&text);
            }
            if let Some(command) = self.commands.get_mut(heredoc.command) {
                command.input = Some(text);
            }
        }
    }

    /// Keeps what a command of assignments alone (`NAME=value`, also behind `export`) says.
    fn remember_variables(&mut self) {
        let words = &self.current.words;
        let assigned = match words.first().map(String::as_str) {
            Some("export" | "readonly") => words.get(1..).unwrap_or_default(),
            _ => words,
        };
        let pairs: Option<Vec<(&str, &str)>> = assigned
            .iter()
            .map(|word| word.split_once('=').filter(|(name, _)| is_name(name)))
            .collect();
        for (name, value) in pairs.unwrap_or_default() {
            let known = (!is_computed(value) && !value.contains("$(")).then(|| value.to_owned());
            let before = self.variables.get(name);
            // Which of two values counts depends on what the script does when it runs.
            let known =
                known.filter(|value| before.is_none_or(|before| before.as_ref() == Some(value)));
            self.variables.insert(name.to_owned(), known);
        }
    }

    /// Puts the value of the variable at the start of the rest (`$NAME`, `${NAME}`) at the end of
    /// `word`, or else the text as it is written, with a mark. The rest begins with `$`.
    fn variable(&mut self, word: &mut String) {
        let text = self.rest.get(1..).unwrap_or_default();
        let braced = text.strip_prefix('{');
        let from = braced.unwrap_or(text);
        let length = from
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(from.len());
        let name = from.get(..length).unwrap_or_default();
        let closes =
            braced.is_none() || from.get(length..).is_some_and(|rest| rest.starts_with('}'));
        if !is_name(name) {
            // `$(`, `$1`, `${x:-y}`, or a lone dollar sign.
            if braced.is_some()
                || text
                    .starts_with(|c: char| c == '(' || c.is_ascii_digit() || "?@*#!-".contains(c))
            {
                word.push(COMPUTED);
            }
            word.push('$');
            self.skip(1);
            return;
        }
        let value = match self.variables.get(name) {
            Some(Some(value)) if closes && self.expanded + value.len() <= EXPANDED_MAX => {
                value.clone()
            }
            _ => {
                word.push(COMPUTED);
                word.push('$');
                self.skip(1);
                return;
            }
        };
        self.expanded += value.len();
        word.push_str(&value);
        self.skip(1 + length + if braced.is_some() { 2 } else { 0 });
    }

    /// The text of a here-document with the variables put in place.
    fn with_variables(&mut self, text: &str) -> String {
        let mut inner = Lexer {
            rest: text,
            commands: Vec::new(),
            current: Command::default(),
            heredocs: Vec::new(),
            variables: std::mem::take(&mut self.variables),
            expanded: self.expanded,
        };
        let mut done = String::new();
        while let Some(c) = inner.rest.chars().next() {
            if c == '$' {
                inner.variable(&mut done);
            } else {
                inner.skip(c.len_utf8());
                done.push(c);
            }
        }
        self.variables = inner.variables;
        self.expanded = inner.expanded;
        done
    }

    /// Whether the quote at the end of a quoted part is one that Imager 1.7.3 meant to be part of
    /// the text: it wrote `'Nora\'s Net'`, which leaves the line with an odd number of quotes.
    fn is_apostrophe(&self, end: usize) -> bool {
        let quoted = self.rest.get(..end).unwrap_or_default();
        let after = self.rest.get(end + 1..).unwrap_or_default();
        let line = after.split('\n').next().unwrap_or_default();
        quoted.ends_with('\\') && !quoted.contains('\n') && line.matches('\'').count() % 2 == 1
    }

    /// The word that begins here; always takes at least one character.
    fn word(&mut self) -> String {
        let mut word = String::new();
        let mut first = true;
        while let Some(c) = self.rest.chars().next() {
            match c {
                '\'' => {
                    self.skip(1);
                    self.single_quoted(&mut word);
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
                    if c == '$' {
                        word.push(COMPUTED);
                    }
                    word.push_str(self.rest.get(..length).unwrap_or_default());
                    self.skip(length);
                }
                '$' => self.variable(&mut word),
                '`' => {
                    word.extend([COMPUTED, c]);
                    self.skip(1);
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

    fn single_quoted(&mut self, word: &mut String) {
        loop {
            let end = self.rest.find('\'').unwrap_or(self.rest.len());
            let text = self.rest.get(..end).unwrap_or_default();
            let apostrophe = self.is_apostrophe(end);
            word.push_str(if apostrophe {
                text.strip_suffix('\\').unwrap_or(text)
            } else {
                text
            });
            self.skip(end + 1);
            if !apostrophe {
                return;
            }
            word.push('\'');
        }
    }

    fn double_quoted(&mut self, word: &mut String) {
        while let Some(c) = self.rest.chars().next() {
            if c == '$' {
                self.variable(word);
                continue;
            }
            if c == '`' {
                word.push(COMPUTED);
            }
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

/// Whether a shell takes it as the name of a variable.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
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
                vec!["A=\u{f8ff}$(cat /etc/hostname | tr -d \" \\t)\")"],
                vec!["install", "<(printf \"x)y\")", "f"]
            ]
        );
    }

    /// Bytes of all words of a script, as it has them.
    fn taken(script: &str) -> usize {
        let words = commands(script)
            .into_iter()
            .flat_map(|command| command.words);
        words.map(|word| as_written(&word).len()).sum()
    }

    #[test]
    fn variables_of_the_script_are_put_in_place() {
        let script =
            "NET=\"my net\"\nexport KEY='a b'\nset \"$NET\" ${KEY} '$NET' \\$NET \"${NET}2\"\n";
        assert_eq!(
            words(script).last().unwrap(),
            &["set", "my net", "a b", "$NET", "$NET", "my net2"]
        );
        let text = &commands("A=b\ncat <<END\nx $A ${A}\nEND\ncat <<'END'\n$A\nEND\n");
        assert_eq!(text[1].input.as_deref(), Some("x b b\n"));
        assert_eq!(text[2].input.as_deref(), Some("$A\n"));
    }

    #[test]
    fn what_only_a_shell_could_compute_is_marked() {
        for script in [
            "set $UNKNOWN",
            "A=b\nA=c\nset $A",
            "A=$(date)\nset $A",
            "set \"$(cat /boot/key.pub)\"",
            "set `date`",
            "set $1",
            "A=b\nset ${A:-c}",
        ] {
            let found = words(script);
            let word = &found.last().unwrap()[1];
            assert!(is_computed(word), "{script}: {word}");
        }
        assert!(
            !words("set 'a$b' \"5$\" c$")[0]
                .iter()
                .any(|word| is_computed(word))
        );
    }

    #[test]
    fn values_of_variables_have_a_bound_together() {
        let script = format!("A={}\nset {}\n", "x".repeat(4096), "$A ".repeat(10_000));
        assert!(taken(&script) <= script.len() + EXPANDED_MAX);
    }

    #[test]
    fn an_apostrophe_that_imager_quoted_wrongly_is_part_of_its_word() {
        assert_eq!(
            words("set 'Nora\\'s Net' 'key' 'AT'\nnext 'a'\n"),
            [vec!["set", "Nora's Net", "key", "AT"], vec!["next", "a"]]
        );
        // Two quoted parts beside a backslash, as a shell reads them.
        assert_eq!(words("set 'a\\' 'b'"), [["set", "a\\", "b"]]);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart(script in "[a-z \\n\\t'\"\\\\$<>();&|#é]{0,200}") {
            prop_assert!(taken(&script) <= script.len() + EXPANDED_MAX);
        }

        #[test]
        fn any_text_at_all_is_taken_apart(script in any::<String>()) {
            prop_assert!(taken(&script) <= script.len() + EXPANDED_MAX);
        }
    }
}
