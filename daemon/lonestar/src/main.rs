//! `lonestar`: the web home, as static files on the socket that the host assigned.
//!
//! The browser does the rest, with its user's own session: this program has no rights, keeps nothing
//! and calls nobody. It ends with code 0 on SIGTERM and SIGINT.

#![forbid(unsafe_code)]

mod answer;
mod policy;
mod serve;

use anyhow::Context as _;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> anyhow::Result<()> {
    let socket = std::env::var_os("ATEK_ASSIGNED_SOCKET_FILE")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .context("ATEK_ASSIGNED_SOCKET_FILE is not set: the host sets it")?;
    // One thread: everything that is served lies in memory.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let listener = serve::bind(&socket)
            .with_context(|| format!("cannot listen on {}", socket.display()))?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        serve::serve(listener, async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await
        .context("cannot accept connections")
    })
}
