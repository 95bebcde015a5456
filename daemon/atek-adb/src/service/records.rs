//! Records: one by one, and lists of what lies under a path.

use super::params::{Kind, Params, wrong_field};
use super::view::View;
use super::{Adb, db_id};
use crate::caller::Caller;
use crate::error::AdbError;
use crate::json::push_string;
use crate::limits::Limits;
use crate::path::RecordPath;
use crate::storage::{DbNo, Expected, Read, Record, Scan};
use atek_api::ids::DbId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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

/// Records on a page when the caller asks for pages without a limit.
const PAGE: usize = 1000;

/// How much of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// At most so many.
    pub(super) limit: usize,
    /// The caller follows cursors: a long list may end early.
    pub(super) pages: bool,
}

impl Cut {
    pub(super) fn from_options(options: &Map<String, Value>) -> Self {
        let pages = options.contains_key("cursor");
        let limit = match options.get("limit").and_then(Value::as_f64) {
            // Negative means all, as in the original.
            Some(n) if n >= 0.0 => n.ceil() as usize,
            Some(_) | None if pages => PAGE,
            _ => usize::MAX,
        };
        Self { limit, pages }
    }
}

/// A list being written as JSON, cut where the limits say.
#[derive(Debug)]
pub(super) struct ListWriter<'a> {
    db_id: &'a str,
    /// Relative keys are relative to it.
    below: &'a RecordPath,
    cut: Cut,
    max_bytes: usize,
    out: Vec<u8>,
    count: usize,
    last: Option<String>,
    state: ListState,
}

#[derive(Debug, PartialEq, Eq)]
enum ListState {
    Open,
    /// There is more, for the next page.
    More,
    /// Too long for a caller that does not follow cursors.
    TooLong,
}

impl<'a> ListWriter<'a> {
    pub(super) fn new(db_id: &'a str, below: &'a RecordPath, cut: Cut, limits: &Limits) -> Self {
        Self {
            db_id,
            below,
            cut,
            max_bytes: limits.list_bytes,
            out: br#"{"records":["#.to_vec(),
            count: 0,
            last: None,
            state: ListState::Open,
        }
    }

    /// Appends a record. Returns whether more is wanted.
    pub(super) fn push(
        &mut self,
        key: &str,
        seq: u64,
        json: &[u8],
        position: impl FnOnce() -> String,
    ) -> bool {
        if self.count == self.cut.limit {
            self.state = ListState::More;
            return false;
        }
        if self.count > 0 && self.out.len() + json.len() > self.max_bytes {
            self.state = if self.cut.pages {
                ListState::More
            } else {
                ListState::TooLong
            };
            return false;
        }
        if self.count > 0 {
            self.out.push(b',');
        }
        let path = RecordPath::from_key(key);
        let relative = key.strip_prefix(&self.below.prefix()).unwrap_or(key);
        write_record(
            &mut self.out,
            &relative.replace('\0', "/"),
            &path,
            self.db_id,
            Some(seq),
            json,
        );
        self.count += 1;
        if self.cut.pages {
            self.last = Some(position());
        }
        // An exact fit is known to be the end only by looking further, which pages need.
        self.count < self.cut.limit || self.cut.pages
    }

    pub(super) fn finish(mut self) -> Result<Box<RawValue>, AdbError> {
        if self.state == ListState::TooLong {
            return Err(AdbError::Limit(format!(
                "the list is longer than {} bytes: pass {{cursor: \"\", limit}} and go on with the cursor of each answer",
                self.max_bytes
            )));
        }
        self.out.push(b']');
        if let (ListState::More, Some(last)) = (&self.state, &self.last) {
            self.out.extend_from_slice(br#","cursor":"#);
            push_string(&mut self.out, &URL_SAFE_NO_PAD.encode(last));
        }
        self.out.push(b'}');
        into_raw(self.out)
    }
}

/// What a cursor holds.
pub(super) fn cursor(options: &Map<String, Value>) -> Result<Option<String>, AdbError> {
    let Some(text) = options
        .get("cursor")
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
    else {
        return Ok(None);
    };
    URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(Some)
        .ok_or_else(|| {
            AdbError::Refused(
                "Invalid cursor: pass back the cursor of the answer before".to_owned(),
            )
        })
}

/// Appends a record as JSON; `json` is a stored value, so it is valid.
pub(super) fn write_record(
    out: &mut Vec<u8>,
    key: &str,
    path: &RecordPath,
    db_id: &str,
    seq: Option<u64>,
    json: &[u8],
) {
    out.extend_from_slice(br#"{"key":"#);
    push_string(out, key);
    out.extend_from_slice(br#","path":"#);
    push_string(out, &path.text());
    out.extend_from_slice(br#","url":"#);
    push_string(out, &path.url(db_id));
    if let Some(seq) = seq {
        out.extend_from_slice(format!(r#","seq":{seq}"#).as_bytes());
    }
    out.extend_from_slice(br#","value":"#);
    out.extend_from_slice(json);
    out.push(b'}');
}

/// Text that was put together from valid JSON, checked once more: a damaged file must not break the envelope.
pub(super) fn into_raw(text: Vec<u8>) -> Result<Box<RawValue>, AdbError> {
    let damaged = || AdbError::Storage(crate::storage::StorageError::Damaged("record"));
    let text = String::from_utf8(text).map_err(|_| damaged())?;
    RawValue::from_string(text).map_err(|_| damaged())
}

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
        self.look(|view, read| {
            let db = view.readable(caller, id)?.no;
            let mut list = ListWriter::new(id.as_str(), path, cut, self.limits());
            if cut.limit > 0 {
                read.scan(db, &scan, &mut |key, seq, json| {
                    list.push(key, seq, json, || key.to_owned())
                })?;
            }
            list.finish()
        })
        .await
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
        let (caller, id, path) = (caller.clone(), id.clone(), path.clone());
        self.change(move |tx, shared| {
            let target = View::new(tx, shared)?.writable(&caller, &id)?;
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
        let (caller, id, path) = (caller.clone(), id.clone(), path.clone());
        self.change(move |tx, shared| {
            let db: DbNo = View::new(tx, shared)?.writable(&caller, &id)?.no;
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
    match options.and_then(|options| options.get("ifSeq")) {
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
    use serde_json::json;

    fn cut(options: Value) -> Cut {
        Cut::from_options(options.as_object().unwrap())
    }

    #[test]
    fn pages_are_for_callers_that_ask_for_them() {
        assert_eq!(
            cut(json!({})),
            Cut {
                limit: usize::MAX,
                pages: false
            }
        );
        assert_eq!(
            cut(json!({"limit": 2.5})),
            Cut {
                limit: 3,
                pages: false
            }
        );
        assert_eq!(
            cut(json!({"limit": -1})),
            Cut {
                limit: usize::MAX,
                pages: false
            }
        );
        assert_eq!(
            cut(json!({"limit": 0})),
            Cut {
                limit: 0,
                pages: false
            }
        );
        assert_eq!(
            cut(json!({"cursor": ""})),
            Cut {
                limit: PAGE,
                pages: true
            }
        );
        assert_eq!(
            cut(json!({"cursor": "", "limit": 5})),
            Cut {
                limit: 5,
                pages: true
            }
        );
    }

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
