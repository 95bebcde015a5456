//! What one caller costs the process and the others: memory, places, rows.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

mod common;

use common::{ADB_KEY, Adb, As, SYSTEM, request};
use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Full;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

const BOB: As = As("bob", "notes");
const PERSON: As = As("bob", ADB_KEY);
const APPS: [As; 4] = [
    As("bob", "app1"),
    As("bob", "app2"),
    As("eve", "app3"),
    As("eve", "app4"),
];

/// Resident memory in MiB: now, and at the most since the process began.
fn memory(adb: &Adb) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", adb.pid())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let kib = line.split_whitespace().nth(1).unwrap();
        kib.parse::<u64>().unwrap() / 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// Memory that ADB may need under any load, in MiB, and some time after it.
const MOST: u64 = 128;
const AFTERWARDS: u64 = 40;

async fn is_given_back(adb: &Adb) {
    let (now, most) = memory(adb);
    println!("{now} MiB now, {most} MiB at the most");
    assert!(most <= MOST, "{most} MiB");
    let deadline = Instant::now() + Duration::from_secs(10);
    while memory(adb).0 > AFTERWARDS {
        assert!(
            Instant::now() < deadline,
            "{} MiB are not given back",
            memory(adb).0
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_small_as_text_and_large_in_memory_are_bounded() {
    let (adb, _) = Adb::initialized().await;
    let many = format!("[{}0]", "0,".repeat(2_000_000));
    let empty = format!("[{}{{}}]", "{},".repeat(1_000_000));
    let id = "ab".repeat(32);
    let call = |method: &str, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
    };
    let bodies = [
        many.clone(),
        empty.clone(),
        call("recordGet", &many),
        call("recordGet", &format!(r#"["{id}",{many}]"#)),
        call("recordBatch", &format!(r#"["{id}",{empty}]"#)),
        call("dbCreate", &format!(r#"[{{"a":{empty}}}]"#)),
        call("recordList", &format!(r#"["{id}","/",{{"a":{many}}}]"#)),
        call(
            "tblPutBlob",
            &format!(r#"["{id}","t","k","n",{{"buf":{{"data":{many}}}}}]"#),
        ),
    ];
    let all = APPS
        .iter()
        .flat_map(|who| bodies.iter().map(|body| adb.post(Some(*who), body)));
    join_all(all.chain(bodies.iter().map(|body| adb.post(None, body)))).await;
    is_given_back(&adb).await;
    adb.call(SYSTEM, "getConfig", json!([])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_of_many_callers_are_bounded() {
    let (adb, _) = Adb::initialized().await;
    let made = adb
        .call(BOB, "dbCreate", json!([{"access": "public"}]))
        .await
        .unwrap();
    let id = made["dbId"].as_str().unwrap();
    let text = "x".repeat(900_000);
    for nth in 0..8 {
        adb.call(BOB, "recordPut", json!([id, format!("{nth}"), {"t": text}]))
            .await
            .unwrap();
    }
    let lists = (0..8).flat_map(|_| APPS).map(|who| {
        let adb = &adb;
        async move {
            let list = adb.call(who, "recordList", json!([id, "/"])).await.unwrap();
            assert_eq!(list["records"].as_array().unwrap().len(), 8);
        }
    });
    join_all(lists).await;
    is_given_back(&adb).await;
}

async fn socket(adb: &Adb, who: As) -> WebSocketStream<UnixStream> {
    let mut request = "ws://localhost/_api/adb/stream"
        .into_client_request()
        .unwrap();
    for (name, value) in [("atek-auth-user", who.0), ("atek-auth-service", who.1)] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let stream = UnixStream::connect(adb.socket()).await.unwrap();
    tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap()
        .0
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_that_read_nothing_do_not_fill_the_memory() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    let text = "x".repeat(900_000);
    for nth in 0..8 {
        adb.call(BOB, "recordPut", json!([id, format!("{nth}"), {"t": text}]))
            .await
            .unwrap();
    }
    let mut sockets = Vec::new();
    for _ in 0..8 {
        let mut socket = socket(&adb, BOB).await;
        for nth in 0..8 {
            let subscribe = json!({"subscribe": nth, "dbId": id}).to_string();
            socket.send(Message::text(subscribe)).await.unwrap();
        }
        sockets.push(socket);
    }
    // The subscription of another caller moves on.
    let mut other = socket(&adb, PERSON).await;
    let subscribe = json!({"subscribe": 1, "dbId": id}).to_string();
    other.send(Message::text(subscribe)).await.unwrap();
    let mut seen = 0;
    while seen < 8 {
        let message = other.next().await.unwrap().unwrap();
        let Message::Text(text) = message else {
            continue;
        };
        let page: Value = serde_json::from_str(&text).unwrap();
        seen += page["changes"].as_array().unwrap().len();
    }
    drop(sockets);
    is_given_back(&adb).await;
}

#[tokio::test]
async fn a_client_of_many_bad_messages_is_cut_off_and_leaves_no_connection_behind() {
    let (adb, _) = Adb::initialized().await;
    for _ in 0..40 {
        let mut socket = socket(&adb, BOB).await;
        socket
            .send(Message::text("{}\n".repeat(100)))
            .await
            .unwrap();
        let end = async { while let Some(Ok(_)) = socket.next().await {} };
        tokio::time::timeout(Duration::from_secs(10), end)
            .await
            .expect("the connection hangs");
    }
}

/// Opens an export and does not read it.
async fn stalled_export(adb: &Adb, who: As, id: &str) -> UnixStream {
    let mut stream = UnixStream::connect(adb.socket()).await.unwrap();
    let head = format!(
        "GET /_api/adb/stream/export/{id} HTTP/1.1\r\nhost: x\r\natek-auth-user: {}\r\natek-auth-service: {}\r\n\r\n",
        who.0, who.1
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    stream
}

#[tokio::test]
async fn apps_that_hold_exports_open_keep_no_person_from_theirs() {
    let (adb, _) = Adb::initialized().await;
    let made = adb
        .call(BOB, "dbCreate", json!([{"access": "public"}]))
        .await
        .unwrap();
    let id = made["dbId"].as_str().unwrap();
    let text = "x".repeat(900_000);
    for nth in 0..12 {
        adb.call(BOB, "recordPut", json!([id, format!("{nth}"), {"t": text}]))
            .await
            .unwrap();
    }
    let mut held = Vec::new();
    for who in APPS {
        held.push(stalled_export(&adb, who, id).await);
    }
    let export = |who: As| {
        let request = request(
            Some(who),
            Method::GET,
            &format!("/_api/adb/stream/export/{id}"),
        );
        adb.send(request.body(Full::default()).unwrap())
    };
    assert_eq!(
        export(APPS[0]).await.0,
        StatusCode::SERVICE_UNAVAILABLE,
        "an app has one export at a time"
    );
    assert_eq!(export(PERSON).await.0, StatusCode::OK);
    drop(held);
    let deadline = Instant::now() + Duration::from_secs(10);
    while export(APPS[0]).await.0 != StatusCode::OK {
        assert!(Instant::now() < deadline, "the place is not given back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn waiting_for_changes_uses_up_the_apps_own_share_only() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    let wait = |who: As| adb.call(who, "recordDiff", json!([id, "/", {"wait": 3000}]));
    let answers = join_all((0..80).map(|_| wait(BOB))).await;
    let refused = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(refused, 80 - 64);
    wait(PERSON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_databases_cost_little_and_a_next_one_is_refused() {
    let (mut adb, server) = Adb::initialized().await;
    let (idle, _) = memory(&adb);
    for chunk in 0..20 {
        let made = (0..50).map(|nth| {
            let alias = format!("db{}", chunk * 50 + nth);
            adb.call(BOB, "dbCreate", json!([{"alias": alias}]))
        });
        assert!(join_all(made).await.iter().all(Result::is_ok));
    }
    let refusal = adb.refusal(BOB, "dbCreate", json!([{}])).await;
    assert!(refusal.starts_with("this service has 1000 databases"));
    let begin = Instant::now();
    let list = adb.call(BOB, "dbList", json!([])).await.unwrap();
    println!(
        "{} databases, {idle} → {} MiB, listed in {:?}",
        list.as_array().unwrap().len(),
        memory(&adb).0,
        begin.elapsed()
    );
    adb.call(PERSON, "dbCreate", json!([{}])).await.unwrap();
    adb.kill_and_restart().await;
    adb.call(SYSTEM, "init", json!([{"serverDbId": server}]))
        .await
        .unwrap();
    let made = adb
        .call(BOB, "dbGetOrCreate", json!(["db999"]))
        .await
        .unwrap();
    assert_eq!(made["writable"], true);
    is_given_back(&adb).await;
}

#[tokio::test]
async fn metadata_of_a_database_is_bounded() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    let long = "x".repeat(200_000);
    for (method, params) in [
        ("tblDefine", json!([id, "a/b", {"definition": {"t": long}}])),
        ("dbConfigure", json!([id, {"displayName": long}])),
    ] {
        let refusal = adb.refusal(BOB, method, params).await;
        assert!(
            refusal.contains("larger than") || refusal.contains("at most"),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn a_record_of_long_arrays_adds_bounded_entries_to_an_index() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    let pointers: Vec<String> = (0..8).map(|_| "/a".to_owned()).collect();
    for nth in 0..16 {
        adb.call(
            BOB,
            "indexCreate",
            json!([id, format!("i{nth}"), {"pointers": pointers}]),
        )
        .await
        .unwrap();
    }
    let size = || {
        std::fs::metadata(adb.data().join("adb.redb"))
            .unwrap()
            .len()
    };
    let before = size();
    let items: Vec<String> = (0..1000).map(|n| format!("{n:0>500}")).collect();
    for nth in 0..4 {
        adb.call(
            BOB,
            "recordPut",
            json!([id, format!("r{nth}"), {"a": items}]),
        )
        .await
        .unwrap();
    }
    let grown = (size() - before) >> 20;
    assert!(grown <= 64, "4 records of half a megabyte took {grown} MiB");
}
