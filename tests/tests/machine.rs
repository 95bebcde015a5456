//! The harness itself: machines boot, do not disturb each other, leave nothing, and keep what they
//! should.

use anyhow::{Context as _, ensure};
use atek_tests::{Machine, Seen, wait_for};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};
use tokio::io::AsyncReadExt as _;

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_machine_boots_to_running_without_a_failed_unit() -> anyhow::Result<()> {
    let machine = Machine::boot("boots").await?;
    println!("booted in {:?}", machine.boot_time());
    assert_eq!(
        machine
            .exec(["systemctl", "is-system-running"])
            .await?
            .trim(),
        "running"
    );
    assert_eq!(
        machine
            .exec(["systemctl", "--failed", "--no-legend"])
            .await?,
        ""
    );
    assert_eq!(machine.read("/proc/1/comm").await?.trim(), "systemd");
    assert_eq!(machine.exec(["hostname"]).await?.trim(), "boots");
    Ok(())
}

#[tokio::test]
async fn two_machines_at_once_have_networks_and_units_of_their_own() -> anyhow::Result<()> {
    let (one, two) = tokio::try_join!(Machine::boot("one-of-two"), Machine::boot("two-of-two"))?;
    println!("booted in {:?} and {:?}", one.boot_time(), two.boot_time());
    assert_ne!(one.address()?, two.address()?);
    for machine in [&one, &two] {
        serve_its_name(machine).await?;
    }
    for machine in [&one, &two] {
        assert_eq!(machine.http().get("/").await?.text(), machine.name());
    }
    one.exec(["systemctl", "stop", "names.service"]).await?;
    assert!(one.http().get("/").await.is_err());
    assert_eq!(two.http().get("/").await?.text(), "two-of-two");
    Ok(())
}

