//! The guide for authors of apps: its example runs, and finds what the guide says.

use anyhow::Context as _;
use atek_tests::git_remote::GitRemote;
use atek_tests::host::{Host, SOON};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

const GUIDE: &str = include_str!("../../docs/apps.md");

/// The first block of this language.
fn block(language: &str) -> &'static str {
    let start = format!("```{language}\n");
    let rest = GUIDE.split_once(&start).map(|(_, rest)| rest);
    let rest = rest.unwrap_or_else(|| panic!("the guide has no {language}"));
    rest.split("```").next().unwrap_or_default()
}

/// All blocks, each with its language.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let mut parts = GUIDE.split("```");
    parts.next();
    parts
        .step_by(2)
        .filter_map(|block| block.split_once('\n'))
        .collect()
}

#[test]
fn every_block_of_the_guide_is_run_by_a_test() {
    let run_by = [
        (
            "js",
            "the_example_of_the_guide_runs_and_finds_what_the_guide_says",
        ),
        (
            "json",
            "the_example_of_the_guide_runs_and_finds_what_the_guide_says",
        ),
        ("json", "http_server_serves_a_folder"),
        (
            "sh",
            "an_app_of_a_private_repository_is_installed_and_updated_as_the_guide_says",
        ),
        ("json", "the_request_of_the_guide_is_asked_and_answered"),
    ];
    let languages: Vec<_> = blocks().iter().map(|(language, _)| *language).collect();
    assert_eq!(languages, run_by.map(|(language, _)| language));
    let tests = [
        include_str!("programs_guide.rs"),
        include_str!("programs_npm.rs"),
        include_str!("programs_private.rs"),
    ];
    for (_, name) in run_by {
        let defined = format!("async fn {name}()");
        assert!(tests.iter().any(|text| text.contains(&defined)), "{name}");
    }
}

/// The variables of the guide's table that a program without permissions finds.
fn variables() -> Vec<&'static str> {
    let rows = GUIDE.lines().filter(|line| line.starts_with("| `"));
    rows.filter(|row| !row.contains("only with `\"network\"") && !row.contains("only without"))
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .collect()
}

#[tokio::test]
async fn the_example_of_the_guide_runs_and_finds_what_the_guide_says() -> anyhow::Result<()> {
    let host = Host::boot("guide").await?;
    let alice = host.person("alice", "admin").await?;
    let remote = GitRemote::new("counter", host.machine.gateway()?)?;
    remote
        .write("index.js", block("js"))?
        .write("atek.json", block("json"))?
        .tag("v1.0.0")?;
    let params = json!({ "sourceUrl": remote.url(), "id": "counter", "user": "alice" });
    let info = host.install_from(params).await?;
    assert_eq!(info["state"], "running", "{info}");
    let found: Value = serde_json::from_str(&host.page(&alice, "counter", "/").await?)?;
    let named = variables();
    assert!(named.len() >= 9, "{named:?}");
    for name in named {
        assert!(found[name].is_string(), "{name} is not among {found}");
    }
    assert_eq!(host.page(&alice, "counter", "/count").await?, "1");
    host.system()?
        .call(atek_tests::host::SERVICES, "restart", json!(["counter"]))
        .await?;
    host.service_is("counter", "running").await?;
    assert_eq!(host.page(&alice, "counter", "/count").await?, "2");
    Ok(())
}

#[tokio::test]
async fn the_request_of_the_guide_is_asked_and_answered() -> anyhow::Result<()> {
    const PERMISSIONS: &str = "atek.cloud/permissions-api";
    let (_, request) = blocks().pop().context("a request")?;
    let request: Value = serde_json::from_str(request)?;
    let host = Host::boot("guide-request").await?;
    let alice = host.person("alice", "admin").await?;
    host.install("caller-node", "alice").await?;
    let encoded =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let path = format!(
        "/call?api={}&method={}&params={}",
        encoded(PERMISSIONS),
        request["method"].as_str().context("a method")?,
        encoded(&request["params"].to_string())
    );
    let app = host.visit(&alice, "caller-node").await?;
    let app = app.patient(Duration::from_secs(90));
    let answers = async {
        let asked = wait_for("the request", SOON, async || {
            let asked = alice.client.call(PERMISSIONS, "pending", json!([])).await?;
            let asked = asked["requests"].as_array().cloned().unwrap_or_default();
            Ok(Seen::if_so(asked, |asked| !asked.is_empty()))
        })
        .await?;
        let answer = json!([asked[0]["id"], { "answer": "hour" }]);
        alice.client.call(PERMISSIONS, "answer", answer).await?;
        anyhow::Ok(asked)
    };
    let (answer, asked) = tokio::join!(app.get(&path), answers);
    assert_eq!(asked?[0]["reason"], request["params"][0]["reason"]);
    let answer = answer?.json()?;
    let body: Value = serde_json::from_str(answer["body"].as_str().context("an answer")?)?;
    assert_eq!(body["result"]["state"], "granted", "{body}");
    Ok(())
}
