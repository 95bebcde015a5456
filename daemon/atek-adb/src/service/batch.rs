//! Transactions: several puts and deletes, all or none.

use super::params::{self, Params};
use super::records::expected_seq;
use super::view::View;
use super::{Adb, db_id};
use crate::caller::Caller;
use crate::error::AdbError;
use crate::json::{compact_object, elements, tree};
use crate::limits::Limits;
use crate::path::RecordPath;
use crate::storage::{Expected, Read as _, Tx};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// One operation of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Op {
    path: RecordPath,
    expected: Expected,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// Compact JSON of an object.
    Put(Vec<u8>),
    Del,
    /// Only the expected sequence number is looked at.
    Check,
}

/// The answer of `recordBatch`.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    /// The database's latest sequence number after the batch.
    seq: u64,
    /// For each operation, in order.
    results: Vec<OpResult>,
}

#[derive(Debug, Serialize)]
struct OpResult {
    key: String,
    path: String,
    url: String,
    /// `null` where nothing was written: a check, or a delete of what was not there.
    seq: Option<u64>,
}

impl Adb {
    /// `recordBatch(dbId, [{type: "put"|"del"|"check", path, value?, ifSeq?}])`.
    pub(super) async fn record_batch(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Written, AdbError> {
        let id = db_id(params, 0)?;
        let ops = self.parse_ops(params)?;
        self.change(caller, move |tx, shared, caller| {
            let target = View::new(tx, shared)?.writable(caller, &id)?;
            // Expectations are about the state before the batch, so they come first.
            for op in &ops {
                check(tx, target.no, op)?;
            }
            let mut results = Vec::with_capacity(ops.len());
            for op in &ops {
                let seq = match &op.what {
                    What::Put(json) => {
                        Some(tx.put(target.no, &op.path, json, Expected::Any, &target.quota)?)
                    }
                    What::Del => tx.delete(target.no, &op.path, Expected::Any)?,
                    What::Check => None,
                };
                results.push(OpResult {
                    key: op.path.last().to_owned(),
                    path: op.path.text(),
                    url: op.path.url(id.as_str()),
                    seq,
                });
            }
            Ok(Written {
                seq: tx.stats(target.no)?.seq,
                results,
            })
        })
        .await
    }

    fn parse_ops(&self, params: &Params) -> Result<Vec<Op>, AdbError> {
        let Some(raw) = params.array(1)? else {
            return Err(AdbError::Refused("Invalid batch: undefined".to_owned()));
        };
        let most = self.limits().batch_ops;
        // The text is valid JSON and an array: only its length can be wrong.
        let items = elements(raw.get(), most)
            .map_err(|_| AdbError::Limit(format!("a batch has at most {most} operations")))?;
        items
            .iter()
            .enumerate()
            .map(|(nth, item)| parse_op(nth, item, self.limits()))
            .collect()
    }
}

fn check(tx: &Tx<'_>, db: crate::storage::DbNo, op: &Op) -> Result<(), AdbError> {
    let Expected::Seq(expected) = op.expected else {
        return Ok(());
    };
    let found = tx.record(db, &op.path)?.map_or(0, |record| record.seq);
    if found == expected {
        Ok(())
    } else {
        Err(AdbError::Conflict {
            path: op.path.text(),
            found,
            expected,
        })
    }
}

/// `nth` counts from 0.
fn parse_op(nth: usize, item: &RawValue, limits: &Limits) -> Result<Op, AdbError> {
    #[derive(Default, serde::Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Fields<'a> {
        #[serde(borrow, rename = "type", deserialize_with = "present")]
        kind: Option<&'a RawValue>,
        #[serde(borrow, deserialize_with = "present")]
        path: Option<&'a RawValue>,
        #[serde(borrow, deserialize_with = "present")]
        value: Option<&'a RawValue>,
        #[serde(borrow, deserialize_with = "present")]
        if_seq: Option<&'a RawValue>,
    }
    let bad =
        |problem: String| AdbError::Refused(format!("Invalid operation {}: {problem}", nth + 1));
    if !item.get().starts_with('{') {
        return Err(bad("must be object".to_owned()));
    }
    let fields: Fields<'_> =
        serde_json::from_str(item.get()).map_err(|error| bad(error.to_string()))?;
    // A path has fewer segments than this; what else it may be is small.
    let small = |raw: &RawValue| tree(raw.get(), 4096).ok();
    let path = fields
        .path
        .and_then(small)
        .and_then(|path| params::path(&path, limits))
        .ok_or_else(|| bad("path must be string or array of strings".to_owned()))??;
    if path.is_root() {
        return Err(AdbError::RootPath);
    }
    let kind = fields.kind.and_then(small);
    let what = match kind.as_ref().and_then(Value::as_str) {
        Some("put") => {
            let value = fields.value.unwrap_or(RawValue::NULL);
            What::Put(
                compact_object(value, limits).map_err(|problem| bad(format!("value {problem}")))?,
            )
        }
        Some("del") => What::Del,
        Some("check") => What::Check,
        _ => return Err(bad("type must be \"put\", \"del\" or \"check\"".to_owned())),
    };
    Ok(Op {
        path,
        expected: expected_seq(fields.if_seq.and_then(small).as_ref(), 1)?,
        what,
    })
}

/// A field that is there, also as `null`.
fn present<'de: 'a, 'a, D: serde::Deserializer<'de>>(
    field: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&'a RawValue as serde::Deserialize<'de>>::deserialize(field).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_and_wrong_ones_named() {
        let parse = |text: &str| {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            parse_op(1, &raw, &Limits::default()).map_err(|error| error.to_string())
        };
        let op = parse(r#"{"type":"put","path":"/a/b","value":{ "x":1 },"ifSeq":3}"#).unwrap();
        assert_eq!(op.expected, Expected::Seq(3));
        assert_eq!(op.what, What::Put(br#"{"x":1}"#.to_vec()));
        assert_eq!(
            parse(r#"{"type":"del","path":["a"],"ifSeq":null}"#)
                .unwrap()
                .expected,
            Expected::Seq(0)
        );
        for (text, expected) in [
            ("1", "Invalid operation 2: must be object"),
            (
                r#"{"type":"del"}"#,
                "Invalid operation 2: path must be string or array of strings",
            ),
            (
                r#"{"type":"move","path":"a"}"#,
                "Invalid operation 2: type must be \"put\", \"del\" or \"check\"",
            ),
            (
                r#"{"type":"put","path":"a","value":[]}"#,
                "Invalid operation 2: value must be object",
            ),
            (
                r#"{"type":"put","path":"/","value":{}}"#,
                "Invalid path: a record needs at least one path segment",
            ),
            (
                r#"{"type":"put","path":"a","value":{},"ifSeq":"x"}"#,
                "Parameter NaN must be number",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected, "{text}");
        }
    }
}
