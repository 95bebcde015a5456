//! What a snapshot and a running write can both read.

use super::indexes::IndexRow;
use super::tables::{self, DbNo, DbRow, Stats};
use super::{OperationContext as _, StorageError};
use crate::path::RecordPath;
use atek_api::ids::DbId;
use redb::ReadableTable;
use std::ops::Bound;

/// A record as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub path: RecordPath,
    /// Sequence number of the write that made it so.
    pub seq: u64,
    /// Compact JSON of an object.
    pub json: Vec<u8>,
}

/// A range of the records under a path.
#[derive(Debug, Clone)]
pub struct Scan {
    /// First key, absolute.
    pub from: Bound<String>,
    /// Last key, absolute.
    pub to: Bound<String>,
    /// From the end.
    pub reverse: bool,
}

impl Scan {
    /// All records under `path`, not the one at it.
    #[must_use]
    pub fn under(path: &RecordPath) -> Self {
        let prefix = path.prefix();
        let to = match prefix.strip_suffix('\0') {
            // Segments hold no NUL, so nothing else lies between `a\0` and `a\x01`.
            Some(stem) => Bound::Excluded(format!("{stem}\u{1}")),
            None => Bound::Unbounded,
        };
        Self {
            from: Bound::Excluded(prefix),
            to,
            reverse: false,
        }
    }

    /// Narrows the lower end.
    pub fn raise(&mut self, from: Bound<String>) {
        if start(&from) > start(&self.from) {
            self.from = from;
        }
    }

    /// Narrows the upper end.
    pub fn lower(&mut self, to: Bound<String>) {
        let narrower = match (end(&to), end(&self.to)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(new), Some(old)) => new < old,
        };
        if narrower {
            self.to = to;
        }
    }

    /// Whether no key can lie in the range; such a range must not be asked of the tree.
    fn is_empty(&self) -> bool {
        match (&self.from, &self.to) {
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (
                Bound::Included(from) | Bound::Excluded(from),
                Bound::Included(to) | Bound::Excluded(to),
            ) => from >= to,
            _ => false,
        }
    }
}

/// Orders lower bounds: an excluded one begins later.
fn start(bound: &Bound<String>) -> (Option<&str>, bool) {
    match bound {
        Bound::Unbounded => (None, false),
        Bound::Included(key) => (Some(key), false),
        Bound::Excluded(key) => (Some(key), true),
    }
}

/// Orders upper bounds: an excluded one ends earlier. `None` is after everything.
fn end(bound: &Bound<String>) -> Option<(&str, bool)> {
    match bound {
        Bound::Unbounded => None,
        Bound::Included(key) => Some((key, true)),
        Bound::Excluded(key) => Some((key, false)),
    }
}

/// Reads of one consistent state.
pub trait Read {
    /// The record at `path`.
    ///
    /// # Errors
    ///
    /// A failing disk, as for all functions of this trait.
    fn record(&self, db: DbNo, path: &RecordPath) -> Result<Option<Record>, StorageError>;

    /// Calls `each` for the records of a range, in order, until it returns `false`.
    ///
    /// # Errors
    ///
    /// As [`Read::record`].
    fn scan(
        &self,
        db: DbNo,
        scan: &Scan,
        each: &mut dyn FnMut(&str, u64, &[u8]) -> bool,
    ) -> Result<(), StorageError>;

    /// The row of a database, deleted ones included.
    ///
    /// # Errors
    ///
    /// As [`Read::record`].
    fn database(&self, id: &DbId) -> Result<Option<DbRow>, StorageError>;

    /// All databases, deleted ones included.
    ///
    /// # Errors
    ///
    /// As [`Read::record`].
    fn databases(&self) -> Result<Vec<(DbId, DbRow)>, StorageError>;

    /// A database's counters; all 0 for an unknown one.
    ///
    /// # Errors
    ///
    /// As [`Read::record`].
    fn stats(&self, db: DbNo) -> Result<Stats, StorageError>;

    /// The id of the server database.
    ///
    /// # Errors
    ///
    /// As [`Read::record`].
    fn server_db(&self) -> Result<Option<DbId>, StorageError>;

    /// A database's secondary indexes.
    ///
    /// # Errors
    ///
    /// As [`Read::record`].
    fn indexes(&self, db: DbNo) -> Result<Vec<IndexRow>, StorageError>;

    /// Calls `each` for the record keys in a range of an index's entries, in order, until it
    /// returns `false`.
    ///
    /// # Errors
    ///
    /// As [`Read::record`].
    fn entries(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), StorageError>;
}

