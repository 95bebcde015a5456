//! Gives the listeners to atekd, so that it answers on them from now on.

use crate::args::Args;
use crate::listeners::Listeners;
use anyhow::{Context as _, bail};
use atek_api::secret::Secret;
use atek_api::spec::paths::ATTACH_SOCKET;
use atek_api::spec::{ATTACH_TIMEOUT, AttachRequest};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use std::io::{self, IoSlice, Read as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Sends the listeners, and for a program with a port atekd's end of the channel to
/// [`crate::socket_source`], and waits until atekd has them. Ours are closed then.
pub(crate) fn hand_over(
    listeners: Listeners,
    channel: Option<UnixStream>,
    args: &Args,
    token: &Secret,
) -> anyhow::Result<()> {
    let request = AttachRequest {
        key: args.key.clone(),
        token: token.clone(),
        port: listeners.port,
        connector: channel.is_some(),
    };
    let message = request.encode()?;
    let mut descriptors = vec![listeners.v4.as_raw_fd()];
    descriptors.extend(listeners.v6.as_ref().map(|v6| v6.as_raw_fd()));
    descriptors.extend(channel.as_ref().map(|channel| channel.as_raw_fd()));
    let deadline = Instant::now() + ATTACH_TIMEOUT;
    until_answered(Path::new(ATTACH_SOCKET), &message, &descriptors, deadline)
}

/// Tries again while atekd is away: it may be restarting, and that must not end a service.
fn until_answered(
    socket: &Path,
    message: &[u8],
    descriptors: &[RawFd],
    deadline: Instant,
) -> anyhow::Result<()> {
    let mut pause = Duration::from_millis(10);
    loop {
        let error = match attempt(socket, message, descriptors, deadline) {
            Ok(AttachRequest::ACCEPTED) => return Ok(()),
            Ok(_) => bail!("atekd refused the listeners: it does not expect this service to start"),
            Err(error) if is_absence(&error) => error,
            Err(error) => return Err(error).context("cannot hand the listeners to atekd"),
        };
        if Instant::now() + pause > deadline {
            return Err(error).context("atekd did not take the listeners in time");
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

/// One connection: send all, receive the one byte.
fn attempt(
    socket: &Path,
    message: &[u8],
    descriptors: &[RawFd],
    deadline: Instant,
) -> io::Result<u8> {
    let mut stream = UnixStream::connect(socket)?;
    let left = deadline
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left))?;
    stream.set_write_timeout(Some(left))?;
    let sent = sendmsg::<UnixAddr>(
        stream.as_raw_fd(),
        &[IoSlice::new(message)],
        &[ControlMessage::ScmRights(descriptors)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    if sent != message.len() {
        // Far smaller than a socket's buffer, so this means that atekd went away.
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    Ok(answer[0])
}

/// Whether atekd was not there, or went away before it answered.
fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotFound
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::cmsg_space;
    use nix::sys::socket::{ControlMessageOwned, recvmsg};
    use std::fs::File;
    use std::io::{IoSliceMut, Write as _};
    use std::os::unix::net::UnixListener;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// Plays atekd for the connections that `answers` has an entry for.
    fn atekd(listener: UnixListener, answers: Vec<Option<u8>>) -> std::thread::JoinHandle<usize> {
        std::thread::spawn(move || {
            let mut received = 0;
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let Some(answer) = answer else { continue };
                let mut text = [0; 64];
                let mut buffers = [IoSliceMut::new(&mut text)];
                let mut control = cmsg_space!([RawFd; 2]);
                let message = recvmsg::<UnixAddr>(
                    stream.as_raw_fd(),
                    &mut buffers,
                    Some(&mut control),
                    MsgFlags::MSG_CMSG_CLOEXEC,
                )
                .unwrap();
                received = message
                    .cmsgs()
                    .unwrap()
                    .map(|control| match control {
                        ControlMessageOwned::ScmRights(descriptors) => descriptors.len(),
                        _ => 0,
                    })
                    .sum();
                stream.write_all(&[answer]).unwrap();
            }
            received
        })
    }

    fn hand_over_to(answers: Vec<Option<u8>>) -> (anyhow::Result<()>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("attach.sock");
        let host = atekd(UnixListener::bind(&socket).unwrap(), answers);
        let files = [
            File::open("/dev/null").unwrap(),
            File::open("/dev/zero").unwrap(),
        ];
        let result = until_answered(
            &socket,
            b"hello",
            &files.each_ref().map(|f| f.as_raw_fd()),
            soon(),
        );
        (result, host.join().unwrap())
    }

    #[test]
    fn both_listeners_arrive_with_the_message() {
        let (result, received) = hand_over_to(vec![Some(AttachRequest::ACCEPTED)]);
        result.unwrap();
        assert_eq!(received, 2);
    }

    #[test]
    fn a_host_that_goes_away_before_it_answers_is_asked_again() {
        let (result, received) = hand_over_to(vec![None, None, Some(AttachRequest::ACCEPTED)]);
        result.unwrap();
        assert_eq!(received, 2);
    }

    #[test]
    fn a_refusal_is_final() {
        let (result, _) = hand_over_to(vec![Some(AttachRequest::REFUSED)]);
        assert!(result.unwrap_err().to_string().contains("refused"));
    }

    #[test]
    fn a_host_that_never_comes_is_an_error_at_the_deadline() {
        let deadline = Instant::now() + Duration::from_millis(50);
        let result = until_answered(Path::new("/nonexistent/attach.sock"), b"x", &[], deadline);
        assert!(result.unwrap_err().to_string().contains("in time"));
    }
}
