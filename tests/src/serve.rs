//! Runs Atek for a person: one machine with its data on disk, forwarded to ports of this machine,
//! until Ctrl-C.

use crate::{Machine, Seen, paths, wait_for};
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long the host may take to answer after the boot.
const ANSWERING: Duration = Duration::from_secs(60);

/// How often apps are listed, to forward the ports of new ones.
const NEW_APPS: Duration = Duration::from_secs(2);

/// Where the data of this checkout's own machine lies.
#[must_use]
pub fn data_dir() -> PathBuf {
    paths::output().join("run")
}

/// Runs Atek, and serves it on `port` of the loopback interface, until Ctrl-C or the machine powers
/// off. A restart from its page is a restart here. With `user`, an administrator of that name is
/// there from the start.
///
/// # Errors
///
/// When the port is taken, another run uses the data, or the machine or Atek does not come up.
pub async fn serve(port: u16, user: Option<&str>) -> anyhow::Result<()> {
    let listeners = listen(port).await?;
    let data = data_dir();
    fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
    let _lock = lock(&data)?;
    println!("booting the machine");
    loop {
        let mut machine = boot(port, &data).await?;
        println!(
            "booted in {:.1} s; waiting for the host",
            machine.boot_time().as_secs_f32()
        );
        let outcome = tokio::select! {
            outcome = attend(&machine, &listeners, port, user) => outcome.map(|()| true),
            signal = tokio::signal::ctrl_c() => {
                signal.context("cannot wait for Ctrl-C").map(|()| false)
            }
        };
        if let Ok(true) = outcome {
            if machine.turned_off().await? {
                println!("\nrestarting the machine");
                continue;
            }
            println!("the machine has powered off");
            return Ok(());
        }
        println!("\npowering off (Ctrl-C again cuts the power)");
        let off = tokio::select! {
            off = machine.power_off() => off,
            _ = tokio::signal::ctrl_c() => Ok(()),
        };
        return outcome.map(drop).and(off);
    }
}

/// Boots the machine with the name and time zone of the run before. It listens on `port` itself, so
/// that the addresses in its redirects are those of this machine.
async fn boot(port: u16, data: &Path) -> anyhow::Result<Machine> {
    let settings = Settings::load(data);
    let name = settings.hostname.unwrap_or_else(|| "atek".to_owned());
    let socket = format!("[Socket]\nListenStream=\nListenStream={port}\n");
    let machine = Machine::builder("atek")
        .install_atek()
        .internet(true)
        .data_dir(data)
        .file("/etc/hostname", format!("{name}\n"), 0o644)
        .file(
            "/etc/atek/config.json",
            serde_json::json!({ "port": port }).to_string(),
            0o644,
        )
        .file(
            "/etc/systemd/system/atekd.socket.d/port.conf",
            socket,
            0o644,
        )
        .boot()
        .await?;
    if let Some(zone) = settings.timezone {
        machine.exec(["timedatectl", "set-timezone", &zone]).await?;
    }
    Ok(machine)
}

/// What the box changed in its `/etc`, which only a card keeps over a restart.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Settings {
    hostname: Option<String>,
    timezone: Option<String>,
}

impl Settings {
    /// The settings of the run before; none after the first.
    fn load(data: &Path) -> Self {
        let stored = fs::read(data.join("settings.json")).unwrap_or_default();
        serde_json::from_slice(&stored).unwrap_or_default()
    }

    fn store(&self, data: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string(self).context("cannot write the settings")?;
        fs::write(data.join("settings.json"), text).context("cannot write settings.json")
    }

    /// The settings of a machine whose root is `root`; nothing when it is going down.
    fn of(root: &Path) -> Option<Self> {
        let hostname = fs::read_to_string(root.join("etc/hostname")).ok()?;
        let zone = fs::read_link(root.join("etc/localtime")).ok();
        let zone = zone.and_then(|link| {
            let (_, zone) = link.to_str()?.split_once("zoneinfo/")?;
            Some(zone.to_owned())
        });
        Some(Self {
            hostname: Some(hostname.trim().to_owned()),
            timezone: zone,
        })
    }
}

