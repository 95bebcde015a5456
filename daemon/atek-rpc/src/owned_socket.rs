//! Connections to a socket in a folder that a less trusted process can write.
//!
//! A service owns the folder of its socket, so it decides what the name in there leads to: a link
//! to another socket would be followed with the rights of the process that connects. Therefore the
//! folder and the socket are opened without following links, what was opened is checked (type,
//! owner), the connection goes through the open descriptor, and the process that listens is asked
//! for its user (`SO_PEERCRED`). Folders above the socket's own must be trusted.

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, SFlag, fstat};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

/// The user that must own a socket and must be the one that listens on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The owner of the folder that holds the socket, which the owner cannot change (systemd makes
    /// a service's runtime folder).
    OfFolder,
    /// This user id.
    Uid(u32),
}

/// A socket was not connected to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The system refused a step: there is no such socket, nothing listens, or it may not be used.
    #[error("cannot {step} {}", path.display())]
    Io {
        /// A verb, e.g. `open`.
        step: &'static str,
        /// The socket or its folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// There is something else with the socket's name.
    #[error("{} is {found}, not a socket", path.display())]
    NotASocket {
        /// Where the socket should be.
        path: PathBuf,
        /// The type of the file, e.g. `a link`.
        found: &'static str,
    },
    /// Another user made the socket.
    #[error("{} belongs to user {found}, not to user {expected}", path.display())]
    WrongOwner {
        /// The socket.
        path: PathBuf,
        /// The file's owner.
        found: u32,
        /// The owner it must have.
        expected: u32,
    },
    /// The process that listens runs as another user.
    #[error("user {found} listens on {}, not user {expected}", path.display())]
    WrongPeer {
        /// The socket.
        path: PathBuf,
        /// The user of the process that called `listen`.
        found: u32,
        /// The user it must run as.
        expected: u32,
    },
}

/// Connects to the socket at `path`, if it belongs to `owner` and a process of `owner` listens.
///
/// # Errors
///
/// [`ConnectError::Io`] if nothing can be connected to; the others if what is there is not the
/// socket of `owner`. Nothing was sent in either case.
pub async fn connect_checked(path: &Path, owner: Owner) -> Result<UnixStream, ConnectError> {
    OwnedSocket::open(path, owner)?.connect().await
}

/// A socket that was opened and checked, and not yet connected to.
#[derive(Debug)]
pub struct OwnedSocket {
    path: PathBuf,
    descriptor: OwnedFd,
    owner: u32,
}

impl OwnedSocket {
    /// Opens the socket at `path` and checks its type and owner. Blocks for no longer than a
    /// look-up.
    ///
    /// # Errors
    ///
    /// All of [`ConnectError`] but [`ConnectError::WrongPeer`].
    pub fn open(path: &Path, owner: Owner) -> Result<Self, ConnectError> {
        let (Some(folder_path), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(failed("open", path)(nix::Error::EINVAL));
        };
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let folder = open(folder_path, flags | OFlag::O_DIRECTORY, Mode::empty())
            .map_err(failed("open", folder_path))?;
        let descriptor =
            openat(&folder, name, flags, Mode::empty()).map_err(failed("open", path))?;
        let stat = fstat(&descriptor).map_err(failed("look at", path))?;
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        if kind != SFlag::S_IFSOCK {
            return Err(ConnectError::NotASocket {
                path: path.to_owned(),
                found: name_of(kind),
            });
        }
        let expected = match owner {
            Owner::OfFolder => {
                fstat(&folder)
                    .map_err(failed("look at", folder_path))?
                    .st_uid
            }
            Owner::Uid(uid) => uid,
        };
        if stat.st_uid != expected {
            return Err(ConnectError::WrongOwner {
                path: path.to_owned(),
                found: stat.st_uid,
                expected,
            });
        }
        Ok(Self {
            path: path.to_owned(),
            descriptor,
            owner: expected,
        })
    }

    /// The user id that owns the socket.
    #[must_use]
    pub fn owner(&self) -> u32 {
        self.owner
    }

    /// Connects to what was opened, whatever has the name now, and checks the user that listens.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Io`] and [`ConnectError::WrongPeer`].
    pub async fn connect(&self) -> Result<UnixStream, ConnectError> {
        // The kernel resolves this to the very file that the descriptor stands for.
        let through = format!("/proc/self/fd/{}", self.descriptor.as_raw_fd());
        let io = |step| {
            move |source| ConnectError::Io {
                step,
                path: self.path.clone(),
                source,
            }
        };
        let stream = UnixStream::connect(through)
            .await
            .map_err(io("connect to"))?;
        let found = stream.peer_cred().map_err(io("identify"))?.uid();
        if found != self.owner {
            return Err(ConnectError::WrongPeer {
                path: self.path.clone(),
                found,
                expected: self.owner,
            });
        }
        Ok(stream)
    }
}

fn failed(step: &'static str, path: &Path) -> impl FnOnce(nix::Error) -> ConnectError {
    let path = path.to_owned();
    move |errno| ConnectError::Io {
        step,
        path,
        source: errno.into(),
    }
}

