//! What the protocols over HTTP have in common. No redirection is followed: it would take what is
//! sent, the password with it, elsewhere.

use super::{Failed, LONGEST, SILENCE, ServerError};
use atek_api::backup::ServerLogin;
use reqwest::blocking::{Client, Response};
use reqwest::{Certificate, StatusCode, redirect, tls};
use std::error::Error as _;
use std::io::{self, Read as _};
use std::path::Path;

/// Bytes of an answer that says why something was refused.
const REASON: u64 = 2000;

/// A client that reaches one server by the line, and trusts the authorities of the box.
pub(super) fn client(login: &ServerLogin, line: &Path) -> Result<Client, ServerError> {
    let added = Certificate::from_pem_bundle(login.authorities.as_bytes())
        .map_err(ServerError::Certificates)?;
    Client::builder()
        .unix_socket(line)
        .redirect(redirect::Policy::none())
        .min_tls_version(tls::Version::TLS_1_2)
        .tls_certs_merge(added)
        .timeout(SILENCE * 5)
        .pool_max_idle_per_host(4)
        .build()
        .map_err(ServerError::Certificates)
}

/// What a server says about a refusal, on one line.
pub(super) fn reason(answer: Response) -> String {
    let mut said = Vec::new();
    let _ = answer.take(REASON).read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    said.chars().filter(|c| !c.is_control()).collect()
}

/// An answer with another address.
pub(super) fn elsewhere() -> Failed {
    let text = "the server leads to another address: set that one as the target";
    Failed::new(io::ErrorKind::Other, text)
}

/// The header that asks for a part of a file.
pub(super) fn range(offset: u32, length: u32) -> String {
    let (first, end) = (u64::from(offset), u64::from(offset) + u64::from(length));
    format!("bytes={first}-{}", end.saturating_sub(1))
}

/// The part that was asked for, also from a server that does not know parts.
pub(super) fn part_of(answer: Response, offset: u32, length: u32) -> Result<Vec<u8>, Failed> {
    if answer.status() == StatusCode::PARTIAL_CONTENT {
        return bounded(answer);
    }
    let all = bounded(answer)?;
    let part = all.get(offset as usize..(offset as usize).saturating_add(length as usize));
    Ok(part.unwrap_or_default().to_vec())
}

/// Why there was no answer. The library's own text quotes the address, which may be signed; only
/// its cause is told.
pub(super) fn unanswered(error: &reqwest::Error) -> Failed {
    let mut last = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        last = error.to_string();
        cause = error.source();
    }
    if last.contains("certificate verify failed") {
        let text = "the server's certificate is of no authority that this box trusts: add its authority (atek settings), or give the server a certificate";
        return Failed::new(io::ErrorKind::Other, text);
    }
    match error.is_timeout() {
        true => Failed::again("the server does not answer"),
        false => Failed::again(format!("the connection to the server ended ({last})")),
    }
}

pub(super) fn bounded(answer: Response) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    let read = answer.take(LONGEST + 1).read_to_end(&mut body);
    read.map_err(|error| Failed::again(format!("the answer was cut off ({error})")))?;
    match body.len() as u64 > LONGEST {
        true => Err(Failed::too_long()),
        false => Ok(body),
    }
}
