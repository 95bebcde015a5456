//! Confines itself, then becomes the service.
//!
//! Usage: `atek-sandbox KEY private|shared -- PROGRAM [ARG]...`
//!
//! Runs inside the service's unit, as its user; systemd has already applied user,
//! mounts, namespaces, limits and a system call filter (see atek-spawnd's
//! `properties`). What only a process inside can do is done here, in this order:
//!
//! 1. read the token and the configuration that systemd put in `$CREDENTIALS_DIRECTORY`;
//! 2. listen on the loopback of its network namespace, and hand the listeners to atekd;
//! 3. Landlock: files and TCP ports by name ([`landlock`]);
//! 4. seccomp: only ordinary sockets, no io_uring ([`seccomp`]);
//! 5. `exec` with exactly the environment of [`environment`].
//!
//! Any doubt is an error: a service that cannot be confined is not started.

mod args;
#[cfg(test)]
mod attempts;
mod credentials;
mod environment;
mod handoff;
mod landlock;
mod listeners;
mod rules;
mod seccomp;

use anyhow::Context as _;
use std::convert::Infallible;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    match run() {
        Ok(never) => match never {},
        Err(error) => {
            // The journal reads the `<3>` as "this is an error".
            eprintln!("<3>cannot start the service: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<Infallible> {
    let args = args::parse(std::env::args_os().skip(1))?;
    close_inherited_descriptors()?;
    let credentials = credentials::read()?;

    let listeners = listeners::open()?;
    let port = listeners.port;
    handoff::hand_over(listeners, &args, &credentials.token)?;

    let environment = environment::build(&args.key, port, &credentials.token, credentials.config);
    let connect = match args.network {
        atek_api::spec::AttachNetwork::Private => rules::Connect::Only(port),
        atek_api::spec::AttachNetwork::Shared => rules::Connect::Anywhere,
    };
    let policy = rules::policy(&args.key, connect, &rules::own_cgroup()?);
    landlock::confine(&policy).context("cannot restrict the files")?;
    seccomp::confine(args.network).context("cannot restrict the system calls")?;

    // Only returns on failure.
    Err(Command::new(&args.program)
        .args(&args.arguments)
        .env_clear()
        .envs(environment)
        .exec())
    .with_context(|| format!("cannot execute {}", args.program.display()))
}

/// Marks everything but standard input, output and error to be closed by `exec`.
fn close_inherited_descriptors() -> anyhow::Result<()> {
    // SAFETY: the call takes three numbers and touches no memory of ours. Marking a
    // descriptor does not close it, so no owner of one is surprised.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error()).context("cannot mark inherited descriptors")
    }
}
