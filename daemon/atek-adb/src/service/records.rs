//! Records: one by one, and lists of what lies under a path.

use super::lists::{Cut, ListWriter, cursor, into_raw, write_record};
use super::params::{Kind, Params, wrong_field};
use super::view::View;
use super::{Adb, LONG, db_id};
use crate::caller::Caller;
use crate::error::AdbError;
use crate::path::RecordPath;
use crate::storage::{DbNo, Expected, Read as _, Record, Scan, Snapshot};
use atek_api::ids::DbId;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::ops::Bound;

/// Types of the list options.
const LIST_OPTIONS: [(&str, Kind); 7] = [
    ("lt", Kind::String),
    ("lte", Kind::String),
    ("gt", Kind::String),
    ("gte", Kind::String),
    ("limit", Kind::Number),
    ("reverse", Kind::Boolean),
    ("cursor", Kind::String),
];

/// The range that list options name.
pub(super) fn scan(path: &RecordPath, options: &Map<String, Value>) -> Result<Scan, AdbError> {
    let mut scan = Scan::under(path);
    let prefix = path.prefix();
    let bound = |name| {
        options
            .get(name)
            .and_then(Value::as_str)
            .map(|text| format!("{prefix}{text}"))
    };
    if let Some(key) = bound("gt") {
        scan.raise(Bound::Excluded(key));
    }
    if let Some(key) = bound("gte") {
        scan.raise(Bound::Included(key));
    }
    if let Some(key) = bound("lt") {
        scan.lower(Bound::Excluded(key));
    }
    if let Some(key) = bound("lte") {
        scan.lower(Bound::Included(key));
    }
    scan.reverse = options
        .get("reverse")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    if let Some(last) = cursor(options)? {
        if scan.reverse {
            scan.lower(Bound::Excluded(last));
        } else {
            scan.raise(Bound::Excluded(last));
        }
    }
    Ok(scan)
}

impl Adb {
    /// `recordList(dbId, path, ListOpts?)`.
    pub(super) async fn record_list(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Box<RawValue>, AdbError> {
        let id = db_id(params, 0)?;
        let path = params.path(1, self.limits())?;
        let options = params.object(2, &LIST_OPTIONS)?.unwrap_or_default();
        self.list(caller, &id, &path, &options).await
    }

    pub(super) async fn list(
        &self,
        caller: &Caller,
        id: &DbId,
        path: &RecordPath,
        options: &Map<String, Value>,
    ) -> Result<Box<RawValue>, AdbError> {
        let scan = scan(path, options)?;
        let cut = Cut::from_options(options);
        let look = |view: &View<'_, Snapshot>, read: &Snapshot| {
            let db = view.readable(caller, id)?.no;
            let mut list = ListWriter::new(id.as_str(), path, cut, self.limits());
            if cut.limit > 0 {
                read.scan(db, &scan, &mut |key, seq, json| {
                    list.push(key, seq, json, || key.to_owned())
                })?;
            }
            list.finish()
        };
        if cut.limit > LONG {
            self.look_long_to_answer(caller, look).await
        } else {
            self.look(look).await
        }
    }

    /// `recordGet(dbId, path)`.
    pub(super) async fn record_get(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Box<RawValue>, AdbError> {
        let id = db_id(params, 0)?;
        let path = params.path(1, self.limits())?;
        let record = self.get(caller, &id, &path).await?;
        let mut out = Vec::with_capacity(record.json.len() + 256);
        write_record(
            &mut out,
            path.last(),
            &path,
            id.as_str(),
            Some(record.seq),
            &record.json,
        );
        into_raw(out)
    }

    pub(super) async fn get(
        &self,
        caller: &Caller,
        id: &DbId,
        path: &RecordPath,
    ) -> Result<Record, AdbError> {
        self.look(|view, read| {
            let db = view.readable(caller, id)?.no;
            read.record(db, path)?
                .ok_or_else(|| AdbError::RecordNotFound(path.to_string()))
        })
        .await
    }

    /// `recordPut(dbId, path, value, {ifSeq}?)`. With options the answer tells the sequence number.
    pub(super) async fn record_put(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Box<RawValue>, AdbError> {
        let id = db_id(params, 0)?;
        let path = params.path(1, self.limits())?;
        let json = params.record(2, self.limits())?;
        let options = params.object(3, &[])?;
        let expected = expected(options.as_ref(), 3)?;
        let seq = self.put(caller, &id, &path, json.clone(), expected).await?;
        let mut out = Vec::with_capacity(json.len() + 256);
        write_record(
            &mut out,
            path.last(),
            &path,
            id.as_str(),
            options.map(|_| seq),
            &json,
        );
        into_raw(out)
    }

    pub(super) async fn put(
        &self,
        caller: &Caller,
        id: &DbId,
        path: &RecordPath,
        json: Vec<u8>,
        expected: Expected,
    ) -> Result<u64, AdbError> {
        let (id, path) = (id.clone(), path.clone());
        self.change(caller, move |tx, shared, caller| {
            let target = View::new(tx, shared)?.writable(caller, &id)?;
            tx.put(target.no, &path, &json, expected, &target.quota)
        })
        .await
    }

    /// `recordDelete(dbId, path, {ifSeq}?)`. Deleting what is not there is no error.
    pub(super) async fn record_delete(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<(), AdbError> {
        let id = db_id(params, 0)?;
        let path = params.path(1, self.limits())?;
        let expected = expected(params.object(2, &[])?.as_ref(), 2)?;
        self.delete(caller, &id, &path, expected).await
    }

    pub(super) async fn delete(
        &self,
        caller: &Caller,
        id: &DbId,
        path: &RecordPath,
        expected: Expected,
    ) -> Result<(), AdbError> {
        let (id, path) = (id.clone(), path.clone());
        self.change(caller, move |tx, shared, caller| {
            let db: DbNo = View::new(tx, shared)?.writable(caller, &id)?.no;
            tx.delete(db, &path, expected).map(drop)
        })
        .await
    }
}

/// `ifSeq`: the sequence number that the record must be at; 0 or `null`: it must not exist.
pub(super) fn expected(
    options: Option<&Map<String, Value>>,
    at: usize,
) -> Result<Expected, AdbError> {
    expected_seq(options.and_then(|options| options.get("ifSeq")), at)
}

/// As [`expected`], of the value of `ifSeq`.
pub(super) fn expected_seq(value: Option<&Value>, at: usize) -> Result<Expected, AdbError> {
    match value {
        None => Ok(Expected::Any),
        Some(Value::Null) => Ok(Expected::Seq(0)),
        Some(value) => value
            .as_u64()
            .map(Expected::Seq)
            .ok_or_else(|| wrong_field(at, "ifSeq", Kind::Number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use serde_json::json;

    #[test]
    fn options_narrow_the_range_and_never_leave_the_path() {
        let path = RecordPath::parse("a", &Limits::default()).unwrap();
        let options = json!({"gt": "b", "gte": "a", "lt": "y", "lte": "z"});
        let narrow = scan(&path, options.as_object().unwrap()).unwrap();
        assert_eq!(narrow.from, Bound::Excluded("a\0b".to_owned()));
        assert_eq!(narrow.to, Bound::Excluded("a\0y".to_owned()));
        let all = scan(&path, &Map::new()).unwrap();
        assert_eq!(
            (all.from, all.to),
            (
                Bound::Excluded("a\0".to_owned()),
                Bound::Excluded("a\u{1}".to_owned())
            )
        );
        assert!(scan(&path, json!({"cursor": "?"}).as_object().unwrap()).is_err());
    }
}
