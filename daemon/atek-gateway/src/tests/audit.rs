//! What the gateway notes for the audit log.

use super::support::client::{call_at, send};
use super::support::{BOB, World};
use atek_api::audit::{AuditCaller, AuditKind, AuditOutcome};
use serde_json::json;

/// The rows that were noted since the last time, without what differs from run to run.
fn noted(world: &World) -> Vec<(AuditCaller, String, AuditKind, String, String, u64)> {
    let tally = &world.gateway.deps().audit;
    let rows = tally.take().into_iter().map(|(key, counts)| {
        let outcome = match key.outcome {
            AuditOutcome::Done => "done",
            AuditOutcome::Failed => "failed",
            AuditOutcome::Refused => "refused",
            other => panic!("{other:?}"),
        };
        let what = format!("{} {} {}", key.what, key.method, key.about);
        let outcome = outcome.to_owned();
        (key.caller, key.who, key.kind, what, outcome, counts.count)
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn calls_refusals_and_closed_pages_are_noted_by_who_made_them() {
    let mut world = World::new().await;
    world.service("rss", "key-alice", json!([{ "api": "example.org/test" }]));
    world.service("mine", "key-bob", json!([{ "api": "example.org/private" }]));
    world.service("notes", "key-alice", json!([]));
    let own = world.listen_for("notes");
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"mirror"}"#;
    for api in ["test", "test", "private", "nothing"] {
        call_at(&own, &format!("api=example.org/{api}"), call, &[]).await;
    }
    let batch =
        r#"[{"jsonrpc":"2.0","id":1,"method":"whoami"},{"jsonrpc":"2.0","id":2,"method":"x"}]"#;
    call_at(
        &own,
        &format!("api={}", atek_api::sessions::API),
        batch,
        &[],
    )
    .await;
    let sessions = atek_api::sessions::API;
    let app = |what: String, outcome: &str, count| {
        let (who, outcome) = ("notes".to_owned(), outcome.to_owned());
        (AuditCaller::App, who, AuditKind::Call, what, outcome, count)
    };
    assert_eq!(
        noted(&world),
        [
            app(format!("{sessions} whoami "), "done", 1),
            app(format!("{sessions} x "), "failed", 1),
            app("example.org/nothing mirror ".to_owned(), "failed", 1),
            app("example.org/private mirror ".to_owned(), "refused", 1),
            app("example.org/test mirror rss".to_owned(), "done", 2),
        ]
    );

    // A person who may not, and callers without a name.
    let bound = format!("atek-session={}", world.bound_cookie(BOB, "rss").await);
    let headers = [("host", "rss.localhost"), ("cookie", bound.as_str())];
    let closed = world.get("/", &headers).await;
    assert_eq!(closed.status, 403);
    world.get("/", &[("host", "localhost")]).await;
    let rows = noted(&world);
    assert_eq!(
        rows,
        [(
            AuditCaller::User,
            "key-bob".to_owned(),
            AuditKind::Page,
            "  rss".to_owned(),
            "refused".to_owned(),
            1
        )]
    );

    // A host outside that was not granted.
    let headers = [("host", "evil.example.org")];
    let refused = send(&own, "GET", "http://evil.example.org/x", &headers, "").await;
    assert_eq!(refused.status, 403);
    let rows = noted(&world);
    let [(_, who, kind, what, outcome, 1)] = &rows[..] else {
        panic!("{rows:?}")
    };
    assert_eq!(
        (who.as_str(), *kind, what.trim(), outcome.as_str()),
        ("notes", AuditKind::Host, "evil.example.org", "refused")
    );
}
