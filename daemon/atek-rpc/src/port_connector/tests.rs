//! A connector and its source on one machine; the tests play the source.

use super::*;
use crate::pool::{Endpoint, Pool, SendError};
use http::Request;
use http_body_util::BodyExt as _;
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use std::io::{IoSlice, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

/// How long anything may take: a bound for what hangs.
const SOON: Duration = Duration::from_secs(60);

fn tcp(family: AddressFamily) -> OwnedFd {
    rustix::net::socket(family, SocketType::STREAM, None).unwrap()
}

fn answer(channel: &StdUnixStream, port: u16, socket: Option<&OwnedFd>) {
    let port = port.to_be_bytes();
    let text = [IoSlice::new(&port)];
    let socket = socket.map(|socket| [socket.as_raw_fd()]);
    let rights = socket
        .as_ref()
        .map(|socket| [ControlMessage::ScmRights(socket)]);
    let rights = rights.as_ref().map_or(&[][..], |rights| &rights[..]);
    sendmsg::<UnixAddr>(channel.as_raw_fd(), &text, rights, MsgFlags::empty(), None).unwrap();
}

/// A source that gives what `make` returns, until the connector is dropped.
fn source_of(
    port: u16,
    make: impl Fn(u8) -> Option<OwnedFd> + Send + 'static,
) -> (PortConnector, std::thread::JoinHandle<Vec<u8>>) {
    let (here, mut there) = StdUnixStream::pair().unwrap();
    let thread = std::thread::spawn(move || {
        let mut asked = Vec::new();
        let mut family = [0];
        while matches!(there.read(&mut family), Ok(1)) {
            asked.push(family[0]);
            answer(&there, port, make(family[0]).as_ref());
        }
        asked
    });
    (PortConnector::new(here.into()).unwrap(), thread)
}

/// What a source gives for an address family.
type Gift = Box<dyn Fn(u8) -> Option<OwnedFd> + Send>;

fn honest(family: u8) -> Option<OwnedFd> {
    Some(tcp(match family {
        IPV4 => AddressFamily::INET,
        _ => AddressFamily::INET6,
    }))
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, work)
        .await
        .expect("it takes too long")
}

#[tokio::test]
async fn a_port_is_reached_through_a_socket_of_the_source() {
    let (listener, port) = listener().await;
    let (connector, _) = source_of(port, honest);
    let mut client = within(connector.connect()).await.unwrap();
    let (mut server, _) = within(listener.accept()).await.unwrap();
    server.write_all(b"hello").await.unwrap();
    let mut text = [0; 5];
    within(client.read_exact(&mut text)).await.unwrap();
    assert_eq!(&text, b"hello");
}

#[tokio::test]
async fn a_program_at_the_ipv6_loopback_is_found_and_then_tried_first() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        eprintln!("SKIPPED: this machine has no IPv6");
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let (connector, source) = source_of(port, honest);
    within(connector.connect()).await.unwrap();
    within(connector.connect()).await.unwrap();
    drop(connector);
    assert_eq!(source.join().unwrap(), [IPV4, IPV6, IPV6]);
}

