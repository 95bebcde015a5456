//! What the gateway sees of the rest of the daemon: thin adapters.

use crate::chain::Chain;
use crate::directory::DirectoryView;
use crate::gateway::{self, Lines, LogQuery, Refusal};
use crate::host_api::{Call, HostApis, Reply};
use crate::jobs::{Jobs, is_last};
use crate::journal::{LogError, Logbook, Subject};
use crate::permissions::{Caller, may_see_service, may_visit};
use crate::services::Services;
use atek_api::ids::ServiceKey;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;
use std::time::Duration;

/// The gateway has a deadline of its own, shorter than this.
const WAKE_PATIENCE: Duration = Duration::from_secs(60);

impl gateway::HostApis for HostApis {
    fn has(&self, api: &str) -> bool {
        HostApis::has(self, api)
    }

    fn call<'a>(&'a self, api: &'a str, call: Call<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(HostApis::call(self, api, call))
    }
}

impl gateway::Wake for Services {
    fn wake<'a>(&'a self, service: &'a ServiceKey) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            Services::wake(self, service, WAKE_PATIENCE)
                .await
                .map_err(|error| Chain(&error).to_string())
        })
    }
}

impl gateway::Jobs for Jobs {
    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        job: &'a str,
    ) -> BoxFuture<'a, Result<Lines, Refusal>> {
        Box::pin(async move {
            let allowed = |owner: &atek_api::ids::UserKey| {
                caller.is_admin() || caller.user_key() == Some(owner.as_str())
            };
            let events = self.watch(job, allowed).ok_or(Refusal::NotAuthorized)?;
            let lines = stream::unfold(Some((events, 0)), |state| async move {
                let (mut events, mut seen) = state?;
                // Progress of a phase replaces its predecessor, so the list can stay as
                // long as it was: whatever its last event is now is news.
                events.wait_for(|all| !all.is_empty()).await.ok()?;
                if seen > 0 {
                    events.changed().await.ok()?;
                }
                let news = {
                    let all = events.borrow_and_update();
                    let from = if seen == 0 {
                        0
                    } else {
                        seen.min(all.len() - 1)
                    };
                    seen = all.len();
                    all[from..].to_vec()
                };
                let over = news.last().is_some_and(is_last);
                let text: Vec<u8> = news.iter().flat_map(line).collect();
                Some((Bytes::from(text), (!over).then_some((events, seen))))
            });
            Ok(lines.boxed())
        })
    }
}

/// The logs of the services that a caller may see.
#[derive(Debug, Clone)]
pub struct Logs {
    /// How a service is found.
    pub directory: DirectoryView,
    /// Where its lines are.
    pub logbook: Logbook,
}

impl gateway::Logs for Logs {
    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        query: LogQuery,
    ) -> BoxFuture<'a, Result<Lines, Refusal>> {
        Box::pin(async move {
            let subject = match self.directory.now().by_id(&query.service) {
                Some(entry) if may_see_service(caller, entry.owner()) => Subject {
                    key: entry.key.clone(),
                    id: entry.id().clone(),
                },
                _ => return Err(Refusal::NotAuthorized),
            };
            if query.follow {
                let entries = self
                    .logbook
                    .follow(&subject, &query.options)
                    .await
                    .map_err(log_refusal)?;
                return Ok(entries.map(|entry| Bytes::from(line(&entry))).boxed());
            }
            let page = self
                .logbook
                .page(&subject, &query.options)
                .await
                .map_err(log_refusal)?;
            let text: Vec<u8> = page.entries.iter().flat_map(line).collect();
            Ok(stream::once(async move { Bytes::from(text) }).boxed())
        })
    }
}

/// The icons of the services that a caller may see or open.
#[derive(Debug, Clone)]
pub struct Icons {
    /// How a service is found.
    pub directory: DirectoryView,
    /// Where its package is.
    pub services: Services,
}

impl gateway::Icons for Icons {
    fn open<'a>(&'a self, caller: &'a Caller, id: &'a str) -> BoxFuture<'a, Option<gateway::Icon>> {
        Box::pin(async move {
            let key = {
                let directory = self.directory.now();
                let entry = directory.by_id(id)?;
                let owner = entry.owner();
                let may = may_see_service(caller, owner) || may_visit(caller, owner);
                may.then(|| entry.key.clone())?
            };
            let icon = self.services.icon(&key).await?;
            Some(gateway::Icon {
                content: icon.content.into(),
                kind: icon.kind,
            })
        })
    }
}

fn log_refusal(error: LogError) -> Refusal {
    match error {
        LogError::Option(error) => Refusal::BadRequest(error.to_string()),
        LogError::Journal { .. } | LogError::TooMany | LogError::Aborted => {
            Refusal::Unavailable(Chain(&error).to_string())
        }
    }
}

/// One JSON line. What cannot be expressed is left out: the types here always can.
fn line(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    text
}
