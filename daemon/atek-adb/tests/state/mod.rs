//! The storage without threads: run operations, look at everything, check that it hangs together.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses a part, and a failure ends the test"
)]

use atek_adb::error::AdbError;
use atek_adb::limits::Quota;
use atek_adb::path::RecordPath;
use atek_adb::storage::engine::{Job, Outcome};
use atek_adb::storage::{
    ChangeKind, DbNo, DbState, Engine, Read as _, Scan, Snapshot, StorageError, Tx,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Bound;

/// No limit.
pub const UNLIMITED: Quota = Quota {
    max_bytes: u64::MAX,
    max_records: u64::MAX,
};

/// An operation and how it ended.
pub struct Run<F, T> {
    op: F,
    pub result: Option<Result<T, AdbError>>,
}

impl<F: FnMut(&mut Tx<'_>) -> Result<T, AdbError> + Send, T: Send> Run<F, T> {
    pub fn new(op: F) -> Self {
        Self { op, result: None }
    }
}

impl<F: FnMut(&mut Tx<'_>) -> Result<T, AdbError> + Send, T: Send> Job for Run<F, T> {
    fn run(&mut self, tx: &mut Tx<'_>) -> Outcome {
        let result = (self.op)(tx);
        let outcome = match &result {
            Ok(_) => Outcome::Done,
            Err(AdbError::Storage(_)) => Outcome::Broken,
            Err(_) => Outcome::Refused,
        };
        self.result = Some(result);
        outcome
    }
}

/// One operation in a commit of its own. The outer error: the storage failed.
pub fn commit<T: Send>(
    engine: &Engine,
    op: impl FnMut(&mut Tx<'_>) -> Result<T, AdbError> + Send,
) -> Result<Result<T, AdbError>, StorageError> {
    let mut run = Run::new(op);
    engine.commit(&mut [&mut run])?;
    Ok(run.result.unwrap())
}

/// Everything that is stored, as text.
pub fn dump(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    writeln!(out, "server {:?}", snapshot.server_db().unwrap()).unwrap();
    for (id, row) in snapshot.databases().unwrap() {
        let stats = snapshot.stats(row.no).unwrap();
        writeln!(out, "{id} {row:?} {stats:?}").unwrap();
        snapshot
            .scan(
                row.no,
                &Scan::under(&RecordPath::root()),
                &mut |key, seq, json| {
                    writeln!(out, "  {key:?} {seq} {}", String::from_utf8_lossy(json)).is_ok()
                },
            )
            .unwrap();
        snapshot
            .changes(row.no, 0, usize::MAX, &mut |change| {
                writeln!(out, "  {change:?}").is_ok()
            })
            .unwrap();
        snapshot
            .blobs(row.no, &RecordPath::root(), &mut |key, blob| {
                writeln!(out, "  {key:?} {blob:?}").is_ok()
            })
            .unwrap();
        for index in snapshot.indexes(row.no).unwrap() {
            writeln!(out, "  {index:?}").unwrap();
        }
    }
    snapshot
        .entries(Bound::Unbounded, Bound::Unbounded, false, &mut |entry| {
            writeln!(out, "{entry:?}").is_ok()
        })
        .unwrap();
    out
}

/// Checks that counters, records, change log and indexes say the same.
pub fn check(snapshot: &Snapshot) {
    let mut indexed = BTreeSet::new();
    for (id, row) in snapshot.databases().unwrap() {
        if row.state != DbState::Live {
            continue;
        }
        let stats = snapshot.stats(row.no).unwrap();
        let mut records = BTreeMap::new();
        let mut bytes = 0;
        snapshot
            .scan(
                row.no,
                &Scan::under(&RecordPath::root()),
                &mut |key, seq, json| {
                    bytes += (key.len() + json.len()) as u64;
                    records.insert(key.to_owned(), (seq, json.to_vec()));
                    true
                },
            )
            .unwrap();
        assert_eq!(
            (stats.records, stats.record_bytes),
            (records.len() as u64, bytes),
            "{id}"
        );
        check_changes(snapshot, row.no, &records);
        let (mut blobs, mut blob_bytes) = (0, 0);
        snapshot
            .blobs(row.no, &RecordPath::root(), &mut |_, blob| {
                (blobs, blob_bytes) = (blobs + 1, blob_bytes + blob.size);
                true
            })
            .unwrap();
        assert_eq!((stats.blobs, stats.blob_bytes), (blobs, blob_bytes), "{id}");
        for index in snapshot.indexes(row.no).unwrap() {
            let ready = format!("{:?}", index.state) == "Ready";
            for (key, (_, json)) in &records {
                let value: serde_json::Value = serde_json::from_slice(json).unwrap();
                let path = RecordPath::from_key(key);
                if let Some(field) = value.pointer(&index.pointers[0])
                    && index.covers(&path)
                    && ready
                {
                    let prefix = index.prefix(std::slice::from_ref(field)).unwrap();
                    indexed.insert([prefix.as_slice(), key.as_bytes()].concat());
                }
            }
            let first = index.no.to_be_bytes();
            let last = (index.no + 1).to_be_bytes();
            if ready {
                let mut found = 0;
                snapshot
                    .entries(
                        Bound::Included(&first),
                        Bound::Excluded(&last),
                        false,
                        &mut |entry| {
                            found += 1;
                            assert!(indexed.contains(entry), "{id} {index:?} has a stray entry");
                            true
                        },
                    )
                    .unwrap();
                assert_eq!(
                    found,
                    indexed.iter().filter(|key| key.starts_with(&first)).count(),
                    "{id} {index:?}"
                );
            }
        }
    }
}

fn check_changes(snapshot: &Snapshot, db: DbNo, records: &BTreeMap<String, (u64, Vec<u8>)>) {
    let stats = snapshot.stats(db).unwrap();
    let (mut puts, mut dels, mut paths) = (BTreeMap::new(), 0, BTreeSet::new());
    snapshot
        .changes(db, 0, usize::MAX, &mut |change| {
            assert!(
                paths.insert(change.key.to_owned()),
                "{} changed twice",
                change.key
            );
            assert!(change.seq <= stats.seq);
            match change.kind {
                ChangeKind::Put => drop(puts.insert(change.key.to_owned(), change.seq)),
                ChangeKind::Del => dels += 1,
            }
            true
        })
        .unwrap();
    let expected: BTreeMap<String, u64> = records
        .iter()
        .map(|(key, (seq, _))| (key.clone(), *seq))
        .collect();
    assert_eq!(puts, expected);
    assert_eq!(dels, stats.tombstones);
}
