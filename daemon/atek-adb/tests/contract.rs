//! The methods of `atek.cloud/adb-api` 2 as the original's clients know them.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

mod common;

use common::{ADB_KEY, Adb, As, SYSTEM, request};
use http_body_util::Full;
use hyper::Method;
use serde_json::{Value, json};

const BOB: As = As("bob", "notes");

#[tokio::test]
async fn the_host_keeps_its_records_in_the_server_database() {
    let (mut adb, server) = Adb::initialized().await;
    assert_eq!(server.len(), 64);
    let service = ["atek.cloud", "service"];
    assert_eq!(
        adb.call(SYSTEM, "recordList", json!([server, service]))
            .await
            .unwrap(),
        json!({"records": []})
    );
    let value = json!({"id": "rss", "owningUserKey": "bob"});
    let put = adb
        .call(
            SYSTEM,
            "recordPut",
            json!([server, ["atek.cloud", "service", "k1"], value]),
        )
        .await
        .unwrap();
    let expected = json!({
        "key": "k1",
        "path": "/atek.cloud/service/k1",
        "url": format!("hyper://{server}/atek.cloud/service/k1"),
        "value": value,
    });
    assert_eq!(put, expected);
    let list = adb
        .call(SYSTEM, "recordList", json!([server, service]))
        .await
        .unwrap();
    let mut record = expected.clone();
    record["seq"] = json!(1);
    assert_eq!(list, json!({"records": [record]}));
    adb.kill_and_restart().await;
    adb.call(SYSTEM, "init", json!([{"serverDbId": server}]))
        .await
        .unwrap();
    let got = adb
        .call(
            SYSTEM,
            "recordGet",
            json!([server, "atek.cloud/service/k1"]),
        )
        .await
        .unwrap();
    assert_eq!(got, record);
    assert_eq!(
        adb.call(
            SYSTEM,
            "recordDelete",
            json!([server, "atek.cloud/service/k1"])
        )
        .await
        .unwrap(),
        Value::Null
    );
    assert_eq!(
        adb.call(
            SYSTEM,
            "recordDelete",
            json!([server, "atek.cloud/service/k1"])
        )
        .await
        .unwrap(),
        Value::Null
    );
}

#[tokio::test]
async fn init_is_the_hosts_and_happens_once() {
    let adb = Adb::start().await;
    for who in [BOB, As("system", "core"), As("bob", ADB_KEY)] {
        assert_eq!(
            adb.refusal(who, "init", json!([{"serverDbId": ""}])).await,
            "Not authorized"
        );
    }
    assert_eq!(
        adb.call(SYSTEM, "getConfig", json!([])).await.unwrap(),
        json!({"serverDbId": ""})
    );
    assert_eq!(
        adb.refusal(BOB, "dbList", json!([])).await,
        "Server db not available"
    );
    let unknown = "ab".repeat(32);
    let message = adb
        .refusal(SYSTEM, "init", json!([{"serverDbId": unknown}]))
        .await;
    assert!(message.contains(&unknown), "{message}");
    assert_eq!(
        adb.call(SYSTEM, "init", json!([{"serverDbId": ""}]))
            .await
            .unwrap(),
        Value::Null
    );
    assert_eq!(
        adb.refusal(SYSTEM, "init", json!([{"serverDbId": ""}]))
            .await,
        "ADB has already been initialized"
    );
    assert_eq!(
        adb.refusal(BOB, "getConfig", json!([])).await,
        "Not authorized"
    );
}

#[tokio::test]
async fn a_host_that_lost_its_configuration_finds_the_server_database_again() {
    let (mut adb, server) = Adb::initialized().await;
    adb.kill_and_restart().await;
    adb.call(SYSTEM, "init", json!([{"serverDbId": ""}]))
        .await
        .unwrap();
    assert_eq!(
        adb.call(SYSTEM, "getConfig", json!([])).await.unwrap(),
        json!({"serverDbId": server})
    );
}