fn name_of(kind: SFlag) -> &'static str {
    match kind {
        SFlag::S_IFLNK => "a link",
        SFlag::S_IFREG => "a file",
        SFlag::S_IFDIR => "a folder",
        SFlag::S_IFIFO => "a pipe",
        _ => "a device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, symlink};
    use std::os::unix::net::UnixListener;
    use tokio::io::AsyncReadExt as _;

    /// A folder with the service's socket, and one with a socket that gives more rights.
    struct Layout {
        root: tempfile::TempDir,
        _listeners: [UnixListener; 2],
    }

    impl Layout {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let listen = |folder: &str, name: &str| {
                let folder = root.path().join(folder);
                std::fs::create_dir(&folder).unwrap();
                UnixListener::bind(folder.join(name)).unwrap()
            };
            let _listeners = [listen("app", "app.sock"), listen("host", "control.sock")];
            Self { root, _listeners }
        }

        fn path(&self, path: &str) -> PathBuf {
            self.root.path().join(path)
        }

        /// Puts something else in the place of the service's socket.
        fn replace(&self, make: impl FnOnce(&Path)) -> PathBuf {
            let socket = self.path("app/app.sock");
            std::fs::remove_file(&socket).unwrap();
            make(&socket);
            socket
        }

        fn own_uid(&self) -> u32 {
            self.root.path().metadata().unwrap().uid()
        }
    }

    async fn refusal(path: &Path, owner: Owner) -> String {
        connect_checked(path, owner).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_socket_of_the_expected_owner_is_connected_to() {
        let layout = Layout::new();
        let socket = layout.path("app/app.sock");
        for owner in [Owner::OfFolder, Owner::Uid(layout.own_uid())] {
            connect_checked(&socket, owner).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_link_to_another_socket_is_not_followed() {
        let layout = Layout::new();
        let target = layout.path("host/control.sock");
        let socket = layout.replace(|socket| symlink(&target, socket).unwrap());
        // What a connection by path does.
        UnixStream::connect(&socket).await.unwrap();
        let refusal = refusal(&socket, Owner::OfFolder).await;
        assert!(refusal.ends_with("is a link, not a socket"), "{refusal}");
    }

    #[tokio::test]
    async fn a_folder_that_is_a_link_is_not_followed() {
        let layout = Layout::new();
        symlink(layout.path("app"), layout.path("link")).unwrap();
        let error = connect_checked(&layout.path("link/app.sock"), Owner::OfFolder)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, ConnectError::Io { source, .. } if source.kind() == io::ErrorKind::NotADirectory),
            "{error}"
        );
    }

    #[tokio::test]
    async fn what_is_no_socket_is_refused_by_its_type() {
        for (expected, make) in [
            (
                "a file",
                (|path| std::fs::write(path, "").unwrap()) as fn(&Path),
            ),
            ("a folder", |path| std::fs::create_dir(path).unwrap()),
            ("a pipe", |path| {
                nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap();
            }),
        ] {
            let layout = Layout::new();
            let socket = layout.replace(make);
            let refusal = refusal(&socket, Owner::OfFolder).await;
            assert!(refusal.contains(expected), "{refusal}");
        }
    }

    #[tokio::test]
    async fn a_socket_of_another_owner_is_refused() {
        let layout = Layout::new();
        let other = layout.own_uid() + 1;
        let socket = layout.path("app/app.sock");
        let refusal = refusal(&socket, Owner::Uid(other)).await;
        let expected = format!("belongs to user {}, not to user {other}", other - 1);
        assert!(refusal.ends_with(&expected), "{refusal}");
    }

    /// A hard link shares the owner of the socket that it is another name of.
    #[tokio::test]
    async fn a_hard_link_to_the_socket_of_another_owner_is_refused() {
        let layout = Layout::new();
        let target = layout.path("host/control.sock");
        let socket = layout.replace(|socket| std::fs::hard_link(&target, socket).unwrap());
        assert!(
            matches!(
                connect_checked(&socket, Owner::Uid(layout.own_uid() + 1)).await,
                Err(ConnectError::WrongOwner { .. })
            ),
            "the hard link was connected to"
        );
    }

    #[tokio::test]
    async fn a_folder_that_is_swapped_after_the_check_changes_nothing() {
        let layout = Layout::new();
        let opened = OwnedSocket::open(&layout.path("app/app.sock"), Owner::OfFolder).unwrap();
        std::fs::rename(layout.path("app"), layout.path("away")).unwrap();
        std::fs::rename(layout.path("host"), layout.path("app")).unwrap();
        std::fs::rename(layout.path("app/control.sock"), layout.path("app/app.sock")).unwrap();
        let mut stream = opened.connect().await.unwrap();
        let [app, _] = &layout._listeners;
        app.set_nonblocking(true).unwrap();
        let (mut accepted, _) = app.accept().expect("the other socket was connected to");
        std::io::Write::write_all(&mut accepted, b"app").unwrap();
        let mut text = [0; 3];
        stream.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"app");
    }

    #[tokio::test]
    async fn a_listener_of_another_user_is_refused_after_the_connection() {
        let layout = Layout::new();
        let mut opened = OwnedSocket::open(&layout.path("app/app.sock"), Owner::OfFolder).unwrap();
        opened.owner += 1;
        let error = opened.connect().await.unwrap_err();
        assert!(matches!(error, ConnectError::WrongPeer { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_socket_that_nobody_listens_on_is_absent_and_not_untrusted() {
        let layout = Layout::new();
        let socket = layout.replace(|socket| drop(UnixListener::bind(socket).unwrap()));
        let kind = |error| match error {
            ConnectError::Io { source, .. } => source.kind(),
            other => panic!("{other}"),
        };
        let error = connect_checked(&socket, Owner::OfFolder).await.unwrap_err();
        assert_eq!(kind(error), io::ErrorKind::ConnectionRefused);
        for missing in ["app/none.sock", "none/app.sock"] {
            let error = connect_checked(&layout.path(missing), Owner::OfFolder)
                .await
                .unwrap_err();
            assert_eq!(kind(error), io::ErrorKind::NotFound, "{missing}");
        }
    }
}
