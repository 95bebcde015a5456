//! The first process of a machine, `atek-machine init`: it makes the namespaces and the root, then
//! becomes systemd.

use super::{Boot, root};
use anyhow::{Context as _, bail};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::{BufRead as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// What this process says when the supervisor may connect it.
pub(super) const UNSHARED: &str = "unshared";

/// What the supervisor says when it has.
pub(super) const GO: &str = "go";

/// Becomes systemd. Only returns on failure; standard error is the machine's console.
///
/// # Errors
///
/// When a namespace, a mount or the network cannot be had.
pub fn init() -> anyhow::Result<()> {
    // Survives `exec`. A supervisor that is gone already is noticed by the end of standard input
    // below.
    prctl::set_pdeathsig(Signal::SIGKILL).context("cannot ask to die with the supervisor")?;
    let mut input = std::io::stdin().lock().lines();
    let mut hear = || {
        input
            .next()
            .transpose()
            .context("cannot hear the supervisor")?
            .context("the supervisor is gone")
    };
    let boot: Boot =
        serde_json::from_str(&hear()?).context("cannot parse the supervisor's words")?;

    // After the supervisor has moved this process into the machine's cgroup: that one becomes the
    // root.
    let namespaces = CloneFlags::CLONE_NEWCGROUP
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS;
    unshare(namespaces).context("cannot make the machine's namespaces")?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{UNSHARED}")
        .and_then(|()| stdout.flush())
        .context("cannot answer the supervisor")?;
    if hear()? != GO {
        bail!("the supervisor said something else than {GO}");
    }
    boot.network.configure()?;
    let console = File::options()
        .append(true)
        .open(&boot.spec.console)
        .context("cannot open the console log")?;
    root::assemble(&boot)?;
    root::enter(&boot.scratch)?;

    let error = Command::new("/lib/systemd/systemd")
        .args(["--system", "--show-status=yes"])
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
        .env("LANG", "C.UTF-8")
        // Any value: systemd must know that there is no hardware to set up.
        .env("container", "atek-test")
        .env("NOTIFY_SOCKET", root::NOTIFY)
        .stdin(Stdio::null())
        .stdout(console.try_clone().context("cannot copy the console log")?)
        .stderr(console)
        .exec();
    Err(error).context("cannot start systemd")
}
