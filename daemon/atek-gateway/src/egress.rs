//! `CONNECT HOST:PORT` on a service's own listener: the way to the hosts that its
//! installer granted by name, for a service that has no network otherwise.
//!
//! The host resolves the name and connects to a public address only, so that a
//! name cannot be pointed at the local network or at this machine.

use super::admission::Admitted;
use super::body::{self, Body};
use super::error::Failure;
use super::upgrade;
use atek_api::address::is_public;
use atek_api::permission::{HostPattern, Network, Permissions};
use atek_host_model::permissions::Caller;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Until a connection stands, over all addresses of a name.
const CONNECT: Duration = Duration::from_secs(15);

/// The grant by which a caller may reach a host.
///
/// # Errors
///
/// [`Failure::Forbidden`] for a caller that is no service, else [`Failure::EgressRefused`].
pub(super) fn grant<'a>(
    caller: &'a Caller,
    host: &str,
    port: u16,
) -> Result<&'a HostPattern, Failure> {
    let Caller::Service(service) = caller else {
        return Err(Failure::Forbidden);
    };
    granted(&service.granted, host, port)
        .ok_or_else(|| Failure::EgressRefused(format!("{host}:{port}")))
}

/// Connects to `host:port` and joins the two connections.
pub(super) async fn connect(
    admitted: Admitted,
    host: &str,
    port: u16,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let shown = format!("{host}:{port}");
    let pattern = grant(admitted.caller(), host, port)?;
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

fn granted<'a>(permissions: &'a Permissions, host: &str, port: u16) -> Option<&'a HostPattern> {
    match &permissions.network {
        Some(Network::Hosts(patterns)) => {
            patterns.iter().find(|pattern| pattern.matches(host, port))
        }
        // It has a network of its own.
        Some(Network::Direct { .. }) | None => None,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_granted_hosts_are_reached() {
        let network = Network::Hosts(vec![
            "api.example.org".parse().unwrap(),
            "*.cdn.test:8443".parse().unwrap(),
        ]);
        let permissions = Permissions {
            network: Some(network),
            ..Permissions::default()
        };
        for (host, port, allowed) in [
            ("api.example.org", 443, true),
            ("api.example.org", 22, false),
            ("x.cdn.test", 8443, true),
            ("cdn.test", 8443, false),
            ("evil.test", 443, false),
        ] {
            assert_eq!(
                granted(&permissions, host, port).is_some(),
                allowed,
                "{host}:{port}"
            );
        }
        assert!(granted(&Permissions::default(), "api.example.org", 443).is_none());
    }
}
