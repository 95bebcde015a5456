//! Fetches, checks out and builds one package, and ends.
//!
//! Reads one line, an [`atek_api::package::Request`], from standard input; writes
//! lines of [`atek_api::package::Event`] to standard output, of which the last is
//! `done` or `failed`; what npm and the package's build print goes to standard
//! error. Works in the current directory, its staging folder, and leaves the package
//! in `package/` there. Exit code 0 after `done`, 1 after `failed`.
//!
//! The work is done in child processes, each with a deadline: `atek-package git`
//! (this program again: the only user of libgit2) and npm. So whatever hostile data
//! does to libgit2, and however long a build hangs, the last line is written.
//!
//! | module | does |
//! |---|---|
//! | [`job`] | the steps in their order |
//! | [`git`] | the `git` child: tags, fetch, checkout |
//! | [`npm`] | install and build |
//! | [`child`] | runs one child with a deadline, in a process group |
//! | [`tree`] | measures and checks a folder |
//! | [`report`] | writes events |
//! | [`text`] | makes foreign text fit to show |
//!
//! Confinement is the unit's (see `atek-spawnd`): this program trusts that whatever
//! runs here can write nothing but the staging folder.

#![forbid(unsafe_code)]

mod child;
mod error;
mod git;
mod job;
mod memory;
mod npm;
mod report;
mod text;
mod tree;

use atek_api::package::{Event, Failure, FailureCode, Outcome, Request};
use report::Reporter;
use std::io::{BufRead as _, Read as _};
use std::process::ExitCode;

/// Bytes of the longest request.
const REQUEST_MAX_BYTES: u64 = 256 * 1024;

fn main() -> ExitCode {
    // Files of the package are readable by the services that will run it.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    match std::env::args().nth(1).as_deref() {
        None => run_job(),
        Some(git::ARGUMENT) => git::main(),
        Some(_) => {
            eprintln!("usage: atek-package < request.json (in an empty folder, see README.md)");
            ExitCode::from(2)
        }
    }
}

fn run_job() -> ExitCode {
    let mut report = Reporter::new(std::io::stdout());
    let result = read_request::<Request>().and_then(|request| {
        job::run(&request, &mut report)
            .map_err(|error| error.failure(&git::shown(request.source())))
    });
    match result {
        Ok(outcome) => finish(report, Event::Done { result: outcome }),
        Err(failure) => finish(report, Event::Failed(failure)),
    }
}

fn finish(report: Reporter<std::io::Stdout>, last: Event) -> ExitCode {
    let done = matches!(
        last,
        Event::Done {
            result: Outcome::Releases(_) | Outcome::Package(_)
        }
    );
    match report.finish(&last) {
        Ok(()) if done => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot write the result: {error}");
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
