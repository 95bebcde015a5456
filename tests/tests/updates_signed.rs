//! Releases that are signed: an app whose author signs gets no release of anybody else.

use anyhow::{Context as _, ensure};
use atek_image::command;
use atek_tests::Machine;
use atek_tests::git_remote::{GitRemote, SshKey};
use atek_tests::host::{Host, SERVICES, refusal};
use serde_json::{Value, json};
use std::process::Command;

const KEY_FILE: &str = "signing-key.asc";

async fn call(host: &Host, method: &str, params: Value) -> anyhow::Result<Value> {
    host.system()?.call(SERVICES, method, params).await
}

async fn boot(name: &str) -> anyhow::Result<(Host, GitRemote)> {
    let config = json!({ "updates": { "probationSeconds": 1 } }).to_string();
    let host =
        Host::on(Machine::builder(name).file("/etc/atek/config.json", config, 0o644)).await?;
    let remote = GitRemote::new("records", host.machine.gateway()?)?;
    Ok((host, remote))
}

/// Commits the app as this version and publishes it under a tag that git signs with `settings`.
fn publish(remote: &GitRemote, tag: &str, settings: &[String]) -> anyhow::Result<()> {
    remote.write("VERSION", tag)?.commit(tag)?;
    let mut words: Vec<&str> = settings.iter().map(String::as_str).collect();
    words.extend(["tag", "--sign", "--message", tag, tag]);
    remote.git(words)?;
    remote.publish().map(drop)
}

#[tokio::test]
async fn an_ssh_signed_app_takes_no_release_of_another_hand() -> anyhow::Result<()> {
    let (host, remote) = boot("updates-signed").await?;
    let keys = (SshKey::new()?, SshKey::new()?);
    let (author_key, other_key) = (keys.0.fingerprint(), keys.1.fingerprint());
    let (author, other) = (keys.0.settings(), keys.1.settings());
    atek_tests::apps::stage("records-node", &remote.work())?;
    publish(&remote, "v1.0.0", &author)?;
    let source = json!({ "sourceUrl": remote.url(), "user": "system" });
    let shown = call(&host, "inspect", json!([source])).await?;
    ensure!(shown["signer"]["fingerprint"] == author_key, "{shown}");
    host.install_from(source).await?;
    host.service_is("records", "running").await?;
    let told = host.machine.shell("atek get records").await?;
    ensure!(told.contains(author_key), "{told}");
    publish(&remote, "v1.0.1", &author)?;
    let done = call(&host, "updatePackage", json!(["records"])).await?;
    ensure!(done["installedVersion"] == "v1.0.1", "{done}");
    // Not signed, signed by another, and an old signature under a new name.
    remote.write("VERSION", "v1.0.2")?.tag("v1.0.2")?;
    let error = refusal(call(&host, "updatePackage", json!(["records"])).await);
    ensure!(error.message.contains("is not signed"), "{}", error.message);
    publish(&remote, "v1.0.3", &other)?;
    let error = refusal(call(&host, "updatePackage", json!(["records"])).await);
    ensure!(error.message.contains(other_key), "{}", error.message);
    ensure!(
        error.data["signer"]["fingerprint"] == other_key,
        "{}",
        error.data
    );
    remote.git(["update-ref", "refs/tags/v1.0.4", "refs/tags/v1.0.1"])?;
    remote.publish()?;
    let error = refusal(call(&host, "updatePackage", json!(["records"])).await);
    ensure!(
        error.message.contains("under the name v1.0.1"),
        "{}",
        error.message
    );
    // Reported, and not offered again.
    let status = call(&host, "updateStatus", json!(["records"])).await?;
    let refused = status["refused"].as_array().context("refused")?;
    let refused: Vec<_> = refused.iter().map(|one| one["tag"].clone()).collect();
    ensure!(refused == ["v1.0.2", "v1.0.3", "v1.0.4"], "{refused:?}");
    ensure!(status["installedVersion"] == "v1.0.1", "{status}");
    // A person who has asked the author accepts the new key, which is the pinned one from then on.
    let accepted = json!(["records", { "to": "v1.0.3", "signer": other_key }]);
    let done = call(&host, "updatePackage", accepted).await?;
    ensure!(done["installedVersion"] == "v1.0.3", "{done}");
    publish(&remote, "v1.0.5", &author)?;
    let error = refusal(call(&host, "updatePackage", json!(["records"])).await);
    ensure!(error.message.contains(author_key), "{}", error.message);
    Ok(())
}

