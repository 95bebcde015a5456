//! The parameters of a call, checked as the original's servers check them.
//!
//! A parameter of the wrong type is code -32001 and ajv's text and data; a missing
//! one is no error here (the original's schemas do not count parameters).

use crate::error::AdbError;
use crate::json::elements;
use crate::limits::Limits;
use crate::path::RecordPath;
use atek_api::jsonrpc::{RpcError, code};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// A JSON type, as JSON Schema names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Number,
    Boolean,
    Object,
    Array,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
            Kind::Object => "object",
            Kind::Array => "array",
        }
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Kind::String => value.is_string(),
            Kind::Number => value.is_number(),
            Kind::Boolean => value.is_boolean(),
            Kind::Object => value.is_object(),
            Kind::Array => value.is_array(),
        }
    }
}

/// Parameters of one call; no method has as many.
const MOST: usize = 16;
/// Values in one parameter other than a record: see [`crate::json::tree`].
const NODES: usize = 20_000;

/// The positional parameters of one call.
#[derive(Debug)]
pub(super) struct Params(Vec<Box<RawValue>>);

impl Params {
    pub(super) fn new(params: Option<&RawValue>) -> Result<Self, AdbError> {
        // The original drops named parameters.
        let Some(params) = params.filter(|params| params.get().starts_with('[')) else {
            return Ok(Self(Vec::new()));
        };
        let list = elements(params.get(), MOST).map_err(|_| {
            AdbError::param(RpcError::new(
                code::INVALID_PARAMS,
                format!("a call has at most {MOST} parameters"),
            ))
        })?;
        Ok(Self(list.into_iter().map(ToOwned::to_owned).collect()))
    }

    pub(super) fn raw(&self, at: usize) -> Option<&RawValue> {
        self.0.get(at).map(|value| &**value)
    }

    fn value(&self, at: usize) -> Result<Option<Value>, AdbError> {
        let Some(raw) = self.raw(at) else {
            return Ok(None);
        };
        crate::json::tree(raw.get(), NODES)
            .map(Some)
            .map_err(|error| {
                AdbError::param(RpcError::new(
                    code::INVALID_PARAMS,
                    format!("Parameter {} {error}", at + 1),
                ))
            })
    }

    fn typed(&self, at: usize, kind: Kind) -> Result<Option<Value>, AdbError> {
        match self.value(at)? {
            Some(value) if !kind.fits(&value) => {
                Err(wrong_type(at, kind, &format!("#/items/{at}/type")))
            }
            other => Ok(other),
        }
    }

    /// A string; `None` when there is no such parameter.
    pub(super) fn string(&self, at: usize) -> Result<Option<String>, AdbError> {
        Ok(match self.typed(at, Kind::String)? {
            Some(Value::String(text)) => Some(text),
            _ => None,
        })
    }

    /// An object whose listed fields, if present, have the listed types.
    pub(super) fn object(
        &self,
        at: usize,
        fields: &[(&str, Kind)],
    ) -> Result<Option<Map<String, Value>>, AdbError> {
        let Some(Value::Object(object)) = self.typed(at, Kind::Object)? else {
            return Ok(None);
        };
        for (name, kind) in fields {
            if let Some(value) = object.get(*name)
                && !kind.fits(value)
            {
                return Err(wrong_field(at, name, *kind));
            }
        }
        Ok(Some(object))
    }

    /// An array, unparsed; `None` when there is no such parameter.
    pub(super) fn array(&self, at: usize) -> Result<Option<&RawValue>, AdbError> {
        match self.raw(at) {
            Some(raw) if !raw.get().starts_with('[') => {
                Err(wrong_type(at, Kind::Array, &format!("#/items/{at}/type")))
            }
            other => Ok(other),
        }
    }

    /// A path: a string, or an array of strings.
    pub(super) fn path(&self, at: usize, limits: &Limits) -> Result<RecordPath, AdbError> {
        match self.value(at)? {
            None => Err(AdbError::Refused("Invalid path: undefined".to_owned())),
            Some(value) => path(&value, limits).unwrap_or_else(|| {
                Err(wrong_type(
                    at,
                    Kind::String,
                    &format!("#/items/{at}/oneOf/0/type"),
                ))
            }),
        }
    }

