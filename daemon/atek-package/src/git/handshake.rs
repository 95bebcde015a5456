//! Whether a server has a certificate that is trusted, asked over a proxy before libgit2 does.
//!
//! libgit2 waits for ever where it connects over a proxy to a server whose certificate it does not
//! trust: it closes the connection first, and then waits for the server's goodbye on it
//! (`git_openssl_stream`'s `ssl_teardown`, 1.9).

use openssl::ssl::{HandshakeError, SslConnector, SslMethod};
use openssl::x509::X509VerifyResult;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use url::Url;

/// How long each step may take.
const STEP: Duration = Duration::from_secs(15);
/// The longest answer of the proxy.
const HEAD_MAX: usize = 4096;

/// Why the server of an https address is not trusted; none also where it cannot be asked, which
/// libgit2 tells then.
pub(super) fn problem(url: &Url, proxy: &str) -> Option<String> {
    if url.scheme() != "https" {
        return None;
    }
    let host = url.host_str()?;
    let authority = format!("{host}:{}", url.port_or_known_default()?);
    let tunnel = tunnel(proxy.strip_prefix("http://")?, &authority).ok()?;
    let connector = SslConnector::builder(SslMethod::tls()).ok()?.build();
    let name = host.trim_start_matches('[').trim_end_matches(']');
    match connector.connect(name, tunnel) {
        Err(HandshakeError::Failure(failed)) => match failed.ssl().verify_result() {
            X509VerifyResult::OK => None,
            why => Some(why.error_string().to_owned()),
        },
        Ok(_) | Err(_) => None,
    }
}

/// A connection to a server over the proxy.
fn tunnel(proxy: &str, authority: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(proxy)?;
    stream.set_read_timeout(Some(STEP))?;
    stream.set_write_timeout(Some(STEP))?;
    let ask = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(ask.as_bytes())?;
    let mut head = Vec::new();
    // Byte by byte: what follows belongs to the server.
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
        if head.len() > HEAD_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    if !head.starts_with(b"HTTP/1.1 200 ") {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}
