//! JSON Schemas for the records of ADB, checked by the program that reads and writes them.
//!
//! ADB itself takes any object. A program that wants more describes its records with
//! a [`Schema`] and decides what happens to those that do not fit: [`OnInvalid`].
//! Schemas are shared as files of npm packages (see [`Schema::published`]); the npm
//! module `@atek/adb-schema` beside this crate does the same for JavaScript, and
//! `cases.json` holds what both must agree on.
//!
//! No I/O here: the caller moves records, this crate judges them.
//!
//! ```
//! use atek_adb_schema::{OnInvalid, Record, Schema};
//! use serde_json::json;
//!
//! let notes = Schema::new("example.com/note")
//!     .key(["/title"])
//!     .json_schema(&json!({
//!         "type": "object",
//!         "properties": {"title": {"type": "string"}, "createdAt": {"type": "string"}},
//!         "required": ["title"],
//!     }))?;
//! let (key, value) = notes.create(json!({"title": "first"}))?;
//! assert_eq!(key, "first");
//! assert_eq!(notes.path_of(&key), ["example.com", "note", "first"]);
//! assert!(value["createdAt"].is_string());
//!
//! let stored = Record::new("odd", json!({"title": 3}));
//! assert!(notes.read(stored.clone(), OnInvalid::Prune)?.is_none());
//! assert!(!notes.read(stored, OnInvalid::Ignore)?.unwrap().valid);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod key;
mod message;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Why a schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The definition is no JSON Schema, or refers to one that is not in it.
    #[error("the schema of {path} cannot be used: {problem}")]
    Definition {
        /// The records' path.
        path: String,
        /// In which place, and why.
        problem: String,
    },
    /// A published schema without an `ID`.
    #[error(
        "a published schema is an object with ID, PKEY and DEFINITION; {0} is missing or of the wrong type"
    )]
    Published(&'static str),
}

/// Why a record is not written, or not accepted.
///
/// The text is that of the original's client: where, then what, as ajv says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{instance_path} {message}")]
pub struct ValidationError {
    /// JSON pointer to the part that does not fit; empty for the whole record.
    pub instance_path: String,
    /// What is wrong with it.
    pub message: String,
}

/// Why no key can be made for a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// A part of the key is missing, or is no text, number or boolean.
    #[error("Unable to generate key, {pointer} found type {found}")]
    Key {
        /// JSON pointer of the part.
        pointer: String,
        /// What JavaScript calls its type.
        found: &'static str,
    },
    /// The record does not fit.
    #[error(transparent)]
    Invalid(#[from] ValidationError),
}

/// A record as ADB gives it; fields that this crate does not know stay in `other`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The last segment of its path.
    pub key: String,
    /// The object.
    pub value: Value,
    /// Whether the value fits; set by [`Schema::read`].
    #[serde(default = "yes")]
    pub valid: bool,
    /// `path`, `url`, `seq`.
    #[serde(flatten)]
    pub other: serde_json::Map<String, Value>,
}

fn yes() -> bool {
    true
}

impl Record {
    /// A record with nothing but a key and a value.
    #[must_use]
    pub fn new(key: impl Into<String>, value: Value) -> Self {
        Self {
            key: key.into(),
            value,
            valid: true,
            other: serde_json::Map::new(),
        }
    }
}

/// What happens to a record that does not fit.
#[derive(Clone, Copy, Default)]
pub enum OnInvalid<'f> {
    /// It is taken as it is, with `valid: false`. The default for reading.
    #[default]
    Ignore,
    /// It is left out; a write does not happen.
    Prune,
    /// The whole operation fails. The default for writing.
    Throw,
    /// The function decides.
    Ask(&'f dyn Fn(&Record) -> Verdict),
}

impl fmt::Debug for OnInvalid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OnInvalid::Ignore => "Ignore",
            OnInvalid::Prune => "Prune",
            OnInvalid::Throw => "Throw",
            OnInvalid::Ask(_) => "Ask(..)",
        })
    }
}

/// What a function decides about a record that does not fit.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Take it as it is.
    Keep,
    /// Leave it out.
    Drop,
    /// Take this one in its place; it is not checked again.
    Replace(Record),
}

/// What a program expects of the records under a path.
#[derive(Debug)]
pub struct Schema {
    path: Vec<String>,
    key: key::KeyRule,
    has_created_at: bool,
    validator: Option<jsonschema::Validator>,
}

impl Schema {
    /// Records under `path` (segments separated by `/`), with keys made from the time and no expectations.
    #[must_use]
    pub fn new(path: &str) -> Self {
        let path = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(str::to_owned)
            .collect();
        Self {
            path,
            key: key::KeyRule::default(),
            has_created_at: false,
            validator: None,
        }
    }

