//! Files in `/run/atek`: a token and a socket folder for each service that may run.

use crate::random::{self, RandomError};
use atek_api::ids::ServiceKey;
use atek_api::secret::Secret;
use atek_files::{FileError, write_atomic};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// Why a file of a service is not there.
#[derive(Debug, thiserror::Error)]
pub enum RunFileError {
    /// A step failed.
    #[error("cannot {step} {}", path.display())]
    Io {
        /// What was to be done.
        step: &'static str,
        /// To what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The token cannot be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// There is no token.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// The two folders.
#[derive(Debug)]
pub(super) struct RunFiles {
    tokens: PathBuf,
    /// Only this daemon gets through here, so what is inside can be open to the
    /// one service that has its own folder bound into its sight.
    host: PathBuf,
}

impl RunFiles {
    pub(super) fn new(run: PathBuf) -> Self {
        Self {
            tokens: run.join("tokens"),
            host: run.join("host"),
        }
    }

    pub(super) fn new_token(&self, key: &ServiceKey) -> Result<Secret, RunFileError> {
        let token = random::hex::<32>()?;
        make_folder(&self.tokens, 0o700)?;
        let path = self.tokens.join(key.as_str());
        write_atomic(&path, token.expose().as_bytes(), 0o600)?;
        Ok(token)
    }

    /// The token that the service's present start was given.
    pub(super) fn token(&self, key: &ServiceKey) -> Result<Option<Secret>, RunFileError> {
        let path = self.tokens.join(key.as_str());
        match fs::read_to_string(&path) {
            Ok(text) if !text.is_empty() => Ok(Some(Secret::new(text))),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(RunFileError::Io {
                step: "read",
                path,
                source,
            }),
        }
    }

    /// Replaces the service's socket. Its folder is what a running unit has bound, so
    /// the folder stays and only the file in it is replaced.
    pub(super) fn open_socket(&self, key: &ServiceKey) -> Result<UnixListener, RunFileError> {
        make_folder(&self.host, 0o700)?;
        let folder = self.host.join(key.as_str());
        make_folder(&folder, 0o755)?;
        let path = folder.join("host.sock");
        let failed = |step| {
            let path = path.clone();
            move |source| RunFileError::Io { step, path, source }
        };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("replace")(error));
            }
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(failed("listen on"))?;
        for (path, mode) in [(&folder, 0o755), (&path, 0o666)] {
            fs::set_permissions(path, Permissions::from_mode(mode))
                .map_err(failed("open to the service"))?;
        }
        Ok(listener)
    }

    /// Removes both; what cannot be removed is swept at the next start.
    pub(super) fn remove(&self, key: &ServiceKey) {
        let gone = [
            fs::remove_file(self.tokens.join(key.as_str())),
            fs::remove_file(self.host.join(key.as_str()).join("host.sock")),
            fs::remove_dir(self.host.join(key.as_str())),
        ];
        for error in gone.into_iter().filter_map(Result::err) {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%key, %error, "left something of a service in /run/atek");
            }
        }
    }

    pub(super) fn keys(&self) -> Vec<ServiceKey> {
        [&self.tokens, &self.host]
            .into_iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect()
    }
}

fn make_folder(path: &Path, mode: u32) -> Result<(), RunFileError> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(RunFileError::Io {
            step: "make",
            path: path.to_owned(),
            source: error,
        }),
        _ => Ok(()),
    }
}
