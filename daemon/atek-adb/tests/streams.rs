//! What does not fit into a call: blobs, exports, subscriptions.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

mod common;

use bytes::Bytes;
use common::{Adb, As, SYSTEM, request};
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Full;
use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

const BOB: As = As("bob", "notes");
const EVE: As = As("eve", "notes");
const STREAM: &str = "/_api/adb/stream";

async fn send(
    adb: &Adb,
    who: As,
    method: Method,
    tail: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> (StatusCode, HeaderMap, Bytes) {
    let mut builder = request(Some(who), method, &format!("{STREAM}{tail}"));
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    adb.send(builder.body(Full::from(body.into())).unwrap())
        .await
}

async fn blob_files(adb: &Adb) -> usize {
    std::fs::read_dir(adb.data().join("blobs")).unwrap().count()
}

#[tokio::test]
async fn blobs_are_stored_read_in_parts_and_deleted() {
    let (mut adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let at = format!("/blobs/{id}/photos/a%2Fb%20c.png");
    let (status, headers, body) = send(
        &adb,
        BOB,
        Method::PUT,
        &at,
        &[("content-type", "image/png")],
        bytes.clone(),
    )
    .await;
    assert_eq!(status, 200, "{body:?}");
    let info: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&info["path"], &info["size"]),
        (&json!("/photos/a/b c.png"), &json!(1_000_000))
    );
    let etag = headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(etag, format!("\"{}\"", info["hash"].as_str().unwrap()));

    adb.kill_and_restart().await;
    let (status, headers, body) = send(&adb, BOB, Method::GET, &at, &[], "").await;
    assert_eq!(
        (status.as_u16(), &headers["content-type"], body.as_ref()),
        (200, &"image/png".parse().unwrap(), bytes.as_slice())
    );
    let (status, headers, body) = send(
        &adb,
        BOB,
        Method::GET,
        &at,
        &[("range", "bytes=999990-")],
        "",
    )
    .await;
    assert_eq!(
        (status.as_u16(), &headers["content-range"]),
        (206, &"bytes 999990-999999/1000000".parse().unwrap())
    );
    assert_eq!(body, bytes[999_990..]);
    let (status, headers, body) = send(&adb, BOB, Method::HEAD, &at, &[], "").await;
    assert_eq!(
        (status.as_u16(), &headers["content-length"], body.len()),
        (200, &"1000000".parse().unwrap(), 0)
    );
    let (status, ..) = send(
        &adb,
        BOB,
        Method::GET,
        &at,
        &[("range", "bytes=1000000-")],
        "",
    )
    .await;
    assert_eq!(status, 416);
    let (status, ..) = send(&adb, BOB, Method::GET, &at, &[("if-none-match", &etag)], "").await;
    assert_eq!(status, 304);

    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let (status, _, body) = send(&adb, EVE, method, &at, &[], "x").await;
        assert_eq!(status, 403, "{body:?}");
    }
    let list = adb
        .call(BOB, "blobList", json!([id, "photos"]))
        .await
        .unwrap();
    assert_eq!(list["blobs"][0]["key"], "a/b c.png");
    let usage = adb.call(BOB, "dbDescribe", json!([id])).await.unwrap()["usage"].take();
    assert_eq!(
        (&usage["blobs"], &usage["blobBytes"]),
        (&json!(1), &json!(1_000_000))
    );

    send(&adb, BOB, Method::PUT, &at, &[], "second").await;
    assert_eq!(blob_files(&adb).await, 1);
    for _ in 0..2 {
        assert_eq!(send(&adb, BOB, Method::DELETE, &at, &[], "").await.0, 204);
    }
    let (status, _, body) = send(&adb, BOB, Method::GET, &at, &[], "").await;
    assert_eq!((status.as_u16(), blob_files(&adb).await), (404, 0));
    assert!(
        body.starts_with(br#"{"error":true,"code":-32003,"message":"Not found: "#),
        "{body:?}"
    );
    let unsigned = request(None, Method::GET, &format!("{STREAM}{at}"))
        .body(Full::default())
        .unwrap();
    assert_eq!(adb.send(unsigned).await.0, 401);
}

#[tokio::test]
async fn a_blob_over_the_quota_leaves_nothing() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    let quota = json!({"maxBytes": 10, "maxRecords": 5});
    adb.call(SYSTEM, "adminEditDbConfig", json!([id, {"quota": quota}]))
        .await
        .unwrap();
    let (status, _, body) = send(
        &adb,
        BOB,
        Method::PUT,
        &format!("/blobs/{id}/a"),
        &[],
        "12345678901",
    )
    .await;
    assert_eq!(status, 507, "{body:?}");
    assert_eq!(
        send(
            &adb,
            BOB,
            Method::PUT,
            &format!("/blobs/{id}/a"),
            &[],
            "1234567890"
        )
        .await
        .0,
        200
    );
    assert_eq!(
        send(&adb, BOB, Method::PUT, &format!("/blobs/{id}/b"), &[], "1")
            .await
            .0,
        507
    );
    assert_eq!(
        send(
            &adb,
            BOB,
            Method::PUT,
            &format!("/blobs/{id}/a"),
            &[],
            "123"
        )
        .await
        .0,
        200
    );
    assert_eq!(
        send(&adb, BOB, Method::PUT, &format!("/blobs/{id}/"), &[], "1")
            .await
            .0,
        404
    );
    assert_eq!(blob_files(&adb).await, 1);
}

