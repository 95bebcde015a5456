//! A client, the forwarder and a program on one machine; the tests play both ends.

use super::*;
use std::future::Future;
use std::path::PathBuf;
use tokio::net::TcpListener;

/// How long anything may take: a bound for what hangs.
const SOON: Duration = Duration::from_secs(30);

struct Forwarder {
    _folder: tempfile::TempDir,
    socket: PathBuf,
    program: TcpListener,
}

/// A forwarder before a program that the test plays.
async fn forwarder() -> Forwarder {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    let program = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = program.local_addr().unwrap().port();
    tokio::spawn({
        let socket = socket.clone();
        async move { forward(&socket, port).await }
    });
    // The look whether the program listens.
    within(program.accept()).await.unwrap();
    Forwarder {
        _folder: folder,
        socket,
        program,
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(SOON, work).await.expect("it takes too long")
}

impl Forwarder {
    async fn client(&self) -> UnixStream {
        within(async {
            loop {
                match UnixStream::connect(&self.socket).await {
                    Ok(stream) => return stream,
                    Err(_) => sleep(PAUSES[0]).await,
                }
            }
        })
        .await
    }

    /// A client and the program's end of its connection.
    async fn connection(&self) -> (UnixStream, TcpStream) {
        let client = self.client().await;
        let (program, _) = within(self.program.accept()).await.unwrap();
        (client, program)
    }
}

#[tokio::test]
async fn bytes_pass_in_both_directions_and_each_ends_on_its_own() {
    let forwarder = forwarder().await;
    let (mut client, mut program) = forwarder.connection().await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut text = String::new();
    within(program.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "question");
    // Its own direction is still open.
    program.write_all(b"answer").await.unwrap();
    drop(program);
    let mut text = String::new();
    within(client.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "answer");
}

#[tokio::test]
async fn a_large_upload_arrives_whole_and_its_answer_comes_while_it_runs() {
    const SIZE: usize = 8 << 20;
    let forwarder = forwarder().await;
    let (client, program) = forwarder.connection().await;
    let (mut from_program, mut to_program) = client.into_split();
    let (mut from_client, mut to_client) = program.into_split();
    let upload = async {
        to_program.write_all(&vec![7; SIZE]).await.unwrap();
        to_program.shutdown().await.unwrap();
    };
    let receive = async {
        to_client.write_all(b"100 continue").await.unwrap();
        let mut received = Vec::new();
        from_client.read_to_end(&mut received).await.unwrap();
        received
    };
    let early = async {
        let mut text = [0; 12];
        from_program.read_exact(&mut text).await.unwrap();
        text
    };
    let ((), received, early) = within(async { tokio::join!(upload, receive, early) }).await;
    assert_eq!(&early, b"100 continue");
    assert!(received.len() == SIZE && received.iter().all(|byte| *byte == 7));
}

#[tokio::test]
async fn an_answer_before_the_end_of_an_upload_was_lost() {
    let forwarder = forwarder().await;
    let (mut client, mut program) = forwarder.connection().await;
    client.write_all(&[7; 1024]).await.unwrap();
    let mut begun = [0; 10];
    within(program.read_exact(&mut begun)).await.unwrap();
    // The program answers and closes with bytes unread, which the kernel answers with a reset.
    program.write_all(b"413").await.unwrap();
    drop(program);
    // The client goes on; whether its writes arrive is no matter of the answer.
    for _ in 0..64 {
        if client.write_all(&[7; 64 * 1024]).await.is_err() {
            break;
        }
    }
    let mut text = Vec::new();
    within(client.read_to_end(&mut text)).await.unwrap();
    assert_eq!(text, b"413");
}

#[tokio::test]
async fn the_socket_file_appears_when_the_program_listens() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    // A leftover of an earlier run.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = reserved.local_addr().unwrap().port();
    drop(reserved);
    let mut forwarding = std::pin::pin!(forward(&socket, port));
    let early = timeout(Duration::from_millis(200), &mut forwarding).await;
    assert!(early.is_err());
    assert!(UnixStream::connect(&socket).await.is_err());
    let _program = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let listens = async {
        while UnixStream::connect(&socket).await.is_err() {
            sleep(PAUSES[0]).await;
        }
    };
    within(async {
        tokio::select! {
            () = listens => {}
            error = forwarding => panic!("{error}"),
        }
    })
    .await;
}

#[tokio::test]
async fn more_connections_than_fit_wait_for_room() {
    let forwarder = forwarder().await;
    let mut held = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        held.push(forwarder.connection().await);
    }
    let waiting = forwarder.client().await;
    let early = timeout(Duration::from_millis(100), forwarder.program.accept()).await;
    assert!(early.is_err(), "it was connected beyond the bound");
    held.pop();
    within(forwarder.program.accept()).await.unwrap();
    drop(waiting);
}

#[test]
fn the_forwarder_ends_as_the_program_ends() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    for (script, expected) in [
        ("exit 0", ExitCode::SUCCESS),
        ("exit 3", ExitCode::from(3)),
        ("kill -TERM $$", ExitCode::from(143)),
    ] {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        // SIGTERM is caught by then, so that the signal does not end the test.
        let code = run(command, &socket, 9).unwrap();
        assert_eq!(format!("{code:?}"), format!("{expected:?}"), "{script}");
    }
    run(Command::new("/nonexistent"), &socket, 9).unwrap_err();
}
