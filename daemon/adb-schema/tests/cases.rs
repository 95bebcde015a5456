//! What this crate and the npm module beside it must agree on, and the original's options.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

use atek_adb_schema::{CreateError, OnInvalid, Record, Schema, SchemaError, Verdict};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

fn cases() -> Value {
    serde_json::from_str(include_str!("../cases.json")).unwrap()
}

#[test]
fn the_verdicts_are_those_of_ajv() {
    let file = cases();
    let schema = Schema::published(&file["schema"]).unwrap();
    assert_eq!(schema.path(), ["example.com", "bookmark"]);
    for case in file["cases"].as_array().unwrap() {
        let value = &case["value"];
        match case["error"].as_str() {
            Some(error) => assert_eq!(
                schema.check(value).unwrap_err().to_string(),
                error,
                "{value}"
            ),
            None => {
                let (key, stored) = schema.create(value.clone()).unwrap();
                assert_eq!(key, case["key"].as_str().unwrap());
                assert!(stored["createdAt"].as_str().unwrap().ends_with('Z'));
            }
        }
    }
}

#[test]
fn what_does_not_fit_goes_the_way_the_caller_says() {
    let schema = Schema::new("t")
        .json_schema(&json!({"type": "object", "properties": {"a": {"type": "string"}}}))
        .unwrap();
    let good = Record::new("good", json!({"a": "x"}));
    let bad = Record::new("bad", json!({"a": 1}));
    let list = || [good.clone(), bad.clone()];
    let keys = |on_invalid: OnInvalid<'_>| {
        let records = schema
            .read_all(list(), on_invalid)
            .map_err(|error| error.to_string())?;
        Ok(records
            .into_iter()
            .map(|record| (record.key, record.valid))
            .collect::<Vec<_>>())
    };
    let pair = |key: &str, valid| (key.to_owned(), valid);
    assert_eq!(
        keys(OnInvalid::Ignore),
        Ok(vec![pair("good", true), pair("bad", false)])
    );
    assert_eq!(keys(OnInvalid::Prune), Ok(vec![pair("good", true)]));
    assert_eq!(keys(OnInvalid::Throw), Err("/a must be string".to_owned()));
    assert_eq!(
        keys(OnInvalid::Ask(&|_| Verdict::Drop)),
        Ok(vec![pair("good", true)])
    );
    assert_eq!(
        keys(OnInvalid::Ask(&|_| Verdict::Keep)),
        Ok(vec![pair("good", true), pair("bad", false)])
    );
    let mended =
        |record: &Record| Verdict::Replace(Record::new(format!("{}!", record.key), json!({})));
    assert_eq!(
        keys(OnInvalid::Ask(&mended)),
        Ok(vec![pair("good", true), pair("bad!", true)])
    );

    // The original prunes and asks about records that fit, too.
    for on_invalid in [
        OnInvalid::Prune,
        OnInvalid::Throw,
        OnInvalid::Ask(&|_| Verdict::Drop),
    ] {
        assert_eq!(
            schema.write("k", good.value.clone(), on_invalid).unwrap(),
            Some(good.value.clone())
        );
    }
    assert_eq!(
        schema
            .write("k", bad.value.clone(), OnInvalid::Prune)
            .unwrap(),
        None
    );
    assert_eq!(
        schema
            .write("k", bad.value.clone(), OnInvalid::Ignore)
            .unwrap(),
        Some(bad.value.clone())
    );
    assert!(schema.write("k", bad.value, OnInvalid::Throw).is_err());
}

#[test]
fn a_schema_that_cannot_be_used_says_why() {
    let error = Schema::new("t")
        .json_schema(&json!({"type": "nonsense"}))
        .unwrap_err();
    assert!(matches!(error, SchemaError::Definition { .. }), "{error}");
    let remote = json!({"$ref": "https://example.com/other.json"});
    assert!(Schema::new("t").json_schema(&remote).is_err());
    for (file, field) in [
        (json!({}), "ID"),
        (json!({"ID": "a", "PKEY": 1}), "PKEY"),
        (json!({"ID": "a", "DEFINITION": 1}), "DEFINITION"),
    ] {
        assert!(
            matches!(Schema::published(&file).unwrap_err(), SchemaError::Published(name) if name == field)
        );
    }
    let keyless = Schema::new("t").key(["/id"]).create(json!({})).unwrap_err();
    assert!(matches!(keyless, CreateError::Key { .. }));
}

/// Runs the npm module's own tests, which read the same cases.
#[test]
fn the_npm_module_agrees() {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("npm");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("adb-schema");
    std::fs::create_dir_all(&folder).unwrap();
    for file in [
        "package.json",
        "index.js",
        "index.d.ts",
        "test.js",
        "README.md",
    ] {
        std::fs::copy(module.join(file), folder.join(file)).unwrap();
    }
    std::fs::copy(module.join("../cases.json"), folder.join("cases.json")).unwrap();
    if !folder.join("node_modules/ajv").exists() {
        let install = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
            .current_dir(&folder)
            .output();
        match install {
            Ok(output) if output.status.success() => {}
            other => return println!("skipped: npm cannot install ajv: {other:?}"),
        }
    }
    let output = Command::new("node")
        .args(["--test", "test.js"])
        .current_dir(&folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("# pass 5"), "{text}");
}
