//! The host as a whole: what is made in which order, and how it ends.
//!
//! ```text
//!  config -> "starting" is answered -> HTTP is served -> database service -> server database
//!    -> host APIs and pages, while the other core services start -> user services
//! ```
//!
//! Nothing here is global: two hosts could live in one process.

mod elsewhere;
mod plain_page;
mod sockets;
mod unusable_system;
mod wiring;

use crate::attach::{Notify, Passed};
use crate::backups::WholeBox;
use crate::config::{Config, ConfigFile, Overrides};
use crate::database::Database;
use crate::directory::DirectoryView;
use crate::error_chain::DisplayChain;
use crate::factory_reset;
use crate::instance_lock::InstanceLock;
use crate::layout::{DEFAULT_STATE, Layout};
use crate::moving;
use crate::notices;
use crate::sessions::Sessions;
use atek_api::ids::ServiceKey;
use atek_api::services::State;
use atek_api::spec::paths::HOST_DIRS;
use atek_gateway::Starting;
use atek_system_check::Report;
use sockets::ListenSockets;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wiring::Host;

/// How often used sessions are written down and old ones removed.
const SWEEP: Duration = Duration::from_secs(300);
/// Pause between attempts to open the server database.
const REOPEN: Duration = Duration::from_secs(1);
/// The longest pause between attempts to put a restored box in place; each is twice the one before.
const LONGEST_REOPEN: Duration = Duration::from_secs(60);

/// How long a start may take before requests are answered with "starting": a restart is over
/// sooner, and refuses nothing.
const PATIENCE: Duration = Duration::from_secs(1);

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
    let _lock = InstanceLock::hold(Path::new(HOST_DIRS))?;
    if factory_reset::is_asked(layout.state()) {
        restart_for_reset(stop).await;
        return Ok(());
    }
    if layout.state() == Path::new(DEFAULT_STATE) {
        let problem = elsewhere::problem();
        if problem.is_some() || moving::is_asked(layout.state()) {
            return without_data(&layout, &overrides, problem, stop).await;
        }
    }
    let restored = WholeBox::decided(layout.state());
    if let Some(found) = &restored {
        found.take_host_files(layout.state())?;
    }
    let mut file = ConfigFile::load(&layout, &overrides)?;
    let config = Arc::new(file.config().clone());
    let (shown, shown_config) = watch::channel(file.shown());
    let mut passed = Passed::from_env();
    let notify = Notify::from_env();
    let mut sockets = ListenSockets::open(&mut passed, config.port).await?;
    let starting = Starting::serve(std::mem::take(&mut sockets.public), PATIENCE);
    show_state(&layout, None);
    if let Some(report) = unusable_system(&layout) {
        show_state(&layout, Some("unusable"));
        sockets.public = starting.end().await;
        return explain(sockets, &report, &notify, stop).await;
    }

    let (host, channels) = Host::assemble(&layout, &config, passed, shown_config)?;
    let tasks = TaskTracker::new();
    sockets.public = starting.end().await;
    host.serve(sockets, channels, &tasks, &stop);
    announce(config.port);
    notify.tell("READY=1\nSTATUS=Starting the core services");
    tasks.spawn(keep_watchdog_quiet(stop.clone()));

    let catalogues = host.apis.catalogues.clone();
    tasks.spawn(async move { catalogues.load().await });
    // The claim code is there as soon as the page that asks for it.
    let (setup, end) = (host.apis.setup.clone(), stop.clone());
    tasks.spawn(async move { end.run_until_cancelled(setup.keep()).await });
    let start = async {
        if let Some(found) = &restored {
            put_box(&host, found, &notify).await;
        }
        // Pages are answered from the second on, while the other core services still start.
        let open = async {
            database_runs(&host.apis.directory, &layout.database_key(), true).await;
            open_database(&host.apis.database, &mut file, &notify).await;
            shown.send_replace(file.shown());
            tracing::info!("the host answers its pages");
        };
        tokio::join!(start_core(&host), open);
        host.apis.services.start_installed().await;
        notify.tell("STATUS=Ready");
        show_state(&layout, Some("ready"));
        tracing::info!("the host is ready");
    };
    let started_and_kept = async {
        start.await;
        keep(&host, &layout, &config).await;
    };
    let _ = stop.run_until_cancelled(started_and_kept).await;
    notify.tell("STOPPING=1");
    show_state(&layout, None);
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// Does what a host that is ready does again and again, until one of it asks for a restart.
async fn keep(host: &Host, layout: &Layout, config: &Config) {
    let apis = &host.apis;
    let idle = Duration::from_secs(config.sleep_after_seconds);
    tokio::select! {
        () = follow_database(&apis.database, &apis.directory, layout.database_key()) => {}
        () = sweep_sessions(&apis.sessions) => {}
        () = apis.services.sleep_idle_services(idle) => {}
        () = apis.services.follow_releases() => {}
        () = apis.services.keep_core() => {}
        () = apis.catalogues.keep_fresh() => {}
        () = apis.clone().end_grants_in_time() => {}
        () = apis.backups.keep() => {}
        () = apis.backups.restart_wanted() => {}
        () = notices::keep(&apis.backups, &apis.mail, |is_wrong| {
            show_trouble(layout, is_wrong);
        }) => {}
    }
}

/// Serves a page while the data are not to be used: they cannot be reached, or are moved.
async fn without_data(
    layout: &Layout,
    overrides: &Overrides,
    problem: Option<String>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let port = ConfigFile::load(layout, overrides)?.config().port;
    let sockets = ListenSockets::open(&mut Passed::from_env(), port).await?;
    match problem {
        Some(problem) => {
            show_state(layout, Some("unusable"));
            elsewhere::explain(sockets, &problem, stop).await;
        }
        None => {
            show_state(layout, None);
            elsewhere::accompany(sockets, layout.state(), stop).await;
        }
    }
    Ok(())
}

