//! Databases.

use crate::fake::{ADB, FakeHost, SERVICES, USERS};
use crate::run::{arg, atek, atek_with_input};
use crate::sample::{list, service};
use serde_json::{Value, json};

const NOTES: &str = "abababababababababababababababababababababababababababababababab";
const SERVER: &str = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";

fn notes() -> Value {
    json!({
        "dbId": NOTES, "writable": true, "isServerDb": false, "alias": "notes-db", "access": "private",
        "owner": { "userKey": "u1", "serviceKey": "k-notes" }, "createdAt": "2021-08-05T09:57:00.000Z",
        "quota": { "maxBytes": 1_073_741_824u64, "maxRecords": 5_000_000 },
        "usage": { "bytes": 12_897_484, "records": 7, "blobs": 0, "blobBytes": 0, "seq": 9 }
    })
}

fn with_databases() -> FakeHost {
    let host = FakeHost::new();
    let server = json!({
        "dbId": SERVER, "isServerDb": true, "access": "private",
        "owner": { "userKey": "system", "serviceKey": "system" }
    });
    host.result(ADB, "adminListDbs", json!([server, notes()]));
    host.result(
        USERS,
        "list",
        json!({ "users": [{ "key": "u1", "username": "alice" }] }),
    );
    host.result(SERVICES, "list", list(&[service("notes", "running")]));
    host
}

#[test]
fn databases_are_listed_with_the_names_of_their_owners() {
    let host = with_databases();
    assert_eq!(
        atek(&host, &["db", "ls"]).ok(),
        "ID            ALIAS     USER    SERVICE  ACCESS   RECORDS     SIZE  CREATED\n\
         cdcdcdcdcdcd  server    system  system   private        -        -  -\n\
         abababababab  notes-db  alice   notes    private        7  12.9 MB  2021-08-05 09:57\n"
    );
    atek(&host, &["db", "ls", "--user", "alice", "--json"]).ok();
    assert_eq!(
        host.calls_of("adminListDbs"),
        [json!([{}]), json!([{ "userKey": "u1" }])]
    );
}

#[test]
fn a_database_is_described_with_its_quota() {
    let host = with_databases();
    host.result(ADB, "dbDescribe", notes());
    let text = atek(&host, &["db", "info", "notes-db"]).ok();
    for line in [
        " Alias: notes-db\n",
        " User: alice\n",
        "Records: 7 of 5000000\n",
        "Size: 12.9 MB of 1.1 GB\n",
    ] {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }
    assert_eq!(host.calls_of("dbDescribe"), [json!([NOTES])]);
}

#[test]
fn records_are_listed_read_written_and_deleted() {
    let host = with_databases();
    let record =
        json!({ "key": "a", "path": "/entries/a", "seq": 3, "value": { "text": "\u{1b}[31mhi" } });
    host.result(ADB, "recordList", json!({ "records": [record] }))
        .result(ADB, "recordGet", record.clone())
        .result(ADB, "recordPut", record.clone())
        .result(ADB, "recordDelete", Value::Null);

    let text = atek(
        &host,
        &[
            "db",
            "list",
            "notes-db",
            "entries",
            "-n",
            "5",
            "--reverse",
            "--after",
            "A",
        ],
    )
    .ok();
    assert_eq!(text, "/entries/a {\"text\":\"\\u001b[31mhi\"}\n");
    assert_eq!(
        host.calls_of("recordList"),
        [json!([NOTES, "entries", { "gt": "A", "limit": 5, "reverse": true, "cursor": "" }])]
    );

    assert_eq!(
        atek(&host, &["db", "get", "abab", "entries/a"]).ok(),
        "{\n  \"text\": \"\\u001b[31mhi\"\n}\n"
    );
    assert_eq!(
        atek(&host, &["db", "get", NOTES, "entries/a", "--json"]).ok(),
        format!("{record}\n")
    );

    atek(
        &host,
        &[
            "db",
            "put",
            "notes-db",
            "entries/a",
            r#"{"n": 1.0, "big": 12345678901234567890}"#,
        ],
    )
    .ok();
    atek_with_input(
        &host,
        &["db", "put", "notes-db", "entries/a"],
        "{\"from\": \"stdin\"}\n",
    )
    .ok();
    assert_eq!(
        host.calls_of("recordPut"),
        [
            json!([NOTES, "entries/a", { "n": 1.0, "big": 12_345_678_901_234_567_890u64 }]),
            json!([NOTES, "entries/a", { "from": "stdin" }]),
        ]
    );

    atek(&host, &["db", "rm", "server", "x/y"]).ok();
    assert_eq!(host.calls_of("recordDelete"), [json!([SERVER, "x/y"])]);
}

#[test]
fn long_lists_come_in_pages() {
    let record = |key: &str| json!({ "key": key, "path": format!("/{key}"), "value": {} });
    let host = with_databases();
    host.result(
        ADB,
        "recordList",
        json!({ "records": [record("a"), record("b")], "cursor": "c1" }),
    )
    .result(ADB, "recordList", json!({ "records": [record("c")] }))
    .result(
        ADB,
        "recordList",
        json!({ "records": [record("a")], "cursor": "c1" }),
    );
    assert_eq!(
        atek(&host, &["db", "list", "notes-db"]).ok(),
        "/a {}\n/b {}\n/c {}\n"
    );
    let cursors: Vec<_> = host
        .calls_of("recordList")
        .iter()
        .map(|call| call[2]["cursor"].clone())
        .collect();
    assert_eq!(cursors, ["", "c1"]);
    // A number is the number, though there is more.
    let one = atek(&host, &["db", "list", "notes-db", "-n", "1", "--json"]).ok();
    assert_eq!(one, format!("{}\n", json!({ "records": [record("a")] })));
}

