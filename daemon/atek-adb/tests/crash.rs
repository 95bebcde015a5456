//! A crash at every request to the disk, in several kinds, over all operations of ADB.
//!
//! The workload runs once on a disk that records every request. For each point of
//! that record the disk is put together as a crash there would leave it, opened,
//! and compared: it must hold exactly what was acknowledged, and at most the commit
//! that was under way, whole.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

mod disk;
mod state;

use atek_adb::error::AdbError;
use atek_adb::path::RecordPath;
use atek_adb::storage::blobs::BlobRow;
use atek_adb::storage::{DbNo, Engine, Expected, Tx};
use atek_api::ids::DbId;
use disk::{Image, Recorder, Request};
use state::{Run, UNLIMITED, check, commit, dump};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

const TOMBSTONES: u64 = 10;
/// The least number of crashes that count as a test.
const CRASHES: usize = 10_000;

/// Repeats itself from run to run.
struct Random(u64);

impl Random {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % below
    }
}

/// What was acknowledged when.
struct Acknowledged {
    /// Requests to the disk when the commit returned.
    requests: usize,
    /// Everything that was stored then.
    state: String,
}

fn id(n: usize) -> DbId {
    format!("{n:064x}").parse().unwrap()
}

fn put(tx: &mut Tx<'_>, db: DbNo, key: usize, n: usize) -> Result<u64, AdbError> {
    let path = RecordPath::from_key(&format!("t\0{key}"));
    let json = format!(r#"{{"n":{n},"text":"{}"}}"#, "x".repeat(n % 700));
    tx.put(db, &path, json.as_bytes(), Expected::Any, &UNLIMITED)
}

/// Runs every kind of operation many times; returns the record of the disk and of the
/// acknowledgements.
fn workload() -> (Vec<Request>, Vec<Acknowledged>) {
    let disk = Recorder::default();
    let engine = Engine::with_backend(disk.clone(), TOMBSTONES).unwrap();
    let mut done = Vec::new();
    let mut note = |engine: &Engine| {
        let snapshot = engine.snapshot().unwrap();
        check(&snapshot);
        done.push(Acknowledged {
            requests: disk.len(),
            state: dump(&snapshot),
        });
    };
    note(&engine);
    let mut dice = Random(7);
    let mut dbs: Vec<(DbId, DbNo)> = Vec::new();
    let mut made = 0;
    for step in 0..260 {
        if dbs.len() < 2 || step % 60 == 0 {
            made += 1;
            let id = id(made);
            let db = commit(&engine, |tx| {
                tx.set_server_db(&id)?;
                tx.create_database(&id)
            });
            dbs.push((id, db.unwrap().unwrap()));
            note(&engine);
        }
        let (ref id, db) = dbs[dice.roll(dbs.len())];
        let id = id.clone();
        let (key, n) = (dice.roll(60), dice.roll(1000));
        match dice.roll(12) {
            // Several callers share a commit; one of them fails after it has written.
            0..=4 => {
                let mut one = Run::new(|tx: &mut Tx<'_>| put(tx, db, key, n));
                let mut two = Run::new(|tx: &mut Tx<'_>| {
                    put(tx, db, key + 1, n)?;
                    if n % 3 == 0 {
                        Err(AdbError::NotAuthorized)
                    } else {
                        Ok(())
                    }
                });
                let mut three = Run::new(|tx: &mut Tx<'_>| put(tx, db, key + 2, n));
                engine
                    .commit(&mut [&mut one, &mut two, &mut three])
                    .unwrap();
            }
            5 | 6 => {
                let path = RecordPath::from_key(&format!("t\0{key}"));
                commit(&engine, |tx| tx.delete(db, &path, Expected::Any))
                    .unwrap()
                    .unwrap();
            }
            7 => {
                let batch = commit(&engine, |tx| {
                    (0..20)
                        .map(|more| put(tx, db, key + more, n))
                        .collect::<Result<Vec<_>, _>>()
                });
                batch.unwrap().unwrap();
            }
            8 => {
                let path = RecordPath::from_key(&format!("b\0{}", key % 5));
                let row = BlobRow {
                    no: step as u64,
                    size: n as u64,
                    hash: "h".repeat(64),
                    media_type: None,
                };
                commit(&engine, |tx| {
                    tx.put_blob(db, &path, &row, &UNLIMITED, u64::MAX)
                })
                .unwrap()
                .unwrap();
            }
            9 => {
                let path = RecordPath::from_key(&format!("b\0{}", key % 5));
                commit(&engine, |tx| tx.delete_blob(db, &path))
                    .unwrap()
                    .unwrap();
            }
            10 => {
                let name = format!("i{}", key % 3);
                let below = RecordPath::from_key("t");
                let made = commit(&engine, |tx| {
                    tx.create_index(db, &name, &below, vec!["/n".to_owned()], 9)
                });
                note(&engine);
                let mut after: Option<String> = None;
                if let Ok(row) = made.unwrap() {
                    while let Some(next) =
                        commit(&engine, |tx| tx.index_step(db, row.no, after.as_deref(), 7))
                            .unwrap()
                            .unwrap()
                    {
                        after = Some(next);
                        note(&engine);
                    }
                } else {
                    let no = commit(&engine, |tx| tx.drop_index(db, &name))
                        .unwrap()
                        .unwrap();
                    note(&engine);
                    while !commit(&engine, |tx| tx.drop_index_step(db, no, 7))
                        .unwrap()
                        .unwrap()
                    {
                        note(&engine);
                    }
                }
            }
            _ if dbs.len() > 3 => {
                commit(&engine, |tx| tx.drop_database(&id))
                    .unwrap()
                    .unwrap();
                note(&engine);
                dbs.retain(|(other, _)| *other != id);
                while !commit(&engine, |tx| tx.purge_step(&id, 15))
                    .unwrap()
                    .unwrap()
                {
                    note(&engine);
                }
            }
            _ if step % 5 == 0 => drop(engine.compact().unwrap()),
            _ => {}
        }
        note(&engine);
    }
    (disk.log(), done)
}

/// How a disk can be left by a crash.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// The process died: everything that was asked is there.
    Stop,
    /// The power went: nothing since the last sync is there.
    Lost,
    /// The power went: some of what was asked since the last sync is there, in any order, and one
    /// write is torn.
    Torn(u64),
}

const KINDS: [Kind; 4] = [Kind::Stop, Kind::Lost, Kind::Torn(1), Kind::Torn(2)];

fn crashed(base: &Arc<Vec<u8>>, pending: &[Request], kind: Kind, point: usize) -> Image {
    let image = Image::new(base.clone());
    match kind {
        Kind::Stop => pending
            .iter()
            .for_each(|request| image.apply(request, None)),
        Kind::Lost => {}
        Kind::Torn(seed) => {
            let mut dice = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ point as u64);
            let torn = dice.roll(pending.len().max(1));
            for (nth, request) in pending.iter().enumerate() {
                if nth == torn {
                    image.apply(request, Some(dice.roll(4096)));
                } else if dice.roll(2) == 0 {
                    image.apply(request, None);
                }
            }
        }
    }
    image
}

