//! Permissions, shares and groups.

use crate::fake::FakeHost;
use crate::run::atek;
use serde_json::json;

const PERMISSIONS: &str = "atek.cloud/permissions-api";

#[test]
fn permissions_are_listed_with_who_gave_them_and_what_is_denied() {
    let host = FakeHost::new();
    let grant = |id: &str, permission: &str, verdict: &str| {
        json!({
            "id": id, "service": "notes", "title": "Notes", "owner": "bob",
            "permission": permission, "words": format!("connect to {permission}"),
            "danger": "low", "verdict": verdict, "origin": "decision", "reason": null,
            "by": "alice", "since": null, "until": null, "picked": null,
        })
    };
    let grants = json!({ "grants": [
        grant("g1", "host:a.org", "allow"),
        grant("g2", "host:b.org", "deny"),
    ] });
    host.result(PERMISSIONS, "list", grants);
    let shown = atek(&host, &["permissions"]).ok();
    assert!(shown.contains("connect to host:a.org"), "{shown}");
    assert!(shown.contains("not connect to host:b.org"), "{shown}");
    assert!(shown.contains("alice"), "{shown}");
    let none = atek(&host, &["permissions", "list", "other"]).ok();
    assert_eq!(none, "no app has a permission beyond the default\n");
}

#[test]
fn a_permission_is_given_for_a_time_and_a_host_is_blocked() {
    let host = FakeHost::new();
    host.result(PERMISSIONS, "grant", json!({ "id": "g1" }));
    atek(
        &host,
        &["permissions", "allow", "notes", "host:a.org", "--for", "1h"],
    )
    .ok();
    atek(&host, &["permissions", "deny", "notes", "host:b.org"]).ok();
    assert_eq!(
        host.calls_of("grant"),
        [
            json!([{ "service": "notes", "permission": "host:a.org", "seconds": 3600 }]),
            json!([{ "service": "notes", "permission": "host:b.org", "verdict": "deny" }]),
        ]
    );
    let wrong = atek(&host, &["permissions", "allow", "notes", "everything"]);
    assert_eq!(wrong.code, Some(2));
}

#[test]
fn an_app_is_shared_with_a_user_or_a_group_and_a_group_keeps_its_key() {
    let host = FakeHost::new();
    host.result(PERMISSIONS, "share", json!({ "id": "s1" }));
    let groups = json!({ "groups": [{ "key": "k1", "name": "family", "members": ["bob"] }] });
    host.result(PERMISSIONS, "groups", groups);
    host.result(PERMISSIONS, "putGroup", json!({ "key": "k1" }));
    atek(
        &host,
        &[
            "share", "app", "album", "--group", "family", "--level", "view",
        ],
    )
    .ok();
    assert_eq!(
        host.calls_of("share"),
        [json!([{ "service": "album", "group": "family", "level": "view" }])]
    );
    atek(&host, &["groups", "set", "family", "bob", "carol"]).ok();
    assert_eq!(
        host.calls_of("putGroup"),
        [json!([{ "key": "k1", "name": "family", "members": ["bob", "carol"] }])]
    );
    assert_eq!(atek(&host, &["share", "app", "album"]).code, Some(2));
}
