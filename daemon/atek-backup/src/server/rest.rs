//! The REST protocol of restic (its documentation, "REST Backend", version 2). The server writes a
//! file whole or not at all.

use super::http::{self, bounded, part_of, unanswered};
use super::{Failed, ServerError, Wire};
use atek_api::backup::{ServerLogin, ServerUrl, TARGET_FOLDER};
use atek_api::secret::Secret;
use bytes::Bytes;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::{Method, StatusCode};
use rustic_core::{FileType, Id};
use serde::Deserialize;
use std::io;
use std::path::Path;

const VERSION_2: &str = "application/vnd.x.restic.rest.v2";

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
        Ok(Self {
            client: http::client(login, line)?,
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
    let said = http::reason(answer);
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
        _ if status.is_redirection() => http::elsewhere(),
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
        let range = http::range(offset, length);
        let answer = self.send(Method::GET, &url, |request| request.header("range", &range))?;
        part_of(answer, offset, length)
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
