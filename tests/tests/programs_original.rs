//! Apps of the time before permissions: what the original's home, feed reader and folder server
//! ask of the host, by apps of this repository, and by the original's own where they are at hand.
//!
//! `ATEK_ORIGINALS` names a folder with checkouts of `lonestar` (1.3.2) and `hello-world-node`. Its
//! feed reader and statek cannot be installed any more, as clients that they depend on are gone
//! from the registry.

use anyhow::Context as _;
use atek_tests::host::{Host, Person, SERVICES, SESSIONS, SOON, USERS};
use atek_tests::http::Client;
use atek_tests::{GitRemote, Machine, Seen, skip, wait_for};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::process::Command;

/// An install with its dependencies, on a machine that has much else to do.
const INSTALL: Duration = Duration::from_secs(600);

/// A device at home that has a feed.
const NEIGHBOUR: &str = "10.77.0.2";
const FEED: &str = "<?xml version='1.0'?><rss version='2.0'><channel><title>News</title>\
    <link>http://news.example/</link><description>of the house</description>\
    <item><title>First</title><link>http://news.example/1</link></item>\
    <item><title>Second</title><link>http://news.example/2</link></item></channel></rss>";

/// A box with a neighbour, the npm registry, and a person.
async fn a_box(name: &str) -> anyhow::Result<Option<(Host, Person)>> {
    let asked = Command::new("npm")
        .args(["view", "express", "version", "--fetch-retries=0"])
        .output()
        .await?;
    if !asked.status.success() {
        skip("apps of 2021: the npm registry cannot be reached");
        return Ok(None);
    }
    let host = Host::on(Machine::builder(name).internet(true)).await?;
    let alice = host.person("alice", "admin").await?;
    let network = format!(
        "ip netns add neighbour
         ip link add near type veth peer name far netns neighbour
         ip address add 10.77.0.1/24 dev near
         ip link set near up
         ip -n neighbour address add {NEIGHBOUR}/24 dev far
         ip -n neighbour link set far up
         ip -n neighbour route add default via 10.77.0.1"
    );
    host.machine.shell(&network).await?;
    let server =
        format!("require('http').createServer((_, response) => response.end({FEED:?})).listen(80)");
    let place = "--property=NetworkNamespacePath=/run/netns/neighbour";
    host.machine
        .exec(["systemd-run", "--unit=feed", place, "node", "-e", &server])
        .await?;
    Ok(Some((host, alice)))
}

