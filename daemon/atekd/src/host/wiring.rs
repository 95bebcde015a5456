//! What the host is made of, and how the parts are connected.

use super::sockets::ListenSockets;
use crate::app_addresses::{self, AddressBook, AppPorts};
use crate::attach::{ListenerChange, Passed};
use crate::audit::{Audit, AuditTask};
use crate::authorities::Authorities;
use crate::backups::{Backups, HomeService};
use crate::catalogues::Catalogues;
use crate::config::Config;
use crate::confinement::Confinement;
use crate::database::{Database, Store};
use crate::directory::{self, DirectoryView};
use crate::gateway_adapters::{Accounts, ServiceAccess};
use crate::grant_requests::GrantRequests;
use crate::guests::Guests;
use crate::host_api::HostApis;
use crate::jobs::Jobs;
use crate::journal::Logbook;
use crate::key_service::KeyService;
use crate::layout::Layout;
use crate::mail::Mail;
use crate::mdns;
use crate::metrics::Metrics;
use crate::packages::Packages;
use crate::service_listeners;
use crate::services::{Operations, OperationsDeps};
use crate::sessions::{Passwords, Sessions};
use crate::setup::Setup;
use crate::spawn::Spawn;
use crate::systemd::{self, Bus, HostSettings, Power};
use anyhow::Context as _;
use atek_api::spec::paths;
use atek_gateway::{Deps, Gateway, Limits, Rate, RefusedUsers, Settings};
use atek_host_model::listener::{Listener, Origin};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The parts of the daemon that live until it stops.
pub(super) struct Host {
    /// The host's APIs, with everything that they work with.
    pub(super) apis: HostApis,
    gateway: Gateway,
}

/// The ends of what connects the parts, for the tasks that serve.
pub(super) struct TaskChannels {
    bus: Bus,
    local: watch::Sender<Arc<mdns::Local>>,
    listening: watch::Sender<app_addresses::Listening>,
    service_listeners: mpsc::Receiver<ListenerChange>,
    audit: AuditTask,
}

impl Host {
    /// Makes the parts and connects them. Nothing is served yet, and no service is started.
    ///
    /// # Errors
    ///
    /// When passwords could not be hashed.
    pub(super) fn assemble(
        layout: &Layout,
        config: &Arc<Config>,
        passed: Passed,
        shown_config: watch::Receiver<Value>,
    ) -> anyhow::Result<(Self, TaskChannels)> {
        let (publisher, directory) = directory::directory();
        let (database, sessions) = people(layout)?;
        let bus = Bus::system();
        let host_settings = HostSettings::new(bus.clone());
        let setup = Setup::new(database.clone(), host_settings.clone(), layout);
        let (systemd, units) = systemd::watch(&bus);
        let (listener_changes, service_listeners) = mpsc::channel(64);
        let (local, shown_local) = watch::channel(Arc::default());
        let (listening, app_ports) = watch::channel(app_addresses::Listening::default());
        let ports = AppPorts::new(config.app_ports, config.port);
        let logbook = Logbook::default();
        let jobs = Jobs::default();
        let spawn = Spawn::new(bus.clone());
        let (authorities, packages, catalogues) = sources(layout, &spawn);
        let services = Operations::new(OperationsDeps {
            layout: layout.clone(),
            ports,
            core: config.core_services.clone(),
            database: database.clone(),
            publisher,
            listeners: listener_changes,
            passed,
            systemd: systemd.clone(),
            units,
            logbook: logbook.clone(),
            updates: config.updates,
            spawn: spawn.clone(),
            packages,
            catalogues: catalogues.clone(),
        });
        let (audit, audit_task) = Audit::new(layout.state(), directory.clone());
        let keys = key_service(layout, &directory);
        let name = || host_settings.watch_name();
        let backups = backups(layout, &services, spawn, &keys, &authorities, name());
        let state = layout.state().to_owned();
        let mail = Mail::new(state.clone(), authorities.clone(), name());
        let apis = HostApis {
            guests: Guests::new(state.clone()),
            mail,
            authorities,
            database,
            keys,
            keys_key: layout.keys_key(),
            hypercore: layout.core_key("hypercore"),
            sessions,
            setup,
            services,
            metrics: Metrics::new(directory.clone(), systemd.clone()),
            directory,
            addresses: AddressBook::new(ports, app_ports, shown_local.clone()),
            jobs,
            catalogues,
            requests: GrantRequests::default(),
            audit,
            backups,
            logbook,
            confinement: Confinement::new(systemd),
            power: Power::new(bus.clone()),
            host_settings,
            state,
            config: config.clone(),
            shown_config,
        };
        let gateway = gateway(config, &apis, shown_local);
        let channels = TaskChannels {
            bus,
            local,
            listening,
            service_listeners,
            audit: audit_task,
        };
        Ok((Self { apis, gateway }, channels))
    }

