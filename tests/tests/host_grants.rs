//! Permissions that apps ask for while they run, what people share, and how both end.

use anyhow::Context as _;
use atek_tests::host::{ADB, Host, Person, SOON, refusal};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

const PERMISSIONS: &str = "atek.cloud/permissions-api";
const CALLER: &str = "caller-node";
const HELLO: &str = "example.test/hello";

/// What the app gets when it calls an API.
async fn calls(
    host: &Host,
    person: &Person,
    api: &str,
    method: &str,
    params: Value,
) -> anyhow::Result<Value> {
    let encoded =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let path = format!(
        "/call?api={}&method={method}&params={}",
        encoded(api),
        encoded(&params.to_string())
    );
    let page = host
        .visit(person, CALLER)
        .await?
        .patient(Duration::from_secs(90));
    let answer = page.get(&path).await?.json()?;
    let body = answer["body"].as_str().context("the app got an answer")?;
    Ok(serde_json::from_str(body)?)
}

async fn asks(host: &Host, person: &Person, permission: &str, wait: u32) -> anyhow::Result<Value> {
    let params = json!([{ "permission": permission, "reason": "to test it", "wait": wait }]);
    let answer = calls(host, person, PERMISSIONS, "request", params).await?;
    anyhow::ensure!(answer["error"].is_null(), "{answer}");
    Ok(answer["result"].clone())
}

async fn pending(person: &Person) -> anyhow::Result<Vec<Value>> {
    let answer = person
        .client
        .call(PERMISSIONS, "pending", json!([]))
        .await?;
    Ok(answer["requests"].as_array().cloned().unwrap_or_default())
}

/// Waits for the one request that is pending and answers it.
async fn answers(person: &Person, answer: Value) -> anyhow::Result<Value> {
    let request = wait_for("a request of the app", SOON, async || {
        let all = pending(person).await?;
        Ok(Seen::if_so(all, |all| all.len() == 1))
    })
    .await?
    .remove(0);
    let id = &request["id"];
    person
        .client
        .call(PERMISSIONS, "answer", json!([id, answer]))
        .await?;
    Ok(request)
}

async fn grants(person: &Person) -> anyhow::Result<Vec<Value>> {
    let answer = person.client.call(PERMISSIONS, "list", json!([])).await?;
    Ok(answer["grants"].as_array().cloned().unwrap_or_default())
}