#[tokio::test]
async fn databases_are_made_named_configured_and_listed() {
    let (adb, server) = Adb::initialized().await;
    adb.call(
        SYSTEM,
        "recordPut",
        json!([server, "atek.cloud/service/notes", {"id": "n", "owningUserKey": "bob"}]),
    )
    .await
    .unwrap();
    let made = adb.call(BOB, "dbCreate", json!([{}])).await.unwrap();
    assert_eq!(made["writable"], true);
    let id = made["dbId"].as_str().unwrap();
    let info = &adb.call(BOB, "dbList", json!([])).await.unwrap()[0];
    let keys: Vec<&str> = info
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "dbId",
            "writable",
            "isServerDb",
            "owner",
            "access",
            "createdAt"
        ]
    );
    assert_eq!(
        info["owner"],
        json!({"userKey": "bob", "serviceKey": "notes"})
    );
    assert_eq!(
        (&info["access"], &info["writable"], &info["isServerDb"]),
        (&json!("private"), &json!(true), &json!(false))
    );

    let named = adb
        .call(BOB, "dbGetOrCreate", json!(["main", {"access": "private"}]))
        .await
        .unwrap();
    assert_eq!(
        adb.call(BOB, "dbGetOrCreate", json!(["main", {}]))
            .await
            .unwrap(),
        named
    );
    assert_ne!(
        adb.call(As("bob", "other"), "dbGetOrCreate", json!(["main", {}]))
            .await
            .unwrap(),
        named
    );
    assert_eq!(
        adb.call(BOB, "dbGetConfig", json!(["main"])).await.unwrap(),
        json!({"alias": "main", "access": "private"})
    );
    assert_eq!(
        adb.call(
            BOB,
            "dbConfigure",
            json!(["main", {"alias": "second", "access": "public"}])
        )
        .await
        .unwrap(),
        Value::Null
    );
    assert_eq!(
        adb.call(BOB, "dbGetConfig", json!(["second"]))
            .await
            .unwrap(),
        json!({"alias": "second", "access": "public"})
    );
    assert_eq!(
        adb.refusal(BOB, "dbGetConfig", json!(["main"])).await,
        "Invalid database ID: main"
    );
    assert_eq!(
        adb.refusal(BOB, "dbConfigure", json!(["main", {}])).await,
        "Invalid database ID: main"
    );
    let upper = format!("hyper://{}/x", id.to_uppercase());
    assert_eq!(
        adb.call(BOB, "dbDescribe", json!([upper])).await.unwrap()["dbId"],
        id
    );
    assert_eq!(
        adb.call(BOB, "dbList", json!([]))
            .await
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let system = adb
        .call(SYSTEM, "adminListDbsByOwningUser", json!([]))
        .await
        .unwrap();
    let server_info = json!({"dbId": server, "writable": true, "isServerDb": true,
        "owner": {"userKey": "system", "serviceKey": "system"}, "access": "private"});
    assert_eq!(system, json!([server_info]));
    assert_eq!(
        adb.call(SYSTEM, "dbDescribe", json!([server]))
            .await
            .unwrap(),
        server_info
    );
    let bobs = adb
        .call(SYSTEM, "adminListDbsByOwningUser", json!(["bob"]))
        .await
        .unwrap();
    assert_eq!(bobs.as_array().unwrap().len(), 3);
    assert_eq!(
        adb.refusal(BOB, "adminListDbsByOwningUser", json!(["system"]))
            .await,
        "Cannot enumerate databases owned by another user"
    );
    let unknown = "0".repeat(64);
    assert_eq!(
        adb.call(BOB, "dbDescribe", json!([unknown])).await.unwrap(),
        json!({"dbId": unknown, "writable": false, "isServerDb": false})
    );
    assert_eq!(
        adb.refusal(BOB, "dbGetConfig", json!([unknown])).await,
        "No config for this database found"
    );
}