#[tokio::test]
async fn an_archive_whose_last_block_was_on_its_way_had_its_connection_broken() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    adb.call(BOB, "recordPut", json!([id, "a", {}]))
        .await
        .unwrap();
    let (_, _, tar) = send(&adb, BOB, Method::GET, &format!("/export/{id}"), &[], "").await;
    // More than the socket holds, so that the client still sends when the archive has been read.
    let padded = [tar.as_ref(), &vec![0; 8 << 20]].concat();
    let head = format!(
        "POST {STREAM}/import HTTP/1.1\r\nhost: localhost\r\natek-auth-user: bob\r\natek-auth-service: notes\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        padded.len()
    );
    let mut client = UnixStream::connect(adb.socket()).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&padded).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn an_exported_database_can_be_imported() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    let ops: Vec<Value> = (0..1000)
        .map(|n| json!({"type": "put", "path": ["t", format!("k/{n:04}")], "value": {"n": n, "text": "x".repeat(2000)}}))
        .collect();
    adb.call(BOB, "recordBatch", json!([id, ops]))
        .await
        .unwrap();
    let blob = vec![9_u8; 700_000];
    send(
        &adb,
        BOB,
        Method::PUT,
        &format!("/blobs/{id}/t/x"),
        &[("content-type", "a/b")],
        blob.clone(),
    )
    .await;

    let (status, headers, tar) =
        send(&adb, BOB, Method::GET, &format!("/export/{id}"), &[], "").await;
    assert_eq!(
        (status.as_u16(), &headers["content-type"]),
        (200, &"application/x-tar".parse().unwrap())
    );
    let (status, _, body) = send(
        &adb,
        BOB,
        Method::POST,
        "/import?alias=copy&api=atek.cloud/adb-api",
        &[],
        tar.clone(),
    )
    .await;
    assert_eq!(status, 200, "{body:?}");
    let made: Value = serde_json::from_slice(&body).unwrap();
    let copy = made["dbId"].as_str().unwrap();
    assert_eq!(
        (&made["records"], &made["blobs"]),
        (&json!(1000), &json!(1))
    );
    assert_eq!(
        adb.call(BOB, "dbGetConfig", json!(["copy"])).await.unwrap(),
        json!({"alias": "copy", "access": "private"})
    );
    let list = async |id: &str| {
        let list = adb.call(BOB, "recordList", json!([id, "t"])).await.unwrap();
        let records = list["records"].as_array().unwrap().clone();
        records
            .into_iter()
            .map(|r| (r["path"].clone(), r["value"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(list(copy).await, list(&id).await);
    let (_, headers, body) = send(
        &adb,
        BOB,
        Method::GET,
        &format!("/blobs/{copy}/t/x"),
        &[],
        "",
    )
    .await;
    assert_eq!(
        (&headers["content-type"], body.len()),
        (&"a/b".parse().unwrap(), blob.len())
    );

    let target = adb.private_db(BOB).await;
    let (status, ..) = send(
        &adb,
        BOB,
        Method::POST,
        &format!("/import?into={target}"),
        &[],
        tar.clone(),
    )
    .await;
    assert_eq!((status.as_u16(), list(&target).await.len()), (200, 1000));
    assert_eq!(
        send(
            &adb,
            EVE,
            Method::POST,
            &format!("/import?into={target}"),
            &[],
            tar.clone()
        )
        .await
        .0,
        403
    );
    assert_eq!(
        send(&adb, EVE, Method::GET, &format!("/export/{id}"), &[], "")
            .await
            .0,
        403
    );

    let before = adb
        .call(BOB, "dbList", json!([]))
        .await
        .unwrap()
        .as_array()
        .unwrap()
        .len();
    let mut damaged = tar.to_vec();
    let text = damaged.windows(5).rposition(|w| w == [9; 5]).unwrap();
    damaged[text] = 8;
    for bad in [
        tar.slice(..tar.len() / 2),
        Bytes::from(damaged),
        Bytes::from_static(b"no tar"),
    ] {
        let (status, _, body) = send(&adb, BOB, Method::POST, "/import", &[], bad).await;
        assert_eq!(status, 400, "{body:?}");
    }
    assert_eq!(
        adb.call(BOB, "dbList", json!([]))
            .await
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        before
    );
}

async fn socket(adb: &Adb, who: As) -> WebSocketStream<UnixStream> {
    let mut request = format!("ws://localhost{STREAM}")
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("atek-auth-user", who.0.parse().unwrap());
    request
        .headers_mut()
        .insert("atek-auth-service", who.1.parse().unwrap());
    let stream = UnixStream::connect(adb.socket()).await.unwrap();
    tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap()
        .0
}

/// Without the news of a change, a subscription looks again after 20 s.
const BY_ITSELF: Duration = Duration::from_secs(18);

async fn next(socket: &mut WebSocketStream<UnixStream>) -> Value {
    let wait = async {
        loop {
            match socket.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_subscription_goes_on_where_it_ended() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    adb.call(BOB, "recordPut", json!([id, "t/a", {"n": 1}]))
        .await
        .unwrap();
    let mut first = socket(&adb, BOB).await;
    let subscribe =
        |since: u64| json!({"subscribe": 7, "dbId": id, "path": "t", "since": since}).to_string();
    first.send(Message::text(subscribe(0))).await.unwrap();
    let event = next(&mut first).await;
    assert_eq!(
        (&event["id"], &event["seq"], &event["changes"][0]["value"]),
        (&json!(7), &json!(1), &json!({"n": 1}))
    );
    adb.call(BOB, "recordPut", json!([id, "other", {}]))
        .await
        .unwrap();
    adb.call(BOB, "recordDelete", json!([id, "t/a"]))
        .await
        .unwrap();
    let begun = Instant::now();
    let event = next(&mut first).await;
    let mut fastest = begun.elapsed();
    assert_eq!(
        (&event["seq"], &event["changes"][0]["type"]),
        (&json!(3), &json!("del"))
    );
    drop(first);

    adb.call(BOB, "recordPut", json!([id, "t/b", {}]))
        .await
        .unwrap();
    adb.call(BOB, "recordPut", json!([id, "t/c", {}]))
        .await
        .unwrap();
    let mut second = socket(&adb, BOB).await;
    // The gateway may split frames.
    let text = subscribe(3) + "\n";
    let (head, tail) = text.split_at(10);
    second.send(Message::binary(head.to_owned())).await.unwrap();
    second.send(Message::binary(tail.to_owned())).await.unwrap();
    let event = next(&mut second).await;
    let paths: Vec<&Value> = event["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["path"])
        .collect();
    assert_eq!(paths, ["/t/b", "/t/c"]);

    second
        .send(Message::text(r#"{"unsubscribe": 7}"#))
        .await
        .unwrap();
    second
        .send(Message::text(
            json!({"subscribe": 8, "dbId": id, "since": 4}).to_string(),
        ))
        .await
        .unwrap();
    assert_eq!(next(&mut second).await["id"], 8);
    adb.call(BOB, "recordPut", json!([id, "t/d", {}]))
        .await
        .unwrap();
    let begun = Instant::now();
    assert_eq!(next(&mut second).await["id"], 8);
    fastest = fastest.min(begun.elapsed());
    // A busy machine may be late with one of them.
    assert!(fastest < BY_ITSELF, "no change wakes a subscription");
}

#[tokio::test]
async fn a_subscription_needs_the_right_to_read_and_ends_with_it() {
    let (adb, _) = Adb::initialized().await;
    let made = adb
        .call(BOB, "dbCreate", json!([{"access": "public"}]))
        .await
        .unwrap();
    let id = made["dbId"].as_str().unwrap();
    let private = adb.private_db(BOB).await;
    let mut eve = socket(&adb, EVE).await;
    eve.send(Message::text(
        json!({"subscribe": "p", "dbId": private}).to_string(),
    ))
    .await
    .unwrap();
    let refused = next(&mut eve).await;
    assert_eq!(
        refused["error"]["message"],
        format!("Not authorized to access {private}")
    );
    eve.send(Message::text(
        json!({"subscribe": "x", "dbId": id}).to_string(),
    ))
    .await
    .unwrap();
    adb.call(BOB, "recordPut", json!([id, "a", {}]))
        .await
        .unwrap();
    assert_eq!(next(&mut eve).await["changes"][0]["path"], "/a");
    adb.call(BOB, "dbConfigure", json!([id, {"access": "private"}]))
        .await
        .unwrap();
    adb.call(BOB, "recordPut", json!([id, "b", {}]))
        .await
        .unwrap();
    assert_eq!(
        next(&mut eve).await,
        json!({"id": "x", "error": {"code": -32003, "message": format!("Not authorized to access {id}")}})
    );
    eve.send(Message::text(r#"{"hello": 1}"#)).await.unwrap();
    assert!(
        next(&mut eve).await["error"]["message"]
            .as_str()
            .unwrap()
            .contains("subscribe")
    );
}
