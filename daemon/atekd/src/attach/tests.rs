//! Hand-overs over a real socket, played by the test.

use super::*;
use atek_api::spec::AttachRequest;
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use std::io::{IoSlice, Read as _};
use std::net::TcpListener as StdTcpListener;
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};

/// An app that listens on its socket file.
const SOCKET: Expected = Expected { port: false };
/// An app that listens on a TCP port.
const PORT: Expected = Expected { port: true };

struct Host {
    folder: tempfile::TempDir,
    attach: Attach,
    changes: mpsc::Receiver<ListenerChange>,
}

fn host() -> Host {
    let folder = tempfile::tempdir().unwrap();
    let socket = StdUnixListener::bind(folder.path().join("attach.sock")).unwrap();
    let (gateway, changes) = mpsc::channel(16);
    let passed = Passed::of(vec![("attach".to_owned(), socket.into())]);
    let attach = Attach::new(passed, folder.path().to_owned(), Peers::Everyone, gateway);
    Host {
        folder,
        attach,
        changes,
    }
}

impl Host {
    /// Sends a message with descriptors; the byte that comes back, if one does.
    async fn send(&self, message: Vec<u8>, descriptors: Vec<RawFd>) -> Option<u8> {
        let path = self.folder.path().join("attach.sock");
        tokio::task::spawn_blocking(move || {
            let mut stream = StdUnixStream::connect(path).unwrap();
            let rights = [ControlMessage::ScmRights(&descriptors)];
            let rights = if descriptors.is_empty() {
                &[][..]
            } else {
                &rights
            };
            let text = [IoSlice::new(&message)];
            sendmsg::<UnixAddr>(stream.as_raw_fd(), &text, rights, MsgFlags::empty(), None)
                .unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = [0];
            stream.read_exact(&mut answer).ok().map(|()| answer[0])
        })
        .await
        .unwrap()
    }
}

fn key() -> ServiceKey {
    "k1".parse().unwrap()
}

fn listener() -> (StdTcpListener, u16) {
    let listener = StdTcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn message(token: &Secret, port: u16) -> Vec<u8> {
    AttachRequest {
        key: key(),
        token: token.clone(),
        port,
        connector: false,
    }
    .encode()
    .unwrap()
}

/// The message of an app with a TCP port.
fn with_connector(token: &Secret, port: u16) -> Vec<u8> {
    AttachRequest {
        key: key(),
        token: token.clone(),
        port,
        connector: true,
    }
    .encode()
    .unwrap()
}

#[tokio::test]
async fn a_service_with_its_token_hands_its_listener_to_the_gateway() {
    let mut host = host();
    let token = host.attach.prepare(&key(), SOCKET).await.unwrap();
    assert!(matches!(
        host.changes.recv().await,
        Some(ListenerChange::Unix { .. })
    ));
    let (listener, port) = listener();
    let text = message(&token, port);
    let answer = host.send(text, vec![listener.as_raw_fd()]).await;
    assert_eq!(answer, Some(AttachRequest::ACCEPTED));
    assert!(host.attach.is_attached(&key()));
    let Some(ListenerChange::Tcp { listeners, .. }) = host.changes.recv().await else {
        panic!("no listeners")
    };
    let [Listener::Tcp(taken)] = listeners.as_slice() else {
        panic!("{listeners:?}")
    };
    assert_eq!(taken.local_addr().unwrap().port(), port);
}

#[tokio::test]
async fn what_is_not_a_services_own_listener_is_refused() {
    let host = host();
    let token = host.attach.prepare(&key(), SOCKET).await.unwrap();
    let (listener, port) = listener();
    let listening = listener.as_raw_fd();
    let connected = StdUnixStream::pair().unwrap().0;
    let outside = StdTcpListener::bind("0.0.0.0:0").unwrap();
    let outside_port = outside.local_addr().unwrap().port();
    for (what, text, descriptors) in [
        (
            "wrong token",
            message(&Secret::new("0".repeat(64)), port),
            vec![listening],
        ),
        (
            "empty token",
            message(&Secret::new(""), port),
            vec![listening],
        ),
        ("no listener", message(&token, port), vec![]),
        ("wrong port", message(&token, port ^ 1), vec![listening]),
        (
            "no listening socket",
            message(&token, port),
            vec![connected.as_raw_fd()],
        ),
        (
            "IPv4 twice",
            message(&token, port),
            vec![listening, listening],
        ),
        (
            "on all addresses",
            message(&token, outside_port),
            vec![outside.as_raw_fd()],
        ),
        ("not JSON", vec![0, 0, 0, 1, b'x'], vec![listening]),
        ("too long", vec![255, 0, 0, 0], vec![listening]),
    ] {
        assert_eq!(
            host.send(text, descriptors).await,
            Some(AttachRequest::REFUSED),
            "{what}"
        );
        assert!(!host.attach.is_attached(&key()), "{what}");
    }
}

#[tokio::test]
async fn a_stopped_service_cannot_come_back_with_its_old_token() {
    let host = host();
    let token = host.attach.prepare(&key(), SOCKET).await.unwrap();
    host.attach.close(&key()).await;
    let (listener, port) = listener();
    let text = message(&token, port);
    let answer = host.send(text, vec![listener.as_raw_fd()]).await;
    assert_eq!(answer, Some(AttachRequest::REFUSED));
    assert!(host.attach.known().is_empty());
}

#[tokio::test]
async fn a_restarted_host_gives_the_stored_listener_back_and_knows_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, mut changes) = mpsc::channel(16);
    let first = Attach::new(
        Passed::default(),
        folder.path().to_owned(),
        Peers::Everyone,
        gateway.clone(),
    );
    let token = first.prepare(&key(), SOCKET).await.unwrap();
    let (listener, port) = listener();

    let stored = Passed::of(vec![("listen-k1-4".to_owned(), listener.into())]);
    let second = Attach::new(stored, folder.path().to_owned(), Peers::Everyone, gateway);
    assert!(!second.is_attached(&key()));
    assert_eq!(second.adopt(&key(), SOCKET).await.unwrap(), Some(token));
    assert!(second.is_attached(&key()));
    let told: Vec<_> = std::iter::from_fn(|| changes.try_recv().ok()).collect();
    let ports: Vec<_> = told
        .iter()
        .filter_map(|change| match change {
            ListenerChange::Tcp { listeners, .. } => Some(listeners),
            _ => None,
        })
        .flatten()
        .map(|listener| match listener {
            Listener::Tcp(listener) => listener.local_addr().unwrap().port(),
            Listener::Unix(_) => 0,
        })
        .collect();
    assert_eq!(ports, [port]);
    // The socket file is a new one, in the folder that the running unit has bound.
    assert!(StdUnixStream::connect(folder.path().join("host/k1/host.sock")).is_ok());
}

