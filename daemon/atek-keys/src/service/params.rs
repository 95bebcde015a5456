//! Parameters of a call: one object, alone or as the first of a list.

use crate::KeysError;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::fmt;

/// The object of a call.
#[derive(Clone)]
pub struct Params(Map<String, Value>);

impl Params {
    pub(super) fn read(raw: Option<&RawValue>) -> Result<Self, KeysError> {
        let bad = || KeysError::Params("the parameters are no object".into());
        let text = raw.map_or("{}", RawValue::get);
        let value: Value = serde_json::from_str(text).map_err(|_| bad())?;
        let value = match value {
            Value::Array(mut list) if list.len() == 1 => list.remove(0),
            Value::Array(list) if list.is_empty() => json!({}),
            Value::Null => json!({}),
            other => other,
        };
        match value {
            Value::Object(object) => Ok(Self(object)),
            _ => Err(bad()),
        }
    }

    /// The parameters of `result`.
    pub(super) fn request(id: &str) -> Self {
        Self(Map::from_iter([("request".to_owned(), id.into())]))
    }

    /// From a value; none of an object.
    pub(super) fn of(value: &Value) -> Self {
        Self(value.as_object().cloned().unwrap_or_default())
    }

    pub(super) fn value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    pub(super) fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, KeysError> {
        let value = self.0.get(name).cloned().unwrap_or(Value::Null);
        // The value is not repeated: it may be a password.
        serde_json::from_value(value).map_err(|_| {
            KeysError::Params(format!(
                "the parameter {name} is missing or not of its type"
            ))
        })
    }

    pub(super) fn text(&self, name: &str) -> Result<String, KeysError> {
        self.get(name)
    }

    pub(super) fn wait_seconds(&self) -> u64 {
        self.0.get("wait").and_then(Value::as_u64).unwrap_or(0)
    }

    pub(super) fn hex(&self, name: &str, most: usize) -> Result<Vec<u8>, KeysError> {
        let text = self.text(name)?;
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        if digits.len() > 2 * most {
            return Err(KeysError::Params(format!(
                "{name} is longer than {most} bytes"
            )));
        }
        hex::decode(digits).map_err(|_| KeysError::Params(format!("{name} is not hexadecimal")))
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Params(secret)")
    }
}
