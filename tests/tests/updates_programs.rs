//! Programs of the npm registry that are upgraded for real: what they keep survives, and a version
//! that does not work, here or with the data that a newer one has migrated, is taken back.

use anyhow::{Context as _, ensure};
use atek_tests::git_remote::GitRemote;
use atek_tests::host::{Host, Person, SERVICES, SOON, refusal};
use atek_tests::http::Client;
use atek_tests::{Machine, Seen, npm, skip, wait_for};
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// An install with its dependencies, on a machine that has much else to do.
const INSTALL: Duration = Duration::from_secs(600);

/// One version of a program, as its author would publish it.
struct Version {
    tag: &'static str,
    /// What the app's package.json depends on.
    dependency: &'static str,
    version: &'static str,
    /// The other fields of package.json.
    package: Value,
    atek: Value,
    /// Further files.
    files: &'static [(&'static str, &'static str)],
}

impl Version {
    /// Publishes it; false, and a skip, where the registry cannot be reached.
    fn publish(&self, remote: &GitRemote) -> anyhow::Result<bool> {
        let mut package = json!({
            "name": "recipe", "version": "1.0.0", "private": true,
            "dependencies": { self.dependency: self.version },
        });
        for (key, value) in self.package.as_object().into_iter().flatten() {
            package[key] = value.clone();
        }
        let package = package.to_string();
        let name = format!("{}-{}", self.dependency.replace('/', "-"), self.version);
        let Some(lockfile) = npm::lockfile(&name, &package)? else {
            skip(&format!("{name}: the npm registry cannot be reached"));
            return Ok(false);
        };
        remote
            .write("atek.json", self.atek.to_string())?
            .write("package.json", package)?
            .write("package-lock.json", lockfile)?
            .write("RELEASE", self.tag)?;
        for (path, content) in self.files {
            remote.write(path, content)?;
        }
        remote.tag(self.tag)?;
        Ok(true)
    }
}

/// A machine on which a program runs for a person who is signed in.
struct Program {
    host: Host,
    alice: Person,
    remote: GitRemote,
    id: &'static str,
}

impl Program {
    async fn of(id: &'static str, first: &Version) -> anyhow::Result<Option<Self>> {
        let config = json!({ "updates": { "probationSeconds": 2 } }).to_string();
        let machine = Machine::builder(&format!("upgrade-{id}")).internet(true);
        let host = Host::on(machine.file("/etc/atek/config.json", config, 0o644)).await?;
        let alice = host.person("alice", "admin").await?;
        let remote = GitRemote::new(id, host.machine.gateway()?)?;
        if !first.publish(&remote)? {
            return Ok(None);
        }
        let params = json!([{ "sourceUrl": remote.url(), "id": id, "user": "alice" }]);
        let system = host.system()?.patient(INSTALL);
        let info = system.call(SERVICES, "install", params).await?;
        ensure!(info["state"] == "running", "{info}");
        Ok(Some(Self {
            host,
            alice,
            remote,
            id,
        }))
    }

    /// The program's site, as the person's browser sees it.
    async fn site(&self) -> anyhow::Result<Client> {
        let site = self.host.visit(&self.alice, self.id).await?;
        Ok(site.header("sec-fetch-site", "same-origin"))
    }

    async fn update(&self) -> anyhow::Result<Value> {
        let system = self.host.system()?.patient(INSTALL);
        let began = Instant::now();
        let done = system
            .call(SERVICES, "updatePackage", json!([self.id]))
            .await;
        eprintln!(
            "{}: updated or refused within {:?}",
            self.id,
            began.elapsed()
        );
        done
    }

