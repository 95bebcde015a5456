//! The unit of a service.

use super::link::{self, Reach};
use super::{
    Bind, Property, Version, binds, command, image, micros, mounted, network, sandbox, sidecar,
    text, texts,
};
use crate::sources::Sources;
use atek_api::image::StopSignal;
use atek_api::manifest::{BeforeBackup, SidecarName};
use atek_api::permission::GivenFolder;
use atek_api::spec::{
    self, AppPort, Network, Program, ServiceSpec, SidecarSpec, Workdir, arguments, paths,
};
use std::path::Path;
use zbus::Variant;

/// One process of a service, which has a unit of its own.
pub(super) struct Process<'s> {
    /// Of a sidecar, the service with the sidecar's program.
    pub(super) spec: &'s ServiceSpec,
    pub(super) sidecar: Option<&'s SidecarSpec>,
    /// The slice of its unit.
    pub(super) slice: String,
    /// Whether it is one of several.
    pub(super) has_others: bool,
    /// Whether one of the processes listens on the port at which the host answers otherwise.
    pub(super) http_is_taken: bool,
}

/// The only kind of namespace that atek-sandbox makes for a program that is shown that it is root;
/// then it lets none be made any more (`CLONE_NEWUSER`).
const USER_NAMESPACE: u64 = 0x1000_0000;

/// Whether a process of the service listens on port 80.
pub(super) fn http_is_taken(spec: &ServiceSpec) -> bool {
    const HTTP: u16 = 80;
    let of_sidecars = spec.sidecars.iter().map(|sidecar| sidecar.port);
    spec.port == Some(AppPort::Fixed(HTTP)) || of_sidecars.flatten().any(|port| port == HTTP)
}

impl<'s> Process<'s> {
    /// The service's own.
    pub(super) fn own(spec: &'s ServiceSpec) -> Self {
        Self {
            spec,
            sidecar: None,
            slice: sidecar::slice(spec),
            has_others: !spec.sidecars.is_empty(),
            http_is_taken: http_is_taken(spec),
        }
    }

    fn name(&self) -> Option<&SidecarName> {
        self.sidecar.map(|sidecar| &sidecar.name)
    }
}

/// The properties of a service's unit. The spec must be valid, and `sources` what was opened for
/// it.
pub(crate) fn service(spec: &ServiceSpec, sources: &Sources, version: Version) -> Vec<Property> {
    let mut properties = process_properties(&Process::own(spec), sources, version);
    // `systemctl stop atek@ID` stops it, too.
    properties.push(("PartOf", texts(&[&format!("atek@{}.service", spec.id)])));
    properties.extend(sidecar::required(spec));
    properties
}

/// What the units of all processes have.
pub(super) fn process_properties(
    process: &Process<'_>,
    sources: &Sources,
    version: Version,
) -> Vec<Property> {
    let spec = process.spec;
    let mut properties = identity(process);
    properties.extend(life(process, version));
    // Netlink: to list the interfaces of the service's own network namespace (see atek-sandbox).
    let families = ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"];
    // What an image has in /opt or /srv is its own.
    let own_root = sources.image.as_ref().map(|_| Path::new("/"));
    properties.extend(sandbox::properties(version, &families, own_root));
    if spec.root {
        properties.retain(|(name, _)| *name != "RestrictNamespaces");
        properties.push(("RestrictNamespaces", Variant::from(USER_NAMESPACE)));
    }
    properties.extend(user_and_mounts(process, sources));
    if sources.image.is_some() && version >= Version::PRIVATE_TMP_EX {
        // Which `RootDirectory` brings: lines could be written there in the name of another app.
        properties.push(("BindLogSockets", Variant::from(false)));
    }
    properties.extend(groups(spec, sources));
    properties.extend(allowed_devices(spec));
    properties.extend(walls(spec));
    properties.extend(network::needed(&spec.id));
    properties.extend(limits(spec));
    properties
}

