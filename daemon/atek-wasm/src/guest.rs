//! One instance of the component, which answers one request.

use crate::clock::{Clock, MOST, MOST_TICKS};
use crate::memory::{Pool, Share};
use crate::outgoing::{Hooks, Ways};
use atek_api::spec::paths;
use std::path::Path;
use std::sync::Arc;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::error::Context as _;
use wasmtime::{Engine, Result, Store, UpdateDeadline, bail};
use wasmtime_wasi::p2::bindings::LinkOptions;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Handles that one instance may have.
const HANDLES: usize = 10_000;
/// Where a component finds the app's state, which it may change.
const STATE: &str = "/state";

/// What every instance is given.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) clock: Clock,
    pub(crate) memory: Pool,
    pub(crate) ways: Arc<Ways>,
    /// The variables, as the component sees them.
    variables: Arc<[(String, String)]>,
    arguments: Arc<[String]>,
    /// Folders here and there, and whether they may be written.
    folders: Arc<[(String, String, FsPerms)]>,
}

impl Surroundings {
    /// What the unit has for the component: variables, and folders that exist.
    pub(crate) fn new(clock: Clock, memory: Pool, ways: Ways, arguments: Vec<String>) -> Self {
        let mut variables: Vec<(String, String)> = std::env::vars()
            .filter(|(name, _)| name != "PATH" && name != "ATEK_ASSIGNED_SOCKET_FILE")
            .collect();
        let mut folders = Vec::new();
        for (name, value) in &mut variables {
            // Its own paths do not depend on the box.
            if name == "STATE_DIRECTORY" {
                folders.push((value.clone(), STATE.to_owned(), FsPerms::ReadWrite));
            }
            if matches!(name.as_str(), "STATE_DIRECTORY" | "HOME") {
                STATE.clone_into(value);
            }
        }
        let same = |path: &str, rights| (path.to_owned(), path.to_owned(), rights);
        folders.push(same(paths::APP, FsPerms::ReadOnly));
        // Those that may only be read are mounted read-only.
        folders.push(same(paths::FOLDERS, FsPerms::ReadWrite));
        folders.retain(|(here, ..)| Path::new(here).is_dir());
        Self {
            clock,
            memory,
            ways: Arc::new(ways),
            variables: variables.into(),
            arguments: arguments.into(),
            folders: folders.into(),
        }
    }
}

/// The state of one instance.
pub(crate) struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    hooks: Hooks,
    memory: Share,
    ticks: u32,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.hooks,
        }
    }
}

/// Links a component with what it may call; fails if it asks for more, or answers no requests.
pub(crate) fn prepare(engine: &Engine, component: &Component) -> Result<ProxyPre<Guest>> {
    let mut linker: Linker<Guest> = Linker::new(engine);
    // Sockets are among it, and each refuses to be opened: `WasiCtx` admits no address.
    let mut options = LinkOptions::default();
    // Toolchains import what tells errors of sockets apart, also for programs without sockets.
    options.network_error_code(true);
    wasmtime_wasi::p2::add_to_linker_with_options_async(&mut linker, &options)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    let linked = linker
        .instantiate_pre(component)
        .context("the component asks for an interface that Atek does not have")?;
    ProxyPre::new(linked)
        .context("the component does not answer requests (wasi:http/incoming-handler 0.2)")
}

/// An empty store for one request.
pub(crate) fn store(engine: &Engine, given: &Surroundings) -> Result<Store<Guest>> {
    let mut wasi = WasiCtx::builder();
    wasi.inherit_stdout()
        .inherit_stderr()
        .envs(&given.variables)
        .args(&given.arguments)
        .allow_tcp(false)
        .allow_udp(false);
    for (here, there, rights) in given.folders.iter() {
        wasi.preopened_dir(here, there, *rights)
            .with_context(|| format!("cannot open {here}"))?;
    }
    let mut table = ResourceTable::new();
    table.set_max_capacity(HANDLES);
    let guest = Guest {
        wasi: wasi.build(),
        http: WasiHttpCtx::new(),
        table,
        hooks: Hooks::new(given.ways.clone()),
        memory: given.memory.share(),
        ticks: 0,
    };
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| &mut guest.memory);
    store.set_epoch_deadline(1);
    // Called at a tick in which the component computes, and not while it waits.
    store.epoch_deadline_callback(|mut context| {
        let guest = context.data_mut();
        guest.ticks += 1;
        if guest.ticks > MOST_TICKS {
            bail!(
                "it computed for longer than {} s, the most for one request",
                MOST.as_secs()
            );
        }
        Ok(UpdateDeadline::Yield(1))
    });
    Ok(store)
}
