//! Listening at the apps' ports: a listener for each service that has one in its record.

use super::stored_listeners::StoredListeners;
use crate::directory::{Directory, DirectoryView};
use atek_api::ids::ServiceKey;
use atek_gateway::Gateway;
use atek_host_model::listener::{Listener, Origin};
use nix::sys::socket::{setsockopt, sockopt};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pause before a port that another program had is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// The first attempts come quickly: the port may be that of an app that was just removed.
const QUICK: (u32, Duration) = (5, Duration::from_millis(100));
/// A port that was kept over a restart and that no app has after this is given up: by then
/// all of them are known.
const GIVE_UP: Duration = Duration::from_secs(60);
/// Connections that wait to be accepted, for each listener.
const BACKLOG: u32 = 256;

/// By service: its port, or why it is not listened on.
pub type Listening = Arc<BTreeMap<ServiceKey, Result<u16, String>>>;

/// Listens where the services of the directory are to be opened, until `cancel`.
pub async fn follow(
    gateway: Gateway,
    directory: DirectoryView,
    shown: watch::Sender<Listening>,
    mut kept: StoredListeners,
    tasks: TaskTracker,
    cancel: CancellationToken,
) {
    let mut changes = directory.changes();
    let give_up = tokio::time::sleep(GIVE_UP);
    tokio::pin!(give_up);
    let mut given_up = false;
    let mut live: BTreeMap<ServiceKey, AppListener> = BTreeMap::new();
    loop {
        changes.mark_unchanged();
        let wanted = wanted(&directory.now());
        let is_wanted = |key: &ServiceKey, live: &AppListener| wanted.get(key) == Some(&live.port);
        let gone = live.iter().filter(|(key, live)| !is_wanted(key, live));
        let mut gone: Vec<u16> = gone.map(|(_, live)| live.port).collect();
        if given_up {
            gone.extend(kept.waiting());
        }
        live.retain(|key, live| is_wanted(key, live));
        kept.release(&gone).await;
        for (key, port) in wanted {
            let attempts = match live.get(&key) {
                Some(live) if live.listening.is_ok() => continue,
                Some(live) => live.attempts.saturating_add(1),
                None => 1,
            };
            let listeners = match kept.take(port) {
                Some(Ok(listeners)) => Ok(listeners),
                Some(Err(_)) | None => bind(port).inspect(|listeners| kept.keep(port, listeners)),
            };
            let (listening, token) = match listeners {
                Ok(listeners) => {
                    let token = cancel.child_token();
                    for listener in listeners {
                        let origin = Origin::App {
                            key: key.clone(),
                            port,
                        };
                        let (gateway, token) = (gateway.clone(), token.clone());
                        let listener = Listener::Tcp(listener);
                        tasks.spawn(async move { gateway.serve(listener, origin, token).await });
                    }
                    (Ok(port), Some(token.drop_guard()))
                }
                Err(error) => {
                    let problem = problem(port, &error);
                    if attempts == QUICK.0 {
                        tracing::warn!(%key, "{problem}");
                    }
                    (Err(problem), None)
                }
            };
            let entry = AppListener {
                port,
                attempts,
                listening,
                _serving: token,
            };
            live.insert(key, entry);
        }
        publish(&shown, &live);
        let retry = live.values().filter_map(AppListener::retry).min();
        tokio::select! {
            () = cancel.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
            () = &mut give_up, if !given_up => given_up = true,
            () = tokio::time::sleep(retry.unwrap_or(RETRY)), if retry.is_some() => {}
        }
    }
}

/// What became of one service's port.
struct AppListener {
    port: u16,
    attempts: u32,
    listening: Result<u16, String>,
    /// Ends the listeners with the value.
    _serving: Option<tokio_util::sync::DropGuard>,
}

impl AppListener {
    /// When to try again; never where it is listened.
    fn retry(&self) -> Option<Duration> {
        let pause = if self.attempts < QUICK.0 {
            QUICK.1
        } else {
            RETRY
        };
        self.listening.is_err().then_some(pause)
    }
}

fn wanted(directory: &Directory) -> BTreeMap<ServiceKey, u16> {
    directory
        .entries()
        .filter(|entry| !entry.core)
        .filter_map(|entry| Some((entry.key.clone(), entry.settings.port?)))
        .collect()
}

fn publish(shown: &watch::Sender<Listening>, live: &BTreeMap<ServiceKey, AppListener>) {
    let now: BTreeMap<_, _> = live
        .iter()
        .map(|(key, live)| (key.clone(), live.listening.clone()))
        .collect();
    shown.send_if_modified(|before| {
        let is_new = **before != now;
        if is_new {
            *before = Arc::new(now);
        }
        is_new
    });
}

fn problem(port: u16, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {port} of this app is used by another program of the box; end that program, or move `appPorts` in config.json"
        ),
        _ => format!("cannot listen on port {port} of this app: {error}"),
    }
}

/// Both families, or none: another program could take the other half of a port.
fn bind(port: u16) -> io::Result<Vec<TcpListener>> {
    let v4 = TcpSocket::new_v4()?;
    let mut listeners = vec![listen(v4, (Ipv4Addr::UNSPECIFIED, port).into())?];
    match TcpSocket::new_v6() {
        Ok(v6) => {
            setsockopt(&v6, sockopt::Ipv6V6Only, &true)?;
            listeners.push(listen(v6, (Ipv6Addr::UNSPECIFIED, port).into())?);
        }
        // A kernel without IPv6.
        Err(error) if error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) => {}
        Err(error) => return Err(error),
    }
    Ok(listeners)
}

fn listen(socket: TcpSocket, address: SocketAddr) -> io::Result<TcpListener> {
    // Connections of the host before this one may still be closing.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_is_listened_on_in_both_families_or_not_at_all() {
        let listeners = bind(0).unwrap();
        assert!(!listeners.is_empty());

        // Nothing is left behind in the other family. A port that is free may be given to another
        // program before we have it: then another one.
        let is_free_again = (0..20).any(|_| {
            let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let port = taken.local_addr().unwrap().port();
            let error = bind(port).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            let words = problem(port, &error);
            assert!(
                words.contains(&port.to_string()) && words.contains("another program"),
                "{words}"
            );
            drop(taken);
            bind(port).is_ok()
        });
        assert!(is_free_again);
    }
}
