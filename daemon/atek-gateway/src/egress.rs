//! `CONNECT HOST:PORT` on a service's own listener: the way to the hosts that its
//! installer granted by name, for a service that has no network otherwise.
//!
//! The host resolves the name and connects to a public address only, so that a
//! name cannot be pointed at the local network or at this machine.

use super::admission::Admitted;
use super::body::{self, Body};
use super::error::Failure;
use super::upgrade;
use atek_api::permission::{HostPattern, Network, Permissions};
use atek_host_model::permissions::Caller;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
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

/// Whether an address belongs to the internet at large (IANA's special-purpose registries).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b)))
}

/// Global unicast only, and of it not what wraps or stands for an IPv4 address.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_global_unicast = (0x2000..0x4000).contains(&a);
    let is_documentation = (a == 0x2001 && b == 0xdb8) || a == 0x3fff;
    let is_special = a == 0x2001 && b < 0x200;
    let is_6to4 = a == 0x2002;
    is_global_unicast && !is_documentation && !is_special && !is_6to4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_internet_at_large_is_reached_by_name() {
        for (address, public) in [
            ("93.184.215.14", true),
            ("1.1.1.1", true),
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2606:4700::1111", true),
            ("::1", false),
            ("::", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("ff02::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::7f00:1", false),
            ("2002:7f00:1::", false),
            ("2001:db8::1", false),
            ("2001::1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

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
