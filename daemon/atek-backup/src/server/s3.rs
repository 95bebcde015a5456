//! S3, as many providers and programs speak it: restic's layout of folders, so that Debian's
//! `restic` reads it in place.
//!
//! Each request is signed by `rusty-s3`, which opens no connection, for some minutes and for what
//! it asks alone: the secret key is never sent. A server writes an object whole or not at all.

use super::http::{self, bounded, part_of, unanswered};
use super::{Failed, ServerError, Wire};
use atek_api::backup::{Bucket as Place, ServerLogin, ServerUrl, TARGET_FOLDER};
use bytes::Bytes;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::{Method, StatusCode};
use rustic_core::{FileType, Id};
use rusty_s3::actions::{ListObjectsV2, ListObjectsV2Response};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Of servers that have no other, and of those that do not say.
const REGION: &str = "us-east-1";
/// How long a signature is good: as long as a request may take.
const GOOD_FOR: Duration = Duration::from_secs(900);
/// Pages of the longest list, each of at most a thousand names.
const PAGES: usize = 10_000;

#[derive(Debug)]
pub(super) struct S3 {
    client: Client,
    bucket: Bucket,
    credentials: Credentials,
    /// What names of ours begin with.
    prefix: String,
}

/// A refusal, and the region that the server names with it.
struct Refused {
    failed: Failed,
    code: String,
    region: Option<String>,
}

impl From<Failed> for Refused {
    fn from(failed: Failed) -> Self {
        Self {
            failed,
            code: String::new(),
            region: None,
        }
    }
}

impl S3 {
    /// Asks the server whether it has the bucket, and in which region.
    pub(super) fn open(
        url: &ServerUrl,
        login: &ServerLogin,
        line: &Path,
    ) -> Result<Self, ServerError> {
        let place = url.bucket();
        let place = place.ok_or_else(|| ServerError::Unusable("it names no bucket".to_owned()))?;
        let secret = login.password.as_ref();
        let secret =
            secret.ok_or_else(|| ServerError::Login("there is no secret key".to_owned()))?;
        let mut s3 = Self {
            client: http::client(login, line)?,
            bucket: bucket(&place, REGION)?,
            credentials: Credentials::new(url.user().unwrap_or_default(), secret.expose().trim()),
            prefix: match place.folder.as_str() {
                "" => format!("{TARGET_FOLDER}/"),
                folder => format!("{folder}/{TARGET_FOLDER}/"),
            },
        };
        let mut looked = s3.page("config", None);
        if let Err(Refused {
            region: Some(region),
            ..
        }) = &looked
        {
            s3.bucket = bucket(&place, region)?;
            looked = s3.page("config", None);
        }
        match looked {
            Ok(_) => Ok(s3),
            Err(refused) if refused.code == "NoSuchBucket" => {
                Err(ServerError::NoBucket(place.name.clone()))
            }
            Err(Refused { failed, .. }) => Err(match failed.kind {
                io::ErrorKind::PermissionDenied => ServerError::Login(failed.text),
                io::ErrorKind::NotFound => ServerError::NoBucket(place.name.clone()),
                _ => ServerError::Unusable(failed.text),
            }),
        }
    }

    /// The object of a file: as restic names it, packs in folders of two digits.
    fn object(&self, kind: FileType, id: &Id) -> String {
        let id = id.to_hex();
        let id = id.as_str();
        match kind {
            FileType::Config => format!("{}config", self.prefix),
            FileType::Pack => format!("{}{}/{}/{id}", self.prefix, kind.dirname(), &id[..2]),
            _ => format!("{}{}/{id}", self.prefix, kind.dirname()),
        }
    }

