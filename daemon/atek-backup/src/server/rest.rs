//! The REST protocol of restic (its documentation, "REST Backend", version 2). The server writes a
//! file whole or not at all. No redirection is followed: it would take the password elsewhere.

use super::{Failed, LONGEST, SILENCE, ServerError, Wire};
use atek_api::backup::{ServerLogin, ServerUrl, TARGET_FOLDER};
use atek_api::secret::Secret;
use bytes::Bytes;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::{Certificate, Method, StatusCode, redirect, tls};
use rustic_core::{FileType, Id};
use serde::Deserialize;
use std::error::Error as _;
use std::io::{self, Read as _};
use std::path::Path;

const VERSION_2: &str = "application/vnd.x.restic.rest.v2";
/// Bytes of an answer that says why something was refused.
const REASON: u64 = 400;

#[derive(Debug)]
pub(super) struct Rest {
    client: Client,
    base: String,
    user: Option<String>,
    password: Option<Secret>,
}

/// A file in a list of the server.
#[derive(Deserialize)]
struct Listed {
    name: String,
    size: u64,
}

impl Rest {
    pub(super) fn new(
        url: &ServerUrl,
        login: &ServerLogin,
        line: &Path,
    ) -> Result<Self, ServerError> {
        let added = Certificate::from_pem_bundle(login.authorities.as_bytes())
            .map_err(ServerError::Certificates)?;
        let client = Client::builder()
            .unix_socket(line)
            .redirect(redirect::Policy::none())
            .min_tls_version(tls::Version::TLS_1_2)
            .tls_certs_merge(added)
            .timeout(SILENCE * 5)
            .pool_max_idle_per_host(4)
            .build()
            .map_err(ServerError::Certificates)?;
        Ok(Self {
            client,
            base: format!("{}/{TARGET_FOLDER}", url.base()),
            user: url.user(),
            password: login.password.clone(),
        })
    }

    fn path(&self, kind: FileType, id: &Id) -> String {
        match kind {
            FileType::Config => format!("{}/config", self.base),
            _ => format!("{}/{}/{}", self.base, kind.dirname(), id.to_hex().as_str()),
        }
    }

