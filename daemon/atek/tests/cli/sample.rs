//! Answers of a host, as it would give them.

use serde_json::{Value, json};

/// A service's record and state.
pub(crate) fn service(id: &str, state: &str) -> Value {
    json!({
        "status": if state == "running" { "active" } else { "inactive" },
        "state": state,
        "reason": null,
        "key": format!("k-{}", id.replace('.', "-")),
        "owner": "alice",
        "settings": {
            "id": id,
            "owningUserKey": "u1",
            "sourceUrl": format!("https://example.org/{id}"),
            "package": { "sourceType": "git", "installedVersion": "v1.2.0", "title": "An App" },
            "manifest": { "name": "An App", "description": "Does things",
                          "exports": [{ "api": "example.org/things-api", "path": "/_api" }] },
            "config": { "GREETING": "hello" }
        }
    })
}

/// A service that asks for something.
pub(crate) fn asking_service(id: &str, granted: bool) -> Value {
    let mut service = service(id, "running");
    let permissions = json!({ "network": { "hosts": ["feeds.example.org"] } });
    service["settings"]["manifest"]["permissions"] = permissions.clone();
    if granted {
        service["settings"]["granted"] = permissions;
    }
    service
}

/// What `list` answers.
pub(crate) fn list(services: &[Value]) -> Value {
    json!({ "services": services })
}

/// What `status` answers.
pub(crate) fn status(id: &str, state: &str) -> Value {
    json!({
        "id": id,
        "key": format!("k-{}", id.replace('.', "-")),
        "unit": format!("atek-app-{id}.service"),
        "state": state,
        "reason": if state == "failed" { json!("it used more memory than it may") } else { Value::Null },
        "since": "2021-08-05T09:57:00Z",
        "pid": if state == "running" { json!(4242) } else { Value::Null },
        "memoryBytes": 12_897_484,
        "cpuUsec": 1_234_567,
        "restarts": if state == "failed" { 3 } else { 0 },
        "lastExit": if state == "failed" { json!("oom-kill") } else { Value::Null },
        "limits": { "memoryMax": 268_435_456, "tasksMax": 128 },
        "version": "v1.2.0"
    })
}

/// A line of a log.
pub(crate) fn log(level: &str, message: &str) -> Value {
    json!({ "time": "2021-08-05T09:57:00.123456Z", "level": level, "message": message, "cursor": "c1" })
}