#[tokio::test]
async fn silent_connections_stopped_every_start() {
    let host = host();
    let token = host.attach.prepare(&key(), SOCKET).await.unwrap();
    let path = host.folder.path().join("attach.sock");
    let silent: Vec<StdUnixStream> = (0..100)
        .map(|_| StdUnixStream::connect(&path).unwrap())
        .collect();
    let (listener, port) = listener();
    let text = message(&token, port);
    let send = host.send(text, vec![listener.as_raw_fd()]);
    // Well before any deadline of the silent ones.
    let answer = tokio::time::timeout(std::time::Duration::from_secs(1), send).await;
    assert_eq!(answer, Ok(Some(AttachRequest::ACCEPTED)));
    drop(silent);
}

#[tokio::test]
async fn an_app_with_a_port_brings_its_channel_once_for_each_of_its_processes() {
    let host = host();
    let slot = host.attach.port_slot(&key());
    let token = host.attach.prepare(&key(), PORT).await.unwrap();
    let (listener, port) = listener();
    let listening = listener.as_raw_fd();
    let text = with_connector(&token, port);
    for wrong in [
        vec![listening],
        vec![listening, listening],
        vec![StdUnixStream::pair().unwrap().0.as_raw_fd()],
    ] {
        let answer = host.send(text.clone(), wrong).await;
        assert_eq!(answer, Some(AttachRequest::REFUSED));
    }
    let without = message(&token, port);
    let answer = host.send(without, vec![listening]).await;
    assert_eq!(answer, Some(AttachRequest::REFUSED), "no channel");
    assert!(slot.get().is_none());

    let (first, process) = StdUnixStream::pair().unwrap();
    let send = async |channel: &StdUnixStream| {
        let descriptors = vec![listening, channel.as_raw_fd()];
        host.send(text.clone(), descriptors).await
    };
    assert_eq!(send(&first).await, Some(AttachRequest::ACCEPTED));
    let taken = slot.get().unwrap();
    // The program has the token: what it brings is not taken while its parent lives.
    let (second, next) = StdUnixStream::pair().unwrap();
    assert_eq!(send(&second).await, Some(AttachRequest::REFUSED));
    assert!(Arc::ptr_eq(&taken, &slot.get().unwrap()));
    drop(process);
    assert_eq!(send(&second).await, Some(AttachRequest::ACCEPTED));
    assert!(!Arc::ptr_eq(&taken, &slot.get().unwrap()));
    drop(next);
    host.attach.close(&key()).await;
    assert!(slot.get().is_none());
}

#[tokio::test]
async fn an_app_with_a_socket_file_brings_no_channel() {
    let host = host();
    let token = host.attach.prepare(&key(), SOCKET).await.unwrap();
    let (listener, port) = listener();
    let (channel, _there) = StdUnixStream::pair().unwrap();
    let descriptors = vec![listener.as_raw_fd(), channel.as_raw_fd()];
    let answer = host.send(with_connector(&token, port), descriptors).await;
    assert_eq!(answer, Some(AttachRequest::REFUSED));
}

#[tokio::test]
async fn a_restarted_host_has_the_channel_before_it_knows_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let socket = StdUnixListener::bind(folder.path().join("attach.sock")).unwrap();
    let (gateway, changes) = mpsc::channel(16);
    let (kept, process) = StdUnixStream::pair().unwrap();
    let passed = Passed::of(vec![
        ("attach".to_owned(), socket.into()),
        ("connect-k1".to_owned(), kept.into()),
    ]);
    let run = folder.path().to_owned();
    let attach = Attach::new(passed, run, Peers::Everyone, gateway);
    let token = attach.inner.files.new_token(&key()).unwrap();
    let host = Host {
        folder,
        attach,
        changes,
    };
    assert!(host.attach.port_slot(&key()).get().is_some());
    let (listener, port) = listener();
    let (channel, _there) = StdUnixStream::pair().unwrap();
    let descriptors = vec![listener.as_raw_fd(), channel.as_raw_fd()];
    let send = async || {
        let text = with_connector(&token, port);
        host.send(text, descriptors.clone()).await
    };
    assert_eq!(send().await, Some(AttachRequest::REFUSED));
    // Its process was started again while this daemon was: it must ask again.
    drop(process);
    assert_eq!(send().await, None);
    host.attach.adopt(&key(), PORT).await.unwrap();
    assert_eq!(send().await, Some(AttachRequest::ACCEPTED));
}
