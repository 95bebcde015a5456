//! Everything that a hostile program tries, in every confinement that a program can have, as one
//! table.
//!
//! `tests/attack/sandbox.txt` has a row for each attempt and a column for each profile. Every
//! change fails the test; after a change that is wanted, `ATEK_WRITE_TABLES=1` replaces the table.
//! The column `unconfined` is the positive control: what is impossible there, on this machine,
//! shows nothing about the confinement.

mod confined;

use anyhow::{Context as _, ensure};
use atek_tests::host::{Host, Person};
use atek_tests::registry::{EncryptedRegistry, Registry};
use atek_tests::{GitRemote, paths};
use confined::{lost, shown, surroundings};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Attempts that must be possible without confinement.
const CONTROLLED: usize = 120;
/// The apps, and what each asks for and is granted.
const PROFILES: [&str; 5] = ["none", "hosts", "direct", "lan", "port"];
/// Those, the container image, the same shown that it is root, and the same as a further process of
/// an app.
const RUNNING: [&str; 8] = [
    "none", "hosts", "direct", "lan", "port", "image", "root", "sidecar",
];
/// The columns of the table.
const COLUMNS: [&str; 10] = [
    "unconfined",
    "none",
    "hosts",
    "direct",
    "lan",
    "port",
    "image",
    "root",
    "sidecar",
    "build",
];
/// A device at home: its private and its global address.
const HOME: &str = "10.77.0.2:7777";
const HOME_V6: &str = "[2001:db8:77::2]:7777";

/// A server of the box's, at the end of the links that apps with the internet have.
const LINK: &str = "169.254.0.1:7777";

/// What came of each attempt, by its name.
type Outcomes = Map<String, Value>;

fn permissions(profile: &str) -> Value {
    match profile {
        "hosts" => json!({ "network": { "hosts": ["example.org"] } }),
        "direct" => json!({ "network": "direct" }),
        "lan" => json!({ "network": { "direct": { "lan": true } } }),
        _ => json!({}),
    }
}

/// What there is to reach, for a program with this folder of code and this one of its own.
async fn targets(host: &Host, victim: &str, code: &str, own: &str) -> anyhow::Result<Value> {
    let address = host.machine.address()?;
    Ok(json!({
        "otherState": format!("/var/lib/private/atek-app-{victim}/secret"),
        "otherSocket": format!("/run/atek-app-{victim}/app.sock"),
        "hostFile": "/var/lib/atek/config.json",
        "controlSocket": "/run/atek/control.sock",
        "pid": host.pid("hello-node").await?,
        "tcp": format!("{address}:7777"),
        "udp": format!("{address}:7777"),
        "loopback": "127.0.0.1:7778",
        "theBox": format!("{address}:80"),
        "link": LINK,
        "home": HOME,
        "homeV6": HOME_V6,
        "hostTmp": "/tmp/secret",
        "abstractSocket": "abstract",
        "code": code,
        "own": own,
    }))
}

/// Installs the hostile app as `escape-PROFILE`; returns its key.
async fn install(host: &Host, profile: &str) -> anyhow::Result<String> {
    let name = format!("escape-{profile}");
    let remote = GitRemote::new(&name, host.machine.gateway()?)?;
    remote.tag_app("v0.9.0", "escape")?;
    let mut manifest = json!({
        "name": name, "runtime": "native", "entry": "escape", "args": ["serve"],
        "permissions": permissions(profile),
    });
    if profile == "port" {
        manifest["port"] = json!(8123);
    }
    remote
        .write("atek.json", manifest.to_string())?
        .tag("v1.0.0")?;
    let installed = host
        .install_from(json!({
            "sourceUrl": remote.url(), "id": name, "user": "alice", "grant": permissions(profile),
        }))
        .await?;
    host.service_is(&name, "running").await?;
    let key = installed["key"].as_str().context("no key")?;
    Ok(key.to_owned())
}

/// A file for the layer of an image, from this machine's own.
fn add(tar: &mut tar::Builder<Vec<u8>>, at: &str, from: &Path) -> anyhow::Result<()> {
    let content = std::fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o755);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, at.trim_start_matches('/'), &content[..])?;
    Ok(())
}

/// The hostile program as an image would have it: with the libraries that it is linked to, as a
/// user of the image, on a port, with a volume.
fn image() -> anyhow::Result<(Vec<u8>, Value)> {
    let program = paths::fixture_program("escape")?;
    let linked = std::process::Command::new("ldd").arg(&program).output()?;
    let linked = String::from_utf8(linked.stdout)?;
    let mut tar = tar::Builder::new(Vec::new());
    add(&mut tar, "opt/escape", &program)?;
    // `libc.so.6 => /lib/… (0x…)`, and the linker as `/lib64/… (0x…)`.
    for line in linked.lines() {
        let path = line.split_whitespace().find(|word| word.starts_with('/'));
        if let Some(path) = path {
            add(&mut tar, path, Path::new(path))?;
        }
    }
    let mut file = |path: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content)
    };
    file(
        "etc/passwd",
        b"root:x:0:0::/root:/bin/sh\nweb:x:1234:1234::/data:/bin/sh\n",
    )?;
    file("data/seeded", b"")?;
    let config = json!({ "config": {
        "Entrypoint": ["/opt/escape", "serve"], "Env": ["PORT=8123"], "User": "web",
        "WorkingDir": "/data", "ExposedPorts": { "8123/tcp": {} }, "Volumes": { "/data": {} },
    } });
    Ok((tar.into_inner()?, config))
}

