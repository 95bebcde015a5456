//! `boot-good`: this boot was good, so the slot that it came from is kept. `on-trial`: whether that
//! is still to come.

mod autoboot;
mod booted;

use crate::fsutil::{self, Root};
use crate::say;
use atek_files::FileError;
use autoboot::{Autoboot, Decision};
use std::path::{Path, PathBuf};

/// Why the slot could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("cannot read {path}")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not as Atek writes it")]
    Selector {
        path: String,
        #[source]
        source: autoboot::WrongSelector,
    },
    #[error(
        "cannot tell from which slot this boot came: neither the firmware nor the command line says so"
    )]
    Unknown,
    #[error("partition {booted} started, which is neither the slot in use nor the one on trial")]
    Foreign { booted: u32 },
    #[error("cannot keep the slot")]
    Write(#[from] FileError),
}

/// What the selector and the firmware say of this boot.
struct Looked {
    /// The selector's file.
    file: PathBuf,
    /// The boot partition that this boot came from.
    booted: u32,
    decision: Decision,
}

/// Makes the slot that booted the one that is booted from now on, if it is not.
///
/// # Errors
///
/// [`BootError`]; the boot loader then goes back to the slot before, at the next start.
pub fn keep(root: &Root) -> Result<(), BootError> {
    let Some(looked) = look(root)? else {
        say::note("this board has no slots; there is nothing to keep");
        return Ok(());
    };
    let booted = looked.booted;
    match looked.decision {
        Decision::Kept => say::note(&format!("partition {booted} is the one in use")),
        Decision::Keep(selector) => {
            let card = looked.file.parent().unwrap_or(Path::new("/boot"));
            fsutil::while_writable(card, || {
                atek_files::write_atomic(&looked.file, selector.to_string().as_bytes(), 0o600)
            })?;
            say::note(&format!("partition {booted} was on trial and is kept"));
        }
        Decision::Foreign => return Err(BootError::Foreign { booted }),
    }
    Ok(())
}

/// Whether this boot came from the slot on trial, which is not kept yet: a restart then returns to
/// the other slot.
///
/// # Errors
///
/// [`BootError`]: it is unknown, so the box should not restart.
pub fn is_on_trial(root: &Root) -> Result<bool, BootError> {
    let Some(looked) = look(root)? else {
        return Ok(false);
    };
    let booted = looked.booted;
    match looked.decision {
        Decision::Kept => Ok(false),
        Decision::Keep(_) => {
            let line = format!(
                "partition {booted} is on trial and was not kept in time: the box goes back to the slot before"
            );
            say::warn(&line);
            say::show(root, &format!("{line}\n"));
            Ok(true)
        }
        Decision::Foreign => Err(BootError::Foreign { booted }),
    }
}

/// `None`: this board has no slots.
fn look(root: &Root) -> Result<Option<Looked>, BootError> {
    let file = root.at("/boot/autoboot.txt");
    let path = || file.display().to_string();
    let content = match fsutil::read_small(&file, 4096) {
        Ok(None) => return Ok(None),
        Ok(Some(content)) => content,
        Err(source) => {
            return Err(BootError::Read {
                path: path(),
                source,
            });
        }
    };
    let selector = Autoboot::parse(&String::from_utf8_lossy(&content)).map_err(|source| {
        BootError::Selector {
            path: path(),
            source,
        }
    })?;
    let booted = booted::partition(root).ok_or(BootError::Unknown)?;
    Ok(Some(Looked {
        decision: selector.decide(booted),
        booted,
        file,
    }))
}

#[cfg(test)]
mod tests;
