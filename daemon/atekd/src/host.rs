//! The host as a whole: what is made in which order, and how it ends.
//!
//! ```text
//!  config -> HTTP is served -> core services -> server database -> host APIs -> user services
//! ```
//!
//! Nothing here is global: two hosts could live in one process.

use crate::attach::{Notify, Passed};
use crate::chain::Chain;
use crate::config::{Config, ConfigFile, Overrides};
use crate::confinement::Confinement;
use crate::database::{Database, Store};
use crate::directory::{self, DirectoryView};
use crate::front::{Icons, Logs};
use crate::gateway::{Deps, Gateway, Limits, Listener, Origin, Rate};
use crate::host_api::HostApis;
use crate::jobs::Jobs;
use crate::layout::Layout;
use crate::listeners;
use crate::mdns;
use crate::metrics::Metrics;
use crate::names::{self, AddressBook, AppPorts};
use crate::only::Only;
use crate::services::{self, Services};
use crate::sessions::{Passwords, Sessions};
use crate::setup::Setup;
use crate::spawn::Spawn;
use crate::systemd::{self, Bus, Machine, Power};
use anyhow::Context as _;
use atek_api::ids::ServiceKey;
use atek_api::services::State;
use atek_api::spec::paths::HOST_DIRS;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often used sessions are written down and old ones removed.
const SWEEP: Duration = Duration::from_secs(300);
/// Pause between attempts to open the server database.
const REOPEN: Duration = Duration::from_secs(1);

/// How a host is started.
#[derive(Debug)]
pub struct Options {
    /// Where its state lies.
    pub layout: Layout,
    /// What the command line says.
    pub overrides: Overrides,
}

/// Runs a host until `stop`.
///
/// # Errors
///
/// What keeps it from serving at all: a broken configuration, a port that is taken.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    let Options { layout, overrides } = options;
    let _only = Only::hold(Path::new(HOST_DIRS))?;
    let mut file = ConfigFile::load(&layout, &overrides)?;
    let config = Arc::new(file.config().clone());
    let (shown, shown_config) = watch::channel(file.shown());
    let mut passed = Passed::from_env();
    let notify = Notify::from_env();
    let tasks = TaskTracker::new();

    let public = public_listeners(&mut passed, config.port).await?;
    let control = passed.unix("control").map(into_tokio).transpose()?;

    let (publisher, directory) = directory::directory();
    let database = Database::new(Store::new(&layout.app_socket(&layout.database_key())));
    let passwords = Passwords::new().context("cannot prepare the hashing of passwords")?;
    let sessions = Sessions::new(database.clone(), passwords);
    let (listener_changes, service_listeners) = mpsc::channel(64);
    let bus = Bus::system();
    let machine = Machine::new(bus.clone());
    let setup = Setup::new(database.clone(), machine.clone(), &layout);
    let (systemd, units) = systemd::watch(&bus);
    let (shown_local, local) = watch::channel(Arc::default());
    tasks.spawn(mdns::run(
        mdns::Parts {
            bus: bus.clone(),
            directory: directory.clone(),
            host_name: machine.watch_name(),
        },
        shown_local,
        stop.clone(),
    ));
    let ports = AppPorts::new(config.app_ports, config.port);
    let (listening, app_ports) = watch::channel(names::Listening::default());
    let metrics = Metrics::new(directory.clone(), systemd.clone());
    let confinement = Confinement::new(systemd.clone());
    let power = Power::new(bus.clone());
    let services = Services::new(services::Parts {
        layout: layout.clone(),
        ports,
        core: config.core_services.clone(),
        database: database.clone(),
        publisher,
        listeners: listener_changes,
        passed,
        systemd,
        units,
        spawn: Spawn::new(bus),
    });
    let jobs = Jobs::default();
    let apis = HostApis {
        database: database.clone(),
        sessions: sessions.clone(),
        setup: setup.clone(),
        services: services.clone(),
        directory: directory.clone(),
        addresses: AddressBook {
            ports,
            listening: app_ports,
            local: local.clone(),
        },
        jobs: jobs.clone(),
        metrics,
        confinement,
        power,
        machine: machine.clone(),
        state: layout.state().to_owned(),
        config: config.clone(),
        shown_config,
    };
    let gateway = Gateway::new(Deps {
        directory: directory.clone(),
        sessions: sessions.clone(),
        config: config.clone(),
        box_name: machine.watch_name(),
        local: local.clone(),
        setup: setup.clone(),
        host: Arc::new(apis),
        wake: Arc::new(services.clone()),
        logs: Arc::new(Logs {
            directory: directory.clone(),
        }),
        jobs: Arc::new(jobs),
        icons: Arc::new(Icons {
            directory: directory.clone(),
            services: services.clone(),
        }),
        limits: limits(&config),
    });
    for listener in public {
        listeners::serve(
            &gateway,
            Listener::Tcp(listener),
            Origin::Public,
            &tasks,
            &stop,
        );
    }
    if let Some(listener) = control {
        listeners::serve(
            &gateway,
            Listener::Unix(listener),
            Origin::Control,
            &tasks,
            &stop,
        );
    }
    tokio::spawn(gateway.clone().follow_names());
    let renamed = machine.clone();
    tokio::spawn(async move { renamed.follow_name().await });
    tasks.spawn(names::follow_ports(
        gateway.clone(),
        directory.clone(),
        listening,
        tasks.clone(),
        stop.clone(),
    ));
    tasks.spawn(listeners::follow(
        gateway,
        service_listeners,
        tasks.clone(),
        stop.clone(),
    ));
    announce(config.port);
    notify.tell("READY=1\nSTATUS=Starting the core services");
    tasks.spawn(keep_watchdog_quiet(stop.clone()));

    let start = async {
        for failure in services.start_core().await {
            tracing::error!(key = %failure.key, error = %Chain(&failure.error), "a core service does not run");
        }
        open_database(&database, &mut file, &notify).await;
        shown.send_replace(file.shown());
        services.start_installed().await;
        notify.tell("STATUS=Ready");
        tracing::info!("the host is ready");
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = start => {
            tokio::select! {
                () = stop.cancelled() => {}
                () = follow_database(&database, &directory, layout.database_key()) => {}
                () = sweep_sessions(&sessions) => {}
                () = services.rest(Duration::from_secs(config.sleep_after_seconds)) => {}
                () = setup.keep() => {}
            }
        }
    }
    notify.tell("STOPPING=1");
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// systemd's sockets, or our own on both families when started by hand.
async fn public_listeners(passed: &mut Passed, port: u16) -> anyhow::Result<Vec<TcpListener>> {
    let given = passed.tcp("http");
    if !given.is_empty() {
        return given.into_iter().map(tcp_into_tokio).collect();
    }
    let taken = || format!("cannot listen on port {port}; is another server using it?");
    let v6 = TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await;
    // A dual-stack listener takes IPv4 too; then the second one finds its port in use.
    let v4 = TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await;
    match (v4, v6) {
        (Ok(v4), Ok(v6)) => Ok(vec![v4, v6]),
        (Err(_), Ok(one)) | (Ok(one), Err(_)) => Ok(vec![one]),
        (Err(error), Err(_)) => Err(error).with_context(taken),
    }
}

