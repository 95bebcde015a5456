//! Who may do what: rights, deleted databases, quotas, owners.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

mod common;

use common::{ADB_KEY, Adb, As, SYSTEM};
use serde_json::{Value, json};

const BOB: As = As("bob", "notes");
const EVE: As = As("eve", "notes");

#[tokio::test]
async fn reading_never_implies_writing_and_private_is_private() {
    let (adb, server) = Adb::initialized().await;
    adb.user(&server, "root", "admin").await;
    let private = adb.private_db(BOB).await;
    let public = adb
        .call(BOB, "dbCreate", json!([{"access": "public"}]))
        .await
        .unwrap()["dbId"]
        .as_str()
        .unwrap()
        .to_owned();
    for id in [&private, &public] {
        adb.call(BOB, "recordPut", json!([id, "a", {}]))
            .await
            .unwrap();
    }
    let refused = |id: &str| format!("Not authorized to access {id}");
    for who in [
        EVE,
        As("bob", "other"),
        As("eve", ADB_KEY),
        As("root", "notes"),
        As("system", "core"),
    ] {
        for (method, params) in [
            ("recordGet", json!([private, "a"])),
            ("recordList", json!([private, "/"])),
            ("dbDescribe", json!([private])),
            ("dbGetConfig", json!([private])),
            ("blobList", json!([private])),
            ("recordPut", json!([private, "a", {}])),
        ] {
            assert_eq!(
                adb.refusal(who, method, params).await,
                refused(&private),
                "{who:?} {method}"
            );
        }
        assert!(
            adb.call(who, "recordGet", json!([public, "a"]))
                .await
                .is_ok(),
            "{who:?}"
        );
        for (method, params) in [
            ("recordPut", json!([public, "a", {}])),
            ("recordDelete", json!([public, "a"])),
            (
                "recordBatch",
                json!([public, [{"type": "del", "path": "a"}]]),
            ),
            ("indexCreate", json!([public, "i", {"pointers": ["/a"]}])),
            ("tblPut", json!([public, "a/b", "c", {}])),
            ("tblDefine", json!([public, "a/b", {}])),
        ] {
            assert_eq!(
                adb.refusal(who, method, params).await,
                refused(&public),
                "{who:?} {method}"
            );
        }
        assert!(
            adb.refusal(who, "adminDeleteDb", json!([public]))
                .await
                .starts_with("Can't configure a database")
        );
    }
    for who in [As("bob", ADB_KEY), As("root", ADB_KEY), SYSTEM] {
        adb.call(who, "recordPut", json!([private, "a", {}]))
            .await
            .unwrap();
    }
    for who in [
        BOB,
        As("bob", ADB_KEY),
        As("root", ADB_KEY),
        As("system", "core"),
    ] {
        for (method, params) in [
            ("recordGet", json!([server, "atek.cloud/user/root"])),
            ("recordList", json!([server, "/"])),
            (
                "recordPut",
                json!([server, "atek.cloud/user/bob", {"role": "admin"}]),
            ),
            ("recordDiff", json!([server, "/"])),
            ("dbDescribe", json!([server])),
            ("dbConfigure", json!([server, {"access": "public"}])),
            ("adminDeleteDb", json!([server])),
        ] {
            assert_eq!(
                adb.refusal(who, method, params).await,
                refused(&server),
                "{who:?} {method}"
            );
        }
    }
}

#[tokio::test]
async fn a_deleted_database_is_gone() {
    let (mut adb, server) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    for n in 0..30 {
        adb.call(BOB, "recordPut", json!([id, format!("r/{n}"), {}]))
            .await
            .unwrap();
    }
    assert_eq!(
        adb.call(BOB, "adminDeleteDb", json!([id])).await.unwrap(),
        Value::Null
    );
    for _ in 0..2 {
        for who in [BOB, SYSTEM, EVE] {
            assert_eq!(
                adb.refusal(who, "recordGet", json!([id, "r/1"])).await,
                format!("DB not found: {id}")
            );
            assert_eq!(
                adb.refusal(who, "recordPut", json!([id, "r/1", {}])).await,
                format!("DB not found: {id}")
            );
        }
        assert_eq!(
            adb.refusal(BOB, "adminDeleteDb", json!([id])).await,
            "DB not found"
        );
        assert_eq!(adb.call(BOB, "dbList", json!([])).await.unwrap(), json!([]));
        assert_eq!(
            adb.call(BOB, "dbDescribe", json!([id])).await.unwrap(),
            json!({"dbId": id, "writable": false, "isServerDb": false})
        );
        // Writing the metadata back does not bring it back.
        let meta = json!({"dbId": id, "createdAt": "2026-01-01T00:00:00.000Z", "access": "public"});
        adb.call(
            SYSTEM,
            "recordPut",
            json!([server, ["atek.cloud", "database", id], meta]),
        )
        .await
        .unwrap();
        assert_eq!(
            adb.refusal(BOB, "recordList", json!([id, "/"])).await,
            format!("DB not found: {id}")
        );
        adb.call(
            SYSTEM,
            "recordDelete",
            json!([server, ["atek.cloud", "database", id]]),
        )
        .await
        .unwrap();
        adb.kill_and_restart().await;
    }
}