/// Fields of the lines that a unit of the service writes to the journal.
pub(super) fn journal_fields(spec: &ServiceSpec) -> Vec<Vec<u8>> {
    [
        ("ATEK_SERVICE_KEY", spec.key.as_str()),
        ("ATEK_SERVICE_ID", spec.id.as_str()),
        ("ATEK_OWNER", spec.owner.as_str()),
    ]
    .map(|(name, value)| format!("{name}={value}").into_bytes())
    .into()
}

fn identity(process: &Process<'_>) -> Vec<Property> {
    let spec = process.spec;
    let mut fields = journal_fields(spec);
    let (title, id) = match process.name() {
        None => (spec.title.clone(), spec.id.to_string()),
        Some(name) => {
            fields.push(format!("ATEK_SIDECAR={name}").into_bytes());
            (
                format!("{}: {name}", spec.title),
                format!("{}@{name}", spec.id),
            )
        }
    };
    vec![
        (
            "Description",
            text(format!("{title} (Atek service {})", spec.id)),
        ),
        ("Slice", text(process.slice.clone())),
        ("SyslogIdentifier", text(id)),
        ("LogExtraFields", Variant::from(fields)),
    ]
}

fn life(process: &Process<'_>, version: Version) -> Vec<Property> {
    let start_timeout = match process.sidecar {
        None => spec::START_TIMEOUT,
        Some(_) => spec::START_TIMEOUT + spec::SIDECAR_READY_TIMEOUT,
    };
    let asked = match &process.spec.program {
        Program::Image { stop_signal, .. } => *stop_signal,
        Program::Node { .. }
        | Program::Native { .. }
        | Program::Wasm { .. }
        | Program::Script { .. } => None,
    };
    let asked = asked.map_or(nix::libc::SIGTERM, StopSignal::number);
    let mut properties: Vec<Property> = vec![
        ("Type", text("exec")),
        // A unit that failed stays, so that its reason can be read.
        ("CollectMode", text("inactive")),
        ("Restart", text("on-failure")),
        ("RestartUSec", micros(spec::RESTART_FIRST_DELAY)),
        ("StartLimitIntervalUSec", micros(spec::START_LIMIT_INTERVAL)),
        ("StartLimitBurst", Variant::from(spec::START_LIMIT_BURST)),
        ("TimeoutStartUSec", micros(start_timeout)),
        ("TimeoutStopUSec", micros(spec::STOP_TIMEOUT)),
        ("KillSignal", Variant::from(asked)),
        // What a program says that ended because it was asked to; (statuses, signals).
        (
            "SuccessExitStatus",
            Variant::from((vec![143i32, 128 + asked], vec![asked])),
        ),
    ];
    if version >= Version::RESTART_STEPS {
        properties.push(("RestartSteps", Variant::from(spec::RESTART_STEPS)));
        properties.push(("RestartMaxDelayUSec", micros(spec::RESTART_MAX_DELAY)));
    }
    properties
}

