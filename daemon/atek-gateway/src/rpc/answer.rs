//! Whether what a service answered is a JSON-RPC response. Pure.

use atek_api::jsonrpc::{Answer, RpcError, RpcResult, code};
use serde_json::value::RawValue;

/// What to do with a service's answer.
#[derive(Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// It is a response.
    Pass,
    /// JSON, but neither a result nor an error: the original made it the result 0.
    Zero,
    /// Not JSON; the parser's text.
    NotJson(String),
}

#[derive(serde::Deserialize)]
struct Shape<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// `"result": null` is a result.
fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    serde::Deserialize::deserialize(deserializer).map(Some)
}

/// Looks at a whole answer.
#[must_use]
pub fn check(text: &[u8]) -> AnswerKind {
    match serde_json::from_slice::<Shape<'_>>(text) {
        Ok(shape) if shape.result.is_some() || shape.error.is_some_and(is_error) => {
            AnswerKind::Pass
        }
        Ok(_) => AnswerKind::Zero,
        Err(error) if error.is_data() => {
            match serde_json::from_slice::<serde::de::IgnoredAny>(text) {
                Ok(_) => AnswerKind::Zero,
                Err(error) => AnswerKind::NotJson(error.to_string()),
            }
        }
        Err(error) => AnswerKind::NotJson(error.to_string()),
    }
}

fn is_error(error: &RawValue) -> bool {
    error.get().starts_with('{')
}

/// Whether the begin of a long answer looks like a response.
#[must_use]
pub fn is_plausible(begin: &[u8]) -> bool {
    begin.trim_ascii_start().starts_with(b"{")
}

/// The outcome in a whole answer.
pub fn outcome(text: &[u8]) -> RpcResult {
    match check(text) {
        AnswerKind::Zero => Ok(zero()),
        AnswerKind::NotJson(problem) => Err(not_json(problem)),
        AnswerKind::Pass => match serde_json::from_slice::<Answer>(text) {
            Ok(Answer {
                error: Some(error), ..
            }) => Err(error),
            Ok(Answer { result, .. }) => Ok(result.unwrap_or_else(zero)),
            Err(error) => Err(not_json(error.to_string())),
        },
    }
}

/// The error for an answer that is no JSON, as the original words it.
#[must_use]
pub fn not_json(problem: String) -> RpcError {
    RpcError {
        code: code::PARSE,
        message: "Parse error".to_owned(),
        data: Some(problem.into()),
    }
}

/// The result of an answer that has none.
#[must_use]
pub fn zero() -> Box<RawValue> {
    serde_json::value::to_raw_value(&0).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        for (text, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"result":null}"#,
                Ok(Some("null")),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"a":[1]}}"#,
                Ok(Some(r#"{"a":[1]}"#)),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-3,"message":"m"}}"#,
                Err(-3),
            ),
            ("{}", Ok(Some("0"))),
            (r#"{"error":true,"message":"x"}"#, Ok(Some("0"))),
            ("[]", Ok(Some("0"))),
            ("7", Ok(Some("0"))),
            ("<html>", Err(-32700)),
            ("", Err(-32700)),
            (r#"{"result":1"#, Err(-32700)),
        ] {
            let got = outcome(text.as_bytes());
            let got = got
                .as_ref()
                .map(|value| Some(value.get()))
                .map_err(|error| error.code);
            assert_eq!(got, expected, "{text}");
        }
        assert_eq!(check(br#"{"id":1,"result":0}"#), AnswerKind::Pass);
        assert!(is_plausible(b" \n{\"json") && !is_plausible(b"<html>") && !is_plausible(b""));
    }
}
