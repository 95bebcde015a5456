//! How it ends: killed while many write, stopped, and with a full disk.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

mod common;

use atek_adb::error::AdbError;
use atek_adb::limits::Limits;
use atek_adb::path::RecordPath;
use atek_adb::storage::{DbNo, Expected, Read as _, Store};
use common::{Adb, As};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const BOB: As = As("bob", "notes");
const WRITERS: usize = 16;

#[tokio::test]
async fn an_acknowledged_put_survives_kill_9_under_load() {
    let (mut adb, _) = Adb::initialized().await;
    let db = adb.private_db(BOB).await;
    let acknowledged: Arc<Vec<AtomicU64>> =
        Arc::new((0..WRITERS).map(|_| AtomicU64::new(0)).collect());
    for round in 1..=3_u64 {
        let pid = adb.pid();
        let writers = (0..WRITERS).map(|writer| {
            let (adb, db, acknowledged) = (&adb, &db, acknowledged.clone());
            async move {
                for n in acknowledged[writer].load(Ordering::Relaxed) + 1.. {
                    let params = json!([db, format!("w/{writer}"), {"n": n}]);
                    if adb.try_call(BOB, "recordPut", params).await.is_none() {
                        return;
                    }
                    acknowledged[writer].store(n, Ordering::Relaxed);
                    // The kill comes while the others write.
                    if writer == 0 && n >= round * 50 {
                        kill(pid);
                    }
                }
            }
        });
        futures_util::future::join_all(writers).await;
        adb.kill_and_restart().await;
        for writer in 0..WRITERS {
            let record = adb
                .call(BOB, "recordGet", json!([db, format!("w/{writer}")]))
                .await
                .unwrap();
            let (found, last) = (
                record["value"]["n"].as_u64().unwrap(),
                acknowledged[writer].load(Ordering::Relaxed),
            );
            assert!(
                found == last || found == last + 1,
                "writer {writer}: {last} acknowledged, {found} found"
            );
            acknowledged[writer].store(found, Ordering::Relaxed);
        }
    }
}

fn kill(pid: u32) {
    std::process::Command::new("kill")
        .arg("-9")
        .arg(pid.to_string())
        .status()
        .unwrap();
}

#[tokio::test]
async fn a_stopped_process_ends_well_and_leaves_a_closed_file() {
    let (mut adb, _) = Adb::initialized().await;
    let db = adb.private_db(BOB).await;
    adb.call(BOB, "recordPut", json!([db, "a", {}]))
        .await
        .unwrap();
    // One call is waiting, as there always is one.
    let waiting = adb.try_call(
        BOB,
        "recordDiff",
        json!([db, "/", {"since": 1, "wait": 20_000}]),
    );
    let stop = async {
        std::process::Command::new("kill")
            .arg(adb.pid().to_string())
            .status()
            .unwrap();
    };
    let (answer, ()) = tokio::join!(waiting, stop);
    assert!(answer.is_none());
    assert_eq!(adb.ended().await.code(), Some(0));
    let file = adb.data().join("adb.redb");
    // Only a file that was closed opens without repair.
    let reader = redb::Builder::new().open_read_only(file);
    assert!(reader.is_ok(), "{:?}", reader.err());
}

#[tokio::test]
async fn a_full_disk_accepts_deletes_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = |text: &str| RecordPath::parse(text, &Limits::default()).unwrap();
    let id: atek_api::ids::DbId = "ab".repeat(32).parse().unwrap();
    for (reserve_bytes, fits) in [(0, true), (u64::MAX, false)] {
        let limits = Limits {
            reserve_bytes,
            ..Limits::default()
        };
        let (store, closing) = Store::open(folder.path(), 1 << 20, &limits).unwrap();
        let (id, a) = (id.clone(), path("a"));
        let written = store
            .write(move |tx| {
                let db = match tx.database(&id)? {
                    Some(row) => row.no,
                    None => tx.create_database(&id)?,
                };
                tx.put(db, &a, b"{}", Expected::Any, &limits.quota)?;
                Ok(db)
            })
            .await;
        match written {
            Ok(_) => assert!(fits),
            Err(error) => {
                assert!(!fits && matches!(error, AdbError::DiskFull), "{error}");
                let a = path("a");
                let deleted = store
                    .write(move |tx| tx.delete(DbNo(1), &a, Expected::Any))
                    .await
                    .unwrap();
                assert_eq!(deleted, Some(2));
            }
        }
        drop(store);
        assert!(closing.wait(std::time::Duration::from_secs(60)));
    }
}
