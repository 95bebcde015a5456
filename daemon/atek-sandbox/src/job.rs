//! Confines a package job, then becomes its program.
//!
//! The job's unit has applied user, mounts and limits. A build downloads and runs foreign code in a
//! network of its own and is reached by no other process: it may not listen. A fetch runs no code
//! of the package, is in the machine's network, and listens on its loopback for the proxy between
//! libgit2 and the servers.

use crate::seccomp::{self, Netlink};
use crate::{args, landlock, surroundings};
use anyhow::Context as _;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// The kind of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads a package and runs none of its code.
    Fetch,
    /// Runs the package's own scripts.
    Build,
}

impl Kind {
    /// The kind that a word of the command line asks for.
    pub(crate) fn of_word(word: &OsStr) -> Option<Self> {
        match word.to_str() {
            Some("fetch") => Some(Self::Fetch),
            Some("build") => Some(Self::Build),
            _ => None,
        }
    }
}

/// Becomes the program; returns why it could not.
pub(crate) fn run(kind: Kind, words: impl Iterator<Item = OsString>) -> anyhow::Error {
    match confine(kind, words) {
        Ok(mut program) => anyhow::Error::new(program.exec()).context(format!(
            "cannot execute {}",
            program.get_program().display()
        )),
        Err(error) => error,
    }
}

fn confine(kind: Kind, words: impl Iterator<Item = OsString>) -> anyhow::Result<Command> {
    let (mounts, program) = args::parse_job(words)?;
    surroundings::require_mounts(&mounts)?;
    let netlink = match kind {
        Kind::Fetch => Netlink::None,
        Kind::Build => {
            surroundings::require_network(true)?;
            landlock::deny_listening().context("cannot restrict the network")?;
            Netlink::Routes
        }
    };
    seccomp::confine(netlink).context("cannot restrict the system calls")?;
    if kind == Kind::Build {
        seccomp::deny_listening().context("cannot restrict the system calls")?;
    }
    let (program, arguments) = program
        .split_first()
        .context("missing the program to run")?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}
