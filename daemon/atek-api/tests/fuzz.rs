//! Hostile manifests, specs, sources and parameters.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

use atek_api::jsonrpc::positional;
use atek_api::manifest::Manifest;
use atek_api::source::Source;
use atek_api::spec::{PackageSpec, ServiceSpec};
use serde_json::value::RawValue;

#[test]
fn fuzz_manifests() {
    let seeds: [&[u8]; 4] = [
        br#"{"name":"News","description":"Reads feeds","author":"A","license":"MIT","frame":true,"exports":[{"api":"example.com/feeds","path":"/_api/feeds","transport":"rpc"}]}"#,
        br#"{"title":"News","permissions":{"network":{"hosts":["example.com"]},"apis":["atek.cloud/users-api"]},"limits":{"memory":"256M","tasks":100}}"#,
        br#"{"name":"Web","port":8080,"start":"node server.js","sleep":true,"exports":[]}"#,
        b"\xef\xbb\xbf{}",
    ];
    let tokens: [&[u8]; 7] = [
        br#""exports":"#,
        br#""api":"#,
        br#""permissions":{"#,
        br#""hosts":["*"]"#,
        br#""limits":{"memory":"1T"}"#,
        br#""port":-1"#,
        b"[[[[",
    ];
    atek_fuzz::run("manifests", &seeds, &tokens, |input| {
        let Ok(manifest) = Manifest::parse(input) else {
            return false;
        };
        let text = serde_json::to_vec(&manifest).unwrap();
        assert!(
            Manifest::parse(&text).is_ok(),
            "an accepted manifest is refused when it is written and read again"
        );
        true
    });
}

#[test]
fn fuzz_specs_of_units() {
    let seeds: [&[u8]; 3] = [
        br#"{"id":"rss","key":"ff080c5e7f2b3828","owner":"ff080c5e7f2b3830","title":"News","program":{"kind":"node","entry":"./index.js"},"package":{"folder":"/var/lib/atek/packages/ff080c5e7f2b3828/versions/v1.0.0"}}"#,
        br#"{"id":"rss","key":"ff080c5e7f2b3828","owner":"ff080c5e7f2b3830","title":"N","program":{"kind":"native","entry":"bin/app","args":["--a","%n"]},"package":{"folder":"/srv/app"},"network":{"direct":{"lan":true}},"env":{"A":"b"},"port":8080}"#,
        br#"{"job":"a1","kind":"fetch","source":"https://example.com/a.git","sourceFolder":"/srv/app"}"#,
    ];
    let tokens: [&[u8]; 7] = [
        b"/var/lib/atek/",
        b"/../",
        b"%n",
        b"\\n",
        br#""core":true,"#,
        br#""env":{"LD_PRELOAD":"x"}"#,
        br#""folder":"/","#,
    ];
    atek_fuzz::run("specs of units", &seeds, &tokens, |input| {
        let package = serde_json::from_slice::<PackageSpec>(input);
        let is_package = package.is_ok_and(|spec| spec.validate().is_ok());
        let Ok(spec) = serde_json::from_slice::<ServiceSpec>(input) else {
            return is_package;
        };
        if spec.validate().is_err() {
            return is_package;
        }
        let folder = spec.package.folder.to_str().unwrap();
        assert!(
            folder.starts_with('/') && !folder.split('/').any(|part| part == ".."),
            "{folder:?}"
        );
        assert!(!folder.contains(char::is_control), "{folder:?}");
        for (name, value) in &spec.env {
            assert!(
                !name.starts_with("ATEK_") && !name.contains(['=', '\n']),
                "{name:?}"
            );
            assert!(!value.contains('\0'), "{value:?}");
        }
        true
    });
}

#[test]
fn fuzz_sources_and_parameters() {
    let seeds: [&[u8]; 6] = [
        b"https://example.com/a/b.git",
        b"file:///srv/apps/news",
        b"npm:@scope/package@1.2.3",
        b"git+ssh://git@example.com/a.git",
        br#"["a",{"b":1},null]"#,
        br#"{"id":"a","user":null}"#,
    ];
    let tokens: [&[u8]; 6] = [b"@", b"#v1.0.0", b"?a=b", b"://", b"127.0.0.1", b"[::1]"];
    atek_fuzz::run("sources and parameters", &seeds, &tokens, |input| {
        let Ok(text) = std::str::from_utf8(input) else {
            return false;
        };
        let source = text.parse::<Source>();
        if let Ok(source) = &source {
            let shown = source.to_string();
            assert!(!shown.contains(char::is_control), "{shown:?}");
        }
        let raw = RawValue::from_string(text.to_owned());
        let params = raw.map(|raw| positional(Some(&raw), &["id", "user"]));
        source.is_ok() || params.is_ok_and(|params| params.is_ok())
    });
}
