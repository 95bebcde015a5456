//! A way to web servers whose answers end where the connection ends.
//!
//! HTTP allows an answer with neither a length nor chunks, which lasts until the server closes
//! (RFC 9112 section 6.3); a server that speaks HTTP/1.0, as small bridges to `git
//! http-backend` do, knows nothing else. libgit2 takes such an answer for an empty one
//! (`on_headers_complete` in its httpclient.c). So it is led over a port of this process,
//! which asks the same server and sends the same answer on in chunks.
//!
//! Only over http: over https it would have to be trusted with the encryption.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

/// A head of a request or an answer that is longer is refused.
const HEAD_MAX: u64 = 64 * 1024;
const PIECE: usize = 16 * 1024;

/// Leads to one server until this process ends, which does one job.
#[derive(Debug)]
pub(super) struct Bridge {
    /// Where libgit2 finds the repository.
    pub(super) url: String,
}

impl Bridge {
    /// A way to what `url` names; none where it is not an http URL, or where the machine has
    /// a proxy, which frames its answers itself.
    pub(super) fn to(url: &str) -> io::Result<Option<Self>> {
        let has_proxy = ["http_proxy", "HTTP_PROXY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
        let Some(rest) = url.strip_prefix("http://").filter(|_| !has_proxy) else {
            return Ok(None);
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let authority = authority.to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}{path}", listener.local_addr()?);
        thread::Builder::new().spawn(move || {
            for client in listener.incoming().flatten() {
                // libgit2 waits for one answer at a time. What goes wrong it sees as a
                // connection that breaks off.
                let _ = pass(&client, &authority);
                let _ = client.shutdown(Shutdown::Both);
            }
        })?;
        Ok(Some(Self { url }))
    }
}

/// One request and its answer.
fn pass(client: &TcpStream, authority: &str) -> io::Result<()> {
    let mut from_client = BufReader::new(client);
    let request = Head::read(&mut from_client)?;
    let server = connect(authority)?;
    let mut to_server = &server;
    let mut asked = request.without(&["host", "connection"]);
    asked.push_str(&format!("Host: {authority}\r\nConnection: close\r\n\r\n"));
    to_server.write_all(asked.as_bytes())?;
    if let Some(length) = request.value("content-length") {
        let length = length.parse().map_err(|_| malformed())?;
        io::copy(&mut from_client.take(length), &mut to_server)?;
    }
    answer(&mut BufReader::new(&server), &mut &*client)
}

fn connect(authority: &str) -> io::Result<TcpStream> {
    // A port stands behind the last colon that is not one of an IPv6 address.
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.contains(']'));
    if has_port {
        TcpStream::connect(authority)
    } else {
        TcpStream::connect(format!("{authority}:80"))
    }
}

/// Sends an answer on, in chunks where it has neither those nor a length.
fn answer(server: &mut impl BufRead, client: &mut impl Write) -> io::Result<()> {
    let mut head = Head::read(server)?;
    while head.status()? / 100 == 1 {
        head = Head::read(server)?;
    }
    // An answer of HTTP/1.0 has no chunks, whatever it says.
    let is_old = head.first.starts_with("HTTP/1.0 ");
    let is_framed = head.value("content-length").is_some()
        || (!is_old && head.value("transfer-encoding").is_some());
    let has_body = !matches!(head.status()?, 204 | 304);
    head.first = head.first.replacen("HTTP/1.0 ", "HTTP/1.1 ", 1);
    if is_framed || !has_body {
        let text = head.without(&["connection", "keep-alive"]) + "Connection: close\r\n\r\n";
        client.write_all(text.as_bytes())?;
        io::copy(server, client)?;
        return Ok(());
    }
    let text = head.without(&["connection", "keep-alive", "transfer-encoding"])
        + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    client.write_all(text.as_bytes())?;
    let mut piece = vec![0; PIECE];
    loop {
        // One that breaks off with an error gets no last chunk.
        let length = server.read(&mut piece)?;
        write!(client, "{length:x}\r\n")?;
        client.write_all(piece.get(..length).unwrap_or_default())?;
        client.write_all(b"\r\n")?;
        if length == 0 {
            return client.flush();
        }
    }
}