fn user_and_mounts(process: &Process<'_>, sources: &Sources) -> Vec<Property> {
    let spec = process.spec;
    let directory = paths::directory_name(&spec.key);
    let runtime = paths::runtime_name(&spec.key, process.name());
    let inside = spec.package.folder_inside();
    let accounts = paths::accounts(&spec.key, process.name());
    let mut mounts = Vec::new();
    // What is shown that it is root looks up the users of its image.
    if !spec.root {
        mounts.extend([
            Bind::new(accounts.join("passwd"), "/etc/passwd"),
            Bind::new(accounts.join("group"), "/etc/group"),
        ]);
    }
    if process.sidecar.is_none() {
        mounts.extend([
            Bind::new(paths::ATTACH_DIR, paths::ATTACH_DIR),
            Bind::new(paths::host_dir(&spec.key), paths::HOST_DIRS),
        ]);
    }
    if process.has_others {
        // By which its processes find each other.
        mounts.push(Bind::new(accounts.join("hosts"), "/etc/hosts"));
    }
    match &sources.image {
        Some(image) => mounts.extend(image::mounts(image)),
        None if !spec.package.is_built_in() => {
            mounts.push(Bind::new(&spec.package.folder, &inside))
        }
        None => {}
    }
    // Only read-only, empty folders remain of the host's state and sockets.
    let empty = |path: &str| (path.to_owned(), "ro,mode=755,size=64k".to_owned());
    let mut emptied = vec![match spec.root {
        false => empty("/run"),
        // Where such programs put their files of process numbers.
        true => (
            "/run".to_owned(),
            "mode=1777,size=4M,nodev,nosuid".to_owned(),
        ),
    }];
    if sources.image.is_none() {
        emptied.push(empty("/var"));
    }
    if let Some(modules) = &spec.package.modules {
        emptied.push(empty(paths::APP));
        mounts.push(Bind::new(
            modules,
            Path::new(paths::APP).join("node_modules"),
        ));
    }
    mounts.extend(folders(sources, false));
    if link(spec).is_some_and(|reach| reach != Reach::Nothing) {
        mounts.push(link::names());
    }
    let workdir = match (&spec.program, spec.workdir) {
        // Which atek-sandbox leaves: the image's may be one that it makes. What runs beside it in
        // the host's root cannot enter this one there (`-`), and needs none.
        (Program::Image { .. }, _) => "-/".into(),
        (_, Workdir::Package) => inside.clone(),
        (_, Workdir::State) => paths::state_inside(&spec.key),
    };
    let mut properties = if sources.image.is_some() {
        image::properties(process)
    } else {
        Vec::new()
    };
    // An image's /home and /root are its own.
    let homes = if sources.image.is_some() { "no" } else { "yes" };
    properties.extend([
        ("ExecStartEx", command(argv(process, &inside, sources))),
        ("WorkingDirectory", text(workdir.to_string_lossy())),
        ("DynamicUser", Variant::from(true)),
        // Shared by all services, so that atekd reaches their sockets; no service sees
        // the socket of another.
        ("Group", text(paths::APPS_GROUP)),
        ("UMask", Variant::from(0o007u32)),
        ("StateDirectory", texts(&[&directory])),
        ("StateDirectoryMode", Variant::from(0o700u32)),
        ("RuntimeDirectory", texts(&[&runtime])),
        ("RuntimeDirectoryMode", Variant::from(0o750u32)),
        ("ProtectHome", text(homes)),
        ("LoadCredential", Variant::from(credentials(process))),
        ("TemporaryFileSystem", Variant::from(emptied)),
        ("BindReadOnlyPaths", binds(mounts)),
        ("BindPaths", binds(writable(spec, &accounts, sources))),
    ]);
    properties
}

/// The name of each credential, and the file on the host. A sidecar has no token: the host knows
/// the service, and not who of it asks.
fn credentials(process: &Process<'_>) -> Vec<(String, String)> {
    let folder = paths::credentials(&process.spec.key);
    let credential = |name: &str, file: &str| {
        let file = folder.join(file).to_string_lossy().into_owned();
        (name.to_owned(), file)
    };
    let config = paths::config_file(process.name());
    let mut all = vec![credential(paths::CONFIG_CREDENTIAL, &config)];
    if process.sidecar.is_none() {
        all.push(credential(paths::TOKEN_CREDENTIAL, paths::TOKEN_CREDENTIAL));
    }
    all
}

/// The accounts' folder, for atek-sandbox to fill; folders of other services; and devices at their
/// own paths in the `/dev` of the service, where they are plugged in.
fn writable(spec: &ServiceSpec, accounts: &Path, sources: &Sources) -> Vec<Bind> {
    let devices = spec.devices.iter().map(ToString::to_string);
    [Bind::new(accounts, paths::ACCOUNTS)]
        .into_iter()
        .chain(devices.map(|device| Bind::optional(&device)))
        .chain(folders(sources, true))
        .collect()
}

/// Folders of other services: those to read, or those to change.
fn folders(sources: &Sources, write: bool) -> impl Iterator<Item = Bind> {
    let given = sources.folders.iter().map(|(given, _)| given);
    given
        .filter(move |given| given.write == write)
        .map(|GivenFolder { folder, .. }| {
            let state = paths::state_on_host(&folder.service);
            Bind::new(
                state.join(folder.name.as_str()),
                paths::folder_inside(folder),
            )
        })
}

