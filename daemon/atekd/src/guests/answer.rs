//! The REST protocol of restic (its documentation, "REST Backend", version 2) for guests, at
//! `/_atek/backups/NAME/atek-backup/`, with name and password (RFC 7617).

use super::Guests;
use super::shelf::{Kind, Name, NoRoom, Shelf};
use crate::error_chain::DisplayChain;
use atek_api::backup::{GUESTS_PATH, TARGET_FOLDER};
use atek_api::secret::Secret;
use atek_rpc::body::{Body, BoxError, boxed, empty, full};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of the largest file: a pack has some tens of megabytes.
const LARGEST: u64 = 256 << 20;
const PIECE: usize = 64 << 10;

/// What a request is about.
enum Place {
    Top,
    Kind(Kind),
    File(Name),
}

impl Place {
    /// Of what follows the guest's name.
    fn of(path: &str) -> Option<Self> {
        let path = path.strip_prefix(TARGET_FOLDER)?;
        let path = match path {
            "" | "/" => return Some(Self::Top),
            path => path.strip_prefix('/')?,
        };
        if path == "config" {
            return Some(Self::File(Name::config()));
        }
        let (kind, id) = path.split_once('/')?;
        let kind = Kind::named(kind)?;
        match id {
            "" => Some(Self::Kind(kind)),
            id => Name::of(kind, id).map(Self::File),
        }
    }
}

/// Why a guest does not get what was asked for.
enum Refusal {
    Status(StatusCode),
    Io(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self::Status(status)
    }
}

impl Guests {
    /// Answers a request of a guest.
    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        match self.admitted(request).await {
            Ok(response) => response,
            Err(Refusal::Status(status)) => refused(status),
            Err(Refusal::Io(error)) => refused(match error.kind() {
                io::ErrorKind::NotFound => StatusCode::NOT_FOUND,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    StatusCode::INSUFFICIENT_STORAGE
                }
                _ => {
                    tracing::error!(%error, "a backup of another home cannot be read or written");
                    StatusCode::INTERNAL_SERVER_ERROR
                }
            }),
        }
    }

    async fn admitted(&self, request: Request<Body>) -> Result<Response<Body>, Refusal> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().strip_prefix(GUESTS_PATH);
        let path = path.and_then(|path| path.split_once('/'));
        let (name, below) = path.ok_or(StatusCode::NOT_FOUND)?;
        let (user, password) = login(&head.headers).ok_or(StatusCode::UNAUTHORIZED)?;
        if user != name {
            return Err(StatusCode::UNAUTHORIZED.into());
        }
        let guests = self.clone();
        let entered = blocking(move || {
            guests.enter(&user, &password).map_err(|error| {
                tracing::error!(error = %DisplayChain(&error), "a guest cannot be let in");
                io::Error::other("the host has the cause")
            })
        });
        let shelf = entered.await?.ok_or(StatusCode::UNAUTHORIZED)?;
        let place = Place::of(below).ok_or(StatusCode::NOT_FOUND)?;
        match (&head.method, place) {
            (&Method::POST, Place::Top) => Ok(Response::new(empty())),
            (&Method::GET, Place::Kind(kind)) => list(shelf, kind).await,
            (&Method::HEAD, Place::File(name)) => {
                let bytes = blocking(move || Ok(shelf.has(&name))).await?;
                let bytes = bytes.ok_or(StatusCode::NOT_FOUND)?;
                let mut response = Response::new(empty());
                response.headers_mut().insert(CONTENT_LENGTH, bytes.into());
                Ok(response)
            }
            (&Method::GET, Place::File(name)) => read(shelf, name, &head.headers).await,
            (&Method::POST, Place::File(name)) => write(shelf, name, &head.headers, body).await,
            (&Method::DELETE, Place::File(name)) => {
                blocking(move || shelf.remove(&name)).await?;
                Ok(Response::new(empty()))
            }
            _ => Err(StatusCode::METHOD_NOT_ALLOWED.into()),
        }
    }
}

fn refused(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(status.canonical_reason().unwrap_or_default()));
    *response.status_mut() = status;
    if status == StatusCode::UNAUTHORIZED {
        let ask = HeaderValue::from_static("Basic realm=\"backups\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, ask);
    }
    response
}

/// Name and password of a request.
fn login(sent: &HeaderMap) -> Option<(String, Secret)> {
    let text = sent.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), Secret::new(password)))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(io::Error::other(error)),
    }
}

