//! A git server with a certificate of an authority of its own, which asks who reads.

use super::http::Server;
use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod, SslStream};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use tempfile::TempDir;

/// An authority, and the certificate of 127.0.0.1 that it made.
pub struct Authority {
    folder: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30";
        for words in [
            format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=House"),
            format!(
                "req -x509 {key} -keyout server.key -out server.pem -subj /CN=git \
                 -CA ca.pem -CAkey ca.key -addext basicConstraints=CA:FALSE \
                 -addext subjectAltName=IP:127.0.0.1"
            ),
        ] {
            let done = Command::new("openssl")
                .args(words.split_whitespace())
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert!(
                done.status.success(),
                "{}",
                String::from_utf8_lossy(&done.stderr)
            );
        }
        Self { folder }
    }

    pub fn pem(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("ca.pem")).unwrap()
    }

    fn acceptor(&self) -> SslAcceptor {
        let file = |name: &str| self.folder.path().join(name);
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        builder
            .set_private_key_file(file("server.key"), SslFiletype::PEM)
            .unwrap();
        builder
            .set_certificate_chain_file(file("server.pem"))
            .unwrap();
        builder.build()
    }
}

/// Makes the answer to a request of its head.
type Make = dyn Fn(&str) -> Vec<u8> + Send + Sync;

/// What a private server does with a request.
pub enum Answer {
    /// Asks who reads, and takes this name and password (in base64) alone.
    Asks(&'static str, Server),
    /// Redirects to another place.
    Redirects(String),
    /// What this makes of the head of a request.
    By(Box<Make>),
}

/// The server, until the test ends.
pub struct Private {
    port: u16,
    /// The Authorization header of every request, or nothing.
    pub seen: Arc<Mutex<Vec<String>>>,
}

impl Private {
    pub fn start(authority: &Authority, answer: Answer) -> Self {
        let acceptor = authority.acceptor();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (acceptor, log, answer) = (acceptor.clone(), log.clone(), answer.clone());
                thread::spawn(move || {
                    // A client that does not trust the certificate breaks off here.
                    if let Ok(stream) = acceptor.accept(stream) {
                        serve(stream, &answer, &log);
                    }
                });
            }
        });
        Self { port, seen }
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}/{path}", self.port)
    }
}

fn serve(mut stream: SslStream<TcpStream>, answer: &Answer, log: &Mutex<Vec<String>>) {
    let Some((head, body)) = read(&mut stream) else {
        return;
    };
    let given = header(&head, "authorization").unwrap_or_default();
    log.lock().unwrap().push(given.to_owned());
    let nothing = "Content-Length: 0\r\nConnection: close\r\n\r\n";
    let sent = match answer {
        Answer::Redirects(to) => {
            let path = head.split(' ').nth(1).unwrap_or("/");
            format!("HTTP/1.1 302 Found\r\nLocation: {to}{path}\r\n{nothing}").into_bytes()
        }
        Answer::By(make) => make(&head),
        Answer::Asks(wanted, _) if given != format!("Basic {wanted}") => {
            let asks = "WWW-Authenticate: Basic realm=\"git\"\r\n";
            format!("HTTP/1.1 401 Unauthorized\r\n{asks}{nothing}").into_bytes()
        }
        Answer::Asks(_, behind) => {
            let mut server = TcpStream::connect(behind.address()).unwrap();
            server.write_all(head.as_bytes()).unwrap();
            server.write_all(&body).unwrap();
            let mut all = Vec::new();
            server.read_to_end(&mut all).unwrap();
            all
        }
    };
    let _ = stream.write_all(&sent);
    let _ = stream.shutdown();
}

/// A whole request: its head, and its body as it came.
fn read(stream: &mut SslStream<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = all.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&all[..end + 4]).into_owned();
            let body = &all[end + 4..];
            let whole = match header(&head, "content-length") {
                Some(length) => body.len() >= length.parse().ok()?,
                None if header(&head, "transfer-encoding").is_some() => {
                    body.ends_with(b"0\r\n\r\n")
                }
                None => true,
            };
            if whole {
                return Some((head, body.to_vec()));
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(length) => all.extend_from_slice(&piece[..length]),
        }
    }
}

pub fn header<'h>(head: &'h str, wanted: &str) -> Option<&'h str> {
    let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
    pairs
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value)
}

/// Whether any file below the folder has this text.
pub fn has_text(folder: &Path, text: &str) -> bool {
    super::paths(folder).iter().any(|path| {
        std::fs::read(folder.join(path)).is_ok_and(|content| {
            content
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        })
    })
}
