//! The key service on a booted host: an app that asks for a signature, people who answer, recovery
//! words, and the command line.

use anyhow::Context as _;
use atek_tests::host::{Host, PASSWORD, Person, SETUP, SOON, USERS, refusal};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

const KEYS: &str = "atek.cloud/keys-api";
const CALLER: &str = "caller-node";
const UNIT: &str = "atek-app-core.keys.service";

/// The JSON-RPC answer that the app gets.
async fn app_calls(
    host: &Host,
    person: &Person,
    method: &str,
    params: Value,
) -> anyhow::Result<Value> {
    let encoded =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let path = format!(
        "/call?api={}&method={method}&params={}",
        encoded(KEYS),
        encoded(&json!([params]).to_string())
    );
    let page = host
        .visit(person, CALLER)
        .await?
        .patient(Duration::from_secs(90));
    let answer = page.get(&path).await?.json()?;
    let body = answer["body"].as_str().context("the app got an answer")?;
    Ok(serde_json::from_str(body)?)
}

async fn by_hand(person: &Person, method: &str, params: Value) -> anyhow::Result<Value> {
    person.client.call(KEYS, method, json!([params])).await
}

/// Signing in opens the keys soon after.
async fn open(person: &Person) -> anyhow::Result<()> {
    wait_for("the keys are open", SOON, async || {
        let list = by_hand(person, "list", json!({})).await?;
        Ok(Seen::if_so(list, |list| list["locked"] == false))
    })
    .await?;
    Ok(())
}

async fn answers(person: &Person, choice: &str) -> anyhow::Result<Value> {
    let pending = wait_for("a request of the app", SOON, async || {
        let pending = by_hand(person, "pending", json!({})).await?;
        Ok(Seen::if_so(pending, |it| it["requests"][0].is_object()))
    })
    .await?;
    let request = pending["requests"][0].clone();
    let answer = json!({ "request": request["id"], "choice": choice });
    by_hand(person, "answer", answer).await?;
    Ok(request)
}

#[tokio::test]
async fn an_app_signs_after_a_yes_and_a_restart_locks_the_keys() -> anyhow::Result<()> {
    let host = Host::boot("keys-sign").await?;
    let anna = host.person("anna", "admin").await?;
    let bob = host.person("bob", "").await?;
    host.install(CALLER, "anna").await?;
    open(&anna).await?;
    let key = by_hand(
        &anna,
        "create",
        json!({ "kind": "ed25519", "name": "mine" }),
    )
    .await?;

    let wanted = json!({ "key": key["id"], "format": "text", "payload": "hello", "wait": 60 });
    let (signed, request) = tokio::join!(
        app_calls(&host, &anna, "sign", wanted.clone()),
        answers(&anna, "once")
    );
    assert_eq!(request?["words"], "sign this text");
    let signed = signed?["result"].clone();
    let check = json!({ "kind": "ed25519", "publicKey": key["publicKey"], "format": "text",
        "payload": "hello", "signature": signed["signature"] });
    assert_eq!(by_hand(&bob, "verify", check).await?, json!(true));
    // Neither the app nor another person does what anna does by hand, nor makes itself her.
    for method in [
        "export",
        "words",
        "pending",
        "answer",
        "uses",
        "unattended",
        "begin",
    ] {
        let params =
            json!({ "key": key["id"], "password": PASSWORD, "user": anna.key, "asUser": anna.key });
        let refused = app_calls(&host, &anna, method, params.clone()).await?;
        assert!(refused["error"].is_object(), "{method}: {refused}");
        if !["pending", "uses"].contains(&method) {
            refusal(by_hand(&bob, method, params).await);
        }
    }
    let sign = json!({ "key": key["id"], "format": "text", "payload": "hello" });
    refusal(by_hand(&bob, "sign", sign.clone()).await);

    // Confined as the database is: no network, and nothing but its own folder.
    let security = host
        .machine
        .exec(["systemd-analyze", "security", "--no-pager", UNIT])
        .await?;
    let level = security.lines().last().unwrap_or_default().to_owned();
    let score = level
        .split_whitespace()
        .find_map(|word| word.parse::<f64>().ok());
    assert!(score.is_some_and(|score| score <= 2.0), "{level}");

    host.machine.exec(["systemctl", "restart", UNIT]).await?;
    host.service_is("core.keys", "running").await?;
    let refused = refusal(by_hand(&anna, "sign", sign.clone()).await);
    assert_eq!(refused.data["reason"], "locked");
    host.sign_in("anna", PASSWORD).await?;
    open(&anna).await?;
    by_hand(&anna, "sign", sign).await?;
    let uses = by_hand(&anna, "uses", json!({})).await?;
    assert_eq!(uses["uses"].as_array().map(Vec::len), Some(2), "{uses}");

    let listed = host
        .machine
        .exec(["atek", "keys", "--user", "anna"])
        .await?;
    assert!(listed.contains("mine"), "{listed}");
    Ok(())
}