/// Starts a web server on port 80 that answers with the machine's name.
async fn serve_its_name(machine: &Machine) -> anyhow::Result<()> {
    let program = "require('http').createServer((_, answer) => answer.end(require('os').hostname())).listen(80)";
    machine
        .exec(["systemd-run", "--unit=names", "node", "-e", program])
        .await?;
    wait_for("the web server", SOON, async || {
        Ok(Seen::Wanted(machine.http().get("/").await?))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn the_machine_reaches_a_server_of_the_test() -> anyhow::Result<()> {
    let machine = Machine::boot("reaches-test").await?;
    let listener = tokio::net::TcpListener::bind((machine.gateway()?, 0)).await?;
    let address = listener.local_addr()?;
    let program = format!(
        "require('net').connect({}, '{}').end('hello')",
        address.port(),
        address.ip()
    );
    let hear = async {
        let mut heard = String::new();
        listener
            .accept()
            .await?
            .0
            .read_to_string(&mut heard)
            .await?;
        anyhow::Ok(heard)
    };
    let (heard, _) = tokio::try_join!(hear, machine.exec(["node", "-e", &program]))?;
    assert_eq!(heard, "hello");
    Ok(())
}

#[tokio::test]
async fn a_machine_with_internet_installs_a_package_from_the_registry() -> anyhow::Result<()> {
    let machine = Machine::builder("internet").internet(true).boot().await?;
    machine
        .shell("mkdir /root/p && cd /root/p && npm install --no-audit --no-fund ms@2.1.3")
        .await?;
    let program = "console.log(require('/root/p/node_modules/ms')('2 days'))";
    assert_eq!(
        machine.exec(["node", "-e", program]).await?.trim(),
        "172800000"
    );
    Ok(())
}

#[tokio::test]
async fn files_and_commands_go_in_and_come_out_unchanged() -> anyhow::Result<()> {
    let machine = Machine::builder("files")
        .file("/etc/atek/x.json", "{}", 0o600)
        .boot()
        .await?;
    assert_eq!(
        machine
            .exec(["stat", "-c", "%a %U %s", "/etc/atek/x.json"])
            .await?
            .trim(),
        "600 root 2"
    );

    let odd = "a line\n$HOME 'quoted' \\ \u{fc}\n";
    machine.write("/var/lib/new/folder/file", odd).await?;
    assert_eq!(machine.read("/var/lib/new/folder/file").await?, odd);

    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("app"))?;
    fs::write(folder.path().join("app/.hidden"), "here")?;
    machine
        .copy_in(&folder.path().join("app"), "/srv/renamed")
        .await?;
    assert_eq!(machine.read("/srv/renamed/.hidden").await?, "here");

    let error = machine
        .exec(["sh", "-c", "echo out; echo sorry >&2; exit 7"])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("exit status: 7") && error.contains("sorry") && error.contains("on files"),
        "{error}"
    );
    assert_eq!(machine.try_exec(["false"]).await?.status.code(), Some(1));
    let late = machine
        .exec_within(Duration::from_millis(100), ["sleep", "60"], b"")
        .await
        .unwrap_err();
    assert!(
        late.to_string().contains("took more than 100ms"),
        "{late:#}"
    );
    Ok(())
}

#[tokio::test]
async fn a_confined_transient_unit_has_its_state_its_credential_and_nothing_of_the_host()
-> anyhow::Result<()> {
    let machine = Machine::boot("transient").await?;
    machine.write("/run/secret", "s3cret").await?;
    let look = "cat $CREDENTIALS_DIRECTORY/token; touch $STATE_DIRECTORY/mine && echo \" $STATE_DIRECTORY\"; \
                ls /run/dbus /run/secret 2>/dev/null || true; cat /proc/net/dev | grep -c eth0 || true";
    let seen = machine
        .exec([
            "systemd-run",
            "--pipe",
            "--wait",
            "--quiet",
            "-pDynamicUser=yes",
            "-pStateDirectory=atek-app-x",
            "-pPrivateNetwork=yes",
            "-pTemporaryFileSystem=/run:ro",
            "-pLoadCredential=token:/run/secret",
            "-pRestrictNamespaces=yes",
            "-pSystemCallFilter=@system-service",
            "-pProtectProc=invisible",
            "-pPrivateUsers=yes",
            "sh",
            "-euc",
            look,
        ])
        .await?;
    assert_eq!(seen, "s3cret /var/lib/atek-app-x\n0\n");
    assert!(
        machine
            .exec(["ls", "/var/lib/private/atek-app-x"])
            .await?
            .contains("mine")
    );
    Ok(())
}

#[tokio::test]
async fn a_second_boot_sees_the_data_of_the_first_after_a_power_cut() -> anyhow::Result<()> {
    let mut machine = Machine::builder("second-boot").persistent().boot().await?;
    machine.write("/var/lib/kept", "kept").await?;
    machine.write("/etc/not-kept", "").await?;
    machine
        .exec(["logger", "--tag", "first-boot", "before the cut"])
        .await?;
    machine.exec(["journalctl", "--sync"]).await?;
    let first = (machine.pid()?, machine.read("/etc/machine-id").await?);
    machine.reboot().await?;
    println!("booted again in {:?}", machine.boot_time());
    assert_ne!(machine.pid()?, first.0);
    assert_eq!(machine.read("/etc/machine-id").await?, first.1);
    assert_eq!(machine.read("/var/lib/kept").await?, "kept");
    assert!(
        !machine
            .try_exec(["test", "-e", "/etc/not-kept"])
            .await?
            .status
            .success()
    );
    let before = machine
        .exec([
            "journalctl",
            "--boot=-1",
            "--identifier=first-boot",
            "--output=cat",
        ])
        .await?;
    assert_eq!(before.trim(), "before the cut");
    Ok(())
}

#[tokio::test]
async fn a_machine_in_memory_refuses_a_reboot_that_would_lose_everything() -> anyhow::Result<()> {
    let mut machine = Machine::boot("in-memory").await?;
    let error = machine.reboot().await.unwrap_err();
    assert!(error.to_string().contains("persistent()"), "{error:#}");
    Ok(())
}

#[tokio::test]
async fn powering_off_lets_units_stop_in_order_and_cutting_the_power_does_not() -> anyhow::Result<()>
{
    let mut machine = Machine::builder("power").persistent().boot().await?;
    for (cut, stopped) in [(true, false), (false, true)] {
        let at_stop = "-pExecStop=/bin/touch /var/lib/stopped";
        machine
            .exec([
                "systemd-run",
                "--unit=careful",
                at_stop,
                "sleep",
                "infinity",
            ])
            .await?;
        if cut {
            machine.cut_power().await?
        } else {
            machine.power_off().await?
        }
        machine.power_on().await?;
        let seen = machine
            .try_exec(["test", "-e", "/var/lib/stopped"])
            .await?
            .status
            .success();
        assert_eq!(
            seen,
            stopped,
            "after {}",
            if cut { "a power cut" } else { "powering off" }
        );
    }
    Ok(())
}

/// A machine held by another process, which the test may kill.
struct Held {
    holder: Child,
    pid: u32,
    supervisor: u32,
    slot: String,
    traces: Vec<Trace>,
}

/// Something of a machine's outside of it. Its slot is anybody's as soon as it is free, this
/// checkout's or another's, with the same names: so each is known by what the kernel gives out only
/// once.
#[derive(Debug, Clone, PartialEq)]
enum Trace {
    /// One in a namespace of its, by number and start. Namespaces' own numbers come back at once.
    Process(u32, u64),
    /// In the outer machine's own namespace, where none belongs.
    Mount(String),
    Supervisor(u64),
    Cgroup(Inode),
    Link(u32),
    Folder(Inode),
    NatTable(u64),
}

/// Which file: a number may come back, not with the same birth.
type Inode = (u64, Option<SystemTime>);

fn inode(path: &Path) -> Option<Inode> {
    let file = fs::metadata(path).ok()?;
    Some((file.ino(), file.created().ok()))
}

/// The handle of a table of this machine's firewall, if it is there.
///
/// As text: the JSON of nft 1.0.6 ends in a table that belongs to a process (`flags owner`), and is
/// at times nothing but a line feed.
fn table_handle(name: &str) -> anyhow::Result<Option<u64>> {
    let output = Command::new("nft")
        .args(["--handle", "list", "table", "ip", name])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        ensure!(said.contains("No such file or directory"), "nft: {said}");
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let words = text.lines().next().unwrap_or_default().split_whitespace();
    let handle = words.skip_while(|word| *word != "handle").nth(1);
    let handle = handle.with_context(|| format!("no handle: {text}"))?;
    Ok(Some(handle.parse()?))
}

impl Held {
    fn boot(name: &str) -> anyhow::Result<Self> {
        let mut holder = Command::new(env!("CARGO_BIN_EXE_atek-machine"))
            .args(["boot", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take().context("no pipe")?).read_line(&mut line)?;
        let [pid, supervisor, gateway] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            anyhow::bail!("the machine did not boot: {line:?}");
        };
        let slot = gateway
            .split('.')
            .nth(2)
            .context("not an address")?
            .to_owned();
        let mut held = Self {
            holder,
            pid: pid.parse()?,
            supervisor: supervisor.parse()?,
            slot,
            traces: Vec::new(),
        };
        held.traces = held.look()?;
        held.traces.extend(processes_with(held.pid)?);
        Ok(held)
    }

    /// What exists in the machine's places now.
    fn look(&self) -> anyhow::Result<Vec<Trace>> {
        let name = format!("atek-machine-{}", self.slot);
        let link = format!("atek-{}", self.slot);
        let mut traces: Vec<Trace> = Vec::new();
        traces.extend(started_at(self.supervisor).map(Trace::Supervisor));
        traces.extend(cgroup(&name)?.map(Trace::Cgroup));
        let index = fs::read_to_string(format!("/sys/class/net/{link}/ifindex"));
        traces.extend(
            index
                .ok()
                .and_then(|index| index.trim().parse().ok())
                .map(Trace::Link),
        );
        let folder = Path::new("/run/atek-machines").join(&self.slot);
        traces.extend(inode(&folder).map(Trace::Folder));
        traces.extend(table_handle(&link)?.map(Trace::NatTable));
        Ok(traces)
    }

    /// What is left of the machine that was booted.
    fn left(&self) -> anyhow::Result<Vec<Trace>> {
        let now = self.look()?;
        let is_left = |trace: &Trace| match trace {
            Trace::Process(pid, start) => started_at(*pid) == Some(*start),
            other => now.contains(other),
        };
        let mut left: Vec<Trace> = self.traces.iter().filter(|t| is_left(t)).cloned().collect();
        let place = format!("/run/atek-machines/{}/", self.slot);
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        left.extend(
            mounts
                .lines()
                .filter(|line| line.contains(&place))
                .map(|line| Trace::Mount(line.to_owned())),
        );
        Ok(left)
    }
}

/// All processes that share a namespace with this one: by their numbers, their mounts or their
/// cgroups.
fn processes_with(pid: u32) -> anyhow::Result<Vec<Trace>> {
    let namespaces = |pid: u32| {
        ["pid", "mnt", "cgroup"].map(|kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok())
    };
    let own = namespaces(pid);
    let shares = |pid: &u32| {
        let mut pairs = namespaces(*pid).into_iter().zip(&own);
        pairs.any(|(one, own)| one.is_some() && one == *own)
    };
    let numbers =
        fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(numbers
        .filter(shares)
        .filter_map(|pid| Some(Trace::Process(pid, started_at(pid)?)))
        .collect())
}

/// When a process started, in the kernel's ticks: its number may become another's.
fn started_at(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    // A zombie is no supervisor any more.
    if after_name.starts_with(['Z', 'X']) {
        return None;
    }
    after_name.split(' ').nth(19)?.parse().ok()
}

/// A cgroup, looked at in a mount of the hierarchy that vanishes with the looking process.
fn cgroup(name: &str) -> anyhow::Result<Option<Inode>> {
    let script = "mount -t cgroup2 none /mnt && { stat -c %i /mnt/$0 2>/dev/null || :; }";
    let looked = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, name])
        .output()?;
    anyhow::ensure!(looked.status.success(), "cannot look at the cgroups");
    let number = String::from_utf8(looked.stdout)?.trim().parse();
    // The kernel does not give a cgroup's number out again.
    Ok(number.ok().map(|number| (number, None)))
}

