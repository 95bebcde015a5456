//! What comes back from a backup one by one: a file of an app, an app that is gone, a copy beside
//! the one that is here; and a look into backups while one is made, or on a disk that is read-only.

#[path = "safety/note.rs"]
mod note;

use anyhow::Context as _;
use atek_tests::git_remote::GitRemote;
use atek_tests::host::{ADB, Host, PASSWORD, Person, SOON, USERS, refusal};
use atek_tests::http::Client;
use atek_tests::{Seen, wait_for};
use note::{HELLO, box_with_note, note, put};
use serde_json::{Value, json};

const BACKUPS: &str = "atek.cloud/backups-api";
const KEYS: &str = "atek.cloud/keys-api";

/// The folder with the state of an app.
async fn state(host: &Host, id: &str) -> anyhow::Result<String> {
    let service = host.service(id).await?;
    let key = service["key"].as_str().unwrap_or_default();
    Ok(format!("/var/lib/private/atek-app-{key}"))
}

/// The note that an app keeps.
async fn note_of(host: &Host, id: &str) -> anyhow::Result<String> {
    let state = state(host, id).await?;
    host.machine.shell(&format!("cat {state}/note")).await
}

async fn write_note(host: &Host, id: &str, text: &str) -> anyhow::Result<()> {
    let state = state(host, id).await?;
    let write = format!("echo -n {text} > {state}/note && chown --reference={state} {state}/note");
    host.machine.shell(&write).await.map(drop)
}

#[tokio::test]
async fn a_file_of_an_app_comes_back_in_place_or_beside() -> anyhow::Result<()> {
    let host = box_with_note("parts-file").await?;
    let shell = async |script: &str| host.machine.shell(script).await;
    let state = state(&host, "hello-node").await?;
    shell(&format!(
        "mkdir -p {state}/data/deep && echo first > {state}/data/deep/a && echo kept > {state}/data/b
         ln -s /etc/shadow {state}/data/link && chown -Rh --reference={state} {state}/data"
    ))
    .await?;
    shell("atek backup target /mnt/disk --every never && atek backup now").await?;
    let said = shell("atek backup list hello-node --path data").await?;
    assert!(said.contains("deep/") && said.contains("link"), "{said}");

    shell(&format!(
        "echo second > {state}/data/deep/a; rm {state}/data/b"
    ))
    .await?;
    let said = shell("atek restore hello-node --file data/deep/a --beside").await?;
    assert!(said.contains("data/deep/a.2"), "{said}");
    let files = format!("cd {state}/data/deep && cat a && cat a.2*");
    assert_eq!(shell(&files).await?, "second\nfirst\n");
    shell("atek restore hello-node --file data/deep/a --yes").await?;
    assert_eq!(shell(&files).await?, "first\nfirst\n");
    // A folder replaces the present one, and all of it is the app's.
    shell("atek restore hello-node --file ./data --yes").await?;
    let tree = format!(
        "cd {state} && cat data/deep/a data/b && readlink data/link && ls data/deep
         find data ! -uid $(stat -c %u .) | wc -l"
    );
    assert_eq!(shell(&tree).await?, "first\nkept\n/etc/shadow\na\n0\n");
    assert_eq!(note(&host).await?, "precious");
    host.service_is("hello-node", "running").await?;

    // What is not there, or leads elsewhere, changes nothing.
    let system = host.system()?;
    for path in ["data/none", "data/link/x", "../atek/config.json", ""] {
        let wanted = json!([{ "id": "hello-node", "path": path }]);
        refusal(system.call(BACKUPS, "restoreFile", wanted).await);
    }
    shell(&format!(
        "mv {state}/data {state}/moved && ln -s /etc {state}/data"
    ))
    .await?;
    let wanted = json!([{ "id": "hello-node", "path": "data/b" }]);
    refusal(system.call(BACKUPS, "restoreFile", wanted).await);
    assert_eq!(shell("ls /etc/b 2>/dev/null || echo none").await?, "none\n");
    host.service_is("hello-node", "running").await?;
    Ok(())
}

