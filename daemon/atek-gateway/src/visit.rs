//! A browser at the address of a service: what it is shown while the service does not run, and how
//! that page learns that it is out of date.
//!
//! The page's script asks its own address with the header `atek-watch`. The host answers that
//! itself, with the header `atek-state` and nothing else; another value than the page's makes it
//! load again, and so a service that runs again is there by itself.

use super::body::{self, Body};
use super::edge::host_name::MainUrl;
use super::error::{AppPage, Failure};
use super::gateway::Gateway;
use super::pages::{self, Browser};
use super::standing::{STATE, Standing};
use atek_api::services::{LogOptions, State};
use atek_host_model::directory::{Directory, Entry};
use atek_host_model::permissions::{Action, Caller, Decision, Rules, Verb, decide};
use atek_host_model::streams::LogQuery;
use atek_web_embed::message::{Message, Subject};
use futures_util::StreamExt as _;
use http::header::{CACHE_CONTROL, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Deserialize;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Lines of a failed service's log on the page about it.
const LOG_LINES: usize = 20;
/// Lines that are read for them: systemd adds several of its own for each start.
const READ_LINES: u32 = 200;
/// How long a page may wait for a service that does not run.
const PATIENCE: Duration = Duration::from_secs(2);
/// Asks for the state alone.
const WATCH: HeaderName = HeaderName::from_static("atek-watch");

/// A caller at a service's address.
#[derive(Debug, Clone)]
pub(super) struct Visit<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) caller: Arc<Caller>,
    pub(super) entry: &'a Arc<Entry>,
    /// None on the main domain itself.
    pub(super) main_url: Option<&'a MainUrl>,
}

