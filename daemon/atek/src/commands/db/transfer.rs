//! Whole databases: export, import, compaction.

use super::{API, find};
use crate::cli::db::{Export, Import};
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::{clean, size, words};
use atek_api::ids::DbId;
use atek_rpc::body;
use bytes::Bytes;
use futures_util::stream;
use http::Method;
use http_body::Frame;
use http_body_util::{BodyExt as _, Limited, StreamBody};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes read from a file at once.
const CHUNK: usize = 64 * 1024;

/// Bytes of the longest answer to an import.
const MAX_ANSWER: usize = 1 << 20;

/// Result of `adminCompact`.
#[derive(Debug, Deserialize)]
struct Compacted {
    compacted: bool,
}

/// Result of an import.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Imported {
    db_id: DbId,
    records: usize,
    blobs: usize,
}

/// Gives unused space back to the file system.
pub(super) async fn compact(host: &Host) -> Result<(), Failure> {
    let answer = host
        .call(API, "adminCompact", [(); 0], "compact the databases")
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let Compacted { compacted } = read("adminCompact", &answer)?;
    host.out.done(if compacted {
        "gave unused space back"
    } else {
        "there was no unused space"
    })
}

/// Where an export goes: nothing of it is left when it fails.
struct Target {
    file: Box<dyn io::Write + Send>,
    /// The name while it is being written, and the one after.
    names: Option<(PathBuf, PathBuf)>,
}

impl Target {
    fn open(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = file.filter(|path| path.as_os_str() != "-") else {
            if io::stdout().is_terminal() {
                return Err(Failure::Usage(
                    "an export is not for reading: give a file".to_owned(),
                ));
            }
            return Ok(Self {
                file: Box::new(io::stdout()),
                names: None,
            });
        };
        let failed = |source| Failure::File {
            action: "make the file",
            path: path.to_owned(),
            source,
        };
        if path.exists() {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".part");
        let partial = PathBuf::from(partial);
        let file = std::fs::File::create(&partial).map_err(failed)?;
        Ok(Self {
            file: Box::new(file),
            names: Some((partial, path.to_owned())),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file
            .write_all(bytes)
            .map_err(|source| self.failed("write the file", source))
    }

    fn failed(&self, action: &'static str, source: io::Error) -> Failure {
        match &self.names {
            Some((path, _)) => Failure::File {
                action,
                path: path.clone(),
                source,
            },
            None => Failure::Output(source),
        }
    }

    /// Gives the file its name when all of it is on the disk.
    fn finish(mut self) -> Result<(), Failure> {
        self.file
            .flush()
            .map_err(|source| self.failed("write the file", source))?;
        if let Some((partial, path)) = self.names.take() {
            let failed = |source| Failure::File {
                action: "keep the file",
                path: path.clone(),
                source,
            };
            std::fs::File::open(&partial)
                .and_then(|file| file.sync_all())
                .and_then(|()| std::fs::rename(&partial, &path))
                .map_err(failed)?;
        }
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some((partial, _)) = &self.names {
            // What cannot be removed is at least not taken for an export.
            let _ = std::fs::remove_file(partial);
        }
    }
}

pub(super) async fn export(host: &Host, args: &Export) -> Result<(), Failure> {
    let mut target = Target::open(args.file.as_deref())?;
    let id = find::id(host, &args.db).await?;
    let copied = tokio::select! {
        copied = copy(host, args, &id, &mut target) => copied?,
        _ = tokio::signal::ctrl_c() => return Err(host.out.interrupted("interrupted, nothing was kept")),
    };
    let is_file = target.names.is_some();
    target.finish()?;
    if is_file {
        host.out
            .note(&format!("exported {} ({})", args.db, size::bytes(copied)));
    }
    Ok(())
}

async fn copy(host: &Host, args: &Export, id: &DbId, target: &mut Target) -> Result<u64, Failure> {
    let action = || format!("export the database {}", args.db);
    let call = |source| Failure::Call {
        action: action(),
        source: Box::new(source),
    };
    let path = format!("/_atek/gateway/export/{id}?{}", api_query().finish());
    let response = host
        .client
        .request(Method::GET, &path, &[], body::empty())
        .await
        .map_err(call)?;
    let mut body = response.into_body();
    let mut copied = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|source| Failure::Stream {
            action: action(),
            source,
        })?;
        if let Ok(bytes) = frame.into_data() {
            target.write(&bytes)?;
            copied += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        }
    }
    Ok(copied)
}

pub(super) async fn import(host: &Host, args: &Import) -> Result<(), Failure> {
    let mut query = api_query();
    if let Some(name) = &args.into {
        query.append_pair("into", find::id(host, name).await?.as_str());
    }
    if let Some(alias) = &args.alias {
        query.append_pair("alias", alias);
    }
    if let Some(access) = args.access {
        query.append_pair("access", access.name());
    }
    let path = format!("/_atek/gateway/import?{}", query.finish());
    let answer = send(host, &path, upload(args.file.as_deref()).await?).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let done: Imported = read("import", &answer)?;
    host.out.done(&format!(
        "imported {} and {} into {}",
        words::count(done.records, "record"),
        words::count(done.blobs, "blob"),
        clean::line(done.db_id.as_str())
    ))
}

async fn send(host: &Host, path: &str, body: body::Body) -> Result<Box<RawValue>, Failure> {
    let action = || "import the file".to_owned();
    let response = host
        .client
        .request(Method::POST, path, &[], body)
        .await
        .map_err(|source| Failure::Call {
            action: action(),
            source: Box::new(source),
        })?;
    let answer = Limited::new(response.into_body(), MAX_ANSWER)
        .collect()
        .await
        .map_err(|source| Failure::Stream {
            action: action(),
            source,
        })?;
    serde_json::from_slice(&answer.to_bytes()).map_err(|source| Failure::BadAnswer {
        method: "import",
        source,
    })
}

fn api_query() -> url::form_urlencoded::Serializer<'static, String> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("api", API);
    query
}

/// A file, or standard input, as the body of a request.
async fn upload(file: Option<&Path>) -> Result<body::Body, Failure> {
    let reader: Box<dyn AsyncRead + Send + Unpin> =
        match file.filter(|path| path.as_os_str() != "-") {
            Some(path) => {
                let failed = |source| Failure::File {
                    action: "read the file",
                    path: path.to_owned(),
                    source,
                };
                Box::new(tokio::fs::File::open(path).await.map_err(failed)?)
            }
            None if io::stdin().is_terminal() => {
                return Err(Failure::Usage("give the file to import".to_owned()));
            }
            None => Box::new(tokio::io::stdin()),
        };
    let chunks = stream::try_unfold(reader, |mut reader| async move {
        let mut chunk = vec![0; CHUNK];
        let read = reader.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok::<_, io::Error>((read > 0).then(|| (Frame::data(Bytes::from(chunk)), reader)))
    });
    Ok(body::boxed(StreamBody::new(chunks)))
}
