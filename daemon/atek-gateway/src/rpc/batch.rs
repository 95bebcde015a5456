//! Several calls in one request: made concurrently, answered in their order.

use super::super::body::{self, Body};
use super::super::error::Failure;
use super::envelope::{self, Call};
use super::{Calls, finish, set_cookies};
use atek_api::jsonrpc::{RpcError, RpcResult};
use atek_host_model::host_api::CookieChange;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};
use http::Response;
use serde_json::value::RawValue;

/// Calls of one batch that run at the same time.
const AT_ONCE: usize = 8;

/// Makes the calls of a batch.
pub(super) async fn answer(
    calls: &Calls<'_>,
    items: &[Result<Call<'_>, RpcError>],
) -> Response<Body> {
    let mut cookies: Vec<CookieChange> = Vec::new();
    let mut list = List::default();
    let mut memory = calls.admitted.ticket().memory();
    let mut outcomes = Vec::with_capacity(items.len());
    for item in items {
        outcomes.push(one(calls, item).boxed());
    }
    let mut answers = stream::iter(outcomes).buffered(AT_ONCE);
    let mut calls_left = items.iter();
    while let Some((text, cookie)) = answers.next().await {
        let call = calls_left.next();
        let length = text.as_ref().map_or(0, Bytes::len);
        list.push(match memory.grow(length) {
            Ok(()) => text,
            // The call was made; its answer does not fit among the others.
            Err(full) => call.and_then(|call| refused(call, &Err(Failure::from(full).to_rpc()))),
        });
        cookies.extend(cookie);
    }
    let mut response = finish(list.close());
    set_cookies(&mut response, &cookies, calls.is_https());
    body::holding(response, memory)
}

async fn one(
    calls: &Calls<'_>,
    item: &Result<Call<'_>, RpcError>,
) -> (Option<Bytes>, Option<CookieChange>) {
    match item {
        Ok(call) => {
            let (outcome, cookie) = calls.outcome(call).await;
            (call.answer(&outcome), cookie)
        }
        Err(error) => (
            Some(envelope::respond(RawValue::NULL, &Err(error.clone()))),
            None,
        ),
    }
}

/// Answers every call of a batch with the same outcome.
pub(super) fn refuse(items: &[Result<Call<'_>, RpcError>], outcome: &RpcResult) -> Response<Body> {
    let mut list = List::default();
    for item in items {
        list.push(refused(item, outcome));
    }
    finish(list.close())
}

/// The answer to one item with an outcome that is not its own.
fn refused(item: &Result<Call<'_>, RpcError>, outcome: &RpcResult) -> Option<Bytes> {
    match item {
        Ok(call) => call.answer(outcome),
        Err(error) => Some(envelope::respond(RawValue::NULL, &Err(error.clone()))),
    }
}

/// A JSON array in the making.
#[derive(Default)]
struct List {
    text: Vec<u8>,
}

impl List {
    fn push(&mut self, item: Option<Bytes>) {
        if let Some(item) = item {
            self.text
                .push(if self.text.is_empty() { b'[' } else { b',' });
            self.text.extend_from_slice(&item);
        }
    }

    /// None when there was nothing to answer.
    fn close(mut self) -> Option<Bytes> {
        if self.text.is_empty() {
            return None;
        }
        self.text.push(b']');
        Some(self.text.into())
    }
}