    /// Answers at the sockets, on the services' own listeners and on the apps' ports, and keeps
    /// the names of the box and its apps known, until `stop`.
    pub(super) fn serve(
        &self,
        sockets: ListenSockets,
        channels: TaskChannels,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        let public = sockets.public.into_iter();
        let public = public.map(|listener| (Listener::Tcp(listener), Origin::Public));
        let control = sockets.control.into_iter();
        let control = control.map(|listener| (Listener::Unix(listener), Origin::Control));
        for (listener, origin) in public.chain(control) {
            service_listeners::serve(&self.gateway, listener, origin, tasks, stop);
        }
        tasks.spawn(channels.audit.run(stop.clone()));
        tasks.spawn(service_listeners::follow(
            self.gateway.clone(),
            channels.service_listeners,
            tasks.clone(),
            stop.clone(),
        ));
        tasks.spawn(app_addresses::follow_ports(
            self.gateway.clone(),
            self.apis.directory.clone(),
            channels.listening,
            sockets.ports,
            tasks.clone(),
            stop.clone(),
        ));
        let spawn = Spawn::new(channels.bus.clone());
        tasks.spawn(crate::spawn::home::follow(spawn.clone(), stop.clone()));
        tasks.spawn(crate::metrics::full_disk::watch(
            self.apis.state.clone(),
            self.apis.directory.clone(),
            spawn,
            stop.clone(),
        ));
        let parts = mdns::PublisherDeps {
            bus: channels.bus,
            directory: self.apis.directory.clone(),
            host_name: self.apis.host_settings.watch_name(),
        };
        let relay = mdns::relay::RelayDeps {
            directory: self.apis.directory.clone(),
            local: channels.local.subscribe(),
        };
        tasks.spawn(mdns::relay::run(relay, stop.clone()));
        tasks.spawn(mdns::run(parts, channels.local, stop.clone()));
        tokio::spawn(self.gateway.clone().follow_names());
        let host_settings = self.apis.host_settings.clone();
        tokio::spawn(async move { host_settings.follow_name().await });
    }
}

/// The server's database, and who signs in by it.
fn people(layout: &Layout) -> anyhow::Result<(Database, Sessions)> {
    let database = Database::new(Store::new(&layout.app_socket(&layout.database_key())));
    let passwords = Passwords::new().context("cannot prepare the hashing of passwords")?;
    let sessions = Sessions::new(database.clone(), passwords);
    Ok((database, sessions))
}

/// Where packages come from.
fn sources(layout: &Layout, spawn: &Spawn) -> (Authorities, Packages, Catalogues) {
    let authorities = Authorities::read(layout.authorities());
    let packages = Packages::new(spawn.clone(), authorities.clone());
    let catalogues = Catalogues::new(layout, packages.clone(), spawn.clone());
    (authorities, packages, catalogues)
}

fn key_service(layout: &Layout, directory: &DirectoryView) -> KeyService {
    let key = layout.keys_key();
    KeyService::new(&layout.app_socket(&key), key, directory.clone())
}

fn home_service(layout: &Layout) -> HomeService {
    let key = layout.core_key("hypercore");
    let socket = key.as_ref().map(|key| layout.app_socket(key));
    HomeService {
        key,
        socket: socket.unwrap_or_default(),
    }
}

fn backups(
    layout: &Layout,
    services: &Arc<Operations>,
    spawn: Spawn,
    keys: &KeyService,
    authorities: &Authorities,
    name: watch::Receiver<Option<String>>,
) -> Backups {
    Backups::new(
        services.clone(),
        spawn,
        keys.clone(),
        authorities.clone(),
        home_service(layout),
        layout.state().to_owned(),
        name,
    )
}

/// The HTTP surface over what the host's own APIs work with.
fn gateway(config: &Config, apis: &HostApis, local: watch::Receiver<Arc<mdns::Local>>) -> Gateway {
    Gateway::new(Deps {
        directory: apis.directory.clone(),
        config: Arc::new(Settings {
            domain: config.domain.clone(),
            port: config.port,
            system_auth_tokens: config.system_auth_tokens.clone(),
            max_request_bytes: config.max_request_bytes,
            trusted_proxies: config.trusted_proxies.clone(),
            refused_users: refused_users(),
        }),
        box_name: apis.host_settings.watch_name(),
        added_names: added_names(&apis.database),
        local,
        accounts: Arc::new(Accounts {
            sessions: apis.sessions.clone(),
            setup: apis.setup.clone(),
        }),
        host: Arc::new(apis.clone()),
        services: Arc::new(ServiceAccess {
            directory: apis.directory.clone(),
            services: apis.services.clone(),
            logbook: apis.logbook.clone(),
            jobs: apis.jobs.clone(),
            catalogues: apis.catalogues.clone(),
            guests: apis.guests.clone(),
        }),
        audit: apis.audit.tally(),
        limits: limits(config),
    })
}

/// The main domains that administrators added, as the records change.
fn added_names(database: &Database) -> watch::Receiver<Vec<String>> {
    let mut records = database.watch();
    let (told, added) = watch::channel(Vec::new());
    tokio::spawn(async move {
        loop {
            let names = records.borrow_and_update().added_names().to_vec();
            told.send_if_modified(|known| {
                let is_new = *known != names;
                *known = names;
                is_new
            });
            if records.changed().await.is_err() || told.is_closed() {
                return;
            }
        }
    });
    added
}

/// Users whose programs the gateway refuses. A host that is run as another user than `atek`,
/// for development, refuses no one at the control socket: its person's tools are the same user's.
fn refused_users() -> RefusedUsers {
    let uid = |name: &str| {
        let user = nix::unistd::User::from_name(name).ok().flatten();
        user.map(|user| user.uid.as_raw())
    };
    RefusedUsers {
        host: uid(paths::HOST_USER),
        builds: uid(paths::BUILD_USER),
    }
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