#[tokio::test]
async fn an_app_asks_its_owner_answers_and_takes_it_back() -> anyhow::Result<()> {
    let host = Host::boot("grants-ask").await?;
    let bob = host.person("bob", "").await?;
    let carol = host.person("carol", "").await?;
    host.install(CALLER, "bob").await?;

    // It waits while the owner decides, and has it at once.
    let (asked, request) = tokio::join!(
        asks(&host, &bob, "host:api.example.org", 60),
        answers(&bob, json!({ "answer": "hour" }))
    );
    let request = request?;
    assert_eq!(request["reason"], "to test it");
    assert_eq!(request["words"], "connect to api.example.org");
    assert_eq!(asked?["state"], "granted");
    let [granted] = &grants(&bob).await?[..] else {
        anyhow::bail!("one grant")
    };
    assert_eq!(
        (&granted["by"], &granted["verdict"], &granted["permission"]),
        (
            &json!("bob"),
            &json!("allow"),
            &json!("host:api.example.org")
        )
    );
    assert!(
        granted["until"].is_string() && granted["reason"] == "to test it",
        "{granted}"
    );
    assert!(
        grants(&carol).await?.is_empty(),
        "another user sees nothing of it"
    );
    let id = granted["id"].clone();
    refusal(carol.client.call(PERMISSIONS, "revoke", json!([id])).await);
    bob.client.call(PERMISSIONS, "revoke", json!([id])).await?;
    assert!(grants(&bob).await?.is_empty());

    // A "no" holds: the app is answered by itself, and the person is not asked again.
    let (asked, _) = tokio::join!(
        asks(&host, &bob, "host:tracker.example.org", 60),
        answers(&bob, json!({ "answer": "deny" }))
    );
    assert_eq!(asked?["state"], "denied");
    let again = asks(&host, &bob, "host:tracker.example.org", 0).await?;
    assert_eq!(again["state"], "denied");
    assert!(
        again["askAgainAfter"]
            .as_u64()
            .is_some_and(|secs| secs > 6 * 86_400),
        "{again}"
    );
    assert!(pending(&bob).await?.is_empty());

    // What only an administrator may give stays with an administrator.
    let asked = asks(&host, &bob, "direct", 0).await?;
    assert_eq!(asked["state"], "pending");
    let [request] = &pending(&bob).await?[..] else {
        anyhow::bail!("one request")
    };
    assert_eq!(
        (&request["mayGrant"], &request["danger"]),
        (&json!(false), &json!("high"))
    );
    let answer = json!([request["id"], { "answer": "always" }]);
    let refused = refusal(bob.client.call(PERMISSIONS, "answer", answer).await);
    assert_eq!(refused.data["reason"], "needs-administrator");
    assert!(pending(&carol).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_person_picks_the_provider_and_the_database_that_an_app_asks_for() -> anyhow::Result<()> {
    let host = Host::boot("grants-powerbox").await?;
    let alice = host.person("alice", "admin").await?;
    let bob = host.person("bob", "").await?;
    let hello = host.install("hello-node", "alice").await?;
    host.install(CALLER, "bob").await?;
    let who_calls = async || calls(&host, &bob, HELLO, "whoCalls", json!([])).await;

    assert!(
        who_calls().await?["error"].is_object(),
        "another user's app is not reached"
    );
    let share = json!([{ "service": "hello-node", "user": "bob", "level": "use" }]);
    let share = alice.client.call(PERMISSIONS, "share", share).await?;
    assert!(!host.page(&bob, "hello-node", "/caller").await?.is_empty());
    assert!(
        who_calls().await?["error"].is_object(),
        "a share with a person is none with an app"
    );

    let wanted = format!("provider:{HELLO}");
    let pick = format!(
        "provider:{HELLO}={}",
        hello["key"].as_str().context("a key")?
    );
    let (asked, request) = tokio::join!(
        asks(&host, &bob, &wanted, 60),
        answers(&bob, json!({ "answer": "always", "pick": pick }))
    );
    let choices = &request?["choices"];
    assert_eq!(choices[0]["permission"], pick, "{choices}");
    assert_eq!(asked?["granted"], pick);
    assert_eq!(who_calls().await?["result"]["user"], bob.key.as_str());

    alice
        .client
        .call(PERMISSIONS, "unshare", json!([share["id"]]))
        .await?;
    wait_for("the app to be closed", SOON, async || {
        let answer = who_calls().await?;
        Ok(Seen::if_so(answer, |answer| answer["error"].is_object()))
    })
    .await?;
    let closed = host.visit(&bob, "hello-node").await;
    assert!(closed.is_err(), "the pages are closed, too");

    let private = json!([{ "access": "private", "alias": "recipes" }]);
    let db = bob.client.call(ADB, "dbCreate", private).await?["dbId"].clone();
    let db = db.as_str().context("an id")?;
    bob.client
        .call(ADB, "recordPut", json!([db, "r/1", { "n": 1 }]))
        .await?;
    let read = async || calls(&host, &bob, ADB, "recordGet", json!([db, "r/1"])).await;
    assert!(
        read().await?["error"].is_object(),
        "a database is its maker's"
    );
    let pick = format!("database:{db}:read");
    let (asked, request) = tokio::join!(
        asks(&host, &bob, "database:read", 60),
        answers(&bob, json!({ "answer": "always", "pick": pick }))
    );
    assert_eq!(asked?["granted"], pick);
    assert_eq!(request?["choices"][0]["title"], "recipes");
    assert_eq!(read().await?["result"]["value"]["n"], 1);
    let write = calls(&host, &bob, ADB, "recordPut", json!([db, "r/1", {}])).await?;
    assert!(write["error"].is_object(), "{write}");
    Ok(())
}

#[tokio::test]
async fn what_is_given_for_a_time_ends_by_itself_and_survives_a_restart_of_the_host()
-> anyhow::Result<()> {
    let host = Host::boot("grants-time").await?;
    let alice = host.person("alice", "admin").await?;
    host.install(CALLER, "alice").await?;
    let give = async |permission: &str, seconds: Option<u32>| {
        let params = json!([{ "service": CALLER, "permission": permission, "seconds": seconds }]);
        alice.client.call(PERMISSIONS, "grant", params).await
    };
    give("host:long.example.org", None).await?;
    give("host:short.example.org", Some(2)).await?;
    wait_for("the short one to end", SOON, async || {
        let left = grants(&alice).await?;
        Ok(Seen::if_so(left, |left| left.len() == 1))
    })
    .await?;
    host.machine.exec(["systemctl", "restart", "atekd"]).await?;
    host.ready().await?;
    let left = grants(&alice).await?;
    assert_eq!(left[0]["permission"], "host:long.example.org");

    // The app that is uninstalled leaves nothing behind.
    let family = json!([{ "name": "Family", "members": ["alice"] }]);
    alice.client.call(PERMISSIONS, "putGroup", family).await?;
    let share = json!([{ "service": CALLER, "group": "family", "level": "view" }]);
    alice.client.call(PERMISSIONS, "share", share).await?;
    let gone = json!([CALLER]);
    alice
        .client
        .call("atek.cloud/services-api", "uninstall", gone)
        .await?;
    assert!(grants(&alice).await?.is_empty());
    let shares = alice.client.call(PERMISSIONS, "shares", json!([])).await?;
    assert_eq!(shares, json!({ "shares": [] }));
    Ok(())
}

/// The original's apps export APIs of Atek's name; who answers them is an administrator's choice.
#[tokio::test]
async fn an_administrator_chooses_the_app_that_answers_for_atek() -> anyhow::Result<()> {
    const GREETINGS: &str = "atek.cloud/greetings-api";
    let host = Host::boot("grants-provides").await?;
    let alice = host.person("alice", "").await?;
    let source = host.machine.place_app("hello-node").await?;
    let folder = source.strip_prefix("file://").context("a folder")?;
    let exports = r#"{ "name": "Hello", "exports": [
        { "api": "atek.cloud/greetings-api", "path": "/_api/hello" },
        { "api": "atek.cloud/adb-api", "path": "/_api/hello" } ] }"#;
    let script = format!("cat >{folder}/atek.json <<'E'\n{exports}\nE");
    host.machine.shell(&script).await?;
    host.install_from(json!({ "sourceUrl": source, "user": "alice" }))
        .await?;
    host.install(CALLER, "alice").await?;

    let greet = async || {
        alice
            .client
            .call(GREETINGS, "hello", json!(["alice"]))
            .await
    };
    assert!(greet().await.is_err(), "a choice that was not made");
    let provides = json!({ "grant": { "provides": [GREETINGS] } });
    let params = json!(["hello-node", provides]);
    let services = "atek.cloud/services-api";
    let refused = alice.client.call(services, "configure", params).await;
    let refused = format!("{:#}", refused.err().context("she is no administrator")?);
    assert!(refused.contains("only an administrator"), "{refused}");

    let atek = async |words: &str| {
        let script = format!("{{ atek {words}; }} 2>&1");
        host.machine.shell(&script).await
    };
    atek("cfg hello-node --allow provides:atek.cloud/greetings-api").await?;
    assert_eq!(greet().await?, "hello alice");
    let called = calls(&host, &alice, GREETINGS, "hello", json!(["app"])).await?;
    assert_eq!(called["result"], "hello app");
    let shown = atek("get hello-node").await?;
    for part in [
        "Provides: atek.cloud/greetings-api",
        "Not provided: atek.cloud/adb-api",
    ] {
        assert!(shown.contains(part), "{shown}");
    }

    // What Atek itself has stays Atek's.
    let taken = atek("cfg hello-node --allow provides:atek.cloud/adb-api || true").await?;
    assert!(
        taken.contains("atek.cloud/adb-api is provided by core.adb"),
        "{taken}"
    );
    let own = atek("cfg hello-node --allow provides:atek.cloud/users-api || true").await?;
    assert!(own.contains("is provided by the host itself"), "{own}");

    atek("cfg hello-node --deny provides:atek.cloud/greetings-api").await?;
    assert!(greet().await.is_err(), "it was taken back");
    Ok(())
}

