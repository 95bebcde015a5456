//! What the engine needs of a place with a repository, beside files.

use nix::fcntl::Flock;
use rustic_core::WriteBackend;
use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

/// A folder of this machine, or of a server.
pub(crate) trait Store: WriteBackend + Debug {
    /// Bytes written since it was opened.
    fn written(&self) -> u64;

    /// Bytes that may still be written, where that is known.
    fn free(&self) -> Option<u64>;

    /// What went wrong with the place since the last call: rustic_core's error may not name it.
    fn take_trouble(&self) -> Option<(io::ErrorKind, String)>;

    /// Whether there is a repository.
    fn has_config(&self) -> bool;

    /// Keeps those that read away until it is dropped. None where they cannot be kept away: what
    /// they may need is then removed a day later.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] while there are some.
    fn alone(&self) -> io::Result<Option<Flock<File>>>;
}

/// The first thing that went wrong since it was last asked for.
#[derive(Debug, Default)]
pub(crate) struct Trouble(Mutex<Option<(io::ErrorKind, String)>>);

impl Trouble {
    pub(crate) fn tell(&self, kind: io::ErrorKind, text: String) {
        let mut trouble = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.get_or_insert((kind, text));
    }

    pub(crate) fn take(&self) -> Option<(io::ErrorKind, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
