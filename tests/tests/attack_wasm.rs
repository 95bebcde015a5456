//! What a hostile WebAssembly component tries, as a table, before and after systemd reads its units
//! again. What a program could do
//! that broke out of the component is what a program of a Node app can (`attack_sandbox.rs`), less
//! what the unit's own test takes away (`images_wasm.rs`).

mod confined;
mod images;

use anyhow::{Context as _, ensure};
use atek_tests::host::{Host, Person};
use atek_tests::paths;
use confined::{lost, shown, surroundings};
use images::hono::{self, COMPILED, UNIT, call, install, page};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// What must be possible: what an app is there for.
const CONTROLS: [&str; 4] = [
    "write into its own state",
    "read its own package",
    "ask the host who it is",
    "the token of its app",
];

async fn attempts(host: &Host, alice: &Person, other: &str) -> anyhow::Result<Map<String, Value>> {
    let app = host.visit(alice, "hono").await?.patient(COMPILED);
    let path = format!("/attack?box={}&other={other}", host.machine.address()?);
    let table: Value = serde_json::from_str(&page(&app, &path).await?)?;
    Ok(table.as_object().context("no table")?.clone())
}

fn render(attempts: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (attempt, outcome) in attempts {
        let outcome = outcome.as_str().unwrap_or_default();
        let outcome = if outcome.starts_with("done: ") {
            "possible"
        } else {
            outcome
        };
        let _ = writeln!(text, "{attempt:44} {outcome}");
    }
    text
}

#[tokio::test]
async fn a_component_comes_to_nothing_before_and_after_systemd_reads_its_units_again()
-> anyhow::Result<()> {
    let host = Host::boot("attack-wasm").await?;
    let Some(remote) = hono::hono(&host)? else {
        return Ok(());
    };
    let alice = host.person("alice", "admin").await?;
    let bob = host.person("bob", "").await?;
    let other = host.install("hello-node", "bob").await?;
    let other = other["key"].as_str().context("no key")?;
    let secret = json!(["secret", "x"]);
    bob.client.call("example.test/hello", "put", secret).await?;
    surroundings(&host).await?;
    install(&host, &remote).await?;
    // None of the hosts that it asks for.
    call(&host, "configure", json!(["hono", { "grant": {} }])).await?;
    host.service_is("hono", "running").await?;

    let found = render(&attempts(&host, &alice, other).await?);
    let path = paths::repository().join("tests/attack/wasm.txt");
    if std::env::var_os("ATEK_WRITE_TABLES").is_some() {
        std::fs::write(&path, &found)?;
    }
    let expected = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(found == expected, "the table is another one:\n{found}");
    let possible: Vec<_> = found
        .lines()
        .filter(|line| line.ends_with(" possible"))
        .collect();
    ensure!(
        possible.len() == CONTROLS.len()
            && CONTROLS
                .iter()
                .all(|control| possible.iter().any(|line| line.starts_with(control))),
        "{possible:?}"
    );
    for manager in ["daemon-reload", "daemon-reexec"] {
        let before = shown(&host, UNIT).await?;
        host.machine.exec(["systemctl", manager]).await?;
        let changed = lost(&before, &shown(&host, UNIT).await?);
        ensure!(
            changed.is_empty(),
            "after {manager}:\n{}",
            changed.join("\n")
        );
        host.machine.exec(["systemctl", "restart", UNIT]).await?;
        host.service_is("hono", "running").await?;
        let after = render(&attempts(&host, &alice, other).await?);
        ensure!(after == found, "after {manager}:\n{after}");
    }
    Ok(())
}
