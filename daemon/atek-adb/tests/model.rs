//! The storage beside a model: a sorted map with its whole history.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

mod state;

use atek_adb::error::AdbError;
use atek_adb::path::RecordPath;
use atek_adb::storage::indexes::{IndexState, end_of};
use atek_adb::storage::{ChangeKind, DbNo, Engine, Expected, Read as _, Scan, Tx};
use proptest::prelude::*;
use redb::backends::InMemoryBackend;
use serde_json::{Value, json};
use state::{Run, UNLIMITED, check, commit};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Deletes that the storage remembers in these tests: few, so that forgetting happens.
const TOMBSTONES: u64 = 4;

#[derive(Debug, Clone)]
enum Op {
    Put {
        key: String,
        n: i64,
        expected: Option<u64>,
    },
    Delete {
        key: String,
    },
    /// All or none; the last one fails when the flag is set.
    Batch {
        ops: Vec<(String, Option<i64>)>,
        fails: bool,
    },
    /// Several operations of different callers in one commit.
    Together(Vec<Op>),
    Index,
    DropIndex,
}

#[derive(Debug, Clone, Default)]
struct Model {
    seq: u64,
    records: BTreeMap<String, (u64, i64)>,
    /// The state after each sequence number.
    history: Vec<BTreeMap<String, (u64, i64)>>,
    indexed: bool,
}

impl Model {
    fn put(&mut self, key: &str, n: i64) {
        self.seq += 1;
        self.records.insert(key.to_owned(), (self.seq, n));
        self.history.push(self.records.clone());
    }

    fn delete(&mut self, key: &str) {
        if self.records.remove(key).is_some() {
            self.seq += 1;
            self.history.push(self.records.clone());
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Put { key, n, expected } => {
                let found = self.records.get(key).map_or(0, |(seq, _)| *seq);
                if expected.is_none_or(|expected| expected == found) {
                    self.put(key, *n);
                }
            }
            Op::Delete { key } => self.delete(key),
            Op::Batch { fails: true, .. } => {}
            Op::Batch { ops, .. } => {
                for (key, n) in ops {
                    match n {
                        Some(n) => self.put(key, *n),
                        None => self.delete(key),
                    }
                }
            }
            Op::Together(ops) => ops.iter().for_each(|op| self.apply(op)),
            Op::Index => self.indexed = true,
            Op::DropIndex => self.indexed = false,
        }
    }
}

fn key() -> impl Strategy<Value = String> {
    // Few keys, so that they meet; some under others, some beside them in byte order.
    prop::sample::select(vec![
        "a", "a\0a", "a\0b", "a\0b\0c", "a!", "ab", "b", "b\0a", "\u{1}",
    ])
    .prop_map(str::to_owned)
}

fn small_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (key(), -3_i64..3, prop::option::weighted(0.3, 0_u64..8)).prop_map(|(key, n, expected)| Op::Put { key, n, expected }),
        3 => key().prop_map(|key| Op::Delete { key }),
        2 => (prop::collection::vec((key(), prop::option::of(-3_i64..3)), 0..5), any::<bool>())
            .prop_map(|(ops, fails)| Op::Batch { ops, fails }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => small_op(),
        3 => prop::collection::vec(small_op(), 1..6).prop_map(Op::Together),
        1 => Just(Op::Index),
        1 => Just(Op::DropIndex),
    ]
}

fn text(n: i64) -> Vec<u8> {
    json!({"n": n}).to_string().into_bytes()
}

fn run(tx: &mut Tx<'_>, db: DbNo, op: &Op) -> Result<(), AdbError> {
    match op {
        Op::Put { key, n, expected } => {
            let expected = expected.map_or(Expected::Any, Expected::Seq);
            tx.put(
                db,
                &RecordPath::from_key(key),
                &text(*n),
                expected,
                &UNLIMITED,
            )
            .map(drop)
        }
        Op::Delete { key } => tx
            .delete(db, &RecordPath::from_key(key), Expected::Any)
            .map(drop),
        Op::Batch { ops, fails } => {
            for (key, n) in ops {
                let path = RecordPath::from_key(key);
                match n {
                    Some(n) => drop(tx.put(db, &path, &text(*n), Expected::Any, &UNLIMITED)?),
                    None => drop(tx.delete(db, &path, Expected::Any)?),
                }
            }
            if *fails {
                Err(AdbError::Refused("on purpose".to_owned()))
            } else {
                Ok(())
            }
        }
        Op::Index => match tx.create_index(
            db,
            "i",
            &RecordPath::from_key("a"),
            vec!["/n".to_owned()],
            9,
        ) {
            Ok(row) if row.state == IndexState::Building => {
                let mut after = None;
                while let Some(next) = tx.index_step(db, row.no, after.as_deref(), 2)? {
                    after = Some(next);
                }
                Ok(())
            }
            other => other.map(drop),
        },
        Op::DropIndex => {
            let no = tx.drop_index(db, "i")?;
            while !tx.drop_index_step(db, no, 2)? {}
            Ok(())
        }
        Op::Together(_) => unreachable!("only at the top"),
    }
}

