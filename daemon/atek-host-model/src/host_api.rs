//! Calls of the host's own APIs, as the gateway hands them over.

use crate::permissions::Caller;
use crate::users::SessionId;
use atek_api::jsonrpc::{RpcError, RpcResult};
use atek_api::secret::Secret;
use serde_json::value::RawValue;
use std::net::IpAddr;

/// What a host API answers: the outcome, and what becomes of the session cookie.
#[derive(Debug)]
pub struct Reply {
    /// The result or the error.
    pub outcome: RpcResult,
    /// `login` sets cookies, `logout` clears the session's.
    pub cookie: Option<CookieChange>,
}

impl Reply {
    /// A result with a change of the session cookie; a refusal changes none.
    #[must_use]
    pub fn with_cookie(done: Result<(RpcResult, CookieChange), RpcError>) -> Self {
        match done {
            Ok((outcome, cookie)) => Self {
                outcome,
                cookie: Some(cookie),
            },
            Err(error) => Self::from(Err(error)),
        }
    }
}

impl From<RpcResult> for Reply {
    fn from(outcome: RpcResult) -> Self {
        Self {
            outcome,
            cookie: None,
        }
    }
}

/// How the text of a cookie begins whose session ends with the browser: the gateway sets it
/// without a time, also when it is set again.
pub const TEMPORARY_COOKIE: &str = "t-";

/// What becomes of the host's cookies on the main domain.
#[derive(Debug)]
pub enum CookieChange {
    /// A session begins.
    SignIn {
        /// The text of the session cookie.
        session: Secret,
        /// The browser is one that the user is known by.
        device: DeviceCookie,
    },
    /// The session cookie is removed; the device stays known.
    SignOut,
}

/// A cookie that tells a browser in which a user has signed in before from others.
#[derive(Debug, Clone)]
pub struct DeviceCookie {
    /// What follows the common beginning of such cookies' names: one for each user.
    pub suffix: String,
    /// Its text.
    pub text: Secret,
}

/// One call of a host API.
#[derive(Debug)]
pub struct Call<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// From where.
    pub visitor: &'a Visitor,
    /// The method.
    pub method: &'a str,
    /// Its parameters, unread.
    pub params: Option<&'a RawValue>,
}

/// Where a sign-in comes from, for the throttle and the list of sessions.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The peer's address; none on a Unix socket.
    pub address: Option<IpAddr>,
    /// The `User-Agent` header.
    pub device: String,
    /// What the browser's session cookies of the main domain stand for, whether they are worth
    /// something or not.
    pub presented: Vec<SessionId>,
    /// Texts of [`DeviceCookie`]s, whether they are worth something or not.
    pub known_by: Vec<Secret>,
}
