//! What the original promised and never had: transactions, diffs, indexes, and the methods of ADB
//! 1.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

mod common;

use common::{ADB_KEY, Adb, As, SYSTEM};
use serde_json::{Value, json};
use std::time::Duration;

const BOB: As = As("bob", "notes");
const EVE: As = As("eve", "notes");

fn keys(list: &Value) -> Vec<&str> {
    list["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["key"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_batch_is_all_or_none() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    adb.call(BOB, "recordPut", json!([id, "a", {"n": 1}]))
        .await
        .unwrap();
    let written = adb
        .call(
            BOB,
            "recordBatch",
            json!([id, [
                {"type": "check", "path": "a", "ifSeq": 1},
                {"type": "put", "path": "b", "value": {"n": 2}, "ifSeq": null},
                {"type": "put", "path": "a", "value": {"n": 3}, "ifSeq": 1},
                {"type": "del", "path": "nothing"},
            ]]),
        )
        .await
        .unwrap();
    let seqs: Vec<&Value> = written["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["seq"])
        .collect();
    assert_eq!(
        (written["seq"].as_u64(), seqs),
        (
            Some(3),
            vec![&Value::Null, &json!(2), &json!(3), &Value::Null]
        )
    );

    let ops = json!([
        {"type": "put", "path": "c", "value": {}},
        {"type": "del", "path": "b"},
        {"type": "put", "path": "a", "value": {}, "ifSeq": 1},
    ]);
    let (code, message, data) = adb
        .call(BOB, "recordBatch", json!([id, ops]))
        .await
        .unwrap_err();
    assert_eq!(
        (code, message.as_str()),
        (-32003, "Conflict: /a is at sequence number 3, expected 1")
    );
    assert_eq!(
        data,
        json!({"conflict": {"path": "/a", "seq": 3, "expected": 1}})
    );
    let list = adb.call(BOB, "recordList", json!([id, "/"])).await.unwrap();
    assert_eq!(keys(&list), ["a", "b"]);
    assert_eq!(
        adb.refusal(EVE, "recordBatch", json!([id, []])).await,
        format!("Not authorized to access {id}")
    );
}

#[tokio::test]
async fn of_writers_that_expect_the_same_state_one_wins() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    adb.call(BOB, "recordPut", json!([id, "counter", {"n": 0}]))
        .await
        .unwrap();
    let increment = async || loop {
        let record = adb
            .call(BOB, "recordGet", json!([id, "counter"]))
            .await
            .unwrap();
        let next = json!({"n": record["value"]["n"].as_u64().unwrap() + 1});
        match adb
            .call(
                BOB,
                "recordPut",
                json!([id, "counter", next, {"ifSeq": record["seq"]}]),
            )
            .await
        {
            Ok(written) => return assert!(written["seq"].is_u64()),
            Err((_, message, _)) => assert!(message.starts_with("Conflict: "), "{message}"),
        }
    };
    futures_util::future::join_all((0..20).map(|_| increment())).await;
    let record = adb
        .call(BOB, "recordGet", json!([id, "counter"]))
        .await
        .unwrap();
    assert_eq!(record["value"]["n"], 20);
}

#[tokio::test]
async fn a_diff_tells_the_latest_change_of_each_path() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    for (path, n) in [("t/a", 1), ("t/b", 1), ("u", 1), ("t/a", 2)] {
        adb.call(BOB, "recordPut", json!([id, path, {"n": n}]))
            .await
            .unwrap();
    }
    adb.call(BOB, "recordDelete", json!([id, "t/b"]))
        .await
        .unwrap();
    let diff = async |path: &str, options: Value| {
        adb.call(BOB, "recordDiff", json!([id, path, options]))
            .await
            .unwrap()
    };
    let all = diff("t", json!({})).await;
    assert_eq!(
        all,
        json!({"changes": [
            {"seq": 4, "type": "put", "key": "a", "path": "/t/a", "url": format!("hyper://{id}/t/a"), "value": {"n": 2}},
            {"seq": 5, "type": "del", "key": "b", "path": "/t/b", "url": format!("hyper://{id}/t/b")},
        ], "seq": 5, "more": false})
    );
    assert_eq!(
        diff("t", json!({"since": 5})).await,
        json!({"changes": [], "seq": 5, "more": false})
    );
    let first = diff("/", json!({"limit": 1})).await;
    assert_eq!(
        (
            first["changes"][0]["path"].as_str(),
            first["more"].as_bool()
        ),
        (Some("/u"), Some(true))
    );
    let second = diff("/", json!({"limit": 1, "since": first["seq"]})).await;
    assert_eq!(second["changes"][0]["path"], "/t/a");
    assert_eq!(diff("/", json!({"since": 99})).await["reset"], true);
    let old = adb
        .call(BOB, "recordDiff", json!([id, {"left": 4}]))
        .await
        .unwrap();
    assert_eq!(old["changes"].as_array().unwrap().len(), 1);
    assert!(
        adb.refusal(EVE, "recordDiff", json!([id, "t"]))
            .await
            .starts_with("Not authorized")
    );
}