#[tokio::test]
async fn an_administrator_helps_a_user_whose_password_is_forgotten() -> anyhow::Result<()> {
    let host = Host::boot("keys-help").await?;
    let anna = host.person("anna", "admin").await?;
    open(&anna).await?;
    let bob = host.person("bob", "").await?;
    open(&bob).await?;
    let carl = host.person("carl", "admin").await?;
    open(&carl).await?;
    let wanted = json!({ "kind": "ed25519", "name": "mine" });
    let key = by_hand(&bob, "create", wanted).await?;
    let sign = json!({ "key": key["id"], "format": "text", "payload": "hello" });
    let set = async |by: &Person, change: Value| {
        let params = json!([bob.key, change]);
        by.client.call(USERS, "setPassword", params).await
    };
    let as_bob = async |password: &str| -> anyhow::Result<Person> {
        let cookie = host.sign_in("bob", password).await?;
        Ok(Person {
            client: host
                .stranger()
                .header("cookie", &format!("session={cookie}")),
            cookie,
            key: bob.key.clone(),
        })
    };

    // Without help the keys are locked, also while they were open; bob has his old password.
    let told = set(&carl, json!({ "new": "set by carl alone" })).await?;
    assert_eq!(told["keys"], "locked");
    let bob_again = as_bob("set by carl alone").await?;
    let refused = refusal(by_hand(&bob_again, "sign", sign.clone()).await);
    assert_eq!(refused.data["reason"], "locked");
    let open_keys = async |with: Value| {
        let params = json!([bob.key, with]);
        bob_again.client.call(USERS, "openKeys", params).await
    };
    let slip = json!({ "password": "not my password", "old": PASSWORD });
    refusal(open_keys(slip).await);
    let not_old = json!({ "password": "set by carl alone", "old": "not the old one" });
    refusal(open_keys(not_old).await);
    open_keys(json!({ "password": "set by carl alone", "old": PASSWORD })).await?;
    by_hand(&bob_again, "sign", sign.clone()).await?;

    // Carl's password opens no recovery secret; a refused help changes nothing.
    let help =
        |password: &str| json!({ "new": "set with annas help", "help": { "password": password } });
    let refused = refusal(set(&carl, help(PASSWORD)).await);
    assert!(
        refused.message.contains("ask the administrator"),
        "{refused:?}"
    );
    let refused = refusal(set(&anna, help("not annas password")).await);
    assert!(refused.message.contains("your own password"), "{refused:?}");
    let stolen = json!({ "new": "set by bob", "help": { "by": anna.key, "password": PASSWORD } });
    refusal(set(&carl, stolen).await);
    as_bob("set by carl alone").await?;
    let told = set(&anna, help(PASSWORD)).await?;
    assert_eq!(told["keys"], "opened");
    host.machine.exec(["systemctl", "restart", UNIT]).await?;
    host.service_is("core.keys", "running").await?;
    let bob_again = as_bob("set with annas help").await?;
    open(&bob_again).await?;
    by_hand(&bob_again, "sign", sign.clone()).await?;

    // On the command line of the box, and bob is told who did it.
    let passwords = format!("set on the command line\n{PASSWORD}\n");
    host.machine.write("/root/passwords", &passwords).await?;
    let script = "atek passwd bob --password-stdin --helper anna < /root/passwords";
    // Anna has not signed in since the restart, which is not needed to help.
    let told = host.machine.exec(["sh", "-c", script]).await?;
    assert!(told.contains("it opens their keys"), "{told}");
    let bob_again = as_bob("set on the command line").await?;
    by_hand(&bob_again, "sign", sign).await?;
    let audit = bob_again
        .client
        .call("atek.cloud/permissions-api", "audit", json!([]))
        .await?;
    let rows = audit["rows"].as_array().context("rows")?;
    let told: Vec<_> = rows
        .iter()
        .filter(|row| row["kind"] == "password")
        .map(|row| {
            (
                row["who"].as_str(),
                row["about"].as_str(),
                row["what"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some("system"), Some("bob"), Some("keys opened")),
            (Some("anna"), Some("bob"), Some("keys opened")),
            (Some("carl"), Some("bob"), Some("keys locked")),
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_with_the_recovery_words() -> anyhow::Result<()> {
    let host = Host::boot("keys-recover").await?;
    let anna = host.person("anna", "admin").await?;
    open(&anna).await?;
    let key = by_hand(
        &anna,
        "create",
        json!({ "kind": "ed25519", "name": "mine" }),
    )
    .await?;
    let words = by_hand(&anna, "words", json!({ "password": PASSWORD })).await?;
    let words: Vec<String> = serde_json::from_value(words["words"].clone())?;
    let typed = json!({ "2": words[1], "20": words[19] });
    let status = host.machine.exec(["atek", "status"]).await?;
    assert!(status.contains("anna writes them down"), "{status}");
    by_hand(
        &anna,
        "confirm",
        json!({ "password": PASSWORD, "words": typed }),
    )
    .await?;
    let status = host.machine.exec(["atek", "status"]).await?;
    assert!(!status.contains("recovery words"), "{status}");

    let recover = async |words: &str| {
        let params =
            json!([{ "words": words, "username": "anna", "password": "a whole new password" }]);
        host.stranger().call(SETUP, "recoverPassword", params).await
    };
    let wrong = "abandon ".repeat(23) + "art";
    assert_eq!(refusal(recover(&wrong).await).data["field"], "words");
    host.sign_in("anna", PASSWORD).await?;
    recover(&words.join(" ")).await?;
    assert!(host.sign_in("anna", PASSWORD).await.is_err());
    let cookie = host.sign_in("anna", "a whole new password").await?;
    let anna = Person {
        client: host
            .stranger()
            .header("cookie", &format!("session={cookie}")),
        cookie,
        key: anna.key,
    };
    let sign = json!({ "key": key["id"], "format": "text", "payload": "hello" });
    by_hand(&anna, "sign", sign).await?;
    Ok(())
}
