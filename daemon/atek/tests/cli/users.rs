//! Users.

use crate::fake::{FakeHost, USERS};
use crate::run::{atek, atek_with_input};
use serde_json::{Value, json};

fn with_users() -> FakeHost {
    let host = FakeHost::new();
    let users = json!({ "users": [
        { "key": "u2", "username": "bob" },
        { "key": "u1", "username": "alice", "role": "admin" },
    ] });
    host.result(USERS, "list", users);
    host
}

#[test]
fn users_are_listed_by_name() {
    let host = with_users();
    let expected = "NAME   ROLE   KEY\nalice  admin  u1\nbob    user   u2\n";
    assert_eq!(atek(&host, &["users"]).ok(), expected);
    assert_eq!(atek(&host, &["lsuser"]).ok(), expected);
}

#[test]
fn a_user_is_created_with_a_password_from_standard_input() {
    let host = with_users();
    host.result(
        USERS,
        "create",
        json!({ "key": "u3", "username": "carol", "role": "admin" }),
    );
    let done = atek_with_input(
        &host,
        &["mkuser", "carol", "--admin", "--password-stdin"],
        "correct horse\nmore\n",
    );
    assert_eq!(done.ok(), "created the user carol, an administrator\n");
    let done = atek_with_input(
        &host,
        &["mkuser", "dave", "--password-stdin"],
        "correct horse",
    );
    assert_eq!(done.ok(), "created the user dave\n");
    assert_eq!(
        host.calls_of("create"),
        [
            json!([{ "username": "carol", "password": "correct horse", "role": "admin" }]),
            json!([{ "username": "dave", "password": "correct horse" }]),
        ]
    );
}

#[test]
fn a_password_is_never_an_argument_and_never_guessed() {
    let host = with_users();
    assert_eq!(
        atek(&host, &["mkuser", "carol", "--password", "secret"]).code,
        Some(2)
    );
    assert_eq!(
        atek(&host, &["moduser", "bob", "--password=secret"]).code,
        Some(2)
    );
    assert_eq!(
        atek_with_input(&host, &["mkuser", "carol"], "secret\nsecret\n").failed(2),
        "error: there is no terminal to ask for the password on: add --password-stdin\n"
    );
    assert_eq!(
        atek_with_input(&host, &["mkuser", "carol", "--password-stdin"], "\n").failed(2),
        "error: standard input has no password\n"
    );
    assert_eq!(
        atek(&host, &["mkuser"]).failed(2),
        "error: give the user's name: atek mkuser NAME\n"
    );
    assert!(host.calls_of("create").is_empty());
}

#[test]
fn a_refusal_is_told_without_the_password() {
    let host = with_users();
    host.error(
        USERS,
        "create",
        -32003,
        "This username has already been taken",
    );
    let error = atek_with_input(
        &host,
        &["mkuser", "alice", "--password-stdin"],
        "hunter2hunter2\n",
    )
    .failed(1);
    assert_eq!(
        error,
        "error: cannot create the user alice: This username has already been taken\n"
    );
}

#[test]
fn a_user_is_changed_by_name() {
    let host = with_users();
    host.result(USERS, "update", Value::Null).result(
        USERS,
        "setPassword",
        json!({ "keys": "locked" }),
    );
    atek(
        &host,
        &["moduser", "bob", "--role", "admin", "--rename", "robert"],
    )
    .ok();
    atek(&host, &["moduser", "alice", "--role", "user"]).ok();
    atek_with_input(
        &host,
        &["moduser", "bob", "--password-stdin"],
        "correct horse\n",
    )
    .ok();
    let told = atek_with_input(
        &host,
        &["passwd", "bob", "--password-stdin"],
        "battery staple\n",
    )
    .ok();
    assert!(told.contains("their keys stay locked"), "{told}");
    atek_with_input(
        &host,
        &["passwd", "bob", "--password-stdin", "--helper", "alice"],
        "battery staple\nalices password\n",
    )
    .ok();
    assert_eq!(
        host.calls_of("update"),
        [
            json!(["u2", { "username": "robert", "role": "admin" }]),
            json!(["u1", { "role": "" }]),
            json!(["u2", { "password": "correct horse" }]),
        ]
    );
    assert_eq!(
        host.calls_of("setPassword"),
        [
            json!(["u2", { "new": "battery staple" }]),
            json!(["u2", { "new": "battery staple", "help": { "by": "u1", "password": "alices password" } }]),
        ]
    );
}

#[test]
fn an_unknown_user_is_told_with_the_nearest_names() {
    let host = with_users();
    assert_eq!(
        atek(&host, &["deluser", "alcie", "--yes"]).failed(1),
        "error: no user has the name alcie\n hint: did you mean alice?\n"
    );
}

#[test]
fn deleting_a_user_needs_a_yes() {
    let host = with_users();
    host.result(USERS, "delete", Value::Null);
    assert_eq!(atek(&host, &["deluser", "bob"]).code, Some(2));
    assert!(host.calls_of("delete").is_empty());
    assert_eq!(
        atek(&host, &["deluser", "bob", "--yes"]).ok(),
        "deleted the user bob\n"
    );
    atek(
        &host,
        &["deluser", "bob", "--apps", "give", "--to", "alice", "--yes"],
    )
    .ok();
    atek(&host, &["deluser", "bob", "--apps", "uninstall", "--yes"]).ok();
    assert_eq!(
        host.calls_of("delete"),
        [
            json!(["u2"]),
            json!(["u2", {"services": "give", "to": "alice"}]),
            json!(["u2", {"services": "uninstall"}])
        ]
    );
    assert_eq!(
        atek(&host, &["deluser", "bob", "--apps", "give", "--yes"]).code,
        Some(2)
    );
}
