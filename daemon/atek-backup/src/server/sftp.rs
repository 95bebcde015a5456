//! SFTP, by libssh2: restic's layout of folders, so that Debian's `restic` reads it in place.
//!
//! A file is written and synced in `tmp`, and renamed. Nothing is sent before the server has shown
//! the key to which a person agreed.

use super::{Failed, LONGEST, SILENCE, ServerError, Wire};
use crate::folder::Use;
use atek_api::backup::{HostKey, ServerLogin, ServerUrl, TARGET_FOLDER};
use atek_api::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use rustic_core::{FileType, Id};
use ssh2::{ErrorCode, HashType, OpenFlags, OpenType, Session};
use std::fmt;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const TMP: &str = "tmp";
/// How a private key begins, in each of its formats.
const PRIVATE_KEY: &str = "-----BEGIN";
/// Codes of the protocol (draft-ietf-secsh-filexfer-02, and -13 for the last two).
const NO_SUCH_FILE: i32 = 2;
const DENIED: i32 = 3;
const NO_SPACE: i32 = 14;
const QUOTA: i32 = 15;

pub(super) struct Sftp {
    folder: PathBuf,
    user: String,
    host_key: HostKey,
    password: Option<Secret>,
    line: PathBuf,
    /// None: it has to be made again.
    connection: Mutex<Option<ssh2::Sftp>>,
}

impl fmt::Debug for Sftp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sftp")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Connects and asks for the server's key. Nothing else is sent.
fn shown_key(line: &Path) -> Result<(Session, HostKey), ServerError> {
    let unusable = |error: &dyn fmt::Display| {
        ServerError::Unusable(format!(
            "the server does not speak SSH as it should ({error})"
        ))
    };
    let stream = UnixStream::connect(line).map_err(|error| unusable(&error))?;
    let mut session = Session::new().map_err(|error| unusable(&error))?;
    session.set_timeout(u32::try_from(SILENCE.as_millis()).unwrap_or(u32::MAX));
    session.set_tcp_stream(stream);
    session.handshake().map_err(|error| unusable(&error))?;
    let hash = session.host_key_hash(HashType::Sha256).unwrap_or_default();
    let shown = format!("SHA256:{}", STANDARD_NO_PAD.encode(hash));
    let shown = shown.parse().map_err(|error| unusable(&error))?;
    Ok((session, shown))
}

