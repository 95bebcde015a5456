//! Confines a package job, then becomes its program.
//!
//! The job's unit has applied user, mounts and limits. A build downloads and runs the code of
//! strangers, and needs to be reached by no one: it may not listen.

use crate::{args, landlock, seccomp, surroundings};
use anyhow::Context as _;
use atek_api::spec::AttachNetwork;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// The word that asks for this on the command line.
pub(crate) const WORD: &str = "build";

/// Becomes the program; returns why it could not.
pub(crate) fn run(words: impl Iterator<Item = OsString>) -> anyhow::Error {
    match confine(words) {
        Ok(mut program) => anyhow::Error::new(program.exec()).context(format!(
            "cannot execute {}",
            program.get_program().display()
        )),
        Err(error) => error,
    }
}

fn confine(words: impl Iterator<Item = OsString>) -> anyhow::Result<Command> {
    let (mounts, program) = args::parse_build(words)?;
    surroundings::require_mounts(&mounts)?;
    landlock::deny_listening().context("cannot restrict the network")?;
    seccomp::confine(AttachNetwork::Shared).context("cannot restrict the system calls")?;
    seccomp::deny_listening().context("cannot restrict the system calls")?;
    let (program, arguments) = program
        .split_first()
        .context("missing the program to run")?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}
