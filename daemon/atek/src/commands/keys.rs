//! `atek keys`: the keys of a user, what apps ask for, and the recovery words.

use super::users;
use crate::ask;
use crate::cli::keys::{KeyAction, Keys};
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::clean;
use crate::text::table::{Columns, Tone};
use atek_api::users::OpenKeys;
use serde::Deserialize;
use serde_json::{Map, Value, json};

const API: &str = "atek.cloud/keys-api";
const USERS: &str = atek_api::users::API;

/// The keys of one user, on one host.
struct Ring<'a> {
    host: &'a Host,
    user: String,
}

impl Ring<'_> {
    async fn call(
        &self,
        method: &'static str,
        params: Value,
        action: &str,
    ) -> Result<Value, Failure> {
        let mut params: Map<String, Value> = params.as_object().cloned().unwrap_or_default();
        params.insert("asUser".to_owned(), self.user.as_str().into());
        let answer = self.host.call(API, method, (params,), action).await?;
        read(method, &answer)
    }

    /// The same after asking for the user's password.
    async fn call_with_password(
        &self,
        method: &'static str,
        mut params: Value,
        action: &str,
    ) -> Result<Value, Failure> {
        params["password"] = ask::password("Password of the user: ")?.expose().into();
        self.call(method, params, action).await
    }
}

/// What `seed` tells of the recovery words.
#[derive(Deserialize)]
struct Seed {
    exists: bool,
    confirmed: bool,
    /// Whether the user's password opens them.
    holder: bool,
}

/// That no one has confirmed the recovery words; none where they were, and where the host does not
/// say.
pub(super) async fn reminder(host: &Host) -> Option<String> {
    for user in users::administrators(host).await.ok()? {
        let (username, user) = (user.username, user.key.to_string());
        let ring = Ring { host, user };
        let seed = ring.call("seed", json!({}), "look for the recovery words");
        let seed: Seed = serde_json::from_value(seed.await.ok()?).ok()?;
        if seed.exists && !seed.confirmed && seed.holder {
            let name = clean::line(&username);
            return Some(format!(
                "the recovery words were not confirmed: {name} writes them down on the page of the account"
            ));
        }
    }
    None
}

pub(super) async fn run(host: &Host, args: Keys) -> Result<(), Failure> {
    let user = whose(host, args.user.as_deref()).await?;
    let ring = Ring { host, user };
    match args.action.unwrap_or(KeyAction::List) {
        KeyAction::List => list(host, &ring.call("list", json!({}), "list the keys").await?),
        KeyAction::Create { name, kind } => {
            let params = json!({ "name": name, "kind": kind.name() });
            show_key(host, &ring.call("create", params, "make the key").await?)
        }
        KeyAction::Sign { key, text } => {
            let params = json!({ "key": key, "format": "text", "payload": text });
            let signed = ring.call("sign", params, "sign the text").await?;
            value(host, &signed, "signature")
        }
        KeyAction::Requests => {
            let pending = ring.call("pending", json!({}), "list the requests").await?;
            requests(host, &pending)
        }
        KeyAction::Answer { request, answer } => {
            let params = json!({ "request": request, "choice": answer.name() });
            ring.call("answer", params, "answer the request").await?;
            host.out.done("answered")
        }
        KeyAction::Grants => {
            let answer = ring
                .call("grants", json!({}), "list the permissions")
                .await?;
            grants(host, &answer)
        }
        KeyAction::Revoke { id } => {
            let params = json!({ "grant": id });
            ring.call("revoke", params, "take the permission back")
                .await?;
            host.out.done("taken back")
        }
        KeyAction::Uses => uses(host, &ring.call("uses", json!({}), "list the uses").await?),
        action => with_password(&ring, action).await,
    }
}

/// What shows or gives away a secret.
async fn with_password(ring: &Ring<'_>, action: KeyAction) -> Result<(), Failure> {
    let host = ring.host;
    match action {
        KeyAction::Derive { name } => {
            let params = json!({ "name": name });
            let key = ring
                .call_with_password("derive", params, "derive the key")
                .await?;
            show_key(host, &key)
        }
        KeyAction::Import { name, kind } => {
            let mut params = json!({ "name": name, "kind": kind.name() });
            params["password"] = ask::password("Password of the user: ")?.expose().into();
            params["secret"] = ask::password("Private key in hexadecimal: ")?
                .expose()
                .into();
            show_key(host, &ring.call("import", params, "import the key").await?)
        }
        KeyAction::Export { key } => {
            let params = json!({ "key": key });
            let exported = ring
                .call_with_password("export", params, "export the key")
                .await?;
            value(host, &exported, "secret")
        }
        KeyAction::Remove { key } => {
            let params = json!({ "key": key });
            ring.call_with_password("remove", params, "remove the key")
                .await?;
            host.out.done("removed")
        }
        KeyAction::Reseal { words } => reseal(ring, words).await,
        KeyAction::Hold => {
            let mut params = json!({});
            params["password"] = ask::password("Password of the user: ")?.expose().into();
            params["words"] = ask::password("Recovery words: ")?.expose().into();
            ring.call("holdSeed", params, "open the recovery secret")
                .await?;
            host.out
                .done("the password opens the recovery secret of the box")
        }
        KeyAction::Words => {
            let action = "show the recovery words";
            let shown = ring.call_with_password("words", json!({}), action).await?;
            words(host, &shown)
        }
        KeyAction::Confirm { words } => {
            let typed = words.iter().map(|pair| {
                let (place, word) = pair.split_once('=').ok_or_else(|| {
                    Failure::Usage("give each word as PLACE=WORD, such as 3=ocean".to_owned())
                })?;
                Ok((place.to_owned(), Value::from(word)))
            });
            let typed = typed.collect::<Result<Map<_, _>, Failure>>()?;
            let params = json!({ "words": typed });
            let action = "confirm the recovery words";
            ring.call_with_password("confirm", params, action).await?;
            host.out
                .done("confirmed: from now on the words are on your sheet only")
        }
        // Whatever needs no password was done before.
        _ => {
            let password = ask::password("Password of the user: ")?;
            let params = json!({ "user": ring.user, "password": password.expose() });
            let answer = host
                .call(API, "signedIn", (params,), "open the keys")
                .await?;
            read::<Value>("signedIn", &answer)?;
            host.out
                .done("the keys are open until the box starts again")
        }
    }
}

