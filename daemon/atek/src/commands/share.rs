//! `atek share` and `atek groups`.

use super::homes;
use super::permissions::seconds;
use crate::cli::rights::{GroupAction, Groups, Share, ShareAction, ShareWith};
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone};
use crate::text::{clean, time};
use atek_api::grants::{API, GroupInfo, GroupParams, Level, ShareInfo, ShareParams};
use atek_api::ids::DbId;
use serde::Deserialize;

#[derive(Deserialize)]
struct Shares {
    shares: Vec<ShareInfo>,
}

#[derive(Deserialize)]
struct GroupList {
    groups: Vec<GroupInfo>,
}

pub(super) async fn run(host: &Host, args: Share) -> Result<(), Failure> {
    match args.action.unwrap_or(ShareAction::List) {
        ShareAction::List => list(host).await,
        ShareAction::App { id, with } => share(host, Some(id), None, with).await,
        ShareAction::Db { id, with } => share(host, None, Some(id), with).await,
        ShareAction::Link { db, label, public } => homes::link(host, &db, label, public).await,
        ShareAction::Links { user } => homes::links(host, user.as_deref()).await,
        ShareAction::Unlink { id, user } => homes::unlink(host, &id, user.as_deref()).await,
        ShareAction::End { id } => {
            let answer = host.call(API, "unshare", (&id,), "end the share").await?;
            if host.out.json {
                return host.out.print_json(&answer);
            }
            host.out.done("no longer shared")
        }
    }
}

async fn share(
    host: &Host,
    service: Option<String>,
    database: Option<DbId>,
    with: ShareWith,
) -> Result<(), Failure> {
    let params = ShareParams {
        service,
        database,
        user: with.user,
        group: with.group,
        level: with.level.level(),
        seconds: seconds(with.time),
    };
    let answer = host.call(API, "share", (params,), "share it").await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    host.out.done("shared")
}

async fn list(host: &Host) -> Result<(), Failure> {
    let answer = host.call(API, "shares", [(); 0], "list the shares").await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let shares = read::<Shares>("shares", &answer)?.shares;
    if shares.is_empty() {
        return host.out.done("nothing is shared");
    }
    let mut table = Columns::new(
        host.out.look(),
        &["WHAT", "OF", "WITH", "LEVEL", "SINCE", "ID"],
    );
    for share in &shares {
        let with = match (&share.user, &share.group) {
            (Some(user), _) => user.clone(),
            (None, Some(group)) => format!("group {group}"),
            (None, None) => String::new(),
        };
        let what = match &share.service {
            Some(id) => id.to_string(),
            None => format!("database {}", share.title),
        };
        let level = match share.level {
            Level::View => "view",
            Level::Use => "use",
            Level::Manage => "manage",
        };
        table.row([
            (&*clean::line(&what), Tone::Strong),
            (&*clean::line(&share.owner), Tone::Plain),
            (&*clean::line(&with), Tone::Plain),
            (level, Tone::Plain),
            (&time::age_of(Some(&share.since), host.now()), Tone::Plain),
            (share.id.as_str(), Tone::Dim),
        ]);
    }
    host.out.print(&table.render())
}

pub(super) async fn groups(host: &Host, args: Groups) -> Result<(), Failure> {
    match args.action.unwrap_or(GroupAction::List) {
        GroupAction::List => list_groups(host).await,
        GroupAction::Set { name, members } => {
            let key = all_groups(host)
                .await?
                .into_iter()
                .find(|group| group.name == name);
            let params = GroupParams {
                key: key.map(|group| group.key),
                name: name.clone(),
                members,
            };
            let answer = host
                .call(API, "putGroup", (params,), "change the group")
                .await?;
            if host.out.json {
                return host.out.print_json(&answer);
            }
            host.out.done(&format!("the group {name} is stored"))
        }
        GroupAction::Remove { name } => {
            let found = all_groups(host)
                .await?
                .into_iter()
                .find(|group| group.name == name);
            let Some(group) = found else {
                return Err(Failure::Usage(format!("there is no group named {name}")));
            };
            let answer = host
                .call(API, "removeGroup", (&group.key,), "remove the group")
                .await?;
            if host.out.json {
                return host.out.print_json(&answer);
            }
            host.out.done(&format!("removed the group {name}"))
        }
    }
}

async fn all_groups(host: &Host) -> Result<Vec<GroupInfo>, Failure> {
    let answer = host.call(API, "groups", [(); 0], "list the groups").await?;
    Ok(read::<GroupList>("groups", &answer)?.groups)
}

async fn list_groups(host: &Host) -> Result<(), Failure> {
    let answer = host.call(API, "groups", [(); 0], "list the groups").await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let groups = read::<GroupList>("groups", &answer)?.groups;
    if groups.is_empty() {
        return host
            .out
            .done("there are no groups, make one with: atek groups set NAME USER…");
    }
    let mut table = Columns::new(host.out.look(), &["GROUP", "MEMBERS"]);
    for group in &groups {
        table.row([
            (&*clean::line(&group.name), Tone::Strong),
            (&*clean::line(&group.members.join(", ")), Tone::Plain),
        ]);
    }
    host.out.print(&table.render())
}