pub(super) fn record(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    db: DbNo,
    path: &RecordPath,
) -> Result<Option<Record>, StorageError> {
    let Some(found) = table
        .get(tables::key(db, path.key()).as_slice())
        .doing("read a record")?
    else {
        return Ok(None);
    };
    let (seq, json) = tables::parts(found.value())?;
    Ok(Some(Record {
        path: path.clone(),
        seq,
        json: json.to_vec(),
    }))
}

pub(super) fn scan(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    db: DbNo,
    scan: &Scan,
    each: &mut dyn FnMut(&str, u64, &[u8]) -> bool,
) -> Result<(), StorageError> {
    if scan.is_empty() {
        return Ok(());
    }
    let absolute = |bound: &Bound<String>| match bound {
        Bound::Included(path) => Some(Bound::Included(tables::key(db, path))),
        Bound::Excluded(path) => Some(Bound::Excluded(tables::key(db, path))),
        Bound::Unbounded => None,
    };
    let from = absolute(&scan.from).unwrap_or_else(|| Bound::Included(tables::key(db, "")));
    let to = absolute(&scan.to).unwrap_or_else(|| after(db));
    let range = table
        .range::<&[u8]>((
            from.as_ref().map(Vec::as_slice),
            to.as_ref().map(Vec::as_slice),
        ))
        .doing("list records")?;
    walk(range, scan.reverse, "list records", |key, value| {
        let (seq, json) = tables::parts(value)?;
        Ok(each(tables::path_of(key)?, seq, json))
    })
}

/// Visits a range from either end, until `visit` returns `false`.
fn walk<V: redb::Value + 'static>(
    range: redb::Range<'_, &'static [u8], V>,
    reverse: bool,
    operation: &'static str,
    mut visit: impl FnMut(&[u8], V::SelfType<'_>) -> Result<bool, StorageError>,
) -> Result<(), StorageError> {
    let mut range = range;
    loop {
        let entry = if reverse {
            range.next_back()
        } else {
            range.next()
        };
        let Some(entry) = entry else { return Ok(()) };
        let (key, value) = entry.doing(operation)?;
        if !visit(key.value(), value.value())? {
            return Ok(());
        }
    }
}

/// The end of a database's range of keys.
pub(super) fn after(db: DbNo) -> Bound<Vec<u8>> {
    match db.0.checked_add(1) {
        Some(next) => Bound::Excluded(next.to_be_bytes().to_vec()),
        None => Bound::Unbounded,
    }
}

pub(super) fn database(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    id: &DbId,
) -> Result<Option<DbRow>, StorageError> {
    let found = table
        .get(tables::id_bytes(id).as_slice())
        .doing("find a database")?;
    found.map(|row| DbRow::from_bytes(row.value())).transpose()
}

pub(super) fn databases(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
) -> Result<Vec<(DbId, DbRow)>, StorageError> {
    let mut all = Vec::new();
    for entry in table.iter().doing("list the databases")? {
        let (id, row) = entry.doing("list the databases")?;
        let id = tables::id_text(id.value())
            .parse()
            .map_err(|_| StorageError::Damaged("database id"))?;
        all.push((id, DbRow::from_bytes(row.value())?));
    }
    Ok(all)
}

pub(super) fn stats(
    table: &impl ReadableTable<u32, &'static [u8]>,
    db: DbNo,
) -> Result<Stats, StorageError> {
    let found = table.get(db.0).doing("read a database's counters")?;
    found.map_or(Ok(Stats::default()), |bytes| {
        Stats::from_bytes(bytes.value())
    })
}

pub(super) fn server_db(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Option<DbId>, StorageError> {
    let found = table
        .get(tables::META_SERVER_DB)
        .doing("read the server database's id")?;
    found
        .map(|id| {
            tables::id_text(id.value())
                .parse()
                .map_err(|_| StorageError::Damaged("server database id"))
        })
        .transpose()
}

pub(super) fn indexes(
    table: &impl ReadableTable<(u32, &'static str), &'static [u8]>,
    db: DbNo,
) -> Result<Vec<IndexRow>, StorageError> {
    let mut rows = Vec::new();
    for entry in table.range((db.0, "")..).doing("list the indexes")? {
        let (key, row) = entry.doing("list the indexes")?;
        if key.value().0 != db.0 {
            break;
        }
        rows.push(serde_json::from_slice(row.value()).map_err(|_| StorageError::Damaged("index"))?);
    }
    Ok(rows)
}

pub(super) fn entries(
    table: &impl ReadableTable<&'static [u8], ()>,
    from: Bound<&[u8]>,
    to: Bound<&[u8]>,
    reverse: bool,
    each: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), StorageError> {
    if let (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) =
        (from, to)
        && a >= b
    {
        return Ok(());
    }
    let range = table.range::<&[u8]>((from, to)).doing("read an index")?;
    walk(range, reverse, "read an index", |key, ()| Ok(each(key)))
}
