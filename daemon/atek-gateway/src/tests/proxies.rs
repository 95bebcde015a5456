//! Names and addresses by which a box is reached: routers' names, and reverse proxies.

use super::support::client::raw;
use super::support::{ALICE, World};
use atek_host_model::listener::{Listener, Origin};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

/// Sends a request over TCP from an address of the loopback network; `127.0.0.9` is a trusted
/// proxy.
async fn ask(world: &World, last: u8, request: &str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let to: SocketAddr = listener.local_addr().unwrap();
    let (gateway, cancel) = (world.gateway.clone(), world.cancel.clone());
    tokio::spawn(async move {
        let listener = Listener::Tcp(listener);
        gateway.serve(listener, Origin::Public, cancel).await;
    });
    let socket = TcpSocket::new_v4().unwrap();
    let own = Ipv4Addr::new(127, 0, 0, last);
    socket.bind((own, 0).into()).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn behind_a_trusted_proxy_redirects_and_cookies_are_of_https() {
    let mut world = World::new().await;
    world.service("rss", "key-alice", json!([]));
    let request = "GET /a HTTP/1.1\r\nhost: rss.localhost\r\nx-forwarded-proto: https\r\n\
                   x-forwarded-for: 203.0.113.7\r\nconnection: close\r\n\r\n";
    let trusted = ask(&world, 9, request).await;
    assert!(
        trusted.contains("location: https://localhost/_atek/bind-session"),
        "{trusted}"
    );
    assert!(trusted.contains("; Secure"), "{trusted}");
    let other = ask(&world, 8, request).await;
    assert!(
        other.contains("location: http://localhost/_atek/bind-session"),
        "{other}"
    );
    assert!(!other.contains("; Secure"), "{other}");

    let bound = world.bound_cookie(ALICE, "rss").await;
    let page = request.replace(
        "\r\n\r\n",
        &format!("\r\ncookie: atek-session={bound}\r\n\r\n"),
    );
    for (last, address, proto) in [(9, "203.0.113.7", "https"), (8, "127.0.0.8", "http")] {
        let seen = ask(&world, last, &page).await;
        assert!(
            seen.contains(&format!(r#""x-forwarded-for":"{address}""#)),
            "{seen}"
        );
        assert!(
            seen.contains(&format!(r#""x-forwarded-proto":"{proto}""#)),
            "{seen}"
        );
    }
}

#[tokio::test]
async fn within_a_site_redirects_say_nothing_about_name_and_scheme() {
    let world = World::new().await;
    for host in ["localhost:8080", "atek.fritz.box", "192.168.1.5"] {
        let answer = world.get("/a", &[("host", host)]).await;
        assert_eq!(
            answer.header("location"),
            Some("/_atek/login?redirect=/a"),
            "{host}"
        );
    }
}

#[tokio::test]
async fn names_that_routers_give_are_answered_and_others_are_led_to_one_that_works() {
    let world = World::new().await;
    for host in [
        "atek",
        "atek:8080",
        "atek.lan",
        "atek.home.arpa",
        "atek.fritz.box",
        // Added by an administrator.
        "nas.test",
    ] {
        let answer = world.get("/_atek/login", &[("host", host)]).await;
        assert_eq!(answer.status, 200, "{host}");
    }
    for (host, path, links) in [
        (
            "nas.example.org",
            "/",
            ["http://atek.local/", "http://nas.test/"],
        ),
        (
            "nas.example.org:8080",
            "/_atek/login",
            ["http://atek.local:8080/", "http://nas.test:8080/"],
        ),
    ] {
        let html = [("host", host), ("accept", "text/html")];
        let answer = world.get(path, &html).await;
        assert_eq!(answer.status, 421);
        for link in links {
            let link = format!(r#"<a href="{link}">"#);
            assert!(answer.text.contains(&link), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_url_as_target_is_answered_as_its_own_host() {
    let mut world = World::new().await;
    world.service("rss", "key-alice", json!([]));
    let bound = world.bound_cookie(ALICE, "rss").await;
    let request = format!(
        "GET http://rss.localhost:8080/a?b HTTP/1.1\r\nhost: elsewhere.test\r\n\
         cookie: atek-session={bound}\r\nconnection: close\r\n\r\n"
    );
    let seen = raw(&world.public, request.as_bytes(), |_| false).await;
    assert!(seen.starts_with("HTTP/1.1 200"), "{seen}");
    assert!(seen.contains(r#""uri":"/a?b""#), "{seen}");
    assert!(seen.contains(r#""host":"rss.localhost:8080""#), "{seen}");
}
