//! A forgotten password: a file on the card asks for a new one, and a code on the box's screen
//! shows that the person who sets it has the box at hand.
//!
//! ```text
//!  atek-reset.txt on the card -> atek-firstboot -> /var/lib/atek/password-reset
//!    -> the code on the screen, for an hour -> `resetPassword` with the code -> both are removed
//! ```

use super::code::ClaimCode;
use super::files::{ClaimFiles, FilesError};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// How long the code is worth something after it was first shown.
pub(super) const VALID: Duration = Duration::from_secs(3600);
/// The file names a user; more is not read.
const MAX_BYTES: u64 = 4 << 10;

/// A request for a new password that waits for its code.
#[derive(Debug, Clone)]
pub struct PasswordReset {
    /// The only user whose password may be set; none: any user's.
    pub user: Option<String>,
    /// What the screen shows.
    pub code: ClaimCode,
    /// When it is over.
    pub(super) until: Instant,
}

/// The files of a request.
#[derive(Debug, Clone)]
pub(super) struct ResetFiles {
    /// What atek-firstboot wrote.
    pub(super) request: PathBuf,
    /// The code, kept and shown as a claim code.
    pub(super) code: ClaimFiles,
}

/// The file's content; the time of the request is for people who look.
#[derive(Debug, Default, Deserialize)]
struct Request {
    #[serde(default)]
    user: Option<String>,
}

impl ResetFiles {
    /// The request, if there is one, with its code shown. A file that cannot be understood asks
    /// for no user in particular: a person put it on the card.
    pub(super) fn load(&self) -> Result<Option<PasswordReset>, FilesError> {
        let Some(text) = read(&self.request)? else {
            return Ok(None);
        };
        let request: Request = serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot understand the request for a new password");
            Request::default()
        });
        let user = request.user.map(|user| user.trim().to_owned());
        Ok(Some(PasswordReset {
            user: user.filter(|user| !user.is_empty()),
            code: self.code.load_or_make()?,
            until: Instant::now() + VALID,
        }))
    }

    /// Removes the request and its code for good.
    pub(super) fn remove(&self) -> Result<(), FilesError> {
        // First what asks: a power cut in between must not ask again with a new code.
        super::files::remove(&self.request)?;
        self.code.remove()
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, FilesError> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut text));
    match read {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FilesError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_code_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let files = ResetFiles {
            request: folder.path().join("password-reset"),
            code: ClaimFiles {
                kept: folder.path().join("password-reset-code"),
                shown: Some(folder.path().join("shown")),
            },
        };
        assert!(files.load().unwrap().is_none());
        for (text, user) in [
            (
                r#"{"user": "alice", "requested_at": "2026-11-28"}"#,
                Some("alice"),
            ),
            (r#"{"user": null}"#, None),
            (r#"{"user": " "}"#, None),
            ("", None),
            ("please", None),
        ] {
            std::fs::write(&files.request, text).unwrap();
            let reset = files.load().unwrap().unwrap();
            assert_eq!(reset.user.as_deref(), user, "{text}");
            let shown = std::fs::read_to_string(folder.path().join("shown")).unwrap();
            assert_eq!(shown.trim(), reset.code.shown());
            let again = files.load().unwrap().unwrap();
            assert!(again.code.is(&reset.code), "another code after a restart");
            files.remove().unwrap();
            files.remove().unwrap();
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
