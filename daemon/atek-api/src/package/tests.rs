use super::*;
use crate::spec::RelativePath;

fn path(text: &str) -> RelativePath {
    text.parse().unwrap()
}

#[test]
fn a_failures_code_is_the_same_word_everywhere() {
    use FailureCode as Code;
    for code in [
        Code::BadRequest,
        Code::Unreachable,
        Code::PrivateAddress,
        Code::Certificate,
        Code::RepositoryNotFound,
        Code::TokenRefused,
        Code::NotARepository,
        Code::Redirected,
        Code::BrokenRepository,
        Code::NoRelease,
        Code::NoMatchingRelease,
        Code::Refused,
        Code::TagNotACommit,
        Code::TooBig,
        Code::Timeout,
        Code::BadPath,
        Code::NpmFailed,
        Code::BuildFailed,
        Code::MissingTool,
        Code::BadManifest,
        Code::NoEntry,
        Code::Internal,
    ] {
        assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
    }
}

#[test]
fn the_protocol_is_lines_of_json_with_fixed_names() {
    let request = Request::Fetch {
        source: "https://example.org/rss".parse().unwrap(),
        wanted: Wanted::Newest {
            range: "^1".parse().unwrap(),
            refused: vec![Version::new(1, 2, 0)],
        },
        access: Access::to(Reach::Internet),
        limits: FetchLimits::default(),
    };
    let json = serde_json::to_value(&request).unwrap();
    assert_eq!(json["request"], "fetch");
    assert_eq!(
        json["wanted"],
        serde_json::json!({"by": "newest", "range": "^1", "refused": ["1.2.0"]})
    );
    assert_eq!(serde_json::from_value::<Request>(json).unwrap(), request);

    let short = r#"{"request":"listTags","source":"git+file:///srv/a.git"}"#;
    let request: Request = serde_json::from_str(short).unwrap();
    assert_eq!(*request.limits(), FetchLimits::default());

    for (event, text) in [
        (
            Event::Progress(Progress {
                phase: Phase::Fetch,
                message: "x".to_owned(),
                percent: Some(4),
            }),
            r#"{"event":"progress","phase":"fetch","message":"x","percent":4}"#,
        ),
        (
            Event::Failed(Failure {
                code: FailureCode::TagNotACommit,
                message: "x".to_owned(),
            }),
            r#"{"event":"failed","code":"tag-not-a-commit","message":"x"}"#,
        ),
        (
            Event::Done {
                result: Outcome::Releases(vec![Release::from_tag("v1").unwrap()]),
            },
            r#"{"event":"done","result":{"releases":[{"tag":"v1","version":"1.0.0"}]}}"#,
        ),
    ] {
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
        assert_eq!(serde_json::from_str::<Event>(text).unwrap(), event);
    }
}

#[test]
fn a_fetched_package_survives_the_wire() {
    let package = FetchedPackage {
        release: Release::from_tag("v1.0.0").unwrap(),
        notes: None,
        signer: None,
        commit: "0".repeat(40),
        manifest: Some(
            Manifest::parse(br#"{"name":"a","runtime":"native","entry":"bin/a"}"#).unwrap(),
        ),
        program: Some(Program::Native {
            path: path("bin/a"),
            args: Vec::new(),
        }),
        build: vec!["npm ci".to_owned()],
        bytes: 1,
        files: 2,
        warnings: vec![Warning::new(WarningCode::NoLockfile, "x")],
    };
    let request = Request::Build {
        package: Box::new(package.clone()),
        certificates: String::new(),
        limits: FetchLimits::default(),
    };
    let text = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
    let event = Event::Done {
        result: Outcome::Package(Box::new(package)),
    };
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
}

/// Manifest, package.json, files, expected.
type Row = (
    Option<&'static str>,
    Option<&'static str>,
    &'static [(&'static str, Found)],
    Result<Program, EntryError>,
);

