//! YAML as a tree of texts, lists and maps that know their lines.

use crate::ComposeError;
use saphyr::{MarkedYaml, Scalar, YamlData, YamlLoader};
use saphyr_parser::Parser;

/// Values inside each other.
const MAX_DEPTH: usize = 24;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Nothing,
    /// A text, number or truth value, as it is written.
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; merge keys (`<<`) are resolved.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The only document of a file.
    pub(crate) fn read(text: &str) -> Result<Self, ComposeError> {
        let wrong = |error: &dyn std::fmt::Display| ComposeError::Yaml(error.to_string());
        let mut loader = YamlLoader::<MarkedYaml<'_>>::default();
        // "1.10" is a text here, and "no" is no truth value.
        loader.early_parse(false);
        let loaded = Parser::new_from_str(text).load(&mut loader, true);
        loaded.map_err(|error| wrong(&error))?;
        if let Some(error) = loader.error() {
            return Err(wrong(error));
        }
        match &loader.into_documents()[..] {
            [document] => Self::of(document, 0),
            [] => Err(ComposeError::NoServices),
            _ => Err(wrong(&"it has several documents")),
        }
    }

    fn of(yaml: &MarkedYaml<'_>, depth: usize) -> Result<Self, ComposeError> {
        if depth > MAX_DEPTH {
            return Err(ComposeError::Yaml("it is too deep".to_owned()));
        }
        let value = match &yaml.data {
            YamlData::Representation(text, style, _) => {
                let plain = *style == saphyr::ScalarStyle::Plain;
                match text.as_ref() {
                    "" | "~" | "null" if plain => Value::Nothing,
                    text => Value::Text(text.to_owned()),
                }
            }
            YamlData::Value(Scalar::Null) => Value::Nothing,
            YamlData::Value(Scalar::String(text)) => Value::Text(text.to_string()),
            YamlData::Sequence(items) => Value::List(
                items
                    .iter()
                    .map(|item| Self::of(item, depth + 1))
                    .collect::<Result<_, _>>()?,
            ),
            YamlData::Mapping(members) => {
                let mut map = Vec::new();
                for (key, value) in members {
                    let key = Self::of(key, depth + 1)?;
                    let value = Self::of(value, depth + 1)?;
                    match key.value {
                        Value::Text(name) => map.push((
                            name,
                            Self {
                                line: key.line,
                                ..value
                            },
                        )),
                        _ => return Err(ComposeError::Yaml("a key is no text".to_owned())),
                    }
                }
                Value::Map(merged(map))
            }
            YamlData::Tagged(_, inner) => return Self::of(inner, depth + 1),
            YamlData::Value(_) | YamlData::Alias(_) | YamlData::BadValue => {
                return Err(ComposeError::Yaml("a value cannot be read".to_owned()));
            }
        };
        Ok(Self {
            line: yaml.span.start.line(),
            value,
        })
    }

    /// A value of a map.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Value::Map(members) = &self.value else {
            return None;
        };
        let found = members.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value)
    }

    fn wrong(&self, place: &str, expected: &'static str) -> ComposeError {
        ComposeError::Kind {
            line: self.line,
            place: place.to_owned(),
            expected,
        }
    }

    pub(crate) fn text(&self, place: &str) -> Result<&str, ComposeError> {
        match &self.value {
            Value::Text(text) => Ok(text),
            Value::Nothing => Ok(""),
            Value::List(_) | Value::Map(_) => Err(self.wrong(place, "a text")),
        }
    }

    /// An empty value is an empty map.
    pub(crate) fn map(&self, place: &str) -> Result<&[(String, Self)], ComposeError> {
        match &self.value {
            Value::Map(members) => Ok(members),
            Value::Nothing => Ok(&[]),
            Value::Text(_) | Value::List(_) => Err(self.wrong(place, "a map")),
        }
    }

    /// A text is a list of one.
    pub(crate) fn list(&self, place: &str) -> Result<&[Self], ComposeError> {
        match &self.value {
            Value::List(items) => Ok(items),
            Value::Nothing => Ok(&[]),
            Value::Text(_) => Ok(std::slice::from_ref(self)),
            Value::Map(_) => Err(self.wrong(place, "a list")),
        }
    }
}

/// Puts what merge keys name behind a map's own members (YAML 1.1, "Merge Key").
fn merged(members: Vec<(String, Node)>) -> Vec<(String, Node)> {
    let (merges, mut own): (Vec<_>, Vec<_>) =
        members.into_iter().partition(|(name, _)| name == "<<");
    for (_, merge) in merges {
        let sources = match merge.value {
            Value::List(items) => items,
            _ => vec![merge],
        };
        for source in sources {
            let Value::Map(added) = source.value else {
                continue;
            };
            for (name, value) in added {
                if !own.iter().any(|(other, _)| *other == name) {
                    own.push((name, value));
                }
            }
        }
    }
    own
}
