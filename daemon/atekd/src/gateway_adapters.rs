//! What the gateway sees of the rest of the daemon: implementations of its three traits.

use crate::catalogues::Catalogues;
use crate::error_chain::DisplayChain;
use crate::guests::Guests;
use crate::host_api::HostApis;
use crate::jobs::{Jobs, is_last};
use crate::journal::{LogError, Logbook, Subject};
use crate::services::Operations;
use crate::sessions::{LoginError, Sessions};
use crate::setup::Setup;
use atek_api::ids::ServiceKey;
use atek_api::secret::Secret;
use atek_gateway::BindError;
use atek_host_model::bind::NonceHash;
use atek_host_model::directory::DirectoryView;
use atek_host_model::host_api::{Call, Reply};
use atek_host_model::permissions::{
    Action, Caller, Decision, Person, Rules, Target, Verb, decide, may_visit,
};
use atek_host_model::setup::Ownership;
use atek_host_model::streams::{Icon, Lines, LogQuery, Refusal};
use atek_rpc::body::Body;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use http::{Request, Response};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// The gateway has a deadline of its own, shorter than this.
const WAKE_TIMEOUT: Duration = Duration::from_secs(60);

impl atek_gateway::HostApis for HostApis {
    fn has(&self, api: &str) -> bool {
        HostApis::has(self, api)
    }

    fn call<'a>(&'a self, api: &'a str, call: Call<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(HostApis::call(self, api, call))
    }
}

/// Sessions and the state of the setup.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// Browser sessions.
    pub sessions: Sessions,
    /// Whether the box has an owner.
    pub setup: Setup,
}

impl atek_gateway::Accounts for Accounts {
    fn of_cookie(&self, cookie: &str) -> Option<Person> {
        self.sessions.of_cookie(cookie)
    }

    fn of_bound_cookie(&self, cookie: &str, service: &ServiceKey) -> Option<Person> {
        self.sessions.of_bound_cookie(cookie, service)
    }

    fn session_end(&self, person: &Person) -> BoxFuture<'static, ()> {
        self.sessions.ended(person).boxed()
    }

    fn issue_bind_token(
        &self,
        person: &Person,
        service: &ServiceKey,
        nonce: NonceHash,
    ) -> Result<Secret, BindError> {
        self.sessions
            .issue_bind_token(person, service, nonce)
            .map_err(|error| internal(&error))
    }

    fn redeem_bind_token<'a>(
        &'a self,
        token: &'a str,
        service: &'a ServiceKey,
        nonces: &'a [NonceHash],
    ) -> BoxFuture<'a, Result<Option<Secret>, BindError>> {
        let redeemed = self.sessions.redeem_bind_token(token, service, nonces);
        Box::pin(async move {
            redeemed.await.map_err(|error| match error {
                LoginError::Database(error) => BindError::Unavailable(error.to_string()),
                error => internal(&error),
            })
        })
    }

    fn ownership(&self) -> Ownership {
        self.setup.ownership()
    }

    fn has_users(&self) -> bool {
        self.setup.has_users()
    }
}

fn internal(error: &(dyn std::error::Error + 'static)) -> BindError {
    tracing::error!(error = %DisplayChain(error), "cannot carry a session to a service's site");
    BindError::Internal
}

/// What services do for the gateway besides answering requests.
#[derive(Debug, Clone)]
pub struct ServiceAccess {
    /// How a service is found.
    pub directory: DirectoryView,
    /// Wakes them, and knows their packages.
    pub services: Arc<Operations>,
    /// Where their lines are.
    pub logbook: Logbook,
    /// Installs and updates under way.
    pub jobs: Jobs,
    /// Recipes and their pictures.
    pub catalogues: Catalogues,
    /// Other homes that keep their backups here.
    pub guests: Guests,
}

impl atek_gateway::Services for ServiceAccess {
    fn wake<'a>(&'a self, service: &'a ServiceKey) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            self.services
                .wake(service, WAKE_TIMEOUT)
                .await
                .map_err(|error| DisplayChain(&error).to_string())
        })
    }

    fn guest(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        Box::pin(self.guests.answer(request))
    }

    fn job<'a>(
        &'a self,
        caller: &'a Caller,
        job: &'a str,
    ) -> BoxFuture<'a, Result<Lines, Refusal>> {
        Box::pin(async move { self.job_events(caller, job) })
    }

    fn logs<'a>(
        &'a self,
        caller: &'a Caller,
        query: LogQuery,
    ) -> BoxFuture<'a, Result<Lines, Refusal>> {
        Box::pin(self.log_lines(caller, query))
    }

    fn catalogue_picture<'a>(
        &'a self,
        caller: &'a Caller,
        catalogue: &'a str,
        recipe: &'a str,
        picture: &'a str,
    ) -> BoxFuture<'a, Option<Icon>> {
        Box::pin(async move {
            if !caller.is_known() {
                return None;
            }
            let (content, kind) = self.catalogues.picture(catalogue, recipe, picture).await?;
            let content = content.into();
            Some(Icon { content, kind })
        })
    }

    fn icon<'a>(&'a self, caller: &'a Caller, id: &'a str) -> BoxFuture<'a, Option<Icon>> {
        Box::pin(async move {
            let key = {
                let directory = self.directory.now();
                let entry = directory.by_id(id)?;
                let may = may(caller, Action::On(Verb::See, entry.target()))
                    || may_visit(caller, entry.target());
                may.then(|| entry.key.clone())?
            };
            let icon = self.services.icon(&key).await?;
            Some(Icon {
                content: icon.content.into(),
                kind: icon.kind,
            })
        })
    }
}

impl ServiceAccess {
    fn job_events(&self, caller: &Caller, job: &str) -> Result<Lines, Refusal> {
        // An app has to be able to begin such a job, or it reads what its owner installs.
        let allowed = |owner: &atek_api::ids::UserKey| {
            let target = Target::of_owner(owner);
            may(caller, Action::On(Verb::Update, target))
                || may(caller, Action::On(Verb::Uninstall, target))
        };
        let events = self
            .jobs
            .watch(job, allowed)
            .ok_or(Refusal::NotAuthorized)?;
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
    }

    async fn log_lines(&self, caller: &Caller, query: LogQuery) -> Result<Lines, Refusal> {
        let subject = match self.directory.now().by_id(&query.service) {
            Some(entry) if may(caller, Action::On(Verb::ReadLogs, entry.target())) => Subject {
                key: entry.key.clone(),
                id: entry.id().clone(),
            },
            _ => return Err(Refusal::NotAuthorized),
        };
        if query.follow {
            let entries = self.logbook.follow(&subject, &query.options);
            let entries = entries.await.map_err(log_refusal)?;
            return Ok(entries.map(|entry| Bytes::from(line(&entry))).boxed());
        }
        let page = self.logbook.page(&subject, &query.options);
        let page = page.await.map_err(log_refusal)?;
        let text: Vec<u8> = page.entries.iter().flat_map(line).collect();
        Ok(stream::once(async move { Bytes::from(text) }).boxed())
    }
}

fn may(caller: &Caller, action: Action<'_>) -> bool {
    decide(caller, action, &Rules::default()) == Decision::Yes
}

fn log_refusal(error: LogError) -> Refusal {
    match error {
        LogError::Option(error) => Refusal::BadRequest(error.to_string()),
        LogError::Journal { .. } | LogError::TooMany | LogError::Aborted => {
            Refusal::Unavailable(DisplayChain(&error).to_string())
        }
    }
}

/// One JSON line. What cannot be expressed is left out: the types here always can.
fn line(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    text
}