impl Sftp {
    pub(super) fn open(
        url: &ServerUrl,
        host_key: Option<&HostKey>,
        login: &ServerLogin,
        line: &Path,
        what_for: Use,
    ) -> Result<Self, ServerError> {
        let (session, shown) = shown_key(line)?;
        let host_key = match host_key {
            None => return Err(ServerError::UnknownKey(shown)),
            Some(known) if *known != shown => return Err(ServerError::OtherKey(shown)),
            Some(known) => known.clone(),
        };
        let parent = PathBuf::from(url.folder());
        let sftp = Self {
            folder: parent.join(TARGET_FOLDER),
            user: url.user().unwrap_or_default(),
            host_key,
            password: login.password.clone(),
            line: line.to_owned(),
            connection: Mutex::new(None),
        };
        let connection = sftp.sign_in(&session)?;
        let unusable = |error: ssh2::Error| ServerError::Unusable(of(&error).text);
        // The folder above is the person's: it is not made here.
        let above = match parent.as_os_str().is_empty() {
            true => Path::new("."),
            false => &parent,
        };
        match connection.stat(above) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(ServerError::NotAFolder(above.display().to_string())),
            Err(error) if error.code() == ErrorCode::SFTP(NO_SUCH_FILE) => {
                return Err(ServerError::NoFolder(above.display().to_string()));
            }
            Err(error) => return Err(unusable(error)),
        }
        // A link would lead to files beside it.
        match connection.lstat(&sftp.folder) {
            Ok(found) if !found.is_dir() => {
                return Err(ServerError::NotAFolder(sftp.folder.display().to_string()));
            }
            Ok(_) => {}
            Err(error) if error.code() == ErrorCode::SFTP(NO_SUCH_FILE) => {}
            Err(error) => return Err(unusable(error)),
        }
        if what_for != Use::Read {
            clear(&connection, &sftp.folder.join(TMP));
        }
        *sftp
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(connection);
        Ok(sftp)
    }

    fn sign_in(&self, session: &Session) -> Result<ssh2::Sftp, ServerError> {
        let secret = self.password.as_ref().map_or("", Secret::expose);
        let signed_in = match secret.trim_start().starts_with(PRIVATE_KEY) {
            true => session.userauth_pubkey_memory(&self.user, None, secret, None),
            false => session.userauth_password(&self.user, secret),
        };
        signed_in.map_err(|error| ServerError::Login(error.message().to_owned()))?;
        let opened = session.sftp();
        opened.map_err(|error| ServerError::Unusable(format!("the server has no SFTP ({error})")))
    }

    fn connect(&self) -> Result<ssh2::Sftp, Failed> {
        let connected =
            shown_key(&self.line).and_then(|(session, shown)| match shown == self.host_key {
                true => self.sign_in(&session),
                false => Err(ServerError::OtherKey(shown)),
            });
        connected.map_err(|error| match error {
            ServerError::Unusable(text) => Failed::again(text),
            error => Failed::new(io::ErrorKind::Other, error.to_string()),
        })
    }

    /// Does something by the connection, which is made again after it broke.
    fn with<T>(&self, work: impl FnOnce(&ssh2::Sftp) -> Result<T, Failed>) -> Result<T, Failed> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let open = match connection.take() {
            Some(open) => open,
            None => self.connect()?,
        };
        let done = work(&open);
        if !done.as_ref().is_err_and(|failed| failed.again > 0) {
            *connection = Some(open);
        }
        done
    }

    fn folder(&self, kind: FileType, id: &Id) -> PathBuf {
        match kind {
            FileType::Config => self.folder.clone(),
            FileType::Pack => self.folder.join("data").join(&id.to_hex()[0..2]),
            _ => self.folder.join(kind.dirname()),
        }
    }

    fn file(&self, kind: FileType, id: &Id) -> PathBuf {
        match kind {
            FileType::Config => self.folder.join("config"),
            _ => self.folder(kind, id).join(id.to_hex().as_str()),
        }
    }
}

/// An error of libssh2. What the server said of a file is final, a broken connection is not.
fn of(error: &ssh2::Error) -> Failed {
    match error.code() {
        ErrorCode::SFTP(NO_SUCH_FILE) => Failed::missing(),
        ErrorCode::SFTP(DENIED) => {
            let text = "the server does not let this user do that";
            Failed::new(io::ErrorKind::Other, text)
        }
        ErrorCode::SFTP(NO_SPACE | QUOTA) => {
            Failed::new(io::ErrorKind::StorageFull, "the server has no room")
        }
        ErrorCode::SFTP(_) => Failed::new(
            io::ErrorKind::Other,
            format!("the server refused it ({error})"),
        ),
        ErrorCode::Session(_) => {
            Failed::again(format!("the connection to the server ended ({error})"))
        }
    }
}

/// An error of a file while it is read or written.
fn of_io(error: io::Error) -> Failed {
    match error.downcast::<ssh2::Error>() {
        Ok(error) => of(&error),
        Err(error) => Failed::again(format!("the connection to the server ended ({error})")),
    }
}

/// Removes what a cut left. What cannot be removed harms no backup.
fn clear(connection: &ssh2::Sftp, tmp: &Path) {
    for (path, _) in connection.readdir(tmp).unwrap_or_default() {
        let _ = connection.unlink(&path);
    }
}

fn make(connection: &ssh2::Sftp, folder: &Path) -> Result<(), Failed> {
    match connection.mkdir(folder, 0o700) {
        Ok(()) => Ok(()),
        Err(error) => match connection.stat(folder) {
            Ok(found) if found.is_dir() => Ok(()),
            _ => Err(of(&error)),
        },
    }
}

