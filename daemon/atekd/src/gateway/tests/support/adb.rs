//! As much of ADB as the server database needs: two users, each with a session.

use super::service::{self, json_body};
use crate::database::SessionId;
use serde_json::{Value, json};
use std::path::Path;

/// `users`: the names of those that there are.
pub(super) fn start(socket: &Path, users: &'static [&'static str]) {
    service::serve(socket, move |request| async move {
        let call: Value = serde_json::from_slice(&service::body(request).await).unwrap();
        let result = match call["method"].as_str().unwrap() {
            "init" | "recordBatch" => Value::Null,
            "getConfig" => json!({ "serverDbId": "ab".repeat(32) }),
            "recordList" => {
                json!({ "records": records(call["params"][1][1].as_str().unwrap(), users) })
            }
            other => panic!("the test's ADB has no method {other}"),
        };
        json_body(&json!({ "jsonrpc": "2.0", "id": call["id"], "result": result }))
    });
}

fn records(table: &str, users: &[&str]) -> Value {
    let user = |name: &str, role: &str| {
        json!({
            "key": super::user(name),
            "value": { "username": name, "hashedPassword": "", "role": role, "settings": { "mainServiceKey": "home" } },
        })
    };
    let session = |cookie: &str, name: &str| {
        let id = SessionId::of_cookie(cookie);
        json!({
            "key": id,
            "value": {
                "sessionId": id,
                "userKey": super::user(name),
                "username": name,
                "createdAt": "2026-01-01T00:00:00Z",
                "lastSeenUnix": i64::MAX / 2,
            },
        })
    };
    match table {
        "user" => users
            .iter()
            .map(|name| user(name, if *name == "alice" { "admin" } else { "" }))
            .collect(),
        "user-session" => json!([session(super::ALICE, "alice"), session(super::BOB, "bob")]),
        _ => json!([]),
    }
}
