//! The published schema and the parser say the same.

use super::super::*;
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../atek.schema.json")).unwrap());
static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::validator_for(&SCHEMA).unwrap());

/// What the parser refuses and a schema cannot say, or says only roughly.
fn is_beyond_a_schema(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::DuplicateExport(_)
            | Problem::Host(_)
            | Problem::Arguments
            | Problem::NoSidecar(_)
            | Problem::SidecarCircle(_)
            | Problem::PortTwice(_)
    )
}

fn compare(value: &Value) -> Result<(), String> {
    let parsed = Manifest::parse(value.to_string().as_bytes());
    match (parsed, VALIDATOR.validate(value)) {
        (Ok(_), Ok(())) | (Err(_), Err(_)) => Ok(()),
        (Err(error), Ok(())) if is_beyond_a_schema(&error.problem) => Ok(()),
        (Err(error), Ok(())) => Err(format!("only the parser refuses {value}: {error}")),
        (Ok(_), Err(words)) => Err(format!("only the schema refuses {value}: {words}")),
    }
}

#[test]
fn the_schema_and_the_parser_agree_on_each_wrong_manifest() {
    for (text, _) in super::wrong::CASES {
        if let Ok(value) = serde_json::from_str::<Value>(text)
            // A key that stands twice is gone in a value.
            && Manifest::parse(value.to_string().as_bytes()).is_err()
        {
            compare(&value).unwrap();
        }
    }
}

#[test]
fn the_schema_knows_every_key_that_the_parser_writes() {
    let manifest = Manifest::parse(
        br#"{"name":"a","description":"b","author":"c","license":"d","frame":true,
        "folders":["photos"],
        "exports":[{"api":"a.b/c","path":"/x","transport":"proxy","metadata":{"m":"n"}}],
        "runtime":"native","entry":"bin/a","args":["x"],
        "permissions":{"network":{"hosts":["a.org"]},"hostApis":["a.b/c"],"devices":["/dev/video0"],"listen":["tcp/1883"],"mdns":true,"root":true},
        "limits":{"memoryMax":8388608,"tasksMax":1,"cpuQuota":1,"cpuWeight":1},"sleep":true,
        "services":{"db":{"runtime":{"kind":"oci","image":"localhost/db:1.0.0"},"port":5432,
            "healthcheck":{"command":["pg_isready"]}},"work":{"entry":"w.js","after":["db"]}},
        "port":8080,"workdir":"state","healthcheck":"/healthz","icon":"icon.svg",
        "beforeBackup":{"command":["./dump","--all"],"seconds":90}}"#,
    )
    .unwrap();
    let written = serde_json::to_value(&manifest).unwrap();
    VALIDATOR.validate(&written).unwrap();
    for key in KEYS {
        assert!(SCHEMA["properties"].get(key).is_some(), "{key}");
    }
    for key in written.as_object().unwrap().keys() {
        assert!(KEYS.contains(&key.as_str()), "{key}");
        assert!(SCHEMA["properties"].get(key).is_some(), "{key}");
    }
}

