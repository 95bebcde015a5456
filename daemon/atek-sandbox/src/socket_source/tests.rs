//! The tests play atekd and the program.

use super::*;
use crate::companion;
use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, recvmsg};
use std::io::{IoSliceMut, Write as _};
use std::os::fd::RawFd;
use std::process::{Command, ExitCode};

/// Asks once; the port, and how many descriptors came with it.
fn ask(channel: &mut UnixStream, family: u8) -> (u16, usize) {
    channel.write_all(&[family]).unwrap();
    let mut port = [0; 2];
    let mut into = [IoSliceMut::new(&mut port)];
    let mut control = cmsg_space!([RawFd; 2]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message =
        recvmsg::<UnixAddr>(channel.as_raw_fd(), &mut into, Some(&mut control), flags).unwrap();
    assert_eq!(message.bytes, 2);
    let descriptors = message.cmsgs().unwrap().map(|control| match control {
        ControlMessageOwned::ScmRights(descriptors) => descriptors.len(),
        _ => 0,
    });
    let descriptors = descriptors.sum();
    (u16::from_be_bytes(port), descriptors)
}

#[test]
fn atekd_gets_a_socket_and_the_port_while_the_program_runs() {
    let (source, mut atekd) = SocketSource::new(8080).unwrap();
    let mut command = Command::new("/bin/sh");
    let (stdin, writer) = std::io::pipe().unwrap();
    command.args(["-c", "read line"]).stdin(stdin);
    let running = std::thread::spawn(move || {
        companion::run(command, Some(source), [None, None], false).unwrap()
    });
    assert_eq!(ask(&mut atekd, b'4'), (8080, 1));
    assert_eq!(ask(&mut atekd, b'x'), (8080, 0));
    assert_eq!(ask(&mut atekd, b'4'), (8080, 1));
    drop(writer);
    let code = running.join().unwrap();
    // `read` meets the end of its input.
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(1)));
}

#[test]
fn the_program_goes_on_when_atekd_hangs_up() {
    let (source, atekd) = SocketSource::new(8080).unwrap();
    drop(atekd);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "sleep 0.2; exit 3"]);
    let code = companion::run(command, Some(source), [None, None], true).unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(3)));
}

#[test]
fn it_ends_as_the_program_ends() {
    for (script, expected) in [
        ("exit 0", ExitCode::SUCCESS),
        ("exit 3", ExitCode::from(3)),
        ("kill -TERM $$", ExitCode::from(143)),
    ] {
        let (source, _atekd) = SocketSource::new(9).unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        // SIGTERM is caught by then, so that the signal does not end the test.
        let code = companion::run(command, Some(source), [None, None], false).unwrap();
        assert_eq!(format!("{code:?}"), format!("{expected:?}"), "{script}");
    }
    let (source, _atekd) = SocketSource::new(9).unwrap();
    companion::run(
        Command::new("/nonexistent"),
        Some(source),
        [None, None],
        false,
    )
    .unwrap_err();
}
