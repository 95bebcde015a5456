//! Accepts what starting services hand over.

use super::pending::{Pending, PendingSlot};
use super::{Attach, handshake};
use atek_api::spec::ATTACH_TIMEOUT;
use std::io;
use std::net::TcpListener as StdTcpListener;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener, UnixStream};

/// How long a service may take to say which one it is: it sends at once, all in one message.
const SILENCE: Duration = Duration::from_secs(2);
/// systemd gives `DynamicUser=` one of these (`systemd-analyze` calls them dynamic).
const DYNAMIC_USERS: RangeInclusive<u32> = 61_184..=65_519;

/// The users that may hand something over at all; the token then says which service it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peers {
    /// The dynamic users of services.
    Services,
    /// Every user, for tests.
    #[cfg(test)]
    Everyone,
}

impl Peers {
    fn admits(self, uid: u32) -> bool {
        match self {
            Self::Services => DYNAMIC_USERS.contains(&uid),
            #[cfg(test)]
            Self::Everyone => true,
        }
    }
}

pub(super) fn to_tokio(listener: StdUnixListener) -> io::Result<UnixListener> {
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// A descriptor as a TCP listener, if it is one.
pub(super) fn tcp_listener(descriptor: OwnedFd) -> io::Result<TcpListener> {
    use nix::sys::socket::{getsockopt, sockopt};
    if !getsockopt(&descriptor, sockopt::AcceptConn)? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a listening socket",
        ));
    }
    let listener = StdTcpListener::from(descriptor);
    // Fails for a socket of another family.
    listener.local_addr()?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

pub(super) async fn run(attach: Attach, listener: UnixListener, peers: Peers) {
    let pending = Pending::default();
    loop {
        let (stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: some are closed in a moment.
                tracing::error!(%error, "cannot accept on the attach socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        match stream.peer_cred() {
            Ok(peer) if peers.admits(peer.uid()) => {
                let place = pending.enter(peer.uid());
                tokio::spawn(converse(attach.clone(), stream, place));
            }
            Ok(peer) => {
                tracing::warn!(
                    uid = peer.uid(),
                    "refused a user that is no service's on the attach socket"
                );
            }
            Err(_) => {}
        }
    }
}

/// Takes one service's listeners. What has not said in time which service it is makes way.
async fn converse(attach: Attach, mut stream: UnixStream, place: PendingSlot) {
    let received = tokio::select! {
        received = tokio::time::timeout(SILENCE, handshake::receive(&stream)) => received,
        () = place.evicted.cancelled() => return,
    };
    let Ok(received) = received else {
        tracing::warn!("a service began to attach and went silent");
        return;
    };
    // From here on it is bounded by the services that are expected to start.
    drop(place);
    let exchange = handshake::answer(&attach, &mut stream, received);
    match tokio::time::timeout(ATTACH_TIMEOUT, exchange).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(error = %crate::error_chain::DisplayChain(&error), "refused to attach");
        }
        Err(_) => tracing::warn!("a service attached, and systemd did not keep its listeners"),
    }
}
