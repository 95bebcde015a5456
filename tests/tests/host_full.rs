//! A disk without one free block, filled by an app that takes at once whatever becomes free.

use anyhow::{Context as _, ensure};
use atek_tests::host::{ADB, Host, PASSWORD, SERVICES, SESSIONS, refusal};
use atek_tests::http::Client;
use atek_tests::{GitRemote, Machine, Seen, SmallDisk, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

const HELLO: &str = "example.test/hello";
const HOG: &str = "example.test/hog";

/// How long a slow disk may take to be full.
const FILLED: Duration = Duration::from_secs(120);

/// Lets the app take the whole disk.
async fn fill(host: &Host, disk: &SmallDisk) -> anyhow::Result<()> {
    host.system()?.call(HOG, "hog", json!(["disk"])).await?;
    is_full(host, disk).await
}

async fn is_full(host: &Host, disk: &SmallDisk) -> anyhow::Result<()> {
    wait_for("the disk to be full", FILLED, async || {
        let refusals = host.system()?.call(HOG, "refusals", json!([])).await?;
        Ok(Seen::if_so((refusals, disk.free()?), |(refusals, free)| {
            refusals[0] == "ENOSPC" && *free == 0
        }))
    })
    .await
    .map(drop)
}

fn signed_in(host: &Host, cookie: &str) -> Client {
    host.stranger()
        .header("cookie", &format!("session={cookie}"))
}

async fn is_active(client: &Client) -> anyhow::Result<bool> {
    let session = client.call(SESSIONS, "whoami", json!([])).await?;
    Ok(session["isActive"] == true)
}

/// People come and go, and every one of them is known afterwards. Returns the cookies of who is
/// signed in.
async fn people_come_and_go(host: &Host) -> anyhow::Result<Vec<String>> {
    let mut here = Vec::new();
    for round in 0..10 {
        let cookie = host.sign_in("alice", PASSWORD).await;
        let cookie = cookie.with_context(|| format!("sign-in {round}"))?;
        let client = signed_in(host, &cookie);
        if round % 2 == 0 {
            client.call(SESSIONS, "logout", json!([])).await?;
            ensure!(!is_active(&client).await?, "sign-out {round} did not count");
        } else {
            here.push(cookie);
        }
    }
    Ok(here)
}

/// The person is told what is the matter, whatever they try that needs room.
async fn whoever_needs_room_is_told(
    own: &Client,
    db: &str,
    remote: &GitRemote,
) -> anyhow::Result<()> {
    let put = json!([db, "note", { "text": "x" }]);
    let refused = refusal(own.call(ADB, "recordPut", put).await);
    ensure!(
        refused.message.contains("the disk is full") && refused.data["diskFull"] == true,
        "a put was refused with {refused:?}"
    );
    let kept = own.call(ADB, "recordGet", json!([db, "before"])).await?;
    assert_eq!(kept["value"]["text"], "kept");
    let install = json!([{ "sourceUrl": remote.url(), "id": "one-more" }]);
    let refused = refusal(own.call(SERVICES, "install", install).await);
    ensure!(
        refused.message.contains("the disk is full: uninstall"),
        "an install was refused with {refused:?}"
    );
    Ok(())
}

#[tokio::test]
async fn on_a_full_disk_people_sign_in_see_why_and_take_the_app_away() -> anyhow::Result<()> {
    let Some(disk) = SmallDisk::new(320)? else {
        return Ok(());
    };
    let mut host = Host::on(Machine::builder("full").data_dir(disk.path())).await?;
    let alice = host.person("alice", "admin").await?;
    host.install("hello-node", "alice").await?;
    // From a remote, so that it is there again after a power cut.
    let hogs = GitRemote::new("hog", host.machine.gateway()?)?;
    hogs.tag_app("v1.0.0", "hog-node")?;
    host.install_from(json!({ "sourceUrl": hogs.url(), "id": "hog-node", "user": "alice" }))
        .await?;
    for app in ["hello-node", "hog-node"] {
        host.service_is(app, "running").await?;
    }
    let remote = GitRemote::new("one-more", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    let own = alice.client.clone().header("origin", "http://localhost");
    let made = own
        .call(ADB, "dbCreate", json!([{ "access": "private" }]))
        .await?;
    let db = made["dbId"].as_str().context("no id")?.to_owned();
    own.call(ADB, "recordPut", json!([db, "before", { "text": "kept" }]))
        .await?;

    fill(&host, &disk).await?;
    let mut here = people_come_and_go(&host).await?;
    whoever_needs_room_is_told(&own, &db, &remote).await?;
    for method in ["stop", "start"] {
        alice
            .client
            .call(SERVICES, method, json!(["hello-node"]))
            .await?;
    }
    let hello = alice.client.call(HELLO, "hello", json!(["you"])).await?;
    assert_eq!(hello, "hello you");
    is_full(&host, &disk).await?;

    // With not one block free the power goes. The machine comes back with another address.
    host.machine.reboot().await?;
    host.ready().await?;
    let own = signed_in(&host, &alice.cookie).header("origin", "http://localhost");
    let remote = GitRemote::new("one-more", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    host.service_is("hog-node", "running").await?;
    fill(&host, &disk).await?;
    for cookie in &here {
        let client = signed_in(&host, cookie);
        ensure!(is_active(&client).await?, "a session is gone");
    }
    here.extend(people_come_and_go(&host).await?);
    whoever_needs_room_is_told(&own, &db, &remote).await?;

    let last = here.last().context("no session is left")?;
    signed_in(&host, last)
        .call(SERVICES, "uninstall", json!(["hog-node"]))
        .await?;
    ensure!(disk.free()? > 100 << 20, "the app's data is still there");
    let put = json!([db, "note", { "text": "x" }]);
    own.call(ADB, "recordPut", put).await?;
    host.install_from(json!({ "sourceUrl": remote.url(), "id": "one-more", "user": "alice" }))
        .await?;
    host.service_is("one-more", "running").await?;
    let failed = host
        .machine
        .exec(["systemctl", "--failed", "--no-legend", "--plain"])
        .await?;
    assert_eq!(failed.trim(), "");
    Ok(())
}

#[tokio::test]
async fn without_a_place_for_one_more_file_an_app_can_still_be_uninstalled() -> anyhow::Result<()> {
    let Some(disk) = SmallDisk::new(320)? else {
        return Ok(());
    };
    let host = Host::on(Machine::builder("full-of-files").data_dir(disk.path())).await?;
    let alice = host.person("alice", "admin").await?;
    let app = host.install("hello-node", "alice").await?;
    host.service_is("hello-node", "running").await?;
    let key = app["key"].as_str().context("no key")?;
    let script = format!(
        "mkdir /var/lib/private/atek-app-{key}/files && cd /var/lib/private/atek-app-{key}/files
         n=0; while true 2>/dev/null > $n; do n=$((n+1)); done; touch /var/lib/atek/one-more 2>&1 || true"
    );
    let said = host.machine.shell(&script).await?;
    ensure!(said.contains("No space left"), "{said}");
    people_come_and_go(&host).await?;
    alice
        .client
        .call(SERVICES, "uninstall", json!(["hello-node"]))
        .await?;
    let gone: Value = alice.client.call(SERVICES, "list", json!([])).await?;
    ensure!(!gone.to_string().contains("hello-node"), "{gone}");
    host.machine
        .exec(["touch", "/var/lib/atek/one-more"])
        .await?;
    Ok(())
}
