//! `atek-keys`: serves `atek.cloud/keys-api` on the socket that the host assigned.
//!
//! State is in `$STATE_DIRECTORY`. Ends with code 0 on SIGTERM and SIGINT.

#![forbid(unsafe_code)]

use anyhow::Context as _;
use atek_keys::service::Keys;
use atek_rpc::server::LingeringListener;
use atek_seed::sealing::Cost;
use axum::Router;
use axum::extract::Request;
use axum::routing::post;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// Bytes of the longest request: a payload in hexadecimal, and room around it.
const MAX_REQUEST: usize = 256 * 1024;

fn variable(name: &str) -> anyhow::Result<String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.with_context(|| format!("{name} is not set: the host sets it"))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("--version") {
        println!("atek-keys {}", env!("CARGO_PKG_VERSION"));
        return Ok(());
    }
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .init();
    let state = PathBuf::from(variable("STATE_DIRECTORY")?);
    let socket = PathBuf::from(variable("ATEK_ASSIGNED_SOCKET_FILE")?);
    let own_key = variable("ATEK_ASSIGNED_SERVICE_KEY")?;
    let keys = Keys::open(&state, own_key, Cost::DEFAULT).context("cannot open the keys")?;
    let keys = Arc::new(keys);
    let listener = atek_rpc::server::bind_unix(&socket)
        .with_context(|| format!("cannot listen on {}", socket.display()))?;
    let router = Router::new().route(
        "/_api/keys",
        post(move |request: Request| {
            let keys = keys.clone();
            async move { atek_rpc::server::answer(&*keys, request, MAX_REQUEST).await }
        }),
    );
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    // Calls that wait for a person do not hold up the end; what was answered is on the disk.
    tokio::select! {
        served = axum::serve(LingeringListener(listener), router) => served.context("cannot serve"),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