fn list(
    connection: &ssh2::Sftp,
    folder: &Path,
    depth: usize,
    kind: FileType,
    into: &mut Vec<(Id, u32)>,
) -> Result<(), Failed> {
    let entries = match connection.readdir(folder) {
        Err(error) if error.code() == ErrorCode::SFTP(NO_SUCH_FILE) => return Ok(()),
        entries => entries.map_err(|error| of(&error))?,
    };
    for (path, stat) in entries {
        if stat.is_dir() {
            if depth > 0 {
                list(connection, &path, depth - 1, kind, into)?;
            }
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(id) = Id::parse_some(&name, kind) {
            into.push((
                id,
                u32::try_from(stat.size.unwrap_or(0)).unwrap_or(u32::MAX),
            ));
        }
    }
    Ok(())
}

fn write(connection: &ssh2::Sftp, new: &Path, content: &[u8]) -> Result<(), Failed> {
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let file = connection.open_mode(new, flags, 0o600, OpenType::File);
    let mut file = file.map_err(|error| of(&error))?;
    let written = file.write_all(content).map_err(of_io);
    let written = written.map_err(|failed| match has_room(&mut file, content.len()) {
        // OpenSSH has one code for all that it cannot write.
        false => Failed::new(io::ErrorKind::StorageFull, "the server has no room"),
        true => failed,
    });
    written?;
    // Not every server can.
    let _ = file.fsync();
    file.close().map_err(|error| of(&error))
}

fn has_room(file: &mut ssh2::File, bytes: usize) -> bool {
    let Ok(stat) = file.statvfs() else {
        return true;
    };
    stat.f_bavail.saturating_mul(stat.f_frsize) > bytes as u64
}

impl Wire for Sftp {
    fn make_folders(&self) -> Result<(), Failed> {
        self.with(|connection| {
            make(connection, &self.folder)?;
            for name in [TMP, "data", "index", "keys", "locks", "snapshots"] {
                make(connection, &self.folder.join(name))?;
            }
            Ok(())
        })
    }

    fn has_config(&self) -> Result<bool, Failed> {
        let config = self.folder.join("config");
        self.with(|connection| match connection.stat(&config) {
            Ok(found) => Ok(found.is_file()),
            Err(error) if error.code() == ErrorCode::SFTP(NO_SUCH_FILE) => Ok(false),
            Err(error) => Err(of(&error)),
        })
    }

    fn list(&self, kind: FileType) -> Result<Vec<(Id, u32)>, Failed> {
        let folder = self.folder.join(kind.dirname());
        self.with(|connection| {
            let mut found = Vec::new();
            list(connection, &folder, 1, kind, &mut found)?;
            Ok(found)
        })
    }

    fn read(&self, kind: FileType, id: &Id, part: Option<(u32, u32)>) -> Result<Vec<u8>, Failed> {
        let path = self.file(kind, id);
        self.with(|connection| {
            let mut file = connection.open(&path).map_err(|error| of(&error))?;
            let (offset, length) = match part {
                Some((offset, length)) => (offset, u64::from(length)),
                None => (0, LONGEST + 1),
            };
            file.seek(SeekFrom::Start(offset.into())).map_err(of_io)?;
            let mut content = Vec::new();
            file.take(length).read_to_end(&mut content).map_err(of_io)?;
            match content.len() as u64 > LONGEST {
                true => Err(Failed::too_long()),
                false => Ok(content),
            }
        })
    }

    fn write(&self, kind: FileType, id: &Id, content: &Bytes) -> Result<(), Failed> {
        let (path, new) = (
            self.file(kind, id),
            self.folder.join(TMP).join(id.to_hex().as_str()),
        );
        self.with(|connection| {
            write(connection, &new, content)?;
            if kind == FileType::Pack {
                make(connection, &self.folder(kind, id))?;
            }
            // Files are named by what is in them: one that is there is the same, from a time when
            // the answer was lost. OpenSSH does not rename over it.
            let renamed = connection.rename(&new, &path, None).or_else(|error| {
                match connection.stat(&path) {
                    Ok(found) if found.size == Some(content.len() as u64) => {
                        connection.unlink(&new)
                    }
                    Ok(_) => {
                        connection.unlink(&path)?;
                        connection.rename(&new, &path, None)
                    }
                    Err(_) => Err(error),
                }
            });
            renamed.map_err(|error| of(&error))
        })
    }

    fn remove(&self, kind: FileType, id: &Id) -> Result<(), Failed> {
        let path = self.file(kind, id);
        self.with(|connection| connection.unlink(&path).map_err(|error| of(&error)))
    }

    fn free(&self) -> Option<u64> {
        let config = self.folder.join("config");
        let stat = self.with(|connection| {
            let mut file = connection.open(&config).map_err(|error| of(&error))?;
            file.statvfs().map_err(|error| of(&error))
        });
        let stat = stat.ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}
