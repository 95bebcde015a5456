//! A repository in a folder of another machine, by the REST protocol of restic, by SFTP or by S3.
//!
//! The job has no network: it reaches the server by a socket of atekd's, which leads there and
//! nowhere else. What fails for a moment is tried again. What the server says is bounded.

mod http;
mod rest;
mod s3;
mod sftp;

use crate::folder::{LEAVE_FREE, Use};
use crate::store::{Store, Trouble};
use atek_api::backup::{HostKey, Protocol, ServerLogin, ServerUrl, TARGET_FOLDER};
use bytes::Bytes;
use nix::fcntl::Flock;
use rest::Rest;
use rustic_core::{
    BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend,
};
use s3::S3;
use sftp::Sftp;
use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Bytes of the longest file and list: a pack has some tens of megabytes.
const LONGEST: u64 = 256 << 20;
/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(120);
/// Pauses before what failed is tried again: a router that starts needs a minute.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(15),
    Duration::from_secs(40),
];

/// Why a server cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("the certificates with which the server is checked cannot be read")]
    Certificates(#[source] reqwest::Error),
    #[error("there is no backup on the server, in {0}")]
    NoBackup(String),
    #[error("the folder {0} is not on the server: make it there")]
    NoFolder(String),
    #[error("there is no bucket {0} on the server: make it there")]
    NoBucket(String),
    #[error("{0} on the server is a link or a file, not a folder: rename it")]
    NotAFolder(String),
    #[error("the server does not accept the name and the password: {0}")]
    Login(String),
    #[error(
        "the server shows the key {0}: compare it with the one that the server itself shows (ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub), and agree to it"
    )]
    UnknownKey(HostKey),
    #[error(
        "the server shows another key than before, {0}: it was set up anew, or another machine answers in its place. Nothing was sent to it. If it was set up anew, set the target again"
    )]
    OtherKey(HostKey),
    #[error("{0}")]
    Unusable(String),
}

/// Why something was not done with a server.
#[derive(Debug)]
struct Failed {
    kind: io::ErrorKind,
    text: String,
    /// How often it is tried again, at most: it may be done then.
    again: usize,
}

impl Failed {
    fn new(kind: io::ErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            again: 0,
        }
    }

    fn again(text: impl Into<String>) -> Self {
        Self {
            kind: io::ErrorKind::Other,
            text: text.into(),
            again: PAUSES.len(),
        }
    }

    fn missing() -> Self {
        Self::new(io::ErrorKind::NotFound, "it is not on the server")
    }

    fn too_long() -> Self {
        Self::new(
            io::ErrorKind::InvalidData,
            "what the server sent is too long",
        )
    }
}

/// How files come to a server and back. A file is written whole or not at all.
trait Wire: Debug + Send + Sync {
    fn make_folders(&self) -> Result<(), Failed>;
    fn has_config(&self) -> Result<bool, Failed>;
    fn list(&self, kind: FileType) -> Result<Vec<(Id, u32)>, Failed>;
    fn read(&self, kind: FileType, id: &Id, part: Option<(u32, u32)>) -> Result<Vec<u8>, Failed>;
    fn write(&self, kind: FileType, id: &Id, content: &Bytes) -> Result<(), Failed>;
    fn remove(&self, kind: FileType, id: &Id) -> Result<(), Failed>;
    fn free(&self) -> Option<u64>;
}

/// A repository on a server.
#[derive(Debug)]
pub(crate) struct ServerStore {
    wire: Box<dyn Wire>,
    location: String,
    has_config: bool,
    written: AtomicU64,
    trouble: Trouble,
    /// Whether what fails is tried again: not before the server has answered once.
    patient: AtomicBool,
    free: OnceLock<u64>,
}