/// Both loopback addresses: a browser tries either for `localhost`.
async fn listen(port: u16) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ] {
        match TcpListener::bind((address, port)).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                bail!("port {port} is taken: choose another with --port")
            }
            // A machine without IPv6.
            Err(_) if address.is_ipv6() => {}
            Err(error) => return Err(error).with_context(|| format!("cannot listen on {address}")),
        }
    }
    Ok(listeners)
}

fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    if file.try_lock().is_err() {
        bail!("another run uses the data in {}", data.display());
    }
    Ok(file)
}

/// From the booted machine to the end of its service.
async fn attend(
    machine: &Machine,
    listeners: &[TcpListener],
    port: u16,
    user: Option<&str>,
) -> anyhow::Result<()> {
    let answering = wait_for("the host to be ready", ANSWERING, async || {
        let control = machine.http_unix("/run/atek/control.sock")?;
        let ready = control.call("atek.cloud/inspect-api", "isReady", serde_json::json!([]));
        Ok(Seen::Wanted(ready.await?))
    });
    if let Err(error) = answering.await {
        let journal = machine.journal("atekd.service").await.unwrap_or_default();
        bail!(
            "{error:#}; the journal of atekd ends with:\n{}",
            crate::command::last_lines(&journal, 20)
        );
    }
    let sign_in = match user {
        Some(name) => first_user(machine, name).await?,
        None => beginning(machine).await?,
    };
    println!("\n  Atek is at  http://localhost:{port}/\n\n  {sign_in}\n");
    println!(
        "  The command line:  nsenter --target {} --all atek help",
        machine.pid()?
    );
    println!(
        "  The data is in {}; `./image/run --fresh` starts with an empty box.\n  Ctrl-C ends it.\n",
        data_dir().display()
    );
    let address = IpAddr::from(machine.address()?);
    let to = SocketAddr::from((address, port));
    let data = data_dir();
    let forwarding = listeners
        .iter()
        .map(|listener| Box::pin(forward(listener, to)));
    tokio::select! {
        ((), ..) = futures_util::future::select_all(forwarding) => Ok(()),
        outcome = forward_apps(machine, address) => outcome,
        outcome = ended(machine.pid()?, &data) => outcome,
    }
}

/// Serves each app's own port on the same port of this machine, where that is free. Does not end.
async fn forward_apps(machine: &Machine, address: IpAddr) -> anyhow::Result<()> {
    let control = machine.http_unix("/run/atek/control.sock")?;
    let mut known = BTreeSet::new();
    let mut forwarding = JoinSet::new();
    loop {
        let listed = control.call("atek.cloud/services-api", "list", serde_json::json!([]));
        // The host may be restarting.
        let services = listed.await.unwrap_or_default();
        for port in app_ports(&services) {
            if !known.insert(port) {
                continue;
            }
            for listener in listen(port).await.unwrap_or_default() {
                let to = SocketAddr::from((address, port));
                forwarding.spawn(async move { forward(&listener, to).await });
            }
        }
        tokio::time::sleep(NEW_APPS).await;
    }
}

/// The ports of the apps in an answer to `list`.
fn app_ports(services: &serde_json::Value) -> Vec<u16> {
    let services = services["services"].as_array();
    services
        .into_iter()
        .flatten()
        .filter_map(|service| service["addresses"]["port"].as_u64()?.try_into().ok())
        .collect()
}

/// Passes each connection on. Does not end.
async fn forward(listener: &TcpListener, to: SocketAddr) {
    loop {
        let Ok((mut from, _)) = listener.accept().await else {
            // Out of descriptors, for example: others are being closed.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        tokio::spawn(async move {
            if let Ok(mut to) = TcpStream::connect(to).await {
                let _ = from.set_nodelay(true).and_then(|()| to.set_nodelay(true));
                // That either side hangs up is no error here.
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            }
        });
    }
}