/// Further groups: those of its devices; and since the database writes what the host writes, it may
/// use what the disk keeps back for the host. It admits only the host to it.
fn groups(spec: &ServiceSpec, sources: &Sources) -> Option<Property> {
    let is_database = spec.core && spec.package.folder == Path::new(paths::DATABASE);
    let reserve = is_database.then_some(paths::RESERVE_GROUP);
    let groups: Vec<&str> = reserve.into_iter().chain(sources.groups.clone()).collect();
    (!groups.is_empty()).then(|| ("SupplementaryGroups", texts(&groups)))
}

/// Devices that the kernel lets the unit open, beside the harmless ones of `DevicePolicy=closed`.
fn allowed_devices(spec: &ServiceSpec) -> Option<Property> {
    let allowed: Vec<(String, String)> = spec
        .devices
        .iter()
        .map(|device| (device.to_string(), "rw".to_owned()))
        .collect();
    (!allowed.is_empty()).then(|| ("DeviceAllow", Variant::from(allowed)))
}

/// How atek-sandbox is called.
fn sandbox_command(sources: &Sources) -> Vec<String> {
    match &sources.image {
        Some(image) => image::sandbox(image),
        None => vec![paths::SANDBOX.to_owned()],
    }
}

/// What the service may reach through a link; `None`: it has none.
pub(super) fn link(spec: &ServiceSpec) -> Option<Reach> {
    match spec.network {
        _ if !spec.has_link() => None,
        Network::None | Network::Hosts => Some(Reach::Nothing),
        Network::Direct { lan: false } => Some(Reach::Internet),
        Network::Direct { lan: true } => Some(Reach::Home),
    }
}

/// What the unit executes: atek-sandbox, and behind `--` the program.
pub(super) fn argv(process: &Process<'_>, inside: &Path, sources: &Sources) -> Vec<String> {
    let spec = process.spec;
    let mut argv = sandbox_command(sources);
    argv.push(spec.key.as_str().to_owned());
    argv.extend(process.name().map(|name| format!("sidecar={name}")));
    if let Program::Image {
        volumes,
        workdir,
        user,
        ..
    } = &spec.program
    {
        argv.push(format!("image={}", volumes.len()));
        argv.extend(user.as_ref().map(|user| format!("user={user}")));
        let state = paths::state_inside(&spec.key);
        argv.push(match spec.workdir {
            Workdir::Package => format!("workdir={workdir}"),
            Workdir::State => format!("workdir={}", state.display()),
        });
    }
    if link(spec).is_some() {
        argv.push("link".to_owned());
    }
    argv.extend(spec.port.map(|port| match port {
        AppPort::Auto => "port=auto".to_owned(),
        AppPort::Fixed(port) => format!("port={port}"),
    }));
    if spec.root {
        argv.push("root".to_owned());
    }
    if process.http_is_taken {
        argv.push("http-taken".to_owned());
    }
    if spec.network == Network::Hosts {
        argv.push("proxy".to_owned());
    }
    argv.extend(spec.devices.iter().map(|device| format!("device={device}")));
    let given = sources.folders.iter().map(|(given, _)| given);
    argv.extend(given.map(|GivenFolder { folder, write }| {
        let access = if *write { "write" } else { "read" };
        format!("folder={access}:{folder}")
    }));
    argv.extend(health_option(spec, inside));
    argv.extend(backup_option(spec, inside));
    argv.extend(mount_options(process, inside, sources));
    let program = program(spec, inside);
    if program.iter().any(|word| word.contains(char::is_control)) {
        argv.push("escaped".to_owned());
        argv.push("--".to_owned());
        argv.extend(program.iter().map(|word| arguments::escape(word)));
    } else {
        argv.push("--".to_owned());
        argv.extend(program);
    }
    argv
}