#[tokio::test]
async fn a_list_is_recursive_and_in_the_originals_order() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    for path in [
        json!("a"),
        json!("a/b"),
        json!("a/b/c"),
        json!("ab"),
        json!(["a", "x/y"]),
        json!("a/b!"),
        json!("b"),
    ] {
        adb.call(BOB, "recordPut", json!([id, path, {"at": path}]))
            .await
            .unwrap();
    }
    let keys = async |path: Value, options: Value| -> Vec<String> {
        let list = adb
            .call(BOB, "recordList", json!([id, path, options]))
            .await
            .unwrap();
        list["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["key"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        keys(json!("/"), json!({})).await,
        ["a", "a/b", "a/b/c", "a/b!", "a/x/y", "ab", "b"]
    );
    assert_eq!(
        keys(json!("/a/"), json!({})).await,
        ["b", "b/c", "b!", "x/y"]
    );
    assert_eq!(
        keys(json!(["a"]), json!({"reverse": true, "limit": 2})).await,
        ["x/y", "b!"]
    );
    assert_eq!(
        keys(json!("a"), json!({"gt": "b", "lt": "b!"})).await,
        ["b/c"]
    );
    assert_eq!(
        keys(json!("a"), json!({"gte": "b", "lte": "b!"})).await,
        ["b", "b/c", "b!"]
    );
    assert_eq!(
        keys(json!("a"), json!({"gt": "z", "lt": "b"})).await,
        Vec::<String>::new()
    );
    assert_eq!(
        keys(json!("a"), json!({"limit": 0})).await,
        Vec::<String>::new()
    );
    assert_eq!(
        keys(json!("nothing/here"), json!({})).await,
        Vec::<String>::new()
    );
    let deep = adb
        .call(BOB, "recordGet", json!([id, ["a", "x/y"]]))
        .await
        .unwrap();
    assert_eq!(
        (&deep["key"], &deep["path"]),
        (&json!("x/y"), &json!("/a/x/y"))
    );
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    for n in 0..10 {
        adb.call(BOB, "recordPut", json!([id, format!("t/{n}"), {}]))
            .await
            .unwrap();
    }
    for reverse in [false, true] {
        let (mut cursor, mut keys, mut pages) = (json!(""), Vec::new(), 0);
        while !cursor.is_null() {
            let options = json!({"cursor": cursor, "limit": 4, "reverse": reverse});
            let mut page = adb
                .call(BOB, "recordList", json!([id, "t", options]))
                .await
                .unwrap();
            keys.extend(
                page["records"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|r| r["key"].as_str().unwrap().to_owned()),
            );
            cursor = page["cursor"].take();
            pages += 1;
        }
        let mut expected: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        if reverse {
            expected.reverse();
        }
        assert_eq!((keys, pages), (expected, 3));
    }
    let exact = adb
        .call(
            BOB,
            "recordList",
            json!([id, "t", {"cursor": "", "limit": 10}]),
        )
        .await
        .unwrap();
    assert_eq!(exact.get("cursor"), None);
}

#[tokio::test]
async fn the_socket_answers_a_health_check() {
    let adb = Adb::start().await;
    for method in [Method::GET, Method::HEAD] {
        let (status, headers, _) = adb
            .send(request(None, method, "/").body(Full::default()).unwrap())
            .await;
        assert_eq!(status, 200);
        assert!(
            headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/plain")
        );
    }
}

#[test]
fn the_manifest_is_one_that_the_host_reads() {
    let manifest = atek_api::manifest::Manifest::parse(include_bytes!("../atek.json")).unwrap();
    let exports: Vec<String> = manifest
        .exports
        .iter()
        .map(|export| export.api().to_string())
        .collect();
    assert_eq!(exports, ["atek.cloud/adb-api", "atek.cloud/adb-api"]);
    let native = atek_api::manifest::Runtime::Native {
        entry: "atek-adb".parse().unwrap(),
        args: Vec::new(),
    };
    assert_eq!(manifest.runtime, native);
}