/// The app's installed release is not signed, so no signer is pinned: what is held to is the tag.
#[tokio::test]
async fn a_tag_that_was_seen_keeps_its_signature_also_before_it_is_installed() -> anyhow::Result<()>
{
    let (host, remote) = boot("updates-resigned").await?;
    let keys = (SshKey::new()?, SshKey::new()?);
    let (author_key, other_key) = (keys.0.fingerprint(), keys.1.fingerprint());
    let (author, other) = (keys.0.settings(), keys.1.settings());
    remote.tag_app("v1.0.0", "records-node")?;
    host.install_from(json!({ "sourceUrl": remote.url(), "user": "system" }))
        .await?;
    // The same commit each time: only the signature of its tag is exchanged.
    let again = |tag: &str, settings: &[String]| {
        let mut words: Vec<&str> = settings.iter().map(String::as_str).collect();
        let how = if settings.is_empty() {
            "--annotate"
        } else {
            "--sign"
        };
        words.extend(["tag", "--force", how, "--message", tag, tag]);
        remote.git(words)?;
        remote.publish().map(drop)
    };
    publish(&remote, "v1.0.1", &author)?;
    let plan = call(&host, "planUpdate", json!(["records"])).await?;
    ensure!(plan["signer"]["fingerprint"] == author_key, "{plan}");
    again("v1.0.1", &[])?;
    let error = refusal(call(&host, "updatePackage", json!(["records"])).await);
    let says = format!("was signed with the SSH key {author_key} when this box first saw it");
    ensure!(error.message.contains(&says), "{}", error.message);
    ensure!(
        error.message.contains("is not any more"),
        "{}",
        error.message
    );
    ensure!(error.data["reason"] == "not-signed", "{}", error.data);
    // Reported when it is only looked at, too.
    publish(&remote, "v1.0.2", &author)?;
    call(&host, "planUpdate", json!(["records"])).await?;
    again("v1.0.2", &other)?;
    let error = refusal(call(&host, "planUpdate", json!(["records"])).await);
    ensure!(error.message.contains(other_key), "{}", error.message);
    ensure!(error.data["reason"] == "other-signer", "{}", error.data);
    let status = call(&host, "updateStatus", json!(["records"])).await?;
    let refused = status["refused"].as_array().context("refused")?;
    let refused: Vec<_> = refused.iter().map(|one| one["tag"].clone()).collect();
    ensure!(refused == ["v1.0.1", "v1.0.2"], "{refused:?}");
    ensure!(status["installedVersion"] == "v1.0.0", "{status}");
    // A person who has asked the author takes it, which pins the key.
    let accepted = json!(["records", { "to": "v1.0.2", "signer": other_key }]);
    let done = call(&host, "updatePackage", accepted).await?;
    ensure!(done["installedVersion"] == "v1.0.2", "{done}");
    // The tag that is installed is held to as well.
    remote.write("VERSION", "v1.0.0")?.commit("other")?;
    remote.git(["tag", "--force", "--annotate", "--message", "x", "v1.0.0"])?;
    remote.publish()?;
    let back = json!(["records", { "to": "v1.0.0" }]);
    let error = refusal(call(&host, "updatePackage", back).await);
    ensure!(error.message.contains("was moved"), "{}", error.message);
    Ok(())
}

#[tokio::test]
async fn an_openpgp_signed_app_is_checked_on_the_box() -> anyhow::Result<()> {
    let (host, remote) = boot("updates-gpg").await?;
    let home = tempfile::tempdir()?;
    let gpg = |words: &[&str]| {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(home.path());
        command::run(
            gpg.args(["--batch", "--quiet", "--passphrase", ""])
                .args(words),
        )
    };
    gpg(&[
        "--quick-generate-key",
        "Author <a@example.test>",
        "ed25519",
        "sign",
        "never",
    ])?;
    let program = home.path().join("program");
    let script = format!(
        "#!/bin/sh\nexec gpg --homedir {} --batch \"$@\"\n",
        home.path().display()
    );
    std::fs::write(&program, script)?;
    command::run(Command::new("chmod").arg("755").arg(&program))?;
    let settings = [
        "-c".to_owned(),
        format!("gpg.program={}", program.display()),
        "-c".to_owned(),
        "user.signingKey=a@example.test".to_owned(),
    ];
    atek_tests::apps::stage("records-node", &remote.work())?;
    remote.write(KEY_FILE, gpg(&["--armor", "--export"])?)?;
    publish(&remote, "v1.0.0", &settings)?;
    host.install_from(json!({ "sourceUrl": remote.url(), "user": "system" }))
        .await?;
    let installed = host.service("records").await?;
    let signer = &installed["settings"]["package"]["signer"];
    ensure!(
        signer["kind"] == "openpgp" && signer["signed"] == "tag",
        "{installed}"
    );
    publish(&remote, "v1.0.1", &settings)?;
    let done = call(&host, "updatePackage", json!(["records"])).await?;
    ensure!(done["installedVersion"] == "v1.0.1", "{done}");
    remote.write("VERSION", "v1.0.2")?.tag("v1.0.2")?;
    let error = refusal(call(&host, "updatePackage", json!(["records"])).await);
    ensure!(error.message.contains("is not signed"), "{}", error.message);
    // Its agent would stay.
    command::run(
        Command::new("gpgconf")
            .arg("--homedir")
            .arg(home.path())
            .args(["--kill", "all"]),
    )?;
    Ok(())
}
