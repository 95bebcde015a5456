//! `boot-good`: this boot was good, so the slot that it came from is kept.

mod autoboot;
mod booted;

use crate::fsutil::{self, Root};
use crate::say;
use atek_files::FileError;
use autoboot::{Autoboot, Decision};
use std::path::Path;

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

/// Makes the slot that booted the one that is booted from now on, if it is not.
///
/// # Errors
///
/// [`BootError`]; the boot loader then goes back to the slot before, at the next start.
pub fn keep(root: &Root) -> Result<(), BootError> {
    let file = root.at("/boot/autoboot.txt");
    let path = || file.display().to_string();
    let content = match fsutil::read_small(&file, 4096) {
        Ok(None) => {
            say::note("this board has no slots; there is nothing to keep");
            return Ok(());
        }
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
    match selector.decide(booted) {
        Decision::Kept => say::note(&format!("partition {booted} is the one in use")),
        Decision::Keep(selector) => {
            let card = file.parent().unwrap_or(Path::new("/boot"));
            fsutil::while_writable(card, || {
                atek_files::write_atomic(&file, selector.to_string().as_bytes(), 0o600)
            })?;
            say::note(&format!("partition {booted} was on trial and is kept"));
        }
        Decision::Foreign => return Err(BootError::Foreign { booted }),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
