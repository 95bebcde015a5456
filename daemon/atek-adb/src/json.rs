//! Stored values: JSON text, never turned into a tree on the way in or out.

use crate::limits::Limits;
use serde_json::Value;
use serde_json::value::RawValue;

/// Why a value is not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// Records are objects.
    #[error("must be object")]
    NotAnObject,
    /// See [`Limits::depth`].
    #[error("is nested more than {0} levels deep")]
    TooDeep(usize),
    /// See [`Limits::value_bytes`].
    #[error("is larger than {0} bytes: store less in one record, or use a blob")]
    TooLarge(usize),
}

/// The text of an object without the white space between its tokens.
///
/// # Errors
///
/// A value that is no object, or over the limits.
pub fn compact_object(value: &RawValue, limits: &Limits) -> Result<Vec<u8>, InvalidValue> {
    let text = value.get();
    if !text.starts_with('{') {
        return Err(InvalidValue::NotAnObject);
    }
    let mut out = Vec::with_capacity(text.len().min(limits.value_bytes + 1));
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else {
            match byte {
                b'"' => in_string = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b' ' | b'\t' | b'\n' | b'\r' => continue,
                _ => {}
            }
            if depth > limits.depth {
                return Err(InvalidValue::TooDeep(limits.depth));
            }
        }
        if out.len() == limits.value_bytes {
            return Err(InvalidValue::TooLarge(limits.value_bytes));
        }
        out.push(byte);
    }
    Ok(out)
}

/// What a JSON pointer (RFC 6901) names in a value, `None` if nothing.
#[must_use]
pub fn pointer<'v>(value: &'v Value, pointer: &str) -> Option<&'v Value> {
    value.pointer(pointer)
}

/// Whether a text is a JSON pointer.
#[must_use]
pub fn is_pointer(text: &str) -> bool {
    text.starts_with('/')
        && text
            .split('~')
            .skip(1)
            .all(|rest| rest.starts_with('0') || rest.starts_with('1'))
}

/// Appends a JSON string.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    // Writing a string into a Vec cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compact(text: &str, limits: &Limits) -> Result<String, InvalidValue> {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        compact_object(&raw, limits).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn white_space_goes_and_text_stays() {
        let limits = Limits {
            depth: 2,
            value_bytes: 40,
            ..Limits::default()
        };
        for (text, expected) in [
            ("{ \"a\" : [ 1 ,\n2 ] }", Ok("{\"a\":[1,2]}")),
            (r#"{"a b":"x \" y \\" }"#, Ok(r#"{"a b":"x \" y \\"}"#)),
            (r#"{"a":"\ud800 {{{["}"#, Ok(r#"{"a":"\ud800 {{{["}"#)),
            ("[]", Err(InvalidValue::NotAnObject)),
            ("\"{\"", Err(InvalidValue::NotAnObject)),
            (r#"{"a":{"b":{}}}"#, Err(InvalidValue::TooDeep(2))),
            (
                r#"{"a":"0123456789012345678901234567890123"}"#,
                Err(InvalidValue::TooLarge(40)),
            ),
        ] {
            assert_eq!(
                compact(text, &limits).as_deref(),
                expected.as_ref().copied(),
                "{text}"
            );
        }
    }

    #[test]
    fn pointers_are_told_from_other_texts() {
        for (text, expected) in [
            ("/a", true),
            ("/a/~0~1", true),
            ("a", false),
            ("", false),
            ("/a~2", false),
            ("/~", false),
        ] {
            assert_eq!(is_pointer(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn compacting_keeps_the_value(keys in proptest::collection::vec(".{0,8}", 0..5)) {
            let value: Value = keys.iter().map(|k| (k.clone(), Value::from(vec![k.clone()]))).collect::<serde_json::Map<_, _>>().into();
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let small = compact(&pretty, &Limits::default()).unwrap();
            prop_assert_eq!(small, serde_json::to_string(&value).unwrap());
        }
    }
}
