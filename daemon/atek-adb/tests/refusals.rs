//! What is refused, in the original's words, and what is too large.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

mod common;

use common::{Adb, As};
use serde_json::json;

const BOB: As = As("bob", "notes");

#[tokio::test]
async fn errors_are_those_of_the_original() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    // (method, params, code, message)
    for (method, params, code, message) in [
        ("recordGet", json!([id, "a/b"]), -32003, "Not found: a,b"),
        (
            "recordGet",
            json!([1, "a"]),
            -32001,
            "Parameter 1 must be string",
        ),
        (
            "recordGet",
            json!([id, 1]),
            -32001,
            "Parameter 2 must be string",
        ),
        (
            "recordGet",
            json!(["main", "a"]),
            -32003,
            "Invalid database ID: main",
        ),
        (
            "recordPut",
            json!([id, "a", []]),
            -32001,
            "Parameter 3 must be object",
        ),
        (
            "recordPut",
            json!([id, "/", {}]),
            -32003,
            "Invalid path: a record needs at least one path segment",
        ),
        (
            "recordPut",
            json!([id, [], {}]),
            -32003,
            "Invalid path: a record needs at least one path segment",
        ),
        (
            "recordPut",
            json!([id, ["a", ""], {}]),
            -32003,
            "Invalid path: segment 2 is empty",
        ),
        (
            "recordList",
            json!([id, "a", {"gt": 1}]),
            -32001,
            "Parameter NaN must be string",
        ),
        (
            "dbCreate",
            json!([{"alias": 1}]),
            -32001,
            "Parameter NaN must be string",
        ),
        (
            "dbCreate",
            json!(["x"]),
            -32001,
            "Parameter 1 must be object",
        ),
        (
            "adminDeleteDb",
            json!(["0".repeat(64)]),
            -32003,
            "DB not found",
        ),
        ("toString", json!([]), -32601, "Method not found: toString"),
        (
            "constructor",
            json!([]),
            -32601,
            "Method not found: constructor",
        ),
        ("dispatch", json!([]), -32601, "Method not found: dispatch"),
    ] {
        let (got, text, _) = adb.call(BOB, method, params.clone()).await.unwrap_err();
        assert_eq!((got, text.as_str()), (code, message), "{method} {params}");
    }
    let (_, body) = adb
        .post(
            None,
            r#"{"jsonrpc":"2.0","id":7,"method":"dbList","params":[]}"#,
        )
        .await;
    assert_eq!(
        body,
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32003,"message":"Not authorized"}}"#
    );
    let (_, body) = adb
        .post(Some(BOB), r#"{"jsonrpc":"2.0","method":"dbList"}"#)
        .await;
    assert_eq!(body, "{}");
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_name() {
    let (adb, _) = Adb::initialized().await;
    let id = adb.private_db(BOB).await;
    let deep = (0..70).fold(json!({}), |inner, _| json!({"a": inner}));
    for (params, expected) in [
        (
            json!([id, "k".repeat(1025), {}]),
            "Invalid path: longer than 1024 bytes",
        ),
        (
            json!([id, "k/".repeat(65), {}]),
            "Invalid path: more than 64 segments",
        ),
        (
            json!([id, ["a\u{0}"], {}]),
            "Invalid path: segment 1 contains a NUL character",
        ),
        (
            json!([id, "a", deep]),
            "Parameter 3 is nested more than 64 levels deep",
        ),
        (
            json!([id, "a", {"x": "y".repeat(1 << 20)}]),
            "Parameter 3 is larger than 1048576 bytes: store less in one record, or use a blob",
        ),
        (
            json!([id, "a", {"x": "y".repeat(5 << 20)}]),
            "The request is longer than 4194304 bytes: send less at once",
        ),
    ] {
        assert_eq!(adb.refusal(BOB, "recordPut", params).await, expected);
    }
}