/// The program with its arguments.
fn program(spec: &ServiceSpec, inside: &Path) -> Vec<String> {
    let in_package = |path: &str| inside.join(path).to_string_lossy().into_owned();
    let mut argv = Vec::new();
    match &spec.program {
        Program::Node { entry, args } => {
            argv.extend(node(spec));
            argv.push(in_package(entry.as_str()));
            argv.extend(args.iter().cloned());
        }
        Program::Image { argv: own, .. } => argv.extend(own.iter().cloned()),
        Program::Native { path, args } => {
            argv.push(in_package(path.as_str()));
            argv.extend(args.iter().cloned());
        }
        Program::Wasm { path, args } => {
            argv.extend(wasm_runner(spec, inside));
            argv.push(in_package(path.as_str()));
            argv.extend(args.iter().cloned());
        }
        Program::Script {
            line,
            name,
            version,
            args,
        } => {
            argv.extend(npm_variables(spec, line, name, version));
            argv.extend(shell(spec, line, args));
        }
    }
    argv
}

/// What runs a Node program. Programs that it starts find its own Node, if it has one, by `PATH`.
fn node(spec: &ServiceSpec) -> Vec<String> {
    let program = spec.package.node_inside();
    let mut argv = Vec::new();
    if let Some(folder) = program.parent().filter(|_| spec.package.own_node) {
        let text = format!(
            "PATH={}:$PATH; export PATH; exec \"$0\" \"$@\"",
            folder.display()
        );
        argv.extend([paths::SHELL.to_owned(), "-c".to_owned(), text]);
    }
    argv.push(program.to_string_lossy().into_owned());
    argv
}

/// What runs a component. Native code is taken from a package that Atek installed alone, where a
/// job has compiled it: in a folder of a person it could be the app's.
fn wasm_runner(spec: &ServiceSpec, inside: &Path) -> Vec<String> {
    let mut argv = vec![paths::WASM.to_owned(), "serve".to_owned()];
    if spec.package.folder.starts_with(paths::PACKAGES) {
        let compiled = inside.join(paths::COMPILED);
        argv.push(format!("--compiled={}", compiled.display()));
    }
    let memory = spec.effective_limits().memory_max;
    argv.extend(memory.map(|bytes| format!("--memory={bytes}")));
    argv.push("--".to_owned());
    argv
}

/// The command of the health check, as JSON in one word.
fn health_option(spec: &ServiceSpec, inside: &Path) -> Option<String> {
    let words = words_inside(spec, inside, &spec.health_command)?;
    let words = serde_json::to_string(&words).ok()?;
    Some(format!("health={words}"))
}

/// The command before a backup with its deadline, as JSON in one word.
fn backup_option(spec: &ServiceSpec, inside: &Path) -> Option<String> {
    let hook = spec.before_backup.as_ref()?;
    let hook = BeforeBackup {
        command: words_inside(spec, inside, &hook.command)?,
        ..hook.clone()
    };
    let words = serde_json::to_string(&hook).ok()?;
    Some(format!("backup={words}"))
}

/// A command as the process finds it. A program with a slash is a file of the package; an image's
/// is one of the image.
fn words_inside(spec: &ServiceSpec, inside: &Path, words: &[String]) -> Option<Vec<String>> {
    let (program, arguments) = words.split_first()?;
    let program = match spec.program {
        Program::Image { .. } => program.clone(),
        _ if !program.contains('/') => program.clone(),
        _ => inside.join(program).to_string_lossy().into_owned(),
    };
    let words = std::iter::once(program).chain(arguments.iter().cloned());
    Some(words.collect())
}

/// The variables that npm sets for scripts and that programs read (npm-scripts(7)).
fn npm_variables(spec: &ServiceSpec, line: &str, name: &str, version: &str) -> Vec<String> {
    let (inside, node) = (spec.package.folder_inside(), spec.package.node_inside());
    let (folder, node) = (inside.to_string_lossy(), node.to_string_lossy());
    let variables = [
        ("INIT_CWD", folder.clone()),
        ("NODE", node.clone()),
        ("npm_node_execpath", node),
        ("npm_lifecycle_event", "start".into()),
        ("npm_lifecycle_script", line.into()),
        ("npm_package_json", format!("{folder}/package.json").into()),
        ("npm_package_name", name.into()),
        ("npm_package_version", version.into()),
    ];
    let variables = variables
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"));
    [paths::ENV.to_owned()]
        .into_iter()
        .chain(variables)
        .collect()
}