/// Installs the hostile program as a container image: `escape-image`, `escape-root`, and beside an
/// app `escape-sidecar`.
async fn install_images(
    host: &Host,
    registry: &Registry,
    encrypted: &EncryptedRegistry,
) -> anyhow::Result<()> {
    let (layer, config) = image()?;
    registry.push("escape-image", "1.0.0", config, &[layer]);
    for (name, granted) in [
        ("escape-image", json!({})),
        ("escape-root", json!({ "root": true })),
    ] {
        let source = registry.source("escape-image");
        let params = json!({ "sourceUrl": source, "id": name, "user": "alice", "grant": granted });
        host.install_from(params).await?;
        host.service_is(name, "running").await?;
    }
    let authority = encrypted.authority();
    host.machine.write("/root/house.pem", authority).await?;
    let add = ["atek", "authorities", "--add", "/root/house.pem"];
    host.machine.exec(add).await?;
    let remote = GitRemote::new("escape-sidecar", host.machine.gateway()?)?;
    remote.tag_app("v0.9.0", "hello-node")?;
    let image = format!("{}/escape-image:1.0.0", encrypted.address());
    let manifest = json!({
        "name": "escape-sidecar", "entry": "index.js",
        "services": { "other": { "runtime": { "kind": "oci", "image": image } } },
    });
    remote
        .write("atek.json", manifest.to_string())?
        .tag("v1.0.0")?;
    let params = json!({ "sourceUrl": remote.url(), "id": "escape-sidecar", "user": "alice" });
    host.install_from(params).await?;
    host.service_is("escape-sidecar", "running").await.map(drop)
}

/// Lets an app try everything.
async fn attempts_of(
    host: &Host,
    person: &Person,
    profile: &str,
    targets: &Value,
) -> anyhow::Result<Outcomes> {
    if profile == "sidecar" {
        return attempts_of_a_sidecar(host, targets).await;
    }
    let app = host.visit(person, &format!("escape-{profile}")).await?;
    let answer = app.post_json("/", targets).await?;
    let table = answer.json()?;
    Ok(table.as_object().context("no table")?.clone())
}

/// The same of a further process of an app, which only the app reaches.
async fn attempts_of_a_sidecar(host: &Host, targets: &Value) -> anyhow::Result<Outcomes> {
    host.machine
        .write("/root/targets.json", targets.to_string())
        .await?;
    let pid = host.pid("escape-sidecar").await?;
    let ask = "fetch('http://127.0.0.1:8123/', { method: 'POST', \
               body: require('fs').readFileSync('/root/targets.json'), \
               headers: { 'content-type': 'application/json' } }) \
               .then(answer => answer.text()).then(console.log)";
    let script = format!("nsenter --target {pid} --net node -e \"{ask}\"");
    Ok(serde_json::from_str(&host.machine.shell(&script).await?)?)
}

/// Lets the build of a package try everything; the package keeps what came of it.
async fn attempts_of_a_build(host: &Host, targets: &Value) -> anyhow::Result<Outcomes> {
    let remote = GitRemote::new("escape-build", host.machine.gateway()?)?;
    remote.tag_app("v0.9.0", "escape")?;
    let build = "./escape print \"$(cat targets.json)\" > outcomes.json";
    remote
        .write("targets.json", targets.to_string())?
        .write(
            "package.json",
            json!({ "name": "escape-build", "scripts": { "build": build } }).to_string(),
        )?
        .tag("v1.0.0")?;
    let params = json!({ "sourceUrl": remote.url(), "id": "escape-build", "user": "alice" });
    let installed = host.install_from(params).await?;
    let key = installed["key"].as_str().context("no key")?;
    let path = format!("/var/lib/atek/packages/{key}/versions/v1.0.0/outcomes.json");
    Ok(serde_json::from_str(&host.machine.read(&path).await?)?)
}

/// Where a profile's program has its code and its state.
fn folders(profile: &str, keys: &BTreeMap<&str, String>) -> (String, String) {
    match keys.get(profile) {
        Some(key) => ("/app".to_owned(), format!("/var/lib/atek-app-{key}")),
        None => ("/opt".to_owned(), "/data".to_owned()),
    }
}

fn outcome(outcomes: &Outcomes, attempt: &str) -> String {
    match outcomes.get(attempt).and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => "missing".to_owned(),
    }
}

