//! Clients that hold what others need: connections, and memory.

use super::support::client::{DEADLINE, send};
use super::support::{ALICE, SYSTEM_TOKEN, World};
use crate::Limits;
use crate::peer::RefusedUsers;
use atek_host_model::listener::{Listener, Origin};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};

const PAGE: &[u8] = b"GET /_atek/login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// The public listener over TCP.
async fn tcp(world: &World) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (gateway, cancel) = (world.gateway.clone(), world.cancel.clone());
    tokio::spawn(async move {
        let listener = Listener::Tcp(listener);
        gateway.serve(listener, Origin::Public, cancel).await;
    });
    address
}

/// A connection from an address of the loopback network.
async fn from(last: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let own = Ipv4Addr::new(127, 0, 0, last);
    socket.bind((own, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

async fn answer(mut stream: TcpStream) -> String {
    let exchange = async {
        stream.write_all(PAGE).await.unwrap();
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text).await;
        String::from_utf8_lossy(&text).into_owned()
    };
    tokio::time::timeout(DEADLINE, exchange).await.unwrap()
}

#[tokio::test]
async fn idle_connections_keep_no_newcomer_out() {
    let world = World::with(Limits {
        connections: 16,
        ..Limits::default()
    })
    .await;
    let address = tcp(&world).await;
    let mut idle = Vec::new();
    for nth in 0..64 {
        idle.push(from(2 + nth % 4, address).await);
    }
    let page = answer(from(99, address).await).await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
}

#[tokio::test]
async fn a_connection_that_sends_nothing_is_closed_soon() {
    let world = World::with(Limits {
        first_request: Duration::from_millis(100),
        ..Limits::default()
    })
    .await;
    let mut silent = UnixStream::connect(&world.public).await.unwrap();
    let mut nothing = Vec::new();
    let closed = tokio::time::timeout(DEADLINE, silent.read_to_end(&mut nothing));
    assert_eq!(closed.await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn the_hosts_own_user_and_builds_are_refused_where_they_have_no_business() {
    let own = nix::unistd::geteuid().as_raw();
    let host = RefusedUsers {
        host: Some(own),
        builds: None,
    };
    let world = World::refusing(host).await;
    for (name, origin) in [
        ("control", Origin::Control),
        (
            "service",
            Origin::Service {
                key: "rss".parse().unwrap(),
            },
        ),
    ] {
        let socket = world.socket(name);
        world.listen(&socket, origin);
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        // The write may already meet the closed end.
        let _ = stream.write_all(PAGE).await;
        let mut text = Vec::new();
        let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut text))
            .await
            .unwrap();
        assert!(
            text.is_empty(),
            "{name}: {}",
            String::from_utf8_lossy(&text)
        );
    }
    let address = tcp(&world).await;
    assert!(
        answer(from(1, address).await)
            .await
            .starts_with("HTTP/1.1 200")
    );

    let builds = RefusedUsers {
        host: None,
        builds: Some(own),
    };
    let world = World::refusing(builds).await;
    let address = tcp(&world).await;
    assert_eq!(answer(from(1, address).await).await, "");
}

/// Sends a call with a body of `length` bytes, of which the last does not come.
async fn unfinished(world: &World, headers: &str, length: usize) -> UnixStream {
    let mut stream = UnixStream::connect(&world.public).await.unwrap();
    let head = format!(
        "POST /_atek/gateway?api=atek.cloud/user-sessions-api HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\n{headers}content-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; length - 1]).await.unwrap();
    stream
}

#[tokio::test]
async fn what_strangers_send_is_bounded_one_by_one_and_in_sum() {
    let world = World::new().await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"whoami"}"#;
    let query = "api=atek.cloud/user-sessions-api";
    let long = format!("{call}{}", " ".repeat(64 << 10));
    assert_eq!(world.call_with(query, &long, &[]).await.status, 413);
    let cookie = format!("session={ALICE}");
    let known = [("cookie", cookie.as_str())];
    assert_eq!(world.call_with(query, &long, &known).await.status, 200);

    // All of one address's bytes are held by requests that do not end.
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(unfinished(&world, "", 16 << 10).await);
    }
    let until = tokio::time::Instant::now() + DEADLINE;
    while world.call_with(query, call, &[]).await.status != 503 {
        assert!(tokio::time::Instant::now() < until, "nothing is held");
        tokio::task::yield_now().await;
    }
    assert_eq!(world.call_with(query, call, &known).await.status, 200);
    drop(held);
    while world.call_with(query, call, &[]).await.status != 200 {
        assert!(tokio::time::Instant::now() < until, "it is not given back");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_batch_of_long_answers_is_bounded() {
    let mut world = World::with(Limits {
        memory: 3 << 20,
        ..Limits::default()
    })
    .await;
    world.service("rss", "system", json!([{ "api": "example.org/test" }]));
    let one = r#"{"jsonrpc":"2.0","id":1,"method":"long","params":[900000]}"#;
    let batch = format!("[{}]", [one; 20].join(","));
    let token = format!("Bearer {SYSTEM_TOKEN}");
    let headers = [
        ("authorization", token.as_str()),
        ("content-type", "application/json"),
    ];
    let path = "/_atek/gateway?api=example.org/test";
    let answer = send(&world.public, "POST", path, &headers, &batch).await;
    assert!(answer.text.len() < 3 << 20, "{} bytes", answer.text.len());
    let answers = answer.json();
    let answers = answers.as_array().unwrap();
    let refused = answers
        .iter()
        .filter(|answer| answer["error"]["code"] == -32005);
    assert_eq!(answers.len(), 20);
    assert!(refused.count() > 10);
}
