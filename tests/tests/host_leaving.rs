//! What becomes of apps and data when an app or its owner goes.

use atek_tests::host::{ADB, Host, SERVICES, USERS, refusal};
use serde_json::{Value, json};

const HELLO: &str = "example.test/hello";
const SOURCE: &str = "file:///srv/apps/hello-node";

/// An app of a user, with a note among its files.
async fn app_with_note(host: &Host, owner: &str) -> anyhow::Result<String> {
    let source = host.machine.place_app("hello-node").await?;
    // Without the data of an earlier one.
    let params = json!({ "sourceUrl": source, "id": "hello-node", "user": owner, "fresh": true });
    let app = host.install_from(params).await?;
    let note = json!(["note", "precious"]);
    host.system()?.call(HELLO, "put", note).await?;
    Ok(app["key"].as_str().unwrap_or_default().to_owned())
}

async fn note(host: &Host) -> anyhow::Result<Value> {
    host.system()?.call(HELLO, "get", json!(["note"])).await
}

async fn kept(host: &Host) -> anyhow::Result<Value> {
    let answer = host.system()?.call(SERVICES, "keptData", json!([])).await?;
    Ok(answer["kept"].clone())
}

async fn adopt(host: &Host, key: &str, owner: &str) -> anyhow::Result<Value> {
    let params = json!({ "sourceUrl": SOURCE, "id": "again", "user": owner, "adoptData": key });
    host.install_from(params).await
}

/// Runs a step with an atekd that ends at a place, and lets it live again.
async fn crashing(
    host: &Host,
    tag: &str,
    step: impl AsyncFnOnce() -> anyhow::Result<Value>,
) -> anyhow::Result<()> {
    let script = format!(
        "mkdir -p /run/systemd/system/atekd.service.d
         printf '[Service]\\nEnvironment=ATEK_FAULT={tag}:kill\\n' > /run/systemd/system/atekd.service.d/fault.conf
         systemctl daemon-reload && systemctl restart atekd.service"
    );
    host.machine.shell(&script).await?;
    host.ready().await?;
    assert!(step().await.is_err(), "{tag}: atekd did not end");
    let script = "rm -rf /run/systemd/system/atekd.service.d
         systemctl daemon-reload && systemctl restart atekd.service";
    host.machine.shell(script).await?;
    host.ready().await
}

#[tokio::test]
async fn a_user_with_apps_is_deleted_only_with_a_word_about_them() -> anyhow::Result<()> {
    let host = Host::boot("leaving-refused").await?;
    let (bob, system) = (host.person("bob", "").await?, host.system()?);
    let key = app_with_note(&host, "bob").await?;
    let refused = refusal(system.call(USERS, "delete", json!([bob.key])).await);
    assert_eq!(refused.code, -32003);
    assert_eq!(refused.data["services"], json!(["hello-node"]));
    assert_eq!(note(&host).await?, "precious");
    host.sign_in("bob", atek_tests::host::PASSWORD).await?;

    for (options, part) in [
        (json!({ "services": "give" }), "\"to\""),
        (
            json!({ "services": "give", "to": "nobody" }),
            "No user found",
        ),
        (json!({ "services": "give", "to": "bob" }), "another user"),
        (json!({ "services": "uninstall", "to": "bob" }), "\"to\""),
        (json!({ "services": "forget" }), "forget"),
    ] {
        let refused = refusal(
            system
                .call(USERS, "delete", json!([bob.key, options]))
                .await,
        );
        assert!(
            refused.message.contains(part),
            "{options}: {}",
            refused.message
        );
    }
    assert_eq!(note(&host).await?, "precious");

    let uninstall = json!([bob.key, { "services": "uninstall" }]);
    system.call(USERS, "delete", uninstall).await?;
    refusal(system.call(USERS, "get", json!([bob.key])).await);
    refusal(host.service("hello-node").await);
    let state = format!("/var/lib/private/atek-app-{key}");
    let left = host.machine.try_exec(["test", "-e", &state]).await?;
    assert!(!left.status.success(), "{state} is still there");
    Ok(())
}