#[test]
fn the_entry_is_the_manifests_or_what_package_json_starts() {
    use Found::{Executable, File};
    let node = |entry: &str| {
        Ok(Program::Node {
            entry: path(entry),
            args: Vec::new(),
        })
    };
    let started = |entry: &str, args: &[&str]| {
        Ok(Program::Node {
            entry: path(entry),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        })
    };
    let shell = |line: &str, args: &[&str]| {
        Ok(Program::Script {
            line: line.to_owned(),
            name: String::new(),
            version: String::new(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        })
    };
    let native = r#"{"runtime":"native","entry":"bin/a","args":["-v"]}"#;
    let wasm = r#"{"runtime":"wasm","entry":"a.wasm"}"#;
    let table: Vec<Row> = vec![
        (
            Some(wasm),
            None,
            &[("a.wasm", File), ("index.js", File)],
            Ok(Program::Wasm {
                path: path("a.wasm"),
                args: Vec::new(),
            }),
        ),
        (
            Some(wasm),
            None,
            &[("index.js", File)],
            Err(EntryError::Missing(path("a.wasm"))),
        ),
        (None, None, &[("index.js", File)], node("index.js")),
        (
            None,
            Some(r#"{"main":"./lib/a.js"}"#),
            &[("lib/a.js", File), ("index.js", File)],
            node("lib/a.js"),
        ),
        (
            None,
            Some(r#"{"main":"lib"}"#),
            &[("lib/index.js", File)],
            node("lib/index.js"),
        ),
        (
            None,
            Some(r#"{"main":"lib/a"}"#),
            &[("lib/a.js", File)],
            node("lib/a.js"),
        ),
        (
            None,
            Some(r#"{"main":"gone.js"}"#),
            &[("index.js", File)],
            node("index.js"),
        ),
        (
            None,
            Some(r#"{"main":"../../etc/passwd"}"#),
            &[("index.js", File)],
            node("index.js"),
        ),
        (None, Some("{}"), &[("index.js", File)], node("index.js")),
        (
            None,
            Some("\u{feff}{}"),
            &[("index.js", File)],
            node("index.js"),
        ),
        (None, None, &[], Err(EntryError::NoNodeEntry)),
        (
            Some(r#"{"entry":"s.mjs"}"#),
            None,
            &[("s.mjs", File)],
            node("s.mjs"),
        ),
        (
            Some(r#"{"entry":"s.mjs"}"#),
            None,
            &[("index.js", File)],
            Err(EntryError::Missing(path("s.mjs"))),
        ),
        (
            Some(r#"{"args":["--port","8080"]}"#),
            Some(r#"{"scripts":{"start":"node server.js -v"}}"#),
            &[("server.js", File)],
            started("server.js", &["-v", "--port", "8080"]),
        ),
        (
            None,
            Some(r#"{"scripts":{"start":"node ./src/app"}}"#),
            &[("src/app.js", File)],
            started("src/app.js", &[]),
        ),
        // A program of a dependency, which is there after the build only.
        (
            None,
            Some(
                r#"{"name":"a","version":"1.2.3","scripts":{"start":"serve -l tcp://$HOST:$PORT"}}"#,
            ),
            &[("server.js", File)],
            Ok(Program::Script {
                line: "serve -l tcp://$HOST:$PORT".to_owned(),
                name: "a".to_owned(),
                version: "1.2.3".to_owned(),
                args: Vec::new(),
            }),
        ),
        (
            Some(r#"{"args":["-p","80 80"]}"#),
            Some(r#"{"scripts":{"start":"next start"}}"#),
            &[("node_modules/.bin/next", File)],
            shell("next start", &["-p", "80 80"]),
        ),
        (
            None,
            Some(r#"{"scripts":{"start":"node dist/server.js"}}"#),
            &[],
            shell("node dist/server.js", &[]),
        ),
        (
            None,
            Some(r#"{"scripts":{"start":"node --enable-source-maps a.js"}}"#),
            &[("a.js", File)],
            shell("node --enable-source-maps a.js", &[]),
        ),
        (
            None,
            Some(r#"{"scripts":{"start":"NODE_ENV=production node a.js"}}"#),
            &[("a.js", File)],
            shell("NODE_ENV=production node a.js", &[]),
        ),
        (
            None,
            Some(r#"{"scripts":{"prestart":"node check.js","start":"node a.js"}}"#),
            &[("a.js", File)],
            shell("node check.js && node a.js", &[]),
        ),
        (
            None,
            Some(r#"{"name":"a\nb","scripts":{"start":"x","prestart":" "}}"#),
            &[],
            shell("x", &[]),
        ),
        (
            None,
            Some(r#"{"scripts":{"start":"a\nb"}}"#),
            &[],
            Err(EntryError::StartScript),
        ),
        (
            None,
            Some(r#"{"scripts":{"start":" "}}"#),
            &[("server.js", File)],
            node("server.js"),
        ),
        (None, Some("{}"), &[("server.js", File)], node("server.js")),
        (
            None,
            Some(r#"{"exports":{".":{"import":"./m.mjs","default":"./c.cjs"}}}"#),
            &[("m.mjs", File), ("c.cjs", File)],
            node("m.mjs"),
        ),
        (
            None,
            Some(r#"{"exports":"./m.mjs"}"#),
            &[("m.mjs", File)],
            node("m.mjs"),
        ),
        (
            None,
            Some(r#"{"bin":{"news":"cli.js"}}"#),
            &[("cli.js", File)],
            node("cli.js"),
        ),
        (
            None,
            Some(r#"{"bin":{"a":"a.js","b":"b.js"}}"#),
            &[("a.js", File), ("b.js", File)],
            Err(EntryError::SeveralPrograms("a, b".to_owned())),
        ),
        (
            Some(native),
            None,
            &[("bin/a", Executable)],
            Ok(Program::Native {
                path: path("bin/a"),
                args: vec!["-v".to_owned()],
            }),
        ),
        (
            Some(native),
            None,
            &[("bin/a", File)],
            Err(EntryError::NotExecutable(path("bin/a"))),
        ),
        (
            Some(native),
            None,
            &[],
            Err(EntryError::Missing(path("bin/a"))),
        ),
    ];
    for (manifest, package_json, files, expected) in table {
        let manifest = manifest.map(|text| Manifest::parse(text.as_bytes()).unwrap());
        let look = |wanted: &RelativePath| {
            files
                .iter()
                .find(|(name, _)| *name == wanted.as_str())
                .map_or(Found::Nothing, |(_, f)| *f)
        };
        let got = program(manifest.as_ref(), package_json.map(str::as_bytes), look);
        assert_eq!(got, expected, "{package_json:?} {files:?}");
    }
    let wrong = program(None, Some(b"{"), |_| Found::File).unwrap_err();
    assert!(
        wrong.to_string().starts_with("package.json: EOF"),
        "{wrong}"
    );
}
