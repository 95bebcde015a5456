//! `atek`, the command line: talks to atekd and prints what it says.
//!
//! | module | what |
//! |---|---|
//! | `cli` | what people type, as types |
//! | `commands` | what each command does |
//! | `host` | one conversation with the host |
//! | `connect` | where the host is |
//! | `text` | sizes, times, tables, suggestions: no I/O |
//! | `out`, `ask` | standard output and error, questions |
//! | `error` | failures, their exit codes and what to do next |
//!
//! Decides nothing: every rule is the host's.

#![forbid(unsafe_code)]

mod ask;
mod cli;
mod commands;
mod connect;
mod error;
mod host;
mod localtime;
mod out;
mod text;

use clap::{ColorChoice, CommandFactory as _, FromArgMatches as _};
use out::Out;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = cli::rewrite::rewrite(std::env::args_os());
    // Errors of the parser come before its result can say so.
    let no_color = args.iter().any(|arg| arg == "--no-color");
    let colour = if no_color {
        ColorChoice::Never
    } else {
        ColorChoice::Auto
    };
    let parsed = cli::Cli::command()
        .color(colour)
        .try_get_matches_from(args)
        .and_then(|matches| cli::Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        // Prints help and version on standard output with code 0, the rest with code 2.
        Err(error) => error.exit(),
    };
    let out = Out::new(cli.global.json, cli.global.quiet, cli.global.no_color);
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(source) => return finish(&out, Err(error::Failure::Output(source))),
    };
    let result = runtime.block_on(commands::run(cli, out.clone()));
    // A question left waiting on standard input must not hold the process.
    runtime.shutdown_background();
    finish(&out, result)
}

fn finish(out: &Out, result: Result<(), error::Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out.failure(&failure);
            match failure {
                // The reader has seen enough: that is not a failure.
                error::Failure::Output(_) if failure.is_silent() => ExitCode::SUCCESS,
                failure => ExitCode::from(failure.exit_code()),
            }
        }
    }
}
