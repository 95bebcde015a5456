//! Commands that need no host.

use crate::cli::{Cli, Global, Run};
use crate::error::Failure;
use crate::out::Out;
use clap::CommandFactory as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

/// The host's program, seen from the folder of this one's (`/usr/bin`).
const DAEMON: &str = "../lib/atek/atekd";

/// `atek` alone once started the host; now systemd does.
pub(super) fn no_command() -> Result<(), Failure> {
    Err(Failure::Usage(
        "give a command, see: atek help\n\
         (the host is a systemd service: systemctl status atekd; to run one in this terminal: atek run)"
            .to_owned(),
    ))
}

/// Prints a shell's completions.
pub(super) fn completions(shell: clap_complete::Shell, out: &Out) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "atek", &mut script);
    out.print(&String::from_utf8_lossy(&script))
}

/// Becomes the host's program.
pub(super) fn run_host(global: &Global, flags: &Run) -> Result<(), Failure> {
    let program = daemon();
    let mut command = std::process::Command::new(&program);
    command.arg("run");
    if let Some(port) = flags.port {
        command.arg("--port").arg(port.to_string());
    }
    if let Some(domain) = &flags.domain {
        command.arg("--domain").arg(domain);
    }
    if let Some(folder) = &global.config_dir {
        command.arg("--configDir").arg(folder);
    }
    // Only returns on failure.
    Err(Failure::Exec {
        source: command.exec(),
        path: program,
    })
}

/// The daemon of the installation that this program belongs to.
fn daemon() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/usr/bin/atek"));
    let folder = own.parent().unwrap_or(&own);
    // Both stand side by side where they were built.
    let built = folder.join("atekd");
    let installed = folder.join(DAEMON);
    if !installed.exists() && built.exists() {
        built
    } else {
        installed
    }
}