    /// The compact text of an object.
    pub(super) fn record(&self, at: usize, limits: &Limits) -> Result<Vec<u8>, AdbError> {
        let raw = self.raw(at).unwrap_or(RawValue::NULL);
        match crate::json::compact_object(raw, limits) {
            Err(crate::json::InvalidValue::NotAnObject) => {
                Err(wrong_type(at, Kind::Object, &format!("#/items/{at}/type")))
            }
            other => other.map_err(|problem| AdbError::Value(at + 1, problem)),
        }
    }
}

/// A path from a JSON value; `None` for a value that is neither a string nor an array of strings.
pub(super) fn path(value: &Value, limits: &Limits) -> Option<Result<RecordPath, AdbError>> {
    match value {
        Value::String(text) => Some(RecordPath::parse(text, limits).map_err(Into::into)),
        Value::Array(items) => {
            let segments: Vec<&str> = items.iter().map(Value::as_str).collect::<Option<_>>()?;
            Some(RecordPath::from_segments(segments, limits).map_err(Into::into))
        }
        _ => None,
    }
}

fn wrong_type(at: usize, kind: Kind, schema_path: &str) -> AdbError {
    wrong(&(at + 1).to_string(), &format!("/{at}"), kind, schema_path)
}

/// The original prints the position of anything nested as `NaN`.
pub(super) fn wrong_field(at: usize, field: &str, kind: Kind) -> AdbError {
    wrong(
        "NaN",
        &format!("/{at}/{field}"),
        kind,
        &format!("#/items/{at}/properties/{field}/type"),
    )
}

fn wrong(position: &str, instance_path: &str, kind: Kind, schema_path: &str) -> AdbError {
    let message = format!("must be {}", kind.name());
    AdbError::param(RpcError {
        code: code::INVALID_PARAMS,
        message: format!("Parameter {position} {message}"),
        data: Some(json!({
            "instancePath": instance_path,
            "schemaPath": schema_path,
            "keyword": "type",
            "params": {"type": kind.name()},
            "message": message,
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        Params::new(Some(&RawValue::from_string(text.to_owned()).unwrap())).unwrap()
    }

    #[test]
    fn texts_and_data_are_those_of_ajv() {
        let limits = Limits::default();
        let error = RpcError::from(params("[1]").string(0).unwrap_err());
        assert_eq!(
            (error.code, error.message.as_str()),
            (-32001, "Parameter 1 must be string")
        );
        assert_eq!(
            error.data.unwrap(),
            json!({"instancePath":"/0","schemaPath":"#/items/0/type","keyword":"type","params":{"type":"string"},"message":"must be string"})
        );
        for (text, expected) in [
            (r#"["d",[1]]"#, "Parameter 2 must be string"),
            (r#"["d",{}]"#, "Parameter 2 must be string"),
        ] {
            assert_eq!(
                params(text).path(1, &limits).unwrap_err().to_string(),
                expected
            );
        }
        let error = params(r#"[{"alias":1}]"#)
            .object(0, &[("alias", Kind::String)])
            .unwrap_err();
        assert_eq!(error.to_string(), "Parameter NaN must be string");
        for (text, expected) in [
            ("[[]]", "Parameter 1 must be object"),
            ("[null]", "Parameter 1 must be object"),
        ] {
            assert_eq!(
                params(text).record(0, &limits).unwrap_err().to_string(),
                expected
            );
        }
    }

    #[test]
    fn parameters_that_would_fill_the_memory_are_refused_unread() {
        let many = format!("[{}0]", "0,".repeat(1 << 20));
        let raw = RawValue::from_string(many.clone()).unwrap();
        let error = Params::new(Some(&raw)).unwrap_err();
        assert_eq!(error.to_string(), "a call has at most 16 parameters");
        let nested = params(&format!(r#"["d",{many},{{"a":{many}}}]"#));
        let limits = Limits::default();
        for problem in [
            nested.path(1, &limits).unwrap_err(),
            nested.object(2, &[]).unwrap_err(),
        ] {
            assert!(
                problem.to_string().ends_with("more than 20000 elements"),
                "{problem}"
            );
        }
    }

    #[test]
    fn a_missing_parameter_is_no_wrong_one() {
        assert_eq!(params("[]").string(0).unwrap(), None);
        assert_eq!(params(r#"{"alias":"x"}"#).string(0).unwrap(), None);
        assert!(params("[]").object(1, &[]).unwrap().is_none());
    }
}
