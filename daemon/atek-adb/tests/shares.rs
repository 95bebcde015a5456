//! Databases that are shared among users, or given to an app: as far as that goes and no further.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

mod common;

use common::{ADB_KEY, Adb, As, SYSTEM};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The app that made the database.
const OWNER: As = As("bob", "notes");
/// Another user in person.
const CAROL: As = As("carol", ADB_KEY);
/// An app of hers.
const CAROLS_APP: As = As("carol", "reader");
/// Another app of the owner's.
const BOBS_APP: As = As("bob", "reader");

const FAR: i64 = 32_503_680_000;

fn share(db: &str, with: Value, level: &str, until: i64) -> Value {
    json!({
        "id": "s1", "what": { "database": db }, "with": with, "level": level,
        "by": "bob", "at": "2026-01-01T00:00:00Z", "until": until,
    })
}

fn grant(db: &str, service: &str, access: &str, verdict: &str) -> Value {
    json!({
        "id": "g1", "service": service, "permission": format!("database:{db}:{access}"),
        "verdict": verdict, "by": "bob", "at": "2026-01-01T00:00:00Z",
    })
}

/// Whether a caller may read, write, configure and delete.
async fn may(adb: &Adb, who: As, db: &str) -> (bool, bool, bool, bool) {
    let read = adb.call(who, "recordGet", json!([db, "a/1"])).await.is_ok();
    let write = adb
        .call(who, "recordPut", json!([db, "a/1", {}]))
        .await
        .is_ok();
    // A change that changes nothing is allowed to every reader, so the name is new each time.
    static NTH: AtomicUsize = AtomicUsize::new(0);
    let nth = NTH.fetch_add(1, Ordering::Relaxed);
    let name = json!([db, { "displayName": format!("name {nth}") }]);
    let configure = adb.call(who, "dbConfigure", name).await.is_ok();
    let given_away = json!([db, { "owner": { "userKey": who.0, "serviceKey": who.1 } }]);
    let take = adb.call(who, "adminEditDbConfig", given_away).await.is_ok();
    (read, write, configure, take)
}

async fn house() -> (Adb, String, String) {
    let (adb, server) = Adb::initialized().await;
    let db = adb.private_db(OWNER).await;
    adb.call(OWNER, "recordPut", json!([db, "a/1", {}]))
        .await
        .unwrap();
    (adb, server, db)
}

async fn put(adb: &Adb, server: &str, path: &str, value: Value) {
    adb.call(SYSTEM, "recordPut", json!([server, path, value]))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_share_with_a_user_or_a_group_goes_as_far_as_its_level() {
    let (adb, server, db) = house().await;
    let none = (false, false, false, false);
    assert_eq!(may(&adb, CAROL, &db).await, none);
    let group = json!({ "key": "family", "name": "Family", "members": ["carol", "dan"] });
    put(&adb, &server, "atek.cloud/group/family", group).await;
    for with in [json!({ "user": "carol" }), json!({ "group": "family" })] {
        for (level, expected) in [
            ("view", (true, false, false, false)),
            ("use", (true, true, false, false)),
            ("manage", (true, true, true, false)),
        ] {
            let record = share(&db, with.clone(), level, FAR);
            put(&adb, &server, "atek.cloud/share/s1", record).await;
            assert_eq!(may(&adb, CAROL, &db).await, expected, "{with} {level}");
            // What she may in person, no app of hers may.
            assert_eq!(may(&adb, CAROLS_APP, &db).await, none, "{with} {level}");
            assert_eq!(
                may(&adb, As("eve", ADB_KEY), &db).await,
                none,
                "{with} {level}"
            );
        }
    }
    let over = share(&db, json!({ "user": "carol" }), "manage", 1);
    put(&adb, &server, "atek.cloud/share/s1", over).await;
    assert_eq!(may(&adb, CAROL, &db).await, none, "its time is over");
}

#[tokio::test]
async fn an_app_gets_the_database_that_a_person_picked_and_no_more() {
    let (adb, server, db) = house().await;
    let other = adb.private_db(OWNER).await;
    let none = (false, false, false, false);
    assert_eq!(may(&adb, BOBS_APP, &db).await, none);
    for (access, expected) in [
        ("read", (true, false, false, false)),
        ("write", (true, true, false, false)),
    ] {
        let record = grant(&db, "reader", access, "allow");
        put(&adb, &server, "atek.cloud/grant/g1", record).await;
        assert_eq!(may(&adb, BOBS_APP, &db).await, expected, "{access}");
        assert_eq!(may(&adb, BOBS_APP, &other).await, none);
        assert_eq!(may(&adb, As("bob", "third"), &db).await, none);
        // The same app key under another user's name, who has no share.
        assert_eq!(may(&adb, CAROLS_APP, &db).await, none);
    }
    let denied = grant(&db, "reader", "write", "deny");
    put(&adb, &server, "atek.cloud/grant/g1", denied).await;
    assert_eq!(may(&adb, BOBS_APP, &db).await, none);
    // Half a record gives nothing.
    let broken = json!({ "service": "reader", "permission": format!("database:{db}:write") });
    put(&adb, &server, "atek.cloud/grant/g1", broken).await;
    assert_eq!(may(&adb, BOBS_APP, &db).await, none);
}
