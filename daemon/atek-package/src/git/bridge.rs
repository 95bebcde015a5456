//! A proxy on the loopback of this process, between libgit2 and the servers.
//!
//! It does two things that libgit2 does not.
//!
//! It checks to which address a connection goes: where [`Reach::Internet`] is asked for, a name
//! or a redirect that leads to this machine or into the home is refused. The address that was
//! checked is the one that is connected to.
//!
//! It frames answers that end where the connection ends. HTTP allows an answer with neither a
//! length nor chunks, which lasts until the server closes (RFC 9112 section 6.3); a server that
//! speaks HTTP/1.0, as small bridges to `git http-backend` do, knows nothing else. libgit2 takes
//! such an answer for an empty one (`on_headers_complete` in its httpclient.c), so it is sent on
//! in chunks. Only over http: what goes through an encrypted tunnel cannot be seen here.
//!
//! libgit2 uses a proxy for https alone: for http it writes the request as for a proxy and sends
//! it to the server itself (`http_client_connect`). So the URL of an http repository is replaced
//! by one of this proxy, which stands for the server.

use atek_api::address::is_public;
use atek_api::package::Reach;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A head of a request or an answer that is longer is refused.
const HEAD_MAX: u64 = 64 * 1024;
const PIECE: usize = 16 * 1024;
const BAD_GATEWAY: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(10);

/// A proxy that runs until this process ends, which does one job.
#[derive(Debug)]
pub(crate) struct Bridge {
    /// Where libgit2 finds a repository whose server it does not encrypt for.
    url: Option<String>,
    /// The proxy for libgit2's encrypted connections.
    pub(crate) proxy: String,
    refused: Arc<Mutex<Option<Refused>>>,
}

/// Why a connection was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The host's addresses are private.
    Private(String),
    /// It is another server than the one to which a token belongs.
    Elsewhere(String),
}

impl Bridge {
    /// Starts a proxy to the repository at `url`.
    pub(crate) fn to(url: &str, reach: Reach) -> io::Result<Self> {
        Self::start(url, reach, None)
    }

    /// Starts a proxy for encrypted connections to one server (`HOST:PORT`) and no other,
    /// wherever that one redirects.
    pub(crate) fn only_to(server: String, reach: Reach) -> io::Result<Self> {
        Self::start("", reach, Some(server))
    }

    fn start(url: &str, reach: Reach, only: Option<String>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let proxy = format!("http://{}", listener.local_addr()?);
        let origin = absolute_target(url).map(|(authority, _)| authority.to_owned());
        let url = absolute_target(url).map(|(_, path)| format!("{proxy}{path}"));
        let refused = Arc::new(Mutex::new(None));
        let gate = Arc::new(Gate {
            reach,
            only,
            origin,
            own: proxy.trim_start_matches("http://").to_owned(),
            refused: refused.clone(),
        });
        thread::Builder::new().spawn(move || {
            for client in listener.incoming().flatten() {
                let gate = Arc::clone(&gate);
                // What goes wrong is seen as a connection that breaks off.
                let served = thread::Builder::new().spawn(move || {
                    let _ = serve(&client, &gate);
                    let _ = client.shutdown(Shutdown::Both);
                });
                drop(served);
            }
        })?;
        Ok(Self {
            url,
            proxy,
            refused,
        })
    }

    /// Where libgit2 finds the repository at `url` over this proxy.
    pub(super) fn url_for<'u>(&'u self, url: &'u str) -> &'u str {
        self.url.as_deref().unwrap_or(url)
    }