#[tokio::test]
async fn apps_that_are_given_take_files_databases_and_kept_data_with_them() -> anyhow::Result<()> {
    let host = Host::boot("leaving-given").await?;
    let (alice, bob) = (
        host.person("alice", "").await?,
        host.person("bob", "").await?,
    );
    let old = app_with_note(&host, "bob").await?;
    let keep = json!(["hello-node", { "keepData": true }]);
    bob.client.call(SERVICES, "uninstall", keep).await?;
    let key = app_with_note(&host, "bob").await?;
    let config = json!([{ "access": "private" }]);
    let db = bob.client.call(ADB, "dbCreate", config).await?["dbId"].clone();
    let put = json!([db, "notes/1", { "text": "hi" }]);
    bob.client.call(ADB, "recordPut", put).await?;

    let give = json!([bob.key, { "services": "give", "to": "alice" }]);
    host.system()?.call(USERS, "delete", give).await?;

    let service = host.service_is("hello-node", "running").await?;
    assert_eq!(
        (&service["owner"], &service["key"]),
        (&json!("alice"), &json!(key))
    );
    assert_eq!(note(&host).await?, "precious");
    let slice = [
        "systemctl",
        "show",
        "-P",
        "Slice",
        "atek-app-hello-node.service",
    ];
    let slice = host.machine.exec(slice).await?;
    assert!(
        slice.contains(&alice.key.replace('-', "\\x2d")) || slice.contains(&alice.key),
        "{slice}"
    );
    let get = json!([db, "notes/1"]);
    let record = alice.client.call(ADB, "recordGet", get).await?;
    assert_eq!(record["value"]["text"], "hi", "{record}");
    let kept = alice.client.call(SERVICES, "keptData", json!([])).await?;
    assert_eq!(kept["kept"][0]["key"], old, "{kept}");
    refusal(host.system()?.call(USERS, "get", json!([bob.key])).await);
    Ok(())
}

#[tokio::test]
async fn kept_data_is_its_owners_to_adopt_or_to_remove() -> anyhow::Result<()> {
    let host = Host::boot("leaving-kept").await?;
    let (alice, bob) = (
        host.person("alice", "").await?,
        host.person("bob", "").await?,
    );
    let key = app_with_note(&host, "bob").await?;
    let keep = json!(["hello-node", { "keepData": true }]);
    bob.client.call(SERVICES, "uninstall", keep.clone()).await?;

    let listed = bob.client.call(SERVICES, "keptData", json!([])).await?;
    let one = &listed["kept"][0];
    assert_eq!(one["key"], key, "{listed}");
    assert_eq!(
        (&one["id"], &one["title"], &one["owner"]),
        (&json!("hello-node"), &json!("Hello"), &json!("bob"))
    );
    let others = alice.client.call(SERVICES, "keptData", json!([])).await?;
    assert_eq!(others["kept"], json!([]));
    refusal(
        alice
            .client
            .call(SERVICES, "removeKept", json!([key]))
            .await,
    );
    let stolen = refusal(adopt(&host, &key, "alice").await);
    assert!(
        stolen.message.contains("no kept data"),
        "{}",
        stolen.message
    );

    let app = adopt(&host, &key, "bob").await?;
    assert_eq!(
        (&app["key"], &app["state"]),
        (&json!(key), &json!("running")),
        "{app}"
    );
    assert_eq!(note(&host).await?, "precious");
    assert_eq!(kept(&host).await?, json!([]));
    let twice = refusal(adopt(&host, &key, "bob").await);
    assert!(twice.message.contains("no kept data"), "{}", twice.message);

    let keep = json!(["again", { "keepData": true }]);
    bob.client.call(SERVICES, "uninstall", keep).await?;
    bob.client
        .call(SERVICES, "removeKept", json!([key]))
        .await?;
    assert_eq!(kept(&host).await?, json!([]));
    let state = format!("/var/lib/private/atek-app-{key}");
    let left = host.machine.try_exec(["test", "-e", &state]).await?;
    assert!(!left.status.success(), "{state} is still there");
    Ok(())
}

#[tokio::test]
async fn an_install_offers_the_data_that_the_same_app_left_and_is_refused_without_a_choice()
-> anyhow::Result<()> {
    let host = Host::boot("leaving-offered").await?;
    let (alice, bob) = (
        host.person("alice", "").await?,
        host.person("bob", "").await?,
    );
    let key = app_with_note(&host, "bob").await?;
    let keep = json!(["hello-node", { "keepData": true }]);
    bob.client.call(SERVICES, "uninstall", keep).await?;

    let system = host.system()?;
    let inspect = async |owner: &str| {
        let params = json!([{ "sourceUrl": SOURCE, "user": owner }]);
        system.call(SERVICES, "inspect", params).await
    };
    let shown = inspect("bob").await?;
    let offered = &shown["retainedData"][0];
    assert_eq!(
        (&offered["key"], &offered["id"], &offered["owner"]),
        (&json!(key), &json!("hello-node"), &json!("bob")),
        "{shown}"
    );
    assert!(offered["keptAt"].is_string(), "{shown}");
    assert_eq!(inspect("alice").await?["retainedData"], json!([]));

    let undecided = json!({ "sourceUrl": SOURCE, "user": "bob" });
    let refused = refusal(host.install_from(undecided).await);
    assert!(
        refused.message.contains("choose whether to use it"),
        "{}",
        refused.message
    );
    assert_eq!(refused.data["reason"], "retained-data");
    let both =
        json!({ "sourceUrl": SOURCE, "user": "bob", "adoptData": key.as_str(), "fresh": true });
    refusal(host.install_from(both).await);
    assert_eq!(kept(&host).await?[0]["key"], key, "nothing was lost");

    // Another person's install is none of its business.
    let others = json!({ "sourceUrl": SOURCE, "user": "alice", "id": "of-alice" });
    host.install_from(others).await?;
    let data = alice.client.call(SERVICES, "keptData", json!([])).await?;
    assert_eq!(data["kept"], json!([]));

    let adopted = adopt(&host, &key, "bob").await?;
    assert_eq!(adopted["key"], key);
    Ok(())
}

