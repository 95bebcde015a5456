//! The folders this program works in, and the users it works for.

use crate::files::Reader;
use atek_api::spec::paths;
use nix::unistd::{Gid, Group, Uid, User};
use std::ffi::CString;
use std::path::PathBuf;

/// Passed in everywhere, so that tests have their own.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) packages: PathBuf,
    pub(crate) staging: PathBuf,
    /// `/var/lib`, where systemd links a service's state.
    pub(crate) state_links: PathBuf,
    /// `/var/lib/private`, where the state is.
    pub(crate) state: PathBuf,
    pub(crate) runtime: PathBuf,
    pub(crate) tokens: PathBuf,
    pub(crate) credentials: PathBuf,
    /// The services' `passwd` and `group`.
    pub(crate) accounts: PathBuf,
    /// Where atekd takes the services' listeners.
    pub(crate) attach: PathBuf,
    /// atekd's listeners for the services.
    pub(crate) host_dirs: PathBuf,
    /// What was first run with each service's key.
    pub(crate) origins: PathBuf,
    /// Owns the installed packages.
    pub(crate) root: Account,
    /// Makes packages.
    pub(crate) build: Account,
    /// The group of all services.
    pub(crate) apps: Gid,
    /// Writes the tokens.
    pub(crate) host: Account,
    /// The same user with all its groups.
    pub(crate) reader: Reader,
}

/// A user and its main group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
}

/// The system lacks a user that Atek needs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("the user {0} does not exist: run systemd-sysusers")]
    Missing(&'static str),
    #[error("the group {0} does not exist: run systemd-sysusers")]
    MissingGroup(&'static str),
    #[error("cannot look up {0}")]
    LookUp(&'static str, #[source] nix::Error),
}

impl Layout {
    /// The real one.
    pub(crate) fn of_this_system() -> Result<Self, AccountError> {
        let apps = paths::APPS_GROUP;
        let group = Group::from_name(apps)
            .map_err(|error| AccountError::LookUp(apps, error))?
            .ok_or(AccountError::MissingGroup(apps))?;
        let host = account(paths::HOST_USER)?;
        Ok(Self {
            packages: paths::PACKAGES.into(),
            staging: paths::STAGING.into(),
            state_links: "/var/lib".into(),
            state: "/var/lib/private".into(),
            runtime: "/run".into(),
            tokens: paths::TOKENS.into(),
            credentials: paths::CREDENTIALS.into(),
            accounts: paths::ACCOUNTS.into(),
            attach: paths::ATTACH_DIR.into(),
            host_dirs: paths::HOST_DIRS.into(),
            origins: paths::ORIGINS.into(),
            root: Account {
                uid: Uid::from_raw(0),
                gid: Gid::from_raw(0),
            },
            build: account(paths::BUILD_USER)?,
            apps: group.gid,
            host,
            reader: Reader {
                uid: host.uid,
                groups: groups(paths::HOST_USER, host.gid)?,
            },
        })
    }
}

fn groups(name: &'static str, main: Gid) -> Result<Vec<Gid>, AccountError> {
    let failed = |error| AccountError::LookUp(name, error);
    let text = CString::new(name).map_err(|_| failed(nix::errno::Errno::EINVAL))?;
    nix::unistd::getgrouplist(&text, main).map_err(failed)
}

fn account(name: &'static str) -> Result<Account, AccountError> {
    let user = User::from_name(name)
        .map_err(|error| AccountError::LookUp(name, error))?
        .ok_or(AccountError::Missing(name))?;
    Ok(Account {
        uid: user.uid,
        gid: user.gid,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A layout in a folder of its own; the tests' user plays every user.
    pub(crate) fn temporary() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let inside = |name: &str| {
            let inside = path.join(name);
            std::fs::create_dir_all(&inside).unwrap();
            inside
        };
        let myself = Account {
            uid: Uid::current(),
            gid: Gid::current(),
        };
        let layout = Layout {
            packages: inside("atek/packages"),
            staging: inside("atek/staging"),
            state_links: inside("lib"),
            state: inside("lib/private"),
            runtime: inside("run"),
            tokens: inside("run/tokens"),
            credentials: inside("run/credentials"),
            accounts: inside("run/accounts"),
            attach: inside("run/atek/attach"),
            host_dirs: inside("run/atek/host"),
            origins: inside("atek/origins"),
            root: myself,
            build: myself,
            apps: myself.gid,
            host: myself,
            reader: Reader {
                uid: myself.uid,
                groups: vec![myself.gid],
            },
        };
        (folder, layout)
    }
}