    /// The first connection that was refused, if one was.
    pub(crate) fn refused(&self) -> Option<Refused> {
        let refused = self.refused.lock();
        refused.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Decides about addresses, and remembers a refusal.
struct Gate {
    reach: Reach,
    /// The one server that may be connected to, where there is one.
    only: Option<String>,
    /// The authority of an http repository.
    origin: Option<String>,
    /// The authority of this proxy, which stands for the origin.
    own: String,
    refused: Arc<Mutex<Option<Refused>>>,
}

impl Gate {
    /// Connects to `authority`, a host with a port.
    fn connect(&self, authority: &str) -> io::Result<TcpStream> {
        if let Some(only) = &self.only
            && !only.eq_ignore_ascii_case(authority)
        {
            return Err(self.refuse(Refused::Elsewhere(authority.to_owned())));
        }
        let found: Vec<_> = authority.to_socket_addrs()?.collect();
        let allowed: Vec<_> = found
            .iter()
            .filter(|address| self.allows(address))
            .collect();
        if allowed.is_empty() && !found.is_empty() {
            return Err(self.refuse(Refused::Private(authority.to_owned())));
        }
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in allowed {
            match TcpStream::connect_timeout(address, CONNECT) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn refuse(&self, why: Refused) -> io::Error {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get_or_insert(why);
        io::ErrorKind::PermissionDenied.into()
    }

    /// Host and path of a request. libgit2 names this proxy, or nothing, for the origin.
    fn target<'t>(&'t self, target: &'t str) -> Option<(&'t str, &'t str)> {
        match absolute_target(target) {
            Some((authority, path)) if authority != self.own => Some((authority, path)),
            Some((_, path)) => Some((self.origin.as_deref()?, path)),
            None if target.starts_with('/') => Some((self.origin.as_deref()?, target)),
            None => None,
        }
    }

    /// The place of a redirect as libgit2 may follow it; none for one that it would follow to
    /// a server without asking here.
    fn redirect<'l>(&self, location: &'l str) -> Option<&'l str> {
        match (self.reach, absolute_target(location)) {
            (Reach::Anywhere, _) | (_, None) => Some(location),
            (Reach::Internet, Some((authority, path))) => {
                (Some(authority) == self.origin.as_deref()).then_some(path)
            }
        }
    }

    fn allows(&self, address: &SocketAddr) -> bool {
        match self.reach {
            Reach::Anywhere => true,
            Reach::Internet => is_public(address.ip()),
        }
    }
}

/// One connection of libgit2: a tunnel, or a request and its answer.
fn serve(client: &TcpStream, gate: &Gate) -> io::Result<()> {
    let mut from_client = BufReader::new(client);
    let request = Head::read(&mut from_client)?;
    let mut words = request.first.split(' ');
    let (method, target) = (words.next(), words.next().unwrap_or_default());
    if method == Some("CONNECT") {
        return tunnel(client, from_client, target, gate);
    }
    let (authority, path) = gate.target(target).ok_or_else(malformed)?;
    let server = connect(client, &with_port(authority), gate)?;
    let mut to_server = &server;
    let mut asked = request.without(&["host", "connection", "proxy-connection"]);
    asked = asked.replacen(target, path, 1);
    asked.push_str(&format!("Host: {authority}\r\nConnection: close\r\n\r\n"));
    to_server.write_all(asked.as_bytes())?;
    if let Some(length) = request.value("content-length") {
        let length = length.parse().map_err(|_| malformed())?;
        io::copy(&mut from_client.take(length), &mut to_server)?;
    } else if request.value("transfer-encoding").is_some() {
        copy_chunks(&mut from_client, &mut to_server)?;
    }
    answer(&mut BufReader::new(&server), &mut &*client, gate)
}

/// Connects to a server, or tells the client that this failed.
fn connect(mut client: &TcpStream, authority: &str, gate: &Gate) -> io::Result<TcpStream> {
    gate.connect(authority).inspect_err(|_| {
        let _ = client.write_all(BAD_GATEWAY);
    })
}

/// Passes the bytes of an encrypted connection in both directions.
fn tunnel(
    client: &TcpStream,
    from_client: BufReader<&TcpStream>,
    authority: &str,
    gate: &Gate,
) -> io::Result<()> {
    let mut to_client = client;
    let server = connect(client, authority, gate)?;
    to_client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut up_from, mut up_to) = (client.try_clone()?, server.try_clone()?);
    // What came together with the request.
    up_to.write_all(from_client.buffer())?;
    let up = thread::Builder::new().spawn(move || {
        let _ = io::copy(&mut up_from, &mut up_to);
        let _ = up_to.shutdown(Shutdown::Write);
    })?;
    let _ = io::copy(&mut &server, &mut to_client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = up.join();
    Ok(())
}

/// Host and path of the target of a request to a proxy.
fn absolute_target(target: &str) -> Option<(&str, &str)> {
    let rest = target.strip_prefix("http://")?;
    Some(match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    })
}

/// The authority with the port of http where it names none. A port is behind the last colon
/// that is not one of an IPv6 address.
fn with_port(authority: &str) -> String {
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.contains(']'));
    if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    }
}

/// Passes a body in chunks on as it is.
fn copy_chunks(from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
    loop {
        let mut line = String::new();
        if from.take(HEAD_MAX).read_line(&mut line)? == 0 {
            return Err(malformed());
        }
        to.write_all(line.as_bytes())?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| malformed())?;
        // The chunk and its line break.
        io::copy(&mut from.take(size + 2), to)?;
        if size == 0 {
            return to.flush();
        }
    }
}

