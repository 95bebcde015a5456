//! Reads values of a manifest, and tells where a wrong one stands.

use super::error::{ManifestError, Problem};
use super::json::{self, Node, Value};

/// A value, where it stands, and how to complain about it.
pub(super) struct Cursor<'n> {
    text: &'n str,
    pointer: String,
    pub(super) node: &'n Node,
}

pub(super) type Found<T> = Result<T, ManifestError>;

impl<'n> Cursor<'n> {
    /// The whole file.
    pub(super) fn new(text: &'n str, node: &'n Node) -> Self {
        Self {
            text,
            pointer: String::new(),
            node,
        }
    }

    pub(super) fn problem(&self, problem: Problem) -> ManifestError {
        ManifestError {
            place: json::place(self.text, self.node.at, self.pointer.clone()),
            problem,
        }
    }

    pub(super) fn wrong_type(&self, expected: &'static str) -> ManifestError {
        self.problem(Problem::Type {
            expected,
            found: self.node.value.kind(),
        })
    }

    fn child(&self, name: &str, node: &'n Node) -> Self {
        let mut step = Vec::new();
        json::step(&mut step, name);
        Self {
            text: self.text,
            pointer: format!("{}{}", self.pointer, json::join(&step)),
            node,
        }
    }

    pub(super) fn members(&self) -> Found<impl Iterator<Item = (&'n str, Cursor<'n>)>> {
        match &self.node.value {
            Value::Object(members) => Ok(members
                .iter()
                .map(|(name, node)| (name.as_str(), self.child(name, node)))),
            _ => Err(self.wrong_type("an object")),
        }
    }

    pub(super) fn items(&self, max: usize) -> Found<impl Iterator<Item = Cursor<'n>>> {
        match &self.node.value {
            Value::List(items) if items.len() > max => Err(self.problem(Problem::TooMany {
                max,
                found: items.len(),
            })),
            Value::List(items) => Ok(items
                .iter()
                .enumerate()
                .map(|(n, node)| self.child(&n.to_string(), node))),
            _ => Err(self.wrong_type("a list")),
        }
    }

    pub(super) fn string(&self) -> Found<&'n str> {
        match &self.node.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong_type("a text")),
        }
    }

    /// A text for people; `None` if it is empty.
    pub(super) fn title(&self, max: usize) -> Found<Option<String>> {
        Ok(Some(self.text(max)?).filter(|text| !text.is_empty()))
    }

    /// A text for people, which may be empty.
    pub(super) fn text(&self, max: usize) -> Found<String> {
        let text = self.string()?;
        let found = text.chars().count();
        if found > max {
            return Err(self.problem(Problem::Length { max, found }));
        }
        match text.chars().find(|c| is_hidden(*c)) {
            Some(c) => Err(self.problem(Problem::Character(c))),
            None => Ok(text.to_owned()),
        }
    }

    pub(super) fn boolean(&self) -> Found<bool> {
        match self.node.value {
            Value::Bool(value) => Ok(value),
            _ => Err(self.wrong_type("true or false")),
        }
    }

    pub(super) fn whole_number(&self) -> Found<u64> {
        match &self.node.value {
            Value::Number(digits) => digits
                .parse()
                .map_err(|_| self.wrong_type("a whole number from 0")),
            _ => Err(self.wrong_type("a whole number from 0")),
        }
    }

    pub(super) fn parsed<T: std::str::FromStr>(
        &self,
        problem: impl Fn(T::Err) -> Problem,
    ) -> Found<T> {
        self.string()?
            .parse()
            .map_err(|error| self.problem(problem(error)))
    }
}

/// Control characters, and those that hide or reorder what stands around them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{2028}' | '\u{2029}'
        )
        || matches!(
            c,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        )
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{e0000}'..='\u{e0fff}')
}
