//! The one table from what went wrong to what the client is told.
//!
//! | failure | HTTP | JSON-RPC |
//! |---|---|---|
//! | the request itself is wrong | 400, 404, 405, 408, 413, 415, 421, 431 | -32600, -32700 |
//! | the caller is not known, or lacks the right | 401, 403 | -32003 |
//! | over a limit | 429 and `Retry-After` | -32005 |
//! | no provider | 404 | -32601 |
//! | the service cannot be reached, broke off, or is late | 503, 502, 504 | -32000 |
//! | the host's own fault | 500, 503 | -32603 |
//!
//! In answer to a JSON-RPC call a failure of the call is an error object in HTTP
//! 200; only what concerns the request as such keeps its status.

use super::body::{self, Body, ReadError};
use super::budget::Full;
use super::pages::{self, Browser};
use super::standing::STATE;
use crate::registry::{BadQuery, NoProvider};
use atek_api::audit::AuditOutcome;
use atek_api::ids::ServiceId;
use atek_api::jsonrpc::{RpcError, code};
use atek_host_model::streams::Refusal;
use atek_rpc::pool::SendError;
use atek_web_embed::message::{Message, Subject};
use http::header::{ALLOW, CACHE_CONTROL, REFRESH, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use std::time::Duration;

/// The state of the host while it starts, see [`super::standing`].
const HOST_STARTING: &str = "host-starting";

/// What a page about an app's failure says besides.
#[derive(Debug)]
pub(super) struct AppPage<'a> {
    /// The app's name for people.
    pub(super) title: &'a str,
    /// The page about the app, for people who may see it.
    pub(super) about: Option<&'a str>,
    /// The last lines of its log, for people who may read it.
    pub(super) log: &'a [String],
    /// Whether its reader only uses the app.
    pub(super) is_for_others: bool,
}

