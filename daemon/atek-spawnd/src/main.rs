//! The privileged launcher of Atek.
//!
//! atekd decides, and has no privilege; this program has some, and decides nothing. It
//! turns a validated [`atek_api::spec::ServiceSpec`] into a transient unit of
//! systemd, and does the few things with files that need root: taking over a built
//! package, wiping a service's state. It listens on no network, parses nothing but
//! its own requests, follows no link of another user, and exits when idle.
//!
//! atekd has the network, so it is believed only where the request itself is the decision. What it
//! names by a path is opened part by part, and atek-sandbox compares what systemd mounted with
//! what was opened ([`sources`]).
//!
//! | module | is |
//! |---|---|
//! | [`service`] | the D-Bus interface, one method for each request |
//! | [`properties`] | a spec as a property list; pure |
//! | [`manager`] | systemd: start, stop, wait for the job |
//! | [`sources`] | the folders that a service or job is to see, opened and checked |
//! | [`origin`] | which program a service's state belongs to |
//! | [`packages`], [`state`], [`credentials`] | what is done with files |
//! | [`files`] | how: from opened folders, never through a link |
//! | [`mod@erase`] | the factory reset, run at the boot as `atek-spawnd erase` |
//! | [`moving`] | the move of the data to another disk, run at the boot as `atek-spawnd move` |
//! | [`disks`] | which disks a backup job may mount |
//! | [`leases`] | one call at a time for each service and job |
//! | [`layout`] | where, and for which users |
//! | [`activity`] | when to exit |
#![forbid(unsafe_code)]

mod activity;
mod credentials;
mod disks;
mod erase;
mod error;
mod files;
mod layout;
mod leases;
mod manager;
mod moving;
mod origin;
mod packages;
mod properties;
mod put_back;
mod restored;
mod service;
mod snapshots;
mod sources;
mod state;

use activity::Activity;
use anyhow::{Context as _, anyhow};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Exit after so long without a call. The next one starts the program again.
const IDLE: Duration = Duration::from_secs(30);
/// Calls that were on their way when the name was given up arrive within this time.
const LATE_CALLS: Duration = Duration::from_millis(200);

/// Threads for work on files; the unit's `TasksMax=` has room for them.
const FILE_THREADS: usize = 16;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let done = match (arguments.next(), arguments.next()) {
        (None, _) => serve(),
        (Some(word), None) if word == "erase" => erase(),
        (Some(word), None) if word == "move" => moving::run(),
        (Some(word), None) if word == "move-ended" => moving::ended(),
        _ => Err(anyhow!("usage: atek-spawnd [erase|move|move-ended]")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The journal reads the `<3>` as "this is an error".
            eprintln!("<3>{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Carries out a factory reset, if one was asked for.
fn erase() -> anyhow::Result<()> {
    let erased = erase::run(Path::new("/")).context("the box is not as new yet")?;
    if erased {
        eprintln!("<5>a factory reset: the box is as new");
    }
    Ok(())
}

fn serve() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(FILE_THREADS)
        .build()
        .context("cannot start the runtime")?;
    let served = runtime.block_on(run());
    served.context("cannot launch services")
}

async fn run() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .init();
    let layout = layout::Layout::of_this_system()?;
    let connection = zbus::Connection::system()
        .await
        .context("cannot connect to the system bus")?;
    let systemd = manager::Systemd::connect(&connection)
        .await
        .context("cannot talk to systemd")?;

    let activity = Activity::new();
    let spawn = service::Spawn::new(systemd, layout, activity.clone());
    connection
        .object_server()
        .at(service::PATH, spawn)
        .await
        .context("cannot serve the object")?;
    connection
        .request_name(service::NAME)
        .await
        .context("cannot take the bus name")?;

    activity.idle_for(IDLE).await;
    // The order matters: systemd must start a new process for a call that comes after
    // the name is free, and not believe that this one will serve it.
    sd_notify("STOPPING=1").context("cannot tell systemd about the end")?;
    connection
        .release_name(service::NAME)
        .await
        .context("cannot give up the bus name")?;
    activity.idle_for(LATE_CALLS).await;
    Ok(())
}

/// Tells systemd about this process's state, if it runs as a unit.
fn sd_notify(state: &str) -> std::io::Result<()> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return Ok(());
    };
    let address = match path.as_encoded_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(&path)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}