/// The shell that runs a script; as with npm, arguments are appended to its text.
fn shell(spec: &ServiceSpec, line: &str, args: &[String]) -> Vec<String> {
    let own = spec.package.folder_inside().join("node_modules/.bin");
    let parents = Path::new(paths::APP).join("node_modules/.bin");
    let mut path = own.to_string_lossy().into_owned();
    if own != parents {
        path = format!("{path}:{}", parents.display());
    }
    if let Some(folder) = spec
        .package
        .node_inside()
        .parent()
        .filter(|_| spec.package.own_node)
    {
        path = format!("{path}:{}", folder.display());
    }
    let rest = if args.is_empty() { "" } else { " \"$@\"" };
    let text = format!("PATH={path}:$PATH; export PATH; {line}{rest}");
    let mut argv = [paths::SHELL, "-c", &text, "sh"]
        .map(str::to_owned)
        .to_vec();
    argv.extend(args.iter().cloned());
    argv
}

/// What must be mounted where.
fn mount_options(process: &Process<'_>, inside: &Path, sources: &Sources) -> Vec<String> {
    let spec = process.spec;
    let mut options = match process.sidecar {
        None => vec![
            mounted(Path::new(paths::ATTACH_DIR), sources.attach),
            mounted(Path::new(paths::HOST_DIRS), sources.host),
        ],
        Some(_) => Vec::new(),
    };
    options.push(match sources.image {
        Some(_) => mounted(Path::new("/"), sources.package),
        None => mounted(inside, sources.package),
    });
    let modules = Path::new(paths::APP).join("node_modules");
    options.extend(sources.modules.map(|checked| mounted(&modules, checked)));
    let folders = sources.folders.iter();
    options.extend(
        folders.map(|(given, checked)| mounted(&paths::folder_inside(&given.folder), *checked)),
    );
    debug_assert_eq!(spec.package.modules.is_some(), sources.modules.is_some());
    options
}

fn walls(spec: &ServiceSpec) -> Vec<Property> {
    let mut properties = vec![
        ("PrivateNetwork", Variant::from(true)),
        // A user namespace of its own, too: what is left of the kernel's surface for
        // users of a namespace is then that of a user without rights in any.
        ("PrivateUsers", Variant::from(true)),
    ];
    if let Some(reach) = link(spec) {
        let spoken_to = spec.mdns || !spec.listen.is_empty();
        properties.extend(link::wall(reach, &spec.home, spoken_to));
    }
    properties
}

fn limits(spec: &ServiceSpec) -> Vec<Property> {
    let limits = spec.effective_limits();
    let mut properties: Vec<Property> = vec![
        // Node cannot raise the soft limit itself: setrlimit is not among its system calls.
        ("LimitNOFILE", Variant::from(8_192u64)),
        ("LimitNOFILESoft", Variant::from(8_192u64)),
        ("LimitMEMLOCK", Variant::from(64u64 * 1024)),
        // Half an app is worth nothing: it ends as a whole, and says `oom-kill`.
        ("OOMPolicy", text("stop")),
        // When the whole machine is out of memory, apps end first. The core services are bounded
        // (MemoryMax) and end after all else, as atekd does.
        (
            "OOMScoreAdjust",
            Variant::from(if spec.core { -800i32 } else { 300i32 }),
        ),
    ];
    properties.extend(shares(&limits));
    properties
}

/// What a unit or a slice may have of the machine.
pub(super) fn shares(limits: &spec::Limits) -> Vec<Property> {
    let set = [
        // No MemoryHigh: without swap it slows a service down for ever instead of ending it.
        ("MemoryMax", limits.memory_max),
        ("TasksMax", limits.tasks_max),
        ("CPUWeight", limits.cpu_weight),
        // Microseconds of CPU in a second: 10,000 for each percent.
        (
            "CPUQuotaPerSecUSec",
            limits.cpu_quota.map(|percent| percent * 10_000),
        ),
    ];
    set.into_iter()
        .filter_map(|(name, value)| Some((name, Variant::from(value?))))
        .collect()
}
