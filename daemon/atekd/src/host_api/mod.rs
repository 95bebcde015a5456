//! The host's own APIs: method tables over typed parameters. No transport.

use crate::permissions::Caller;
use crate::sessions::Visitor;
use atek_api::jsonrpc::RpcResult;
use atek_api::secret::Secret;

/// What a host API answers: the outcome, and what becomes of the session cookie.
#[derive(Debug)]
pub struct Reply {
    /// The result or the error.
    pub outcome: RpcResult,
    /// `login` sets the cookie, `logout` clears it.
    pub cookie: Option<CookieChange>,
}

/// What becomes of the session cookie of the main domain.
#[derive(Debug)]
pub enum CookieChange {
    /// Set to this text.
    Set(Secret),
    /// Removed.
    Clear,
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
    pub params: Option<&'a serde_json::value::RawValue>,
}
