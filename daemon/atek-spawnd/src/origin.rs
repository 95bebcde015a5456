//! Remembers what ran with a service's key, so that its state is given to no other program.
//!
//! atekd says what runs with which key. It is not believed in one point: the state of a key whose
//! program came from a package, from Atek itself or from a folder of one user is not given to a
//! program from elsewhere. (A new version of a package is atekd's decision.) The record is made at
//! the first start and goes with the state.

use crate::files::{FileError, Folder};
use crate::layout::Layout;
use atek_api::ids::ServiceKey;
use atek_api::spec::{ServiceSpec, paths};
use std::fmt;
use std::io::Read as _;

/// Bytes of the longest record.
const MAX_BYTES: u64 = 128;

/// Where a service's program comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `/usr/lib/atek/core`.
    Core,
    /// The packages that were installed with the service's key.
    Package,
    /// A folder of this machine that belongs to the user with this number.
    Folder(u32),
}

/// The program is not the one that made the service's state.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OriginError {
    #[error("the data of service {key} was made by a program from {recorded}, not from {asked}")]
    Other {
        key: ServiceKey,
        recorded: String,
        asked: Origin,
    },
    #[error("cannot read what ran with the key {0}")]
    Read(ServiceKey, #[source] std::io::Error),
    #[error(transparent)]
    File(#[from] FileError),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Core => f.write_str("Atek itself"),
            Self::Package => f.write_str("its installed package"),
            Self::Folder(owner) => write!(f, "a folder of user {owner}"),
        }
    }
}

impl Origin {
    /// The origin of a spec whose package folder was opened.
    pub(crate) fn of(spec: &ServiceSpec, package: &Folder) -> Result<Self, FileError> {
        if spec.package.is_built_in() {
            return Ok(Self::Core);
        }
        // A valid spec names no package of another key.
        if spec.package.folder.starts_with(paths::PACKAGES) {
            return Ok(Self::Package);
        }
        Ok(Self::Folder(package.own_stat()?.st_uid))
    }

    /// Requires that this is what ran with the key before; records it at the first start.
    pub(crate) fn require(self, layout: &Layout, key: &ServiceKey) -> Result<(), OriginError> {
        let origins = Folder::open(&layout.origins)?;
        let name = key.as_str().as_ref();
        let file = match origins.open_file(name) {
            Err(error) if error.is_missing() => return self.record(&origins, key),
            opened => opened?,
        };
        let mut recorded = String::new();
        file.take(MAX_BYTES)
            .read_to_string(&mut recorded)
            .map_err(|error| OriginError::Read(key.clone(), error))?;
        if recorded == self.to_string() {
            Ok(())
        } else if recorded.is_empty() {
            // A power cut left it so, of a version that did not wait for the disk.
            self.record(&origins, key)
        } else {
            Err(OriginError::Other {
                key: key.clone(),
                recorded,
                asked: self,
            })
        }
    }

    /// Returns when the record is on the disk: the state that is made now must not outlive it.
    fn record(self, origins: &Folder, key: &ServiceKey) -> Result<(), OriginError> {
        origins.write_private(key.as_str().as_ref(), self.to_string().as_bytes())?;
        Ok(origins.sync()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::temporary;

    #[test]
    fn the_state_of_one_key_was_given_to_another_program() {
        let (_folder, layout) = temporary();
        let key = "k1".parse().unwrap();
        Origin::Folder(1000).require(&layout, &key).unwrap();
        Origin::Folder(1000).require(&layout, &key).unwrap();
        for other in [Origin::Folder(961), Origin::Package, Origin::Core] {
            let refused = other.require(&layout, &key);
            assert!(matches!(refused, Err(OriginError::Other { .. })), "{other}");
        }
        Origin::Package
            .require(&layout, &"k2".parse().unwrap())
            .unwrap();
        crate::state::wipe(&layout, &key).unwrap();
        Origin::Package.require(&layout, &key).unwrap();
    }

    #[test]
    fn a_record_that_a_power_cut_left_empty_is_made_again() {
        let (_folder, layout) = temporary();
        let key = "k1".parse().unwrap();
        std::fs::write(layout.origins.join("k1"), "").unwrap();
        Origin::Core.require(&layout, &key).unwrap();
        let recorded = std::fs::read_to_string(layout.origins.join("k1")).unwrap();
        assert_eq!(recorded, Origin::Core.to_string());
        Origin::Package.require(&layout, &key).unwrap_err();
    }
}
