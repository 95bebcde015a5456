//! The causes of an error, printed once, at the edge.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

/// What a person is told who needs room where there is none.
pub const DISK_FULL: &str =
    "the disk is full: uninstall an app that is not needed, or delete files, and try again";

/// An error followed by its causes: `cannot X: cannot Y: no such file`.
#[derive(Debug)]
pub struct DisplayChain<'a>(pub &'a dyn Error);

impl fmt::Display for DisplayChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Whether an error came about because the disk is full.
#[must_use]
pub fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(
            kind,
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
        ) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write {0}")]
    struct Failed(&'static str, #[source] io::Error);

    #[test]
    fn a_full_disk_is_found_below_other_errors() {
        let full = Failed("config.json", ErrorKind::StorageFull.into());
        assert!(is_disk_full(&full));
        let other = Failed("config.json", ErrorKind::PermissionDenied.into());
        assert!(!is_disk_full(&other));
    }
}
