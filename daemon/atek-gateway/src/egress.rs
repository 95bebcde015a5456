//! `CONNECT HOST:PORT` on a service's own listener: the way to the hosts that its
//! installer granted by name, for a service that has no network otherwise.
//!
//! The host resolves the name and connects to a public address only, so that a
//! name cannot be pointed at the local network or at this machine.

use super::admission::Admitted;
use super::body::{self, Body};
use super::error::Failure;
use super::{egress_policy, upgrade};
use atek_api::address::is_public;
use atek_api::permission::HostPattern;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Until a connection stands, over all addresses of a name.
const CONNECT: Duration = Duration::from_secs(15);

/// Connects to `host:port` and joins the two connections.
pub(super) async fn connect(
    admitted: Admitted,
    host: &str,
    port: u16,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let shown = format!("{host}:{port}");
    let pattern = egress_policy::grant(admitted.caller(), host, port)?;
    let connecting = tokio::time::timeout(CONNECT, open(host, port, pattern));
    let stream = match connecting.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(OpenError::Refused)) => return Err(Failure::EgressRefused(shown)),
        Ok(Err(OpenError::Failed)) | Err(_) => return Err(Failure::EgressFailed(shown)),
    };
    let client = hyper::upgrade::on(&mut request);
    let conn = admitted.conn().clone();
    let cancel = conn.cancel.clone();
    conn.tasks.spawn(async move {
        if let Ok(client) = client.await {
            upgrade::pipe(TokioIo::new(client), stream, &cancel).await;
        }
        drop(admitted);
    });
    Ok(Response::new(body::empty()))
}

enum OpenError {
    Refused,
    Failed,
}

async fn open(host: &str, port: u16, pattern: &HostPattern) -> Result<TcpStream, OpenError> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|_| OpenError::Failed)?
        .collect();
    let allowed = found.iter().filter(|address| {
        // An address of the local network only where the grant says this very address.
        is_public(address.ip()) || pattern.is_private_address()
    });
    let mut error = if found.is_empty() {
        OpenError::Failed
    } else {
        OpenError::Refused
    };
    for address in allowed {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(_) => error = OpenError::Failed,
        }
    }
    Err(error)
}
