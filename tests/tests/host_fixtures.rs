//! The fixtures themselves: what the host's suites stand on must do what it says.

use anyhow::Context as _;
use atek_tests::{
    GitRemote, HostileRemote, Hostility, Machine, Seen, apps, http::Client, wait_for,
};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const SOON: Duration = Duration::from_secs(60);

fn git(words: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git")
        .args(words)
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()?;
    anyhow::ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn a_git_remote_serves_the_apps_that_were_tagged() -> anyhow::Result<()> {
    let remote = GitRemote::new("hello", HERE)?;
    remote
        .tag_app("v1.0.0", "hello-node")?
        .tag_app("v1.1.0", "native-echo")?;
    let listed = git(&["ls-remote", "--tags", "--refs", &remote.url()])?;
    let tags: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split('/').next_back())
        .collect();
    assert_eq!(tags, ["v1.0.0", "v1.1.0"]);

    let clone = tempfile::tempdir()?;
    let to = clone.path().join("clone");
    git(&[
        "clone",
        "--quiet",
        "--branch=v1.0.0",
        &remote.url(),
        &to.display().to_string(),
    ])?;
    assert_eq!(std::fs::read_to_string(to.join("VERSION"))?, "v1.0.0");
    assert!(to.join("index.js").is_file() && !to.join("native-echo").exists());
    git(&[
        "-C",
        &to.display().to_string(),
        "checkout",
        "--quiet",
        "v1.1.0",
    ])?;
    assert!(to.join("native-echo").is_file() && !to.join("index.js").exists());
    Ok(())
}

#[tokio::test]
async fn hostile_remotes_are_as_bad_as_they_say() -> anyhow::Result<()> {
    for (hostility, said) in [
        (Hostility::Status(404), "not found"),
        (Hostility::ServesAPage, "not valid"),
        (Hostility::Garbles, "protocol error"),
        (Hostility::RedirectsInCircles, "redirect"),
    ] {
        let remote = HostileRemote::new(hostility.clone(), HERE)?;
        let error = git(&["ls-remote", &remote.url()])
            .unwrap_err()
            .to_string()
            .to_lowercase();
        assert!(error.contains(said), "{hostility:?}: {error}");
        assert!(remote.requests() > 0);
    }
    for hostility in [Hostility::Hangs, Hostility::Trickles, Hostility::Floods] {
        let remote = HostileRemote::new(hostility.clone(), HERE)?;
        let address = remote
            .url()
            .trim_start_matches("http://")
            .trim_end_matches("/app.git")
            .parse()?;
        let whole = tokio::time::timeout(
            Duration::from_millis(300),
            Client::tcp(address).get("/info/refs"),
        )
        .await;
        assert!(whole.is_err(), "{hostility:?} answered: {whole:?}");
    }
    Ok(())
}

/// Runs a staged app as the host would, but without confinement.
async fn run_app(machine: &Machine, app: &str, words: &[&str]) -> anyhow::Result<Client> {
    machine.place_app(app).await?;
    let socket = format!("/run/{app}.sock");
    machine
        .exec(
            [
                "systemd-run",
                "--unit",
                app,
                "-E",
                &format!("ATEK_ASSIGNED_SOCKET_FILE={socket}"),
                "-E",
                "HOME=/root",
            ]
            .iter()
            .chain(words),
        )
        .await?;
    let client = machine.http_unix(&socket)?;
    wait_for(app, SOON, async || Ok(Seen::Wanted(client.get("/").await?))).await?;
    Ok(client)
}

#[tokio::test]
async fn the_node_app_answers_calls_and_echoes_frames() -> anyhow::Result<()> {
    use futures_util::{SinkExt as _, StreamExt as _};
    let machine = Machine::boot("hello-app").await?;
    let hello = run_app(
        &machine,
        "hello-node",
        &["node", "/srv/apps/hello-node/index.js"],
    )
    .await?;
    assert_eq!(
        hello
            .call_at("/_api/hello", "hello", json!(["you"]))
            .await?,
        "hello you"
    );
    let error = hello
        .call_at("/_api/hello", "toString", json!([]))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "Method not found: toString (-32601)");
    assert_eq!(
        hello.get("/stream?lines=3").await?.text(),
        "line 1\nline 2\nline 3\n"
    );

    let mut socket = hello
        .header("atek-auth-user", "u1")
        .websocket("/_api/echo")
        .await?;
    let greeting = socket.next().await.context("no greeting")??;
    assert_eq!(
        serde_json::from_str::<Value>(greeting.to_text()?)?["user"],
        "u1"
    );
    let long = "x".repeat(1000);
    socket.send(long.clone().into()).await?;
    assert_eq!(socket.next().await.context("no echo")??.to_text()?, long);
    Ok(())
}

#[tokio::test]
async fn the_native_app_answers_calls() -> anyhow::Result<()> {
    let machine = Machine::boot("native-app").await?;
    let echo = run_app(
        &machine,
        "native-echo",
        &["/srv/apps/native-echo/native-echo"],
    )
    .await?;
    assert_eq!(
        echo.call_at("/", "echo", json!([1, "two"])).await?,
        json!([1, "two"])
    );
    Ok(())
}

#[test]
fn every_fixture_app_can_be_staged() -> anyhow::Result<()> {
    for app in std::fs::read_dir(atek_tests::paths::repository().join("tests/apps"))? {
        let app = app?;
        if app.file_type()?.is_dir() {
            let folder = tempfile::tempdir()?;
            let name = app.file_name().into_string().ok().context("an odd name")?;
            apps::stage(&name, folder.path()).with_context(|| name.clone())?;
            // The original's apps have no atek.json.
            let described = ["atek.json", "package.json"];
            let is_there = |file: &&str| folder.path().join(file).is_file();
            assert!(described.iter().any(is_there), "{name}");
        }
    }
    Ok(())
}
