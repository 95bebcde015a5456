//! Programs of the npm registry, unchanged: each is a dependency of a small repository that says
//! how it is started, installed from git, opened, used, restarted and uninstalled.
//!
//! The lockfiles, which fix the versions, and what npm fetched to make them are kept in the
//! cache (`$ATEK_CACHE`).

use anyhow::bail;
use atek_tests::git_remote::GitRemote;
use atek_tests::host::{Host, Person, SERVICES, SOON};
use atek_tests::http::{Client, Response};
use atek_tests::{Machine, Seen, paths, skip, wait_for};
use http::Method;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// An install with its dependencies, on a machine that has much else to do.
const INSTALL: Duration = Duration::from_secs(600);

/// A repository whose app is a program of the registry.
struct Recipe {
    name: &'static str,
    /// The exact version of the program.
    version: &'static str,
    atek: Value,
    /// Further files of the repository.
    files: &'static [(&'static str, &'static str)],
}

impl Recipe {
    fn package_json(&self) -> String {
        let dependencies = json!({ self.name: self.version });
        json!({ "name": "recipe", "version": "1.0.0", "private": true, "dependencies": dependencies })
            .to_string()
    }

    /// The lockfile, made once; none where the registry cannot be reached.
    fn lockfile(&self) -> anyhow::Result<Option<String>> {
        let folder: PathBuf = paths::cache()
            .join("programs")
            .join(format!("{}-{}", self.name, self.version));
        let file = folder.join("package-lock.json");
        if !file.exists() {
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("package.json"), self.package_json())?;
            let made = Command::new("npm")
                .args(["install", "--package-lock-only", "--no-audit", "--no-fund"])
                .arg("--omit-lockfile-registry-resolved=false")
                .arg("--cache")
                .arg(paths::cache().join("npm"))
                .current_dir(&folder)
                .output()?;
            if !made.status.success() {
                let words = String::from_utf8_lossy(&made.stderr);
                let gone = ["ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "EAI_AGAIN"];
                if gone.iter().any(|code| words.contains(code)) {
                    return Ok(None);
                }
                bail!("no lockfile of {}: {words}", self.name);
            }
        }
        Ok(Some(fs::read_to_string(file)?))
    }

    /// The repository, with one release.
    fn publish(&self, machine: &Machine, lockfile: &str) -> anyhow::Result<GitRemote> {
        let remote = GitRemote::new(self.name, machine.gateway()?)?;
        remote
            .write("atek.json", self.atek.to_string())?
            .write("package.json", self.package_json())?
            .write("package-lock.json", lockfile)?;
        for (path, content) in self.files {
            remote.write(path, content)?;
        }
        remote.tag("v1.0.0")?;
        Ok(remote)
    }
}

/// A machine on which a program was installed for a person who is signed in.
struct Installed {
    host: Host,
    alice: Person,
    id: &'static str,
}

impl Installed {
    /// Installs a recipe; none, and a skip, without the registry.
    async fn of(recipe: &Recipe) -> anyhow::Result<Option<Self>> {
        let Some(lockfile) = recipe.lockfile()? else {
            skip(&format!(
                "{}: the npm registry cannot be reached",
                recipe.name
            ));
            return Ok(None);
        };
        let machine = Machine::builder(&format!("program-{}", recipe.name)).internet(true);
        let host = Host::on(machine).await?;
        let alice = host.person("alice", "admin").await?;
        let remote = recipe.publish(&host.machine, &lockfile)?;
        let began = Instant::now();
        let params = json!([{ "sourceUrl": remote.url(), "id": recipe.name, "user": "alice" }]);
        let system = host.system()?.patient(INSTALL);
        let info = system.call(SERVICES, "install", params).await?;
        eprintln!("{}: installed within {:?}", recipe.name, began.elapsed());
        let installed = Self {
            host,
            alice,
            id: recipe.name,
        };
        if info["state"] != "running" {
            let unit = format!("atek-app-{}.service", recipe.name);
            let journal = installed.host.machine.journal(&unit).await?;
            panic!("{} is {}: {info}\n{journal}", recipe.name, info["state"]);
        }
        Ok(Some(installed))
    }

    /// The program's site, as the person's browser sees it.
    async fn site(&self) -> anyhow::Result<Client> {
        let site = self.host.visit(&self.alice, self.id).await?;
        Ok(site.header("sec-fetch-site", "same-origin"))
    }

    async fn get(&self, path: &str) -> anyhow::Result<Response> {
        self.site().await?.get(path).await
    }

    async fn restart(&self) -> anyhow::Result<()> {
        let system = self.host.system()?;
        system.call(SERVICES, "restart", json!([self.id])).await?;
        self.host.service_is(self.id, "running").await.map(drop)
    }

    /// Uninstalls it, and waits until nothing of it is left on the machine.
    async fn uninstall(&self) -> anyhow::Result<()> {
        let key = self.host.service(self.id).await?["key"].clone();
        let key = key.as_str().unwrap_or_default().to_owned();
        let system = self.host.system()?;
        system.call(SERVICES, "uninstall", json!([self.id])).await?;
        let script = format!("find /var/lib /run -name '*{key}*' 2>/dev/null | head");
        wait_for("nothing to be left", SOON, async || {
            let left = self.host.machine.shell(&script).await?;
            Ok(Seen::if_so(left, |left| left.trim().is_empty()))
        })
        .await
        .map(drop)
    }
}

#[tokio::test]
async fn tiddlywiki_saves_a_tiddler_over_a_restart() -> anyhow::Result<()> {
    let recipe = Recipe {
        name: "tiddlywiki",
        version: "5.3.6",
        atek: json!({ "port": 8080, "workdir": "state" }),
        // What `tiddlywiki --init server` does, once.
        files: &[(
            "index.js",
            "const fs = require('fs'), path = require('path')
             const edition = path.join(__dirname, 'node_modules/tiddlywiki/editions/server')
             if (!fs.existsSync('wiki')) {
               fs.mkdirSync('wiki')
               fs.copyFileSync(path.join(edition, 'tiddlywiki.info'), 'wiki/tiddlywiki.info')
             }
             const $tw = require('tiddlywiki').TiddlyWiki()
             $tw.boot.argv = ['wiki', '--listen', 'port=8080', 'host=127.0.0.1']
             $tw.boot.boot()",
        )],
    };
    let Some(program) = Installed::of(&recipe).await? else {
        return Ok(());
    };
    assert!(program.get("/").await?.text().contains("TiddlyWiki"));
    let tiddler = json!({ "title": "Note", "text": "written down" }).to_string();
    let site = program
        .site()
        .await?
        .header("x-requested-with", "TiddlyWiki");
    let path = "/recipes/default/tiddlers/Note";
    let saved = site.send(Method::PUT, path, tiddler).await?;
    assert!(saved.status < 300, "{}: {}", saved.status, saved.text());
    // TiddlyWiki writes its files half a second after it answers.
    let file = "find /var/lib/private -name 'Note.tid'";
    wait_for("the tiddler's file", SOON, async || {
        let found = program.host.machine.shell(file).await?;
        Ok(Seen::if_so(found, |found| !found.trim().is_empty()))
    })
    .await?;
    program.restart().await?;
    let found = program.get(path).await?;
    assert_eq!(found.json()?["text"], "written down", "{}", found.text());
    program.uninstall().await
}
