//! The guide for authors of apps: its example runs, and finds what the guide says.

use atek_tests::git_remote::GitRemote;
use atek_tests::host::Host;
use serde_json::{Value, json};

const GUIDE: &str = include_str!("../../docs/apps.md");

/// The first block of this language.
fn block(language: &str) -> &'static str {
    let start = format!("```{language}\n");
    let rest = GUIDE.split_once(&start).map(|(_, rest)| rest);
    let rest = rest.unwrap_or_else(|| panic!("the guide has no {language}"));
    rest.split("```").next().unwrap_or_default()
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
