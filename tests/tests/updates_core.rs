//! Core services that the configuration puts in the place of those that come with Atek: they are
//! updated and taken back as apps are, and whatever is wrong with one, the box starts.

mod updating;

use anyhow::{Context as _, ensure};
use atek_tests::git_remote::GitRemote;
use atek_tests::host::{Host, Person, SERVICES, SOON, refusal};
use atek_tests::{HostileRemote, Hostility, Seen, wait_for};
use serde_json::{Value, json};
use std::time::Duration;
use updating::call;
use updating::core_services::{
    CONFIG, HYPERCORE, MORTAL, boot, built_in_hypercore, hypercore, records, replace, restart,
    service_is_kept,
};

const HOME: &str = "core.lonestar";

/// Puts something in the place of the web home, and starts the host with it.
async fn replace_home(host: &Host, source: &str) -> anyhow::Result<()> {
    replace(host, HOME, source).await
}

/// Waits until the home is this version, and runs.
async fn home_is(host: &Host, version: &str) -> anyhow::Result<Value> {
    let what = format!("the home to be {version}");
    wait_for(&what, SOON, async || {
        let home = host.service(HOME).await?;
        let is_there = home["state"] == "running"
            && home["settings"]["package"]["installedVersion"] == version;
        Ok(Seen::if_so(home, |_| is_there))
    })
    .await?;
    let answered = records(host, "version", json!([])).await?;
    ensure!(answered == version, "{answered} answers, not {version}");
    host.service(HOME).await
}

/// Waits until this version of the home was watched for long enough, and is kept.
async fn is_kept(host: &Host, version: &str) -> anyhow::Result<()> {
    service_is_kept(host, HOME, version).await
}

