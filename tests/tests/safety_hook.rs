//! What apps do before they are copied for a backup: a command of their manifest, in their own
//! sandbox, with a deadline.

#[allow(dead_code, reason = "other suites have a box with a note")]
#[path = "safety/note.rs"]
mod note;

use atek_tests::host::Host;
use note::{note, put};
use serde_json::json;

const BACKUPS: &str = "atek.cloud/backups-api";

/// What is run before a backup. It sees what the app sees: its state, its socket, and no other's.
const DUMP: &str = r#"#!/bin/sh
set -e
cd "$STATE_DIRECTORY"
test -S "$ATEK_ASSIGNED_SOCKET_FILE"
if ls /var/lib/atek 2>/dev/null | grep -q .; then exit 9; fi
test ! -e fail
test ! -e hang || { echo $$ > hanging; sleep 1000; }
cp note.json dump.json 2>/dev/null || ls > dump.json
id -u > user
"#;

/// A box with an app that makes a dump of its own before it is copied.
async fn box_with_dump(name: &str) -> anyhow::Result<Host> {
    let host = Host::boot(name).await?;
    host.person("bob", "").await?;
    let source = host.machine.place_app("hello-node").await?;
    let folder = source.trim_start_matches("file://");
    let script = format!("{folder}/dump.sh");
    host.machine.write(&script, DUMP).await?;
    host.machine.exec(["chmod", "+x", &script]).await?;
    let change = "const fs = require('fs'), at = process.argv[1] + '/atek.json'
        const manifest = JSON.parse(fs.readFileSync(at))
        manifest.beforeBackup = { command: ['./dump.sh'], seconds: 3 }
        fs.writeFileSync(at, JSON.stringify(manifest))";
    host.machine.exec(["node", "-e", change, folder]).await?;
    let app = json!({ "sourceUrl": source, "id": "hello-node", "user": "bob" });
    host.install_from(app).await?;
    put(&host, "precious").await?;
    let target = "mkdir -p /mnt/disk && atek backup target /mnt/disk --every never";
    host.machine.shell(target).await?;
    Ok(host)
}

#[tokio::test]
async fn an_app_makes_its_dump_before_it_is_copied_and_what_fails_is_told() -> anyhow::Result<()> {
    let host = box_with_dump("backup-hook").await?;
    let system = host.system()?;
    let shell = async |script: &str| host.machine.shell(script).await;
    let said = shell("atek backup now && atek backup list hello-node").await?;
    assert!(said.contains("dump.json"), "{said}");
    let status = async || system.call(BACKUPS, "status", json!([])).await;
    assert!(status().await?["problem"].is_null());

    let state = shell(
        "echo /var/lib/private/atek-app-$(atek get hello-node --json | sed -n 's/.*\"key\":\"\\([^\"]*\\)\".*/\\1/p' | head -n 1)",
    )
    .await?;
    let state = state.trim();
    // As the app's own user, not as root.
    let user = "cat STATE/user; stat -c %u /proc/$(systemctl show -P MainPID atek-app-hello-node)";
    let user = shell(&user.replace("STATE", state)).await?;
    let users: Vec<&str> = user.lines().collect();
    assert_eq!(users[0], users[1], "{user}");
    assert_ne!(users[0], "0");

    for (file, reason) in [("fail", "exit code 1"), ("hang", "not done within 3 s")] {
        shell(&format!("touch {state}/{file}")).await?;
        let done = system.call(BACKUPS, "backUp", json!([])).await?;
        let told = done["problems"][0].as_str().unwrap_or_default();
        assert!(told.contains("hello-node was not prepared"), "{done}");
        assert!(told.contains(reason), "{done}");
        assert_eq!(status().await?["problem"], told);
        shell(&format!("rm {state}/{file}")).await?;
    }
    // It is ended with its deadline, and the app is not.
    shell(&format!("! kill -0 $(cat {state}/hanging) 2>/dev/null")).await?;
    assert_eq!(note(&host).await?, "precious");

    // What was copied all the same is whole, and an app that does not run is copied as it is.
    shell("atek stop hello-node").await?;
    let done = system.call(BACKUPS, "backUp", json!([])).await?;
    assert_eq!(done["problems"], json!([]), "{done}");
    assert!(status().await?["problem"].is_null());
    let said = shell("atek backup list && atek backup verify").await?;
    // Of one hour, the newest three are kept.
    assert_eq!(said.matches("yes").count(), 3, "{said}");
    Ok(())
}
