//! Settings files that are trees: TOML and YAML, in one form. Values of an unexpected kind are told, not fatal.

use crate::settings::Reading;
use serde_json::{Map, Value};

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
        wrong("TOML", line)
    })
}

/// Reads YAML: one document, which is a mapping (an empty one counts as such).
///
/// # Errors
///
/// As [`toml()`]. Files that grow when they are read (anchors, aliases) are refused by their budget.
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
        // An error with a piece of the file in it would be a leak.
        with_snippet: false,
    };
    let value: Option<Value> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let line = error
                .location()
                .and_then(|location| usize::try_from(location.line()).ok());
            wrong("YAML", line.filter(|line| *line > 0))
        })?;
    match value {
        None | Some(Value::Null) => Ok(Table::new()),
        Some(Value::Object(table)) => Ok(table),
        Some(_) => Err("this is no list of settings, each with its name".to_owned()),
    }
}

fn wrong(language: &str, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("line {line}: this is no valid {language}"),
        None => format!("this is no valid {language}"),
    }
}

/// A text, also where YAML made a number or truth value of it (a network called 12345678).
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

/// Hands the value of `name`, as `kind` takes it, to `then`; a value of another kind becomes a problem.
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
