//! What the native fixture apps share: a web server of a few lines on the app's socket. No runtime, no
//! dependency that could call something on its own: what such an app does is what its source says.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;

/// One request.
#[derive(Debug, Default)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, with the query.
    pub path: String,
    /// The body.
    pub body: String,
}

/// Serves until the process ends: one thread and one request a connection. `answer` makes the body.
///
/// # Errors
///
/// When the host gave no socket path, or it cannot be bound.
pub fn serve(answer: impl Fn(&Request) -> String + Send + Sync + 'static) -> io::Result<()> {
    let path = std::env::var_os("ATEK_ASSIGNED_SOCKET_FILE").map(PathBuf::from);
    let path = path.ok_or_else(|| io::Error::other("ATEK_ASSIGNED_SOCKET_FILE is not set"))?;
    // A socket file of an earlier run would be in the way.
    if path.exists() {
        std::fs::remove_file(&path)?;
    }
    let listener = UnixListener::bind(&path)?;
    let answer = Arc::new(answer);
    for stream in listener.incoming().flatten() {
        let answer = Arc::clone(&answer);
        // A failed connection is its client's affair; a thread that cannot be made, too.
        let _ = std::thread::Builder::new().spawn(move || converse(stream, &*answer));
    }
    Ok(())
}

fn converse(stream: UnixStream, answer: &dyn Fn(&Request) -> String) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let request = read(&mut reader)?;
    let body = answer(&request);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    write!(&stream, "{head}content-length: {}\r\n\r\n", body.len())?;
    if request.method != "HEAD" {
        (&stream).write_all(body.as_bytes())?;
    }
    Ok(())
}

fn read(reader: &mut BufReader<UnixStream>) -> io::Result<Request> {
    let mut request = Request::default();
    let (mut length, mut chunked) = (0, false);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    request.method = words.next().unwrap_or_default();
    request.path = words.next().unwrap_or_default();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "transfer-encoding" => chunked = value.contains("chunked"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    loop {
        if chunked {
            line.clear();
            reader.read_line(&mut line)?;
            length = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
        }
        reader.take(length).read_to_end(&mut body)?;
        if !chunked || length == 0 {
            break;
        }
        reader.read_line(&mut line)?;
    }
    request.body = String::from_utf8_lossy(&body).into_owned();
    Ok(request)
}