/// Opens a user's locked keys, with the recovery words or the old password, for the new password.
async fn reseal(ring: &Ring<'_>, words: bool) -> Result<(), Failure> {
    let host = ring.host;
    let password = ask::password("Password of the user: ")?;
    let asked = |wanted: bool, prompt: &str| wanted.then(|| ask::password(prompt)).transpose();
    let with = OpenKeys {
        password,
        old: asked(!words, "Old password: ")?,
        words: asked(words, "Recovery words: ")?,
    };
    host.call(USERS, "openKeys", (&ring.user, with), "open the keys")
        .await?;
    host.out.done("the password opens the keys")
}

/// The key of the named user, or of the only one.
async fn whose(host: &Host, name: Option<&str>) -> Result<String, Failure> {
    if let Some(name) = name {
        return Ok(super::users::named(host, name).await?.key.to_string());
    }
    match super::users::all(host).await?.as_slice() {
        [only] => Ok(only.key.to_string()),
        _ => Err(Failure::Usage(
            "say whose keys: atek keys --user NAME".to_owned(),
        )),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> std::borrow::Cow<'a, str> {
    clean::line(value[name].as_str().unwrap_or_default())
}

fn rows<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map_or(&[], Vec::as_slice)
}

fn json_or(host: &Host, answer: &Value, shown: impl FnOnce() -> String) -> Result<(), Failure> {
    match host.out.json {
        true => host.out.print(&format!("{answer}\n")),
        false => host.out.print(&shown()),
    }
}

fn value(host: &Host, answer: &Value, name: &str) -> Result<(), Failure> {
    json_or(host, answer, || format!("{}\n", text(answer, name)))
}

fn show_key(host: &Host, key: &Value) -> Result<(), Failure> {
    json_or(host, key, || {
        format!("{}  {}\n", text(key, "id"), text(key, "publicKey"))
    })
}

fn list(host: &Host, answer: &Value) -> Result<(), Failure> {
    if answer["locked"] == true {
        host.out
            .note("the keys are locked until their user signs in with the password");
    }
    json_or(host, answer, || {
        let mut table = Columns::new(
            host.out.look(),
            &["ID", "NAME", "KIND", "APP", "PUBLIC KEY"],
        );
        for key in rows(answer, "keys") {
            table.row([
                (&*text(key, "id"), Tone::Strong),
                (&*text(key, "name"), Tone::Plain),
                (&*text(key, "kind"), Tone::Plain),
                (&*text(key, "app"), Tone::Dim),
                (&*text(key, "publicKey"), Tone::Dim),
            ]);
        }
        table.render()
    })
}

fn requests(host: &Host, answer: &Value) -> Result<(), Failure> {
    json_or(host, answer, || {
        let mut shown = String::new();
        for request in rows(answer, "requests") {
            shown.push_str(&format!(
                "{}  {} wants to {}, with the key {}\n",
                text(request, "id"),
                text(request, "app"),
                text(request, "words"),
                text(request, "keyName")
            ));
            for field in rows(request, "fields") {
                shown.push_str(&format!(
                    "    {}: {}\n",
                    text(field, "name"),
                    text(field, "value")
                ));
            }
        }
        shown
    })
}

fn grants(host: &Host, answer: &Value) -> Result<(), Failure> {
    json_or(host, answer, || {
        let mut table = Columns::new(host.out.look(), &["ID", "APP", "KEY", "FOR"]);
        for grant in rows(answer, "grants") {
            table.row([
                (&*text(grant, "id"), Tone::Strong),
                (&*text(grant, "app"), Tone::Plain),
                (&*text(grant, "key"), Tone::Plain),
                (&*text(grant, "meaning"), Tone::Plain),
            ]);
        }
        table.render()
    })
}

fn uses(host: &Host, answer: &Value) -> Result<(), Failure> {
    json_or(host, answer, || {
        let mut table = Columns::new(host.out.look(), &["KEY", "BY", "WHAT"]);
        for used in rows(answer, "uses") {
            let by = text(used, "app");
            let by = if by.is_empty() { "in person" } else { &by };
            table.row([
                (&*text(used, "key"), Tone::Strong),
                (by, Tone::Plain),
                (&*text(used, "words"), Tone::Plain),
            ]);
        }
        table.render()
    })
}

fn words(host: &Host, answer: &Value) -> Result<(), Failure> {
    json_or(host, answer, || {
        let words = rows(answer, "words").iter().enumerate();
        let lines = words.map(|(at, word)| {
            format!(
                "{:>2}. {}\n",
                at + 1,
                clean::line(word.as_str().unwrap_or_default())
            )
        });
        lines.collect()
    })
}
