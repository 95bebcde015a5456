//! A web server of a few lines for the native fixture apps, on the app's socket file or port. No
//! runtime, no dependency that could call something on its own: what such an app does is what its
//! source says.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
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
/// When the host gave neither a port nor a socket path, or it cannot be bound.
pub fn serve(answer: impl Fn(&Request) -> String + Send + Sync + 'static) -> io::Result<()> {
    let answer = Arc::new(answer);
    if let Some(port) = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse::<u16>().ok())
    {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        for stream in listener.incoming().flatten() {
            let reader = stream.try_clone()?;
            in_background(&answer, reader, stream);
        }
        return Ok(());
    }
    let path = std::env::var_os("ATEK_ASSIGNED_SOCKET_FILE").map(PathBuf::from);
    let path = path.ok_or_else(|| io::Error::other("ATEK_ASSIGNED_SOCKET_FILE is not set"))?;
    // A socket file of an earlier run would be in the way.
    if path.exists() {
        std::fs::remove_file(&path)?;
    }
    let listener = UnixListener::bind(&path)?;
    for stream in listener.incoming().flatten() {
        let reader = stream.try_clone()?;
        in_background(&answer, reader, stream);
    }
    Ok(())
}

fn in_background(
    answer: &Arc<impl Fn(&Request) -> String + Send + Sync + 'static>,
    reader: impl Read + Send + 'static,
    writer: impl Write + Send + 'static,
) {
    let answer = Arc::clone(answer);
    // A failed connection is its client's affair; a thread that cannot be made, too.
    let _ = std::thread::Builder::new().spawn(move || converse(reader, writer, &*answer));
}

fn converse(
    reader: impl Read,
    mut writer: impl Write,
    answer: &dyn Fn(&Request) -> String,
) -> io::Result<()> {
    let mut reader = BufReader::new(reader);
    let request = read(&mut reader)?;
    let body = answer(&request);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    write!(writer, "{head}content-length: {}\r\n\r\n", body.len())?;
    if request.method != "HEAD" {
        writer.write_all(body.as_bytes())?;
    }
    writer.flush()
}

fn read(reader: &mut BufReader<impl Read>) -> io::Result<Request> {
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
