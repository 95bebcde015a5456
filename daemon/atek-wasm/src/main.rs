//! Compiles and runs apps that are WebAssembly components of `wasi:http/proxy`.
//!
//! - `atek-wasm compile [--unless=FOLDER] COMPONENT FOLDER` makes native code of a component
//!   ([`compile`]). It is the last step of a package job, after which nothing of the package runs,
//!   and the only one of a job for a component whose code another Atek made.
//! - `atek-wasm serve [--compiled=FOLDER] [--memory=BYTES] -- COMPONENT [ARG]...` is the program of
//!   the app's unit, behind `atek-sandbox`, as Node is of a Node app ([`serve`]).
//!
//! Two walls stand around a component: that of WebAssembly, in which each request has an instance
//! of its own ([`guest`]) with bounds of memory ([`memory`]) and processor time ([`clock`]), the
//! app's folders, and one way to send requests ([`outgoing`]); and that of the unit, which this
//! program is in like any app, and which would hold if the first one failed.

mod clock;
mod compile;
mod confine;
mod engine;
mod guest;
mod listener;
mod memory;
mod outgoing;
mod serve;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes native code of a component.
    Compile {
        /// Where code of it may already be: nothing is made where that can be used here.
        #[arg(long)]
        unless: Option<PathBuf>,
        /// The component.
        component: PathBuf,
        /// Where the code is put, under a name by which it is found again.
        folder: PathBuf,
    },
    /// Answers requests with a component.
    Serve(serve::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        Command::Compile {
            unless,
            component,
            folder,
        } => compile::run(component, folder, unless.as_deref()),
        Command::Serve(options) => serve::run(options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The journal reads the `<3>` as "this is an error".
            let level = match arguments.command {
                Command::Compile { .. } => "",
                Command::Serve(_) => "<3>",
            };
            eprintln!("{level}{error:#}");
            ExitCode::FAILURE
        }
    }
}
