//! Settings files that are trees: TOML and YAML, in one form. Values of an unexpected kind are
//! told, not fatal.

use crate::settings::{CURLY_QUOTES, Reading};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;
use std::fmt;

/// An object of the file.
pub type Table = Map<String, Value>;

/// Deeper than any settings file, and shallower than any stack.
const DEPTH_MAX: usize = 24;
/// Values in one file.
const NODES_MAX: usize = 20_000;

/// Reads TOML.
///
/// # Errors
///
/// A sentence with the line, never with what stands in it: that may be a password.
pub fn toml(text: &str) -> Result<Table, String> {
    toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        wrong("TOML", line, text)
    })
}

/// Reads YAML: one document, which is a mapping (an empty one counts as such).
///
/// # Errors
///
/// As [`toml()`]. Files that grow when they are read (anchors, aliases) are refused by their
/// budget.
pub fn yaml(text: &str) -> Result<Table, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
            max_aliases: 64,
            max_anchors: 64,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES_MAX,
            max_replay_stack_depth: 8,
        },
        // What cloud-init does.
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        // A password such as 1e99999999 is no number that is too large.
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough,
        // An error with a piece of the file in it would be a leak.
        with_snippet: false,
    };
    let value: Option<Node> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let line = error
                .location()
                .and_then(|location| usize::try_from(location.line()).ok());
            wrong("YAML", line.filter(|line| *line > 0), text)
        })?;
    match value.map(|node| node.into_value(text)) {
        None | Some(Value::Null) => Ok(Table::new()),
        Some(Value::Object(table)) => Ok(table),
        Some(_) => Err("this is no list of settings, each with its name".to_owned()),
    }
}

/// A value of a YAML file, with the place of those that YAML takes for something else than text.
///
/// A password such as `0123456789` is a number to YAML, and would come back as another text.
#[derive(Debug)]
enum Node {
    Null,
    Text(String),
    /// A number or truth value: where the file has it, in bytes, and what YAML makes of it.
    Typed(Option<(usize, usize)>, String),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

impl Node {
    /// The value with every scalar as the file `source` has it.
    fn into_value(self, source: &str) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => Value::String(text),
            Self::Typed(place, typed) => {
                let written = place
                    .and_then(|(offset, length)| source.get(offset..offset.checked_add(length)?))
                    .map(str::trim)
                    .filter(|written| !written.is_empty() && !written.contains(['\n', '"', '\'']));
                Value::String(written.map_or(typed, str::to_owned))
            }
            Self::List(items) => items
                .into_iter()
                .map(|item| item.into_value(source))
                .collect(),
            Self::Table(entries) => Value::Object(
                entries
                    .into_iter()
                    .map(|(name, node)| (name, node.into_value(source)))
                    .collect(),
            ),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Plain>::deserialize(deserializer)?;
        let span = spanned.defined.span();
        let place = || {
            let offset = usize::try_from(span.byte_offset()?).ok()?;
            Some((offset, usize::try_from(span.byte_len()?).ok()?))
        };
        Ok(match spanned.value {
            Plain(Self::Typed(_, typed)) => Self::Typed(place(), typed),
            Plain(other) => other,
        })
    }
}

/// A [`Node`] whose own place is not known yet.
struct Plain(Node);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainVisitor).map(Self)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Node, E> {
        Ok(Node::Typed(None, truth.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Typed(None, number.to_string()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Typed(None, number.to_string()))
    }

    fn visit_i128<E: de::Error>(self, number: i128) -> Result<Node, E> {
        Ok(Node::Typed(None, number.to_string()))
    }

    fn visit_u128<E: de::Error>(self, number: u128) -> Result<Node, E> {
        Ok(Node::Typed(None, number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Typed(None, number.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Table(entries))
    }
}

fn wrong(language: &str, line: Option<usize>, text: &str) -> String {
    let Some(line) = line else {
        return format!("this is no valid {language}");
    };
    let curly = text
        .lines()
        .nth(line.saturating_sub(1))
        .is_some_and(|line| line.contains(CURLY_QUOTES));
    let hint = if curly {
        "; there are curly quotes in it, as word processors make them: write straight ones"
    } else {
        ""
    };
    format!("line {line}: this is no valid {language}{hint}")
}

/// A text, also where TOML has a number or truth value (a network called 12345678).
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// The texts of a value that is one, or a list of some.
pub fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        one => Some(vec![text(one)?]),
    }
}

/// A truth value in the ways that people write one.
pub fn truth(value: &Value) -> Option<bool> {
    match text(value)?.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Hands the value of `name`, as `kind` takes it, to `then`; a value of another kind becomes a
/// problem.
pub fn with<T>(
    table: &Table,
    name: &str,
    kind: fn(&Value) -> Option<T>,
    reading: &mut Reading,
    then: impl FnOnce(&mut Reading, T),
) {
    match table.get(name) {
        None | Some(Value::Null) => {}
        Some(value) => match kind(value) {
            Some(value) => then(reading, value),
            None => reading.problem(format!("`{name}` has a value of the wrong kind")),
        },
    }
}

/// The table called `name`; empty if there is none. Anything else becomes a problem.
pub fn table(parent: &Table, name: &str, reading: &mut Reading) -> Table {
    match parent.get(name) {
        None | Some(Value::Null) => Table::new(),
        Some(Value::Object(table)) => table.clone(),
        Some(_) => {
            reading.problem(format!("`{name}` should hold settings with names"));
            Table::new()
        }
    }
}