/// What the app reads at a path, or writes there; the error's code where it cannot.
async fn file(
    host: &Host,
    person: &Person,
    path: &str,
    text: Option<&str>,
) -> anyhow::Result<Value> {
    let text = text.map(|text| format!("&text={text}")).unwrap_or_default();
    let answer = host
        .page(person, CALLER, &format!("/file?path={path}{text}"))
        .await?;
    Ok(serde_json::from_str(&answer)?)
}

#[tokio::test]
async fn a_person_picks_the_folder_that_an_app_asks_for() -> anyhow::Result<()> {
    let host = Host::boot("grants-folder").await?;
    let bob = host.person("bob", "").await?;
    let carol = host.person("carol", "").await?;
    let album = host.install("album-node", "bob").await?;
    let key = album["key"].as_str().context("a key")?;
    host.install(CALLER, "bob").await?;
    let hers = host.machine.place_app("album-node").await?;
    host.install_from(json!({ "sourceUrl": hers, "id": "hers", "user": "carol" }))
        .await?;
    host.page(&bob, "album-node", "/put?name=a.txt&text=sunset")
        .await?;

    let inside = format!("/run/atek-folders/{key}/photos/a.txt");
    let on_host = format!("/var/lib/private/atek-app-{key}/photos/a.txt");
    for path in [&inside, &on_host] {
        let early = file(&host, &bob, path, None).await?;
        assert!(early["error"].is_string(), "{path}: {early}");
    }
    let pick = format!("folder:{key}/photos:read");
    let (asked, request) = tokio::join!(
        asks(&host, &bob, "folder:read", 60),
        answers(&bob, json!({ "answer": "always", "pick": pick }))
    );
    let choices = &request?["choices"];
    assert_eq!(choices[0]["title"], "photos (Album)", "{choices}");
    assert_eq!(
        choices.as_array().map(Vec::len),
        Some(2),
        "only bob's: {choices}"
    );
    // The app that asked is started again with it: its call ends, and it reads what was decided.
    drop(asked);
    host.service_is(CALLER, "running").await?;
    let again = asks(&host, &bob, "folder:read", 0).await?;
    assert_eq!(again["granted"], pick, "{again}");
    assert_eq!(
        file(&host, &bob, &inside, None).await?,
        json!({ "text": "sunset" })
    );
    let refused = file(&host, &bob, &inside, Some("mine")).await?;
    assert!(refused["error"].is_string(), "{refused}");

    // To write is another grant, in place of the first.
    let write =
        |service: &str, permission: &str| json!([{ "service": service, "permission": permission }]);
    let wider = write(CALLER, &format!("folder:{key}/photos:write"));
    bob.client.call(PERMISSIONS, "grant", wider).await?;
    host.service_is(CALLER, "running").await?;
    assert_eq!(
        file(&host, &bob, &inside, Some("mine")).await?,
        json!({ "text": "mine" })
    );
    assert_eq!(
        host.page(&bob, "album-node", "/get?name=a.txt").await?,
        "mine"
    );
    assert_eq!(grants(&bob).await?.len(), 1);

    // A link in place of a folder leads nowhere, and the app starts without it.
    let trap = write(CALLER, &format!("folder:{key}/trap:read"));
    bob.client.call(PERMISSIONS, "grant", trap).await?;
    host.service_is(CALLER, "running").await?;
    let path = format!("/run/atek-folders/{key}/trap/passwd");
    let trapped = file(&host, &bob, &path, None).await?;
    assert!(trapped["error"].is_string(), "{trapped}");

    // What its manifest does not name, what is another person's, and what another person's app is
    // to get.
    for (person, service, folder) in [
        (&bob, CALLER, format!("{key}/secrets")),
        (&bob, "hers", format!("{key}/photos")),
        (&carol, "hers", format!("{key}/photos")),
    ] {
        let params = write(service, &format!("folder:{folder}:read"));
        refusal(person.client.call(PERMISSIONS, "grant", params).await);
    }

    // Taken back, it is gone; so it is when the other app is.
    for grant in grants(&bob).await? {
        bob.client
            .call(PERMISSIONS, "revoke", json!([grant["id"]]))
            .await?;
    }
    host.service_is(CALLER, "running").await?;
    assert!(file(&host, &bob, &inside, None).await?["error"].is_string());
    let read = write(CALLER, &pick);
    bob.client.call(PERMISSIONS, "grant", read).await?;
    host.service_is(CALLER, "running").await?;
    assert_eq!(
        file(&host, &bob, &inside, None).await?,
        json!({ "text": "mine" })
    );
    let services = "atek.cloud/services-api";
    bob.client
        .call(
            services,
            "uninstall",
            json!(["album-node", { "keepData": true }]),
        )
        .await?;
    host.service_is(CALLER, "running").await?;
    assert!(grants(&bob).await?.is_empty());
    assert!(file(&host, &bob, &inside, None).await?["error"].is_string());
    Ok(())
}

