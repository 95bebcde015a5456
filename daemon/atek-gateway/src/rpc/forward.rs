//! One call to a service, and its answer.

use super::super::access_end::{Opened, access_end};
use super::super::body::{self, Body, Collected, IdleTimeoutBody, PrefixedBody, ReadError};
use super::super::error::Failure;
use super::super::session_end::SessionBoundBody;
use super::super::upstream::{ResponseDeadline, ServiceBody};
use super::answer::{self, AnswerKind};
use super::envelope::Call;
use super::{Calls, finish, identify};
use atek_api::jsonrpc::RpcResult;
use atek_host_model::directory::Entry;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use std::sync::Arc;

/// Up to this length an answer is read and checked before any of it is passed on.
const CHECKED: usize = 256 << 10;
/// The longest answer that is held in memory as a whole: one whose id must be replaced, or of a
/// batch.
const COLLECTED: usize = 1 << 20;

/// Sends a call and passes the answer on, as it is if it is one.
pub(super) async fn pass(
    calls: &Calls<'_>,
    entry: &Arc<Entry>,
    path: &str,
    call: &Call<'_>,
) -> Result<Response<Body>, Failure> {
    let (status, incoming) = send(calls, entry, path, call).await?;
    let pause = calls.gateway.deps().limits.rpc_answer;
    let mut memory = calls.admitted.ticket().memory();
    let incoming = IdleTimeoutBody::new(incoming, pause);
    let gathered = body::gather(incoming, CHECKED, &mut memory).await;
    match gathered.map_err(|error| broken(entry, error))? {
        Collected::Whole(text) => match answer::check(&text) {
            AnswerKind::Pass => Ok(body::holding(body::json(StatusCode::OK, text), memory)),
            _ if !status.is_success() => Err(Failure::NotRpc {
                id: entry.id().clone(),
                status,
            }),
            AnswerKind::Zero => Ok(finish(call.answer(&Ok(answer::zero())))),
            AnswerKind::NotJson(problem) => {
                Ok(finish(call.answer(&Err(answer::not_json(problem)))))
            }
        },
        Collected::More(mut parts, mut rest) => {
            if parts.is_empty() {
                // Known to be long before any of it came.
                parts.extend(first_part(&mut rest).await);
            }
            let begin = parts.first().map_or(&[][..], |part| &part[..]);
            if !status.is_success() || !answer::is_plausible(begin) {
                return Err(Failure::NotRpc {
                    id: entry.id().clone(),
                    status,
                });
            }
            // It ends with the right to it, as everything that lasts. The right of a contact is
            // known to the hypercore service, which closes the connection.
            let opened = match calls.contact {
                Some(_) => Opened::Own,
                None => Opened::Provider {
                    api: calls.provided.to_owned(),
                    service: entry.key.clone(),
                },
            };
            let end = access_end(calls.gateway, calls.admitted.caller(), opened);
            let answer = SessionBoundBody::new(PrefixedBody::new(parts, rest), end);
            let mut response = Response::new(body::boxed(answer));
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok(response)
        }
    }
}

async fn first_part(rest: &mut IdleTimeoutBody<ServiceBody>) -> Option<Bytes> {
    use http_body_util::BodyExt as _;
    rest.frame().await?.ok()?.into_data().ok()
}

/// Sends a call and reads its outcome.
pub(super) async fn collect(
    calls: &Calls<'_>,
    entry: &Arc<Entry>,
    path: &str,
    call: &Call<'_>,
) -> Result<RpcResult, Failure> {
    let (status, incoming) = send(calls, entry, path, call).await?;
    let pause = calls.gateway.deps().limits.rpc_answer;
    let mut memory = calls.admitted.ticket().memory();
    let incoming = IdleTimeoutBody::new(incoming, pause);
    let text = body::read(incoming, COLLECTED, &mut memory)
        .await
        .map_err(|error| broken(entry, error))?;
    if !status.is_success() && answer::check(&text) != AnswerKind::Pass {
        return Err(Failure::NotRpc {
            id: entry.id().clone(),
            status,
        });
    }
    Ok(answer::outcome(&text))
}

/// The failure of an answer that was not read to its end.
fn broken(entry: &Entry, error: ReadError) -> Failure {
    let id = entry.id().clone();
    match error {
        ReadError::TooLarge => Failure::AnswerTooLarge {
            id,
            limit: COLLECTED,
        },
        ReadError::Slow | ReadError::Broken => Failure::BrokenAnswer { id },
        ReadError::Busy => Failure::Busy,
    }
}

async fn send(
    calls: &Calls<'_>,
    entry: &Arc<Entry>,
    path: &str,
    call: &Call<'_>,
) -> Result<(StatusCode, ServiceBody), Failure> {
    // The manifest's reader admits only paths that are URIs.
    let uri: Uri = path.parse().map_err(|_| Failure::Internal)?;
    let mut request = Request::new(body::full(call.forwarded(&calls.body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    identify(request.headers_mut(), calls, entry);
    let deadline = ResponseDeadline::of(calls.gateway.deps().limits.rpc_answer);
    let (head, body) = calls
        .gateway
        .send(entry, deadline, request)
        .await?
        .into_parts();
    Ok((head.status, body))
}