#[tokio::test]
async fn a_waiting_diff_ends_with_the_next_change_under_its_path() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    let wait = adb.call(BOB, "recordDiff", json!([id, "t", {"wait": 25_000}]));
    let write = async {
        adb.call(BOB, "recordPut", json!([id, "other", {}]))
            .await
            .unwrap();
        adb.call(BOB, "recordPut", json!([id, "t/a", {}]))
            .await
            .unwrap();
    };
    // Without the news it would look again after 20 s.
    let (diff, ()) =
        tokio::time::timeout(Duration::from_secs(18), async { tokio::join!(wait, write) })
            .await
            .unwrap();
    let diff = diff.unwrap();
    assert_eq!(
        (diff["changes"][0]["path"].as_str(), diff["seq"].as_u64()),
        (Some("/t/a"), Some(2))
    );
    let nothing = adb
        .call(BOB, "recordDiff", json!([id, "t", {"since": 2, "wait": 1}]))
        .await
        .unwrap();
    assert_eq!(nothing["changes"], json!([]));
}

#[tokio::test]
async fn an_index_finds_records_by_their_values() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    let people = [
        ("a", "bob", 30, json!(["x"])),
        ("b", "eve", 20, json!(["x", "y"])),
        ("c", "bob", 10, json!([])),
    ];
    for (key, name, age, tags) in &people {
        let value = json!({"name": name, "age": age, "tags": tags});
        adb.call(BOB, "recordPut", json!([id, format!("p/{key}"), value]))
            .await
            .unwrap();
    }
    let made = adb
        .call(
            BOB,
            "indexCreate",
            json!([id, "who", {"path": "p", "pointers": ["/name", "/age"]}]),
        )
        .await
        .unwrap();
    assert_eq!(
        made,
        json!({"name": "who", "path": "/p", "pointers": ["/name", "/age"], "ready": true})
    );
    adb.call(
        BOB,
        "indexCreate",
        json!([id, "tag", {"pointers": ["/tags"]}]),
    )
    .await
    .unwrap();
    let query = async |index: &str, options: Value| -> Value {
        adb.call(BOB, "recordQuery", json!([id, index, options]))
            .await
            .unwrap()
    };
    assert_eq!(keys(&query("who", json!({"eq": "bob"})).await), ["c", "a"]);
    assert_eq!(keys(&query("who", json!({"eq": ["bob", 30]})).await), ["a"]);
    assert_eq!(
        keys(&query("who", json!({"eq": "bob", "gt": 10})).await),
        ["a"]
    );
    assert_eq!(
        keys(&query("who", json!({"reverse": true})).await),
        ["b", "a", "c"]
    );
    assert_eq!(keys(&query("who", json!({"prefix": "e"})).await), ["b"]);
    assert_eq!(
        keys(&query("tag", json!({"eq": "x"})).await),
        ["p/a", "p/b"]
    );
    assert_eq!(keys(&query("tag", json!({})).await), ["p/a", "p/b"]);

    adb.call(
        BOB,
        "recordPut",
        json!([id, "p/c", {"name": "eve", "age": 5}]),
    )
    .await
    .unwrap();
    adb.call(BOB, "recordDelete", json!([id, "p/b"]))
        .await
        .unwrap();
    assert_eq!(keys(&query("who", json!({})).await), ["a", "c"]);
    assert_eq!(keys(&query("who", json!({"eq": "eve"})).await), ["c"]);

    for n in 0..5 {
        adb.call(
            BOB,
            "recordPut",
            json!([id, format!("p/x{n}"), {"name": "x", "age": n}]),
        )
        .await
        .unwrap();
    }
    for reverse in [false, true] {
        let (mut cursor, mut found) = (json!(""), Vec::new());
        while !cursor.is_null() {
            let mut page = query(
                "who",
                json!({"eq": "x", "limit": 2, "cursor": cursor, "reverse": reverse}),
            )
            .await;
            found.extend(keys(&page).into_iter().map(str::to_owned));
            cursor = page["cursor"].take();
        }
        if reverse {
            found.reverse();
        }
        assert_eq!(found, ["x0", "x1", "x2", "x3", "x4"]);
    }

    assert!(
        adb.refusal(BOB, "indexCreate", json!([id, "who", {"pointers": ["/a"]}]))
            .await
            .contains("exists already")
    );
    assert!(
        adb.refusal(BOB, "indexCreate", json!([id, "_x", {"pointers": ["/a"]}]))
            .await
            .contains("'_'")
    );
    assert!(
        adb.refusal(BOB, "indexCreate", json!([id, "x", {"pointers": ["a"]}]))
            .await
            .contains("JSON pointers")
    );
    assert!(
        adb.refusal(EVE, "recordQuery", json!([id, "who"]))
            .await
            .starts_with("Not authorized")
    );
    adb.call(BOB, "indexDelete", json!([id, "who"]))
        .await
        .unwrap();
    assert_eq!(
        adb.refusal(BOB, "recordQuery", json!([id, "who"])).await,
        "no index is named \"who\""
    );
    assert_eq!(
        adb.call(BOB, "indexList", json!([id]))
            .await
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    adb.call(
        BOB,
        "indexCreate",
        json!([id, "who", {"pointers": ["/age"]}]),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn programs_made_for_adb_1_run() {
    let (adb, _) = Adb::initialized().await;
    let settings = json!({"displayName": "My feeds", "network": {"access": "private"}, "tables": ["x"], "persist": true});
    let made = adb
        .call(BOB, "dbGetOrCreate", json!(["main", settings]))
        .await
        .unwrap();
    let id = made["dbId"].as_str().unwrap();
    let table = "rss.example/feed";
    let desc = json!({"revision": 1, "templates": {"record": {"key": "{{/url}}"}},
        "definition": {"type": "object", "properties": {"url": {"type": "string"}, "createdAt": {"type": "string"}}}});
    let mut expected = desc.clone();
    expected["tableId"] = json!(table);
    assert_eq!(
        adb.call(BOB, "tblDefine", json!([id, table, desc]))
            .await
            .unwrap(),
        expected
    );
    assert_eq!(
        adb.call(BOB, "tblDefine", json!([id, table, desc]))
            .await
            .unwrap(),
        expected
    );
    let info = adb.call(BOB, "dbDescribe", json!([id])).await.unwrap();
    assert_eq!(
        (&info["dbType"], &info["displayName"], &info["tables"]),
        (&json!("hyperbee"), &json!("My feeds"), &json!([expected]))
    );
    assert_eq!(info["access"], "private");

    let blobs =
        json!({"icon": {"buf": {"type": "Buffer", "data": [1, 2]}, "mimeType": "image/png"}});
    let created = adb
        .call(
            BOB,
            "tblCreate",
            json!([id, table, {"url": "http://a/b"}, blobs]),
        )
        .await
        .unwrap();
    assert_eq!(
        (&created["key"], &created["path"]),
        (&json!("http://a/b"), &json!(format!("/{table}/http://a/b")))
    );
    assert!(
        created["value"]["createdAt"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    let got = adb
        .call(BOB, "tblGet", json!([id, table, "http://a/b"]))
        .await
        .unwrap();
    assert_eq!((&got["value"], &got["seq"]), (&created["value"], &json!(1)));
    assert_eq!(
        adb.call(BOB, "tblList", json!([id, table])).await.unwrap(),
        json!({"records": [got]})
    );
    let put = adb
        .call(BOB, "tblPut", json!([id, table, "k", {"url": "u"}]))
        .await
        .unwrap();
    assert_eq!(put.get("seq"), None);
    let untyped = adb
        .call(BOB, "tblCreate", json!([id, "a.b/c", {}]))
        .await
        .unwrap();
    assert_eq!(untyped["key"].as_str().unwrap().len(), 16);
    adb.call(BOB, "tblDelete", json!([id, table, "k"]))
        .await
        .unwrap();
    assert_eq!(
        adb.refusal(BOB, "tblGet", json!([id, table, "k"])).await,
        "Not found: k"
    );

    let blob = adb
        .call(BOB, "tblGetBlob", json!([id, table, "http://a/b", "icon"]))
        .await
        .unwrap();
    assert_eq!(blob, json!({"type": "Buffer", "data": [1, 2]}));
    adb.call(
        BOB,
        "tblPutBlob",
        json!([id, table, "http://a/b", "icon", {"buf": "AwQ="}]),
    )
    .await
    .unwrap();
    let blob = adb
        .call(BOB, "tblGetBlob", json!([id, table, "http://a/b", "icon"]))
        .await
        .unwrap();
    assert_eq!(blob["data"], json!([3, 4]));
    adb.call(BOB, "tblDelBlob", json!([id, table, "http://a/b", "icon"]))
        .await
        .unwrap();
    assert_eq!(
        adb.refusal(BOB, "tblGetBlob", json!([id, table, "http://a/b", "icon"]))
            .await,
        "Not found: icon"
    );
    assert!(
        adb.call(BOB, "tblDiff", json!([id, {"left": 0}]))
            .await
            .unwrap()["changes"]
            .is_array()
    );
}

#[tokio::test]
async fn compaction_is_for_administrators() {
    let (adb, server) = Adb::initialized().await;
    adb.user(&server, "root", "admin").await;
    assert_eq!(
        adb.refusal(BOB, "adminCompact", json!([])).await,
        "Not authorized"
    );
    assert!(
        adb.call(As("root", ADB_KEY), "adminCompact", json!([]))
            .await
            .unwrap()["compacted"]
            .is_boolean()
    );
    assert!(
        adb.call(SYSTEM, "adminListDbsByOwningUser", json!([]))
            .await
            .is_ok()
    );
}
