//! Finding databases by name; listing, describing and deleting them.

use super::API;
use crate::ask;
use crate::cli::db::{Drop, Ls};
use crate::commands::users;
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone, fields};
use crate::text::{clean, size, time};
use atek_api::ids::{DbId, SYSTEM};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The name by which people call the server database.
const SERVER: &str = "server";
/// So many digits name a database to a person.
const SHORT: usize = 12;
/// Fewer digits than this are an alias, not the beginning of an id.
const MIN_PREFIX: usize = 4;

/// What ADB says of a database; what this program does not show is left out.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DbInfo {
    db_id: DbId,
    #[serde(default)]
    is_server_db: bool,
    #[serde(default)]
    owner: Option<Owner>,
    #[serde(default)]
    alias: Option<String>,
    #[serde(default)]
    access: Option<String>,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    usage: Option<Amount>,
    #[serde(default)]
    quota: Option<Amount>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    #[serde(default)]
    user_key: Option<String>,
    #[serde(default)]
    service_key: Option<String>,
}

/// Bytes and records: used, or allowed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Amount {
    #[serde(alias = "maxBytes")]
    bytes: u64,
    #[serde(alias = "maxRecords")]
    records: u64,
}

/// Names for the keys of users and services.
#[derive(Debug, Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    async fn load(host: &Host) -> Self {
        let mut names = BTreeMap::new();
        // Without them the keys will do.
        if let Ok(users) = users::all(host).await {
            names.extend(
                users
                    .into_iter()
                    .map(|user| (user.key.to_string(), user.username)),
            );
        }
        if let Ok(services) = host.services().await {
            names.extend(
                services
                    .into_iter()
                    .map(|service| (service.key.to_string(), service.settings.id.to_string())),
            );
        }
        Self(names)
    }

    fn of(&self, key: Option<&str>) -> String {
        let key = key.unwrap_or_default();
        clean::line(self.0.get(key).map_or(key, String::as_str)).into_owned()
    }
}

/// All databases, or those of one user.
async fn all(host: &Host, user: Option<&str>) -> Result<Box<RawValue>, Failure> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Filter {
        #[serde(skip_serializing_if = "Option::is_none")]
        user_key: Option<String>,
    }
    let user_key = match user {
        Some(SYSTEM) => Some(SYSTEM.to_owned()),
        Some(name) => Some(users::named(host, name).await?.key.into()),
        None => None,
    };
    host.call(
        API,
        "adminListDbs",
        (Filter { user_key },),
        "list the databases",
    )
    .await
}

/// The id of the database that a person means.
pub(in crate::commands) async fn id(host: &Host, name: &str) -> Result<DbId, Failure> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let databases: Vec<DbInfo> = read("adminListDbs", &all(host, None).await?)?;
    choose(name, &databases)
}

/// An alias beats the beginning of an id; two candidates are one too many.
fn choose(name: &str, databases: &[DbInfo]) -> Result<DbId, Failure> {
    if name == SERVER
        && let Some(server) = databases.iter().find(|db| db.is_server_db)
    {
        return Ok(server.db_id.clone());
    }
    let mut found: Vec<&DbInfo> = databases
        .iter()
        .filter(|db| db.alias.as_deref() == Some(name))
        .collect();
    if found.is_empty() && name.len() >= MIN_PREFIX {
        let prefix = name.to_ascii_lowercase();
        found = databases
            .iter()
            .filter(|db| db.db_id.as_str().starts_with(&prefix))
            .collect();
    }
    match found[..] {
        [] => Err(Failure::NoDatabase {
            name: name.to_owned(),
        }),
        [one] => Ok(one.db_id.clone()),
        _ => Err(Failure::AmbiguousDatabase {
            name: name.to_owned(),
            candidates: found.iter().map(|db| short(&db.db_id)).collect(),
        }),
    }
}

fn short(id: &DbId) -> String {
    id.as_str().chars().take(SHORT).collect()
}

