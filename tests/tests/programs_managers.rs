//! Packages of other package managers, and dependencies that are no packed package: each is really
//! installed by the program that its author used, or refused in a sentence.
//!
//! The packages are in `tests/managers/`: what their authors' tools wrote.

use atek_tests::host::{Host, SERVICES};
use atek_tests::{GitRemote, Machine, npm, paths, skip};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// An install that fetches the package manager first, on a machine that has much else to do.
const INSTALL: Duration = Duration::from_secs(600);

/// The program of each: it uses its dependency, and says what the build wrote.
const SERVER: &str = "const http = require('http'), fs = require('fs'), ms = require('ms')
const words = fs.existsSync('words') ? fs.readFileSync('words', 'utf8').trim() : 'none'
http
  .createServer((request, response) => response.end(`${ms('2 days')} ${words}`))
  .listen(process.env.PORT, process.env.HOST)
";

/// A box that reaches the registry; none, and a skip, where there is none.
async fn a_box(name: &str) -> anyhow::Result<Option<Host>> {
    let package =
        r#"{ "name": "managers", "version": "1.0.0", "dependencies": { "ms": "2.1.3" } }"#;
    if npm::lockfile("managers", package)?.is_none() {
        skip(&format!("{name}: the npm registry cannot be reached"));
        return Ok(None);
    }
    let machine = Machine::builder(name).internet(true).npm_registry();
    let host = Host::on(machine).await?;
    host.claimed().await?;
    Ok(Some(host))
}

