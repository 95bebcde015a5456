//! Where requests come in: the sockets that systemd holds for the host, or its own.

use crate::app_addresses;
use crate::attach::{Notify, Passed};
use anyhow::Context as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::{TcpListener, UnixListener};

/// The listeners that are there before anything else.
#[derive(Debug)]
pub(super) struct ListenSockets {
    /// For everybody on the network.
    pub(super) public: Vec<TcpListener>,
    /// For the administrator of the machine, where systemd holds it.
    pub(super) control: Option<UnixListener>,
    /// Apps' ports that were open when the daemon before this one ended.
    pub(super) ports: app_addresses::StoredListeners,
}

impl ListenSockets {
    /// Takes what systemd passed, or listens on `port`.
    ///
    /// # Errors
    ///
    /// When the port is taken, or a socket cannot be used.
    pub(super) async fn open(passed: &mut Passed, port: u16) -> anyhow::Result<Self> {
        Ok(Self {
            public: public_listeners(passed, port).await?,
            control: passed.unix("control").map(into_tokio).transpose()?,
            ports: app_addresses::StoredListeners::of(passed, Notify::from_env()),
        })
    }
}

/// systemd's sockets, or our own on both families when started by hand.
async fn public_listeners(passed: &mut Passed, port: u16) -> anyhow::Result<Vec<TcpListener>> {
    let given = passed.tcp("http");
    if !given.is_empty() {
        return given.into_iter().map(tcp_into_tokio).collect();
    }
    let taken = || format!("cannot listen on port {port}; is another server using it?");
    let v6 = TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await;
    // A dual-stack listener takes IPv4 too; then the second one finds its port in use.
    let v4 = TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await;
    match (v4, v6) {
        (Ok(v4), Ok(v6)) => Ok(vec![v4, v6]),
        (Err(_), Ok(one)) | (Ok(one), Err(_)) => Ok(vec![one]),
        (Err(error), Err(_)) => Err(error).with_context(taken),
    }
}

fn tcp_into_tokio(listener: std::net::TcpListener) -> anyhow::Result<TcpListener> {
    listener
        .set_nonblocking(true)
        .context("cannot use the HTTP socket")?;
    TcpListener::from_std(listener).context("cannot use the HTTP socket")
}

fn into_tokio(listener: std::os::unix::net::UnixListener) -> anyhow::Result<UnixListener> {
    listener
        .set_nonblocking(true)
        .context("cannot use the control socket")?;
    UnixListener::from_std(listener).context("cannot use the control socket")
}
