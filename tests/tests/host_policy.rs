//! Every method of the host's own APIs asks the policy: a person who is a stranger to an app, and
//! an app without permissions, are refused by each of them.
//!
//! The methods are those of docs/api.md, which is made from the host's own table, so that a new one
//! cannot be forgotten here.

use anyhow::Context as _;
use atek_tests::host::{Host, Person};
use atek_tests::http::RpcError;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const DOCUMENT: &str = include_str!("../../docs/api.md");
const CALLER: &str = "caller-node";
/// "Invalid params" and "Method not found" (JSON-RPC 2.0): answers that say nothing about rights.
const NO_ANSWERS: [i64; 2] = [-32602, -32601];

/// A method as the document has it.
#[derive(Debug)]
struct Listed {
    api: String,
    name: String,
    /// Name and kind of those that must be given.
    params: Vec<(String, String)>,
    may: String,
}

fn listed() -> Vec<Listed> {
    let (mut api, mut method, mut found) = (String::new(), None, Vec::new());
    for line in DOCUMENT.lines() {
        if let Some(id) = line.strip_prefix("## atek.cloud/") {
            api = format!("atek.cloud/{id}");
        } else if let Some((name, params)) = signature(line) {
            method = Some((name, params));
        } else if let Some(may) = line.strip_prefix("May call it: ")
            && let Some((name, params)) = method.take()
        {
            found.push(Listed {
                api: api.clone(),
                name,
                params,
                may: may.trim_end_matches('.').to_owned(),
            });
        }
    }
    found
}

/// `` `name(one: kind, two?: kind)` → …``.
fn signature(line: &str) -> Option<(String, Vec<(String, String)>)> {
    let (call, _) = line.strip_prefix('`')?.split_once(")` →")?;
    let (name, params) = call.split_once('(')?;
    let is_depth_zero = |text: &str| text.matches('{').count() == text.matches('}').count();
    let mut parts: Vec<String> = Vec::new();
    for part in params.split(", ").filter(|part| !part.is_empty()) {
        match parts.last_mut().filter(|last| !is_depth_zero(last)) {
            Some(open) => open.push_str(&format!(", {part}")),
            None => parts.push(part.to_owned()),
        }
    }
    let params = parts.iter().filter_map(|part| part.split_once(": "));
    let needed = params.filter(|(name, _)| !name.ends_with('?'));
    let needed = needed.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    Some((name.to_owned(), needed.collect()))
}

/// What a call is aimed at: an app, its owner, and what was decided about it.
#[derive(Debug)]
struct Aim {
    id: String,
    owner: String,
    owner_key: String,
    grant: Value,
    share: Value,
}

impl Aim {
    fn argument(&self, method: &Listed, (name, kind): &(String, String)) -> Value {
        match (method.name.as_str(), name.as_str(), kind.as_str()) {
            ("revoke" | "answer", "id", _) => self.grant.clone(),
            ("unshare", "id", _) => self.share.clone(),
            (_, "id", _) => json!(self.id),
            (_, "userKey", _) => json!(self.owner_key),
            (_, "timezone", _) => json!("Europe/Vienna"),
            (_, "names", _) => json!(["box.example.org"]),
            ("create", "user", _) => {
                json!({ "username": "mallory", "password": "a very long one" })
            }
            ("update", "user", _) => json!({ "role": "admin" }),
            ("setPassword", _, _) => json!({ "new": "another very long one" }),
            (_, _, "InstallParams") => {
                json!({ "sourceUrl": "https://example.org/x.git", "user": self.owner })
            }
            (_, _, "ConfigureParams") => json!({ "id": "stolen" }),
            (_, _, "UpdateChanges") => json!({ "mode": "never" }),
            (_, _, "GrantParams") => json!({ "service": self.id, "permission": "host:a.org" }),
            (_, _, "ShareParams") => {
                json!({ "service": self.id, "user": "carol", "level": "manage" })
            }
            (_, _, "GroupParams") => json!({ "name": "Mine", "members": ["carol"] }),
            (_, _, "AnswerParams") => json!({ "answer": "always" }),
            (_, _, "RequestParams") => json!({ "permission": "direct", "reason": "" }),
            (_, _, "AddParams") => {
                json!({ "name": "mine", "source": "https://example.org/c.git", "key": "x" })
            }
            (_, _, "boolean") => json!(true),
            (_, _, "string") => json!("something"),
            (_, _, _) => json!({}),
        }
    }

    fn arguments(&self, method: &Listed) -> Value {
        let arguments = method
            .params
            .iter()
            .map(|param| self.argument(method, param));
        Value::Array(arguments.collect())
    }
}

/// Whether the document says that a person may call a method whatever it is aimed at.
fn is_for_everyone(may: &str) -> bool {
    ["everyone", "users in person", "users; apps"]
        .iter()
        .any(|open| may.starts_with(open))
}