/// Has the host read a service's record that grants what was never asked for, as a version from
/// before decision 0085 could have stored it.
async fn stored_before(host: &Host, key: &str, granted: Value) -> anyhow::Result<()> {
    let system = host.system()?;
    let config = system
        .call("atek.cloud/inspect-api", "getConfig", json!([]))
        .await?;
    let place = json!(["atek.cloud", "service", key]);
    let record = system
        .call(ADB, "recordGet", json!([config["serverDbId"], place]))
        .await?;
    let mut value = record["value"].clone();
    value["granted"] = granted;
    value["grantNotes"] = json!({});
    system
        .call(
            ADB,
            "recordPut",
            json!([config["serverDbId"], place, value]),
        )
        .await?;
    host.machine.exec(["systemctl", "restart", "atekd"]).await?;
    host.ready().await
}

#[tokio::test]
async fn what_was_stored_and_never_asked_for_waits_for_an_answer() -> anyhow::Result<()> {
    let host = Host::boot("grants-unasked").await?;
    let bob = host.person("bob", "").await?;
    let carol = host.person("carol", "").await?;
    let app = host.install(CALLER, "bob").await?;
    let key = app["key"].as_str().context("a key")?.to_owned();
    let hosts = json!({ "network": { "hosts": ["one.example.org", "two.example.org"] } });
    stored_before(&host, &key, hosts).await?;

    assert!(grants(&bob).await?.is_empty(), "it is not in force");
    let asked = pending(&bob).await?;
    let stored: Vec<_> = asked.iter().map(|one| one["permission"].clone()).collect();
    assert_eq!(stored, ["host:one.example.org", "host:two.example.org"]);
    assert!(asked.iter().all(|one| one["unasked"] == true), "{asked:?}");
    let answer = async |person: &Person, id: &Value, answer: &str| {
        let params = json!([id, { "answer": answer }]);
        person.client.call(PERMISSIONS, "answer", params).await
    };
    // Of another person, about what was not stored, and about a request that was never made.
    refusal(answer(&carol, &asked[0]["id"], "always").await);
    for id in [format!("{key}/host:three.example.org"), "1-1".to_owned()] {
        let refused = refusal(answer(&bob, &json!(id), "always").await);
        assert_eq!(refused.data["reason"], "not-found", "{id}: {refused}");
    }
    answer(&bob, &asked[0]["id"], "always").await?;
    answer(&bob, &asked[1]["id"], "deny").await?;
    for one in &asked {
        let again = refusal(answer(&bob, &one["id"], "always").await);
        assert_eq!(again.data["reason"], "not-found");
    }
    // Also over a restart: one is in force, and neither is asked about again.
    host.machine.exec(["systemctl", "restart", "atekd"]).await?;
    host.ready().await?;
    assert!(pending(&bob).await?.is_empty());
    let given = grants(&bob).await?;
    assert_eq!(given.len(), 1, "{given:?}");
    assert_eq!(given[0]["permission"], "host:one.example.org");
    assert_eq!(given[0]["by"], "bob");
    Ok(())
}