#[tokio::test]
async fn a_port_without_a_listener_and_a_source_that_ended_refuse() {
    let (listener, port) = listener().await;
    drop(listener);
    let (connector, _) = source_of(port, honest);
    let error = within(connector.connect()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(connector.is_open());
    let (here, there) = StdUnixStream::pair().unwrap();
    let connector = PortConnector::new(here.into()).unwrap();
    drop(there);
    assert!(!connector.is_open());
    let error = within(connector.connect()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

/// The source is of the service's user, so what it gives is checked as if the service gave it.
#[tokio::test]
async fn a_source_that_gives_something_else_than_a_new_tcp_socket_is_refused() {
    let (_listener, port) = listener().await;
    let connected = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let connected = OwnedFd::from(connected);
    let gifts: [(&str, Gift); 6] = [
        ("nothing", Box::new(|_| None)),
        (
            "a file",
            Box::new(|_| Some(std::fs::File::open("/dev/zero").unwrap().into())),
        ),
        (
            "a Unix socket",
            Box::new(|_| Some(StdUnixStream::pair().unwrap().0.into())),
        ),
        (
            "a UDP socket",
            Box::new(|_| Some(std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into())),
        ),
        (
            "a socket of the other family",
            Box::new(|family| honest(if family == IPV4 { IPV6 } else { IPV4 })),
        ),
        (
            "a connected socket",
            Box::new(move |_| Some(connected.try_clone().unwrap())),
        ),
    ];
    for (what, make) in gifts {
        let (connector, _) = source_of(port, make);
        within(connector.connect()).await.expect_err(what);
    }
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_its_socket_to_no_other() {
    let (listener, port) = listener().await;
    let (here, there) = StdUnixStream::pair().unwrap();
    let connector = PortConnector::new(here.into()).unwrap();
    // Asked for, and not waited for.
    let early = tokio::time::timeout(Duration::from_millis(50), connector.connect()).await;
    assert!(early.is_err());
    // The late answer is for a port of its own, so that the test sees who takes it.
    answer(&there, 1, honest(IPV4).as_ref());
    answer(&there, port, honest(IPV4).as_ref());
    let client = within(connector.connect()).await.unwrap();
    assert_eq!(client.peer_addr().unwrap().port(), port);
    within(listener.accept()).await.unwrap();
}

#[tokio::test]
async fn many_callers_at_once_each_get_a_connection() {
    let (listener, port) = listener().await;
    let (connector, _) = source_of(port, honest);
    let connector = Arc::new(connector);
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let connector = connector.clone();
            tokio::spawn(async move { connector.connect().await })
        })
        .collect();
    let mut held = Vec::new();
    for caller in callers {
        held.push(within(caller).await.unwrap().unwrap());
        within(listener.accept()).await.unwrap();
    }
}

#[test]
fn only_a_unix_stream_is_a_channel() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    for descriptor in [
        tcp(AddressFamily::INET),
        rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None).unwrap(),
        std::fs::File::open("/dev/null").unwrap().into(),
    ] {
        PortConnector::new(descriptor).unwrap_err();
    }
}

fn service(port: u16) -> (Pool, PortSlot) {
    let (connector, _) = source_of(port, honest);
    let slot = PortSlot::default();
    slot.set(Some(connector));
    let owner = crate::owned_socket::Owner::OfFolder;
    let endpoint = Endpoint::Service("/nonexistent/app.sock".into(), owner, slot.clone());
    (Pool::new(endpoint), slot)
}

#[tokio::test]
async fn a_service_is_called_at_its_port_while_its_start_has_one() {
    let (listener, port) = listener().await;
    let (pool, slot) = service(port);
    let request = Request::get("/").body(crate::body::empty()).unwrap();
    let (answer, ()) = within(async {
        tokio::join!(pool.send(request), async {
            let (mut server, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let _ = server.read(&mut head).await.unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            server.write_all(answer).await.unwrap();
        })
    })
    .await;
    assert_eq!(answer.unwrap().status(), 200);
    slot.set(None);
    let request = Request::get("/").body(crate::body::empty()).unwrap();
    let error = Pool::new(pool.endpoint().clone())
        .send(request)
        .await
        .unwrap_err();
    assert!(matches!(error, SendError::Connect { .. }), "{error}");
}

/// A server that answers an upload early closes with bytes unread, and the kernel resets the
/// connection behind the answer.
#[tokio::test]
async fn an_answer_without_a_length_before_the_end_of_an_upload_was_lost() {
    let (listener, port) = listener().await;
    let (pool, _slot) = service(port);
    let upload = crate::body::full(vec![7; 16 << 20]);
    let request = Request::put("/").body(upload).unwrap();
    let (answer, ()) = within(async {
        tokio::join!(pool.send(request), async {
            let (mut server, _) = listener.accept().await.unwrap();
            let mut head = [0; 16];
            server.read_exact(&mut head).await.unwrap();
            let answer = b"HTTP/1.1 413 Content Too Large\r\n\r\ntoo large";
            server.write_all(answer).await.unwrap();
            drop(server);
        })
    })
    .await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 413);
    let body = within(answer.into_body().collect())
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(body, "too large");
}

#[test]
fn a_slot_is_the_same_place_as_its_clones_only() {
    let slot = PortSlot::default();
    assert!(!slot.is_shared());
    let other = slot.clone();
    assert!(slot.is_shared() && slot == other && slot != PortSlot::default());
    let (_here, there) = StdUnixStream::pair().unwrap();
    assert!(is_open(&there.as_fd().try_clone_to_owned().unwrap()));
}
