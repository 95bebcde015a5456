//! Secondary indexes: what a record contributes to one, and the order of values.
//!
//! An index covers the records under a path and sorts them by the values of one or
//! more JSON pointers: `null`, `false`, `true`, numbers by size, strings by their
//! bytes. A record that lacks one of the values is not in the index. An array
//! contributes each of its elements. Strings count by their first
//! [`STRING_BYTES`] bytes, numbers as 64-bit floats.

use crate::path::RecordPath;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// Bytes of a string that an index looks at.
pub const STRING_BYTES: usize = 512;
/// Entries that one record may have in one index, and their bytes; the rest of a longer array is
/// not indexed.
const ENTRIES_PER_RECORD: usize = 256;
const ENTRY_BYTES_PER_RECORD: usize = 64 << 10;

/// One index, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRow {
    /// The first four bytes of its entries. Never reused.
    pub no: u32,
    /// Unique in its database.
    pub name: String,
    /// Key of the path whose records it covers.
    pub path: String,
    /// JSON pointers, the most significant first.
    pub pointers: Vec<String>,
    /// Whether it can be asked.
    pub state: IndexState,
}

/// The life of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IndexState {
    /// Writes keep it up; records that were there before are being added.
    Building,
    /// Complete.
    Ready,
    /// Dropped; its entries are being removed. It has no name any more.
    Leaving,
}

impl IndexRow {
    /// Whether the index covers the record at `path`.
    #[must_use]
    pub fn covers(&self, path: &RecordPath) -> bool {
        self.state != IndexState::Leaving && RecordPath::from_key(&self.path).contains(path)
    }

    /// The keys of the entries that a record has in this index.
    pub(super) fn entries(&self, path: &RecordPath, value: &Value) -> BTreeSet<Vec<u8>> {
        let mut keys = BTreeSet::from([self.no.to_be_bytes().to_vec()]);
        for pointer in &self.pointers {
            let values = match crate::json::pointer(value, pointer) {
                None => return BTreeSet::new(),
                Some(Value::Array(items)) => {
                    let mut values = BTreeSet::new();
                    for value in items.iter().filter_map(encode) {
                        if values.len() == ENTRIES_PER_RECORD {
                            break;
                        }
                        values.insert(value);
                    }
                    values
                }
                Some(one) => encode(one).into_iter().collect(),
            };
            keys = keys
                .iter()
                .flat_map(|key| values.iter().map(|value| [key.as_slice(), value].concat()))
                .take(ENTRIES_PER_RECORD)
                .collect();
        }
        let mut bytes = 0;
        keys.into_iter()
            .map(|key| [&key, path.key().as_bytes()].concat())
            .take_while(|entry| {
                bytes += entry.len();
                bytes <= ENTRY_BYTES_PER_RECORD
            })
            .collect()
    }

    /// The key of the record that an entry points to.
    pub(crate) fn record_key<'k>(&self, entry: &'k [u8]) -> Option<&'k str> {
        let mut rest = entry.get(4..)?;
        for _ in &self.pointers {
            rest = skip(rest)?;
        }
        std::str::from_utf8(rest).ok()
    }

    /// What the entries begin with whose first values are `values`; `None` if no entry can.
    #[must_use]
    pub fn prefix(&self, values: &[Value]) -> Option<Vec<u8>> {
        let mut key = self.no.to_be_bytes().to_vec();
        for value in values {
            key.extend(encode(value)?);
        }
        Some(key)
    }

    /// What the entries begin with whose first values are `values`, and the next one a string that
    /// begins with `start`.
    #[must_use]
    pub fn string_prefix(&self, values: &[Value], start: &str) -> Option<Vec<u8>> {
        let mut key = self.prefix(values)?;
        key.push(STRING);
        push_escaped(&mut key, start);
        Some(key)
    }
}

const NULL: u8 = 0x10;
const FALSE: u8 = 0x20;
const TRUE: u8 = 0x21;
const NUMBER: u8 = 0x30;
const STRING: u8 = 0x40;