/// Waits until the built-in home runs, and says why: in the API, at the command line and in the
/// log. A person sees its page.
async fn built_in_runs(host: &Host, person: &Person, because: &str) -> anyhow::Result<()> {
    wait_for(
        &format!("the built-in home, because {because}"),
        SOON,
        async || {
            let home = host.service(HOME).await?;
            let told = home["reason"].as_str().unwrap_or_default();
            let is_told = told.contains("runs in the place of") && told.contains(because);
            let is_there =
                home["state"] == "running" && home["settings"]["sourceUrl"] == "builtin:lonestar";
            Ok(Seen::if_so(home.clone(), |_| is_told && is_there))
        },
    )
    .await?;
    let shown = host.machine.shell("atek status").await?;
    ensure!(shown.contains(because), "{shown}");
    let log = host.machine.journal("atekd.service").await?;
    ensure!(log.contains(because), "the log does not say {because}");
    let page = person.client.get("/").await?.text();
    ensure!(page.to_lowercase().contains("<!doctype html>"), "{page}");
    // A source that could never be one has no updates.
    if host.service(HOME).await?["configuredSource"].is_string() {
        let status = call(host, "updateStatus", json!([HOME])).await?;
        let told = status["standsIn"].as_str().unwrap_or_default();
        ensure!(told.contains(because), "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn a_home_from_git_is_updated_taken_back_and_given_up() -> anyhow::Result<()> {
    let host = boot("core-git").await?;
    let alice = host.person("alice", "admin").await?;
    let page = async || anyhow::Ok(alice.client.get("/").await?.text());
    let remote = GitRemote::new("my-home", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "records-node")?;
    replace_home(&host, &remote.url()).await?;
    // It takes its place by itself, and its page is the home's.
    is_kept(&host, "v1.0.0").await?;
    let home = home_is(&host, "v1.0.0").await?;
    ensure!(home["configuredSource"] == remote.url(), "{home}");
    ensure!(page().await? == "v1.0.0", "{}", page().await?);
    records(&host, "add", json!(["mine"])).await?;
    let slice = format!("systemctl show -P Slice atek-app-{HOME}.service");
    ensure!(host.machine.shell(&slice).await?.trim() == "atek-core.slice");

    // Updated as an app.
    remote.write("VERSION", "v1.1.0")?.tag("v1.1.0")?;
    let done = host.machine.shell(&format!("atek update {HOME}")).await?;
    ensure!(done.contains("v1.1.0"), "{done}");
    home_is(&host, "v1.1.0").await?;
    // One that does not work is taken back with its data.
    let before = host.state_of(HOME).await?;
    let spoils = "require('fs').rmSync(`${process.env.HOME}/records.json`); process.exit(3)";
    remote
        .write("VERSION", "v1.2.0")?
        .write("break.js", spoils)?
        .tag("v1.2.0")?;
    let error = refusal(call(&host, "updatePackage", json!([HOME])).await);
    ensure!(
        error.message.contains("v1.1.0 was put back"),
        "{}",
        error.message
    );
    home_is(&host, "v1.1.0").await?;
    ensure!(host.state_of(HOME).await? == before, "its data");
    let status = call(&host, "updateStatus", json!([HOME])).await?;
    ensure!(status["refused"][0]["tag"] == "v1.2.0", "{status}");
    // It is among the updates, and has snapshots and a way back.
    let all = host.machine.shell("atek outdated").await?;
    ensure!(all.contains(HOME), "{all}");
    host.machine.shell(&format!("atek snapshot {HOME}")).await?;
    host.machine
        .shell(&format!("atek rollback {HOME} --yes"))
        .await?;
    home_is(&host, "v1.0.0").await?;

    // A version that runs for a while and then not any more.
    remote
        .write("VERSION", "v1.3.0")?
        .write("break.js", MORTAL)?
        .tag("v1.3.0")?;
    call(&host, "updatePackage", json!([HOME])).await?;
    home_is(&host, "v1.3.0").await?;
    // The box needs no repository to start.
    let url = remote.url();
    drop(remote);
    restart(&host).await?;
    home_is(&host, "v1.3.0").await?;
    // The connection ends with it.
    let _ = alice.client.get("/die").await;
    built_in_runs(&host, &alice, "exit code 4").await?;
    restart(&host).await?;
    built_in_runs(&host, &alice, "exit code 4").await?;
    ensure!(host.service(HOME).await?["configuredSource"] == url);
    Ok(())
}

#[tokio::test]
async fn a_home_that_never_worked_leaves_the_built_in_one_until_a_release_works()
-> anyhow::Result<()> {
    let host = boot("core-broken").await?;
    let alice = host.person("alice", "admin").await?;
    let page = async || anyhow::Ok(alice.client.get("/").await?.text());
    let gateway = host.machine.gateway()?;
    // Nothing listens there.
    replace_home(&host, &format!("http://{gateway}:9/home.git")).await?;
    built_in_runs(&host, &alice, "cannot be reached").await?;
    let hostile = HostileRemote::new(Hostility::Status(404), gateway)?;
    replace_home(&host, &hostile.url()).await?;
    built_in_runs(&host, &alice, "does not exist").await?;
    replace_home(&host, "oci://example.org/home:1").await?;
    built_in_runs(&host, &alice, "from a folder or from a git repository").await?;

    let remote = GitRemote::new("my-home", gateway)?;
    for (tag, file, content, because) in [
        ("v1.0.0", "atek.json", "{ \"name\": ", "atek.json"),
        ("v1.0.1", "break.js", "process.exit(6)", "exit code 6"),
        (
            "v1.0.2",
            "break.js",
            "exports.listen = () => setInterval(() => {}, 1000)",
            "did not listen on its socket",
        ),
    ] {
        atek_tests::apps::stage("records-node", &remote.work())?;
        remote
            .write("VERSION", tag)?
            .write(file, content)?
            .tag(tag)?;
        if tag == "v1.0.0" {
            replace_home(&host, &remote.url()).await?;
        }
        let status = wait_for(&format!("{tag} to be refused"), SOON, async || {
            let status = call(&host, "updateStatus", json!([HOME])).await?;
            let refused = status["refused"].as_array().cloned().unwrap_or_default();
            let is_refused = refused.iter().any(|one| one["tag"] == tag);
            Ok(Seen::if_so(status, |_| is_refused))
        })
        .await?;
        let told = &status["history"][0];
        println!(
            "| core service {tag} | {} | {} |",
            told["reason"], told["downMs"]
        );
        built_in_runs(&host, &alice, because).await?;
    }
    // A later release that works is taken by itself.
    atek_tests::apps::stage("records-node", &remote.work())?;
    remote.write("VERSION", "v1.1.0")?.tag("v1.1.0")?;
    is_kept(&host, "v1.1.0").await?;
    home_is(&host, "v1.1.0").await?;
    ensure!(page().await? == "v1.1.0");
    Ok(())
}

#[tokio::test]
async fn a_home_from_a_folder_runs_and_falls_back_when_it_is_broken() -> anyhow::Result<()> {
    let host = boot("core-folder").await?;
    let alice = host.person("alice", "admin").await?;
    let page = async || anyhow::Ok(alice.client.get("/").await?.text());
    let source = host.machine.place_app("records-node").await?;
    let folder = source.trim_start_matches("file://").to_owned();
    let write = async |name: &str, content: &str| {
        let path = format!("{folder}/{name}");
        host.machine.write(&path, content).await
    };
    write("VERSION", "one").await?;
    replace_home(&host, &source).await?;
    let runs = async |version: &str| {
        wait_for(&format!("{version} to answer"), SOON, async || {
            let answer = records(&host, "version", json!([])).await;
            Ok(Seen::if_so(answer.unwrap_or_default(), |it| *it == version))
        })
        .await?;
        ensure!(page().await? == version, "{}", page().await?);
        anyhow::Ok(())
    };
    is_kept(&host, "").await?;
    runs("one").await?;
    // It changes with its folder.
    write("VERSION", "two").await?;
    call(&host, "restart", json!([HOME])).await?;
    runs("two").await?;
    restart(&host).await?;
    runs("two").await?;
    // Broken while it runs, and found so by the next start of the service.
    write("break.js", "process.exit(5)").await?;
    let _ = call(&host, "restart", json!([HOME])).await;
    built_in_runs(&host, &alice, "exit code 5").await?;
    // Broken when the host starts.
    let manifest = host.machine.read(&format!("{folder}/atek.json")).await?;
    write("atek.json", "{ \"name\": ").await?;
    restart(&host).await?;
    built_in_runs(&host, &alice, "atek.json").await?;
    host.machine
        .shell(&format!("mv {folder} {folder}-away"))
        .await?;
    restart(&host).await?;
    built_in_runs(&host, &alice, "No such file or directory").await?;
    // Mended: the next start of the host tries it, and so does a person.
    host.machine
        .shell(&format!("mv {folder}-away {folder}; rm {folder}/break.js"))
        .await?;
    write("atek.json", &manifest).await?;
    write("VERSION", "three").await?;
    call(&host, "updatePackage", json!([HOME])).await?;
    runs("three").await?;
    restart(&host).await?;
    runs("three").await
}

/// A block of a log, as the service takes and gives them (Base64).
const OF_THE_BUILT_IN: &str = "YnVpbHQtaW4=";
const OF_THE_FOLDER: &str = "Zm9sZGVy";

/// Makes a log with one block.
async fn write_log(person: &Person, name: &str, block: &str) -> anyhow::Result<()> {
    hypercore(person, "createCore", json!([name])).await?;
    let append = json!([{ "name": name }, [block]]);
    hypercore(person, "append", append).await.map(drop)
}

/// The first block of a log.
async fn first_block(person: &Person, name: &str) -> anyhow::Result<String> {
    let block = hypercore(person, "get", json!([{ "name": name }, 0])).await?;
    Ok(block.to_string())
}

/// The real program, from a folder: it serves with logs of its own, and when its folder is broken
/// the built-in one is there with what it had.
#[tokio::test]
async fn a_hypercore_service_from_a_folder_serves_and_falls_back() -> anyhow::Result<()> {
    let host = boot("core-hypercore").await?;
    let alice = host.person("alice", "admin").await?;
    write_log(&alice, "diary", OF_THE_BUILT_IN).await?;
    let copy = "mkdir -p /srv/apps && cp -r /usr/lib/atek/core/hypercore /srv/apps/";
    host.machine.shell(copy).await?;
    replace(&host, HYPERCORE, "file:///srv/apps/hypercore").await?;
    service_is_kept(&host, HYPERCORE, "").await?;
    let service = host.service(HYPERCORE).await?;
    let source = &service["settings"]["sourceUrl"];
    ensure!(source == "file:///srv/apps/hypercore", "{service}");
    let found = hypercore(&alice, "info", json!([{ "name": "diary" }])).await?;
    ensure!(found["length"] == 0, "it reads the built-in one's: {found}");
    write_log(&alice, "letters", OF_THE_FOLDER).await?;

    // Broken, and found so when the host starts it.
    let program = "/srv/apps/hypercore/main.js";
    let works = host.machine.read(program).await?;
    host.machine.write(program, "process.exit(5)").await?;
    let _ = call(&host, "restart", json!([HYPERCORE])).await;
    built_in_hypercore(&host, "exit code 5").await?;
    let block = first_block(&alice, "diary").await?;
    ensure!(block.contains(OF_THE_BUILT_IN), "{block}");
    // Mended: a person tries it, and it finds its own.
    host.machine.write(program, works).await?;
    call(&host, "updatePackage", json!([HYPERCORE])).await?;
    let block = first_block(&alice, "letters").await?;
    ensure!(block.contains(OF_THE_FOLDER), "{block}");
    Ok(())
}

#[tokio::test]
async fn the_database_and_the_keys_are_not_replaced_and_the_box_says_so() -> anyhow::Result<()> {
    let host = boot("core-data").await?;
    let folder = host.machine.place_app("records-node").await?;
    let version = format!("{}/VERSION", folder.trim_start_matches("file://"));
    host.machine.write(&version, "one").await?;
    host.machine.shell("systemctl stop atekd").await?;
    let mut config: Value = serde_json::from_str(&host.machine.read(CONFIG).await?)?;
    // Without a database, with a broken name, and with one that no version of Atek has.
    config["coreServices"] = json!([
        { "sourceUrl": folder, "id": "core.keys" },
        { "sourceUrl": "nonsense", "id": "core.other" },
        { "sourceUrl": folder, "id": "core.mine" },
        { "sourceUrl": "builtin:lonestar" },
    ]);
    host.machine.write(CONFIG, config.to_string()).await?;
    let own = format!("chown atek:atek {CONFIG}; chmod 600 {CONFIG}; systemctl start atekd");
    host.machine.shell(&own).await?;
    host.ready().await?;
    host.service_is("core.adb", "running").await?;
    let keys = host.service_is("core.keys", "running").await?;
    let told = keys["reason"].as_str().context("a reason")?;
    ensure!(told.contains("it holds the data of this box"), "{told}");
    let other = host.service("core.other").await?;
    ensure!(other["state"] == "unavailable", "{other}");
    // One that only the configuration knows is tried, too.
    host.service_is("core.mine", "running").await?;
    ensure!(records(&host, "all", json!([])).await? == json!([]));
    Ok(())
}

/// Where the host ends and the power goes, and whether the new version is the installed one then.
const POINTS: [(&str, bool); 7] = [
    ("update.ready", false),
    ("update.committed", false),
    ("update.stopped", false),
    ("update.saved", false),
    ("update.started", false),
    ("update.tried", false),
    ("update.stored", true),
];

#[tokio::test]
async fn the_power_goes_at_every_stage_of_an_update_of_a_core_service() -> anyhow::Result<()> {
    let mut host = boot("core-power").await?;
    let remote = GitRemote::new("my-home", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "records-node")?;
    replace_home(&host, &remote.url()).await?;
    is_kept(&host, "v1.0.0").await?;
    records(&host, "add", json!(["precious"])).await?;
    remote.write("VERSION", "v1.1.0")?.tag("v1.1.0")?;
    for (point, is_new) in POINTS {
        updating::fault_at(&host, point).await?;
        home_is(&host, "v1.0.0").await?;
        let client = host.system()?.patient(Duration::from_secs(60));
        let params = json!([HOME, { "to": "v1.1.0" }]);
        let update = tokio::spawn(async move {
            // It loses its connection.
            let _ = client.call(SERVICES, "updatePackage", params).await;
        });
        updating::lose_power(&mut host, point).await?;
        update.abort();
        let expected = if is_new { "v1.1.0" } else { "v1.0.0" };
        home_is(&host, expected).await.context(point)?;
        let all = records(&host, "all", json!([])).await?;
        ensure!(all == json!(["precious"]), "{point}: {all}");
        wait_for("the update to be over", SOON, async || {
            let left = host.machine.shell("ls /var/lib/atek/updates || :").await?;
            Ok(Seen::if_so(left, |left| !left.contains(".json")))
        })
        .await
        .context(point)?;
    }
    Ok(())
}