#[tokio::test]
async fn quotas_are_set_by_administrators_and_seen_by_the_owner() {
    let (adb, server) = Adb::initialized().await;
    adb.user(&server, "root", "admin").await;
    let root = As("root", ADB_KEY);
    let id = adb.private_db(BOB).await;
    let quota = json!({"maxBytes": 100, "maxRecords": 3});
    assert_eq!(
        adb.refusal(BOB, "adminEditDbConfig", json!([id, {"quota": quota}]))
            .await,
        "Only an administrator can change the quota of a database"
    );
    adb.call(root, "adminEditDbConfig", json!([id, {"quota": quota}]))
        .await
        .unwrap();
    for n in 0..3 {
        adb.call(BOB, "recordPut", json!([id, format!("r{n}"), {"n": n}]))
            .await
            .unwrap();
    }
    let (_, message, data) = adb
        .call(BOB, "recordPut", json!([id, "r3", {}]))
        .await
        .unwrap_err();
    assert!(message.contains("3 of 3 records"), "{message}");
    assert_eq!(data["quota"], quota);
    let big = json!({"text": "x".repeat(100)});
    assert!(
        adb.refusal(BOB, "recordPut", json!([id, "r0", big]))
            .await
            .contains("of 100 bytes")
    );
    adb.call(BOB, "recordPut", json!([id, "r0", {}]))
        .await
        .unwrap();
    let info = adb.call(BOB, "dbDescribe", json!([id])).await.unwrap();
    assert_eq!(info["quota"], quota);
    assert_eq!(
        info["usage"],
        json!({"bytes": 22, "records": 3, "blobs": 0, "blobBytes": 0, "seq": 4})
    );
    adb.call(BOB, "recordDelete", json!([id, "r0"]))
        .await
        .unwrap();
    let all = adb
        .call(root, "adminListDbs", json!([{"serviceKey": "notes"}]))
        .await
        .unwrap();
    assert_eq!(all[0]["usage"]["records"], 2);
    assert_eq!(
        adb.call(root, "adminListDbs", json!([{"userKey": "bob"}]))
            .await
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        adb.call(root, "adminListDbs", json!([]))
            .await
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert!(
        adb.refusal(BOB, "adminListDbs", json!([]))
            .await
            .starts_with("Cannot enumerate")
    );
    assert_eq!(
        adb.call(BOB, "adminListDbs", json!([{"userKey": "bob"}]))
            .await
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_database_cannot_be_given_away_or_taken() {
    let (adb, server) = Adb::initialized().await;
    for (key, user) in [("photos", "bob"), ("theirs", "eve")] {
        let record = json!({"id": key, "owningUserKey": user});
        adb.call(
            SYSTEM,
            "recordPut",
            json!([server, ["atek.cloud", "service", key], record]),
        )
        .await
        .unwrap();
    }
    let id = adb.private_db(BOB).await;
    let edit = |owner: Value| json!([id, {"owner": owner}]);
    for (who, owner, expected) in [
        (
            BOB,
            json!({"userKey": "eve", "serviceKey": "notes"}),
            "Can't change the owning user of a database",
        ),
        (
            BOB,
            json!({"userKey": "bob", "serviceKey": "theirs"}),
            "Can't configure a database to be owned by a service owned by another user",
        ),
        (
            BOB,
            json!({"userKey": "bob", "serviceKey": "none"}),
            "Invalid owning service: none. Key does not map to any known services. Has the owning service been deleted?",
        ),
        (
            EVE,
            json!({"userKey": "eve", "serviceKey": "notes"}),
            "Can't configure a database owned by a different user",
        ),
        (
            As("bob", "photos"),
            json!({"userKey": "bob", "serviceKey": "photos"}),
            "Can't configure a database owned by a different service",
        ),
    ] {
        assert_eq!(
            adb.refusal(who, "adminEditDbConfig", edit(owner)).await,
            expected
        );
    }
    adb.call(
        BOB,
        "adminEditDbConfig",
        edit(json!({"userKey": "bob", "serviceKey": "photos"})),
    )
    .await
    .unwrap();
    assert_eq!(
        adb.call(As("bob", "photos"), "dbList", json!([]))
            .await
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(adb.call(BOB, "dbList", json!([])).await.unwrap(), json!([]));
    let refused = adb
        .refusal(BOB, "adminCreateDb", json!([{"owner": {"userKey": "eve"}}]))
        .await;
    assert_eq!(refused, "Can't change the owning user of a database");
}

#[tokio::test]
async fn a_database_is_private_unless_its_owner_says_otherwise() {
    let (adb, _) = Adb::initialized().await;
    for (method, params) in [
        ("dbCreate", json!([])),
        ("dbCreate", json!([{}])),
        ("dbGetOrCreate", json!(["main"])),
        ("dbGetOrCreate", json!(["second", {"alias": "second"}])),
        ("adminCreateDb", json!([{}])),
    ] {
        let made = adb.call(BOB, method, params.clone()).await.unwrap();
        let info = adb
            .call(BOB, "dbDescribe", json!([made["dbId"]]))
            .await
            .unwrap();
        assert_eq!(info["access"], "private", "{method}{params}");
        for who in [EVE, As("bob", "other"), As("eve", ADB_KEY)] {
            adb.call(who, "recordList", json!([made["dbId"], "/"]))
                .await
                .expect_err("another caller read a database without a grant");
        }
    }
}

#[tokio::test]
async fn an_app_neither_lists_nor_reads_the_other_databases_of_its_owner() {
    let (adb, _) = Adb::initialized().await;
    let of_notes = adb.private_db(BOB).await;
    let in_person = adb.private_db(As("bob", ADB_KEY)).await;
    let other = As("bob", "other");
    let own = adb.private_db(other).await;
    for (method, params) in [
        ("dbList", json!([])),
        ("adminListDbsByOwningUser", json!([])),
        ("adminListDbsByOwningUser", json!(["bob"])),
        ("adminListDbs", json!([{"userKey": "bob"}])),
    ] {
        let list = adb.call(other, method, params.clone()).await.unwrap();
        let ids: Vec<&str> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|info| info["dbId"].as_str().unwrap())
            .collect();
        assert_eq!(ids, [own.as_str()], "{method}{params}");
    }
    for id in [&of_notes, &in_person] {
        assert_eq!(
            adb.refusal(other, "recordList", json!([id, "/"])).await,
            format!("Not authorized to access {id}")
        );
    }
    let of_person = adb
        .call(As("bob", ADB_KEY), "adminListDbsByOwningUser", json!([]))
        .await
        .unwrap();
    assert_eq!(of_person.as_array().unwrap().len(), 3);
    // An app that belongs to the host's user is not the host.
    let core = As("system", "core");
    assert_eq!(
        adb.call(core, "adminListDbsByOwningUser", json!([]))
            .await
            .unwrap(),
        json!([])
    );
    assert_eq!(
        adb.refusal(core, "getConfig", json!([])).await,
        "Not authorized"
    );
}

#[tokio::test]
async fn an_app_cannot_plant_a_database_where_another_app_looks_for_its_own() {
    let (adb, server) = Adb::initialized().await;
    for key in ["photos", "other"] {
        let record = json!({"id": key, "owningUserKey": "bob"});
        adb.call(
            SYSTEM,
            "recordPut",
            json!([server, ["atek.cloud", "service", key], record]),
        )
        .await
        .unwrap();
    }
    let (victim, attacker) = (As("bob", "photos"), As("bob", "other"));
    let owner = json!({"userKey": "bob", "serviceKey": "photos"});
    let planted = adb
        .call(
            attacker,
            "adminCreateDb",
            json!([{"alias": "main", "access": "public", "owner": owner}]),
        )
        .await
        .unwrap();
    let given = adb
        .call(
            attacker,
            "dbCreate",
            json!([{"alias": "main", "access": "public"}]),
        )
        .await
        .unwrap();
    adb.call(
        attacker,
        "adminEditDbConfig",
        json!([given["dbId"], {"owner": owner, "alias": "main"}]),
    )
    .await
    .unwrap();
    let made = adb
        .call(victim, "dbGetOrCreate", json!(["main", {}]))
        .await
        .unwrap();
    assert!(
        made["dbId"] != planted["dbId"] && made["dbId"] != given["dbId"],
        "the app took a planted database for its own"
    );
    adb.call(victim, "recordPut", json!([made["dbId"], "secret", {}]))
        .await
        .unwrap();
    adb.call(attacker, "recordGet", json!([made["dbId"], "secret"]))
        .await
        .expect_err("another app read it");
}
