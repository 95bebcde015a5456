//! A box on an emulated card that two people use: apps with files of theirs, and a database that
//! one of them made and both write to.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use anyhow::{Context as _, bail, ensure};
use atek_tests::emulated::{BOOT, Emulated, GATEWAY};
use atek_tests::host::{ADB, PASSWORD, SERVICES, SESSIONS, USERS, app_cookie, cookie_named};
use atek_tests::http::Client;
use atek_tests::registry::Registry;
use atek_tests::{GitRemote, Seen, wait_for};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

/// The administrator, as [`Emulated::claim`] names it, and the other person.
pub const OWNER: &str = "owner";
pub const BOB: &str = "bob";

pub const KEYS: &str = "atek.cloud/keys-api";
pub const SYSTEM: &str = "atek.cloud/system-api";
pub const PERMISSIONS: &str = "atek.cloud/permissions-api";
pub const BACKUPS: &str = "atek.cloud/backups-api";
pub const HELLO: &str = "example.test/hello";

/// What they wrote: words that no other file of a box has.
pub const SOUP: &str = "leek and parsnip";
pub const BREAD: &str = "rye and caraway";
pub const NOTE: &str = "written by hello";

/// Thousands of files of npm on an emulated processor take minutes each.
const INSTALL: Duration = Duration::from_secs(2400);

/// The records of json-server.
const POSTS: &str = "/posts";

/// Prints figures: what was reached, and how long after this call.
pub fn since_now() -> impl Fn(&str) {
    let begun = Instant::now();
    move |what| {
        let minutes = begun.elapsed().as_secs_f64() / 60.0;
        println!("figure: {what}, {minutes:.1} minutes after the begin");
    }
}

/// A person's client, signed in with the password.
pub async fn sign_in(emulated: &Emulated, name: &str) -> anyhow::Result<Client> {
    let login = json!({ "username": name, "password": PASSWORD });
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "login", "params": [login] });
    let path = format!("/_atek/gateway?api={SESSIONS}");
    let response = emulated.http().post_json(&path, &request).await?;
    let answer = response.json()?;
    ensure!(answer["error"].is_null(), "{name} is refused: {answer}");
    let cookie = cookie_named("session", response.header("set-cookie"))?;
    let client = emulated.http();
    Ok(client
        .header("cookie", &format!("session={cookie}"))
        .header("origin", "http://localhost"))
}

/// An app's pages, as a person opens them.
async fn pages(emulated: &Emulated, person: &Client, id: &str) -> anyhow::Result<Client> {
    let cookie = app_cookie(&emulated.http(), person, id).await?;
    let app = emulated.http().host(&format!("{id}.localhost"));
    Ok(app
        .header("cookie", &format!("atek-session={cookie}"))
        .header("sec-fetch-site", "same-origin"))
}

/// Waits until an app runs.
pub async fn runs(emulated: &Emulated, id: &str) -> anyhow::Result<()> {
    let owner = sign_in(emulated, OWNER).await?;
    Emulated::runs(&owner, id).await
}

/// The keys of a person, once signing in has opened them.
async fn keys(person: &Client) -> anyhow::Result<Value> {
    wait_for("the keys are open", BOOT, async || {
        let list = person.call(KEYS, "list", json!([{}])).await?;
        Ok(Seen::if_so(list, |list| list["locked"] == false))
    })
    .await
}

/// The box's 24 words.
pub async fn words(emulated: &Emulated) -> anyhow::Result<String> {
    let owner = sign_in(emulated, OWNER).await?;
    keys(&owner).await?;
    let ask = json!([{ "password": PASSWORD }]);
    let words = owner.call(KEYS, "words", ask).await?["words"].take();
    let words: Vec<String> = serde_json::from_value(words)?;
    ensure!(words.len() == 24, "these are no 24 words: {words:?}");
    Ok(words.join(" "))
}

