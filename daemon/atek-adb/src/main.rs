//! `atek-adb`: serves `atek.cloud/adb-api` on the socket that the host assigned.
//!
//! State is in `--data DIR`, or `$STATE_DIRECTORY`. Ends with code 0 on SIGTERM and
//! SIGINT, with 1 when the disk fails; the host then starts it again.

#![forbid(unsafe_code)]

use anyhow::{Context as _, bail};
use atek_adb::limits::Limits;
use atek_adb::service::Adb;
use atek_adb::storage::Store;
use atek_rpc::server::LingeringListener;
use std::future::IntoFuture as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Pages that redb keeps in memory, in bytes. The kernel's page cache does the rest.
const CACHE_BYTES: usize = 4 << 20;

/// How long a stop waits for calls in progress, and then for the file to be closed.
const PATIENCE: Duration = Duration::from_secs(2);

struct Settings {
    data: PathBuf,
    socket: PathBuf,
    service_key: String,
}

fn settings() -> anyhow::Result<Settings> {
    let mut args = std::env::args_os().skip(1);
    let mut data = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--data") => data = Some(args.next().context("--data needs a folder")?.into()),
            Some("--version") => {
                println!("atek-adb {}", env!("CARGO_PKG_VERSION"));
                std::process::exit(0);
            }
            _ => bail!("unknown argument {arg:?}; usage: atek-adb [--data DIR]"),
        }
    }
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .with_context(|| format!("{name} is not set: the host sets it"))
    };
    Ok(Settings {
        data: data.context("no folder for the state: pass --data DIR or set STATE_DIRECTORY")?,
        socket: variable("ATEK_ASSIGNED_SOCKET_FILE")?.into(),
        service_key: variable("ATEK_ASSIGNED_SERVICE_KEY")?
            .into_string()
            .map_err(|_| anyhow::anyhow!("ATEK_ASSIGNED_SERVICE_KEY is not a text"))?,
    })
}

/// Settings of glibc's allocator that give memory back after a burst of large requests. By default
/// it keeps what it once took, in one heap for each thread.
const ALLOCATOR: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "131072"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];

/// Executes this program again with [`ALLOCATOR`] in its environment, where glibc looks for it, and
/// nowhere else.
fn configure_allocator() {
    use std::os::unix::process::CommandExt as _;
    if std::env::var_os(ALLOCATOR[0].0).is_some() {
        return;
    }
    let again = std::env::current_exe().map(|program| {
        std::process::Command::new(program)
            .args(std::env::args_os().skip(1))
            .envs(ALLOCATOR)
            .exec()
    });
    let (Ok(error) | Err(error)) = again;
    // It runs without them, and is larger after a burst.
    eprintln!("atek-adb: cannot set up the allocator: {error}");
}

fn main() -> anyhow::Result<()> {
    configure_allocator();
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .init();
    let settings = settings()?;
    let limits = Limits::default();
    let (store, closing) = Store::open(&settings.data, CACHE_BYTES, &limits)
        .with_context(|| format!("cannot open the state in {}", settings.data.display()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(run(settings, store, limits));
    // Acknowledged writes are on disk. Closing the file spares the next start a repair.
    runtime.shutdown_timeout(PATIENCE);
    if !closing.wait(PATIENCE) {
        tracing::warn!("the file was not closed in time");
    }
    result
}

async fn run(settings: Settings, store: Store, limits: Limits) -> anyhow::Result<()> {
    let adb = store
        .read(|snapshot| Adb::new(store.clone(), settings.service_key, limits, snapshot))
        .await
        .context("cannot read the state")?
        .in_folder(&settings.data)
        .context("cannot use the folder of the state")?;
    adb.resume().await.context("cannot read the state")?;

    let listener = atek_rpc::server::bind_unix(&settings.socket)
        .with_context(|| format!("cannot listen on {}", settings.socket.display()))?;
    tracing::info!(socket = %settings.socket.display(), "listening");
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let serve = axum::serve(LingeringListener(listener), atek_adb::http::router(adb))
        .with_graceful_shutdown(async move { stopped.cancelled().await });
    let mut serve = std::pin::pin!(serve.into_future());
    tokio::select! {
        served = &mut serve => return served.context("cannot serve"),
        () = store.failed() => bail!("the disk failed, see above"),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    stop.cancel();
    // Calls that wait for changes do not hold up the end.
    let _ = tokio::time::timeout(PATIENCE, serve).await;
    Ok(())
}
