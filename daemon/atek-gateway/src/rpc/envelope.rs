//! What a JSON-RPC request's body says. Pure; `params` stay unread.

use atek_api::jsonrpc::{Request, Response, RpcError, RpcResult, code};
use bytes::Bytes;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Calls in one batch.
pub const MAX_BATCH: usize = 100;
/// Nesting of arrays and objects; parsers of services give up at about this depth.
const MAX_DEPTH: usize = 128;
/// Bytes of a method's name.
const MAX_METHOD: usize = 200;

/// The body of a request.
#[derive(Debug)]
pub enum Envelope<'a> {
    /// One call.
    One(Call<'a>),
    /// Several; what is no call in it is answered in its place.
    Batch(Vec<Result<Call<'a>, RpcError>>),
}

/// One call.
#[derive(Debug)]
pub struct Call<'a> {
    /// The method's name.
    pub method: Cow<'a, str>,
    /// An array, an object, or nothing.
    pub params: Option<&'a RawValue>,
    id: Id<'a>,
    /// The call as it came.
    text: &'a str,
}

/// How the caller recognises the answer.
#[derive(Debug, Clone, Copy)]
enum Id<'a> {
    /// Not at all: a notification.
    None,
    /// A text or an integer, which every service understands.
    Plain,
    /// `null` or a fraction: allowed, and not understood by the original's services.
    Odd(&'a RawValue),
}

/// Reads a body.
///
/// # Errors
///
/// The answer to a body that is no JSON, or no JSON-RPC 2.0 request.
pub fn parse(body: &[u8]) -> Result<Envelope<'_>, RpcError> {
    let text = std::str::from_utf8(body).map_err(|error| not_json(&error))?;
    check_depth(body)?;
    if text.trim_start().starts_with('[') {
        let items: Items<'_> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        if items.has_more {
            return Err(invalid(&format!(
                "the batch has more than {MAX_BATCH} calls"
            )));
        }
        if items.calls.is_empty() {
            return Err(invalid("the batch is empty"));
        }
        return Ok(Envelope::Batch(
            items.calls.iter().map(|item| call(item.get())).collect(),
        ));
    }
    call(text).map(Envelope::One)
}

/// The calls of a batch, at most [`MAX_BATCH`]. A list of all elements of a body takes eight times
/// the body's memory.
struct Items<'a> {
    calls: Vec<&'a RawValue>,
    /// Whether there are more, which were read and dropped.
    has_more: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ItemsVisitor)
    }
}

struct ItemsVisitor;

impl<'de> Visitor<'de> for ItemsVisitor {
    type Value = Items<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of calls")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut calls = Vec::new();
        while calls.len() < MAX_BATCH {
            match list.next_element()? {
                Some(item) => calls.push(item),
                None => {
                    return Ok(Items {
                        calls,
                        has_more: false,
                    });
                }
            }
        }
        let mut has_more = false;
        while list.next_element::<IgnoredAny>()?.is_some() {
            has_more = true;
        }
        Ok(Items { calls, has_more })
    }
}

fn call(text: &str) -> Result<Call<'_>, RpcError> {
    let request: Request<'_> = serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            invalid("not a JSON-RPC 2.0 request")
        } else {
            not_json(&error)
        }
    })?;
    if request.jsonrpc != "2.0" {
        return Err(invalid("jsonrpc must be \"2.0\""));
    }
    if request.method.is_empty() || request.method.len() > MAX_METHOD {
        return Err(invalid("method must be a text of 1 to 200 bytes"));
    }
    let params = request.params.filter(|params| params.get() != "null");
    if params.is_some_and(|params| !params.get().starts_with(['[', '{'])) {
        return Err(invalid("params must be an array or an object"));
    }
    let id = match request.id {
        None => Id::None,
        Some(id) if is_plain(id.get()) => Id::Plain,
        Some(id) if id.get() == "null" || is_number(id.get()) => Id::Odd(id),
        Some(_) => return Err(invalid("id must be a text, a number or null")),
    };
    Ok(Call {
        method: request.method,
        params,
        id,
        text,
    })
}

fn is_plain(id: &str) -> bool {
    id.starts_with('"') || id.parse::<i64>().is_ok()
}