fn apply(engine: &Engine, db: DbNo, op: &Op) {
    let ops = match op {
        Op::Together(ops) => ops.clone(),
        one => vec![one.clone()],
    };
    let mut runs: Vec<_> = ops
        .iter()
        .map(|op| Run::new(move |tx: &mut Tx<'_>| run(tx, db, op)))
        .collect();
    let mut jobs: Vec<&mut dyn atek_adb::storage::engine::Job> =
        runs.iter_mut().map(|run| run as _).collect();
    engine.commit(&mut jobs).unwrap();
}

fn compare(engine: &Engine, db: DbNo, model: &Model, since: u64) {
    let snapshot = engine.snapshot().unwrap();
    check(&snapshot);
    let stats = snapshot.stats(db).unwrap();
    assert_eq!(stats.seq, model.seq);
    for path in ["", "a", "a\0b", "b", "c"] {
        let path = RecordPath::from_key(path);
        for reverse in [false, true] {
            let mut expected: Vec<_> = model
                .records
                .iter()
                .filter(|(key, _)| path.contains(&RecordPath::from_key(key)))
                .map(|(key, (seq, n))| (key.clone(), *seq, text(*n)))
                .collect();
            if reverse {
                expected.reverse();
            }
            let mut found = Vec::new();
            let scan = Scan {
                reverse,
                ..Scan::under(&path)
            };
            snapshot
                .scan(db, &scan, &mut |key, seq, json| {
                    found.push((key.to_owned(), seq, json.to_vec()));
                    true
                })
                .unwrap();
            assert_eq!(found, expected, "{path:?}");
        }
    }
    compare_index(engine, db, model);
    // What a reader that knows the state at `since` makes of the changes.
    if since > 0 && since < stats.floor {
        return;
    }
    let mut known = match since {
        0 => BTreeMap::new(),
        since => model.history[since as usize - 1].clone(),
    };
    snapshot
        .changes(db, since, usize::MAX, &mut |change| {
            match change.kind {
                ChangeKind::Del => drop(known.remove(change.key)),
                ChangeKind::Put => {
                    let record = snapshot
                        .record(db, &RecordPath::from_key(change.key))
                        .unwrap()
                        .unwrap();
                    let value: Value = serde_json::from_slice(&record.json).unwrap();
                    known.insert(
                        change.key.to_owned(),
                        (record.seq, value["n"].as_i64().unwrap()),
                    );
                }
            }
            true
        })
        .unwrap();
    assert_eq!(known, model.records, "changes since {since}");
}

fn compare_index(engine: &Engine, db: DbNo, model: &Model) {
    let snapshot = engine.snapshot().unwrap();
    let rows = snapshot.indexes(db).unwrap();
    assert_eq!(rows.len(), usize::from(model.indexed));
    let Some(index) = rows.first() else { return };
    let from = index.prefix(&[json!(0)]).unwrap();
    let to = end_of(&from).unwrap();
    let mut found = Vec::new();
    snapshot
        .entries(
            Bound::Included(&from),
            Bound::Excluded(&to),
            false,
            &mut |entry| {
                found.push(String::from_utf8(entry[from.len()..].to_vec()).unwrap());
                true
            },
        )
        .unwrap();
    let below = RecordPath::from_key("a");
    let zero = model
        .records
        .iter()
        .filter(|(key, (_, n))| *n == 0 && below.contains(&RecordPath::from_key(key)));
    assert_eq!(found, zero.map(|(key, _)| key.clone()).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_storage_behaves_as_a_sorted_map_with_history(ops in prop::collection::vec(op(), 1..40), since in any::<prop::sample::Index>()) {
        let engine = Engine::with_backend(InMemoryBackend::new(), TOMBSTONES).unwrap();
        let id = "ab".repeat(32).parse().unwrap();
        let db = commit(&engine, |tx| tx.create_database(&id)).unwrap().unwrap();
        let mut model = Model::default();
        for op in &ops {
            apply(&engine, db, op);
            model.apply(op);
        }
        compare(&engine, db, &model, since.index(model.seq as usize + 1) as u64);
        engine.compact().unwrap();
        compare(&engine, db, &model, 0);
    }

    #[test]
    fn any_range_is_what_a_map_gives(
        keys in prop::collection::btree_set(key(), 0..9),
        from in prop::option::of((key(), any::<bool>())),
        to in prop::option::of((key(), any::<bool>())),
    ) {
        let engine = Engine::with_backend(InMemoryBackend::new(), TOMBSTONES).unwrap();
        let id = "ab".repeat(32).parse().unwrap();
        let db = commit(&engine, |tx| tx.create_database(&id)).unwrap().unwrap();
        for key in &keys {
            commit(&engine, |tx| tx.put(db, &RecordPath::from_key(key), b"{}", Expected::Any, &UNLIMITED)).unwrap().unwrap();
        }
        let bound = |end: Option<(String, bool)>| match end {
            None => Bound::Unbounded,
            Some((key, true)) => Bound::Included(key),
            Some((key, false)) => Bound::Excluded(key),
        };
        let (from, to) = (bound(from), bound(to));
        let mut scan = Scan::under(&RecordPath::root());
        if from != Bound::Unbounded { scan.raise(from.clone()); }
        if to != Bound::Unbounded { scan.lower(to.clone()); }
        let mut found = Vec::new();
        engine.snapshot().unwrap().scan(db, &scan, &mut |key, _, _| { found.push(key.to_owned()); true }).unwrap();
        let inside = |key: &&String| {
            let above = match &from { Bound::Unbounded => true, Bound::Included(f) => *key >= f, Bound::Excluded(f) => *key > f };
            let below = match &to { Bound::Unbounded => true, Bound::Included(t) => *key <= t, Bound::Excluded(t) => *key < t };
            above && below
        };
        let expected: Vec<String> = keys.iter().filter(inside).cloned().collect();
        prop_assert_eq!(found, expected);
    }
}