fn tcp_into_tokio(listener: std::net::TcpListener) -> anyhow::Result<TcpListener> {
    listener
        .set_nonblocking(true)
        .context("cannot use the HTTP socket")?;
    TcpListener::from_std(listener).context("cannot use the HTTP socket")
}

fn into_tokio(
    listener: std::os::unix::net::UnixListener,
) -> anyhow::Result<tokio::net::UnixListener> {
    listener
        .set_nonblocking(true)
        .context("cannot use the control socket")?;
    tokio::net::UnixListener::from_std(listener).context("cannot use the control socket")
}

/// The defaults, but for what the configuration says.
fn limits(config: &Config) -> Limits {
    let known = match config.max_requests_per_minute {
        0 => None,
        count => Some(Rate::per_minute(count, count)),
    };
    Limits {
        known,
        ..Limits::default()
    }
}

/// The line that the original's tools wait for.
fn announce(port: u16) {
    use std::io::Write as _;
    // Nobody may be reading.
    let _ = writeln!(
        std::io::stdout(),
        "Application server listening at http://localhost:{port}"
    );
}

/// Tries until it succeeds: a box whose database is late must still come up.
async fn open_database(database: &Database, file: &mut ConfigFile, notify: &Notify) {
    loop {
        let known = file.config().server_db_id.clone().unwrap_or_default();
        match database.open(&known).await {
            Ok(id) => {
                if let Err(error) = file.set_server_db_id(&id) {
                    tracing::error!(error = %Chain(&error), "cannot store the id of the server database");
                }
                return;
            }
            Err(error) => {
                tracing::error!(error = %Chain(&error), "cannot open the server database");
                notify.tell("STATUS=Waiting for the database");
                tokio::time::sleep(REOPEN).await;
            }
        }
    }
}

/// Tells a restarted ADB which database is the server's. Never ends.
async fn follow_database(database: &Database, directory: &DirectoryView, key: ServiceKey) {
    loop {
        let is = |state| {
            let key = key.clone();
            directory.wait_for(move |directory| {
                let running = directory
                    .by_key(key.as_str())
                    .is_some_and(|adb| adb.state == State::Running);
                (running == state).then_some(())
            })
        };
        is(false).await;
        is(true).await;
        if let Err(error) = database.reopen().await {
            tracing::warn!(error = %Chain(&error), "cannot set up the restarted database");
        }
    }
}

/// Never ends.
async fn sweep_sessions(sessions: &Sessions) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        if let Err(error) = sessions.sweep().await {
            tracing::warn!(error = %Chain(&error), "cannot tidy up the sessions");
        }
    }
}

/// systemd restarts a daemon whose event loop is stuck (`WatchdogSec=`).
async fn keep_watchdog_quiet(stop: CancellationToken) {
    let notify = Notify::from_env();
    let Some(limit) = std::env::var("WATCHDOG_USEC")
        .ok()
        .and_then(|text| text.parse().ok())
    else {
        return;
    };
    let mut ticks = tokio::time::interval(Duration::from_micros(limit) / 3);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => notify.tell("WATCHDOG=1"),
        }
    }
}
