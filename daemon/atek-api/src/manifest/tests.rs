use super::*;
use proptest::prelude::*;

mod schema;
mod wrong;

fn parse(text: &str) -> Manifest {
    Manifest::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_originals_manifests_are_read_and_shown_as_written() {
    // Fields as in the original's apps; unknown ones are dropped.
    let manifest = parse(
        r#"{
            "name": "Hello World",
            "description": "",
            "author": "Paul",
            "license": "MIT",
            "frame": true,
            "keywords": ["x"],
            "exports": [
                {"api": "atek.cloud/adb-api", "path": "/_api/adb"},
                {"api": "example.org/raw", "transport": "proxy", "note": 1},
                {"api": "example.org/x", "transport": "rpc", "path": "/"}
            ]
        }"#,
    );
    assert_eq!(
        serde_json::to_value(&manifest).unwrap(),
        serde_json::json!({
            "name": "Hello World", "author": "Paul", "license": "MIT", "frame": true,
            "exports": [
                {"api": "atek.cloud/adb-api", "path": "/_api/adb"},
                {"api": "example.org/raw", "transport": "proxy"},
                {"api": "example.org/x", "path": "/", "transport": "rpc"}
            ]
        })
    );
    assert_eq!(manifest.exports[0].transport(), Transport::Rpc);
    assert_eq!(manifest.exports[1].path(), "/");
    assert_eq!(parse("{}"), Manifest::default());
    assert_eq!(serde_json::to_string(&Manifest::default()).unwrap(), "{}");
    assert_eq!(parse("\u{feff}{}"), Manifest::default());
}