/// A value as bytes that sort as the values do; `None` for objects and arrays.
#[must_use]
pub fn encode(value: &Value) -> Option<Vec<u8>> {
    Some(match value {
        Value::Null => vec![NULL],
        Value::Bool(false) => vec![FALSE],
        Value::Bool(true) => vec![TRUE],
        Value::Number(number) => {
            // Adding 0 turns -0 into 0.
            let bits = (number.as_f64()? + 0.0).to_bits();
            let ordered = if bits >> 63 == 1 {
                !bits
            } else {
                bits | 1 << 63
            };
            let mut bytes = vec![NUMBER];
            bytes.extend_from_slice(&ordered.to_be_bytes());
            bytes
        }
        Value::String(text) => {
            let mut bytes = vec![STRING];
            push_escaped(&mut bytes, text);
            bytes.extend_from_slice(&[0, 0]);
            bytes
        }
        Value::Array(_) | Value::Object(_) => return None,
    })
}

/// NUL becomes `00 ff`, so that the end mark `00 00` sorts before any longer string.
fn push_escaped(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes().take(STRING_BYTES) {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
}

/// What follows the encoded value at the start.
fn skip(bytes: &[u8]) -> Option<&[u8]> {
    let (tag, mut rest) = bytes.split_first()?;
    match *tag {
        NULL | FALSE | TRUE => Some(rest),
        NUMBER => rest.get(8..),
        STRING => loop {
            let nul = rest.iter().position(|byte| *byte == 0)?;
            let escape = *rest.get(nul + 1)?;
            rest = rest.get(nul + 2..)?;
            if escape == 0 {
                return Some(rest);
            }
        },
        _ => None,
    }
}

/// The smallest key that does not begin with `prefix`; `None` if all that follow do.
#[must_use]
pub fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use proptest::prelude::*;
    use serde_json::json;

    fn index(pointers: &[&str]) -> IndexRow {
        IndexRow {
            no: 7,
            name: "i".into(),
            path: "t".into(),
            pointers: pointers.iter().map(|p| (*p).to_owned()).collect(),
            state: IndexState::Ready,
        }
    }

    #[test]
    fn a_record_contributes_what_its_pointers_name() {
        let path = RecordPath::parse("t/k", &Limits::default()).unwrap();
        // (pointers, value, entries)
        for (pointers, value, expected) in [
            (&["/a"][..], json!({"a": 1}), 1),
            (&["/a"], json!({"b": 1}), 0),
            (&["/a"], json!({"a": {"x": 1}}), 0),
            (&["/a"], json!({"a": ["x", "y", "x", {}]}), 2),
            (&["/a", "/b/c"], json!({"a": 1, "b": {"c": null}}), 1),
            (&["/a", "/b"], json!({"a": [1, 2], "b": [true, false]}), 4),
            (&["/a", "/b"], json!({"a": 1}), 0),
        ] {
            let index = index(pointers);
            let entries = index.entries(&path, &value);
            assert_eq!(entries.len(), expected, "{pointers:?} {value}");
            for entry in entries {
                assert_eq!(index.record_key(&entry), Some("t\0k"));
            }
        }
        let other = RecordPath::parse("u/k", &Limits::default()).unwrap();
        assert!(index(&["/a"]).covers(&path) && !index(&["/a"]).covers(&other));
    }

    fn scalar() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[\\x00a-b\\xff]{0,4}".prop_map(Value::from),
        ]
    }

    fn rank(value: &Value) -> (u8, f64, &str) {
        match value {
            Value::Null => (0, 0.0, ""),
            Value::Bool(b) => (1 + u8::from(*b), 0.0, ""),
            Value::Number(n) => (3, n.as_f64().unwrap(), ""),
            Value::String(s) => (4, 0.0, s),
            _ => unreachable!(),
        }
    }

    proptest! {
        #[test]
        fn encoded_values_sort_as_the_values(a in scalar(), b in scalar()) {
            let (x, y) = (encode(&a).unwrap(), encode(&b).unwrap());
            prop_assert_eq!(rank(&a).partial_cmp(&rank(&b)), Some(x.cmp(&y)));
        }

        #[test]
        fn the_record_is_found_behind_any_values(a in scalar(), b in scalar(), key in "[a-c]{1,3}") {
            let path = RecordPath::from_key(&key);
            let index = index(&["/0", "/1"]);
            for entry in index.entries(&path, &json!([a, b])) {
                prop_assert_eq!(index.record_key(&entry), Some(key.as_str()));
                prop_assert!(entry.starts_with(&index.prefix(std::slice::from_ref(&a)).unwrap()));
            }
        }
    }
}