    fn send<'a, A: S3Action<'a>>(
        &self,
        method: Method,
        action: &A,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Refused> {
        let request = self.client.request(method, action.sign(GOOD_FOR));
        match with(request).send() {
            Ok(answer) if answer.status().is_success() => Ok(answer),
            Ok(answer) => Err(refused(answer)),
            Err(error) => Err(unanswered(&error).into()),
        }
    }

    /// A page of the names that begin with ours and `with`.
    fn page(&self, with: &str, after: Option<&str>) -> Result<ListObjectsV2Response, Refused> {
        let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
        action.with_prefix(format!("{}{with}", self.prefix));
        if let Some(token) = after {
            action.with_continuation_token(token.to_owned());
        }
        let text = bounded(self.send(Method::GET, &action, |request| request)?)?;
        let text = String::from_utf8(text).map_err(|_| no_list())?;
        let text = in_namespace(&text).ok_or_else(no_list)?;
        ListObjectsV2::parse_response(&text).map_err(|_| no_list().into())
    }

    /// All of those, with their sizes.
    fn names(&self, with: &str) -> Result<Vec<(String, u64)>, Failed> {
        let mut names = Vec::new();
        let mut after = None;
        for _ in 0..PAGES {
            let page = self.page(with, after.as_deref());
            let page = page.map_err(|refused| refused.failed)?;
            let found = page.contents.into_iter();
            names.extend(found.map(|found| (found.key, found.size.unwrap_or(0))));
            after = page.next_continuation_token;
            if after.is_none() {
                return Ok(names);
            }
        }
        Err(Failed::too_long())
    }
}

fn bucket(place: &Place, region: &str) -> Result<Bucket, ServerError> {
    let wrong = |error: &dyn std::fmt::Display| ServerError::Unusable(error.to_string());
    let endpoint = place.endpoint.parse();
    let endpoint = endpoint.map_err(|_| wrong(&"its address cannot be understood"))?;
    // The line leads to one host, which a name of the bucket before it would not be.
    Bucket::new(
        endpoint,
        UrlStyle::Path,
        place.name.clone(),
        region.to_owned(),
    )
    .map_err(|error| wrong(&error))
}

fn no_list() -> Failed {
    Failed::new(io::ErrorKind::Other, "it is no server that speaks S3")
}

/// A list with the namespace that S3 has: some servers write another one, or none.
fn in_namespace(text: &str) -> Option<String> {
    const LIST: &str = "<ListBucketResult";
    let (before, rest) = text.split_once(LIST)?;
    let (tag, rest) = rest.split_once('>')?;
    let end = if tag.ends_with('/') { "/" } else { "" };
    Some(format!(
        "{before}{LIST} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"{end}>{rest}"
    ))
}

/// The text of an element of an error, where it is a plain word.
fn element(said: &str, name: &str) -> Option<String> {
    let (_, rest) = said.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once("</")?;
    is_word(text).then(|| text.to_owned())
}

fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

/// Why a server refused something.
fn refused(answer: Response) -> Refused {
    let status = answer.status();
    let named = answer.headers().get("x-amz-bucket-region");
    let named = named.and_then(|region| region.to_str().ok());
    let named = named.filter(|text| is_word(text)).map(str::to_owned);
    let said = http::reason(answer);
    let region = named.or_else(|| element(&said, "Region"));
    let code = element(&said, "Code").unwrap_or_default();
    Refused {
        failed: failed(status, &code),
        code,
        region,
    }
}

fn failed(status: StatusCode, code: &str) -> Failed {
    let other = |text: String| Failed::new(io::ErrorKind::Other, text);
    let full = ["quota", "insufficient", "storagefull", "toolarge"];
    let lower = code.to_lowercase();
    match (status, code) {
        (_, "RequestTimeTooSkewed" | "RequestExpired") => other(
            "the server's clock and that of this box differ by minutes: set them right".to_owned(),
        ),
        (_, "NoSuchBucket") => Failed::new(
            io::ErrorKind::NotFound,
            "the bucket is not on the server any more",
        ),
        (StatusCode::NOT_FOUND, _) => Failed::missing(),
        _ if full.iter().any(|word| lower.contains(word))
            || status == StatusCode::INSUFFICIENT_STORAGE =>
        {
            Failed::new(io::ErrorKind::StorageFull, "the server has no room")
        }
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => Failed::new(
            io::ErrorKind::PermissionDenied,
            format!("it answered {status} {code}"),
        ),
        (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, _) => {
            Failed::again(format!("the server answered {status} {code}"))
        }
        _ if status.is_redirection() => http::elsewhere(),
        // Some servers say no more when their disk is full.
        _ if status.is_server_error() => Failed {
            again: 2,
            ..other(format!(
                "the server answered {status} (is its disk full?) {code}"
            ))
        },
        _ => other(format!("the server answered {status} {code}")),
    }
}

impl Wire for S3 {
    /// There are no folders, only names.
    fn make_folders(&self) -> Result<(), Failed> {
        Ok(())
    }

