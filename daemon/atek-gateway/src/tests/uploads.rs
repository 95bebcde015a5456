//! Answers that come before an upload is over.

use super::support::client::DEADLINE;
use super::support::{SYSTEM_TOKEN, World};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

/// An app that refuses uploads by their length and closes, as `413` usually comes.
fn refuse_uploads(listener: UnixListener) {
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut begin = [0; 512];
                let _ = stream.read(&mut begin).await;
                let answer = b"HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 9\r\n\r\ntoo large";
                let _ = stream.write_all(answer).await;
            });
        }
    });
}

/// Sends all of an upload before it reads the answer, as browsers do.
async fn upload(world: &World, target: &str, bytes: usize) -> String {
    let mut stream = UnixStream::connect(&world.public).await.unwrap();
    let head = format!(
        "PUT {target} HTTP/1.1\r\nhost: rss.localhost\r\nauthorization: Bearer {SYSTEM_TOKEN}\r\n\
         content-length: {bytes}\r\n\r\n"
    );
    let exchange = async {
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![0; 64 << 10];
        for _ in 0..bytes / piece.len() {
            stream.write_all(&piece).await.expect("the upload is taken");
        }
        let mut answer = Vec::new();
        stream
            .read_to_end(&mut answer)
            .await
            .expect("the answer arrives");
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(DEADLINE, exchange).await.unwrap()
}

#[tokio::test]
async fn an_early_answer_to_an_upload_arrives() {
    let mut world = World::new().await;
    world.declare("rss", "key-alice", json!([]));
    refuse_uploads(UnixListener::bind(world.socket("rss")).unwrap());
    for nth in 0..13 {
        let answer = upload(&world, "/large", 30 << 20).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{nth}: {answer}");
        assert!(answer.ends_with("too large"), "{nth}: {answer}");
    }
}

#[tokio::test]
async fn an_upload_that_the_host_refuses_gets_its_answer_too() {
    let mut world = World::new().await;
    world.service("rss", "key-alice", json!([]));
    let answer = upload(&world, "/../x%00", 8 << 20).await;
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    let refused = upload(&world, "http://evil.test/", 8 << 20).await;
    assert!(refused.starts_with("HTTP/1.1 421"), "{refused}");
}

/// A client that keeps its connections, as Node's since version 19, must know of their end: its
/// next request would be reset.
#[tokio::test]
async fn an_early_answer_says_that_its_connection_ends() {
    let mut world = World::new().await;
    world.declare("rss", "key-alice", json!([]));
    refuse_uploads(UnixListener::bind(world.socket("rss")).unwrap());
    for target in ["/large", "http://evil.test/", "/../x%00"] {
        let answer = upload(&world, target, 8 << 20).await;
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        let says = head.to_lowercase().contains("\r\nconnection: close");
        assert!(says, "{target}: {head}");
    }
}
