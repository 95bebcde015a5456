//! Secondary indexes: declaring them, and queries through them.

use super::lists::{self, Cut, ListWriter};
use super::params::{Kind, Params, path};
use super::view::View;
use super::{Adb, db_id};
use crate::caller::Caller;
use crate::error::{AdbError, DisplayChain};
use crate::json::is_pointer;
use crate::path::RecordPath;
use crate::storage::indexes::{IndexRow, IndexState, encode, end_of};
use crate::storage::{DbNo, Read as _, Snapshot, StorageError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::ops::Bound;

/// Records that one commit adds to an index, or entries that it removes.
const STEP: usize = 1000;
/// JSON pointers of one index.
const POINTERS: usize = 8;

/// An index, as the methods show it.
#[derive(Debug, Serialize)]
pub(super) struct IndexInfo {
    name: String,
    path: String,
    pointers: Vec<String>,
    ready: bool,
}

impl From<IndexRow> for IndexInfo {
    fn from(row: IndexRow) -> Self {
        Self {
            path: RecordPath::from_key(&row.path).text(),
            name: row.name,
            pointers: row.pointers,
            ready: row.state == IndexState::Ready,
        }
    }
}

impl Adb {
    /// `indexCreate(dbId, name, {path, pointers})`: returns when the index is ready.
    pub(super) async fn index_create(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<IndexInfo, AdbError> {
        let id = db_id(params, 0)?;
        let name = index_name(params)?;
        let options = params
            .object(2, &[("pointers", Kind::Array)])?
            .unwrap_or_default();
        let below = match options.get("path") {
            None => RecordPath::root(),
            Some(value) => path(value, self.limits()).ok_or_else(|| {
                AdbError::Refused("path must be string or array of strings".to_owned())
            })??,
        };
        let pointers = pointers(&options)?;
        let limit = self.limits().indexes;
        let (db, row) = self
            .change(caller, move |tx, shared, caller| {
                let db = View::new(tx, shared)?.writable(caller, &id)?.no;
                Ok((
                    db,
                    tx.create_index(db, &name, &below, pointers.clone(), limit)?,
                ))
            })
            .await?;
        if row.state == IndexState::Building {
            // Goes on when this caller goes away.
            self.index_soon(db, row.no)
                .await
                .map_err(|_| StorageError::Stopped)??;
        }
        Ok(IndexInfo {
            ready: true,
            ..row.into()
        })
    }

    /// `indexList(dbId)`.
    pub(super) async fn index_list(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Vec<IndexInfo>, AdbError> {
        let id = db_id(params, 0)?;
        self.look(|view, read| {
            let db = view.readable(caller, &id)?.no;
            let named = read
                .indexes(db)?
                .into_iter()
                .filter(|row| row.state != IndexState::Leaving);
            Ok(named.map(IndexInfo::from).collect())
        })
        .await
    }

    /// `indexDelete(dbId, name)`.
    pub(super) async fn index_delete(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<(), AdbError> {
        let id = db_id(params, 0)?;
        let name = index_name(params)?;
        let (db, no) = self
            .change(caller, move |tx, shared, caller| {
                let db = View::new(tx, shared)?.writable(caller, &id)?.no;
                Ok((db, tx.drop_index(db, &name)?))
            })
            .await?;
        self.unindex_soon(db, no);
        Ok(())
    }

    /// Adds the records that were there before an index was declared, in small commits.
    pub(super) fn index_soon(
        &self,
        db: DbNo,
        no: u32,
    ) -> tokio::task::JoinHandle<Result<(), AdbError>> {
        let (store, background) = (self.store.clone(), self.background.clone());
        tokio::spawn(async move {
            let mut after: Option<String> = None;
            loop {
                let _turn = background.acquire().await;
                let from = after.clone();
                match store
                    .write(move |tx| tx.index_step(db, no, from.as_deref(), STEP))
                    .await?
                {
                    None => return Ok(()),
                    next => after = next,
                }
            }
        })
    }

    /// Removes the entries of a dropped index, in small commits.
    pub(super) fn unindex_soon(&self, db: DbNo, no: u32) {
        let (store, background) = (self.store.clone(), self.background.clone());
        tokio::spawn(async move {
            loop {
                let _turn = background.acquire().await;
                match store
                    .write(move |tx| tx.drop_index_step(db, no, STEP))
                    .await
                {
                    Ok(true) => return,
                    Ok(false) => {}
                    // The next start goes on with it.
                    Err(error) => {
                        return tracing::warn!(error = %DisplayChain(&error), "cannot remove a dropped index");
                    }
                }
            }
        });
    }

    /// `recordQuery(dbId, index, {eq, gt, gte, lt, lte, prefix, limit, reverse, cursor}?)`.
    ///
    /// `eq`: the value, or the first values, of the index's pointers. The others bound the next
    /// pointer's value; values of another type than the bound's are not in the range.
    pub(super) async fn record_query(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Box<RawValue>, AdbError> {
        let id = db_id(params, 0)?;
        let name = index_name(params)?;
        let types = [
            ("limit", Kind::Number),
            ("reverse", Kind::Boolean),
            ("cursor", Kind::String),
            ("prefix", Kind::String),
        ];
        let options = params.object(2, &types)?.unwrap_or_default();
        let cut = Cut::from_options(&options);
        let reverse = options
            .get("reverse")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        self.look_long_to_answer(caller, |view, read| {
            let db = view.readable(caller, &id)?.no;
            let named = |row: &IndexRow| row.name == name && row.state != IndexState::Leaving;
            let Some(index) = read.indexes(db)?.into_iter().find(named) else {
                return Err(AdbError::Refused(format!("no index is named {name:?}")));
            };
            if index.state != IndexState::Ready {
                return Err(AdbError::Refused(format!(
                    "the index {name:?} is being built: try again soon"
                )));
            }
            let Some((mut from, mut to)) = range(&index, &options)? else {
                return ListWriter::new(id.as_str(), &RecordPath::root(), cut, self.limits())
                    .finish();
            };
            if let Some(last) = cursor(&options)? {
                // A cursor may be from another query: it only ever narrows the range.
                if reverse {
                    to = if to.is_empty() { last } else { to.min(last) };
                } else {
                    from = from.max([last.as_slice(), &[0]].concat());
                }
            }
            let below = RecordPath::from_key(&index.path);
            let mut list = ListWriter::new(id.as_str(), &below, cut, self.limits());
            if cut.limit > 0 {
                let most = self.limits().query_scan;
                collect(read, db, &index, (from, to), reverse, most, &mut list)?;
            }
            list.finish()
        })
        .await
    }
}

/// Writes the records that the entries of a range lead to into a list, each record once. Looks at
/// `most` entries.
fn collect(
    read: &Snapshot,
    db: DbNo,
    index: &IndexRow,
    (from, to): KeyRange,
    reverse: bool,
    most: usize,
    list: &mut ListWriter<'_>,
) -> Result<(), AdbError> {
    let end = if to.is_empty() {
        Bound::Unbounded
    } else {
        Bound::Excluded(to.as_slice())
    };
    let (mut seen, mut scanned, mut failed) = (HashSet::new(), 0, None);
    let start = Bound::Included(from.as_slice());
    read.entries(start, end, reverse, &mut |entry| {
        scanned += 1;
        let position = || URL_SAFE_NO_PAD.encode(entry);
        // An array may lead to the same record twice.
        let key = index
            .record_key(entry)
            .filter(|key| seen.insert((*key).to_owned()));
        let record = key.map(|key| read.record(db, &RecordPath::from_key(key)));
        let go_on = match (key, record) {
            (Some(key), Some(Ok(Some(record)))) => {
                list.push(key, record.seq, &record.json, position)
            }
            (_, Some(Err(error))) => {
                failed = Some(error);
                false
            }
            _ => true,
        };
        go_on && (scanned < most || list.stop(position))
    })?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// First key, and the end: the first key beyond, empty for none.
type KeyRange = (Vec<u8>, Vec<u8>);

/// First key and end (empty: none) of the entries that a query asks for; `None` if there can be
/// none.
fn range(index: &IndexRow, options: &Map<String, Value>) -> Result<Option<KeyRange>, AdbError> {
    let fixed = match options.get("eq") {
        None => Vec::new(),
        Some(Value::Array(values)) => values.clone(),
        Some(value) => vec![value.clone()],
    };
    let bounds = ["gt", "gte", "lt", "lte", "prefix"];
    let bounded = bounds.iter().any(|name| options.contains_key(*name));
    if fixed.len() + usize::from(bounded) > index.pointers.len() {
        return Err(AdbError::Refused(format!(
            "the index {:?} has {} pointers, the query names more values",
            index.name,
            index.pointers.len()
        )));
    }
    let Some(base) = index.prefix(&fixed) else {
        return Ok(None);
    };
    if let Some(start) = options.get("prefix").and_then(Value::as_str) {
        let Some(from) = index.string_prefix(&fixed, start) else {
            return Ok(None);
        };
        let to = end_of(&from).unwrap_or_default();
        return Ok(Some((from, to)));
    }
    let value = |name: &str| match options.get(name) {
        None => Ok(None),
        Some(value) => match encode(value) {
            Some(bytes) => Ok(Some([base.as_slice(), &bytes].concat())),
            None => Err(AdbError::Refused(format!(
                "{name} must be null, a boolean, a number or a string"
            ))),
        },
    };
    let after = |key: Vec<u8>| end_of(&key).unwrap_or_default();
    let lower = value("gt")?.map(after).or(value("gte")?);
    let upper = value("lt")?.or(value("lte")?.map(after));
    // Types are told apart by the upper half of their first byte.
    let class = |key: &Vec<u8>| key.get(base.len()).map(|tag| tag & 0xf0);
    let (from, to) = match (lower, upper) {
        (None, None) => (base.clone(), after(base.clone())),
        (Some(from), Some(to)) => (from, to),
        (Some(from), None) => {
            let tag = value("gt")?
                .or(value("gte")?)
                .as_ref()
                .and_then(class)
                .unwrap_or(0);
            (from, [base.as_slice(), &[tag + 0x10]].concat())
        }
        (None, Some(to)) => {
            let tag = value("lt")?
                .or(value("lte")?)
                .as_ref()
                .and_then(class)
                .unwrap_or(0);
            ([base.as_slice(), &[tag]].concat(), to)
        }
    };
    Ok(Some((from, to)))
}

fn cursor(options: &Map<String, Value>) -> Result<Option<Vec<u8>>, AdbError> {
    let Some(inner) = lists::cursor(options)? else {
        return Ok(None);
    };
    URL_SAFE_NO_PAD.decode(inner).map(Some).map_err(|_| {
        AdbError::Refused("Invalid cursor: pass back the cursor of the answer before".to_owned())
    })
}

/// Names that begin with `_` are ADB's own.
fn index_name(params: &Params) -> Result<String, AdbError> {
    let name = params.string(1)?.unwrap_or_default();
    if name.is_empty() || name.len() > 64 || name.starts_with('_') || name.contains('\0') {
        return Err(AdbError::Refused(
            "the name of an index has 1 to 64 bytes and does not begin with '_'".to_owned(),
        ));
    }
    Ok(name)
}

fn pointers(options: &Map<String, Value>) -> Result<Vec<String>, AdbError> {
    let list = options
        .get("pointers")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
    match texts {
        Some(texts)
            if (1..=POINTERS).contains(&texts.len())
                && texts.iter().all(|text| is_pointer(text)) =>
        {
            Ok(texts.into_iter().map(str::to_owned).collect())
        }
        _ => Err(AdbError::Refused(format!(
            "pointers must be an array of 1 to {POINTERS} JSON pointers such as \"/author/name\""
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn index(pointers: usize) -> IndexRow {
        IndexRow {
            no: 1,
            name: "i".into(),
            path: String::new(),
            pointers: vec!["/a".into(); pointers],
            state: IndexState::Ready,
        }
    }

    #[test]
    fn a_bound_holds_for_values_of_its_type() {
        let inside = |options: Value, value: Value| {
            let (from, to) = range(&index(1), options.as_object().unwrap())
                .unwrap()
                .unwrap();
            let key = index(1).prefix(&[value]).unwrap();
            from <= key && (to.is_empty() || key < to)
        };
        for (options, value, expected) in [
            (json!({}), json!("x"), true),
            (json!({"eq": 1}), json!(1), true),
            (json!({"eq": 1}), json!(2), false),
            (json!({"gt": 1}), json!(1), false),
            (json!({"gt": 1}), json!(1.5), true),
            (json!({"gte": 1}), json!(1), true),
            (json!({"gte": 1}), json!("a"), false),
            (json!({"lt": "b"}), json!("a"), true),
            (json!({"lt": "b"}), json!("b"), false),
            (json!({"lte": "b"}), json!("b"), true),
            (json!({"lte": "b"}), json!("ba"), false),
            (json!({"lt": "b"}), json!(1), false),
            (json!({"gte": 1, "lt": 3}), json!(2), true),
            (json!({"prefix": "ab"}), json!("abc"), true),
            (json!({"prefix": "ab"}), json!("ab"), true),
            (json!({"prefix": "ab"}), json!("b"), false),
        ] {
            assert_eq!(
                inside(options.clone(), value.clone()),
                expected,
                "{options} {value}"
            );
        }
    }

    #[test]
    fn more_values_than_pointers_are_refused() {
        assert!(range(&index(1), json!({"eq": [1, 2]}).as_object().unwrap()).is_err());
        assert!(range(&index(1), json!({"eq": 1, "gt": 2}).as_object().unwrap()).is_err());
        assert!(range(&index(2), json!({"eq": 1, "gt": 2}).as_object().unwrap()).is_ok());
        assert!(
            range(&index(1), json!({"eq": {}}).as_object().unwrap())
                .unwrap()
                .is_none()
        );
        assert!(range(&index(1), json!({"gt": []}).as_object().unwrap()).is_err());
    }
}