/// What the answer says to one who may not: `None`, if it is a refusal or shows nothing of the aim.
fn leak(method: &Listed, answer: &Result<Value, RpcError>, aim: &Aim) -> Option<String> {
    let place = format!("{} {}", method.api, method.name);
    match answer {
        Err(error) if NO_ANSWERS.contains(&error.code) => {
            Some(format!("{place} was not reached: {error:?}"))
        }
        Err(_) => None,
        // What lists things lists those of the caller.
        Ok(shown) if method.params.is_empty() && !method.may.starts_with("administrators") => {
            let text = shown.to_string();
            let shows = text.contains(&aim.owner_key) || text.contains(&format!("{:?}", aim.id));
            shows.then(|| format!("{place} shows {text}"))
        }
        Ok(done) => Some(format!("{place} did it: {done}")),
    }
}

/// The answer that an app gets.
async fn by_app(
    host: &Host,
    person: &Person,
    method: &Listed,
    aim: &Aim,
) -> anyhow::Result<Result<Value, RpcError>> {
    let encoded =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let path = format!(
        "/call?api={}&method={}&params={}",
        encoded(&method.api),
        method.name,
        encoded(&aim.arguments(method).to_string())
    );
    let page: Value = serde_json::from_str(&host.page(person, CALLER, &path).await?)?;
    let body = page["body"].as_str().context("the app got an answer")?;
    let answer: Value = serde_json::from_str(body)?;
    if answer["error"].is_null() {
        return Ok(Ok(answer["result"].clone()));
    }
    Ok(Err(RpcError {
        code: answer["error"]["code"].as_i64().unwrap_or_default(),
        message: answer["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        data: answer["error"]["data"].clone(),
    }))
}

#[tokio::test]
async fn every_method_refuses_a_stranger_and_an_app_without_permissions() -> anyhow::Result<()> {
    let host = Host::boot("policy").await?;
    let alice = host.person("alice", "admin").await?;
    let carol = host.person("carol", "").await?;
    let permissions = "atek.cloud/permissions-api";
    for (id, owner) in [("hers", "alice"), ("second", "carol")] {
        let source = host.machine.place_app("hello-node").await?;
        host.install_from(json!({ "sourceUrl": source, "id": id, "user": owner }))
            .await?;
    }
    host.install(CALLER, "carol").await?;
    let mut aims = BTreeMap::new();
    for (id, name, owner) in [("hers", "alice", &alice), ("second", "carol", &carol)] {
        let give = json!([{ "service": id, "permission": "host:given.example.org" }]);
        let grant = alice.client.call(permissions, "grant", give).await?["id"].clone();
        let with = if id == "hers" { "carol" } else { "alice" };
        let share = json!([{ "service": id, "user": with, "level": "view" }]);
        let share = alice.client.call(permissions, "share", share).await?["id"].clone();
        let aim = Aim {
            id: id.to_owned(),
            owner: name.to_owned(),
            owner_key: owner.key.clone(),
            grant,
            share,
        };
        aims.insert(id, aim);
    }
    // A share to look at opens pages and shows that the app is there; so it would hide leaks here.
    let hers = &aims["hers"];
    alice
        .client
        .call(permissions, "unshare", json!([hers.share]))
        .await?;

    let before = (host.service("hers").await?, host.service("second").await?);
    let (mut leaks, mut asked) = (Vec::new(), 0);
    for method in &listed() {
        if !is_for_everyone(&method.may) {
            let answer = carol
                .client
                .call(&method.api, &method.name, hers.arguments(method));
            let answer = match answer.await {
                Ok(result) => Ok(result),
                Err(error) => Err(error.downcast::<RpcError>()?),
            };
            leaks.extend(leak(method, &answer, hers).map(|leak| format!("carol: {leak}")));
            asked += 1;
        }
        // What apps may without a permission: what is everyone's, asking, and what is about
        // themselves.
        let is_apps = method.may.starts_with("everyone") || method.may.starts_with("apps");
        if !is_apps || method.may.starts_with("everyone but apps") {
            // Who its owner is, an app may know.
            let knows_owner = method.may.ends_with("the user's apps");
            for aim in aims.values().filter(|aim| !knows_owner || aim.id == "hers") {
                let answer = by_app(&host, &carol, method, aim).await?;
                let found = leak(method, &answer, aim);
                leaks.extend(found.map(|leak| format!("an app, at {}: {leak}", aim.id)));
                asked += 1;
            }
        }
    }
    println!("{asked} calls that must be refused, {} leaks", leaks.len());
    assert!(asked > 150, "only {asked} calls were tried");
    assert!(leaks.is_empty(), "{leaks:#?}");
    for (id, before) in [("hers", before.0), ("second", before.1)] {
        let after = host.service(id).await?;
        for part in ["settings", "state"] {
            assert_eq!(after[part], before[part], "{id} was changed");
        }
    }
    Ok(())
}
