//! The messages for wrong manifests: the place, what is wrong, what is right.

use super::super::*;

#[test]
fn a_wrong_manifest_is_told_with_its_place() {
    for (text, expected) in CASES {
        let error = Manifest::parse(text.as_bytes()).expect_err(text);
        assert_eq!(
            error.to_string(),
            format!("atek.json, {expected}"),
            "{text}"
        );
    }
}

const PATH_WORDS: &str = "must be a path such as /_api/feeds: it starts with '/', has no '..' and no '//', and only printable ASCII without spaces, '?', '#' and '\\'";
const API_WORDS: &str = "an API id is a lower-case domain name, '/' and a name of letters, digits, '.', '_' and '-', such as example.org/feeds";

#[test]
fn export_paths_and_api_ids_have_one_text_each() {
    for (path, fits) in [
        ("/", true),
        ("/_api/adb", true),
        ("/a%20b", true),
        ("/.well-known/x", true),
        ("/a..b", true),
        ("", false),
        ("a", false),
        ("/a/../b", false),
        ("/..", false),
        ("/a/.", false),
        ("/%2e%2E/x", false),
        ("/.%2e", false),
        ("/a%2Fb", false),
        ("/a%5cb", false),
        ("//a", false),
        ("/a b", false),
        ("/a?b", false),
        ("/a#b", false),
        ("/a\\\\b", false),
        ("/ä", false),
        ("/a\\r\\nHost: x", false),
        ("http://x/", false),
    ] {
        let text = format!(r#"{{"exports":[{{"api":"a.b/c","path":"{path}"}}]}}"#);
        match Manifest::parse(text.as_bytes()) {
            Ok(_) => assert!(fits, "{path}"),
            Err(error) => {
                assert!(!fits, "{path}");
                let expected =
                    format!("atek.json, line 1, column 35, /exports/0/path: {PATH_WORDS}");
                assert_eq!(error.to_string(), expected);
            }
        }
    }
    let error = Manifest::parse(br#"{"permissions": {"hostApis": ["a.b/c", "x"]}}"#).unwrap_err();
    let expected = format!("atek.json, line 1, column 40, /permissions/hostApis/1: {API_WORDS}");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_file_that_is_too_large_or_no_text_is_refused() {
    let large = format!("{{\"x\":\"{}\"}}", "a".repeat(MAX_BYTES));
    let error = Manifest::parse(large.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "atek.json, line 1, column 1: the file has 65544 bytes, at most 65536 are read"
    );
    let error = Manifest::parse(b"{\n  \"name\": \"\xff\"}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "atek.json, line 2, column 12: the file is not UTF-8 text"
    );
    // Deep enough to end a parser that recurses without a bound.
    let deep = "[".repeat(MAX_BYTES);
    assert!(Manifest::parse(deep.as_bytes()).is_err());
}

pub(super) const CASES: [(&str, &str); 50] = [
    ("", "line 1, column 1: not JSON: EOF while parsing a value"),
    (
        "{",
        "line 1, column 1: not JSON: EOF while parsing an object",
    ),
    (
        "{\n  \"name\": \"a\",\n}",
        "line 3, column 1: not JSON: trailing comma",
    ),
    ("{} x", "line 1, column 4: not JSON: trailing characters"),
    (
        "{\"name\": \"ä\" \"b\"}",
        "line 1, column 14: not JSON: expected `,` or `}`",
    ),
    ("[]", "line 1, column 1: must be an object, not a list"),
    ("null", "line 1, column 1: must be an object, not null"),
    (
        r#"{"name": 1}"#,
        "line 1, column 10, /name: must be a text, not a number",
    ),
    (
        "{\n\n  \"title\": null\n}",
        "line 3, column 12, /title: must be a text, not null",
    ),
    (
        r#"{"name": "a", "name": "b"}"#,
        "line 1, column 15, /name: the key \"name\" stands twice in this object",
    ),
    (
        r#"{"description": "line\nbreak"}"#,
        "line 1, column 17, /description: the character U+000A is not allowed in a text",
    ),
    (
        r#"{"author": "a\u202eb"}"#,
        "line 1, column 12, /author: the character U+202E is not allowed in a text",
    ),
    (
        r#"{"name": "123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 "}"#,
        "line 1, column 10, /name: must have at most 80 characters, not 90",
    ),
    (
        r#"{"frame": "yes"}"#,
        "line 1, column 11, /frame: must be true or false, not a text",
    ),
    (
        r#"{"exports": {}}"#,
        "line 1, column 13, /exports: must be a list, not an object",
    ),
    (
        r#"{"exports": [1]}"#,
        "line 1, column 14, /exports/0: must be an object, not a number",
    ),
    (
        r#"{"exports": [{}]}"#,
        "line 1, column 14, /exports/0: the key \"api\" is missing",
    ),
    (
        r#"{"exports": [{"api": "a.b/c", "transport": "grpc"}]}"#,
        "line 1, column 44, /exports/0/transport: must be \"rpc\" or \"proxy\", not \"grpc\"",
    ),
    (
        "{\"exports\": [\n  {\"api\": \"a.b/c\"},\n  {\"api\": \"a.b/c\", \"path\": \"/x\"}\n]}",
        "line 3, column 3, /exports/1: the same API, transport and metadata as /exports/0",
    ),
    (
        r#"{"exports": [{"api": "a.b/c", "metadata": {"service": "x"}}]}"#,
        "line 1, column 55, /exports/0/metadata/service: metadata names have 1 to 40 letters, digits, '.', '_' and '-', and are not api, path, service or transport",
    ),
    (
        r#"{"exports": [{"api": "a.b/c", "metadata": {"a/b~": "x"}}]}"#,
        "line 1, column 52, /exports/0/metadata/a~1b~0: metadata names have 1 to 40 letters, digits, '.', '_' and '-', and are not api, path, service or transport",
    ),
    (
        r#"{"exports": [{"api": "a.b/c", "metadata": {"lang": 1}}]}"#,
        "line 1, column 52, /exports/0/metadata/lang: must be a text, not a number",
    ),
    (
        r#"{"runtime": "python"}"#,
        "line 1, column 13, /runtime: must be \"node\", \"native\", \"wasm\", or an object with the kind \"oci\", not \"python\"",
    ),
    (
        r#"{"runtime": "native"}"#,
        "line 1, column 13, /runtime: a native app needs \"entry\", the path of its executable file in the package",
    ),
    (
        r#"{"runtime": "wasm"}"#,
        "line 1, column 13, /runtime: a wasm app needs \"entry\", the path of its component in the package",
    ),
    (
        r#"{"services": {"a": {"runtime": "wasm", "entry": "a.wasm"}}}"#,
        "line 1, column 20, /services/a: a component answers HTTP requests to the app: it cannot be one of its services",
    ),
    (
        r#"{"runtime": {"entry": "a"}}"#,
        "line 1, column 13, /runtime: the key \"kind\" is missing",
    ),
    (
        r#"{"runtime": {"kind": "node", "version": 20}}"#,
        "line 1, column 41, /runtime/version: unknown key \"version\"; known are kind, entry and args",
    ),
    (
        r#"{"entry": "a", "runtime": {"kind": "node"}}"#,
        "line 1, column 27, /runtime: \"entry\" and \"args\" stand either in \"runtime\" or beside it",
    ),
    (
        r#"{"entry": "../a"}"#,
        "line 1, column 11, /entry: must be a path inside the package, such as bin/app",
    ),
    (
        r#"{"args": "-v"}"#,
        "line 1, column 10, /args: must be a list, not a text",
    ),
    (
        r#"{"port": 0}"#,
        "line 1, column 10, /port: must be a number from 1 to 65535, or \"auto\"",
    ),
    (
        r#"{"port": "8080"}"#,
        "line 1, column 10, /port: must be a number from 1 to 65535, or \"auto\"",
    ),
    (
        r#"{"workdir": "/data"}"#,
        "line 1, column 13, /workdir: must be \"package\" or \"state\", not \"/data\"",
    ),
    (
        r#"{"healthcheck": true}"#,
        "line 1, column 17, /healthcheck: must be a text, not true or false",
    ),
    (
        r#"{"healthcheck": {}}"#,
        "line 1, column 17, /healthcheck: the key \"command\" is missing",
    ),
    (
        r#"{"healthcheck": {"path": "/"}}"#,
        "line 1, column 26, /healthcheck/path: unknown key \"path\"; known are command",
    ),
    (
        r#"{"healthcheck": {"command": [""]}}"#,
        "line 1, column 29, /healthcheck/command: must name a program and its arguments, such as [\"node\", \"check.js\"]",
    ),
    (
        r#"{"runtime": "native", "entry": "a", "args": ["a\u0000"]}"#,
        "line 1, column 46, /args/0: at most 64 arguments of 8192 bytes together, without control characters but line ends and tabs",
    ),
    (
        r#"{"permissions": {"filesystem": true}}"#,
        "line 1, column 32, /permissions/filesystem: unknown key \"filesystem\"; known are network, hostApis, devices, listen, mdns and root",
    ),
    (
        r#"{"folders": "photos"}"#,
        "line 1, column 13, /folders: must be a list, not a text",
    ),
    (
        r#"{"folders": ["../other"]}"#,
        "line 1, column 14, /folders/0: a folder's name has 1 to 64 letters, digits, '.', '_' and '-', and begins with a letter or digit",
    ),
    (
        r#"{"folders": ["photos", "photos"]}"#,
        "line 1, column 24, /folders/1: this folder is listed twice",
    ),
    (
        r#"{"permissions": {"network": "all"}}"#,
        "line 1, column 29, /permissions/network: must be \"direct\", {\"direct\": {\"lan\": true}} or {\"hosts\": […]}, not \"all\"",
    ),
    (
        r#"{"permissions": {"network": true}}"#,
        "line 1, column 29, /permissions/network: must be \"direct\", {\"direct\": {\"lan\": true}} or {\"hosts\": […]}, not true or false",
    ),
    (
        r#"{"permissions": {"network": {"hosts": []}}}"#,
        "line 1, column 39, /permissions/network/hosts: must name at least one host; leave \"network\" out for no network",
    ),
    (
        r#"{"permissions": {"network": {"hosts": ["*"]}}}"#,
        "line 1, column 40, /permissions/network/hosts/0: a wildcard must name a domain of at least two parts, such as *.example.org; for every host ask for \"direct\"",
    ),
    (
        r#"{"permissions": {"network": {"direct": {"wan": true}}}}"#,
        "line 1, column 48, /permissions/network/direct/wan: unknown key \"wan\"; known are lan",
    ),
    (
        r#"{"limits": {"memoryMax": "1G"}}"#,
        "line 1, column 26, /limits/memoryMax: must be a whole number from 0, not a text",
    ),
    (
        r#"{"limits": {"memory": 1}}"#,
        "line 1, column 23, /limits/memory: unknown key \"memory\"; known are memoryMax, tasksMax, cpuQuota and cpuWeight",
    ),
];