/// The lines before a body.
struct Head {
    first: String,
    lines: Vec<String>,
}

impl Head {
    fn read(from: &mut impl BufRead) -> io::Result<Self> {
        let mut lines = Vec::new();
        let mut bounded = from.take(HEAD_MAX);
        loop {
            let mut line = String::new();
            if bounded.read_line(&mut line)? == 0 {
                return Err(malformed());
            }
            match line.trim_end_matches(['\r', '\n']) {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        if lines.is_empty() {
            return Err(malformed());
        }
        Ok(Self {
            first: lines.remove(0),
            lines,
        })
    }

    fn value(&self, wanted: &str) -> Option<&str> {
        let mut pairs = self.lines.iter().filter_map(|line| line.split_once(':'));
        pairs
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim())
    }

    /// As text, without the headers of these names and without the empty line.
    fn without(&self, left_out: &[&str]) -> String {
        let kept = self.lines.iter().filter(|line| {
            let name = line.split(':').next().unwrap_or(line);
            !left_out.iter().any(|out| out.eq_ignore_ascii_case(name))
        });
        let mut text = format!("{}\r\n", self.first);
        for line in kept {
            text.push_str(line);
            text.push_str("\r\n");
        }
        text
    }

    fn status(&self) -> io::Result<u16> {
        let mut words = self.first.split(' ');
        match (words.next(), words.next().map(str::parse)) {
            (Some(version), Some(Ok(status))) if version.starts_with("HTTP/1.") => Ok(status),
            _ => Err(malformed()),
        }
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a message of HTTP/1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(sent: &str) -> Option<String> {
        let mut got = Vec::new();
        answer(&mut sent.as_bytes(), &mut got).ok()?;
        Some(String::from_utf8(got).unwrap())
    }

    #[test]
    fn an_answer_without_a_length_goes_on_in_chunks_and_others_as_they_are() {
        const CLOSE: &str = "Connection: close\r\n\r\n";
        const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
        for (sent, got) in [
            (
                "HTTP/1.0 200 OK\r\nContent-Type: a/b\r\nConnection: keep-alive\r\n\r\nhello",
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n{CHUNKED}{CLOSE}5\r\nhello\r\n0\r\n\r\n"
                ),
            ),
            (
                "HTTP/1.1 200 OK\nA: b\n\n",
                format!("HTTP/1.1 200 OK\r\nA: b\r\n{CHUNKED}{CLOSE}0\r\n\r\n"),
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
                format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{CLOSE}ok"),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
                format!(
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{CLOSE}1\r\na\r\n0\r\n\r\n"
                ),
            ),
            (
                "HTTP/1.0 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
                format!("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n{CLOSE}"),
            ),
            (
                "HTTP/1.0 304 Not Modified\r\n\r\n",
                format!("HTTP/1.1 304 Not Modified\r\n{CLOSE}"),
            ),
        ] {
            assert_eq!(passed(sent).as_deref(), Some(got.as_str()), "{sent:?}");
        }
        for broken in [
            "",
            "\r\n",
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 many\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b",
        ] {
            assert_eq!(passed(broken), None, "{broken:?}");
        }
        let endless = format!("HTTP/1.0 200 OK\r\n{}", "A: b\r\n".repeat(20_000));
        assert_eq!(passed(&endless), None, "a head without an end");
    }

    #[test]
    fn only_http_is_led_over_the_bridge() {
        assert!(Bridge::to("https://example.org/a.git").unwrap().is_none());
        let bridge = Bridge::to("http://example.org:8080/a/b.git")
            .unwrap()
            .unwrap();
        assert!(
            bridge.url.starts_with("http://127.0.0.1:"),
            "{}",
            bridge.url
        );
        assert!(bridge.url.ends_with("/a/b.git"), "{}", bridge.url);
    }
}