impl Visit<'_> {
    /// The answer to a page that asks whether it is out of date; none for any other request.
    pub(super) fn watched(&self, sent: &HeaderMap) -> Option<Response<Body>> {
        sent.contains_key(WATCH).then(|| {
            let word = Standing::of(&self.now()).word(self.may_read_log());
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            set_state(response.headers_mut(), &word);
            response
        })
    }

    /// The page in place of a service that does not run; none while it does, or a visit wakes it.
    pub(super) async fn page(&self, browser: &Browser) -> Option<Response<Body>> {
        let entry = self.now();
        let standing = Standing::of(&entry);
        Some(self.shown(browser, standing, standing.subject()?).await)
    }

    /// Waits for what `doing` answers, but for a service that stays away for long: none then.
    pub(super) async fn unless_away<T>(
        &self,
        doing: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        tokio::select! {
            answered = doing => Some(answered),
            () = self.stays_away() => None,
        }
    }

    /// The page after [`Visit::unless_away`] gave up.
    pub(super) async fn page_of_absent(&self, browser: &Browser) -> Response<Body> {
        match self.page(browser).await {
            Some(page) => page,
            // It came this very moment, or is about to be woken: the page goes there by itself.
            None => {
                let standing = Standing::Starting;
                self.shown(browser, standing, Subject::Waiting).await
            }
        }
    }

    /// The page about a request to the service that failed: where it was never sent, and only opens
    /// a page, the one in the service's place. What was sent may be what the service fails over,
    /// and is not repeated by itself.
    pub(super) async fn failed(
        &self,
        browser: &Browser,
        failure: &Failure,
        opens_page: bool,
    ) -> Response<Body> {
        let was_sent = !matches!(
            failure,
            Failure::CannotWake { .. } | Failure::Unreachable { .. }
        );
        if opens_page
            && !was_sent
            && let Some(page) = self.page(browser).await
        {
            return page;
        }
        let browser = self.with_home(browser);
        let (about, log) = (self.about(), self.last_lines().await);
        failure.to_app_page(
            &browser,
            AppPage {
                title: &self.entry.settings.title(),
                about: about.as_deref(),
                log: &log,
                is_for_others: !self.may_read_log(),
            },
        )
    }

    async fn shown(
        &self,
        browser: &Browser,
        standing: Standing<'_>,
        subject: Subject,
    ) -> Response<Body> {
        let may_read_log = self.may_read_log();
        let log = match standing.has_log() {
            true => self.last_lines().await,
            false => Vec::new(),
        };
        let (title, about) = (self.entry.settings.title(), self.about());
        let word = standing.word(may_read_log);
        let message = Message {
            app: &title,
            reason: standing.reason().filter(|_| may_read_log),
            is_for_others: !may_read_log,
            state: Some(&word),
            log: &log,
            about: about.as_deref(),
            ..Message::new(subject)
        };
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut response = pages::app_message(status, &self.with_home(browser), message);
        set_state(response.headers_mut(), &word);
        response
    }

    fn now(&self) -> Arc<Entry> {
        let directory = self.gateway.deps().directory.now();
        let found = directory.by_key(self.entry.key.as_str());
        Arc::clone(found.unwrap_or(self.entry))
    }

    fn with_home(&self, browser: &Browser) -> Browser {
        browser.clone().with_home(Some(self.at_main_domain("/")))
    }

    /// A link to a path of the main domain.
    fn at_main_domain(&self, path: &str) -> String {
        match self.main_url {
            Some(url) => format!("{url}{path}"),
            None => path.to_owned(),
        }
    }

    fn may_read_log(&self) -> bool {
        let action = Action::On(Verb::ReadLogs, self.entry.target());
        decide(&self.caller, action, &Rules::default()) == Decision::Yes
    }

    /// The page about the service, for people who look after it.
    fn about(&self) -> Option<String> {
        let url = self.at_main_domain(&format!("/p/apps/{}", self.entry.id()));
        (self.may_read_log() && !self.entry.core).then_some(url)
    }

    /// The last lines of the service's own log; none for people who may not read it.
    async fn last_lines(&self) -> Vec<String> {
        #[derive(Deserialize)]
        struct Line {
            message: String,
        }
        if !self.may_read_log() {
            return Vec::new();
        }
        let query = LogQuery {
            service: self.entry.id().to_string(),
            options: LogOptions {
                lines: Some(READ_LINES),
                ..LogOptions::default()
            },
            follow: false,
        };
        let logs = self.gateway.deps().services.logs(&self.caller, query);
        let Ok(lines) = self.gateway.workers().on_main_runtime(logs).await else {
            return Vec::new();
        };
        // A chunk may hold several lines.
        let chunks: Vec<_> = lines.take(READ_LINES as usize).collect().await;
        let unit = self.entry.unit();
        let own: Vec<String> = chunks
            .iter()
            .flat_map(|chunk| chunk.split(|byte| *byte == b'\n'))
            .filter_map(|line| serde_json::from_slice::<Line>(line).ok())
            .map(|line| line.message)
            // What systemd says of the unit is in the reason.
            .filter(|message| !message.contains(&unit))
            .collect();
        own[own.len().saturating_sub(LOG_LINES)..].to_vec()
    }

    /// Ends when the service has not run for [`PATIENCE`].
    async fn stays_away(&self) {
        let directory = &self.gateway.deps().directory;
        let runs = |directory: &Directory| {
            let entry = directory.by_key(self.entry.key.as_str());
            entry.is_some_and(|entry| entry.state == State::Running)
        };
        loop {
            let away = directory.wait_for(|directory| (!runs(directory)).then_some(()));
            if away.await.is_none() {
                // No more changes can come.
                pending::<()>().await;
            }
            let back = directory.wait_for(|directory| runs(directory).then_some(()));
            if tokio::time::timeout(PATIENCE, back).await.is_err() {
                return;
            }
        }
    }
}

fn set_state(headers: &mut HeaderMap, word: &str) {
    // Letters, digits and a dash: always a header's text.
    if let Ok(word) = HeaderValue::from_str(word) {
        headers.insert(STATE, word);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
