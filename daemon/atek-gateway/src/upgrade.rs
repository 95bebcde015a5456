//! WebSockets: a handshake that passes through, then bytes in both directions.

use super::access_end::{Opened, access_end};
use super::admission::Admitted;
use super::body::{self, Body};
use super::error::Failure;
use super::gateway::Gateway;
use super::upstream::{self, DEATH_DETECTION_LAG};
use atek_host_model::directory::Entry;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long one direction may go on after the other has ended.
const LINGER: Duration = Duration::from_secs(30);

/// Sends a handshake to a service and joins the two connections when it agrees.
///
/// `head` is prepared for the service. The response's headers are the service's.
pub(super) async fn websocket(
    gateway: &Gateway,
    admitted: Admitted,
    entry: &Arc<Entry>,
    opened: Opened,
    mut head: Parts,
) -> Result<Response<Body>, Failure> {
    let client = head
        .extensions
        .remove::<OnUpgrade>()
        .ok_or(Failure::BadRequest("this connection cannot be upgraded"))?;
    let waited = gateway.deps().limits.response;
    let mut awake = gateway.awake(entry).await?;
    let until = Instant::now() + DEATH_DETECTION_LAG;
    let mut response = loop {
        let entry = &awake.entry;
        let request = Request::from_parts(head.clone(), body::empty());
        let failure =
            match tokio::time::timeout(waited, gateway.pool(entry).send_upgrade(request)).await {
                Ok(Ok(response)) => break response,
                Ok(Err(error)) => upstream::failed(entry, error),
                Err(_) => Failure::Timeout {
                    id: entry.id().clone(),
                    waited,
                },
            };
        awake = gateway.again(&awake, failure, until).await?;
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response.map(body::boxed));
    }
    let service = hyper::upgrade::on(&mut response);
    let end = access_end(gateway, admitted.caller(), opened);
    let conn = admitted.conn().clone();
    let (cancel, kept) = (conn.cancel.clone(), (admitted, awake.hold));
    conn.tasks.spawn(async move {
        if let (Ok(client), Ok(service)) = tokio::join!(client, service) {
            tokio::select! {
                () = pipe(TokioIo::new(client), TokioIo::new(service), &cancel) => {}
                () = end => {}
            }
        }
        drop(kept);
    });
    Ok(response.map(|_| body::empty()))
}

/// Copies in both directions until both have ended, or the gateway stops.
///
/// No deadline while both are open: a silent WebSocket is a healthy one, and the
/// kernel notices peers that are gone.
pub(super) async fn pipe<A, B>(a: A, b: B, cancel: &CancellationToken)
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (a_read, a_write) = tokio::io::split(a);
    let (b_read, b_write) = tokio::io::split(b);
    let mut there = std::pin::pin!(copy(a_read, b_write));
    let mut back = std::pin::pin!(copy(b_read, a_write));
    let copying = async {
        tokio::select! {
            first = &mut there => if first.is_ok() { _ = tokio::time::timeout(LINGER, back).await },
            first = &mut back => if first.is_ok() { _ = tokio::time::timeout(LINGER, there).await },
        }
    };
    tokio::select! {
        () = copying => {}
        () = cancel.cancelled() => {}
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    tokio::io::copy(&mut from, &mut to).await?;
    to.shutdown().await
}
