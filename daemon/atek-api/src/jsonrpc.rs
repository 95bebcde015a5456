//! The JSON-RPC 2.0 envelope (<https://www.jsonrpc.org/specification>), with
//! `params` and `result` left as raw text: the host routes calls, it does not
//! read them.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// Error codes that Atek uses; the texts that go with them are part of the contract.
pub mod code {
    /// The text is not JSON.
    pub const PARSE: i64 = -32700;
    /// The JSON is not a JSON-RPC 2.0 request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No provider, or no such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The host or a service failed in a way that is not the caller's fault.
    pub const INTERNAL: i64 = -32603;
    /// An error without a better code; also a provider that cannot be reached.
    pub const DEFAULT: i64 = -32000;
    /// A parameter has the wrong shape.
    pub const INVALID_PARAMS: i64 = -32001;
    /// Any refusal by a handler: `Not authorized`, `Not found: …`.
    pub const GENERAL: i64 = -32003;
    /// The caller is over a limit; `data.retryAfterSecs` says when to try again.
    pub const LIMITED: i64 = -32005;
}

/// One call. Borrowed from the request's body.
#[derive(Debug, Clone, Deserialize)]
pub struct Request<'a> {
    /// Must be `2.0`.
    #[serde(borrow)]
    pub jsonrpc: std::borrow::Cow<'a, str>,
    /// A string, a number or `null`; absent in a notification.
    #[serde(borrow, default, deserialize_with = "present")]
    pub id: Option<&'a RawValue>,
    /// The method's name.
    #[serde(borrow)]
    pub method: std::borrow::Cow<'a, str>,
    /// An array or an object, unread.
    #[serde(borrow, default)]
    pub params: Option<&'a RawValue>,
}

/// Tells `"id": null` (`Some`) from no `id` at all (`None`).
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Why a call has no result.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[error("{message} ({code})")]
pub struct RpcError {
    /// See [`code`].
    pub code: i64,
    /// For a person.
    pub message: String,
    /// For a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(type = "unknown", optional))]
    pub data: Option<serde_json::Value>,
}

impl RpcError {
    /// An error without data.
    #[must_use]
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    /// The refusal of a handler ([`code::GENERAL`]).
    #[must_use]
    pub fn general(message: impl Into<String>) -> Self {
        Self::new(code::GENERAL, message)
    }

    /// The same, with the reason as a word for programs (`data.reason`, in kebab-case), so that
    /// they can say it in another language.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        self.data = Some(serde_json::json!({ "reason": reason }));
        self
    }

    /// That word, if there is one.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.data.as_ref().and_then(|data| data["reason"].as_str())
    }

    /// The one text for every refusal that must not say why.
    #[must_use]
    pub fn not_authorized() -> Self {
        Self::general("Not authorized")
    }

    /// Whether the caller lacks the right: it may not do this, or not without the word of
    /// another person.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        let needs = matches!(self.reason(), Some("needs-owner" | "needs-administrator"));
        self.code == code::GENERAL && (needs || self.message == "Not authorized")
    }

    /// A method that the API does not have.
    #[must_use]
    pub fn method_not_found(method: &str) -> Self {
        Self::new(
            code::METHOD_NOT_FOUND,
            format!("Method not found: {method}"),
        )
    }

    /// A parameter of the wrong shape; `position` counts from 1.
    #[must_use]
    pub fn invalid_param(position: usize, problem: &str) -> Self {
        Self::new(
            code::INVALID_PARAMS,
            format!("Parameter {position} {problem}"),
        )
    }
}

/// A handler's answer.
pub type RpcResult = Result<Box<RawValue>, RpcError>;

/// The answer to one call, as it goes over the wire.
#[derive(Debug, Serialize)]
pub struct Response<'a> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RpcError>,
}

impl<'a> Response<'a> {
    /// The answer to the call that carried `id`.
    #[must_use]
    pub fn new(id: &'a RawValue, outcome: &'a RpcResult) -> Self {
        let (result, error) = match outcome {
            Ok(value) => (Some(&**value), None),
            Err(error) => (None, Some(error)),
        };
        Self {
            jsonrpc: "2.0",
            id,
            result,
            error,
        }
    }
}

/// An answer read by a client.
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// Present when the call succeeded; `null` is a result.
    #[serde(default, deserialize_with = "present_owned")]
    pub result: Option<Box<RawValue>>,
    /// Present when it failed.
    #[serde(default)]
    pub error: Option<RpcError>,
}

fn present_owned<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(d).map(Some)
}

/// A value as raw JSON.
///
/// # Errors
///
/// [`code::INTERNAL`] for a value that JSON cannot express (a map whose keys are not strings).
pub fn raw<T: Serialize + ?Sized>(value: &T) -> RpcResult {
    serde_json::value::to_raw_value(value).map_err(|error| {
        RpcError::new(
            code::INTERNAL,
            format!("cannot express the result as JSON: {error}"),
        )
    })
}

