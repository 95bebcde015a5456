//! The app at a person's main page: named by key, and only ever the person's own.

use atek_tests::host::{Host, Person, SERVICES, USERS, refusal};
use serde_json::{Value, json};

/// Makes an app the person's main page.
async fn choose(person: &Person, id: &str) -> anyhow::Result<Value> {
    let params = json!([person.key, { "mainServiceId": id }]);
    person.client.call(USERS, "updateSettings", params).await
}

/// What the API says is at the person's main page.
async fn chosen(person: &Person) -> anyhow::Result<Value> {
    let settings = person
        .client
        .call(USERS, "getSettings", json!([person.key]));
    Ok(settings.await?["mainServiceId"].clone())
}

/// The key of the app to whose own site the person's main page leads. No app is served on the
/// main domain itself.
async fn leads_to(host: &Host, person: &Person) -> anyhow::Result<Value> {
    let response = person.client.get("/caller").await?;
    if response.status == 200 {
        // The built-in home, which answers every path with its page; an app would send JSON.
        assert!(response.text().starts_with("<!doctype html>"));
        return Ok(Value::Null);
    }
    let location = response.header("location").to_owned();
    let id = location
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix(".localhost/caller"));
    match id {
        Some(id) => {
            let service = host.service(id).await?;
            Ok(service["key"].clone())
        }
        None => Ok(Value::Null),
    }
}

async fn install(host: &Host, id: &str, owner: &str) -> anyhow::Result<Value> {
    let source = host.machine.place_app("hello-node").await?;
    let params = json!({ "sourceUrl": source, "id": id, "user": owner });
    Ok(host.install_from(params).await?["key"].clone())
}

#[tokio::test]
async fn a_freed_id_does_not_inherit_an_administrators_main_page() -> anyhow::Result<()> {
    let host = Host::boot("main-page").await?;
    let alice = host.person("alice", "admin").await?;
    let bob = host.person("bob", "").await?;
    let home = install(&host, "home", "alice").await?;
    assert_eq!(choose(&alice, "home").await?["mainServiceId"], "home");
    assert_eq!(leads_to(&host, &alice).await?, home);

    // The setting follows a rename; the service that takes the old id gains nothing.
    let system = host.system()?;
    let rename = json!(["home", { "id": "start" }]);
    system.call(SERVICES, "configure", rename).await?;
    let bobs = install(&host, "home", "bob").await?;
    assert_eq!(chosen(&alice).await?, "start");
    assert_eq!(leads_to(&host, &alice).await?, home);

    // It ends with the app, and stays ended when the id is taken and when the host restarts.
    system.call(SERVICES, "uninstall", json!(["start"])).await?;
    let rename = json!(["home", { "id": "start" }]);
    bob.client.call(SERVICES, "configure", rename).await?;
    assert_eq!(chosen(&alice).await?, Value::Null);
    assert_ne!(leads_to(&host, &alice).await?, bobs);
    host.machine
        .exec(["systemctl", "restart", "atekd.service"])
        .await?;
    host.ready().await?;
    assert_eq!(chosen(&alice).await?, Value::Null);
    assert_ne!(leads_to(&host, &alice).await?, bobs);

    // Not even an administrator chooses another user's app; its owner does.
    refusal(choose(&alice, "start").await);
    assert_eq!(choose(&bob, "start").await?["mainServiceId"], "start");
    assert_eq!(leads_to(&host, &bob).await?, bobs);

    // Transferred to another user, it is no main page until its new owner chooses it.
    let give = json!([bob.key, { "services": "give", "to": "alice" }]);
    system.call(USERS, "delete", give).await?;
    assert_ne!(leads_to(&host, &alice).await?, bobs);
    assert_eq!(choose(&alice, "start").await?["mainServiceId"], "start");
    assert_eq!(leads_to(&host, &alice).await?, bobs);
    assert_eq!(choose(&alice, "").await?["mainServiceId"], Value::Null);
    Ok(())
}