/// Sends an answer on, in chunks where it has neither those nor a length.
fn answer(server: &mut impl BufRead, client: &mut impl Write, gate: &Gate) -> io::Result<()> {
    let mut head = Head::read(server)?;
    while head.status()? / 100 == 1 {
        head = Head::read(server)?;
    }
    if let Some(location) = head.value("location") {
        let Some(place) = gate.redirect(location) else {
            return client.write_all(BAD_GATEWAY);
        };
        let line = format!("Location: {place}");
        head.lines
            .retain(|line| !line.to_ascii_lowercase().starts_with("location:"));
        head.lines.push(line);
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

    fn gate(reach: Reach) -> Gate {
        Gate {
            reach,
            only: None,
            origin: Some("example.org".to_owned()),
            own: "127.0.0.1:1".to_owned(),
            refused: Arc::default(),
        }
    }

    fn passed(sent: &str) -> Option<String> {
        let mut got = Vec::new();
        answer(&mut sent.as_bytes(), &mut got, &gate(Reach::Anywhere)).ok()?;
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
                format!("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /x\r\n{CLOSE}"),
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

    fn asked(bridge: &Bridge, request: &str) -> String {
        let mut stream = TcpStream::connect(bridge.proxy.trim_start_matches("http://")).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn an_address_of_the_home_is_refused_to_who_may_only_reach_the_internet() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = server.local_addr().unwrap().port();
        for host in [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "2130706433",
            "[::ffff:127.0.0.1]",
        ] {
            for request in [
                format!("GET http://{host}:{port}/a HTTP/1.1\r\n\r\n"),
                format!("CONNECT {host}:{port} HTTP/1.1\r\n\r\n"),
            ] {
                let bridge = Bridge::to("https://example.org/a", Reach::Internet).unwrap();
                let answer = asked(&bridge, &request);
                assert!(answer.starts_with("HTTP/1.1 502 "), "{request}: {answer}");
                assert_eq!(
                    bridge.refused(),
                    Some(Refused::Private(format!("{host}:{port}"))),
                    "{request}"
                );
            }
        }
        server.set_nonblocking(true).unwrap();
        assert!(server.accept().is_err(), "a connection arrived");
    }

    #[test]
    fn a_redirect_past_the_proxy_is_not_passed_on() {
        for (location, expected) in [
            ("/b", Some("/b")),
            ("https://other.org/b", Some("https://other.org/b")),
            ("http://example.org/b", Some("/b")),
            ("http://192.168.1.1/b", None),
            ("http://other.org/b", None),
        ] {
            assert_eq!(gate(Reach::Internet).redirect(location), expected);
            assert_eq!(gate(Reach::Anywhere).redirect(location), Some(location));
        }
    }

    #[test]
    fn libgit2_names_the_origin_in_three_ways() {
        let gate = gate(Reach::Anywhere);
        for (target, expected) in [
            ("/a", Some(("example.org", "/a"))),
            ("http://127.0.0.1:1/a", Some(("example.org", "/a"))),
            ("http://other.org:8080/a", Some(("other.org:8080", "/a"))),
            ("a", None),
        ] {
            assert_eq!(gate.target(target), expected, "{target}");
        }
        let bridge = Bridge::to("http://example.org:8080/a/b.git", Reach::Anywhere).unwrap();
        assert_eq!(
            bridge.url.as_deref(),
            Some(&*format!("{}/a/b.git", bridge.proxy))
        );
    }

    #[test]
    fn a_request_is_led_to_its_server_and_a_tunnel_passes_bytes() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = server.local_addr().unwrap();
        let bridge = Bridge::to("https://example.org/a", Reach::Anywhere).unwrap();
        let serving = thread::spawn(move || {
            let (mut one, _) = server.accept().unwrap();
            let mut reader = BufReader::new(one.try_clone().unwrap());
            let first = Head::read(&mut reader).unwrap().first;
            one.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello").unwrap();
            drop((one, reader));
            let (mut two, _) = server.accept().unwrap();
            let mut bytes = [0; 4];
            two.read_exact(&mut bytes).unwrap();
            two.write_all(b"pong").unwrap();
            (first, bytes)
        });
        let answer = asked(
            &bridge,
            &format!("GET http://{address}/a?b HTTP/1.1\r\n\r\n"),
        );
        assert!(answer.ends_with("5\r\nhello\r\n0\r\n\r\n"), "{answer}");
        let answer = asked(&bridge, &format!("CONNECT {address} HTTP/1.1\r\n\r\nping"));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.ends_with("pong"), "{answer}");
        let (first, bytes) = serving.join().unwrap();
        assert_eq!((first.as_str(), &bytes), ("GET /a?b HTTP/1.1", b"ping"));
        assert_eq!(bridge.refused(), None);
    }
}