pub(super) async fn list(host: &Host, args: &Ls) -> Result<(), Failure> {
    let answer = all(host, args.user.as_deref()).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let databases: Vec<DbInfo> = read("adminListDbs", &answer)?;
    if databases.is_empty() {
        return host.out.done("there are no databases");
    }
    let names = Names::load(host).await;
    let mut table = Columns::new(
        host.out.look(),
        &[
            "ID", "ALIAS", "USER", "SERVICE", "ACCESS", ">RECORDS", ">SIZE", "CREATED",
        ],
    );
    for db in &databases {
        let owner = db.owner.as_ref();
        let alias = if db.is_server_db {
            SERVER
        } else {
            db.alias.as_deref().unwrap_or_default()
        };
        let created = db
            .created_at
            .as_deref()
            .map(|text| time::date(text, &host.zone));
        table.row([
            (&*short(&db.db_id), Tone::Strong),
            (&clean::line(alias), Tone::Plain),
            (
                &names.of(owner.and_then(|owner| owner.user_key.as_deref())),
                Tone::Plain,
            ),
            (
                &names.of(owner.and_then(|owner| owner.service_key.as_deref())),
                Tone::Plain,
            ),
            (
                &clean::line(db.access.as_deref().unwrap_or_default()),
                Tone::Plain,
            ),
            (
                &db.usage
                    .as_ref()
                    .map(|used| used.records.to_string())
                    .unwrap_or_default(),
                Tone::Plain,
            ),
            (
                &db.usage
                    .as_ref()
                    .map(|used| size::bytes(used.bytes))
                    .unwrap_or_default(),
                Tone::Plain,
            ),
            (&created.unwrap_or_default(), Tone::Dim),
        ]);
    }
    host.out.print(&table.render())
}

pub(super) async fn describe(host: &Host, name: &str) -> Result<(), Failure> {
    let id = id(host, name).await?;
    let answer = host
        .call(
            API,
            "dbDescribe",
            (&id,),
            &format!("describe the database {name}"),
        )
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let db: DbInfo = read("dbDescribe", &answer)?;
    let names = Names::load(host).await;
    let owner = db.owner.as_ref();
    let mut rows = vec![("Id", db.db_id.to_string())];
    if let Some(alias) = &db.alias {
        rows.push(("Alias", clean::line(alias).into_owned()));
    }
    rows.push((
        "User",
        names.of(owner.and_then(|owner| owner.user_key.as_deref())),
    ));
    rows.push((
        "Service",
        names.of(owner.and_then(|owner| owner.service_key.as_deref())),
    ));
    rows.push((
        "Access",
        clean::line(db.access.as_deref().unwrap_or("-")).into_owned(),
    ));
    if let Some(created) = &db.created_at {
        rows.push(("Created", time::with_age(created, host.now(), &host.zone)));
    }
    if let Some(used) = &db.usage {
        let of = |limit: Option<String>| {
            limit
                .map(|limit| format!(" of {limit}"))
                .unwrap_or_default()
        };
        let quota = db.quota.as_ref();
        rows.push((
            "Records",
            format!(
                "{}{}",
                used.records,
                of(quota.map(|q| q.records.to_string()))
            ),
        ));
        rows.push((
            "Size",
            format!(
                "{}{}",
                size::bytes(used.bytes),
                of(quota.map(|q| size::bytes(q.bytes)))
            ),
        ));
    }
    host.out.print(&fields(&rows))
}

pub(super) async fn delete(host: &Host, args: &Drop) -> Result<(), Failure> {
    let id = id(host, &args.db).await?;
    let question = format!(
        "Delete the database {} ({}), with everything in it?",
        args.db,
        short(&id)
    );
    ask::confirm_or_flag(args.yes, &question).await?;
    let action = format!("delete the database {}", args.db);
    let answer = host.call(API, "adminDeleteDb", (&id,), &action).await?;
    if host.out.json {
        host.out.print_json(&answer)
    } else {
        host.out.done(&format!("deleted {id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn db(id: &str, alias: Option<&str>, is_server_db: bool) -> DbInfo {
        DbInfo {
            db_id: id.repeat(64 / id.len()).parse().unwrap(),
            is_server_db,
            owner: None,
            alias: alias.map(str::to_owned),
            access: None,
            created_at: None,
            usage: None,
            quota: None,
        }
    }

    #[test]
    fn a_database_is_found_by_alias_or_by_the_first_digits_of_its_id() {
        let databases = [
            db("ab", Some("notes"), false),
            db("abab0000", None, false),
            db("cd", Some("notes"), false),
            db("ef", Some("abab"), false),
            db("01", None, true),
        ];
        for (name, expected) in [
            ("server", Ok(4)),
            ("ababab", Ok(0)),
            ("ABABAB", Ok(0)),
            ("abab", Ok(3)),
            ("cdcd", Ok(2)),
            ("notes", Err("several")),
            ("cd", Err("none")),
            ("wiki", Err("none")),
            ("", Err("none")),
        ] {
            let got = choose(name, &databases);
            match expected {
                Ok(index) => assert_eq!(got.unwrap(), databases[index].db_id, "{name}"),
                Err("several") => assert!(
                    matches!(got, Err(Failure::AmbiguousDatabase { .. })),
                    "{name}"
                ),
                Err(_) => assert!(matches!(got, Err(Failure::NoDatabase { .. })), "{name}"),
            }
        }
    }
}