/// The repository of one of `tests/managers/`, with a release. In its files each of `replaced` is
/// put in the place of the text before it.
fn publish(host: &Host, name: &str, replaced: &[(&str, &str)]) -> anyhow::Result<GitRemote> {
    let remote = GitRemote::new(name, host.machine.gateway()?)?;
    remote
        .write("atek.json", r#"{ "port": "auto" }"#)?
        .write("index.js", SERVER)?;
    for entry in fs::read_dir(paths::repository().join("tests/managers").join(name))? {
        let entry = entry?;
        let file = entry.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(entry.path())?;
        let text = replaced
            .iter()
            .fold(text, |text, (old, new)| text.replace(old, new));
        remote.write(&file, text)?;
    }
    remote.tag("v1.0.0")?;
    Ok(remote)
}

async fn install(host: &Host, remote: &GitRemote, id: &str) -> anyhow::Result<Value> {
    let params = json!([{ "sourceUrl": remote.url(), "id": id, "user": "owner" }]);
    let system = host.system()?.patient(INSTALL);
    system.call(SERVICES, "install", params).await
}

/// What a package's program answers.
async fn page(host: &Host, name: &str) -> anyhow::Result<String> {
    let token: Value =
        serde_json::from_str(&host.machine.read("/var/lib/atek/config.json").await?)?;
    let token = token["systemAuthTokens"][0].as_str().unwrap_or_default();
    let site = host
        .stranger()
        .host(&format!("{name}.localhost"))
        .header("authorization", &format!("Bearer {token}"));
    Ok(site.get("/").await?.text())
}

/// Installs a package, and expects what its program answers and what its package manager said or
/// wrote of its own version. The warnings of the package.
async fn runs(host: &Host, name: &str, answer: &str, version: &str) -> anyhow::Result<String> {
    let remote = publish(host, name, &[])?;
    let info = install(host, &remote, name).await?;
    assert_eq!(info["state"], "running", "{name}: {info}");
    assert_eq!(page(host, name).await?, answer, "{name}");
    let said = host
        .machine
        .shell(
            "journalctl --no-pager --output=cat --identifier=atek-package
             cat /var/lib/atek/packages/*/current/node_modules/.modules.yaml 2>/dev/null || true",
        )
        .await?;
    assert!(said.contains(version), "{name}: {said}");
    Ok(info["settings"]["package"]["warnings"].to_string())
}

/// Installs a package that cannot be installed, and expects the sentence that says why.
async fn is_refused(host: &Host, name: &str, sentence: &str) -> anyhow::Result<()> {
    let remote = publish(host, name, &[])?;
    let refusal = install(host, &remote, name).await;
    let said = refusal.expect_err("a refusal").to_string();
    let first = said.lines().next().unwrap_or_default();
    assert!(first.contains(sentence), "{name}: {said}");
    let left = host.system()?.call(SERVICES, "get", json!([name])).await;
    assert!(left.is_err(), "{name}: {left:?}");
    Ok(())
}

/// Installs packages, each with what it answers and what its installation prints.
async fn install_by_lockfile(machine: &str, cases: &[(&str, &str, &str)]) -> anyhow::Result<()> {
    let Some(host) = a_box(machine).await? else {
        return Ok(());
    };
    for (name, answer, version) in cases {
        let warnings = runs(&host, name, answer, version).await?;
        assert!(!warnings.contains("lockfile"), "{name}: {warnings}");
    }
    Ok(())
}

#[tokio::test]
async fn pnpm_installs_by_its_lockfile_in_the_version_that_wrote_it() -> anyhow::Result<()> {
    // The scripts of the first one call pnpm, too.
    let cases = [
        ("pnpm-9", "172800000 by pnpm", "using pnpm v9."),
        ("pnpm-8", "172800000 none", "packageManager: pnpm@8."),
        ("pnpm-named", "172800000 none", "using pnpm v10.4.1"),
    ];
    install_by_lockfile("managers-pnpm", &cases).await
}

#[tokio::test]
async fn yarn_installs_by_its_lockfile_in_the_version_that_wrote_it() -> anyhow::Result<()> {
    let cases = [
        ("yarn-1", "172800000 by yarn", "yarn install v1.22.22"),
        ("yarn-4", "172800000 none", "Yarn 4.5.0"),
    ];
    install_by_lockfile("managers-yarn", &cases).await
}

#[tokio::test]
async fn a_package_of_bun_is_installed_by_npm_which_is_said() -> anyhow::Result<()> {
    let Some(host) = a_box("managers-bun").await? else {
        return Ok(());
    };
    let warnings = runs(&host, "bun-1", "172800000 none", "added 1 package").await?;
    let sentence = "the lockfile bun.lock of bun is not read";
    assert!(warnings.contains(sentence), "{warnings}");
    Ok(())
}

/// What `tests/managers/git-*` call the repository of their dependency, and its commit.
const PLACEHOLDER: [&str; 2] = [
    "https://git.example.org/ms.git",
    "0123456789abcdef0123456789abcdef01234567",
];

#[tokio::test]
async fn a_dependency_that_is_a_repository_is_cloned() -> anyhow::Result<()> {
    let Some(host) = a_box("managers-git").await? else {
        return Ok(());
    };
    // Built by its own script, as one that is written in TypeScript is.
    let dependency = GitRemote::new("ms", host.machine.gateway()?)?;
    let manifest = r#"{ "name": "ms", "version": "1.0.0", "main": "built.js", "scripts":
        { "prepare": "echo 'module.exports = text => `cloned ${text}`' > built.js" } }"#;
    dependency.write("package.json", manifest)?.tag("v1.0.0")?;
    let commit = dependency.git(["rev-parse", "v1.0.0^{commit}"])?;
    let url = host.machine.outside(&dependency.url())?;
    let replaced = [(PLACEHOLDER[0], &*url), (PLACEHOLDER[1], commit.trim())];
    for name in ["git-npm", "git-pnpm", "git-yarn"] {
        let remote = publish(&host, name, &replaced)?;
        let info = install(&host, &remote, name).await?;
        assert_eq!(info["state"], "running", "{name}: {info}");
        assert_eq!(page(&host, name).await?, "cloned 2 days none", "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_repository_that_cannot_be_cloned_is_named() -> anyhow::Result<()> {
    let Some(host) = a_box("managers-no-git").await? else {
        return Ok(());
    };
    let dependency = GitRemote::new("ms", host.machine.gateway()?)?;
    let url = host
        .machine
        .outside(&dependency.url())?
        .replace("/ms.git", "/gone.git");
    let remote = publish(&host, "git-npm", &[(PLACEHOLDER[0], &url)])?;
    let refusal = install(&host, &remote, "git-npm").await;
    let said = refusal.expect_err("a refusal").to_string();
    assert!(said.contains(&url), "{said}");
    let left = host
        .system()?
        .call(SERVICES, "get", json!(["git-npm"]))
        .await;
    assert!(left.is_err(), "{left:?}");
    Ok(())
}

#[tokio::test]
async fn a_dependency_that_has_to_be_compiled_is_refused_by_its_name() -> anyhow::Result<()> {
    let Some(host) = a_box("managers-compiled").await? else {
        return Ok(());
    };
    let sentence = "the dependency unix-dgram has to be compiled, and this machine has no compiler";
    for name in ["compiled-npm", "compiled-pnpm", "compiled-yarn"] {
        is_refused(&host, name, sentence).await?;
    }
    Ok(())
}