/// Makes a claimed box one of two people who share a database, and gives the owner a key. Returns
/// the database.
pub async fn by_two(emulated: &Emulated) -> anyhow::Result<String> {
    let owner = sign_in(emulated, OWNER).await?;
    let bob = json!([{ "username": BOB, "password": PASSWORD }]);
    owner.call(USERS, "create", bob).await?;
    let bob = sign_in(emulated, BOB).await?;
    let made = json!([{ "access": "private", "alias": "recipes" }]);
    let made = owner.call(ADB, "dbCreate", made).await?;
    let db = made["dbId"].as_str().context("no id")?.to_owned();
    let share = json!([{ "database": db, "user": BOB, "level": "use" }]);
    owner.call(PERMISSIONS, "share", share).await?;
    for (person, path, text) in [
        (&owner, "recipes/soup", SOUP),
        (&bob, "recipes/bread", BREAD),
    ] {
        let put = json!([db, path, { "text": text }]);
        person.call(ADB, "recordPut", put).await?;
    }
    keys(&owner).await?;
    let key = json!([{ "kind": "ed25519", "name": "mine" }]);
    owner.call(KEYS, "create", key).await?;
    Ok(db)
}

/// Lets the box trust what this machine trusts beyond Debian's authorities: its way to the npm
/// registry may lead over a proxy.
async fn trusts_as_this_machine(emulated: &Emulated) -> anyhow::Result<()> {
    let owner = sign_in(emulated, OWNER).await?;
    let Ok(added) = fs::read_dir("/usr/local/share/ca-certificates") else {
        return Ok(());
    };
    for file in added {
        let path = file?.path();
        if path.extension().is_some_and(|end| end == "crt") {
            let pem = json!([fs::read_to_string(path)?]);
            owner.call(SYSTEM, "addAuthority", pem).await?;
        }
    }
    Ok(())
}

/// Installs Swagger UI for the owner and json-server for bob from the npm registry, as the
/// catalogue has them, and has bob's keep something.
pub async fn programs_of_npm(emulated: &Emulated) -> anyhow::Result<()> {
    trusts_as_this_machine(emulated).await?;
    emulated.lets_in().await?;
    for (id, user) in [("swagger-ui", OWNER), ("json-server", BOB)] {
        // 4: it is installed, and did not listen in time.
        let install = format!("atek install {id} --yes --user {user} || [ $? = 4 ]");
        emulated.exec_within(INSTALL, &install).await?;
        runs(emulated, id).await?;
    }
    let bob = sign_in(emulated, BOB).await?;
    let server = pages(emulated, &bob, "json-server").await?;
    let post = json!({ "title": BREAD });
    let saved = server.post_json(POSTS, &post).await?;
    ensure!(saved.status < 300, "{}: {}", saved.status, saved.text());
    Ok(())
}

/// Installs the web server of Debian's busybox, an image of `registry`, for all. It counts.
pub async fn program_of_image(emulated: &Emulated, registry: &Registry) -> anyhow::Result<()> {
    let owner = sign_in(emulated, OWNER).await?;
    let source = registry.source("site").replace("127.0.0.1", GATEWAY);
    let wish = json!([{ "sourceUrl": source, "id": "site", "user": "system" }]);
    owner.call(SERVICES, "install", wish).await?;
    runs(emulated, "site").await
}

/// Installs an app without dependencies for all, and has it write a file.
pub async fn app_of_git(emulated: &Emulated, remote: &GitRemote) -> anyhow::Result<()> {
    remote.tag_app("v1.0.0", "hello-node")?;
    let owner = sign_in(emulated, OWNER).await?;
    emulated.install(&owner, remote, "hello").await?;
    let note = json!(["note", NOTE]);
    owner.call(HELLO, "put", note).await.map(drop)
}

/// How often the web server of the image was asked, with this time; it keeps it in its volume.
pub async fn count(emulated: &Emulated) -> anyhow::Result<u32> {
    runs(emulated, "site").await?;
    let owner = sign_in(emulated, OWNER).await?;
    let site = pages(emulated, &owner, "site").await?;
    let answer = site.get("/cgi-bin/count").await?;
    ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
    answer.text().trim().parse().context("no count")
}