#[test]
fn a_database_is_exported_to_a_new_file_and_imported_from_it() {
    let host = with_databases();
    let tar = json!("the database as the service sends it");
    host.status(
        &format!("/_atek/gateway/export/{NOTES}?api=atek.cloud%2Fadb-api"),
        200,
        tar.clone(),
    );
    let file = host.folder().join("notes.tar");
    let done = atek(&host, &["db", "export", "notes-db", arg(&file)]);
    assert_eq!(
        (done.code, done.stderr.as_str()),
        (Some(0), "exported notes-db (38 B)\n")
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), tar.to_string());
    assert_eq!(
        atek(&host, &["db", "export", "notes-db"]).ok(),
        tar.to_string()
    );

    // What exists is not written over.
    let error = atek(&host, &["db", "export", "notes-db", arg(&file)]).failed(1);
    assert!(
        error.contains(&format!("cannot make the file {}: ", file.display())),
        "{error}"
    );

    let answer = json!({ "dbId": NOTES, "records": 1, "blobs": 2 });
    host.status(
        &format!("/_atek/gateway/import?api=atek.cloud%2Fadb-api&into={NOTES}"),
        200,
        answer.clone(),
    );
    let text = atek(&host, &["db", "import", arg(&file), "--into", "notes-db"]).ok();
    assert_eq!(
        text,
        format!("imported 1 record and 2 blobs into {NOTES}\n")
    );
    host.status(
        "/_atek/gateway/import?api=atek.cloud%2Fadb-api&alias=copy&access=private",
        200,
        answer.clone(),
    );
    let args = [
        "db", "import", "--alias", "copy", "--access", "private", "--json",
    ];
    assert_eq!(
        atek_with_input(&host, &args, "from stdin").ok(),
        format!("{answer}\n")
    );
    let bodies: Vec<_> = host
        .requests()
        .into_iter()
        .filter(|request| request.0 == "POST")
        .map(|r| r.2)
        .collect();
    assert_eq!(
        bodies,
        [tar.to_string().into_bytes(), b"from stdin".to_vec()]
    );
}

#[test]
fn nothing_is_left_of_an_export_that_fails() {
    let host = with_databases();
    let refusal =
        json!({ "error": true, "code": -32003, "message": "Not authorized to access it" });
    host.status(
        &format!("/_atek/gateway/export/{NOTES}?api=atek.cloud%2Fadb-api"),
        403,
        refusal,
    );
    let file = host.folder().join("notes.tar");
    let error = atek(&host, &["db", "export", "notes-db", arg(&file)]).failed(1);
    assert!(
        error.starts_with("error: cannot export the database notes-db: "),
        "{error}"
    );
    assert!(error.contains("Not authorized to access it"), "{error}");
    let left: Vec<_> = std::fs::read_dir(host.folder())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["control.sock"]);
}

#[test]
fn a_value_that_is_no_object_is_refused_here() {
    let host = with_databases();
    let error = atek(&host, &["db", "put", "notes-db", "a", "{text: 1}"]).failed(1);
    assert!(
        error.starts_with("error: VALUE is not JSON: key must be a string"),
        "{error}"
    );
    let error = atek(&host, &["db", "put", "notes-db", "a", "[1]"]).failed(2);
    assert_eq!(
        error,
        "error: a record's value must be a JSON object, such as {\"a\": 1}\n"
    );
    assert!(host.calls_of("recordPut").is_empty());
}

#[test]
fn a_database_that_does_not_exist_says_how_to_find_one() {
    let host = with_databases();
    assert_eq!(
        atek(&host, &["db", "get", "wiki", "a"]).failed(1),
        "error: no database has the id or alias wiki\n hint: list the databases with: atek db ls\n"
    );
}

#[test]
fn dropping_a_database_needs_a_yes() {
    let host = with_databases();
    host.result(ADB, "adminDeleteDb", Value::Null);
    assert_eq!(
        atek(&host, &["db", "drop", "notes-db"]).failed(2),
        "error: Delete the database notes-db (abababababab), with everything in it? \
         There is no terminal to ask on: add --yes\n"
    );
    assert_eq!(
        atek(&host, &["db", "drop", "notes-db", "--yes"]).ok(),
        format!("deleted {NOTES}\n")
    );
    assert_eq!(host.calls_of("adminDeleteDb"), [json!([NOTES])]);
}

#[test]
fn a_database_service_that_does_not_run_is_named() {
    let host = FakeHost::new();
    let message =
        r#"No service available which matches {"transport":"rpc","api":"atek.cloud/adb-api"}"#;
    host.error(ADB, "adminCompact", -32601, message);
    let error = atek(&host, &["db", "compact"]).failed(69);
    assert!(
        error.ends_with("hint: the database service does not run, see: atek status core.adb\n"),
        "{error}"
    );
}