/// Every way in which a request fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// What no correct client sends.
    #[error("{0}")]
    BadRequest(&'static str),
    /// As the one before, with details.
    #[error("{0}")]
    BadParameter(String),
    #[error(
        "this host does not answer to the name {name:?}; open http://{}",
        .own.join(" or http://")
    )]
    UnknownHost {
        name: String,
        /// Names and addresses that work, with the port.
        own: Vec<String>,
    },
    #[error("a page of another site may not do this")]
    ForeignOrigin,
    /// The original's text.
    #[error("Not authorized")]
    NotAuthorized,
    /// As the one before, when it can be said why.
    #[error("{0}")]
    Unidentified(&'static str),
    /// The caller is known and may not.
    #[error("Not authorized")]
    Forbidden,
    /// The original's text.
    #[error("Not found: no service is currently hosted at {0}")]
    NoSuchSite(String),
    #[error("Not found")]
    NotFound,
    #[error("method not allowed, use {0}")]
    MethodNotAllowed(&'static str),
    #[error("Content-Type must be application/json")]
    NotJson,
    #[error("the request is longer than {0} bytes, send less at once")]
    TooLarge(usize),
    #[error("the request has more than {0} bytes of headers, not counting cookies")]
    HeadTooLarge(usize),
    #[error("the cookies of this site are too large ({0} bytes), remove some")]
    CookiesTooLarge(usize),
    #[error("the request's body did not arrive in time")]
    SlowBody,
    #[error("the request's body broke off")]
    BrokenBody,
    /// The original's text.
    #[error("Rate limit exceeded")]
    Limited(Duration),
    #[error("too much is being sent and answered at once, try again in a moment")]
    Busy,
    #[error(transparent)]
    NoProvider(#[from] NoProvider),
    #[error(transparent)]
    BadQuery(#[from] BadQuery),
    #[error("the service {id} cannot be started: {reason}")]
    CannotWake { id: ServiceId, reason: String },
    #[error("the service {id} does not run; see its log, or start it with `atek start {id}`")]
    Unreachable {
        id: ServiceId,
        #[source]
        source: SendError,
    },
    #[error(
        "the service {id} broke off the connection before it answered; see its log with `atek logs {id}`"
    )]
    Broken {
        id: ServiceId,
        #[source]
        source: SendError,
    },
    #[error("the service {id} did not answer within {} seconds", .waited.as_secs())]
    Timeout { id: ServiceId, waited: Duration },
    #[error("the service {id} sent a longer answer than fits here ({limit} bytes)")]
    AnswerTooLarge { id: ServiceId, limit: usize },
    #[error("the service {id} broke off its answer; see its log with `atek logs {id}`")]
    BrokenAnswer { id: ServiceId },
    #[error("the service {id} answered with HTTP status {status} instead of a JSON-RPC response")]
    NotRpc { id: ServiceId, status: StatusCode },
    /// A reader of lines was refused; the text says why.
    #[error("{0}")]
    Unavailable(String),
    #[error("the host is still starting, try again in a moment")]
    Starting,
    #[error("this box has no owner yet: open its address in a browser to set it up")]
    Unclaimed,
    #[error("the address {0} may not be reached from here")]
    EgressRefused(String),
    #[error("cannot connect to {0}")]
    EgressFailed(String),
    #[error("{0} did not answer in HTTP")]
    EgressBroken(String),
    #[error("{0} did not answer in time")]
    EgressSilent(String),
    /// The cause is in the journal.
    #[error("internal error of the host, see its log with `journalctl -u atekd`")]
    Internal,
}

impl Failure {
    /// The HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) | Self::BadParameter(_) | Self::BadQuery(_) | Self::BrokenBody => {
                StatusCode::BAD_REQUEST
            }
            Self::UnknownHost { .. } => StatusCode::MISDIRECTED_REQUEST,
            Self::NotAuthorized | Self::Unidentified(_) => StatusCode::UNAUTHORIZED,
            Self::ForeignOrigin | Self::Forbidden | Self::EgressRefused(_) => StatusCode::FORBIDDEN,
            Self::NoSuchSite(_) | Self::NotFound | Self::NoProvider(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge(_) | Self::CookiesTooLarge(_) => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unreachable { .. }
            | Self::CannotWake { .. }
            | Self::Unavailable(_)
            | Self::Busy
            | Self::Starting
            | Self::Unclaimed => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken { .. }
            | Self::BrokenAnswer { .. }
            | Self::AnswerTooLarge { .. }
            | Self::NotRpc { .. }
            | Self::EgressFailed(_)
            | Self::EgressBroken(_) => StatusCode::BAD_GATEWAY,
            Self::Timeout { .. } | Self::EgressSilent(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The JSON-RPC code.
    pub(super) fn code(&self) -> i64 {
        match self {
            Self::BadRequest(_)
            | Self::BadParameter(_)
            | Self::BadQuery(_)
            | Self::UnknownHost { .. }
            | Self::MethodNotAllowed(_)
            | Self::NotJson
            | Self::TooLarge(_)
            | Self::HeadTooLarge(_)
            | Self::CookiesTooLarge(_)
            | Self::SlowBody
            | Self::BrokenBody => code::INVALID_REQUEST,
            Self::ForeignOrigin
            | Self::NotAuthorized
            | Self::Unclaimed
            | Self::Unidentified(_)
            | Self::Forbidden
            | Self::EgressRefused(_) => code::GENERAL,
            Self::Limited(_) | Self::Busy => code::LIMITED,
            Self::NoSuchSite(_) | Self::NotFound | Self::NoProvider(_) => code::METHOD_NOT_FOUND,
            Self::CannotWake { .. }
            | Self::Unreachable { .. }
            | Self::Broken { .. }
            | Self::Timeout { .. }
            | Self::AnswerTooLarge { .. }
            | Self::BrokenAnswer { .. }
            | Self::NotRpc { .. }
            | Self::Unavailable(_)
            | Self::EgressFailed(_)
            | Self::EgressBroken(_)
            | Self::EgressSilent(_) => code::DEFAULT,
            Self::Starting | Self::Internal => code::INTERNAL,
        }
    }

    /// As the error of one JSON-RPC call.
    pub(super) fn to_rpc(&self) -> RpcError {
        RpcError::new(self.code(), self.to_string())
    }

    /// Whether a browser that asks for a page gets one, also for one of the host's own paths.
    pub(super) fn is_for_browsers(&self) -> bool {
        matches!(self, Self::Starting | Self::UnknownHost { .. })
    }

    /// As JSON, in the original's shapes.
    pub(super) fn to_json(&self) -> Response<Body> {
        let error = match self {
            Self::Limited(_) => serde_json::Value::from("RateLimitError"),
            _ => true.into(),
        };
        let text = serde_json::json!({ "error": error, "message": self.to_string() }).to_string();
        let mut response = self.head(body::json(self.status(), text));
        pages::protect_data(response.headers_mut());
        if matches!(self, Self::NotAuthorized) {
            // It says nothing, and by it the home on `localhost` finds out whether a port of an app
            // answers in this browser.
            pages::allow_same_site(response.headers_mut());
        }
        response
    }

    /// As the answer to a browser: a page where it wants one, otherwise JSON.
    pub(super) fn to_page(&self, browser: Option<&Browser>) -> Response<Body> {
        match (browser, self) {
            // A browser that opens a page of a box without an owner is led to setup: this is no
            // page.
            (_, Self::Unclaimed) => self.to_json(),
            (Some(browser), _) => self.page(browser, None),
            // The original's text.
            (None, Self::NoSuchSite(_)) => self.head(body::text(self.status(), self.to_string())),
            (None, _) => self.to_json(),
        }
    }

    /// The page about a request to an app, at the app's own site: the caller says who may frame it.
    pub(super) fn to_app_page(&self, browser: &Browser, app: AppPage<'_>) -> Response<Body> {
        self.page(browser, Some(app))
    }

    fn page(&self, browser: &Browser, app: Option<AppPage<'_>>) -> Response<Body> {
        let subject = self.subject();
        let words = self.to_string();
        let is_for_others = app.as_ref().is_some_and(|app| app.is_for_others);
        let says_more = match self {
            Self::CannotWake { .. } => !is_for_others,
            _ => subject == Subject::Other,
        };
        let addresses: Vec<String> = match self {
            Self::UnknownHost { own, .. } => {
                own.iter().map(|name| format!("http://{name}/")).collect()
            }
            _ => Vec::new(),
        };
        let is_starting = matches!(self, Self::Starting);
        let message = Message {
            app: self.app().unwrap_or_default(),
            details: says_more.then_some(words.as_str()),
            addresses: &addresses,
            state: is_starting.then_some(HOST_STARTING),
            ..Message::new(subject)
        };
        let status = self.status();
        self.head(match app {
            None => pages::message(status, browser, message),
            Some(app) => {
                let message = Message {
                    app: app.title,
                    log: app.log,
                    about: app.about,
                    is_for_others,
                    ..message
                };
                pages::app_message(status, browser, message)
            }
        })
    }

    fn subject(&self) -> Subject {
        match self {
            Self::Starting => Subject::Starting,
            Self::CannotWake { .. } | Self::Unreachable { .. } => Subject::Unreachable,
            Self::Broken { .. }
            | Self::BrokenAnswer { .. }
            | Self::AnswerTooLarge { .. }
            | Self::NotRpc { .. } => Subject::Broken,
            Self::Timeout { .. } => Subject::Late,
            Self::Forbidden => Subject::NotYours,
            Self::NoSuchSite(_) | Self::NotFound | Self::NoProvider(_) => Subject::NotFound,
            Self::UnknownHost { .. } => Subject::UnknownHost,
            Self::Limited(_) | Self::Busy => Subject::Limited,
            Self::ForeignOrigin => Subject::Foreign,
            Self::Internal => Subject::Internal,
            _ => Subject::Other,
        }
    }

    /// The app that did not answer as it should, by its id.
    pub(super) fn app(&self) -> Option<&str> {
        match self {
            Self::CannotWake { id, .. }
            | Self::Unreachable { id, .. }
            | Self::Broken { id, .. }
            | Self::Timeout { id, .. }
            | Self::AnswerTooLarge { id, .. }
            | Self::BrokenAnswer { id }
            | Self::NotRpc { id, .. } => Some(id.as_str()),
            _ => None,
        }
    }

    /// The headers that go with the status.
    fn head(&self, mut response: Response<Body>) -> Response<Body> {
        let headers = response.headers_mut();
        match self {
            Self::Limited(wait) => {
                // Rounded up: an early retry would be refused again.
                headers.insert(
                    RETRY_AFTER,
                    HeaderValue::from(wait.as_secs().saturating_add(1)),
                );
            }
            Self::Busy => {
                headers.insert(RETRY_AFTER, HeaderValue::from(1));
            }
            Self::Starting => {
                headers.insert(RETRY_AFTER, HeaderValue::from(1));
                // Browsers look again by themselves.
                headers.insert(REFRESH, HeaderValue::from(1));
                headers.insert(STATE, HeaderValue::from_static(HOST_STARTING));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
            Self::Unclaimed => {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
            Self::MethodNotAllowed(allowed) => {
                headers.insert(ALLOW, HeaderValue::from_static(allowed));
            }
            _ => {}
        }
        response
    }

    /// What the audit log says of it.
    pub(super) fn outcome(&self) -> AuditOutcome {
        match self {
            Self::ForeignOrigin
            | Self::NotAuthorized
            | Self::Unidentified(_)
            | Self::Forbidden
            | Self::Limited(_)
            | Self::EgressRefused(_) => AuditOutcome::Refused,
            _ => AuditOutcome::Failed,
        }
    }

    /// Writes to the journal what is not the client's doing.
    pub(super) fn log(&self, caller: &str) {
        match self {
            Self::Unreachable { id, source } | Self::Broken { id, source } => {
                let cause = std::error::Error::source(source).map(ToString::to_string);
                tracing::warn!(service = %id, caller, error = %source, cause, "a request could not be passed on");
            }
            Self::CannotWake { id, .. }
            | Self::Timeout { id, .. }
            | Self::AnswerTooLarge { id, .. }
            | Self::BrokenAnswer { id }
            | Self::NotRpc { id, .. } => {
                tracing::warn!(service = %id, caller, error = %self, "a request could not be passed on");
            }
            Self::Internal => tracing::error!(caller, "a request ended in an internal error"),
            _ => tracing::debug!(caller, error = %self, "a request was refused"),
        }
    }
}

impl From<Full> for Failure {
    fn from(_: Full) -> Self {
        Self::Busy
    }
}

impl Failure {
    /// The failure of a client's body that was not read to its end.
    pub(super) fn of_body(error: ReadError, limit: usize) -> Self {
        match error {
            ReadError::TooLarge => Self::TooLarge(limit),
            ReadError::Slow => Self::SlowBody,
            ReadError::Broken => Self::BrokenBody,
            ReadError::Busy => Self::Busy,
        }
    }
}

impl From<super::deps::BindError> for Failure {
    fn from(error: super::deps::BindError) -> Self {
        use super::deps::BindError;
        match error {
            BindError::Unavailable(text) => Self::Unavailable(text),
            BindError::Internal => Self::Internal,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotAuthorized => Self::Forbidden,
            Refusal::BadRequest(text) => Self::BadParameter(text),
            Refusal::Unavailable(text) => Self::Unavailable(text),
        }
    }
}