#[tokio::test]
async fn an_app_that_is_gone_comes_back_and_one_that_is_here_is_copied() -> anyhow::Result<()> {
    let host = box_with_note("parts-app").await?;
    let shell = async |script: &str| host.machine.shell(script).await;
    let remote = GitRemote::new("hello", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    let params = json!({ "sourceUrl": remote.url(), "id": "versioned", "user": "bob" });
    host.install_from(params).await?;
    shell("atek cfg versioned --allow example.org").await?;
    let before = host.service("versioned").await?;
    write_note(&host, "versioned", "written").await?;
    shell("atek backup target /mnt/disk --every never && atek backup now").await?;
    // What came since is no part of the copy.
    write_note(&host, "hello-node", "later").await?;
    drop(remote);

    let said = shell("atek restore hello-node --copy hello-old").await?;
    assert!(said.contains("hello-old"), "{said}");
    host.service_is("hello-old", "running").await?;
    assert_eq!(note_of(&host, "hello-old").await?, "precious");
    assert_eq!(note_of(&host, "hello-node").await?, "later");
    let taken = refusal(
        host.system()?
            .call(BACKUPS, "restoreApp", json!([{ "app": "hello-node" }]))
            .await,
    );
    assert_eq!(taken.data["reason"], "id-taken");

    // Its source is not reachable any more.
    shell("atek uninstall versioned --yes").await?;
    let run = shell("atek backup list --json").await?;
    let run: Value = serde_json::from_str(&run)?;
    let run = run["runs"][0]["run"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let said = shell(&format!("atek backup list --from {run}")).await?;
    assert!(said.contains("--copy versioned"), "{said}");
    let said = shell("atek backup list versioned").await?;
    assert!(said.contains("note"), "{said}");
    shell("atek restore versioned --copy versioned").await?;
    host.service_is("versioned", "running").await?;
    let after = host.service("versioned").await?;
    for what in [
        "/key",
        "/settings/package",
        "/settings/granted",
        "/settings/owningUserKey",
    ] {
        assert_eq!(before.pointer(what), after.pointer(what), "{what}");
    }
    assert_eq!(note_of(&host, "versioned").await?, "written");
    let left = shell("ls -A /var/lib/atek/staging /var/lib/atek/uninstalls; ls -d /var/lib/private/atek-snapshots/*/restored* 2>/dev/null || true").await?;
    assert!(!left.contains("restore"), "{left}");

    // An app that ran in place from a folder is nothing without it, and that is said.
    let source = host.service("hello-node").await?["settings"]["sourceUrl"].clone();
    let folder = source
        .as_str()
        .unwrap_or_default()
        .trim_start_matches("file://")
        .to_owned();
    shell(&format!(
        "atek uninstall hello-node --yes; mv {folder} {folder}.away"
    ))
    .await?;
    let said = shell(&format!("atek backup list --from {run}")).await?;
    assert!(said.contains(&folder), "{said}");
    let refused = refusal(
        host.system()?
            .call(BACKUPS, "restoreApp", json!([{ "app": "hello-node" }]))
            .await,
    );
    assert_eq!(refused.data["reason"], "not-in-backup");
    assert!(refused.message.contains(&folder), "{}", refused.message);
    shell(&format!("mv {folder}.away {folder}")).await?;
    shell("atek restore hello-node --copy hello-node").await?;
    host.service_is("hello-node", "running").await?;
    assert_eq!(note_of(&host, "hello-node").await?, "precious");
    Ok(())
}

/// What ADB answers to an app that a person has open.
async fn adb_of(
    host: &Host,
    person: &Person,
    app: &str,
    method: &str,
    params: Value,
) -> anyhow::Result<Value> {
    let params: String =
        url::form_urlencoded::byte_serialize(params.to_string().as_bytes()).collect();
    let path = format!("/call?api={ADB}&method={method}&params={params}");
    let answer = host.visit(person, app).await?.get(&path).await?.json()?;
    let body = answer["body"].as_str().context("the app got an answer")?;
    let body: Value = serde_json::from_str(body)?;
    anyhow::ensure!(body["error"].is_null(), "{method}: {body}");
    Ok(body["result"].clone())
}

#[tokio::test]
async fn an_app_comes_back_with_its_databases_in_place_as_a_copy_and_after_it_was_gone()
-> anyhow::Result<()> {
    let host = box_with_note("parts-databases").await?;
    let shell = async |script: &str| host.machine.shell(script).await;
    let carol = host.person("carol", "").await?;
    host.install("caller-node", "carol").await?;
    let adb = async |app: &str, method: &str, params: Value| {
        adb_of(&host, &carol, app, method, params).await
    };
    let database = async |app: &str, name: &str| -> anyhow::Result<Value> {
        let made = adb(app, "dbGetOrCreate", json!([name, {}])).await?;
        Ok(made["dbId"].clone())
    };
    let write = async |app: &str, db: &Value, path: &str, text: &str| {
        adb(app, "recordPut", json!([db, path, { "text": text }])).await
    };
    let texts = async |app: &str, db: &Value| -> anyhow::Result<Vec<Value>> {
        let list = adb(app, "recordList", json!([db, ""])).await?;
        let records = list["records"].as_array().context("records")?;
        Ok(records
            .iter()
            .map(|record| record["value"]["text"].clone())
            .collect())
    };
    let main = database("caller-node", "main").await?;
    write("caller-node", &main, "a", "first").await?;
    write_note(&host, "caller-node", "first").await?;
    shell("atek backup target /mnt/disk --every never && atek backup now").await?;
    write("caller-node", &main, "a", "second").await?;
    write("caller-node", &main, "b", "later").await?;
    write_note(&host, "caller-node", "second").await?;
    let since = database("caller-node", "since").await?;
    write("caller-node", &since, "a", "of its own").await?;

    let said = shell("atek restore caller-node --yes").await?;
    assert!(said.contains("with its database"), "{said}");
    host.service_is("caller-node", "running").await?;
    assert_eq!(note_of(&host, "caller-node").await?, "first");
    assert_eq!(database("caller-node", "main").await?, main);
    assert_eq!(texts("caller-node", &main).await?, ["first"]);
    // One that came since is no part of the backup, and stays.
    assert_eq!(database("caller-node", "since").await?, since);
    assert_eq!(texts("caller-node", &since).await?, ["of its own"]);

    write("caller-node", &main, "a", "third").await?;
    let said = shell("atek restore caller-node --copy caller-old").await?;
    assert!(said.contains("with its database"), "{said}");
    host.service_is("caller-old", "running").await?;
    let copy = database("caller-old", "main").await?;
    assert_ne!(copy, main);
    assert_eq!(texts("caller-old", &copy).await?, ["first"]);
    write("caller-old", &copy, "a", "of the copy").await?;
    assert_eq!(texts("caller-node", &main).await?, ["third"]);
    assert!(
        texts("caller-old", &main).await.is_err(),
        "the copy reads another's"
    );

    // What is here still stays as it is when the app comes back, and what is gone comes back.
    shell("atek uninstall caller-node --yes").await?;
    shell("atek restore caller-node --copy caller-node").await?;
    host.service_is("caller-node", "running").await?;
    assert_eq!(texts("caller-node", &main).await?, ["third"]);
    shell("atek uninstall caller-node --yes").await?;
    host.system()?
        .call(ADB, "adminDeleteDb", json!([main]))
        .await?;
    let said = shell("atek restore caller-node --copy caller-node").await?;
    assert!(said.contains("with its database"), "{said}");
    host.service_is("caller-node", "running").await?;
    assert_eq!(database("caller-node", "main").await?, main);
    assert_eq!(texts("caller-node", &main).await?, ["first"]);
    let left = shell("find /var/lib/private -name 'from-backup' -o -name 'restored*'").await?;
    assert_eq!(left.trim(), "");
    Ok(())
}

/// Makes a key once a sign-in has opened the keys.
#[tokio::test]
async fn databases_of_a_copy_that_was_cut_off_go_at_the_next_start() -> anyhow::Result<()> {
    let host = box_with_note("parts-orphans").await?;
    let shell = async |script: &str| host.machine.shell(script).await;
    let carol = host.person("carol", "").await?;
    host.install("caller-node", "carol").await?;
    let made = adb_of(
        &host,
        &carol,
        "caller-node",
        "dbGetOrCreate",
        json!(["main", {}]),
    )
    .await?;
    let main = made["dbId"].clone();
    let record = json!([main, "a", { "text": "first" }]);
    adb_of(&host, &carol, "caller-node", "recordPut", record).await?;
    shell("atek backup target /mnt/disk --every never && atek backup now").await?;
    let databases = async || -> anyhow::Result<usize> {
        let told = host.system()?.call(ADB, "adminListDbs", json!([])).await?;
        Ok(told.as_array().context("databases")?.len())
    };
    let before = databases().await?;

    // The host is ended when the copy has its databases, and nothing else.
    shell(
        "mkdir -p /run/systemd/system/atekd.service.d
         printf '[Service]\\nEnvironment=ATEK_FAULT=restore.databases:kill\\n' > /run/systemd/system/atekd.service.d/fault.conf
         systemctl daemon-reload && systemctl restart atekd.service",
    )
    .await?;
    host.ready().await?;
    shell("! atek restore caller-node --copy caller-old").await?;
    shell("ls /var/lib/atek/uninstalls/*.json").await?;
    shell(
        "rm -r /run/systemd/system/atekd.service.d
         systemctl daemon-reload && systemctl restart atekd.service",
    )
    .await?;
    host.ready().await?;
    wait_for("the copy is swept", SOON, async || {
        let left = shell("ls -A /var/lib/atek/uninstalls | grep -c json || true").await?;
        Ok(Seen::if_so(left, |left| left.trim() == "0"))
    })
    .await?;
    assert_eq!(databases().await?, before);
    let swept =
        shell("journalctl -u atekd --no-pager -o cat | grep -c 'finishing an uninstall'").await?;
    assert_eq!(swept.trim(), "1");
    // What is here is untouched, and a copy can be made.
    let list = adb_of(
        &host,
        &carol,
        "caller-node",
        "recordList",
        json!([main, ""]),
    )
    .await?;
    assert_eq!(list["records"][0]["value"]["text"], "first");
    shell("atek restore caller-node --copy caller-old").await?;
    host.service_is("caller-old", "running").await?;
    assert_eq!(databases().await?, before + 1);
    Ok(())
}

async fn key_of(person: &Client) -> anyhow::Result<Value> {
    wait_for("the keys are open", SOON, async || {
        let list = person.call(KEYS, "list", json!([])).await?;
        Ok(Seen::if_so(list, |list| list["locked"] == false))
    })
    .await?;
    let wanted = json!([{ "kind": "ed25519", "name": "mine" }]);
    person.call(KEYS, "create", wanted).await
}

#[tokio::test]
async fn backups_are_looked_at_beside_a_run_and_on_a_disk_that_is_read_only() -> anyhow::Result<()>
{
    let host = box_with_note("parts-look").await?;
    let shell = async |script: &str| host.machine.shell(script).await;
    shell("mount -t tmpfs -o size=1g disk /mnt/disk && atek backup target /mnt/disk --every never && atek backup now").await?;
    let state = state(&host, "hello-node").await?;
    shell(&format!("head -c 200000000 /dev/urandom > {state}/large")).await?;
    let said = shell(
        "(atek backup now > /tmp/said 2>&1; echo $? > /tmp/ended) &
        until systemctl is-active --quiet atek-backup.service || [ -e /tmp/ended ]; do :; done
        systemctl is-active atek-backup.service
        atek backup list && atek backup list hello-node && atek backup status
        wait; cat /tmp/ended /tmp/said",
    )
    .await?;
    assert!(said.contains("active") && said.contains("note"), "{said}");
    assert!(said.contains("Under way"), "{said}");
    assert!(said.contains("made the backup"), "{said}");

    put(&host, "spoilt").await?;
    shell("mount -o remount,ro /mnt/disk").await?;
    let list = shell("atek backup list && atek backup list hello-node").await?;
    assert_eq!(list.matches("yes").count(), 2, "{list}");
    shell("atek restore hello-node --yes").await?;
    assert_eq!(note(&host).await?, "precious");
    shell("atek restore hello-node --copy beside").await?;
    host.service_is("beside", "running").await?;
    let failed = refusal(host.system()?.call(BACKUPS, "backUp", json!([])).await);
    assert!(
        failed.message.contains("read-only") || failed.message.contains("Read-only"),
        "{}",
        failed.message
    );
    // A disk that is not there: nothing is begun in the folder where it was mounted.
    shell("umount /mnt/disk").await?;
    let failed = refusal(host.system()?.call(BACKUPS, "backUp", json!([])).await);
    assert_eq!(failed.data["reason"], "no-backup", "{}", failed.message);
    assert!(!shell("ls -A /mnt/disk").await?.contains("atek-backup"));
    wait_for("the app goes on", SOON, async || {
        Ok(Seen::if_so(
            host.system()?.call(HELLO, "get", json!(["note"])).await?,
            |note| *note == "precious",
        ))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_database_and_a_user_come_back() -> anyhow::Result<()> {
    let host = box_with_note("parts-people").await?;
    let shell = async |script: &str| host.machine.shell(script).await;
    let system = host.system()?;
    let carol = host.person("carol", "").await?;
    let source = host.machine.place_app("hello-node").await?;
    let params = json!({ "sourceUrl": source, "id": "carols", "user": "carol" });
    host.install_from(params).await?;
    write_note(&host, "carols", "hers").await?;
    let own = carol.client.clone().header("origin", "http://localhost");
    let made = own
        .call(ADB, "dbCreate", json!([{ "access": "private" }]))
        .await?;
    let db = made["dbId"].as_str().context("no id")?.to_owned();
    let path = "notes/1";
    own.call(ADB, "recordPut", json!([db, path, { "text": "first" }]))
        .await?;
    let mine = key_of(&own).await?;
    shell("atek backup target /mnt/disk --every never && atek backup now").await?;
    own.call(ADB, "recordPut", json!([db, path, { "text": "second" }]))
        .await?;
    own.call(
        ADB,
        "recordPut",
        json!([db, "notes/2", { "text": "later" }]),
    )
    .await?;
    let text = async |db: &str, path: &str| {
        let found = system.call(ADB, "recordGet", json!([db, path])).await;
        found.map_or(Value::Null, |record| record["value"]["text"].clone())
    };

    let said = shell(&format!("atek restore --database {db} --beside --json")).await?;
    let copy: Value = serde_json::from_str(&said)?;
    let copy = copy["database"].as_str().unwrap_or_default().to_owned();
    assert_ne!(copy, db);
    assert_eq!(text(&copy, path).await, "first");
    assert_eq!(text(&db, path).await, "second");
    shell(&format!("atek restore --database {db} --yes")).await?;
    assert_eq!(text(&db, path).await, "first");
    assert_eq!(text(&db, "notes/2").await, Value::Null);
    // It is the same database for its owner, who writes on.
    own.call(ADB, "recordPut", json!([db, "notes/3", { "text": "on" }]))
        .await?;
    let unknown = "0".repeat(64);
    let wanted = json!([{ "database": unknown }]);
    let refused = refusal(system.call(BACKUPS, "restoreDatabase", wanted).await);
    assert_eq!(refused.data["reason"], "not-found");

    let key = json!([carol.key, { "services": "uninstall" }]);
    system.call(USERS, "delete", key).await?;
    assert_eq!(text(&db, path).await, Value::Null);
    let people = system.call(BACKUPS, "people", json!([])).await?;
    assert!(people["gone"].to_string().contains(&carol.key), "{people}");
    let said = shell("atek restore --user carol").await?;
    assert!(
        said.contains("carols") && said.contains("with 1 keys"),
        "{said}"
    );
    let again = host.sign_in("carol", PASSWORD).await?;
    let again = host
        .stranger()
        .header("cookie", &format!("session={again}"));
    // The keys of that time open with the password of that time.
    let list = wait_for("the keys are open", SOON, async || {
        let list = again.call(KEYS, "list", json!([])).await?;
        Ok(Seen::if_so(list, |list| list["locked"] == false))
    })
    .await?;
    assert_eq!(list["keys"][0]["publicKey"], mine["publicKey"], "{list}");
    let sign = json!([{ "key": mine["id"], "format": "text", "payload": "hello" }]);
    again.call(KEYS, "sign", sign).await?;
    let record = again.call(ADB, "recordGet", json!([db, path])).await?;
    assert_eq!(record["value"]["text"], "first");
    host.service_is("carols", "running").await?;
    assert_eq!(note_of(&host, "carols").await?, "hers");
    let users = system.call(USERS, "list", json!([])).await?;
    assert!(users.to_string().contains(&carol.key), "{users}");
    // Asking again changes nothing, and nothing of the backup is left in the database's folder.
    let said = shell("atek restore --user carol").await?;
    assert!(said.contains("0 keys, 0 databases and 0 apps"), "{said}");
    let left = shell("find /var/lib/private -name 'from-backup' -o -name 'restored*'").await?;
    assert_eq!(left.trim(), "");
    Ok(())
}

#[tokio::test]
async fn storage_that_fails_is_told_before_it_is_fatal() -> anyhow::Result<()> {
    let host = box_with_note("parts-storage").await?;
    let shell = async |script: &str| host.machine.shell(script).await;
    shell("mount -t tmpfs disk /mnt/disk && atek backup target /mnt/disk --every never").await?;
    let said = shell("atek status").await?;
    assert!(!said.contains("! "), "{said}");
    // The disk of the backups is pulled out, and a card says that it is worn.
    shell(
        "umount /mnt/disk
        mkdir -p /root/block/mmcblk0/device && echo 0x0b 0x01 > /root/block/mmcblk0/device/life_time
        mount --bind /root/block /sys/block",
    )
    .await?;
    let said = wait_for("it is told", SOON, async || {
        let said = shell("atek status").await?;
        Ok(Seen::if_so(said, |said| said.contains("mmcblk0")))
    })
    .await?;
    assert!(said.contains("/mnt/disk"), "{said}");
    let told = host.system()?;
    let told = told
        .call("atek.cloud/system-api", "resources", json!([]))
        .await?;
    let kinds: Vec<&str> = told["storage"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|problem| problem["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["worn", "gone"], "{told}");
    // The box goes on.
    assert_eq!(note(&host).await?, "precious");
    Ok(())
}