    fn has_config(&self) -> Result<bool, Failed> {
        let config = self.object(FileType::Config, &Id::default());
        let names = self.names("config")?;
        Ok(names.iter().any(|(name, _)| *name == config))
    }

    fn list(&self, kind: FileType) -> Result<Vec<(Id, u32)>, Failed> {
        let names = self.names(&format!("{}/", kind.dirname()))?;
        let named = names.into_iter().filter_map(|(name, size)| {
            let size = u32::try_from(size).unwrap_or(u32::MAX);
            let id = Id::parse_some(name.rsplit('/').next()?, kind)?;
            // Others in the same folder are not ours.
            (self.object(kind, &id) == name).then_some((id, size))
        });
        Ok(named.collect())
    }

    fn read(&self, kind: FileType, id: &Id, part: Option<(u32, u32)>) -> Result<Vec<u8>, Failed> {
        let object = self.object(kind, id);
        let action = self.bucket.get_object(Some(&self.credentials), &object);
        let range = part.map(|(offset, length)| http::range(offset, length));
        let answer = self
            .send(Method::GET, &action, |request| match &range {
                Some(range) => request.header("range", range),
                None => request,
            })
            .map_err(|refused| refused.failed)?;
        match part {
            Some((offset, length)) => part_of(answer, offset, length),
            None => bounded(answer),
        }
    }

    fn write(&self, kind: FileType, id: &Id, content: &Bytes) -> Result<(), Failed> {
        let object = self.object(kind, id);
        let action = self.bucket.put_object(Some(&self.credentials), &object);
        let written = self.send(Method::PUT, &action, |request| {
            request.body(content.clone())
        });
        written.map(drop).map_err(|refused| refused.failed)
    }

    fn remove(&self, kind: FileType, id: &Id) -> Result<(), Failed> {
        let object = self.object(kind, id);
        let action = self.bucket.delete_object(Some(&self.credentials), &object);
        let removed = self.send(Method::DELETE, &action, |request| request);
        removed.map(drop).map_err(|refused| refused.failed)
    }

    fn free(&self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_whatever_their_namespace() {
        let object = "<Contents><Key>b/data/00/ab</Key><Size>7</Size></Contents>";
        for xmlns in ["", " xmlns='http://doc.s3.amazonaws.com/2006-03-01/'"] {
            let text = format!(
                "<?xml version='1.0'?><ListBucketResult{xmlns}><IsTruncated>true</IsTruncated>{object}<NextContinuationToken>t</NextContinuationToken></ListBucketResult>"
            );
            let list = ListObjectsV2::parse_response(&in_namespace(&text).unwrap()).unwrap();
            assert_eq!(
                (list.contents[0].key.as_str(), list.contents[0].size),
                ("b/data/00/ab", Some(7))
            );
            assert_eq!(list.next_continuation_token.as_deref(), Some("t"));
        }
        assert!(in_namespace("<html>").is_none());
    }

    #[test]
    fn refusals_are_told_by_what_the_server_means() {
        let said = "<?xml version=\"1.0\"?><Error><Code>AuthorizationHeaderMalformed</Code>\
            <Message>wrong</Message><Region>eu-central-1</Region></Error>";
        assert_eq!(element(said, "Region").as_deref(), Some("eu-central-1"));
        assert_eq!(element("<Region>eu/../x</Region>", "Region"), None);
        assert_eq!(element("<Region>eu", "Region"), None);
        for (status, code, kind, again) in [
            (
                403,
                "SignatureDoesNotMatch",
                io::ErrorKind::PermissionDenied,
                0,
            ),
            (403, "RequestTimeTooSkewed", io::ErrorKind::Other, 0),
            (403, "QuotaExceeded", io::ErrorKind::StorageFull, 0),
            (507, "XMinioStorageFull", io::ErrorKind::StorageFull, 0),
            (404, "NoSuchKey", io::ErrorKind::NotFound, 0),
            (503, "SlowDown", io::ErrorKind::Other, 4),
            (500, "InternalError", io::ErrorKind::Other, 2),
            (301, "PermanentRedirect", io::ErrorKind::Other, 0),
            (400, "InvalidRequest", io::ErrorKind::Other, 0),
        ] {
            let failed = failed(StatusCode::from_u16(status).unwrap(), code);
            assert_eq!(
                (failed.kind, failed.again),
                (kind, again),
                "{status} {code}"
            );
        }
    }
}
