//! A booted box that keeps its backups on a server, and a new one that becomes it from there.

use crate::note::{box_with_note, note, put};
use crate::servers::{Begin, SECRET, Server};
use atek_tests::host::{Host, PASSWORD, SOON, refusal};
use atek_tests::{Machine, skip};
use serde_json::{Value, json};
use std::path::Path;

const BACKUPS: &str = "atek.cloud/backups-api";

/// A box that keeps its backups on a server, and becomes itself again from there.
pub async fn used(name: &str, begin: Begin) -> anyhow::Result<()> {
    let kept = tempfile::tempdir()?;
    let host = box_with_note(&format!("server-{name}")).await?;
    host.person("anna", "admin").await?;
    let Some(mut server) = begin(host.machine.gateway()?, kept.path()) else {
        return Ok(());
    };
    let (system, url) = (host.system()?, server.url.clone());
    let shell = async |script: &str| host.machine.shell(script).await;
    host.machine
        .write("/root/secret", format!("{SECRET}\n"))
        .await?;
    host.machine.write("/root/wrong", "wrong\n").await?;

    trust(&host, &server).await?;
    // The password does not fit.
    let set = |target: Value, secret: &str| json!([{ "target": target, "schedule": "never", "serverPassword": secret }]);
    let refused = refusal(
        system
            .call(BACKUPS, "configure", set(server.target(), "wrong"))
            .await,
    );
    assert_eq!(refused.data["reason"], "login", "{refused:?}");
    let mut flags = "--every never --server-password /root/secret".to_owned();
    if let Some(key) = server.host_key() {
        let unknown = json!({ "kind": "server", "url": url });
        let refused = refusal(
            system
                .call(BACKUPS, "configure", set(unknown, SECRET))
                .await,
        );
        assert_eq!(refused.data["reason"], "host-key", "{refused:?}");
        assert_eq!(refused.data["hostKey"], json!(key), "{refused:?}");
        flags = format!("{flags} --host-key {key}");
    }
    let said = shell(&format!("atek backup target {url} {flags}")).await?;
    assert!(said.contains(&url), "{said}");
    let said = shell("atek backup now").await?;
    assert!(said.contains("made the backup"), "{said}");

    // No password in what anybody may read, and the job has no network.
    let seen = "atek backup status --json; systemctl show 'atek-backup*'; journalctl --no-pager; cat /var/lib/atek/backups.json";
    assert!(!shell(seen).await?.contains(SECRET));
    let mode = shell("stat -c %a:%U /var/lib/atek/backup-servers.json").await?;
    assert_eq!(mode.trim(), "600:atek");

    // It is gone, and comes back.
    server.stop();
    let gone = refusal(system.call(BACKUPS, "backUp", json!([])).await);
    assert_eq!(gone.data["reason"], "no-target", "{gone:?}");
    assert!(gone.message.contains("cannot be reached"), "{gone:?}");
    server.start();
    put(&host, "spoilt").await?;
    system.call(BACKUPS, "backUp", json!([])).await?;
    let runs = system.call(BACKUPS, "list", json!([])).await?;
    let runs = runs["runs"].as_array().cloned().unwrap_or_default();
    assert_eq!(runs.len(), 2, "{runs:?}");
    let first = runs[1]["run"].as_str().unwrap_or_default();
    shell(&format!("atek restore hello-node --backup {first} --yes")).await?;
    assert_eq!(note(&host).await?, "precious");
    let said = shell("atek backup now && atek backup verify").await?;
    assert!(said.contains("is whole"), "{said}");

    if server.host_key().is_some() {
        let known = server.target();
        server.new_host_key();
        let other = refusal(system.call(BACKUPS, "backUp", json!([])).await);
        assert_eq!(other.data["reason"], "host-key", "{other:?}");
        let status = system.call(BACKUPS, "status", json!([])).await?;
        assert_eq!(status["settings"]["target"], known, "{status}");
    }
    let password = shell("atek backup password").await?;
    let password = password.lines().next().unwrap_or_default().to_owned();
    reads(&server, kept.path(), &password);
    drop(host);

    // A new box, with nothing but the address and what opens it.
    let new = Host::on(Machine::builder(&format!("server-{name}-new"))).await?;
    new.machine.place_app("hello-node").await?;
    new.machine
        .write("/root/secret", format!("{SECRET}\n"))
        .await?;
    new.machine.write("/root/password", &password).await?;
    // Another address: a machine's own network is its own.
    let Some(server) = begin(new.machine.gateway()?, kept.path()) else {
        return Ok(());
    };
    trust(&new, &server).await?;
    let key = server.host_key().map(|key| format!("--host-key {key}"));
    let restore = format!(
        "atek restore --box {} --server-password /root/secret {} < /root/password",
        server.url,
        key.unwrap_or_default()
    );
    let said = new
        .machine
        .exec_within(SOON * 6, ["sh", "-c", &restore], b"")
        .await?;
    assert!(said.status.success(), "{}{}", said.stdout, said.stderr);
    new.sign_in("anna", PASSWORD).await?;
    // People sign in before their apps are started.
    new.ready().await?;
    assert_eq!(note(&new).await?, "precious");
    // The next one goes where this one was, without the password being asked for again.
    let said = new
        .machine
        .shell("atek backup now && atek backup list")
        .await?;
    // Of one hour, the newest three are kept.
    assert_eq!(said.matches("yes").count(), 3, "{said}");
    Ok(())
}

/// Tells a box whom a server's certificate is of.
async fn trust(host: &Host, server: &Server) -> anyhow::Result<()> {
    if server.authority.is_empty() {
        return Ok(());
    }
    let file = "/root/authority.pem";
    host.machine.write(file, &server.authority).await?;
    let said = host
        .machine
        .shell(&format!("atek authorities --add {file}"))
        .await?;
    assert!(said.contains("fingerprint"), "{said}");
    Ok(())
}

/// Whether Debian's restic reads all of a server's backups.
fn reads(server: &Server, kept: &Path, password: &str) {
    if std::process::Command::new("restic")
        .arg("version")
        .output()
        .is_err()
    {
        skip("Debian's restic is not installed");
        return;
    }
    let (fine, said) = server.restic(kept, password, &["check", "--read-data", "--no-lock"]);
    assert!(fine, "{said}");
}
