//! Listeners at apps' ports that systemd keeps while this daemon restarts: clients that connect
//! in between wait, and no other program gets the port.

use crate::attach::{Notify, Passed};
use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener as StdTcpListener;
use std::os::fd::AsFd as _;
use tokio::net::TcpListener;

/// What systemd keeps, and what of it was not asked for yet.
#[derive(Debug)]
pub struct StoredListeners {
    notify: Notify,
    waiting: BTreeMap<u16, Vec<StdTcpListener>>,
}

impl StoredListeners {
    /// What the daemon before this one left.
    pub fn of(passed: &mut Passed, notify: Notify) -> Self {
        Self {
            notify,
            waiting: passed.ports(),
        }
    }

    /// The listeners of a port, ready for use.
    pub(super) fn take(&mut self, port: u16) -> Option<io::Result<Vec<TcpListener>>> {
        let listeners = self.waiting.remove(&port)?;
        let ready = |listener: StdTcpListener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        Some(listeners.into_iter().map(ready).collect())
    }

    /// Has systemd keep the new listeners of a port.
    pub(super) fn keep(&self, port: u16, listeners: &[TcpListener]) {
        for listener in listeners {
            let is_v4 = listener.local_addr().is_ok_and(|address| address.is_ipv4());
            self.notify
                .store(&Passed::port_name(port, is_v4), listener.as_fd());
        }
    }

    /// Gives ports up, so that others can have them.
    pub(super) async fn release(&mut self, ports: &[u16]) {
        for port in ports {
            self.waiting.remove(port);
            for is_v4 in [true, false] {
                self.notify.forget(&Passed::port_name(*port, is_v4));
            }
        }
        if !ports.is_empty()
            && let Err(error) = self.notify.barrier().await
        {
            tracing::warn!(%error, ?ports, "systemd may keep ports open that no app uses");
        }
    }

    /// Ports that were not asked for.
    pub(super) fn waiting(&self) -> Vec<u16> {
        self.waiting.keys().copied().collect()
    }
}