fn is_number(id: &str) -> bool {
    id.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

fn invalid(problem: &str) -> RpcError {
    RpcError::new(code::INVALID_REQUEST, format!("Invalid Request: {problem}"))
}

fn not_json(problem: &dyn std::fmt::Display) -> RpcError {
    RpcError {
        code: code::PARSE,
        message: "Parse error".to_owned(),
        data: Some(problem.to_string().into()),
    }
}

fn check_depth(body: &[u8]) -> Result<(), RpcError> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(invalid(&format!("nested deeper than {MAX_DEPTH} levels")));
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

impl Call<'_> {
    /// Whether a service's answer carries the caller's own id, and can pass as it is.
    #[must_use]
    pub fn has_plain_id(&self) -> bool {
        matches!(self.id, Id::Plain)
    }

    /// The call as it is sent to a service: as it came where possible (`body` is what it was
    /// parsed from), otherwise with an id that services understand, since those of the original do
    /// not execute a call without one.
    #[must_use]
    pub fn forwarded(&self, body: &Bytes) -> Bytes {
        if self.has_plain_id() {
            return body.slice_ref(self.text.as_bytes());
        }
        let method = serde_json::Value::from(&*self.method);
        Bytes::from(match self.params {
            Some(params) => format!(
                r#"{{"jsonrpc":"2.0","id":0,"method":{method},"params":{}}}"#,
                params.get()
            ),
            None => format!(r#"{{"jsonrpc":"2.0","id":0,"method":{method}}}"#),
        })
    }

    /// The answer with the caller's id; none for a notification.
    #[must_use]
    pub fn answer(&self, outcome: &RpcResult) -> Option<Bytes> {
        match self.id {
            Id::None => None,
            Id::Odd(id) => Some(respond(id, outcome)),
            Id::Plain => {
                #[derive(serde::Deserialize)]
                struct OnlyId<'a> {
                    #[serde(borrow)]
                    id: &'a RawValue,
                }
                // The text was parsed before.
                let id = serde_json::from_str::<OnlyId<'_>>(self.text)
                    .map_or(RawValue::NULL, |found| found.id);
                Some(respond(id, outcome))
            }
        }
    }
}