#[test]
fn the_schema_refuses_wrong_values() {
    for wrong in [
        json!([]),
        json!({"name": 1}),
        json!({"name": "x".repeat(81)}),
        json!({"exports": [{"api": "x"}]}),
        json!({"exports": [{"api": "a.b/c", "path": "/../x"}]}),
        json!({"runtime": "native"}),
        json!({"runtime": "wasm"}),
        json!({"limits": {"tasksMax": 0}}),
        json!({"port": 0}),
        json!({"port": "any"}),
        json!({"healthcheck": "healthz"}),
        json!({"healthcheck": {"command": []}}),
        json!({"healthcheck": {"command": "check"}}),
        json!({"beforeBackup": {"command": []}}),
        json!({"beforeBackup": {"command": ["x"], "seconds": 601}}),
        json!({"beforeBackup": ["x"]}),
        json!({"permissions": {"network": {"hosts": []}}}),
    ] {
        assert!(!VALIDATOR.is_valid(&wrong), "{wrong}");
    }
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = Value> + Clone {
    prop::sample::select(words).prop_map(Value::from)
}

/// A value for a key: mostly one that could be right there.
fn value_for(key: &'static str) -> BoxedStrategy<Value> {
    let fitting = match key {
        "name" | "title" | "description" | "author" | "license" => prop_oneof![
            "(?s).{0,90}".prop_map(Value::from),
            one_of(&[
                "",
                "Clock",
                "a\u{202e}b",
                "a\nb",
                "\u{200d}",
                "\u{e0001}",
                "ä🌄"
            ]),
        ]
        .boxed(),
        "frame" | "sleep" | "lan" => any::<bool>().prop_map(Value::from).boxed(),
        "exports" => prop::collection::vec(
            object(&["api", "path", "transport", "metadata", "other"], 4),
            0..3,
        )
        .prop_map(Value::from)
        .boxed(),
        "api" => one_of(&[
            "a.b/c", "a.b/c/d", "A.b/c", "a.b", "a.b/", "a-.b/c", "a.b/.c", "a/b", "a_b/c",
            "a..b/c",
        ])
        .boxed(),
        "port" => prop_oneof![
            one_of(&["auto", "8080", ""]),
            prop::sample::select(vec![0u32, 1, 80, 1_024, 65_535, 65_536]).prop_map(Value::from),
        ]
        .boxed(),
        "workdir" => one_of(&["state", "package", "State", "/data"]).boxed(),
        "healthcheck" => prop_oneof![
            one_of(&["/", "/_api/x", "x", "/a b"]),
            object(&["args", "command", "other"], 2),
        ]
        .boxed(),
        "beforeBackup" => object(&["command", "seconds", "other"], 3),
        "seconds" => prop::sample::select(vec![0u32, 1, 60, 600, 601, 70_000])
            .prop_map(Value::from)
            .boxed(),
        "path" => one_of(&[
            "/",
            "/_api/x",
            "x",
            "",
            "//",
            "/a/../b",
            "/..",
            "/.",
            "/...",
            "/%2e%2e",
            "/a%2Fb",
            "/a b",
            "/a?b",
            "/a[b]{c}|~",
            "/\"",
            "/<",
            "/\\",
            "/ä",
            "/a..b",
            "/%2E./x",
        ])
        .boxed(),
        "transport" => one_of(&["rpc", "proxy", "RPC", ""]).boxed(),
        "metadata" => prop::collection::hash_map(
            prop::sample::select(vec!["lang", "a.b", "api", "service", "", "a b", "x/y"]),
            prop_oneof![
                one_of(&["", "de", "a\nb"]),
                any::<u8>().prop_map(Value::from)
            ],
            0..3,
        )
        .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
        .boxed(),
        "runtime" => prop_oneof![
            one_of(&["node", "native", "wasm", "deno"]),
            object(&["kind", "entry", "args", "other"], 4),
        ]
        .boxed(),
        "services" => prop::collection::hash_map(
            prop::sample::select(vec!["db", "work", "a-", "A", "localhost"]),
            object(
                &[
                    "runtime",
                    "entry",
                    "args",
                    "port",
                    "healthcheck",
                    "beforeBackup",
                    "after",
                    "other",
                ],
                4,
            ),
            0..3,
        )
        .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
        .boxed(),
        "after" => prop::collection::vec(one_of(&["db", "work", "B"]), 0..3)
            .prop_map(Value::from)
            .boxed(),
        "kind" => one_of(&["node", "native", "wasm", "deno"]).boxed(),
        "entry" => one_of(&[
            "bin/app", "./a", "a/./b", "a//b", "/a", "..", "../a", "a/..", "a/../b", ".", "./",
            "././.", "", "...", "..a", "a..", "a\tb", "./..",
        ])
        .boxed(),
        "args" | "command" => prop::collection::vec(one_of(&["-v", "", "a b", "a\nb"]), 0..4)
            .prop_map(Value::from)
            .boxed(),
        "permissions" => object(
            &["network", "hostApis", "devices", "listen", "root", "other"],
            3,
        ),
        "network" => prop_oneof![
            one_of(&["direct", "none"]),
            object(&["direct", "hosts", "other"], 2),
        ]
        .boxed(),
        "direct" => object(&["lan", "other"], 2),
        "hosts" => prop::collection::vec(
            one_of(&[
                "a.org",
                "*.a.org",
                "*",
                "[::1]",
                "[2001:DB8::1]:8080",
                "a.org:0",
                "A.org",
                "10.0.0.1:8443",
            ]),
            0..3,
        )
        .prop_map(Value::from)
        .boxed(),
        "devices" => prop::collection::vec(
            one_of(&[
                "/dev/ttyUSB0",
                "/dev/spidev0.1",
                "/dev/spidev0",
                "/dev/serial/by-id/usb-a.b",
                "/dev/serial/by-id/.a",
                "/dev/sda",
            ]),
            0..3,
        )
        .prop_map(Value::from)
        .boxed(),
        "listen" => prop::collection::vec(
            one_of(&[
                "tcp/1883",
                "udp/53",
                "udp/80",
                "tcp/80",
                "tcp/8150",
                "tcp/0",
                "udp/70000",
                "1",
            ]),
            0..3,
        )
        .prop_map(Value::from)
        .boxed(),
        "hostApis" => prop::collection::vec(one_of(&["a.b/c", "a.b/c", "a"]), 0..3)
            .prop_map(Value::from)
            .boxed(),
        "limits" => object(
            &["memoryMax", "tasksMax", "cpuQuota", "cpuWeight", "other"],
            3,
        ),
        "memoryMax" | "tasksMax" | "cpuQuota" | "cpuWeight" => prop_oneof![
            prop::sample::select(vec![
                0u64,
                1,
                8_388_607,
                8_388_608,
                1 << 40,
                (1 << 40) + 1,
                32_768,
                32_769,
                100_000,
                100_001,
                10_000,
                10_001,
            ])
            .prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
        ]
        .boxed(),
        _ => Just(json!(1)).boxed(),
    };
    let wild = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "(?s).{0,4}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
    ];
    prop_oneof![12 => fitting, 1 => wild].boxed()
}

fn object(keys: &'static [&'static str], max: usize) -> BoxedStrategy<Value> {
    prop::sample::subsequence(keys, 0..=max.min(keys.len()))
        .prop_flat_map(|keys| {
            keys.into_iter()
                .map(|key| value_for(key).prop_map(move |value| (key.to_owned(), value)))
                .collect::<Vec<_>>()
        })
        .prop_map(|members| Value::Object(members.into_iter().collect()))
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn the_schema_and_the_parser_agree(value in object(&[
        "name", "title", "description", "author", "license", "icon", "frame", "exports", "runtime", "entry", "args",
        "services", "permissions", "limits", "sleep", "port", "workdir", "healthcheck", "beforeBackup",
        "other",
    ], 5)) {
        if let Err(words) = compare(&value) {
            prop_assert!(false, "{}", words);
        }
    }
}
