//! `atek permissions`: who may what, and what apps ask for.

use crate::cli::rights::{PermissionAction, Permissions};
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone};
use crate::text::{clean, time};
use atek_api::grants::{API, AnswerParams, GrantInfo, GrantParams, PendingRequest, Verdict};
use atek_api::permission::Danger;
use serde::Deserialize;
use std::time::Duration;

#[derive(Deserialize)]
struct Grants {
    grants: Vec<GrantInfo>,
}

#[derive(Deserialize)]
struct Requests {
    requests: Vec<PendingRequest>,
}

pub(super) async fn run(host: &Host, args: Permissions) -> Result<(), Failure> {
    match args.action.unwrap_or(PermissionAction::List { id: None }) {
        PermissionAction::List { id } => list(host, id.as_deref()).await,
        PermissionAction::Allow {
            id,
            permission,
            time,
        } => {
            let params = GrantParams {
                service: id,
                permission,
                verdict: None,
                seconds: seconds(time),
            };
            decide(host, params, "allowed").await
        }
        PermissionAction::Deny {
            id,
            permission,
            time,
        } => {
            let params = GrantParams {
                service: id,
                permission,
                verdict: Some(Verdict::Deny),
                seconds: seconds(time),
            };
            decide(host, params, "denied").await
        }
        PermissionAction::Revoke { id } => {
            let answer = host
                .call(API, "revoke", (&id,), "take the permission back")
                .await?;
            if host.out.json {
                return host.out.print_json(&answer);
            }
            host.out.done("taken back")
        }
        PermissionAction::Requests => requests(host).await,
        PermissionAction::Answer { id, answer, pick } => {
            let params = AnswerParams {
                answer: answer.answer(),
                pick,
            };
            let answer = host
                .call(API, "answer", (&id, params), "answer the request")
                .await?;
            if host.out.json {
                return host.out.print_json(&answer);
            }
            host.out.done("answered")
        }
    }
}

/// Whole seconds, as the host takes them.
pub(super) fn seconds(time: Option<Duration>) -> Option<u32> {
    time.map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
}

async fn decide(host: &Host, params: GrantParams, done: &str) -> Result<(), Failure> {
    let words = format!(
        "{done} {}: {}",
        params.service,
        params.permission.describe()
    );
    let answer = host
        .call(API, "grant", (params,), "change the permission")
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    host.out.done(&words)
}

async fn list(host: &Host, id: Option<&str>) -> Result<(), Failure> {
    let answer = host
        .call(API, "list", [(); 0], "list the permissions")
        .await?;
    let mut grants = read::<Grants>("list", &answer)?.grants;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    grants.retain(|grant| id.is_none_or(|id| grant.service.as_str() == id));
    if grants.is_empty() {
        return host.out.done("no app has a permission beyond the default");
    }
    let names = ["APP", "MAY", "BY", "SINCE", "UNTIL", "ID"];
    let mut table = Columns::new(host.out.look(), &names);
    for grant in &grants {
        let words = match grant.verdict {
            Verdict::Allow => grant.words.clone(),
            Verdict::Deny => format!("not {}", grant.words),
        };
        let tone = match (grant.verdict, grant.danger) {
            (Verdict::Allow, Danger::High) => Tone::Warn,
            _ => Tone::Plain,
        };
        let since = grant.since.as_deref();
        table.row([
            (grant.service.as_str(), Tone::Strong),
            (&*clean::line(&words), tone),
            (
                &*clean::line(grant.by.as_deref().unwrap_or("-")),
                Tone::Plain,
            ),
            (&time::age_of(since, host.now()), Tone::Plain),
            (grant.until.as_deref().unwrap_or("-"), Tone::Plain),
            (&*clean::line(&grant.id), Tone::Dim),
        ]);
    }
    host.out.print(&table.render())
}

async fn requests(host: &Host) -> Result<(), Failure> {
    let answer = host
        .call(API, "pending", [(); 0], "list the requests")
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let requests = read::<Requests>("pending", &answer)?.requests;
    if requests.is_empty() {
        return host.out.done("no app asks for anything");
    }
    let mut table = Columns::new(host.out.look(), &["REQUEST", "APP", "ASKS TO", "BECAUSE"]);
    for request in &requests {
        table.row([
            (request.id.as_str(), Tone::Strong),
            (request.service.as_str(), Tone::Plain),
            (&*clean::line(&request.words), Tone::Plain),
            (&*clean::line(&request.reason), Tone::Dim),
        ]);
        for choice in &request.choices {
            table.row([
                ("", Tone::Plain),
                ("", Tone::Plain),
                (
                    &*clean::line(&format!("--pick {}", choice.permission)),
                    Tone::Dim,
                ),
                (&*clean::line(&choice.title), Tone::Dim),
            ]);
        }
    }
    host.out.print(&table.render())
}
