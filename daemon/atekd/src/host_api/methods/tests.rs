use super::*;
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
# The host's own APIs

JSON-RPC 2.0 over `POST /_atek/gateway?api=ID`. Parameters are an array by position, or an object
by name. The kinds are types of the crate `atek-api`; `?` marks what may be missing.

Administrators in person, and the host itself (the control socket, a system token), may call
every method; \"owner\" is the user that a service belongs to. Apps act for their owner, never as
administrators; the permissions named here are entries of `hostApis` in a manifest.

Errors of every method: -32601 (no such API or method), -32001 (a parameter is not right),
-32003 (refused; the message says why, `data.reason` names it for programs where there is one:
`not-found`, `busy`, `needs-owner`, `needs-administrator`), -32005 (too many attempts or requests)
and -32603 (the host's own fault; its journal has the cause). A refusal never says whether a
service exists.

Made from `daemon/atekd/src/host_api/methods.rs`; a test of atekd compares the two.
To regenerate it: `ATEK_WRITE_API_DOC=1 cargo test -p atekd the_document_of_the_apis`.
";

fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    for api in &APIS {
        let _ = write!(text, "\n## {}\n", api.id);
        for method in api.methods {
            let params: Vec<String> = method
                .params
                .iter()
                .map(|(name, kind)| match kind.strip_suffix('?') {
                    Some(kind) => format!("{name}?: {kind}"),
                    None => format!("{name}: {kind}"),
                })
                .collect();
            let _ = write!(
                text,
                "\n### {}\n\n`{}({})` → `{}`\n\n{}\n\nMay call it: {}.\n",
                method.name,
                method.name,
                params.join(", "),
                method.result,
                method.does,
                method.may
            );
        }
    }
    text
}

#[test]
fn the_document_of_the_apis_is_what_the_table_says() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let expected = document();
    if std::env::var_os("ATEK_WRITE_API_DOC").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == expected,
        "docs/api.md is not what the table says: regenerate it, see its introduction"
    );
}

#[test]
fn every_method_of_the_table_is_answered_by_the_code_and_no_other() {
    for (api, source) in [
        (services::API, include_str!("../services.rs")),
        (backup::API, include_str!("../backups.rs")),
        (users::API, include_str!("../users.rs")),
        (sessions::API, include_str!("../sessions.rs")),
        (setup::API, include_str!("../setup.rs")),
        (system::API, include_str!("../system.rs")),
        (catalogue::API, include_str!("../catalogue.rs")),
        (inspect::API, include_str!("../inspect.rs")),
        (grants::API, include_str!("../permissions.rs")),
    ] {
        let start = source.find("match call.method");
        let start = start.or_else(|| source.find("match (call.method"));
        let start = start.expect("a match of methods");
        let end = source[start..].find("method_not_found").expect("its end") + start;
        // A method that is answered before the match is compared with.
        let begin = source[..start].rfind("call.method ==").unwrap_or(start);
        let arms = &source[begin..end];
        let table = APIS.iter().find(|known| known.id == api).unwrap();
        for method in table.methods {
            let quoted = format!("\"{}\"", method.name);
            assert!(
                arms.contains(&quoted),
                "{api}: no code answers {}",
                method.name
            );
        }
        let patterns = arms
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with('"') || line.starts_with("(\""));
        for pattern in patterns {
            let pattern = pattern.split("=>").next().unwrap_or_default();
            for name in pattern.split('"').skip(1).step_by(2) {
                let known = find(api, name).is_some();
                assert!(known, "{api}: {name} is in the code and not in the table");
            }
        }
    }
}
