//! The process behind one machine: `atek-machine keep`.
//!
//! ```text
//!  test process ──stdin: the spec; its end = cut the power──▶ supervisor ──▶ PID 1: init, systemd
//!               ◀──stdout: events──                               │   ◀──notify socket: READY=1──
//!                                              slot lock, state folder, cgroup, veth, NAT table
//! ```
//!
//! The supervisor is a session of its own, so that a signal to the test's process group does not
//! reach it. It outlives the test by as long as it takes to remove what the machine had. Should the
//! supervisor itself be killed, PID 1 dies with it, and the next machine sweeps the folder and the
//! cgroup (see [`slot`]).

pub mod protocol;

mod cgroup;
mod init;
mod network;
mod registry;
mod root;
mod slot;

use crate::command::last_lines;
use anyhow::{Context as _, bail};
use cgroup::Cgroup;
use network::{Nat, Network};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, setsid};
use protocol::{Event, Spec};
use slot::Slot;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};

pub use init::init;

/// What the supervisor waits for.
enum Happened {
    TestGone,
    Booted,
    Ended(std::io::Result<ExitStatus>),
}

/// What PID 1 is told.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Boot {
    spec: Spec,
    network: Network,
    /// An empty folder for the machine's tmpfs.
    scratch: PathBuf,
    /// The socket on which systemd says that it is up.
    notify: PathBuf,
}

/// What a machine has outside its namespaces.
struct Holdings {
    slot: Slot,
    cgroup: Cgroup,
    network: Network,
    _nat: Option<Nat>,
}

/// Keeps one machine until it ends or standard input does.
///
/// # Errors
///
/// When the machine cannot be started, or ends on its own other than by powering off. The same is
/// told as an [`Event::Failed`].
pub fn keep() -> anyhow::Result<()> {
    let mut input = BufReader::new(std::io::stdin());
    let mut line = String::new();
    input.read_line(&mut line).context("cannot read the spec")?;
    let outcome = serde_json::from_str(&line)
        .context("cannot parse the spec")
        .and_then(|spec| run(spec, input));
    say(&match &outcome {
        Ok(restarts) => Event::Ended {
            restarts: *restarts,
        },
        Err(error) => Event::Failed {
            message: format!("{error:#}"),
        },
    });
    outcome.map(drop)
}

/// Keeps the machine to its end, and returns whether it is to start again.
fn run(spec: Spec, input: BufReader<std::io::Stdin>) -> anyhow::Result<bool> {
    // Fails only when this process leads a session already: then it is apart as it should be.
    let _ = setsid();
    unshare(CloneFlags::CLONE_NEWNS)
        .context("cannot make namespaces (the test machine needs root)")?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("cannot make / private")?;

    let console = spec.console.clone();
    let log =
        File::create(&console).with_context(|| format!("cannot make {}", console.display()))?;
    let holdings = Holdings::take(spec.internet, spec.registry.is_some())?;
    let notify = holdings.slot.dir().join("notify");
    let notified =
        UnixDatagram::bind(&notify).with_context(|| format!("cannot bind {}", notify.display()))?;
    let scratch = holdings.slot.make_dir("scratch")?;
    let boot = Boot {
        spec,
        network: holdings.network.clone(),
        scratch,
        notify,
    };

    let (send, happened) = mpsc::channel();
    watch_the_test(input, send.clone());
    watch_the_boot(notified, send.clone());
    let outcome = live(&boot, log, &holdings.cgroup, send, &happened);
    holdings.give_back()?;
    outcome.with_context(|| {
        let log = fs::read_to_string(&console).unwrap_or_default();
        format!(
            "the machine did not live; its console ({}) ends with: {}",
            console.display(),
            last_lines(&log, 15)
        )
    })
}

impl Holdings {
    fn take(internet: bool, registry: bool) -> anyhow::Result<Self> {
        let slot = Slot::lease()?;
        let cgroup = Cgroup::create(&slot.make_dir("cgroup")?, slot.name())?;
        let network = Network::of(slot.number());
        let nat = (internet || registry)
            .then(|| network.translate(internet, registry))
            .transpose()?;
        Ok(Self {
            slot,
            cgroup,
            network,
            _nat: nat,
        })
    }

    fn give_back(self) -> anyhow::Result<()> {
        self.cgroup.destroy()?;
        self.slot.release()
    }
}

