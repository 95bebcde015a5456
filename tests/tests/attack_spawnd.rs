//! What an attacker who has taken atekd over asks of atek-spawnd: everything here runs as the user
//! atek.

use anyhow::ensure;
use atek_tests::host::{Host, SOON};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};

/// Starts of the race.
const RACES: usize = 8;

/// Runs a script as the user atek; what it prints, errors too.
async fn as_atek(host: &Host, script: &str) -> anyhow::Result<String> {
    let quoted = script.replace('\'', "'\\''");
    let run = "setpriv --reuid=atek --regid=atek --init-groups sh -c";
    host.machine
        .shell(&format!("{run} '{quoted}' 2>&1 || :"))
        .await
}

fn spec(id: &str, key: &str, folder: &str) -> Value {
    json!({
        "id": id, "key": key, "owner": "u1", "title": id,
        "program": {
            "kind": "native", "path": "bin/sh",
            "args": ["-c", "[ -e /app/marker-of-the-host ] && echo ESCAPED; ls /var/lib/atek-app-*; sleep 1000"],
        },
        "package": { "folder": folder },
    })
}

/// A call of atek-spawnd; what `busctl` says.
fn call(method: &str, spec: &Value) -> String {
    let spec = spec.to_string().replace('"', "\\\"");
    format!(
        "busctl call --timeout=60 cloud.atek.Spawn1 /cloud/atek/Spawn1 cloud.atek.Spawn1 {method} s \"{spec}\""
    )
}

/// What atekd makes before a start, for a key of the attacker's choice.
async fn expect_start(host: &Host, key: &str) -> anyhow::Result<()> {
    let script = format!(
        "umask 077; printf %064d 1 > /run/atek/tokens/{key}; mkdir -m 755 -p /run/atek/host/{key}"
    );
    as_atek(host, &script).await.map(drop)
}

async fn start(host: &Host, id: &str, key: &str, folder: &str) -> anyhow::Result<String> {
    expect_start(host, key).await?;
    as_atek(host, &call("StartService", &spec(id, key, folder))).await
}

/// A package with a program, in a folder that every user may read.
async fn place(host: &Host, folder: &str) -> anyhow::Result<()> {
    let script =
        format!("mkdir -p {folder}/bin && cp /bin/sh {folder}/bin/sh && chmod -R a+rX {folder}");
    host.machine.shell(&script).await.map(drop)
}

#[tokio::test]
async fn folders_that_the_host_may_not_read_and_links_are_not_shown() -> anyhow::Result<()> {
    let host = Host::boot("attack-spawnd").await?;
    place(&host, "/srv/open").await?;
    place(&host, "/home/bob/private/app").await?;
    host.machine.shell("chmod 700 /home/bob/private").await?;
    host.machine.shell("ln -s /srv/open /srv/link").await?;

    let started = start(&host, "open", "k-open", "/srv/open").await?;
    ensure!(started.contains("\"done\""), "the control: {started}");
    for folder in ["/home/bob/private/app", "/srv/link", "/srv/missing"] {
        let refused = start(&host, "other", "k-other", folder).await?;
        ensure!(!refused.contains("\"done\""), "{folder}: {refused}");
    }

    // Its own folders, which every service sees, lead elsewhere.
    for (path, aside) in [
        ("/run/atek/attach", "/run/atek/attach-aside"),
        ("/run/atek/host/k-linked", "/run/atek/host/k-aside"),
    ] {
        expect_start(&host, "k-linked").await?;
        let moved = as_atek(
            &host,
            &format!("mv -T {path} {aside} && ln -s /run {path} && echo moved"),
        )
        .await?;
        ensure!(moved.contains("moved"), "{moved}");
        let spec = spec("linked", "k-linked", "/srv/open");
        let refused = as_atek(&host, &call("StartService", &spec)).await?;
        ensure!(!refused.contains("\"done\""), "{path}: {refused}");
        as_atek(&host, &format!("rm {path} && mv -T {aside} {path}")).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_link_that_races_the_mount_shows_no_service_the_machine() -> anyhow::Result<()> {
    let host = Host::boot("attack-race").await?;
    place(&host, "/srv/race/app").await?;
    host.machine
        .shell("touch /marker-of-the-host; chown -R atek /srv/race; ln -s / /srv/race/link")
        .await?;
    // The folder and a link to / change places as fast as the kernel can.
    let swap = "const { renameSync: r } = require('fs'); process.chdir('/srv/race'); \
        for (;;) { r('app', 'aside'); r('link', 'app'); r('app', 'link'); r('aside', 'app') }";
    host.machine
        .exec([
            "systemd-run",
            "--unit=swap",
            "--uid=atek",
            "node",
            "-e",
            swap,
        ])
        .await?;
    let mut started = 0;
    for race in 0..RACES {
        let (id, key) = (format!("race{race}"), format!("k-race{race}"));
        let said = start(&host, &id, &key, "/srv/race/app").await?;
        started += usize::from(said.contains("\"done\""));
    }
    println!("{started} of {RACES} starts began");
    host.machine.exec(["systemctl", "stop", "swap"]).await?;
    let journal = host
        .machine
        .exec(["journalctl", "--no-pager", "-u", "atek-app-race*"])
        .await?;
    ensure!(!journal.contains("ESCAPED"), "{journal}");
    Ok(())
}

#[tokio::test]
async fn one_key_has_one_program_and_one_start() -> anyhow::Result<()> {
    let host = Host::boot("attack-keys").await?;
    host.person("alice", "admin").await?;
    let victim = host.install("hello-node", "alice").await?;
    let victim = victim["key"].as_str().unwrap_or_default().to_owned();
    host.machine.exec(["atek", "stop", "hello-node"]).await?;
    host.service_is("hello-node", "stopped").await?;
    // A program of the attacker's own asks for the state of another app.
    place(&host, "/srv/thief").await?;
    host.machine.shell("chown -R atek /srv/thief").await?;
    let refused = start(&host, "thief", &victim, "/srv/thief").await?;
    ensure!(
        refused.contains("another") || refused.contains("was made by"),
        "{refused}"
    );

    // Two starts with one key at once.
    expect_start(&host, "k-twice").await?;
    let [one, two] =
        ["one", "two"].map(|id| call("StartService", &spec(id, "k-twice", "/srv/thief")));
    let both = as_atek(&host, &format!("{one} & {two}; wait")).await?;
    let done = both.matches("\"done\"").count();
    ensure!(done == 1, "{done} starts: {both}");
    wait_for("one unit", SOON, async || {
        let units =
            "systemctl list-units --no-legend --plain 'atek-app-one*' 'atek-app-two*' | wc -l";
        let units = host.machine.shell(units).await?;
        Ok(Seen::if_so(units, |units| units.trim() == "1"))
    })
    .await?;
    Ok(())
}