#[test]
fn title_is_the_name_where_there_is_no_name() {
    assert_eq!(parse(r#"{"title":"A"}"#).name.as_deref(), Some("A"));
    assert_eq!(
        parse(r#"{"title":"A","name":"B"}"#).name.as_deref(),
        Some("B")
    );
}

#[test]
fn the_runtime_is_a_word_or_an_object() {
    let native = Runtime::Native {
        entry: "bin/app".parse().unwrap(),
        args: vec!["-v".to_owned()],
    };
    for text in [
        r#"{"runtime":"native","entry":"bin/app","args":["-v"]}"#,
        r#"{"args":["-v"],"entry":"./bin/app","runtime":"native"}"#,
        r#"{"runtime":{"kind":"native","entry":"bin/app","args":["-v"]}}"#,
    ] {
        assert_eq!(parse(text).runtime, native, "{text}");
    }
    let wasm = Runtime::Wasm {
        entry: "app.wasm".parse().unwrap(),
        args: Vec::new(),
    };
    for text in [
        r#"{"runtime":"wasm","entry":"app.wasm"}"#,
        r#"{"runtime":{"kind":"wasm","entry":"./app.wasm"}}"#,
    ] {
        let manifest = parse(text);
        assert_eq!(manifest.runtime, wasm, "{text}");
        let written = serde_json::to_string(&manifest).unwrap();
        assert_eq!(parse(&written).runtime, wasm, "{written}");
    }
    for (text, entry) in [
        ("{}", None),
        (r#"{"runtime":"node"}"#, None),
        (r#"{"entry":"server.mjs"}"#, Some("server.mjs")),
        (
            r#"{"runtime":{"kind":"node","entry":"server.mjs"}}"#,
            Some("server.mjs"),
        ),
    ] {
        let entry = entry.map(|entry| entry.parse().unwrap());
        let args = Vec::new();
        assert_eq!(parse(text).runtime, Runtime::Node { entry, args }, "{text}");
    }
}

#[test]
fn a_program_that_listens_on_a_port_says_which_and_where_it_runs() {
    let manifest = parse(
        r#"{"port": 8080, "workdir": "state", "healthcheck": "/healthz", "args": ["-p", "8080"]}"#,
    );
    assert_eq!(manifest.port, Some(AppPort::Fixed(8080)));
    assert_eq!(manifest.workdir, Workdir::State);
    assert_eq!(
        manifest.healthcheck,
        Some(Healthcheck::Path("/healthz".into()))
    );
    let text = serde_json::to_string(&manifest).unwrap();
    assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
    assert_eq!(parse(r#"{"port": "auto"}"#).port, Some(AppPort::Auto));
    assert_eq!(parse("{}").port, None);
}

#[test]
fn a_health_check_is_a_path_or_a_command() {
    let manifest = parse(r#"{"healthcheck": {"command": ["node", "check.js", "--quick"]}}"#);
    let command = ["node", "check.js", "--quick"].map(str::to_owned);
    let check = manifest.healthcheck.as_ref();
    assert_eq!(check.and_then(Healthcheck::command), Some(&command[..]));
    let text = serde_json::to_string(&manifest).unwrap();
    assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
    let manifest = parse(r#"{"healthcheck": "/"}"#);
    assert_eq!(manifest.healthcheck.unwrap().command(), None);
}

#[test]
fn a_key_that_is_nearly_a_known_one_is_found_and_one_of_a_later_atek_is_not() {
    for (text, expected) in [
        (r#"{"permisions": {}}"#, vec![("permisions", "permissions")]),
        (
            r#"{"Name": "x", "exprots": []}"#,
            vec![("Name", "name"), ("exprots", "exports")],
        ),
        (
            r#"{"healthCheck": "/", "workDir": "state"}"#,
            vec![("healthCheck", "healthcheck"), ("workDir", "workdir")],
        ),
        (
            r#"{"keywords": [], "version": "1", "homepage": "", "ports": 1}"#,
            vec![("ports", "port")],
        ),
        (r#"{"name": "a", "port": 8080}"#, vec![]),
        ("[]", vec![]),
        ("{", vec![]),
    ] {
        let found = misspelt_keys(text.as_bytes());
        let found: Vec<_> = found
            .iter()
            .map(|(key, known)| (key.as_str(), *known))
            .collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn everything_an_app_can_say_survives_the_record() {
    let manifest = parse(
        r#"{
            "name": "Fotos: über alles 🌄", "runtime": "native", "entry": "bin/app",
            "exports": [
                {"api": "a.org/x", "metadata": {"lang": "de"}},
                {"api": "a.org/x", "metadata": {"lang": "en"}},
                {"api": "a.org/x", "transport": "proxy"}
            ],
            "permissions": {"network": {"hosts": ["*.a.org:8443"]}, "hostApis": ["atek.cloud/users-api"]},
            "limits": {"memoryMax": 67108864, "tasksMax": 10}, "sleep": true
        }"#,
    );
    let text = serde_json::to_string(&manifest).unwrap();
    assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
    assert_eq!(manifest.limits.memory_max, Some(67_108_864));
    assert_eq!(manifest.exports[1].metadata()["lang"], "en");
    assert!(manifest.sleep);
}

#[test]
fn the_examples_of_the_documentation_are_manifests() {
    let page = include_str!("../../MANIFEST.md");
    let blocks: Vec<_> = page
        .split("```json\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(blocks.len(), 6);
    for block in blocks {
        parse(block);
    }
}

/// JSON that resembles a manifest: known keys, right and wrong values.
fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        prop_oneof![
            Just("direct".to_owned()),
            Just("node".to_owned()),
            Just("native".to_owned()),
            Just("rpc".to_owned()),
            Just("a.org/x".to_owned()),
            Just("*.a.org".to_owned()),
            Just("/_api".to_owned()),
            "(?s).{0,8}",
        ]
        .prop_map(Into::into),
    ];
    let key = prop::sample::select(vec![
        "name",
        "title",
        "description",
        "frame",
        "exports",
        "api",
        "path",
        "transport",
        "metadata",
        "runtime",
        "kind",
        "entry",
        "args",
        "permissions",
        "network",
        "hosts",
        "direct",
        "lan",
        "hostApis",
        "limits",
        "memoryMax",
        "sleep",
        "port",
        "workdir",
        "healthcheck",
        "beforeBackup",
        "command",
        "seconds",
        "other",
    ]);
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::Array),
            prop::collection::vec((key.clone(), inner), 0..5).prop_map(|members| {
                serde_json::Value::Object(
                    members
                        .into_iter()
                        .map(|(k, v)| (k.to_owned(), v))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_give_a_manifest_or_an_error_with_a_place_in_the_file(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = Manifest::parse(&bytes) {
            let lines = bytes.iter().filter(|b| **b == b'\n').count() + 1;
            prop_assert!((1..=lines).contains(&error.place.line));
            prop_assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn the_place_of_an_error_exists_in_the_file(value in any_value()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        match Manifest::parse(text.as_bytes()) {
            Ok(manifest) => {
                let again = serde_json::to_string(&manifest).unwrap();
                prop_assert_eq!(Manifest::parse(again.as_bytes()), Ok(manifest));
            }
            Err(error) => {
                prop_assert!(value.pointer(&error.place.pointer).is_some(), "{}", error);
                let line = text.lines().nth(error.place.line - 1);
                prop_assert!(line.is_some_and(|line| line.chars().count() >= error.place.column));
                prop_assert!(!error.to_string().contains(char::is_control));
            }
        }
    }
}
