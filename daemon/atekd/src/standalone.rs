//! A host that a person starts, not systemd: `atekd run --configDir DIR --port N`.
//!
//! It does for itself what the units do for `atekd.service`: it becomes the user `atek`,
//! and listens where starting services attach. The machine must have Atek's units all the
//! same, since atek-spawnd starts the services.

use atek_api::spec::paths::{ATTACH_SOCKET, HOST_USER};
use nix::unistd::{Uid, User};
use std::ffi::CString;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Why a host cannot be run by hand.
#[derive(Debug, thiserror::Error)]
pub enum StandaloneError {
    /// Atek is not installed.
    #[error("there is no user {HOST_USER}: run systemd-sysusers with Atek's sysusers.d")]
    NoUser,
    /// The account cannot be looked up, or taken on.
    #[error("cannot become the user {HOST_USER}")]
    Become(#[source] nix::Error),
    /// The folder of the state.
    #[error("cannot {step} {}", path.display())]
    Folder {
        /// What was to be done.
        step: &'static str,
        /// To what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Gives `state` and its `config.json` to the user `atek` and becomes that user. Does
/// nothing unless run by root. Call it before there are threads.
///
/// # Errors
///
/// [`StandaloneError`]; the process may then have lost some of its groups.
pub fn become_host_user(state: &Path) -> Result<(), StandaloneError> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let user = User::from_name(HOST_USER).map_err(StandaloneError::Become)?;
    let user = user.ok_or(StandaloneError::NoUser)?;
    let failed = |step, path: &Path| {
        let path = path.to_owned();
        move |source| StandaloneError::Folder { step, path, source }
    };
    match DirBuilder::new().mode(0o750).create(state) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed("create", state)(error));
        }
        _ => {}
    }
    for path in [state.to_owned(), state.join("config.json")] {
        let owner = (Some(user.uid.as_raw()), Some(user.gid.as_raw()));
        match std::os::unix::fs::lchown(&path, owner.0, owner.1) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("give to the user atek", &path)(error));
            }
            _ => {}
        }
    }
    let name = CString::new(HOST_USER).unwrap_or_default();
    nix::unistd::initgroups(&name, user.gid).map_err(StandaloneError::Become)?;
    nix::unistd::setgid(user.gid).map_err(StandaloneError::Become)?;
    nix::unistd::setuid(user.uid).map_err(StandaloneError::Become)
}

/// The attach socket, when systemd has passed none.
///
/// # Errors
///
/// When another process listens there, or the folder is not ours.
pub fn attach_socket() -> io::Result<UnixListener> {
    listen(Path::new(ATTACH_SOCKET))
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    if UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!(
                "{} is taken: systemctl stop atekd-attach.socket",
                path.display()
            ),
        ));
    }
    // No process listens: a leftover.
    if fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    // Every starting service may connect; the token says who it is.
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attach_socket_of_a_dead_host_is_replaced_and_of_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attach.sock");
        let first = listen(&path).unwrap();
        let taken = listen(&path).unwrap_err();
        assert!(taken.to_string().contains("systemctl stop"), "{taken}");
        drop(first);
        let _second = listen(&path).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attach.sock");
        fs::write(&path, "precious").unwrap();
        listen(&path).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}
