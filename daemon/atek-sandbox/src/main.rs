//! Confines itself, then becomes the service.
//!
//! Usage: `atek-sandbox KEY [OPTION]... -- PROGRAM [ARG]...`;
//! `atek-sandbox ready KEY SIDECAR [OPTION]...` ([`ready`]);
//! `atek-sandbox fetch|build [OPTION]... -- PROGRAM [ARG]...` ([`job`]).
//!
//! Runs inside the service's unit, as its user; systemd has already applied user,
//! mounts, namespaces, limits and a system call filter (see atek-spawnd's
//! `properties`). What only a process inside can do is done here, in this order:
//!
//! 1. check that the unit is what atek-spawnd asked for ([`surroundings`]);
//! 2. wait until its network namespace is ready ([`network`]), say which user it has
//!    ([`accounts`]), read the token and the configuration that systemd put in
//!    `$CREDENTIALS_DIRECTORY`;
//! 3. listen on the loopback of its network namespace, and hand the listeners to atekd, for a
//!    program with a TCP port with a channel by which atekd gets sockets to connect there;
//!    for an image, make the folders that keep its data ([`volumes`]);
//!    for an image that is to be shown that it is root, a user namespace of one user ([`root`]);
//! 4. Landlock: files by name ([`landlock`]);
//! 5. seccomp: no namespaces, no privileged calls, only ordinary sockets ([`seccomp`]);
//! 6. execute the program with exactly the environment of [`environment`]; of a program with a TCP
//!    port, with a command for its health check or its backups or of an image, remain as its parent
//!    ([`companion`]), give atekd those sockets ([`socket_source`]), run that command ([`health`])
//!    and pass on what it prints.
//!
//! A sidecar of a service has no token, and gives the host nothing: steps 2 and 3 are left out but
//! for its configuration and its data.
//!
//! Any doubt is an error: a service that cannot be confined is not started.

mod accounts;
mod args;
mod companion;
mod credentials;
mod environment;
mod handoff;
mod health;
mod job;
mod landlock;
mod listeners;
mod network;
mod ready;
mod root;
mod rules;
mod seccomp;
mod socket_source;
mod surroundings;
mod volumes;

use anyhow::Context as _;
use args::Args;
use atek_api::spec::AppPort;
use atek_api::spec::HEALTH_COMMAND_TIMEOUT;
use atek_api::spec::paths::{backup_socket, process_health_socket, process_state};
use health::HealthCheck;
use seccomp::Netlink;
use socket_source::SocketSource;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        // The journal reads the `<3>` as "this is an error".
        eprintln!("<3>cannot start the service: {error:#}");
        ExitCode::FAILURE
    })
}

fn run() -> anyhow::Result<ExitCode> {
    let mut words = std::env::args_os().skip(1).peekable();
    if words.next_if(|word| word == ready::WORD).is_some() {
        ready::run(words)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(kind) = words.peek().and_then(|word| job::Kind::of_word(word)) {
        words.next();
        return Err(job::run(kind, words));
    }
    let args = args::parse(words)?;
    close_inherited_descriptors()?;
    surroundings::require_mounts(&args.mounts)?;
    let state = process_state(&args.key, args.sidecar.as_ref());
    if args.sidecar.is_some() {
        make_state(&state)?;
    }
    if let Some(count) = args.image {
        volumes::make(count)?;
    }
    // What is shown that it is root looks up the users of its image.
    if !args.root {
        accounts::write(args.user.as_deref(), &state)?;
    }
    network::wait()?;
    surroundings::require_network(args.link)?;
    let (source, environment) = match &args.sidecar {
        None => meet_host(&args)?,
        Some(name) => {
            let config = credentials::read_config()?;
            let proxy = args.proxy.then(|| listeners::preferred(args.http_is_taken));
            let environment = environment::of_sidecar(&args.key, name, proxy, config);
            (None, environment)
        }
    };
    if args.root {
        root::enter()?;
    }
    let cgroup = rules::own_cgroup()?;
    let process = (&args.key, args.sidecar.as_ref());
    let mut policy = match args.image {
        Some(_) => rules::image_policy(process, &cgroup)?,
        None => rules::policy(process, &cgroup),
    };
    if args.root {
        policy.give_run();
    }
    policy.give(&args.devices);
    policy.give_folders(&args.folders);
    landlock::confine(&policy).context("cannot restrict the files")?;
    seccomp::confine(Netlink::Routes).context("cannot restrict the system calls")?;
    if args.root {
        seccomp::pretend().context("cannot restrict the system calls")?;
    }

    execute(&args, environment, source)
}

type Environment = BTreeMap<String, OsString>;

/// Hands the host what the service and it reach each other by.
fn meet_host(args: &Args) -> anyhow::Result<(Option<SocketSource>, Environment)> {
    let credentials = credentials::read()?;
    let listeners = listeners::open(listeners::preferred(args.http_is_taken))?;
    let host_port = listeners.port;
    let port = args.port.map(free_port).transpose()?;
    let (source, channel) = port.map(SocketSource::new).transpose()?.unzip();
    handoff::hand_over(listeners, channel, args, &credentials.token)?;
    let inputs = environment::Inputs {
        key: &args.key,
        host_port,
        proxy: args.proxy,
        token: &credentials.token,
        port,
    };
    Ok((source, environment::build(&inputs, credentials.config)))
}

/// Makes the folder of a sidecar's data in the state of its service.
fn make_state(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// Becomes the program, or runs it beside what the host asks for.
fn execute(
    args: &Args,
    environment: Environment,
    source: Option<SocketSource>,
) -> anyhow::Result<ExitCode> {
    let mut command = Command::new(&args.program);
    if let Some(folder) = &args.workdir {
        command.current_dir(folder);
    }
    let asked = |socket: &Path, words: &[String], patience| {
        let words = words.to_vec();
        let (environment, folder) = (environment.clone(), args.workdir.clone());
        HealthCheck::open(socket, words, environment, folder, patience)
    };
    let sidecar = args.sidecar.as_ref();
    let health = args.health.as_ref().map(|words| {
        let socket = process_health_socket(&args.key, sidecar);
        asked(&socket, words, HEALTH_COMMAND_TIMEOUT)
    });
    let backup = args.before_backup.as_ref().map(|hook| {
        let socket = backup_socket(&args.key, sidecar);
        asked(&socket, &hook.command, hook.deadline())
    });
    let (health, backup) = (health.transpose()?, backup.transpose()?);
    command.args(&args.arguments).env_clear().envs(environment);
    let is_image = args.image.is_some();
    if source.is_some() || health.is_some() || backup.is_some() || is_image {
        return companion::run(command, source, [health, backup], is_image);
    }
    // Only returns on failure.
    Err(command.exec()).with_context(|| format!("cannot execute {}", args.program.display()))
}

/// The port that the program is told; of `auto`, one that no listener has.
fn free_port(port: AppPort) -> anyhow::Result<u16> {
    match port {
        AppPort::Fixed(port) => Ok(port),
        AppPort::Auto => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map(|address| address.port())
            .context("cannot find a free port"),
    }
}

/// Marks everything but standard input, output and error to be closed by `exec`.
fn close_inherited_descriptors() -> anyhow::Result<()> {
    // SAFETY: the call takes three numbers and touches no memory of ours. Marking a
    // descriptor does not close it, so no owner of one is surprised.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error()).context("cannot mark inherited descriptors")
    }
}
