//! Accepts what starting services hand over.

use super::{Attach, handshake};
use atek_api::spec::ATTACH_TIMEOUT;
use std::io;
use std::net::TcpListener as StdTcpListener;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

/// Services that may be starting at the same moment; others wait in the backlog.
const AT_ONCE: usize = 64;
/// systemd gives `DynamicUser=` one of these (`systemd-analyze` calls them dynamic).
const DYNAMIC_USERS: RangeInclusive<u32> = 61_184..=65_519;

/// Who may hand something over at all; the token then says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peers {
    /// The dynamic users of services.
    Services,
    /// Anybody, for tests.
    #[cfg(test)]
    Anybody,
}

impl Peers {
    fn admits(self, uid: u32) -> bool {
        match self {
            Self::Services => DYNAMIC_USERS.contains(&uid),
            #[cfg(test)]
            Self::Anybody => true,
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
    let room = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let (stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: it passes, or nothing helps.
                tracing::error!(%error, "cannot accept on the attach socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        match stream.peer_cred() {
            Ok(peer) if peers.admits(peer.uid()) => {}
            Ok(peer) => {
                tracing::warn!(uid = peer.uid(), "refused a stranger on the attach socket");
                continue;
            }
            Err(_) => continue,
        }
        let attach = attach.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let exchange = handshake::run(&attach, stream);
            match tokio::time::timeout(ATTACH_TIMEOUT, exchange).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(error = %crate::chain::Chain(&error), "refused to attach");
                }
                Err(_) => tracing::warn!("a service began to attach and went silent"),
            }
        });
    }
}