/// Waits for the end of the machine whose PID 1 is `pid`, and stores its settings as they change.
async fn ended(pid: i32, data: &Path) -> anyhow::Result<()> {
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let mut stored = Settings::load(data);
    while root.join("proc").exists() {
        if let Some(now) = Settings::of(&root).filter(|now| *now != stored) {
            now.store(data)?;
            stored = now;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Claim {
    code: Option<String>,
}

/// How to begin: with the claim code, as on a box.
async fn beginning(machine: &Machine) -> anyhow::Result<String> {
    let shown = machine.exec(["atek", "claim", "--json"]).await?;
    let claim: Claim =
        serde_json::from_str(&shown).context("`atek claim --json` is not what it was")?;
    Ok(match claim.code {
        Some(code) => format!("Open it in a browser. The claim code is {code}"),
        None => "Sign in with a user you made. A forgotten password: atek passwd NAME   \
                 (in the machine, see below)"
            .to_owned(),
    })
}

#[derive(Deserialize)]
struct Users {
    users: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

/// Makes an administrator of that name where there is none, and says how to sign in.
async fn first_user(machine: &Machine, name: &str) -> anyhow::Result<String> {
    let listed = machine.exec(["atek", "users", "--json"]).await?;
    let listed: Users =
        serde_json::from_str(&listed).context("`atek users --json` is not what it was")?;
    if listed.users.iter().any(|user| user.username == name) {
        return Ok(format!(
            "Sign in as `{name}` with the password of the first run.\n  \
             Forgotten? atek passwd {name}   (in the machine, see below)"
        ));
    }
    let password = password()?;
    let words = ["atek", "mkuser", name, "--admin", "--password-stdin"];
    let input = format!("{password}\n");
    let made = machine
        .exec_within(ANSWERING, words, input.as_bytes())
        .await?;
    if !made.status.success() {
        bail!("cannot make the first user: {}", made.stderr.trim());
    }
    Ok(format!(
        "Sign in as `{name}` with the password `{password}` (shown this once)"
    ))
}

/// Sixteen letters and digits that are not easily confused: 80 bits.
fn password() -> anyhow::Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut random| io::Read::read_exact(&mut random, &mut bytes))
        .context("cannot make a password")?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_connection_is_passed_on_in_both_directions_until_both_have_hung_up() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let front = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (to, at) = (server.local_addr().unwrap(), front.local_addr().unwrap());
        let exchange = async {
            let mut client = TcpStream::connect(at).await.unwrap();
            client.write_all(b"ping").await.unwrap();
            client.shutdown().await.unwrap();
            let (mut served, _) = server.accept().await.unwrap();
            let (mut asked, mut answered) = (String::new(), String::new());
            served.read_to_string(&mut asked).await.unwrap();
            served.write_all(b"pong").await.unwrap();
            drop(served);
            client.read_to_string(&mut answered).await.unwrap();
            (asked, answered)
        };
        let seen = tokio::select! {
            seen = exchange => seen,
            () = forward(&front, to) => unreachable!("it does not end"),
        };
        assert_eq!(seen, ("ping".to_owned(), "pong".to_owned()));
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_that_says_what_to_do() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = listen(port).await.unwrap_err().to_string();
        assert_eq!(
            error,
            format!("port {port} is taken: choose another with --port")
        );
    }

    #[test]
    fn name_and_time_zone_were_lost_when_the_machine_restarted() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Settings::load(dir.path()), Settings::default());
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        assert_eq!(Settings::of(&root), None, "a machine that is going down");
        fs::write(root.join("etc/hostname"), "kitchen\n").unwrap();
        std::os::unix::fs::symlink(
            "../usr/share/zoneinfo/Pacific/Auckland",
            root.join("etc/localtime"),
        )
        .unwrap();
        let settings = Settings::of(&root).unwrap();
        settings.store(dir.path()).unwrap();
        let loaded = Settings::load(dir.path());
        assert_eq!(loaded.hostname.as_deref(), Some("kitchen"));
        assert_eq!(loaded.timezone.as_deref(), Some("Pacific/Auckland"));
    }

    #[test]
    fn only_apps_with_a_port_are_forwarded() {
        let services = serde_json::json!({ "services": [
            { "addresses": { "port": 8100 } },
            { "addresses": { "port": null } },
            { "addresses": { "port": 99_999 } },
            {},
        ]});
        assert_eq!(app_ports(&services), [8100]);
        assert!(app_ports(&serde_json::Value::Null).is_empty());
    }

    #[test]
    fn two_passwords_differ() {
        let (one, two) = (password().unwrap(), password().unwrap());
        assert_eq!(one.len(), 16);
        assert_ne!(one, two);
    }
}
