//! One host at a time: units, sockets and packages are the machine's.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// Held while a host runs; the kernel lets go of it when the process is gone.
#[derive(Debug)]
pub struct InstanceLock {
    _held: Option<File>,
}

/// Another host runs.
#[derive(Debug, thiserror::Error)]
pub enum InstanceLockError {
    /// It holds the folder.
    #[error("another Atek host runs on this machine; stop it first: systemctl stop atekd.service")]
    Taken,
    /// The folder is there and cannot be held.
    #[error("cannot hold {0} for this host alone")]
    Hold(String, #[source] io::Error),
}

impl InstanceLock {
    /// Takes hold of a folder that every host of this machine uses. A folder that is not
    /// there belongs to a machine without Atek's units: nothing of another host either.
    ///
    /// # Errors
    ///
    /// [`InstanceLockError`].
    pub fn hold(folder: &Path) -> Result<Self, InstanceLockError> {
        let failed = |error| InstanceLockError::Hold(folder.display().to_string(), error);
        let file = match File::open(folder) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { _held: None });
            }
            Err(error) => return Err(failed(error)),
        };
        match file.try_lock() {
            Ok(()) => Ok(Self { _held: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(InstanceLockError::Taken),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_host_is_told_what_to_stop_and_may_run_when_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = InstanceLock::hold(folder.path()).unwrap();
        let refused = InstanceLock::hold(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("systemctl stop atekd"), "{refused}");
        drop(first);
        InstanceLock::hold(folder.path()).unwrap();
    }

    #[test]
    fn a_machine_without_atek_has_no_other_host() {
        assert!(InstanceLock::hold(Path::new("/nonexistent/host")).is_ok());
    }
}
