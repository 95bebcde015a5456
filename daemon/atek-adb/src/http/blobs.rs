//! Blobs as HTTP resources.

use super::{Failure, body_stream, db_id, linger, stream_place};
use crate::error::AdbError;
use crate::path::RecordPath;
use crate::service::Adb;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde_json::json;
use std::io::SeekFrom;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

/// Bytes read from a file at a time.
const CHUNK: usize = 64 << 10;
/// What a blob is when its writer did not say.
const OCTETS: &str = "application/octet-stream";

/// `PUT /blobs/DB/PATH`.
pub(super) async fn put(
    State(adb): State<Adb>,
    Path((db, _)): Path<(String, String)>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let (head, mut body) = request.into_parts();
    let outcome = store(&adb, &db, &head, &mut body).await;
    linger(outcome, &mut body).await
}

async fn store(adb: &Adb, db: &str, head: &Parts, body: &mut Body) -> Result<Response, Failure> {
    let caller = adb.caller(&head.headers)?;
    let _place = stream_place(adb, &caller)?;
    let (id, path) = (db_id(db)?, blob_path(adb, &head.uri)?);
    let size = number(&head.headers, CONTENT_LENGTH);
    let media_type = text(&head.headers, CONTENT_TYPE).filter(|kind| kind.len() <= 256);
    let mut upload = adb.begin_blob(&caller, &id, &path, size).await?;
    let mut body = body_stream(body);
    while let Some(chunk) = body.next().await {
        upload
            .write(
                chunk.map_err(|problem| {
                    AdbError::Refused(format!("the upload broke off: {problem}"))
                })?,
            )
            .await?;
    }
    let row = upload.finish(adb, media_type).await?;
    let info = json!({"path": path.text(), "size": row.size, "hash": row.hash, "mediaType": row.media_type});
    Ok(([(ETAG, etag(&row.hash))], axum::Json(info)).into_response())
}

/// `GET` and `HEAD /blobs/DB/PATH`; one range at a time.
pub(super) async fn get(
    State(adb): State<Adb>,
    Path((db, _)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let caller = adb.caller(&headers)?;
    let place = stream_place(&adb, &caller)?;
    let (id, path) = (db_id(&db)?, blob_path(&adb, &uri)?);
    let (row, file) = adb.open_blob(&caller, &id, &path).await?;
    let tag = etag(&row.hash);
    if text(&headers, IF_NONE_MATCH)
        .is_some_and(|known| known == "*" || known.split(',').any(|t| t.trim() == tag))
    {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    let mut response = Response::builder()
        .header(ETAG, &tag)
        .header(ACCEPT_RANGES, "bytes")
        .header(CONTENT_TYPE, row.media_type.as_deref().unwrap_or(OCTETS))
        // What an app stored must not run as a page of the host.
        .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(CONTENT_DISPOSITION, "attachment")
        .header(CONTENT_SECURITY_POLICY, "sandbox");
    let (start, length) = match range(text(&headers, RANGE).as_deref(), row.size) {
        Wanted::All => (0, row.size),
        Wanted::Part { start, length } => {
            let shown = format!("bytes {start}-{}/{}", start + length - 1, row.size);
            response = response
                .status(StatusCode::PARTIAL_CONTENT)
                .header(CONTENT_RANGE, shown);
            (start, length)
        }
        Wanted::Nothing => {
            let all = [(CONTENT_RANGE, format!("bytes */{}", row.size))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, all).into_response());
        }
    };
    let mut file = tokio::fs::File::from_std(file);
    let failed =
        |error: std::io::Error| AdbError::Refused(format!("the blob cannot be read: {error}"));
    file.seek(SeekFrom::Start(start)).await.map_err(failed)?;
    let stream = ReaderStream::with_capacity(file.take(length), CHUNK);
    let body = Body::from_stream(stream.map(move |chunk| {
        // Held until the stream is dropped.
        let _ = &place;
        chunk
    }));
    response
        .header(CONTENT_LENGTH, length)
        .body(body)
        // A media type that is no header value is the only thing that can be wrong.
        .map_err(|_| AdbError::Refused("the blob's media type is not valid".to_owned()).into())
}

/// `DELETE /blobs/DB/PATH`.
pub(super) async fn delete(
    State(adb): State<Adb>,
    Path((db, _)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<StatusCode, Failure> {
    let caller = adb.caller(&headers)?;
    adb.delete_blob(&caller, &db_id(&db)?, &blob_path(&adb, &uri)?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The blob's path: the URI's segments after the database, each percent-decoded on its own, so that
/// a segment can hold a `/`.
fn blob_path(adb: &Adb, uri: &Uri) -> Result<RecordPath, AdbError> {
    let tail = uri
        .path()
        .split_once("/blobs/")
        .map_or("", |(_, tail)| tail);
    let encoded = tail
        .split('/')
        .skip(1)
        .filter(|segment| !segment.is_empty());
    let decoded: Result<Vec<String>, _> = encoded
        .map(|segment| percent_decode_str(segment).decode_utf8().map(Into::into))
        .collect();
    let segments =
        decoded.map_err(|_| AdbError::Refused("Invalid path: it is not UTF-8".to_owned()))?;
    Ok(RecordPath::from_segments(
        segments.iter().map(String::as_str),
        adb.limits(),
    )?)
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part { start: u64, length: u64 },
    Nothing,
}

/// RFC 9110, section 14: anything but one satisfiable range of bytes is ignored or refused.
fn range(header: Option<&str>, size: u64) -> Wanted {
    let Some((from, to)) = header
        .and_then(|text| text.strip_prefix("bytes="))
        .and_then(|spec| spec.split_once('-'))
    else {
        return Wanted::All;
    };
    let (from, to) = (from.trim(), to.trim());
    let (start, end) = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(start), Ok(last)) if start <= last => (start, last.saturating_add(1).min(size)),
        (Ok(start), Err(_)) if to.is_empty() => (start, size),
        (Err(_), Ok(0)) if from.is_empty() => return Wanted::Nothing,
        (Err(_), Ok(suffix)) if from.is_empty() => (size.saturating_sub(suffix), size),
        _ => return Wanted::All,
    };
    if start < end {
        Wanted::Part {
            start,
            length: end - start,
        }
    } else {
        Wanted::Nothing
    }
}

fn etag(hash: &str) -> String {
    format!("\"{hash}\"")
}

fn text(headers: &HeaderMap, name: http::HeaderName) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

fn number(headers: &HeaderMap, name: http::HeaderName) -> Option<u64> {
    text(headers, name).and_then(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_as_rfc_9110_says() {
        let part = |start, length| Wanted::Part { start, length };
        for (header, expected) in [
            (None, Wanted::All),
            (Some("bytes=0-3"), part(0, 4)),
            (Some("bytes=2-"), part(2, 8)),
            (Some("bytes=-3"), part(7, 3)),
            (Some("bytes=-30"), part(0, 10)),
            (Some("bytes=5-99"), part(5, 5)),
            (Some("bytes=10-"), Wanted::Nothing),
            (Some("bytes=-0"), Wanted::Nothing),
            (Some("bytes=3-2"), Wanted::All),
            (Some("bytes=0-1,3-4"), Wanted::All),
            (Some("items=0-1"), Wanted::All),
            (Some("bytes=0-18446744073709551615"), part(0, 10)),
        ] {
            assert_eq!(range(header, 10), expected, "{header:?}");
        }
        assert_eq!(range(Some("bytes=0-0"), 0), Wanted::Nothing);
    }
}
