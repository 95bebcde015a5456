//! Where the parts of a backup are on this machine, and where a restored one is put.

use crate::error::Error;
use atek_api::backup::Part;
use atek_api::ids::ServiceKey;
use atek_api::spec::paths;
use std::path::{Path, PathBuf};

/// The snapshot of a service's state that is made to be stored.
pub(crate) const STORED: &str = "backup";
/// The one that a restore makes.
pub(crate) use paths::RESTORED_SNAPSHOT as RESTORED;

/// The folders of the machine.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// One folder for each service, with snapshots of its state.
    snapshots: PathBuf,
    /// One folder for each service, with the versions of its package.
    packages: PathBuf,
    /// The host's own files.
    host: PathBuf,
    /// Where packages and the host's own files are restored.
    restore: PathBuf,
    /// The socket that leads to a server.
    pub(crate) line: PathBuf,
}

/// A folder that is stored.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// Names in it that are not stored.
    pub(crate) left_out: &'static [&'static str],
    /// Whether it is a copy that was made to be stored: it does not change, and its inodes and
    /// times of change do not tell whether a file is the same as before. All of it is read.
    pub(crate) is_copy: bool,
}

/// What belongs to the host and is not stored: packages have parts of their own, the rest is of
/// this moment or of this machine.
const LEFT_OUT: &[&str] = &[
    "packages",
    "staging",
    "restore.json",
    "claim-code",
    paths::FACTORY_RESET_NAME,
    paths::MOVE_NAME,
    "installs",
    "uninstalls",
    "updates",
    "gives",
    // Backups of other homes.
    "guests",
];

impl Layout {
    /// The folders below `root`.
    pub(crate) fn below(root: &Path) -> Self {
        let below = |path: &str| root.join(path.trim_start_matches('/'));
        Self {
            snapshots: below("/var/lib/private").join(paths::SNAPSHOTS_NAME),
            packages: below(paths::PACKAGES),
            host: below(paths::STATE),
            restore: below(paths::RESTORE),
            line: below(paths::LINE),
        }
    }

    /// The folder with a part.
    pub(crate) fn source(&self, part: &Part) -> Result<Source, Error> {
        let (path, left_out, is_copy) = match part {
            Part::Host => (self.host.clone(), LEFT_OUT, false),
            Part::State(key) => {
                let path = self.snapshots.join(key.as_str()).join(STORED);
                (path, &[][..], true)
            }
            Part::Package(key, version) => {
                let path = self.packages.join(key.as_str());
                let path = path.join("versions").join(version.as_str());
                (path, &[][..], false)
            }
            Part::Manifest => return Err(Error::Request("a manifest is stored last".into())),
        };
        if !path.is_dir() {
            return Err(Error::Source(format!("{} is not there", path.display())));
        }
        Ok(Source {
            path,
            left_out,
            is_copy,
        })
    }

    /// A file whose owner gets a restored part: that user may have another number here.
    pub(crate) fn owner_of(&self, part: &Part) -> Option<PathBuf> {
        matches!(part, Part::Host).then(|| self.host.join("config.json"))
    }

    /// Where a restored part is put; the one of a service may become another's.
    pub(crate) fn destination(
        &self,
        part: &Part,
        into: Option<&ServiceKey>,
    ) -> Result<PathBuf, Error> {
        match part {
            Part::Host => Ok(self.restore.join("host")),
            Part::State(key) => {
                let key = into.unwrap_or(key);
                Ok(self.snapshots.join(key.as_str()).join(RESTORED))
            }
            Part::Package(key, version) => {
                let (path, key) = (self.restore.join("packages"), into.unwrap_or(key));
                Ok(path.join(key.as_str()).join(version.as_str()))
            }
            Part::Manifest => Err(Error::Request("a manifest is read, not restored".into())),
        }
    }
}