async fn list(shelf: Arc<Shelf>, kind: Kind) -> Result<Response<Body>, Refusal> {
    let files = blocking(move || shelf.list(kind)).await?;
    let files: Vec<_> = files
        .into_iter()
        .map(|(name, size)| json!({ "name": name, "size": size }))
        .collect();
    let text = serde_json::to_vec(&files).map_err(io::Error::other)?;
    let mut response = Response::new(full(text));
    let kind = HeaderValue::from_static("application/vnd.x.restic.rest.v2");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// The first byte that is asked for, and the last; none where that is the whole file.
fn range(sent: &HeaderMap, length: u64) -> Result<Option<(u64, u64)>, StatusCode> {
    let Some(range) = sent.get(RANGE) else {
        return Ok(None);
    };
    let wrong = StatusCode::RANGE_NOT_SATISFIABLE;
    let text = range.to_str().map_err(|_| wrong)?;
    let text = text.strip_prefix("bytes=").ok_or(wrong)?;
    let (first, last) = text.split_once('-').ok_or(wrong)?;
    let first: u64 = first.parse().map_err(|_| wrong)?;
    let last = match last {
        "" => length.saturating_sub(1),
        last => last
            .parse::<u64>()
            .map_err(|_| wrong)?
            .min(length.saturating_sub(1)),
    };
    match first <= last && first < length {
        true => Ok(Some((first, last))),
        false => Err(wrong),
    }
}

async fn read(shelf: Arc<Shelf>, name: Name, sent: &HeaderMap) -> Result<Response<Body>, Refusal> {
    let opened = blocking(move || {
        let file = shelf.read(&name)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    });
    let (mut file, length) = opened.await?;
    let part = range(sent, length)?;
    let (first, bytes) = match part {
        Some((first, last)) => (first, last - first + 1),
        None => (0, length),
    };
    file.seek(SeekFrom::Start(first))?;
    let pieces = stream::unfold(Some((file.take(bytes), bytes)), |rest| async move {
        let (mut file, left) = rest.filter(|(_, left)| *left > 0)?;
        let piece = blocking(move || {
            let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
            file.read_exact(&mut piece)?;
            Ok((file, piece))
        });
        Some(match piece.await {
            Ok((file, piece)) => {
                let left = left - piece.len() as u64;
                (Ok(Frame::data(Bytes::from(piece))), Some((file, left)))
            }
            // The connection ends, and with it what was begun.
            Err(error) => (Err(BoxError::from(error)), None),
        })
    });
    let mut response = Response::new(boxed(StreamBody::new(Box::pin(pieces))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, bytes.into());
    let kind = HeaderValue::from_static("application/octet-stream");
    headers.insert(CONTENT_TYPE, kind);
    if let Some((first, last)) = part {
        let text = format!("bytes {first}-{last}/{length}");
        let text = HeaderValue::from_str(&text).map_err(io::Error::other)?;
        headers.insert(CONTENT_RANGE, text);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// Removes what was begun when it is dropped.
struct Begun(PathBuf);

impl Drop for Begun {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn write(
    shelf: Arc<Shelf>,
    name: Name,
    sent: &HeaderMap,
    mut body: Body,
) -> Result<Response<Body>, Refusal> {
    let length = sent.get(CONTENT_LENGTH).and_then(|text| text.to_str().ok());
    let length: u64 = length
        .and_then(|text| text.parse().ok())
        .ok_or(StatusCode::LENGTH_REQUIRED)?;
    if length > LARGEST {
        return Err(StatusCode::PAYLOAD_TOO_LARGE.into());
    }
    // The one that all others are read by is written once.
    if name.is_config() && shelf.has(&name).is_some() {
        return Err(StatusCode::FORBIDDEN.into());
    }
    let reserved = shelf.reserve(length).map_err(|why| match why {
        NoRoom::Closed => StatusCode::UNAUTHORIZED,
        NoRoom::Quota | NoRoom::Disk => StatusCode::INSUFFICIENT_STORAGE,
    })?;
    let (path, mut file) = blocking(move || shelf.begin()).await?;
    let begun = Begun(path);
    let (mut digest, mut left) = (Sha256::new(), length);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else {
            continue;
        };
        left = left
            .checked_sub(data.len() as u64)
            .ok_or(StatusCode::BAD_REQUEST)?;
        digest.update(&data);
        file = blocking(move || file.write_all(&data).map(|()| file)).await?;
    }
    let digest = hex::encode(digest.finalize());
    let is_whole = left == 0 && name.digest().is_none_or(|named| named == digest);
    if !is_whole {
        return Err(StatusCode::BAD_REQUEST.into());
    }
    let put = move || {
        file.sync_all()?;
        reserved.put(&begun.0, &name)
    };
    blocking(put).await?;
    Ok(Response::new(empty()))
}