#[tokio::test]
async fn nothing_is_left_of_a_machine_whose_test_was_killed() -> anyhow::Result<()> {
    let mut held = Held::boot("orphan")?;
    let alive = held.left()?;
    for trace in [
        "Process",
        "Supervisor",
        "Cgroup",
        "Link",
        "Folder",
        "NatTable",
    ] {
        assert!(
            alive
                .iter()
                .any(|seen| format!("{seen:?}").starts_with(trace)),
            "no {trace} of a live machine in {alive:?}"
        );
    }
    held.holder.kill()?;
    held.holder.wait()?;
    wait_for("the machine to vanish", SOON, async || {
        Ok(Seen::if_so(held.left()?, Vec::is_empty))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn what_a_killed_keeper_leaves_is_swept_by_the_next_machine() -> anyhow::Result<()> {
    let mut held = Held::boot("no-supervisor")?;
    let kill = format!("kill -9 {} {}", held.supervisor, held.holder.id());
    assert!(Command::new("sh").args(["-c", &kill]).status()?.success());
    held.holder.wait()?;
    // Its processes, mounts, link and NAT go with it. Folder and cgroup stay.
    wait_for("the processes to vanish", SOON, async || {
        Ok(Seen::if_so(held.left()?, |left| {
            left.iter()
                .all(|trace| matches!(trace, Trace::Folder(_) | Trace::Cgroup(_)))
        }))
    })
    .await?;
    let _next = Machine::boot("sweeper").await?;
    // Or it is being swept by a third machine, which has the slot's lock and is not done.
    wait_for("the last trace to vanish", SOON, async || {
        Ok(Seen::if_so(held.left()?, Vec::is_empty))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_machine_cannot_move_the_outer_machines_clock() -> anyhow::Result<()> {
    let machine = Machine::boot("no-clock").await?;
    let status = machine.exec(["cat", "/proc/1/status"]).await?;
    let bounding = status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .map(|mask| u64::from_str_radix(mask.trim(), 16));
    const CAP_SYS_TIME: u64 = 1 << 25;
    assert_eq!(
        bounding.transpose()?.map(|mask| mask & CAP_SYS_TIME),
        Some(0)
    );
    Ok(())
}
