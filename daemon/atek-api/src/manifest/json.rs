//! JSON whose values know where they stand.

use super::error::{ManifestError, Position, Problem};

/// A value and the byte offset where it starts.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; no key twice.
    Object(Vec<(String, Node)>),
}

impl Value {
    /// The type's name for people.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Parses `text`, which may have a byte order mark.
pub(super) fn parse(text: &str) -> Result<Node, ManifestError> {
    let start = if text.starts_with('\u{feff}') { 3 } else { 0 };
    // serde_json checks the syntax and the depth, and words the error; what
    // follows may then rely on the text being JSON.
    // (Into a `Value`, because only that checks the depth and the escapes.)
    if let Err(error) = serde_json::from_str::<serde_json::Value>(&text[start..]) {
        return Err(syntax_error(text, start, &error));
    }
    let mut parser = Parser { text, at: start };
    parser.value(&mut Vec::new())
}

/// The line and column of byte `at`.
pub(super) fn place(text: &str, at: usize, pointer: String) -> Position {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        pointer,
    }
}

fn syntax_error(text: &str, start: usize, error: &serde_json::Error) -> ManifestError {
    // serde_json counts bytes in a line, editors count characters.
    let line_start: usize = text[start..]
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let mut at = (start + line_start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or_default();
    ManifestError {
        place: place(text, at, String::new()),
        problem: Problem::Syntax(words.to_owned()),
    }
}

/// One step of a JSON pointer.
pub(super) fn step(pointer: &mut Vec<String>, part: &str) {
    pointer.push(part.replace('~', "~0").replace('/', "~1"));
}

/// The pointer as text.
pub(super) fn join(pointer: &[String]) -> String {
    pointer
        .iter()
        .fold(String::new(), |text, part| text + "/" + part)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn value(&mut self, pointer: &mut Vec<String>) -> Result<Node, ManifestError> {
        let next = self.peek();
        let at = self.at;
        let value = match next {
            b'{' => self.object(pointer)?,
            b'[' => self.list(pointer)?,
            b'"' => Value::Text(self.string(pointer)?),
            _ => {
                let word = self.word();
                match word {
                    "null" => Value::Null,
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    number => Value::Number(number.to_owned()),
                }
            }
        };
        Ok(Node { at, value })
    }

    fn object(&mut self, pointer: &mut Vec<String>) -> Result<Value, ManifestError> {
        let mut members: Vec<(String, Node)> = Vec::new();
        self.at += 1;
        while self.peek() != b'}' {
            if self.peek() == b',' {
                self.at += 1;
                continue;
            }
            let key_at = {
                self.peek();
                self.at
            };
            let key = self.string(pointer)?;
            step(pointer, &key);
            if members.iter().any(|(known, _)| *known == key) {
                return Err(self.error(key_at, pointer, Problem::RepeatedKey(shorten(&key))));
            }
            self.peek();
            self.at += 1; // the colon
            let value = self.value(pointer)?;
            pointer.pop();
            members.push((key, value));
        }
        self.at += 1;
        Ok(Value::Object(members))
    }

    fn list(&mut self, pointer: &mut Vec<String>) -> Result<Value, ManifestError> {
        let mut items = Vec::new();
        self.at += 1;
        while self.peek() != b']' {
            if self.peek() == b',' {
                self.at += 1;
                continue;
            }
            pointer.push(items.len().to_string());
            items.push(self.value(pointer)?);
            pointer.pop();
        }
        self.at += 1;
        Ok(Value::List(items))
    }

    fn string(&mut self, pointer: &[String]) -> Result<String, ManifestError> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while bytes[self.at] != b'"' {
            self.at += if bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_str(&self.text[start..self.at])
            .map_err(|_| self.error(start, pointer, Problem::Syntax("invalid escape".to_owned())))
    }

    fn word(&mut self) -> &str {
        let start = self.at;
        let rest = &self.text[start..];
        let end = rest
            .find(|c: char| c.is_ascii_whitespace() || matches!(c, ',' | ']' | '}'))
            .unwrap_or(rest.len());
        self.at += end;
        &self.text[start..self.at]
    }

    /// Skips white space; the byte that follows, 0 at the end.
    fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or(0)
    }

    fn error(&self, at: usize, pointer: &[String], problem: Problem) -> ManifestError {
        ManifestError {
            place: place(self.text, at, join(pointer)),
            problem,
        }
    }
}

/// A text from the file as an error may show it.
pub(super) fn shorten(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    if short.len() == text.len() {
        short
    } else {
        short + "…"
    }
}