    /// Publishes a version that does not work, and checks that everything is as it was. Returns
    /// the message.
    async fn refuses(
        &self,
        version: &Version,
        runs: &str,
        outcome: &str,
    ) -> anyhow::Result<String> {
        let before = self.host.state_of(self.id).await?;
        version.publish(&self.remote)?;
        let error = refusal(self.update().await);
        self.host.service_is(self.id, "running").await?;
        let after = self.host.state_of(self.id).await?;
        ensure!(before == after, "{}: {before}\n{after}", version.version);
        let params = json!([self.id]);
        let system = self.host.system()?;
        let status = system.call(SERVICES, "updateStatus", params).await?;
        ensure!(status["installedVersion"] == runs, "{status}");
        let last = &status["history"][0];
        ensure!(
            last["to"] == version.tag && last["outcome"] == outcome,
            "{last}"
        );
        let refused = status["refused"].as_array().context("refused")?;
        ensure!(
            refused.iter().any(|one| one["tag"] == version.tag),
            "{status}"
        );
        let log: Vec<&str> = last["log"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let told = format!("{}\n{}", error.message, log.join("\n"));
        println!("| {} {} | {} |", version.dependency, version.version, told);
        Ok(told)
    }
}

fn json_server(tag: &'static str, version: &'static str, entry: &str) -> Version {
    Version {
        tag,
        dependency: "json-server",
        version,
        package: json!({}),
        atek: json!({ "port": 3000, "workdir": "state", "entry": entry, "args": ["db.json"] }),
        files: &[],
    }
}

/// json-server 1.0 starts by another file than 0.17, and writes ids as texts.
#[tokio::test]
async fn json_server_keeps_its_posts_over_a_release_that_cannot_start() -> anyhow::Result<()> {
    let old_entry = "node_modules/json-server/lib/cli/bin.js";
    let new_entry = "node_modules/json-server/lib/bin.js";
    let first = json_server("v1.0.0", "0.17.4", old_entry);
    let Some(program) = Program::of("json-server", &first).await? else {
        return Ok(());
    };
    let post = json!({ "title": "Soup", "author": "Ada" });
    let made = program.site().await?.post_json("/posts", &post).await?;
    ensure!(made.status == 201, "{}", made.text());
    // json-server answers without waiting for its file.
    let script = "grep -ls Soup /var/lib/private/*/db.json || true";
    wait_for("the post in db.json", SOON, async || {
        let found = program.host.machine.shell(script).await?;
        Ok(Seen::if_so(found, |found| !found.trim().is_empty()))
    })
    .await?;
    // Its author raised the version and nothing else; the box sees that before it stops anything.
    let careless = json_server("v2.0.0", "1.0.0-beta.3", old_entry);
    let told = program.refuses(&careless, "v1.0.0", "failed").await?;
    ensure!(told.contains("lib/cli/bin.js"), "{told}");
    let found = program.site().await?.get("/posts/2").await?;
    ensure!(found.json()?["title"] == "Soup", "{}", found.text());
    json_server("v2.0.1", "1.0.0-beta.3", new_entry).publish(&program.remote)?;
    let done = program.update().await?;
    ensure!(done["installedVersion"] == "v2.0.1", "{done}");
    let found = program.site().await?.get("/posts/2").await?;
    ensure!(
        found.json()?["title"] == "Soup" && found.json()?["id"] == "2",
        "{}",
        found.text()
    );
    Ok(())
}

fn node_red(tag: &'static str, version: &'static str) -> Version {
    Version {
        tag,
        dependency: "node-red",
        version,
        package: json!({}),
        atek: json!({
            "port": 1880,
            "workdir": "state",
            "entry": "node_modules/node-red/red.js",
            "args": ["--userDir", "."],
        }),
        files: &[],
    }
}

/// Node-RED 5 needs Node 22.9, and the machine has Debian's Node 20.
#[tokio::test]
async fn node_red_answers_by_its_flow_after_a_release_that_needs_a_newer_node() -> anyhow::Result<()>
{
    let Some(program) = Program::of("node-red", &node_red("v4.1.15", "4.1.15")).await? else {
        return Ok(());
    };
    let node = program.host.machine.shell("node --version").await?;
    let major = node.trim_start_matches('v').split('.').next();
    if major
        .and_then(|major| major.parse().ok())
        .is_none_or(|major: u32| major >= 22)
    {
        skip(&format!("Node-RED 5 runs with Node {}", node.trim()));
        return Ok(());
    }
    let flow = json!([
        { "id": "tab", "type": "tab", "label": "Greetings" },
        { "id": "in", "type": "http in", "z": "tab", "url": "/greet", "method": "get",
          "wires": [["text"]] },
        { "id": "text", "type": "template", "z": "tab", "field": "payload", "fieldType": "msg",
          "syntax": "mustache", "template": "Hello {{payload.name}}", "wires": [["out"]] },
        { "id": "out", "type": "http response", "z": "tab", "wires": [] },
    ]);
    let deployed = program.site().await?.post_json("/flows", &flow).await?;
    ensure!(deployed.status == 204, "{}", deployed.text());
    let greeted = async || {
        let site = program.site().await?;
        let answer = site.get("/greet?name=Ada").await?.text();
        Ok(Seen::if_so(answer, |answer| answer == "Hello Ada"))
    };
    wait_for("the flow to answer", SOON, greeted).await?;
    let told = program
        .refuses(&node_red("v5.0.7", "5.0.7"), "v4.1.15", "rolledBack")
        .await?;
    ensure!(told.contains("Node-RED requires Node.js v22.9"), "{told}");
    wait_for("the flow to answer again", SOON, greeted).await?;
    Ok(())
}

/// Actual Budget's server. Its SQLite is libsql, which comes compiled from the registry.
fn actual(tag: &'static str, version: &'static str) -> Version {
    Version {
        tag,
        dependency: "@actual-app/sync-server",
        version,
        package: json!({
            "overrides": { "better-sqlite3": "npm:libsql@0.5.22", "bcrypt": "6.0.0" },
        }),
        atek: json!({ "port": 5006, "workdir": "state" }),
        files: &[(
            "index.js",
            "// libsql has no transaction in a transaction; SQLite's own module has.
             const Database = require('better-sqlite3')
             const { transaction } = Database.prototype
             Database.prototype.transaction = function (work) {
               const whole = transaction.call(this, work)
               return (...args) => (this.inTransaction ? work(...args) : whole(...args))
             }
             process.env.ACTUAL_DATA_DIR = process.cwd()
             process.env.ACTUAL_HOSTNAME = '127.0.0.1'
             import('./node_modules/@actual-app/sync-server/build/bin/actual-server.js')",
        )],
    }
}

/// The budgets that the server keeps, and the bytes of the one that was saved.
async fn budgets(program: &Program, token: &str) -> anyhow::Result<(Value, Vec<u8>)> {
    let site = program.site().await?.header("x-actual-token", token);
    let list = site.get("/sync/list-user-files").await?.json()?;
    let site = site.header("x-actual-file-id", "holidays");
    let file = site.get("/sync/download-user-file").await?;
    Ok((list["data"][0]["name"].clone(), file.body.to_vec()))
}

/// Actual's server 26.9.0 migrates the data of 25.6.0, which then refuses to start with it.
#[tokio::test]
async fn actual_migrates_its_budgets_and_its_older_version_is_taken_back() -> anyhow::Result<()> {
    let Some(program) = Program::of("actual", &actual("v25.6.0", "25.6.0")).await? else {
        return Ok(());
    };
    let site = program.site().await?;
    let password = json!({ "password": "a long password", "loginMethod": "password" });
    let made = site.post_json("/account/bootstrap", &password).await?;
    ensure!(made.status == 200, "{}", made.text());
    let signed_in = site.post_json("/account/login", &password).await?.json()?;
    let token = signed_in["data"]["token"].as_str().context("a token")?;
    let budget: Vec<u8> = (0..200_000_u32).map(|nth| (nth % 251) as u8).collect();
    let upload = site
        .header("x-actual-token", token)
        .header("x-actual-file-id", "holidays")
        .header("x-actual-name", "Holidays")
        .header("x-actual-format", "2")
        .header("content-type", "application/encrypted-file");
    let saved = upload
        .send(Method::POST, "/sync/upload-user-file", budget.clone())
        .await?;
    ensure!(saved.status == 200, "{}", saved.text());
    let kept = (json!("Holidays"), budget);
    ensure!(budgets(&program, token).await? == kept, "25.6.0");
    let migrations = "grep -c 1763873600000-backfill-files-owner /var/lib/private/*/.migrate || :";
    let done = program.host.machine.shell(migrations).await?;
    ensure!(done.trim() == "0", "25.6.0 has migrated already: {done}");
    actual("v26.9.0", "26.9.0").publish(&program.remote)?;
    let done = program.update().await?;
    ensure!(done["installedVersion"] == "v26.9.0", "{done}");
    ensure!(budgets(&program, token).await? == kept, "26.9.0");
    let done = program.host.machine.shell(migrations).await?;
    ensure!(done.trim() != "0", "26.9.0 has not migrated: {done}");
    // Its author publishes the old one once more: it finds data of a later one.
    let told = program
        .refuses(&actual("v27.0.0", "25.6.0"), "v26.9.0", "rolledBack")
        .await?;
    ensure!(told.contains("Missing migration file"), "{told}");
    ensure!(budgets(&program, token).await? == kept, "after the refusal");
    Ok(())
}
