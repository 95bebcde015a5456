//! Fetches, checks out and builds one package, and ends.
//!
//! Reads one line, an [`atek_api::package::Request`], from standard input; writes
//! lines of [`atek_api::package::Event`] to where it came from if that is a socket, else to
//! standard output. The last of them is `done` or `failed`. What npm and the package's build
//! print goes to standard error. Works in the current directory, its staging folder, and leaves the
//! package in `package/` there. Exit code 0 after `done`, 1 after `failed`.
//!
//! The work is done in child processes, each with a deadline: `atek-package git`
//! (this program again: the only user of libgit2), `atek-package image` and npm. So whatever
//! hostile data does to libgit2, and however long a build hangs, the last line is written.
//!
//! | module | does |
//! |---|---|
//! | [`job`] | the steps in their order |
//! | [`git`] | the `git` child: tags, fetch, checkout |
//! | [`image`] | the `image` child: tags and layers of container images |
//! | [`recipe`] | a package that a recipe describes |
//! | [`inspect`] | what is unusual about a package |
//! | [`plan`] | which commands install and build a package |
//! | [`own_node`] | the Node of a package that needs a newer one |
//! | [`npm`] | runs them |
//! | [`tool`] | which tool a failed build missed |
//! | [`certificates`] | whom the children trust |
//! | [`child`] | runs one child with a deadline, in a process group |
//! | [`tree`] | measures and checks a folder |
//! | [`report`] | writes events |
//! | [`text`] | makes foreign text fit to show |
//!
//! Confinement is the unit's (see `atek-spawnd`): this program trusts that whatever
//! runs here can write nothing but the staging folder.

#![forbid(unsafe_code)]

mod certificates;
mod child;
mod error;
mod git;
mod image;
mod inspect;
mod job;
mod memory;
mod npm;
mod own_node;
mod plan;
mod recipe;
mod report;
mod text;
mod tool;
mod tree;

use atek_api::package::{Event, Failure, FailureCode, Outcome, Request};
use nix::sys::stat::SFlag;
use report::Reporter;
use std::fs::File;
use std::io::{BufRead as _, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

/// Bytes of the longest request.
const REQUEST_MAX_BYTES: u64 = 256 * 1024;

fn main() -> ExitCode {
    // Files of the package are readable by the services that will run it.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    match std::env::args().nth(1).as_deref() {
        None => run_job(),
        Some(git::ARGUMENT) => git::main(),
        Some(image::ARGUMENT) => image::main(),
        Some(_) => {
            complain("usage: atek-package < request.json (in an empty folder, see README.md)");
            ExitCode::from(2)
        }
    }
}

fn run_job() -> ExitCode {
    let channel = match channel() {
        Ok(channel) => channel,
        Err(error) => {
            complain(&format!("cannot use the channel: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let mut report = Reporter::new(channel);
    let result = read_request::<Request>().and_then(|request| {
        job::run(&request, &mut report)
            .map_err(|error| error.failure(&git::shown(request.source())))
    });
    match result {
        Ok(outcome) => finish(report, Event::Done { result: outcome }),
        Err(failure) => finish(report, Event::Failed(failure)),
    }
}

/// A descriptor of its own for the events. Where standard input is a socket, the events go
/// there, and what is printed by mistake cannot get among them: standard output becomes
/// standard error.
fn channel() -> std::io::Result<File> {
    let stdin = std::io::stdin();
    let is_socket = nix::sys::stat::fstat(&stdin)
        .is_ok_and(|about| SFlag::from_bits_truncate(about.st_mode).contains(SFlag::S_IFSOCK));
    let channel = if is_socket {
        let channel = stdin.as_fd().try_clone_to_owned()?;
        nix::unistd::dup2_stdout(std::io::stderr())?;
        channel
    } else {
        std::io::stdout().as_fd().try_clone_to_owned()?
    };
    Ok(File::from(channel))
}

/// A line for the journal. One that is gone ends nothing.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn finish(report: Reporter<File>, last: Event) -> ExitCode {
    let done = matches!(
        last,
        Event::Done {
            result: Outcome::Releases(_) | Outcome::Package(_) | Outcome::Compiled(_)
        }
    );
    match report.finish(&last) {
        Ok(()) if done => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            complain(&format!("cannot write the result: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The first line of standard input, which may stay open behind it.
fn read_request<T: serde::de::DeserializeOwned>() -> Result<T, Failure> {
    let bad = |message: String| Failure {
        code: FailureCode::BadRequest,
        message,
    };
    let mut line = Vec::new();
    std::io::stdin()
        .lock()
        .take(REQUEST_MAX_BYTES)
        .read_until(b'\n', &mut line)
        .map_err(|error| bad(format!("cannot read the request: {error}")))?;
    serde_json::from_slice(&line).map_err(|error| bad(format!("the request is wrong: {error}")))
}