/// The table as text: a row for each attempt.
fn render(columns: &BTreeMap<&str, Outcomes>) -> String {
    let mut attempts: Vec<&String> = columns["unconfined"].keys().collect();
    attempts.sort();
    let mut text = format!("{:44}", "attempt");
    for column in COLUMNS {
        let _ = write!(text, " {column:14}");
    }
    for attempt in attempts {
        let row = COLUMNS.map(|column| outcome(&columns[column], attempt));
        let cells: Vec<String> = row.iter().map(|cell| format!("{cell:14}")).collect();
        let line = format!("{attempt:44} {}", cells.join(" "));
        let _ = write!(text, "\n{}", line.trim_end());
    }
    text.push('\n');
    text
}

fn differences(expected: &str, found: &str) -> Vec<String> {
    let lines = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    };
    let (expected, found) = (lines(expected), lines(found));
    let gone = expected.iter().filter(|line| !found.contains(line));
    let new = found.iter().filter(|line| !expected.contains(line));
    gone.map(|line| format!("- {line}"))
        .chain(new.map(|line| format!("+ {line}")))
        .collect()
}

#[tokio::test]
async fn every_attempt_in_every_profile_comes_to_what_the_table_says() -> anyhow::Result<()> {
    let host = Host::boot("attack-sandbox").await?;
    let alice = host.person("alice", "admin").await?;
    let registry = Registry::start_at(host.machine.gateway()?);
    let Some(registry) = registry else {
        atek_tests::skip("docker-registry is not installed");
        return Ok(());
    };
    let victim = host.install("hello-node", "alice").await?;
    let victim = victim["key"].as_str().context("no key")?;
    alice
        .client
        .call("example.test/hello", "put", json!(["secret", "x"]))
        .await?;
    surroundings(&host).await?;
    let mut keys = BTreeMap::new();
    for profile in PROFILES {
        keys.insert(profile, install(&host, profile).await?);
    }
    let encrypted = registry.encrypted();
    install_images(&host, &registry, &encrypted).await?;
    let mut columns = BTreeMap::new();
    let placed = host.machine.place_app("escape").await?;
    let code = placed.trim_start_matches("file://");
    let free = targets(&host, victim, code, "/var/lib/own").await?;
    let printed = host
        .machine
        .exec([&format!("{code}/escape"), "print", &free.to_string()])
        .await?;
    columns.insert("unconfined", serde_json::from_str::<Outcomes>(&printed)?);
    let in_build = targets(&host, victim, "/usr/lib/atek", ".").await?;
    columns.insert("build", attempts_of_a_build(&host, &in_build).await?);
    for profile in RUNNING {
        let (code, own) = folders(profile, &keys);
        let targets = targets(&host, victim, &code, &own).await?;
        columns.insert(
            profile,
            attempts_of(&host, &alice, profile, &targets).await?,
        );
    }

    let controlled = columns["unconfined"]
        .values()
        .filter(|outcome| *outcome == "possible")
        .count();
    ensure!(
        controlled >= CONTROLLED,
        "only {controlled} attempts are controlled"
    );
    let found = render(&columns);
    let path = paths::repository().join("tests/attack/sandbox.txt");
    if std::env::var_os("ATEK_WRITE_TABLES").is_some() {
        std::fs::write(&path, &found)?;
    }
    let expected = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let changed = differences(&expected, &found);
    ensure!(changed.is_empty(), "{}", changed.join("\n"));

    // What systemd knows of a transient unit it has written to a file, and reads again.
    for manager in ["daemon-reload", "daemon-reexec"] {
        host.machine.exec(["systemctl", manager]).await?;
        for profile in RUNNING {
            let unit = format!("atek-app-escape-{profile}.service");
            host.machine.exec(["systemctl", "restart", &unit]).await?;
            host.service_is(&format!("escape-{profile}"), "running")
                .await?;
            let (code, own) = folders(profile, &keys);
            let targets = targets(&host, victim, &code, &own).await?;
            let outcomes = attempts_of(&host, &alice, profile, &targets).await?;
            for (attempt, before) in &columns[profile] {
                let after = outcome(&outcomes, attempt);
                ensure!(
                    *before == after,
                    "{profile}: {attempt} was {before}, and is {after} after {manager}"
                );
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_unit_lost_a_property_in_a_reload() -> anyhow::Result<()> {
    let host = Host::boot("attack-reload").await?;
    host.person("alice", "admin").await?;
    for profile in ["none", "direct", "port"] {
        install(&host, profile).await?;
    }
    let units = ["none", "direct", "port"].map(|profile| format!("atek-app-escape-{profile}"));
    let mut before = Vec::new();
    for unit in &units {
        before.push(shown(&host, unit).await?);
    }
    for manager in ["daemon-reload", "daemon-reexec"] {
        host.machine.exec(["systemctl", manager]).await?;
        for (unit, before) in units.iter().zip(&before) {
            let after = shown(&host, unit).await?;
            let changed = lost(before, &after);
            ensure!(
                changed.is_empty(),
                "{unit} after {manager}:\n{}",
                changed.join("\n")
            );
        }
    }
    Ok(())
}