/// Parameters of one call. No method has as many; a list of millions would take many times the
/// memory of its text.
const MOST_PARAMS: usize = 32;

/// A list of at most [`MOST_PARAMS`] values.
struct Positional(Vec<Box<RawValue>>);

impl<'de> Deserialize<'de> for Positional {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> serde::de::Visitor<'de> for List {
            type Value = Vec<Box<RawValue>>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "an array of at most {MOST_PARAMS} values")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(value) = seq.next_element()? {
                    if list.len() == MOST_PARAMS {
                        return Err(serde::de::Error::invalid_length(list.len() + 1, &self));
                    }
                    list.push(value);
                }
                Ok(list)
            }
        }
        deserializer.deserialize_seq(List).map(Self)
    }
}

/// The positional parameters of a call.
///
/// The original's clients always send an array. Named parameters (an object) are
/// put in the order of `names`; a name that is not listed is an error. Trailing
/// parameters may be missing.
///
/// # Errors
///
/// [`code::INVALID_PARAMS`] when the text is neither an array nor an object, or names an unknown
/// parameter.
pub fn positional(
    params: Option<&RawValue>,
    names: &[&str],
) -> Result<Vec<Box<RawValue>>, RpcError> {
    let Some(params) = params else {
        return Ok(Vec::new());
    };
    let text = params.get();
    if text.starts_with('[') {
        return Ok(serde_json::from_str::<Positional>(text)
            .map_err(|_| bad_params())?
            .0);
    }
    if !text.starts_with('{') {
        return if text == "null" {
            Ok(Vec::new())
        } else {
            Err(bad_params())
        };
    }
    let mut named: std::collections::BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(text).map_err(|_| bad_params())?;
    let mut list: Vec<Box<RawValue>> = names
        .iter()
        .map(|name| named.remove(*name).unwrap_or_else(null))
        .collect();
    if let Some(unknown) = named.keys().next() {
        return Err(RpcError::new(
            code::INVALID_PARAMS,
            format!(
                "no parameter is named {unknown:?}, expected {}",
                names.join(", ")
            ),
        ));
    }
    while list.last().is_some_and(|value| value.get() == "null") {
        list.pop();
    }
    Ok(list)
}

fn bad_params() -> RpcError {
    RpcError::new(code::INVALID_PARAMS, "params must be an array or an object")
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_id_is_told_from_a_notification() {
        let with: Request =
            serde_json::from_str(r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#).unwrap();
        assert_eq!(with.id.unwrap().get(), "null");
        let without: Request = serde_json::from_str(r#"{"jsonrpc":"2.0","method":"m"}"#).unwrap();
        assert!(without.id.is_none());
    }

    #[test]
    fn an_answer_of_null_is_a_result() {
        let answer: Answer =
            serde_json::from_str(r#"{"jsonrpc":"2.0","id":1,"result":null}"#).unwrap();
        assert_eq!(answer.result.unwrap().get(), "null");
        let none: Answer = serde_json::from_str(r#"{"jsonrpc":"2.0","id":1}"#).unwrap();
        assert!(none.result.is_none());
    }

    #[test]
    fn a_list_of_too_many_parameters_is_refused_before_it_fills_the_memory() {
        let list = |length: usize| {
            let text = format!("[{}]", vec!["0"; length].join(","));
            positional(Some(&RawValue::from_string(text).unwrap()), &[])
        };
        assert_eq!(list(MOST_PARAMS).unwrap().len(), MOST_PARAMS);
        assert!(list(MOST_PARAMS + 1).is_err());
    }

    #[test]
    fn named_parameters_become_positional() {
        let names = ["id", "options"];
        for (params, expected) in [
            (
                r#"{"options":{"a":1},"id":"x"}"#,
                Ok(vec![r#""x""#, r#"{"a":1}"#]),
            ),
            (r#"{"id":"x"}"#, Ok(vec![r#""x""#])),
            (r#"["x",null]"#, Ok(vec![r#""x""#, "null"])),
            ("[]", Ok(vec![])),
            (r#"{"nope":1}"#, Err(())),
            ("3", Err(())),
        ] {
            let raw = RawValue::from_string(params.to_owned()).unwrap();
            let got = positional(Some(&raw), &names).map_err(|_| ());
            let got: Result<Vec<String>, ()> =
                got.map(|list| list.iter().map(|v| v.get().to_owned()).collect());
            let expected: Result<Vec<String>, ()> =
                expected.map(|list| list.into_iter().map(str::to_owned).collect());
            assert_eq!(got, expected, "{params}");
        }
    }
}
