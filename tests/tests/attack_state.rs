//! An app puts traps into its state folder: links, pipes, devices, odd names, holes. The folder is
//! copied, restored, kept, taken over by another app and removed, by processes with more rights.

use anyhow::ensure;
use atek_tests::host::{Host, Person, SERVICES};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What stands for the rest of the box: contents, owners and modes of what the links point to.
const TARGETS: &str = "stat -c '%n %U %G %a' / /etc /etc/passwd /etc/shadow /var/lib/atek \
     /var/lib/atek/config.json /run/atek/control.sock /usr/lib/atek; \
     sha256sum /etc/passwd /etc/shadow /var/lib/atek/config.json";
/// A copy of these folders takes a blink; one that waits at a pipe or fills a hole does not end.
const SOON: Duration = Duration::from_secs(60);

/// Everything in a folder: path, kind, mode, target of a link, links and size. Sockets are not
/// copied.
async fn tree(host: &Host, folder: &str) -> anyhow::Result<Vec<String>> {
    let script = format!("find {folder} -not -type s -printf '%P|%y|%m|%l|%s\\0' | base64 -w0");
    let text = host.machine.shell(&script).await?;
    let decode = format!("printf %s '{}' | base64 -d | tr '\\0' '\\037'", text.trim());
    let decoded = host.machine.shell(&decode).await?;
    let mut lines: Vec<String> = decoded
        .split('\u{1f}')
        // The sizes of folders depend on the file system's history.
        .map(|line| match line.split('|').nth(1) {
            Some("d") => line.rsplit_once('|').map_or(line, |(rest, _)| rest).to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    lines.sort();
    Ok(lines)
}

async fn ask(host: &Host, person: &Person, id: &str, path: &str) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&host.page(person, id, path).await?)?)
}

async fn call(host: &Host, method: &str, params: Value) -> anyhow::Result<Value> {
    let began = Instant::now();
    let system = host.system()?.patient(SOON);
    let answer = system.call(SERVICES, method, params).await?;
    println!("{method}: {:?}", began.elapsed());
    Ok(answer)
}

/// No copy has a file of the box, a device, or a right of another user.
async fn harmless(host: &Host) -> anyhow::Result<()> {
    let search = "cd /var/lib/private && \
        find . '(' -type b -o -type c -o -perm /6000 ')' -print && \
        grep -rlsF --devices=skip \"$(head -n 1 /etc/shadow)\" . || :";
    let found = host.machine.shell(search).await?;
    ensure!(found.trim().is_empty(), "{found}");
    Ok(())
}

#[tokio::test]
async fn traps_in_a_state_folder_catch_no_copy_restore_takeover_or_removal() -> anyhow::Result<()> {
    let host = Host::boot("attack-state").await?;
    let alice = host.person("alice", "admin").await?;
    host.install("planter-node", "alice").await?;
    host.service_is("planter-node", "running").await?;
    let before = host.machine.shell(TARGETS).await?;
    let planted = ask(&host, &alice, "planter-node", "/plant").await?;
    println!("{planted}");
    for trap in [
        "note", "links", "loop", "hard", "pipe", "sparse", "closed", "names", "deep",
    ] {
        let made = planted[trap] == "made" || planted[trap] == 0;
        ensure!(
            made,
            "{trap} was not planted, so it shows nothing: {planted}"
        );
    }
    for refused in [
        "device",
        "setuid",
        "hard-of-the-system",
        "hard-of-the-package",
    ] {
        let made = planted[refused] == "made" || planted[refused] == 0;
        ensure!(!made, "{refused} was made: {planted}");
    }
    let key = host.service("planter-node").await?["key"].clone();
    let key = key.as_str().unwrap_or_default();
    let state = format!("/var/lib/private/atek-app-{key}");
    let planted = tree(&host, &state).await?;

    let snapshot = call(&host, "createSnapshot", json!(["planter-node"])).await?;
    let name = snapshot["name"].as_str().unwrap_or_default();
    let copy = format!("/var/lib/private/atek-snapshots/{key}/{name}");
    assert_eq!(tree(&host, &copy).await?, planted);
    harmless(&host).await?;
    call(&host, "restoreSnapshot", json!(["planter-node", name])).await?;
    assert_eq!(tree(&host, &state).await?, planted);
    host.service_is("planter-node", "running").await?;
    for link in ["link-0", "link-1", "link-3/config.json"] {
        let read = ask(&host, &alice, "planter-node", &format!("/read?path={link}")).await?;
        let read = read["read"].as_str().unwrap_or_default();
        ensure!(["EACCES", "ENOENT"].contains(&read), "{link}: {read}");
    }

    // Kept, and taken over by another app: systemd changes the owner of everything in it.
    let keep = json!(["planter-node", { "keepData": true }]);
    call(&host, "uninstall", keep).await?;
    let adopt = json!([{
        "sourceUrl": "file:///srv/apps/planter-node", "id": "again", "user": "alice", "adoptData": key,
    }]);
    call(&host, "install", adopt).await?;
    host.service_is("again", "running").await?;
    let note = ask(&host, &alice, "again", "/read?path=note").await?;
    assert_eq!(note["read"], "mine");
    let owners = format!("find {state} -printf '%U\\n' | sort -u | wc -l");
    assert_eq!(host.machine.shell(&owners).await?.trim(), "1");
    harmless(&host).await?;
    assert_eq!(host.machine.shell(TARGETS).await?, before);

    call(&host, "uninstall", json!(["again"])).await?;
    let left = format!("find /var/lib/private /var/lib/atek/packages -name '*{key}*'");
    assert_eq!(host.machine.shell(&left).await?.trim(), "");
    assert_eq!(host.machine.shell(TARGETS).await?, before);
    Ok(())
}