/// An answer on the wire.
#[must_use]
pub fn respond(id: &RawValue, outcome: &RpcResult) -> Bytes {
    // Texts, numbers and raw values always serialize.
    serde_json::to_vec(&Response::new(id, outcome))
        .unwrap_or_default()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_batch_of_many_elements_took_eight_times_the_memory_of_its_text() {
        let text = format!("[{}1]", "1,".repeat(1_000_000));
        let items: Items<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!((items.calls.len(), items.has_more), (MAX_BATCH, true));
        let refused = parse(text.as_bytes()).unwrap_err();
        assert!(refused.message.contains("more than 100"), "{refused:?}");
        let full = format!("[{}1]", "1,".repeat(MAX_BATCH - 1));
        assert!(
            matches!(parse(full.as_bytes()), Ok(Envelope::Batch(calls)) if calls.len() == MAX_BATCH)
        );
        // What follows is read all the same: a body that is no JSON says so.
        let broken = format!("[{}", "1,".repeat(200));
        assert_eq!(parse(broken.as_bytes()).unwrap_err().code, code::PARSE);
    }

    #[test]
    fn fuzz_envelopes() {
        let seeds: [&[u8]; 5] = [
            br#"{"jsonrpc":"2.0","id":1,"method":"get","params":["a",{"b":[1,2]}]}"#,
            br#"[{"jsonrpc":"2.0","id":"x","method":"a"},{"jsonrpc":"2.0","method":"b","params":{"c":null}}]"#,
            br#"{"id":1.5,"params":[],"method":"\u0061","jsonrpc":"2.0"}"#,
            br#"{"jsonrpc":"2.0","id":null,"method":""}"#,
            br#" { "jsonrpc" : "2.0" , "result" : 1 , "id" : 1 } "#,
        ];
        let tokens: [&[u8]; 6] = [
            br#""id":"#,
            br#""method":"#,
            br#""jsonrpc":"2.0","#,
            br#""params":"#,
            b"[[[[",
            b"{\"a\":",
        ];
        atek_fuzz::run("envelopes", &seeds, &tokens, |input| {
            let Ok(envelope) = parse(input) else {
                return false;
            };
            let json = serde_json::from_slice::<serde::de::IgnoredAny>(input);
            assert!(json.is_ok(), "a body that is no JSON was accepted");
            if let Envelope::Batch(calls) = envelope {
                assert!((1..=MAX_BATCH).contains(&calls.len()));
            }
            true
        });
    }

    fn outcome(body: &str) -> Result<usize, i64> {
        match parse(body.as_bytes()) {
            Ok(Envelope::One(_)) => Ok(1),
            Ok(Envelope::Batch(calls)) => Ok(calls.len()),
            Err(error) => Err(error.code),
        }
    }

    #[test]
    fn bodies_are_told_apart() {
        let deep = |n: usize| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{}{}}}"#,
                "[".repeat(n),
                "]".repeat(n)
            )
        };
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#;
        let batch = |n: usize| format!("[{}]", vec![call; n].join(","));
        for (body, expected) in [
            (call, Ok(1)),
            (
                r#" {"jsonrpc":"2.0","id":"x","method":"m","params":{"a":1},"more":2}"#,
                Ok(1),
            ),
            (r#"{"jsonrpc":"2.0","method":"m","params":null}"#, Ok(1)),
            (r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#, Ok(1)),
            (&batch(2), Ok(2)),
            (&batch(100), Ok(100)),
            (&batch(101), Err(-32600)),
            ("[]", Err(-32600)),
            ("[1, \"x\"]", Ok(2)),
            (r#"{"id":1,"method":"m"}"#, Err(-32600)),
            (r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, Err(-32600)),
            (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, Err(-32600)),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, Err(-32600)),
            (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, Err(-32600)),
            (r#"{"jsonrpc":"2.0","id":true,"method":"m"}"#, Err(-32600)),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"m","params":3}"#,
                Err(-32600),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"login","method":"whoami"}"#,
                Err(-32600),
            ),
            ("\"text\"", Err(-32600)),
            ("", Err(-32700)),
            ("{", Err(-32700)),
            ("[1,", Err(-32700)),
            (r#"{"jsonrpc":"2.0","id":1,"method":"m"} x"#, Err(-32700)),
            (&deep(120), Ok(1)),
            (&deep(200), Err(-32600)),
            (&deep(200_000), Err(-32600)),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"m","params":["[[[\"[[["]}"#,
                Ok(1),
            ),
        ] {
            assert_eq!(outcome(body), expected, "{}", &body[..body.len().min(80)]);
        }
        assert!(matches!(parse(b"\xff\xfe"), Err(error) if error.code == -32700));
    }

    #[test]
    fn a_call_is_forwarded_as_it_came_unless_services_would_not_understand_its_id() {
        for (body, forwarded, answered) in [
            (
                r#"{"jsonrpc":"2.0", "id":"x","method":"m","params":[1.0]}"#,
                r#"{"jsonrpc":"2.0", "id":"x","method":"m","params":[1.0]}"#,
                Some(r#"{"jsonrpc":"2.0","id":"x","result":7}"#),
            ),
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"m\"","params":{"a": 1}}"#,
                r#"{"jsonrpc":"2.0","id":0,"method":"m\"","params":{"a": 1}}"#,
                Some(r#"{"jsonrpc":"2.0","id":null,"result":7}"#),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#,
                r#"{"jsonrpc":"2.0","id":0,"method":"m"}"#,
                Some(r#"{"jsonrpc":"2.0","id":1.5,"result":7}"#),
            ),
            (
                r#"{"jsonrpc":"2.0","method":"m"}"#,
                r#"{"jsonrpc":"2.0","id":0,"method":"m"}"#,
                None,
            ),
        ] {
            let bytes = Bytes::from_static(body.as_bytes());
            let Ok(Envelope::One(call)) = parse(&bytes) else {
                panic!("{body}")
            };
            assert_eq!(call.forwarded(&bytes), forwarded);
            let result = Ok(RawValue::from_string("7".to_owned()).unwrap());
            assert_eq!(
                call.answer(&result).as_deref(),
                answered.map(str::as_bytes),
                "{body}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_the_parser_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
        }

        #[test]
        fn what_parses_is_a_call_that_others_parse_alike(
            text in "[\\[\\]{}\",:0-9a-z. ]{0,40}", id in "(1|-3|\"a\"|null|1.5|\\[\\])",
        ) {
            let body = Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m","params":[{text}]}}"#));
            if let Ok(Envelope::One(call)) = parse(&body) {
                let forwarded: serde_json::Value = serde_json::from_slice(&call.forwarded(&body)).unwrap();
                let sent: serde_json::Value = serde_json::from_slice(&body).unwrap();
                prop_assert_eq!(&forwarded["params"], &sent["params"]);
                prop_assert_eq!(&forwarded["method"], "m");
            }
        }
    }
}