/// What the programs of npm show their people.
pub async fn of_npm(emulated: &Emulated) -> anyhow::Result<Value> {
    for id in ["swagger-ui", "json-server"] {
        runs(emulated, id).await?;
    }
    let (owner, bob) = (
        sign_in(emulated, OWNER).await?,
        sign_in(emulated, BOB).await?,
    );
    let swagger = pages(emulated, &owner, "swagger-ui")
        .await?
        .get("/")
        .await?;
    let server = pages(emulated, &bob, "json-server").await?;
    Ok(json!({
        "swagger": swagger.text().contains("Swagger UI"),
        "posts": server.get(POSTS).await?.json()?,
    }))
}

/// What the box is: its people, who sign in with their passwords, their keys, the shared database
/// as each of them reads it, who it is shared with, and the apps.
pub async fn remembered(emulated: &Emulated, db: &str) -> anyhow::Result<Value> {
    let (owner, bob) = (
        sign_in(emulated, OWNER).await?,
        sign_in(emulated, BOB).await?,
    );
    let read = async |person: &Client, path: &str| {
        let record = person.call(ADB, "recordGet", json!([db, path])).await?;
        anyhow::Ok(record["value"]["text"].clone())
    };
    let apps = owner.call(SERVICES, "list", json!([])).await?;
    let apps = apps["services"].as_array().context("no list of apps")?;
    let apps: Vec<Value> = apps
        .iter()
        .map(|app| {
            json!([
                app["key"],
                app["settings"]["id"],
                app["settings"]["package"]
            ])
        })
        .collect();
    Ok(json!({
        "users": owner.call(USERS, "list", json!([])).await?,
        "keys": keys(&owner).await?["keys"],
        "soup": [read(&owner, "recipes/soup").await?, read(&bob, "recipes/soup").await?],
        "bread": [read(&owner, "recipes/bread").await?, read(&bob, "recipes/bread").await?],
        "shares": [
            owner.call(PERMISSIONS, "shares", json!([])).await?,
            bob.call(PERMISSIONS, "shares", json!([])).await?,
        ],
        "apps": apps,
    }))
}

/// That the database is still one of two people: each writes what the other reads.
pub async fn is_shared(emulated: &Emulated, db: &str) -> anyhow::Result<()> {
    let (owner, bob) = (
        sign_in(emulated, OWNER).await?,
        sign_in(emulated, BOB).await?,
    );
    for (writes, reads, path) in [(&owner, &bob, "later/one"), (&bob, &owner, "later/two")] {
        let put = json!([db, path, { "at": path }]);
        writes.call(ADB, "recordPut", put).await?;
        let read = reads.call(ADB, "recordGet", json!([db, path])).await?;
        ensure!(read["value"]["at"] == path, "{path}: {read}");
    }
    Ok(())
}

/// The id of the only disk that is plugged in, as the box lists it.
pub fn id_of(places: &Value) -> anyhow::Result<Value> {
    let disks = places["disks"].as_array().context("no list of disks")?;
    match disks.as_slice() {
        [disk] if disk["id"].is_string() => Ok(disk["id"].clone()),
        _ => bail!("this is not one disk for backups: {places}"),
    }
}

/// Has the box make a backup on its disk.
pub async fn is_backed_up(emulated: &Emulated) -> anyhow::Result<()> {
    let owner = sign_in(emulated, OWNER).await?;
    let id = id_of(&owner.call(BACKUPS, "places", json!([])).await?)?;
    // Else the first one begins by itself.
    let target = json!([{ "target": { "kind": "disk", "id": id }, "schedule": "never" }]);
    owner.call(BACKUPS, "configure", target).await?;
    let done = owner.call(BACKUPS, "backUp", json!([])).await?;
    ensure!(done["proven"].as_u64() >= Some(1), "{done}");
    Ok(())
}
