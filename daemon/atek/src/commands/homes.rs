//! Databases that go to and come from other homes: `atek share link`, `atek follow`.

use super::db;
use crate::cli::homes::{Follow, Unfollow};
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone};
use crate::text::{clean, size, time};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

const API: &str = "atek.cloud/hypercore-api";

/// The hypercore service, for one person.
pub(super) struct Home<'a> {
    host: &'a Host,
    user: String,
}

/// A link to a database, as the service tells it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Share {
    id: String,
    db_id: String,
    access: String,
    #[serde(default)]
    label: String,
    link: String,
    #[serde(default)]
    peers: u64,
    #[serde(default)]
    sent_bytes: u64,
    created_at: String,
    error: Option<String>,
}

/// A database of another home that is followed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Followed {
    id: String,
    db_id: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    peers: u64,
    #[serde(default)]
    received_bytes: u64,
    last_seen: Option<String>,
    error: Option<String>,
}

/// The owner of a database.
#[derive(Deserialize)]
struct Described {
    owner: Option<Owner>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    user_key: Option<String>,
}

impl<'a> Home<'a> {
    /// For the named user, or the only one of the box.
    pub(super) async fn of(host: &'a Host, name: Option<&str>) -> Result<Self, Failure> {
        let user = match name {
            Some(name) => super::users::named(host, name).await?.key.to_string(),
            None => match super::users::all(host).await?.as_slice() {
                [only] => only.key.to_string(),
                _ => return Err(Failure::Usage("say for whom: --user NAME".to_owned())),
            },
        };
        Ok(Self { host, user })
    }

    /// Calls a method; `action` completes "cannot …".
    pub(super) async fn call(
        &self,
        method: &str,
        mut params: Vec<Value>,
        action: &str,
    ) -> Result<Box<RawValue>, Failure> {
        params.push(json!({ "asUser": self.user }));
        self.host.call(API, method, params, action).await
    }
}

/// Shares a database by a link, for its owner.
pub(super) async fn link(
    host: &Host,
    db: &str,
    label: Option<String>,
    public: bool,
) -> Result<(), Failure> {
    let id = db::id(host, db).await?;
    let action = "share the database";
    let described = host.call(db::API, "dbDescribe", (&id,), action).await?;
    let owner = read::<Described>("dbDescribe", &described)?.owner;
    let Some(user) = owner.and_then(|owner| owner.user_key) else {
        return Err(Failure::Usage(format!("the database {db} has no owner")));
    };
    let home = Home { host, user };
    // Its owner's word: the service reads it from now on.
    let consent = (&id, json!({ "replicated": true }));
    host.call(db::API, "adminEditDbConfig", consent, action)
        .await?;
    let access = if public { "public" } else { "link" };
    let options = json!({ "access": access, "label": label });
    let answer = home.call("share", vec![json!(id), options], action).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let share = read::<Share>("share", &answer)?;
    host.out.note(if public {
        "everybody who knows this link can read the database"
    } else {
        "who has this link can read the database and pass the link on; atek share unlink ends it"
    });
    host.out.print(&format!("{}\n", clean::line(&share.link)))
}

pub(super) async fn links(host: &Host, user: Option<&str>) -> Result<(), Failure> {
    let home = Home::of(host, user).await?;
    let answer = home.call("shares", Vec::new(), "list the links").await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let shares = read::<Vec<Share>>("shares", &answer)?;
    if shares.is_empty() {
        return host
            .out
            .done("no database has a link, make one with: atek share link DATABASE");
    }
    let headings = [
        "ID",
        "DATABASE",
        "FOR",
        "READERS",
        "HOMES NOW",
        ">SENT",
        "SINCE",
        "STATE",
    ];
    let mut table = Columns::new(host.out.look(), &headings);
    for share in &shares {
        let readers = match share.access.as_str() {
            "public" => "everybody",
            _ => "with the link",
        };
        table.row([
            (&*clean::line(&share.id), Tone::Strong),
            (&*short(&share.db_id), Tone::Plain),
            (&*clean::line(&share.label), Tone::Plain),
            (readers, Tone::Plain),
            (&share.peers.to_string(), Tone::Plain),
            (&size::bytes(share.sent_bytes), Tone::Plain),
            (
                &time::age_of(Some(&share.created_at), host.now()),
                Tone::Plain,
            ),
            (&*state(share.error.as_deref()), Tone::Warn),
        ]);
    }
    host.out.print(&table.render())
}

pub(super) async fn unlink(host: &Host, id: &str, user: Option<&str>) -> Result<(), Failure> {
    let home = Home::of(host, user).await?;
    let answer = home
        .call("unshare", vec![json!(id)], "end the link")
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    host.out
        .done("ended: nothing more is sent; what was sent before stays where it is")
}

pub(super) async fn follow(host: &Host, args: Follow) -> Result<(), Failure> {
    let home = Home::of(host, args.whose.user.as_deref()).await?;
    let Some(link) = args.link else {
        return followed(host, &home).await;
    };
    let params = vec![json!(link), json!({ "label": args.label })];
    let answer = home.call("follow", params, "follow the link").await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let follow = read::<Followed>("follow", &answer)?;
    host.out
        .note("the copy fills as soon as the other home is reached; see: atek follow");
    host.out.print(&format!("{}\n", clean::line(&follow.db_id)))
}

async fn followed(host: &Host, home: &Home<'_>) -> Result<(), Failure> {
    let answer = home
        .call("follows", Vec::new(), "list what is followed")
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let follows = read::<Vec<Followed>>("follows", &answer)?;
    if follows.is_empty() {
        return host
            .out
            .done("no database of another home is followed, follow one with: atek follow LINK");
    }
    let headings = [
        "ID",
        "COPY",
        "NAME",
        "CONNECTED",
        ">RECEIVED",
        "LAST NEWS",
        "STATE",
    ];
    let mut table = Columns::new(host.out.look(), &headings);
    for follow in &follows {
        let connected = if follow.peers > 0 { "yes" } else { "no" };
        table.row([
            (&*clean::line(&follow.id), Tone::Strong),
            (&*short(&follow.db_id), Tone::Plain),
            (&*clean::line(&follow.label), Tone::Plain),
            (connected, Tone::Plain),
            (&size::bytes(follow.received_bytes), Tone::Plain),
            (
                &time::age_of(follow.last_seen.as_deref(), host.now()),
                Tone::Plain,
            ),
            (&*state(follow.error.as_deref()), Tone::Warn),
        ]);
    }
    host.out.print(&table.render())
}

pub(super) async fn unfollow(host: &Host, args: &Unfollow) -> Result<(), Failure> {
    let home = Home::of(host, args.whose.user.as_deref()).await?;
    let params = vec![json!(args.id), json!({ "keep": args.keep })];
    let answer = home.call("unfollow", params, "stop following it").await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    host.out.done(if args.keep {
        "no longer followed; the copy is a database of your own now"
    } else {
        "no longer followed, and its copy is deleted"
    })
}

/// So many digits name a database to a person.
fn short(id: &str) -> String {
    clean::line(id).chars().take(12).collect()
}

fn state(error: Option<&str>) -> std::borrow::Cow<'_, str> {
    clean::line(error.unwrap_or_default())
}
