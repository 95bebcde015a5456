//! Connections of paired devices, which the hypercore service takes from the network.
//!
//! It asks for each one with `CONNECT ID.device.atek:80` on its own listener. What the device then
//! sends is served as if it had come to a public port: the session cookie alone says who it is.

use super::activity::Activity;
use super::admission::Admitted;
use super::body::{self, Body};
use super::edge::headers;
use super::error::Failure;
use super::gateway::{Conn, Gateway};
use super::listener::Stream;
use super::peer;
use super::upgrade;
use atek_host_model::listener::Origin;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::UnixStream;

/// Stands for a device where clients are told apart by their address: an own /64 of the unique
/// local range `fd00::/8` (RFC 4193) for each.
fn address(device: &str) -> IpAddr {
    let digest = Sha256::digest(device);
    let mut octets = [0; 16];
    octets[0] = 0xfd;
    octets[1..8].copy_from_slice(&digest[..7]);
    octets[15] = 1;
    Ipv6Addr::from(octets).into()
}

/// Answers the `CONNECT`, and serves what follows as a connection at the public port.
pub(super) fn open(
    gateway: &Gateway,
    admitted: Admitted,
    device: &str,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let (near, far) = UnixStream::pair().map_err(|error| {
        tracing::warn!(%error, "cannot make a pair of sockets for a device");
        Failure::Internal
    })?;
    let address = address(device);
    let activity: Arc<Activity> = Arc::default();
    let outer = admitted.conn().clone();
    let peer = peer::peer_of(address, None);
    let place = gateway
        .inner
        .public
        .enter(peer, activity.clone(), &outer.cancel)
        .ok_or(Failure::Internal)?;
    let conn = Conn {
        origin: Arc::new(Origin::Public),
        peer: Some(SocketAddr::new(address, 0)),
        forwarded_for: headers::forwarded_for(address),
        cancel: outer.cancel.clone(),
        tasks: outer.tasks.clone(),
        activity,
    };
    let slot = gateway.inner.workers.assign();
    let handle = slot.handle.clone();
    let close = place.close.clone();
    let serving = gateway
        .clone()
        .connection(Stream::Unix(near), Arc::new(conn), close);
    outer.tasks.spawn_on(
        async move {
            serving.await;
            drop((place, slot));
        },
        &handle,
    );
    let client = hyper::upgrade::on(&mut request);
    let cancel = outer.cancel.clone();
    outer.tasks.spawn(async move {
        if let Ok(client) = client.await {
            upgrade::pipe(TokioIo::new(client), far, &cancel).await;
        }
        drop(admitted);
    });
    Ok(Response::new(body::empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_is_a_client_of_its_own() {
        assert_ne!(address("a"), address("b"));
        assert_eq!(address("a"), address("a"));
    }
}