    /// The schema in a published file: an object with `ID` (the path), `PKEY` (a JSON pointer, or several) and
    /// `DEFINITION` (a JSON Schema). So a schema written once, in an npm package, serves programs in both languages.
    ///
    /// # Errors
    ///
    /// See [`SchemaError`].
    pub fn published(file: &Value) -> Result<Self, SchemaError> {
        let id = file["ID"].as_str().ok_or(SchemaError::Published("ID"))?;
        let pointers: Vec<String> = match &file["PKEY"] {
            Value::Null => Vec::new(),
            Value::String(one) => vec![one.clone()],
            other => {
                serde_json::from_value(other.clone()).map_err(|_| SchemaError::Published("PKEY"))?
            }
        };
        let schema = Self::new(id).key(pointers);
        match &file["DEFINITION"] {
            Value::Null => Ok(schema),
            definition @ Value::Object(_) => schema.json_schema(definition),
            _ => Err(SchemaError::Published("DEFINITION")),
        }
    }

    /// Makes keys from the values that JSON pointers name, joined with `,`. Without pointers, from the time.
    #[must_use]
    pub fn key<T: Into<String>>(mut self, pointers: impl IntoIterator<Item = T>) -> Self {
        self.key = key::KeyRule::new(pointers.into_iter().map(Into::into).collect());
        self
    }

    /// Expects values that fit a JSON Schema (draft 7, unless its `$schema` says otherwise). Formats count.
    ///
    /// # Errors
    ///
    /// [`SchemaError::Definition`].
    pub fn json_schema(mut self, definition: &Value) -> Result<Self, SchemaError> {
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft7)
            .should_validate_formats(true)
            .build(definition)
            .map_err(|error| SchemaError::Definition {
                path: self.path.join("/"),
                problem: error.to_string(),
            })?;
        let has = |schema: &Value| schema.pointer("/properties/createdAt").is_some();
        let every = definition["oneOf"]
            .as_array()
            .is_some_and(|all| !all.is_empty() && all.iter().all(has));
        self.has_created_at = has(definition) || every;
        self.validator = Some(validator);
        Ok(self)
    }

    /// Where the records are.
    #[must_use]
    pub fn path(&self) -> &[String] {
        &self.path
    }

    /// Where the record with a key is.
    #[must_use]
    pub fn path_of<'a>(&'a self, key: &'a str) -> Vec<&'a str> {
        self.path.iter().map(String::as_str).chain([key]).collect()
    }

    /// Whether a value fits.
    ///
    /// # Errors
    ///
    /// The first thing that does not.
    pub fn check(&self, value: &Value) -> Result<(), ValidationError> {
        let Some(validator) = &self.validator else {
            return Ok(());
        };
        validator
            .validate(value)
            .map_err(|error| message::of(&error))
    }

    /// Judges a record that was read; `None`: leave it out.
    ///
    /// # Errors
    ///
    /// A record that does not fit, with [`OnInvalid::Throw`].
    pub fn read(
        &self,
        mut record: Record,
        on_invalid: OnInvalid<'_>,
    ) -> Result<Option<Record>, ValidationError> {
        let Err(error) = self.check(&record.value) else {
            record.valid = true;
            return Ok(Some(record));
        };
        record.valid = false;
        decide(record, error, on_invalid)
    }

    /// Judges the records of a list.
    ///
    /// # Errors
    ///
    /// As [`Schema::read`].
    pub fn read_all(
        &self,
        records: impl IntoIterator<Item = Record>,
        on_invalid: OnInvalid<'_>,
    ) -> Result<Vec<Record>, ValidationError> {
        records
            .into_iter()
            .filter_map(|record| self.read(record, on_invalid).transpose())
            .collect()
    }

    /// Judges a value that is to be written at a key; `None`: do not write.
    ///
    /// Only what does not fit is pruned or shown to the function.
    ///
    /// # Errors
    ///
    /// A value that does not fit, with [`OnInvalid::Throw`].
    pub fn write(
        &self,
        key: &str,
        value: Value,
        on_invalid: OnInvalid<'_>,
    ) -> Result<Option<Value>, ValidationError> {
        let Err(error) = self.check(&value) else {
            return Ok(Some(value));
        };
        let record = Record {
            valid: false,
            ..Record::new(key, value)
        };
        Ok(decide(record, error, on_invalid)?.map(|record| record.value))
    }

    /// The key and the value of a new record: `createdAt` is filled in where the schema has it.
    ///
    /// # Errors
    ///
    /// A value that does not fit, or from which no key can be made.
    pub fn create(&self, value: Value) -> Result<(String, Value), CreateError> {
        let value = self.stamped(value);
        self.check(&value)?;
        Ok((self.key.key(&value)?, value))
    }

    fn stamped(&self, mut value: Value) -> Value {
        if let Some(fields) = value.as_object_mut()
            && self.has_created_at
            && !fields.contains_key("createdAt")
        {
            fields.insert(
                "createdAt".to_owned(),
                format!("{:.3}", jiff::Timestamp::now()).into(),
            );
        }
        value
    }
}

fn decide(
    record: Record,
    error: ValidationError,
    on_invalid: OnInvalid<'_>,
) -> Result<Option<Record>, ValidationError> {
    match on_invalid {
        OnInvalid::Ignore => Ok(Some(record)),
        OnInvalid::Prune => Ok(None),
        OnInvalid::Throw => Err(error),
        OnInvalid::Ask(ask) => Ok(match ask(&record) {
            Verdict::Keep => Some(record),
            Verdict::Drop => None,
            Verdict::Replace(other) => Some(other),
        }),
    }
}