/// From the first process to the last.
fn live(
    boot: &Boot,
    log: File,
    cgroup: &Cgroup,
    send: Sender<Happened>,
    happened: &Receiver<Happened>,
) -> anyhow::Result<bool> {
    let (pid, stdin, stdout) = first_process(log, send)?;
    if let Err(error) = hand_over(boot, pid, stdin, stdout, cgroup) {
        // If it ended by itself there is nothing left to kill, and its console says more than this
        // error.
        let _ = kill(pid, Signal::SIGKILL);
        return Err(error);
    }
    // At the outer end of the link, which is there now. It ends with this function.
    let registry = boot.spec.registry.as_ref();
    let _registry = registry
        .map(|registry| registry::Server::start(registry, boot.network.host))
        .transpose()?;
    say(&Event::Started {
        pid: pid.as_raw(),
        address: boot.network.machine,
        gateway: boot.network.host,
    });
    loop {
        match happened
            .recv()
            .context("the task that watches the machine has ended")?
        {
            Happened::Booted => say(&Event::Booted),
            Happened::TestGone => kill(pid, Signal::SIGKILL).context("cannot kill the machine")?,
            Happened::Ended(status) => {
                return judge(status.context("cannot wait for the machine")?);
            }
        }
    }
}

/// Returns whether the machine is to start again. One that powers off or is killed ends by a
/// signal; one that exits could not start systemd.
fn judge(status: ExitStatus) -> anyhow::Result<bool> {
    match status.code() {
        // reboot(2), `RB_AUTOBOOT` in a PID namespace.
        None => Ok(status.signal() == Some(Signal::SIGHUP as i32)),
        Some(0) => Ok(false),
        Some(code) => bail!("the machine's first process exited with {code}"),
    }
}

/// Makes the process that becomes PID 1 of the machine. It waits for [`hand_over`].
fn first_process(
    log: File,
    send: Sender<Happened>,
) -> anyhow::Result<(Pid, ChildStdin, ChildStdout)> {
    let own = std::env::current_exe().context("cannot find this program's file")?;
    let (started, first) = mpsc::channel();
    // The next process that a thread makes after this `unshare` is PID 1 of a new namespace, and
    // PID 1 asks the kernel to be killed when the *thread* that made it ends. So this thread
    // stays until PID 1 is gone.
    std::thread::spawn(move || {
        let spawned = unshare(CloneFlags::CLONE_NEWPID)
            .context("cannot make a PID namespace")
            .and_then(|()| {
                let mut command = Command::new(own);
                command
                    .arg("init")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(log);
                command
                    .spawn()
                    .context("cannot start the machine's first process")
            });
        let ended = spawned.map(|mut child| {
            let pid = Pid::from_raw(child.id().cast_signed());
            let _ = started.send(Ok((pid, child.stdin.take(), child.stdout.take())));
            child.wait()
        });
        match ended {
            Ok(status) => drop(send.send(Happened::Ended(status))),
            Err(error) => drop(started.send(Err(error))),
        }
    });
    match first
        .recv()
        .context("the thread that makes the first process is gone")??
    {
        (pid, Some(stdin), Some(stdout)) => Ok((pid, stdin, stdout)),
        _ => bail!("the first process has no pipes"),
    }
}

/// The conversation with [`fn@init`]: it is told everything, makes its namespaces, is connected,
/// and goes on.
fn hand_over(
    boot: &Boot,
    pid: Pid,
    mut stdin: ChildStdin,
    stdout: ChildStdout,
    cgroup: &Cgroup,
) -> anyhow::Result<()> {
    cgroup.add(pid)?;
    let told = serde_json::to_string(boot).context("cannot write the spec down")?;
    writeln!(stdin, "{told}").context("cannot hand over the spec")?;
    let mut answer = String::new();
    BufReader::new(stdout)
        .read_line(&mut answer)
        .context("cannot read the first process's answer")?;
    if answer.trim() != init::UNSHARED {
        bail!("the first process ended before it had its namespaces");
    }
    boot.network.connect(pid)?;
    writeln!(stdin, "{}", init::GO).context("cannot let the first process go on")
}

/// The end of standard input is the end of the test, or its wish to cut the power.
fn watch_the_test(mut input: BufReader<std::io::Stdin>, send: Sender<Happened>) {
    std::thread::spawn(move || {
        let _ = input.read_to_end(&mut Vec::new());
        send.send(Happened::TestGone)
    });
}

/// systemd sends `READY=1` when its first transaction is done.
fn watch_the_boot(socket: UnixDatagram, send: Sender<Happened>) {
    std::thread::spawn(move || {
        let mut message = [0; 4096];
        while let Ok(length) = socket.recv(&mut message) {
            if message[..length]
                .split(|byte| *byte == b'\n')
                .any(|line| line == b"READY=1")
            {
                return send.send(Happened::Booted).is_ok();
            }
        }
        false
    });
}

/// Tells the test process. It may be gone; then the message has no use.
fn say(event: &Event) {
    if let Ok(line) = serde_json::to_string(event) {
        let mut stdout = std::io::stdout();
        let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    }
}