/// Installs a fixture app from a git remote: what comes from a folder is taken as it is, without
/// npm.
async fn install_fixture(host: &Host, app: &str, id: &str, config: Value) -> anyhow::Result<()> {
    let remote = GitRemote::new(id, host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", app)?;
    install(host, &remote.url(), id, config).await
}

async fn install(host: &Host, source: &str, id: &str, config: Value) -> anyhow::Result<()> {
    let params = json!([{ "sourceUrl": source, "id": id, "user": "alice", "config": config }]);
    let system = host.system()?.patient(INSTALL);
    let info = system.call(SERVICES, "install", params).await?;
    if info["state"] != "running" {
        let unit = format!("atek-app-{id}.service");
        let journal = host.machine.journal(&unit).await?;
        anyhow::bail!("{id} is not up: {info}\n{journal}");
    }
    Ok(())
}

/// Grants more to an app than it asks for, as its person does on the command line.
async fn allow(host: &Host, id: &str, what: &[&str]) -> anyhow::Result<()> {
    let mut words = vec!["atek", "cfg", id];
    what.iter().for_each(|what| words.extend(["--allow", what]));
    host.machine.exec(words).await?;
    host.service_is(id, "running").await.map(drop)
}

/// An app's site, as its own page calls it.
async fn page_of(host: &Host, person: &Person, id: &str) -> anyhow::Result<Client> {
    let site = host.visit(person, id).await?;
    Ok(site.header("sec-fetch-site", "same-origin"))
}

/// The own API of an app, which its page calls.
async fn api(site: &Client, method: &str, params: Value) -> anyhow::Result<Value> {
    site.call_at("/_api", method, params).await
}

#[tokio::test]
async fn feeds_are_read_after_a_grant_and_none_before() -> anyhow::Result<()> {
    let Some((host, alice)) = a_box("original-feeds").await? else {
        return Ok(());
    };
    install_fixture(&host, "feeds-of-2021", "feeds", json!({})).await?;
    let url = json!([format!("http://{NEIGHBOUR}/")]);
    let site = page_of(&host, &alice, "feeds").await?;
    assert!(api(&site, "add", url.clone()).await.is_err());
    // Without a network the names of the internet are no names, and the app says so itself.
    assert_eq!(api(&site, "titles", json!([])).await?, json!([]));

    allow(&host, "feeds", &["home"]).await?;
    let site = page_of(&host, &alice, "feeds").await?;
    assert_eq!(api(&site, "add", url).await?, "News");
    let titles = json!(["First", "Second"]);
    assert_eq!(api(&site, "titles", json!([])).await?, titles);
    host.system()?
        .call(SERVICES, "restart", json!(["feeds"]))
        .await?;
    host.service_is("feeds", "running").await?;
    let site = page_of(&host, &alice, "feeds").await?;
    assert_eq!(api(&site, "titles", json!([])).await?, titles);
    Ok(())
}

#[tokio::test]
async fn a_folder_is_served_and_another_one_after_a_change() -> anyhow::Result<()> {
    let Some((host, alice)) = a_box("original-folder").await? else {
        return Ok(());
    };
    let config = json!({ "SOURCE_URL": "/app/example" });
    install_fixture(&host, "folder-of-2021", "folder", config).await?;
    let page = host.page(&alice, "folder", "/").await?;
    assert!(page.contains("a page of the folder"), "{page}");

    let other = "SOURCE_URL=file:///app";
    host.machine
        .exec(["atek", "cfg", "folder", "--config", other])
        .await?;
    host.machine.exec(["atek", "restart", "folder"]).await?;
    host.service_is("folder", "running").await?;
    let listing = host.page(&alice, "folder", "/").await?;
    assert!(
        listing.contains("example") && listing.contains("package.json"),
        "{listing}"
    );
    // A folder of the box is none of the app's, whatever its configuration says.
    let hidden = "SOURCE_URL=/var/lib/atek";
    host.machine
        .exec(["atek", "cfg", "folder", "--config", hidden])
        .await?;
    host.machine.exec(["atek", "restart", "folder"]).await?;
    host.service_is("folder", "running").await?;
    let answer = host.visit(&alice, "folder").await?.get("/").await?;
    assert_eq!(answer.status, 404, "{}", answer.text());
    Ok(())
}

/// The services that a home's own API lists.
async fn ids_listed(home: &Client) -> anyhow::Result<Vec<String>> {
    let listed = api(home, "services_list", json!([])).await?;
    let services = listed["services"].as_array().context("a list")?;
    let ids = services
        .iter()
        .filter_map(|service| service["settings"]["id"].as_str());
    Ok(ids.map(str::to_owned).collect())
}

/// What a home does: lists, stops and starts another app, reads databases, knows its person, and
/// leads to the page where an app is framed.
async fn is_a_home(host: &Host, alice: &Person, id: &str, other: &str) -> anyhow::Result<()> {
    let choose = json!([alice.key, { "mainServiceId": id }]);
    alice.client.call(USERS, "updateSettings", choose).await?;
    let to_home = alice.client.get("/").await?;
    assert_eq!(
        to_home.header("location"),
        format!("http://{id}.localhost/")
    );
    let home = page_of(host, alice, id).await?;
    assert_eq!(home.get("/").await?.status, 200);
    assert_eq!(home.get("/p/settings").await?.status, 200);

    let sessions = format!("/_atek/gateway?api={}", SESSIONS.replace('/', "%2F"));
    let who = home.call_at(&sessions, "whoami", json!([])).await?;
    assert_eq!(who["username"], "alice", "{who}");
    // Before a grant it knows of itself alone, and may do nothing to others.
    assert_eq!(ids_listed(&home).await?, [id]);
    assert!(api(&home, "services_stop", json!([other])).await.is_err());
    allow(host, id, &["atek.cloud/services-api"]).await?;
    let home = page_of(host, alice, id).await?;
    let ids = ids_listed(&home).await?;
    assert!(
        ids.contains(&id.to_owned()) && ids.contains(&other.to_owned()),
        "{ids:?}"
    );
    api(&home, "services_stop", json!([other])).await?;
    host.service_is(other, "stopped").await?;
    let shown = api(&home, "services_get", json!([other])).await?;
    assert_eq!(shown["status"], "inactive");
    api(&home, "services_start", json!([other])).await?;
    host.service_is(other, "running").await?;
    // What installs is a permission of its own.
    let source = json!([{ "sourceUrl": "file:///nowhere" }]);
    let refused = api(&home, "services_install", source).await;
    assert!(
        refused
            .as_ref()
            .is_err_and(|error| error.to_string().contains("Not authorized")),
        "{refused:?}"
    );

    // A framed app is opened at the main domain, where the built-in home still frames it.
    let framed = alice.client.get(&format!("/app/{other}")).await?;
    assert_eq!(framed.status, 200);
    assert!(framed.text().starts_with("<!doctype html>"));
    home.call_at(&sessions, "logout", json!([])).await?;
    wait_for("the sign-out", SOON, async || {
        let after = alice.client.get("/").await?;
        let to = after.header("location").to_owned();
        Ok(Seen::if_so(to, |to| to.contains("/_atek/login")))
    })
    .await
    .map(drop)
}

#[tokio::test]
async fn a_home_of_the_originals_kind_lists_and_starts_apps_after_a_grant() -> anyhow::Result<()> {
    let Some((host, alice)) = a_box("original-home").await? else {
        return Ok(());
    };
    install_fixture(&host, "hello-node", "other", json!({})).await?;
    install_fixture(&host, "home-of-2021", "home", json!({})).await?;
    let home = page_of(&host, &alice, "home").await?;
    let databases = api(&home, "databases", json!([])).await;
    eprintln!("databases of the person without a grant: {databases:?}");
    is_a_home(&host, &alice, "home", "other").await
}

/// A remote with the content of one of the original's repositories, if it is at hand.
fn original(host: &Host, name: &str) -> anyhow::Result<Option<GitRemote>> {
    let Some(folder) = std::env::var_os("ATEK_ORIGINALS").map(PathBuf::from) else {
        skip("the original's own apps (ATEK_ORIGINALS names no folder with checkouts of them)");
        return Ok(None);
    };
    let remote = GitRemote::new(name, host.machine.gateway()?)?;
    let copied = std::process::Command::new("cp")
        .args(["--recursive", "--no-target-directory"])
        .arg(folder.join(name))
        .arg(remote.work())
        .status()?;
    anyhow::ensure!(copied.success(), "no checkout of {name}");
    remote.tag("v1.3.2")?;
    Ok(Some(remote))
}

#[tokio::test]
async fn lonestar_of_2021_itself_is_a_home() -> anyhow::Result<()> {
    let Some((host, alice)) = a_box("original-lonestar").await? else {
        return Ok(());
    };
    let Some(hello) = original(&host, "hello-world-node")? else {
        return Ok(());
    };
    let lonestar = original(&host, "lonestar")?.context("it is there")?;
    install(&host, &hello.url(), "hello", json!({})).await?;
    install(&host, &lonestar.url(), "lonestar", json!({})).await?;
    let page = host.page(&alice, "hello", "/").await?;
    assert!(page.contains("Hello, Atek world!"), "{page}");
    is_a_home(&host, &alice, "lonestar", "hello").await
}
