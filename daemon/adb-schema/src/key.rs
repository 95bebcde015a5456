//! Keys of new records.

use crate::CreateError;
use atek_api::autokey::auto_key;
use serde_json::Value;
use std::sync::{Mutex, PoisonError};

/// How the key of a new record is made.
#[derive(Debug, Default)]
pub(crate) struct KeyRule {
    pointers: Vec<String>,
    /// The time of the last key that was made from the time, and how many it had.
    last: Mutex<(u64, u32)>,
}

impl KeyRule {
    pub(crate) fn new(pointers: Vec<String>) -> Self {
        Self {
            pointers,
            last: Mutex::default(),
        }
    }

    pub(crate) fn key(&self, value: &Value) -> Result<String, CreateError> {
        if self.pointers.is_empty() {
            return Ok(self.time_key());
        }
        let parts = self
            .pointers
            .iter()
            .map(|pointer| match value.pointer(pointer) {
                Some(Value::String(text)) => Ok(text.clone()),
                Some(Value::Bool(flag)) => Ok(flag.to_string()),
                Some(Value::Number(number)) => Ok(number_text(number)),
                other => Err(CreateError::Key {
                    pointer: pointer.clone(),
                    found: if other.is_none() {
                        "undefined"
                    } else {
                        "object"
                    },
                }),
            });
        Ok(parts.collect::<Result<Vec<_>, _>>()?.join(","))
    }

    fn time_key(&self) -> String {
        let now = jiff::Timestamp::now().as_millisecond().unsigned_abs();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that goes back must not bring a key twice.
        *last = if now > last.0 {
            (now, 0)
        } else {
            (last.0, last.1 + 1)
        };
        auto_key(last.0, last.1)
    }
}

/// `1.0` is `1` in JavaScript.
fn number_text(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
            format!("{float:.0}")
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_made_of_what_the_pointers_name() {
        let key = |pointers: &[&str], value: Value| {
            let rule = KeyRule::new(pointers.iter().map(|p| (*p).to_owned()).collect());
            rule.key(&value).map_err(|error| error.to_string())
        };
        assert_eq!(key(&["/a"], json!({"a": "x"})), Ok("x".to_owned()));
        assert_eq!(
            key(
                &["/a", "/b/0", "/c"],
                json!({"a": 1.0, "b": [true], "c": 2.5})
            ),
            Ok("1,true,2.5".to_owned())
        );
        assert_eq!(
            key(&["/a"], json!({})),
            Err("Unable to generate key, /a found type undefined".to_owned())
        );
        assert_eq!(
            key(&["/a"], json!({"a": []})),
            Err("Unable to generate key, /a found type object".to_owned())
        );
        let rule = KeyRule::default();
        let keys: Vec<String> = (0..20).map(|_| rule.key(&json!({})).unwrap()).collect();
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{keys:?}");
    }
}
