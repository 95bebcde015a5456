//! The real process, killed while many write.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

mod common;

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