    fn send(
        &self,
        method: Method,
        url: &str,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Failed> {
        let mut request = self.client.request(method, url);
        if let Some(user) = &self.user {
            request = request.basic_auth(user, self.password.as_ref().map(Secret::expose));
        }
        match with(request).send() {
            Ok(answer) if answer.status().is_success() => Ok(answer),
            Ok(answer) => Err(refused(answer)),
            Err(error) => Err(unanswered(&error)),
        }
    }
}

/// Why a server refused something.
fn refused(answer: Response) -> Failed {
    let status = answer.status();
    let mut said = Vec::new();
    let _ = answer.take(REASON).read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    let said: String = said.chars().filter(|c| !c.is_control()).collect();
    let lower = said.to_lowercase();
    let is_full = ["no space left", "quota", "insufficient"];
    match status {
        StatusCode::NOT_FOUND => Failed::missing(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failed::new(
            io::ErrorKind::PermissionDenied,
            format!("it answered {status}"),
        ),
        StatusCode::INSUFFICIENT_STORAGE | StatusCode::PAYLOAD_TOO_LARGE => {
            Failed::new(io::ErrorKind::StorageFull, "the server has no room")
        }
        _ if is_full.iter().any(|word| lower.contains(word)) => {
            Failed::new(io::ErrorKind::StorageFull, "the server has no room")
        }
        _ if status.is_redirection() => {
            let text = "the server leads to another address: set that one as the target";
            Failed::new(io::ErrorKind::Other, text)
        }
        // Some servers say no more when their disk is full.
        _ if status.is_server_error() => Failed {
            again: 2,
            ..Failed::new(
                io::ErrorKind::Other,
                format!("the server answered {status} (is its disk full?) {said}"),
            )
        },
        _ => Failed::new(
            io::ErrorKind::Other,
            format!("the server answered {status} {said}"),
        ),
    }
}

/// Why there was no answer. The texts of the library quote the address, which has no secret.
fn unanswered(error: &reqwest::Error) -> Failed {
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

fn bounded(answer: Response) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    let read = answer.take(LONGEST + 1).read_to_end(&mut body);
    read.map_err(|error| Failed::again(format!("the answer was cut off ({error})")))?;
    match body.len() as u64 > LONGEST {
        true => Err(Failed::too_long()),
        false => Ok(body),
    }
}

impl Wire for Rest {
    fn make_folders(&self) -> Result<(), Failed> {
        let url = format!("{}/?create=true", self.base);
        self.send(Method::POST, &url, |request| request).map(drop)
    }

    fn has_config(&self) -> Result<bool, Failed> {
        let config = self.path(FileType::Config, &Id::default());
        match self.send(Method::HEAD, &config, |request| request) {
            Ok(_) => Ok(true),
            Err(failed) if failed.kind == io::ErrorKind::NotFound => Ok(false),
            Err(failed) => Err(failed),
        }
    }

    fn list(&self, kind: FileType) -> Result<Vec<(Id, u32)>, Failed> {
        let url = format!("{}/{}/", self.base, kind.dirname());
        let listed = self.send(Method::GET, &url, |request| {
            request.header("accept", VERSION_2)
        });
        let text = match listed {
            Err(failed) if failed.kind == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => bounded(listed?)?,
        };
        let listed: Vec<Listed> = serde_json::from_slice(&text).map_err(|_| {
            let text = "it is no REST server of restic, or one of an old version";
            Failed::new(io::ErrorKind::Other, text)
        })?;
        let named = listed.into_iter().filter_map(|file| {
            let size = u32::try_from(file.size).unwrap_or(u32::MAX);
            Id::parse_some(&file.name, kind).map(|id| (id, size))
        });
        Ok(named.collect())
    }

    fn read(&self, kind: FileType, id: &Id, part: Option<(u32, u32)>) -> Result<Vec<u8>, Failed> {
        let url = self.path(kind, id);
        let Some((offset, length)) = part else {
            return bounded(self.send(Method::GET, &url, |request| request)?);
        };
        let (first, end) = (u64::from(offset), u64::from(offset) + u64::from(length));
        let range = format!("bytes={first}-{}", end.saturating_sub(1));
        let answer = self.send(Method::GET, &url, |request| request.header("range", &range))?;
        match answer.status() {
            StatusCode::PARTIAL_CONTENT => bounded(answer),
            // All of it, from a server that does not know parts.
            _ => {
                let all = bounded(answer)?;
                let part =
                    all.get(offset as usize..(offset as usize).saturating_add(length as usize));
                Ok(part.unwrap_or_default().to_vec())
            }
        }
    }

    fn write(&self, kind: FileType, id: &Id, content: &Bytes) -> Result<(), Failed> {
        let url = self.path(kind, id);
        let written = self.send(Method::POST, &url, |request| request.body(content.clone()));
        match written {
            Ok(_) => Ok(()),
            // Sent again after the answer to the first time was lost: it is there, whole.
            Err(failed) if kind != FileType::Config && self.has(kind, id, content)? => {
                drop(failed);
                Ok(())
            }
            Err(failed) => Err(failed),
        }
    }

    fn remove(&self, kind: FileType, id: &Id) -> Result<(), Failed> {
        let url = self.path(kind, id);
        self.send(Method::DELETE, &url, |request| request).map(drop)
    }

    fn free(&self) -> Option<u64> {
        None
    }
}

impl Rest {
    /// Whether the server has a file of this length.
    fn has(&self, kind: FileType, id: &Id, content: &Bytes) -> Result<bool, Failed> {
        match self.send(Method::HEAD, &self.path(kind, id), |request| request) {
            Ok(answer) => {
                let length = answer.headers().get("content-length");
                let length = length.and_then(|text| text.to_str().ok()?.parse::<u64>().ok());
                Ok(length == Some(content.len() as u64))
            }
            Err(_) => Ok(false),
        }
    }
}
