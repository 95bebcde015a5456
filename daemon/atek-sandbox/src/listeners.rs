//! The TCP listeners on which the host's API will answer this service.

use anyhow::Context as _;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
    sockopt,
};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd as _;

/// On the loopback of this network namespace, both at the same port.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// `127.0.0.1`.
    pub(crate) v4: TcpListener,
    /// `::1`; none where the kernel has no IPv6.
    pub(crate) v6: Option<TcpListener>,
    /// The port of both.
    pub(crate) port: u16,
}

/// The port at which programs look for a web server when none is named.
const HTTP: u16 = 80;

/// The port in place of [`HTTP`] where a program of the service listens on that one: none that the
/// kernel picks for others.
const HTTP_TAKEN: u16 = 61_080;

/// The port at which the host is looked for.
pub(crate) fn preferred(http_is_taken: bool) -> u16 {
    if http_is_taken { HTTP_TAKEN } else { HTTP }
}

/// Opens them: at this port, or at one that the kernel picks.
pub(crate) fn open(preferred: u16) -> anyhow::Result<Listeners> {
    match open_at(preferred) {
        Some(listeners) => Ok(listeners),
        None => open_anywhere(),
    }
}

/// `None` where the port cannot be had: the kernel then picks another one.
fn open_at(port: u16) -> Option<Listeners> {
    let v4 = listen_at(Ipv4Addr::LOCALHOST.into(), port).ok()?;
    let v6 = match listen_at(Ipv6Addr::LOCALHOST.into(), port) {
        Ok(v6) => Some(v6),
        Err(error) if has_no_ipv6(&error) => None,
        Err(_) => return None,
    };
    Some(Listeners { v4, v6, port })
}

/// A listener beside one of a start before: the network of a service stays while it is started
/// again, and atekd closes the old one only when it has the new one (`SO_REUSEPORT`, socket(7)).
fn listen_at(address: IpAddr, port: u16) -> io::Result<TcpListener> {
    let family = match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    let listener = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&listener, sockopt::ReuseAddr, &true)?;
    setsockopt(&listener, sockopt::ReusePort, &true)?;
    let address = SockaddrStorage::from(SocketAddr::new(address, port));
    bind(listener.as_raw_fd(), &address)?;
    listen(&listener, Backlog::MAXCONN)?;
    Ok(TcpListener::from(listener))
}

fn open_anywhere() -> anyhow::Result<Listeners> {
    // Another program may have the port on the other address.
    const ATTEMPTS: u32 = 8;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let v4 =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on 127.0.0.1")?;
        let port = v4
            .local_addr()
            .context("cannot tell the port of the listener")?
            .port();
        match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
            Ok(v6) => {
                return Ok(Listeners {
                    v4,
                    v6: Some(v6),
                    port,
                });
            }
            Err(error) if has_no_ipv6(&error) => return Ok(Listeners { v4, v6: None, port }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempt < ATTEMPTS => {}
            Err(error) => return Err(error).context("cannot listen on ::1"),
        }
    }
}

fn has_no_ipv6(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_listeners_have_the_port_that_is_told() {
        let listeners = open_anywhere().unwrap();
        assert_ne!(listeners.port, 0);
        assert_eq!(listeners.v4.local_addr().unwrap().port(), listeners.port);
        if let Some(v6) = listeners.v6 {
            assert_eq!(v6.local_addr().unwrap().port(), listeners.port);
        }
    }

    #[test]
    fn a_service_that_was_started_again_found_its_host_at_another_port() {
        let first = open_anywhere().unwrap();
        let again = listen_at(Ipv4Addr::LOCALHOST.into(), first.port);
        // The first one was made by the kernel's choice, and lets nothing beside it.
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let port = first.port;
        drop(first);
        let before = open_at(port).unwrap();
        let after = open_at(port).unwrap();
        assert_eq!((before.port, after.port), (port, port));
    }
}