/// Restarts the machine for a factory reset that was asked for before this host started.
async fn restart_for_reset(stop: CancellationToken) {
    let quiet = tokio::spawn(keep_watchdog_quiet(stop.clone()));
    let notify = Notify::from_env();
    factory_reset::restart(&notify, stop).await;
    notify.tell("STOPPING=1");
    quiet.abort();
}

/// Says for the light on the board what the host is doing; none: it starts or stops.
fn show_state(layout: &Layout, state: Option<&str>) {
    let Some(file) = layout.shown_state() else {
        return;
    };
    let shown = match state {
        Some(state) => atek_files::write_atomic(&file, format!("{state}\n").as_bytes(), 0o644),
        None => atek_files::remove(&file),
    };
    if let Err(error) = shown {
        tracing::warn!(error = %DisplayChain(&error), "cannot say what the host is doing");
    }
}

/// Says for the light on the board whether something is wrong with backups or a disk.
fn show_trouble(layout: &Layout, is_wrong: bool) {
    let Some(file) = layout.shown_trouble() else {
        return;
    };
    let shown = match is_wrong {
        true => atek_files::write_atomic(&file, b"", 0o644),
        false => atek_files::remove(&file),
    };
    if let Err(error) = shown {
        tracing::warn!(error = %DisplayChain(&error), "cannot show that something is wrong");
    }
}

/// What an installed host lacks, if it lacks something without which no service starts. A host that
/// is run by hand is not asked: what it needs is said when it is missed.
fn unusable_system(layout: &Layout) -> Option<Report> {
    if layout.claim_code().parent() != Some(Path::new(DEFAULT_STATE)) {
        return None;
    }
    let report = atek_system_check::check(Path::new("/"));
    for miss in &report.missing {
        tracing::error!(need = miss.need, "{}. {}", miss.problem, miss.advice);
    }
    (!report.is_usable()).then_some(report)
}

/// Serves the page that names what the system lacks, until `stop`.
async fn explain(
    sockets: ListenSockets,
    report: &Report,
    notify: &Notify,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let tasks = TaskTracker::new();
    let page = unusable_system::page(report);
    let page: plain_page::Page = Arc::new(move || page.clone());
    plain_page::serve(sockets.public, page, 60, &tasks, &stop);
    tasks.spawn(keep_watchdog_quiet(stop.clone()));
    notify.tell("READY=1\nSTATUS=This system lacks what Atek needs: atek check-system");
    stop.cancelled().await;
    notify.tell("STOPPING=1");
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// The line that the original's tools wait for.
fn announce(port: u16) {
    use std::io::Write as _;
    // A closed standard output is no error.
    let _ = writeln!(
        std::io::stdout(),
        "Application server listening at http://localhost:{port}"
    );
}

/// Puts in place what a restore of the whole box fetched. Tries until it succeeds: a part of a box
/// is none.
async fn put_box(host: &Host, found: &WholeBox, notify: &Notify) {
    notify.tell("STATUS=Restoring the box from a backup");
    let mut pause = REOPEN;
    while let Err(error) = host.apis.backups.put_box(found).await {
        let reason = DisplayChain(&error).to_string().replace('\n', " ");
        tracing::error!(error = reason, "cannot put the restored box in place");
        notify.tell(&format!(
            "STATUS=Cannot put the restored box in place: {reason}"
        ));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_REOPEN);
    }
    if let Some((name, zone)) = found.name_and_zone() {
        host.apis.setup.apply(name, zone).await;
    }
}

async fn start_core(host: &Host) {
    for failure in host.apis.services.start_core().await {
        tracing::error!(key = %failure.key, error = %DisplayChain(&failure.error), "a core service does not run");
    }
}

/// Waits until the database's service runs, or does not.
async fn database_runs(directory: &DirectoryView, key: &ServiceKey, wanted: bool) {
    let key = key.clone();
    directory
        .wait_for(move |directory| {
            let running = directory
                .by_key(key.as_str())
                .is_some_and(|adb| adb.state == State::Running);
            (running == wanted).then_some(())
        })
        .await;
}

/// Tries until it succeeds: a box whose database is late must still come up.
async fn open_database(database: &Database, file: &mut ConfigFile, notify: &Notify) {
    loop {
        let known = file.config().server_db_id.clone().unwrap_or_default();
        match database.open(&known).await {
            Ok(id) => {
                if let Err(error) = file.set_server_db_id(&id) {
                    tracing::error!(error = %DisplayChain(&error), "cannot store the id of the server database");
                }
                return;
            }
            Err(error) => {
                tracing::error!(error = %DisplayChain(&error), "cannot open the server database");
                notify.tell("STATUS=Waiting for the database");
                tokio::time::sleep(REOPEN).await;
            }
        }
    }
}

/// Tells a restarted ADB which database is the server's. Never ends.
async fn follow_database(database: &Database, directory: &DirectoryView, key: ServiceKey) {
    loop {
        database_runs(directory, &key, false).await;
        database_runs(directory, &key, true).await;
        if let Err(error) = database.reopen().await {
            tracing::warn!(error = %DisplayChain(&error), "cannot set up the restarted database");
        }
    }
}

/// Never ends.
async fn sweep_sessions(sessions: &Sessions) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        if let Err(error) = sessions.sweep().await {
            tracing::warn!(error = %DisplayChain(&error), "cannot tidy up the sessions");
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
