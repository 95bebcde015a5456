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

/// Parses a text of at most `max_nodes` values (elements, members and containers) into a tree.
///
/// A tree takes up to 36 times the memory of its text, so text that a caller sent becomes one only
/// within a bound.
///
/// # Errors
///
/// [`TreeError`].
pub fn tree(text: &str, max_nodes: usize) -> Result<Value, TreeError> {
    let (mut nodes, mut in_string, mut escaped) = (1_usize, false, false);
    for byte in text.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else {
            match byte {
                b'"' => in_string = true,
                b',' | b'[' | b'{' => nodes += 1,
                _ => {}
            }
        }
    }
    if nodes > max_nodes {
        return Err(TreeError::TooManyNodes(max_nodes));
    }
    Ok(serde_json::from_str(text)?)
}

/// A text did not become a tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// It has more values than the bound.
    #[error("has more than {0} elements")]
    TooManyNodes(usize),
    /// It cannot be parsed: a string with half of a surrogate pair, for example.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// The elements of an array, unparsed.
///
/// # Errors
///
/// A text that is no array, or that has more than `max` elements.
pub fn elements(text: &str, max: usize) -> Result<Vec<&RawValue>, serde_json::Error> {
    struct Elements(usize);
    impl<'de> serde::de::Visitor<'de> for Elements {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "an array of at most {} elements", self.0)
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(
            self,
            mut seq: A,
        ) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = seq.next_element()? {
                if list.len() == self.0 {
                    return Err(serde::de::Error::invalid_length(list.len() + 1, &self));
                }
                list.push(element);
            }
            Ok(list)
        }
    }
    let mut text = serde_json::Deserializer::from_str(text);
    serde::Deserializer::deserialize_seq(&mut text, Elements(max))
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

    #[test]
    fn a_tree_of_too_many_values_is_not_built() {
        let many = format!("[{}0]", "0,".repeat(999));
        assert!(tree(&many, 1001).is_ok());
        assert!(matches!(
            tree(&many, 1000),
            Err(TreeError::TooManyNodes(1000))
        ));
        // Commas of a string are no elements.
        assert!(tree(&format!("[{:?}]", ",".repeat(999)), 2).is_ok());
    }

    #[test]
    fn elements_stay_unparsed_and_are_counted() {
        let texts = |text| {
            elements(text, 2).map(|list| list.iter().map(|raw| raw.get()).collect::<Vec<_>>())
        };
        assert_eq!(texts(r#"[1, {"a":[]}]"#).unwrap(), ["1", r#"{"a":[]}"#]);
        assert!(texts("[1,2,3]").is_err() && texts("{}").is_err());
    }

    proptest! {
        #[test]
        fn compacting_keeps_the_value(keys in proptest::collection::vec("(?s).{0,8}", 0..5)) {
            let value: Value = keys.iter().map(|k| (k.clone(), Value::from(vec![k.clone()]))).collect::<serde_json::Map<_, _>>().into();
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let small = compact(&pretty, &Limits::default()).unwrap();
            prop_assert_eq!(small, serde_json::to_string(&value).unwrap());
        }
    }
}