/// A point at which the machine dies: before request `at`, of which those from `synced` on are not
/// durable.
struct Point {
    at: usize,
    synced: usize,
    durable: Arc<Vec<u8>>,
}

/// Sends every point of the record, in order.
fn points(log: &[Request], first: usize, out: &[SyncSender<Point>]) {
    let (mut durable, mut synced) = (Arc::new(Vec::new()), 0);
    for (at, request) in log.iter().enumerate() {
        // Before the file was made there is nothing to lose.
        if at >= first {
            let durable = Arc::clone(&durable);
            // Fails when a thread has found something and is gone.
            out[at % out.len()]
                .send(Point {
                    at,
                    synced,
                    durable,
                })
                .unwrap();
        }
        if matches!(request, Request::Sync) {
            let bytes = Arc::make_mut(&mut durable);
            for request in &log[synced..at] {
                match request {
                    Request::Write { offset, bytes: new } => {
                        bytes[*offset..offset + new.len()].copy_from_slice(new);
                    }
                    Request::SetLen(len) => bytes.resize(*len, 0),
                    Request::Sync => {}
                }
            }
            synced = at + 1;
        }
    }
}

fn survives(point: &Point, kind: Kind, log: &[Request], done: &[Acknowledged]) {
    let at = point.at;
    let image = crashed(&point.durable, &log[point.synced..at], kind, at);
    let engine = Engine::with_backend(image, TOMBSTONES)
        .unwrap_or_else(|error| panic!("crash {kind:?} before request {at}: {error:?}"));
    let snapshot = engine.snapshot().unwrap();
    let found = dump(&snapshot);
    let last = done.partition_point(|ack| ack.requests <= at) - 1;
    let allowed = &done[last..(last + 2).min(done.len())];
    assert!(
        allowed.iter().any(|ack| ack.state == found),
        "crash {kind:?} before request {at} (acknowledged: {last}) left\n{found}"
    );
    check(&snapshot);
}

#[test]
fn what_was_acknowledged_survives_a_crash_at_every_request_and_nothing_half_done_does() {
    let (log, done) = workload();
    let crashes = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let (log, done, crashes) = (&log, &done, &crashes);
        let senders: Vec<SyncSender<Point>> = (0..threads)
            .map(|_| {
                let (sender, receiver) = sync_channel::<Point>(64);
                scope.spawn(move || {
                    for point in receiver {
                        for kind in KINDS {
                            survives(&point, kind, log, done);
                            crashes.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
                sender
            })
            .collect();
        points(log, done[0].requests, &senders);
    });
    let crashes = crashes.into_inner();
    println!("{crashes} crashes over {} commits", done.len());
    assert!(crashes >= CRASHES, "only {crashes} crashes");
}
