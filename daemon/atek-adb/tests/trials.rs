//! Trials: what a service changed is taken back, and what others wrote stays.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

mod common;

use common::{ADB_KEY, Adb, As, SYSTEM};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NOTES: As = As("bob", "notes");
/// The same user by his own hand.
const BOB: As = As("bob", ADB_KEY);

async fn begin(adb: &Adb) {
    adb.call(SYSTEM, "adminBeginTrial", json!(["notes"]))
        .await
        .unwrap();
}

async fn end(adb: &Adb, take_back: bool) {
    let options = json!(["notes", { "takeBack": take_back }]);
    adb.call(SYSTEM, "adminEndTrial", options).await.unwrap();
}

async fn put(adb: &Adb, who: As, db: &str, key: &str, n: u64) {
    let record = json!([db, key, { "n": n }]);
    adb.call(who, "recordPut", record).await.unwrap();
}

async fn delete(adb: &Adb, who: As, db: &str, key: &str) {
    adb.call(who, "recordDelete", json!([db, key]))
        .await
        .unwrap();
}

/// Every record of a database.
async fn all(adb: &Adb, db: &str) -> BTreeMap<String, Value> {
    let list = adb
        .call(NOTES, "recordList", json!([db, ""]))
        .await
        .unwrap();
    let records = list["records"].as_array().unwrap().iter();
    records
        .map(|record| {
            (
                record["key"].as_str().unwrap().to_owned(),
                record["value"].clone(),
            )
        })
        .collect()
}

fn is(pairs: &[(&str, u64)]) -> BTreeMap<String, Value> {
    pairs
        .iter()
        .map(|(key, n)| ((*key).to_owned(), json!({ "n": n })))
        .collect()
}

#[tokio::test]
async fn what_a_service_changed_is_taken_back_and_what_others_wrote_stays() {
    let (mut adb, server) = Adb::initialized().await;
    let db = adb.private_db(NOTES).await;
    for (key, n) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        put(&adb, NOTES, &db, key, n).await;
    }
    begin(&adb).await;
    put(&adb, NOTES, &db, "a", 10).await;
    put(&adb, NOTES, &db, "a", 11).await;
    delete(&adb, NOTES, &db, "b").await;
    put(&adb, NOTES, &db, "new", 5).await;
    // A person writes beside it, over it and after it.
    put(&adb, BOB, &db, "mine", 6).await;
    put(&adb, NOTES, &db, "c", 30).await;
    put(&adb, BOB, &db, "c", 31).await;
    delete(&adb, BOB, &db, "d").await;
    put(&adb, NOTES, &db, "d", 40).await;
    // The notes are in the same commits as the changes.
    adb.kill_and_restart().await;
    adb.call(SYSTEM, "init", json!([{ "serverDbId": server }]))
        .await
        .unwrap();
    end(&adb, true).await;
    let expected = is(&[("a", 1), ("b", 2), ("mine", 6), ("c", 31)]);
    assert_eq!(all(&adb, &db).await, expected);
    // It has ended: nothing more is taken back.
    put(&adb, NOTES, &db, "a", 12).await;
    end(&adb, true).await;
    assert_eq!(all(&adb, &db).await["a"], json!({ "n": 12 }));
}

#[tokio::test]
async fn a_trial_that_is_kept_changes_nothing_and_a_new_one_begins_empty() {
    let (adb, _) = Adb::initialized().await;
    let db = adb.private_db(NOTES).await;
    put(&adb, NOTES, &db, "a", 1).await;
    begin(&adb).await;
    put(&adb, NOTES, &db, "a", 2).await;
    end(&adb, false).await;
    assert_eq!(all(&adb, &db).await, is(&[("a", 2)]));
    begin(&adb).await;
    put(&adb, NOTES, &db, "a", 3).await;
    begin(&adb).await;
    put(&adb, NOTES, &db, "a", 4).await;
    end(&adb, true).await;
    assert_eq!(all(&adb, &db).await, is(&[("a", 3)]));
}

#[tokio::test]
async fn a_database_that_was_made_on_trial_goes_and_none_can_be_deleted() {
    let (adb, _) = Adb::initialized().await;
    let old = adb.private_db(NOTES).await;
    begin(&adb).await;
    let new = adb.private_db(NOTES).await;
    put(&adb, NOTES, &new, "a", 1).await;
    let rename = json!([old, { "displayName": "Another" }]);
    adb.call(NOTES, "dbConfigure", rename).await.unwrap();
    let refusal = adb.refusal(NOTES, "adminDeleteDb", json!([old])).await;
    assert!(refusal.contains("on trial"), "{refusal}");
    end(&adb, true).await;
    let list = adb.call(NOTES, "dbList", json!([])).await.unwrap();
    let text = list.to_string();
    assert!(text.contains(&old) && !text.contains(&new), "{text}");
    assert!(!text.contains("Another"), "{text}");
    let refusal = adb.refusal(NOTES, "recordList", json!([new, ""])).await;
    assert!(refusal.contains("DB not found"), "{refusal}");
}

#[tokio::test]
async fn only_the_host_begins_and_ends_a_trial() {
    let (adb, _) = Adb::initialized().await;
    for who in [NOTES, BOB] {
        for method in ["adminBeginTrial", "adminEndTrial"] {
            let refusal = adb.refusal(who, method, json!(["notes"])).await;
            assert_eq!(refusal, "Not authorized");
        }
    }
}