#[tokio::test]
async fn a_crash_while_data_is_kept_adopted_or_given_loses_none_of_it() -> anyhow::Result<()> {
    let host = Host::boot("leaving-crash").await?;
    host.person("bob", "").await?;
    host.person("alice", "").await?;
    let key = app_with_note(&host, "bob").await?;
    let mut id = "hello-node";
    for tag in ["uninstall.begun", "uninstall.deleted", "uninstall.removed"] {
        let keep = json!([id, { "keepData": true }]);
        crashing(&host, tag, async || {
            host.system()?.call(SERVICES, "uninstall", keep).await
        })
        .await?;
        if tag == "uninstall.begun" {
            // Nothing was decided: the app is there, and its data not listed as left.
            host.service_is(id, "running").await?;
            assert_eq!(kept(&host).await?, json!([]), "{tag}");
            continue;
        }
        refusal(host.service(id).await);
        assert_eq!(kept(&host).await?[0]["key"], key, "{tag}");
        if tag == "uninstall.deleted" {
            crashing(&host, "install.committed", async || {
                adopt(&host, &key, "bob").await
            })
            .await?;
            assert_eq!(kept(&host).await?[0]["key"], key, "install.committed");
            crashing(&host, "install.stored", async || {
                adopt(&host, &key, "bob").await
            })
            .await?;
            id = "again";
            host.service_is(id, "running").await?;
            assert_eq!(kept(&host).await?, json!([]), "install.stored");
            assert_eq!(note(&host).await?, "precious");
        }
    }
    adopt(&host, &key, "bob").await?;
    let bob = host.service("again").await?["settings"]["owningUserKey"].clone();
    let config = json!([{ "access": "private", "owner": { "userKey": bob } }]);
    let db = host.system()?.call(ADB, "adminCreateDb", config).await?["dbId"].clone();
    let owner_of_db = async || {
        let listed = host.system()?.call(ADB, "adminListDbs", json!([])).await?;
        let dbs = listed.as_array().cloned().unwrap_or_default();
        let found = dbs.into_iter().find(|found| found["dbId"] == db);
        anyhow::Ok(found.unwrap_or_default()["owner"]["userKey"].clone())
    };
    assert_eq!(owner_of_db().await?, bob);
    let give = json!([bob, { "services": "give", "to": "alice" }]);
    for tag in ["transfer.stopped", "transfer.begun", "transfer.stored"] {
        crashing(&host, tag, async || {
            host.system()?.call(USERS, "delete", give.clone()).await
        })
        .await?;
        host.service_is("again", "running").await?;
        assert_eq!(note(&host).await?, "precious", "{tag}");
        // What was begun is finished, whether or not it is asked for again: an app that its new
        // owner has must find its databases.
        let service = host.service("again").await?;
        let is_given = tag != "transfer.stopped";
        assert_eq!(service["owner"] == "alice", is_given, "{tag}: {service}");
        assert_eq!(owner_of_db().await? != bob, is_given, "{tag}");
        if tag == "transfer.begun" {
            // Back, for the next crash.
            let alice = service["settings"]["owningUserKey"].clone();
            let back = json!([alice, { "services": "give", "to": "bob" }]);
            crashing(&host, "transfer.stored", async || {
                host.system()?.call(USERS, "delete", back).await
            })
            .await?;
            // It starts when what was cut off is finished.
            host.service_is("again", "running").await?;
            assert_eq!(owner_of_db().await?, bob);
        }
    }
    host.system()?.call(USERS, "delete", give).await?;
    assert_eq!(host.service("again").await?["owner"], "alice");
    assert_eq!(note(&host).await?, "precious");
    Ok(())
}
