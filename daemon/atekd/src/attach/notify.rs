//! What this daemon tells systemd about itself (`sd_notify`): ready, alive, and the
//! descriptors to keep.

use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, socket,
};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

/// How long systemd may take to have read everything.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends notifications to systemd; does nothing where this process has no notify socket.
#[derive(Debug)]
pub struct Notify {
    peer: Option<(OwnedFd, UnixAddr)>,
}

impl Notify {
    /// The socket that this process was given in `NOTIFY_SOCKET`.
    #[must_use]
    pub fn from_env() -> Self {
        let peer = std::env::var("NOTIFY_SOCKET")
            .ok()
            .and_then(|path| match open(&path) {
                Ok(peer) => Some(peer),
                Err(error) => {
                    tracing::error!(%error, "cannot tell systemd anything");
                    None
                }
            });
        Self { peer }
    }

    #[cfg(test)]
    pub(super) fn to(path: &str) -> Self {
        Self {
            peer: Some(open(path).unwrap()),
        }
    }

    /// Sends a state, e.g. `READY=1` or `WATCHDOG=1`.
    pub fn tell(&self, state: &str) {
        self.send(state, &[]);
    }

    /// Asks systemd to keep descriptors under a name until we ask for them back by starting.
    pub fn store(&self, name: &str, descriptor: BorrowedFd<'_>) {
        // Without polling: a listener whose namespace ended must not vanish by itself.
        self.send(
            &format!("FDSTORE=1\nFDNAME={name}\nFDPOLL=0"),
            &[descriptor.as_raw_fd()],
        );
    }

    /// Asks systemd to close what it keeps under a name.
    pub fn forget(&self, name: &str) {
        self.send(&format!("FDSTOREREMOVE=1\nFDNAME={name}"), &[]);
    }

    /// Waits until systemd has read everything that was sent before.
    ///
    /// # Errors
    ///
    /// The wait failed or took too long: it is not known whether it has.
    pub async fn barrier(&self) -> io::Result<()> {
        if self.peer.is_none() {
            return Ok(());
        }
        let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        self.send("BARRIER=1", &[write.as_fd().as_raw_fd()]);
        drop(write);
        // systemd closes its end when it comes to the message: then the pipe ends.
        let mut read = tokio::net::unix::pipe::Receiver::from_owned_fd(read)?;
        let mut rest = Vec::new();
        let wait = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut rest);
        tokio::time::timeout(PATIENCE, wait)
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(())
    }

    fn send(&self, state: &str, descriptors: &[RawFd]) {
        let Some((socket, address)) = &self.peer else {
            return;
        };
        let rights = [ControlMessage::ScmRights(descriptors)];
        let rights = if descriptors.is_empty() {
            &[][..]
        } else {
            &rights
        };
        let text = [IoSlice::new(state.as_bytes())];
        let flags = MsgFlags::MSG_NOSIGNAL;
        if let Err(error) = sendmsg(socket.as_raw_fd(), &text, rights, flags, Some(address)) {
            tracing::warn!(%error, "cannot tell systemd something");
        }
    }
}

fn open(path: &str) -> io::Result<(OwnedFd, UnixAddr)> {
    let address = match path.strip_prefix('@') {
        Some(name) => UnixAddr::new_abstract(name.as_bytes())?,
        None => UnixAddr::new(path)?,
    };
    let socket = socket(
        AddressFamily::Unix,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn a_state_reaches_the_socket_of_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let notify = Notify::to(path.to_str().unwrap());
        notify.tell("READY=1");
        let mut text = [0; 64];
        let length = systemd.recv(&mut text).unwrap();
        assert_eq!(&text[..length], b"READY=1");
    }

    #[tokio::test]
    async fn a_barrier_ends_when_systemd_has_closed_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let notify = Notify::to(path.to_str().unwrap());
        let reader = std::thread::spawn(move || {
            // Received without room for descriptors: the kernel closes them.
            let mut text = [0; 64];
            let length = systemd.recv(&mut text).unwrap();
            text[..length].to_vec()
        });
        notify.barrier().await.unwrap();
        assert_eq!(reader.join().unwrap(), b"BARRIER=1");
    }
}
