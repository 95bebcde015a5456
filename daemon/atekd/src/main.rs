//! The Atek host daemon. See `ARCHITECTURE.md`.
#![forbid(unsafe_code)]

mod app_addresses;
mod attach;
mod audit;
mod authorities;
mod backups;
mod catalogues;
mod config;
mod confinement;
mod database;
mod error_chain;
mod factory_reset;
mod gateway_adapters;
mod grant_requests;
mod guests;
mod host;
mod host_api;
mod instance_lock;
mod jobs;
mod journal;
mod key_service;
mod layout;
mod mail;
mod mdns;
mod metrics;
mod moving;
mod notices;
mod outgoing;

mod packages;
mod service_listeners;
mod services;
mod sessions;
mod setup;
mod spawn;
mod standalone;
mod system;
mod systemd;
mod throttle;

use anyhow::Context as _;
// Its modules are used by their old names all over this crate.
use atek_host_model::{directory, permissions, random};
use clap::{Args, Parser, Subcommand};
use config::Overrides;
use layout::{DEFAULT_STATE, Layout};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The Atek host daemon
#[derive(Debug, Parser)]
#[command(name = "atekd", version)]
struct Cli {
    #[command(flatten)]
    options: RunOptions,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the host (also without this word)
    Run(RunOptions),
}

#[derive(Debug, Args)]
struct RunOptions {
    /// The folder of the host's state
    #[arg(long = "configDir", alias = "config-dir", value_name = "DIR")]
    config_dir: Option<PathBuf>,
    /// The port to serve and to announce, when systemd passes no socket
    #[arg(long)]
    port: Option<u16>,
    /// The main domain
    #[arg(long)]
    domain: Option<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr();
    let options = match cli.command {
        Some(Command::Run(options)) => options,
        None => cli.options,
    };
    match start(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(options: RunOptions) -> anyhow::Result<()> {
    let state = options
        .config_dir
        .unwrap_or_else(|| PathBuf::from(DEFAULT_STATE));
    // So that it is the same folder however it is named.
    let state = std::path::absolute(&state).context("cannot find the folder of the state")?;
    standalone::become_host_user(&state)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let asked = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            asked.cancel();
        });
        let overrides = Overrides {
            port: options.port,
            domain: options.domain,
        };
        host::run(
            host::Options {
                layout: Layout::new(state),
                overrides,
            },
            stop,
        )
        .await
    })
}

/// To standard error, a line an event. Under systemd each line begins with its level
/// (sd-daemon(3)), so that `journalctl -p` works.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("ATEK_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let prefixed = std::env::var_os("JOURNAL_STREAM").is_some();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Stderr { prefixed })
        .with_level(!prefixed)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .init();
}

struct Stderr {
    prefixed: bool,
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = std::io::Stderr;

    fn make_writer(&'a self) -> Self::Writer {
        std::io::stderr()
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Self::Writer {
        let mut stderr = std::io::stderr();
        if self.prefixed {
            let level = match *event.level() {
                Level::ERROR => "<3>",
                Level::WARN => "<4>",
                Level::INFO => "<6>",
                Level::DEBUG | Level::TRACE => "<7>",
            };
            // What cannot be logged cannot be complained about either.
            let _ = stderr.write_all(level.as_bytes());
        }
        stderr
    }
}
