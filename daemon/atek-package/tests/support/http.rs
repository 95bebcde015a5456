//! A small HTTP server: `git http-backend` over CGI, and servers that misbehave.

use super::repo::git;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

/// What a server does.
#[derive(Clone)]
pub enum Behaviour {
    /// Serves the repositories of a folder.
    Git(PathBuf),
    /// The same, and the first `n` bytes only of each answer to a fetch.
    Truncated(PathBuf, usize),
    /// The same, with a byte of each answer to a fetch flipped, counted from its end.
    Damaged(PathBuf, usize),
    /// The same in HTTP/1.0 without lengths: each answer ends where the connection does.
    UntilClose(PathBuf),
    /// Takes the request and says nothing.
    Hang,
    /// Says something for ever.
    Endless,
    /// An answer with this status and body.
    Answer(u16, &'static str, &'static str),
    /// To another place.
    Redirect(String),
}

pub struct Server {
    port: u16,
    /// `METHOD path?query` of every request, and what stood in its Authorization header.
    pub seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (behaviour, log) = (behaviour.clone(), log.clone());
                thread::spawn(move || serve(stream, &behaviour, &log));
            }
        });
        Self { port, seen }
    }

    pub fn address(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.port)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

fn serve(mut stream: TcpStream, behaviour: &Behaviour, log: &Mutex<Vec<String>>) {
    let Some(request) = read_request(&stream) else {
        return;
    };
    log.lock().unwrap().push(format!(
        "{} {}?{} {}",
        request.method,
        request.path,
        request.query,
        request.header("authorization").unwrap_or_default()
    ));
    let is_fetch = request.method == "POST";
    let answer = match behaviour {
        Behaviour::Git(root) => cgi(root, &request),
        Behaviour::Truncated(root, bytes) => {
            let mut answer = cgi(root, &request);
            if is_fetch {
                answer.truncate(*bytes);
            }
            answer
        }
        Behaviour::Damaged(root, byte) => {
            let mut answer = cgi(root, &request);
            if is_fetch && let Some(byte) = answer.get_mut(*byte) {
                *byte ^= 0x55;
            }
            answer
        }
        Behaviour::UntilClose(root) => without_length(&cgi(root, &request)),
        Behaviour::Hang => {
            // Until the other side gives up.
            let _ = stream.read(&mut [0; 1]);
            return;
        }
        Behaviour::Endless => {
            let head = "HTTP/1.1 200 OK\r\n\
                Content-Type: application/x-git-upload-pack-advertisement\r\n\
                Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                22\r\n001e# service=git-upload-pack\n0000\r\n";
            let _ = stream.write_all(head.as_bytes());
            for n in 1u64.. {
                let capabilities = if n == 1 { "\0side-band-64k ofs-delta shallow" } else { "" };
                let line = format!("{n:040x} refs/tags/v{n}.0.0{capabilities}\n");
                let packet = format!("{:04x}{line}", line.len() + 4);
                let chunk = format!("{:x}\r\n{packet}\r\n", packet.len());
                if stream.write_all(chunk.as_bytes()).is_err() {
                    return;
                }
            }
            return;
        }
        Behaviour::Answer(status, kind, body) => format!(
            "HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
        Behaviour::Redirect(to) => format!(
            "HTTP/1.1 302 Found\r\nLocation: {to}{}?{}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            request.path, request.query
        )
        .into_bytes(),
    };
    let _ = stream.write_all(&answer);
    let _ = stream.shutdown(Shutdown::Write);
}

/// An answer as a server of HTTP/1.0 gives it that does not know how long it will be.
fn without_length(answer: &[u8]) -> Vec<u8> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).replacen("HTTP/1.1", "HTTP/1.0", 1);
    let kept = head
        .split("\r\n")
        .filter(|line| !line.starts_with("Content-Length: "));
    let mut old = kept.collect::<Vec<_>>().join("\r\n").into_bytes();
    old.extend_from_slice(&answer[end..]);
    old
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None => break,
        }
    }
    let mut request = Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Vec::new(),
    };
    if request.header("transfer-encoding") == Some("chunked") {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = u64::from_str_radix(size.trim(), 16).ok()?;
            (&mut reader)
                .take(size)
                .read_to_end(&mut request.body)
                .ok()?;
            reader.read_line(&mut String::new()).ok()?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = request.header("content-length") {
        let length = length.parse().ok()?;
        reader.take(length).read_to_end(&mut request.body).ok()?;
    }
    Some(request)
}

/// The answer of `git http-backend`, as HTTP.
fn cgi(root: &Path, request: &Request) -> Vec<u8> {
    // The backend would itself look for a folder with `.git` at its end.
    let name = request
        .path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    if !root.join(name).is_dir() {
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            .to_vec();
    }
    let mut child = git()
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        // The repository's folder belongs to the user who runs the tests, or to root.
        .envs([
            ("GIT_CONFIG_COUNT", "2"),
            ("GIT_CONFIG_KEY_0", "safe.directory"),
            ("GIT_CONFIG_VALUE_0", "*"),
        ])
        .envs([
            ("GIT_CONFIG_KEY_1", "uploadpack.allowAnySHA1InWant"),
            ("GIT_CONFIG_VALUE_1", "true"),
        ])
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", &request.query)
        .env("REQUEST_METHOD", &request.method)
        .env(
            "CONTENT_TYPE",
            request.header("content-type").unwrap_or_default(),
        )
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let body = request.body.clone();
    let writer = thread::spawn(move || stdin.write_all(&body));
    let output = child.wait_with_output().unwrap().stdout;
    let _ = writer.join();
    let end = output
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .unwrap_or(0);
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let status = head
        .lines()
        .find_map(|line| line.strip_prefix("Status: "))
        .unwrap_or("200 OK")
        .to_owned();
    let body = output.get(end + 4..).unwrap_or_default();
    let mut answer = format!(
        "HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}