impl ServerStore {
    /// Looks whether there is a repository.
    pub(crate) fn open(
        url: &ServerUrl,
        host_key: Option<&HostKey>,
        login: &ServerLogin,
        line: &Path,
        what_for: Use,
    ) -> Result<Self, ServerError> {
        let wire: Box<dyn Wire> = match url.protocol() {
            Protocol::Rest | Protocol::Home => Box::new(Rest::new(url, login, line)?),
            Protocol::S3 => Box::new(S3::open(url, login, line)?),
            Protocol::Sftp => Box::new(Sftp::open(url, host_key, login, line, what_for)?),
        };
        let location = format!("{url}/{TARGET_FOLDER}");
        let has_config = wire.has_config().map_err(|failed| match failed.kind {
            io::ErrorKind::PermissionDenied => ServerError::Login(failed.text),
            _ => ServerError::Unusable(failed.text),
        })?;
        if !has_config && what_for != Use::Begin {
            return Err(ServerError::NoBackup(location));
        }
        Ok(Self {
            wire,
            location,
            has_config,
            written: AtomicU64::new(0),
            trouble: Trouble::default(),
            patient: AtomicBool::new(true),
            free: OnceLock::new(),
        })
    }

    /// Does something with the server, again where that may help.
    fn with<T>(
        &self,
        operation: &'static str,
        work: impl Fn(&dyn Wire) -> Result<T, Failed>,
    ) -> RusticResult<T> {
        let mut pauses = PAUSES.iter().enumerate();
        loop {
            let failed = match work(&*self.wire) {
                Ok(done) => {
                    self.patient.store(true, Ordering::Relaxed);
                    return Ok(done);
                }
                Err(failed) => failed,
            };
            let again = match self.patient.load(Ordering::Relaxed) {
                true => failed.again,
                false => 0,
            };
            if let Some((_, pause)) = pauses.next().filter(|(tried, _)| *tried < again) {
                eprintln!("cannot {operation} a file: {}", failed.text);
                std::thread::sleep(*pause);
                continue;
            }
            // Others that are under way need not wait as long.
            self.patient.store(again == 0, Ordering::Relaxed);
            let text = format!("cannot {operation} a file there: {}", failed.text);
            self.trouble.tell(failed.kind, text);
            return Err(RusticError::new(
                ErrorKind::Backend,
                "cannot {operation} a file of the server",
            )
            .attach_context("operation", operation));
        }
    }
}

impl Store for ServerStore {
    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn free(&self) -> Option<u64> {
        let free = match self.free.get() {
            Some(free) => *free,
            None => {
                let free = self.wire.free()?;
                *self.free.get_or_init(|| free)
            }
        };
        Some(free.saturating_sub(self.written()))
    }

    fn take_trouble(&self) -> Option<(io::ErrorKind, String)> {
        self.trouble.take()
    }

    fn has_config(&self) -> bool {
        self.has_config
    }

    fn alone(&self) -> io::Result<Option<Flock<File>>> {
        Ok(None)
    }
}

impl ReadBackend for ServerStore {
    fn location(&self) -> String {
        self.location.clone()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if kind == FileType::Config {
            let found = self.with("look for", |wire| wire.has_config())?;
            return Ok(found.then(|| (Id::default(), 0)).into_iter().collect());
        }
        self.with("list", |wire| wire.list(kind))
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        let read = self.with("read", |wire| wire.read(kind, id, None))?;
        Ok(read.into())
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        let part = self.with("read", |wire| {
            let part = wire.read(kind, id, Some((offset, length)))?;
            match part.len() == length as usize {
                true => Ok(part),
                false => {
                    let kind = io::ErrorKind::UnexpectedEof;
                    Err(Failed::new(kind, "it is shorter than it was"))
                }
            }
        })?;
        Ok(part.into())
    }

    fn warmup_path(&self, _kind: FileType, id: &Id) -> String {
        id.to_hex().as_str().to_owned()
    }
}

impl WriteBackend for ServerStore {
    fn create(&self) -> RusticResult<()> {
        self.with("make", |wire| wire.make_folders())
    }

    fn write_bytes(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        content: BytesList,
    ) -> RusticResult<()> {
        let mut whole = Vec::with_capacity(content.size());
        for bytes in content.slice() {
            whole.extend_from_slice(bytes);
        }
        let whole = Bytes::from(whole);
        let size = whole.len() as u64;
        self.with("write", |wire| {
            if kind == FileType::Pack && self.free().is_some_and(|free| free < size + LEAVE_FREE) {
                return Err(Failed::new(io::ErrorKind::StorageFull, "there is no room"));
            }
            wire.write(kind, id, &whole)
        })?;
        self.written.fetch_add(size, Ordering::Relaxed);
        Ok(())
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        self.with("remove", |wire| match wire.remove(kind, id) {
            // Tried again after it was done.
            Err(failed) if failed.kind == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        })
    }
}
