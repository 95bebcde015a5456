//! Atek for a person: one machine with its data on disk, its port 80 at a port of this machine, until Ctrl-C.

use crate::{Machine, Seen, paths, wait_for};
use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long the host may take to answer after the boot.
const ANSWERING: Duration = Duration::from_secs(60);

/// Where the data of this checkout's own machine lies.
#[must_use]
pub fn data_dir() -> PathBuf {
    paths::output().join("run")
}

/// Runs Atek, and serves it on `port` of the loopback interface, until Ctrl-C or the machine's own end.
/// With `user`, an administrator of that name is there from the start.
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
    let mut machine = Machine::builder("atek")
        .install_atek()
        .internet(true)
        .data_dir(&data)
        .boot()
        .await?;
    println!(
        "booted in {:.1} s; waiting for the host",
        machine.boot_time().as_secs_f32()
    );

    let outcome = tokio::select! {
        outcome = attend(&machine, &listeners, port, user) => outcome,
        signal = tokio::signal::ctrl_c() => signal.context("cannot wait for Ctrl-C"),
    };
    println!("\npowering off (Ctrl-C again cuts the power)");
    let off = tokio::select! {
        off = machine.power_off() => off,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    outcome.and(off)
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
        "  The data is in {}; `./image/run --fresh` starts anew.\n  Ctrl-C ends it.\n",
        data_dir().display()
    );
    let to = SocketAddr::from((machine.address()?, 80));
    let forwarding = listeners
        .iter()
        .map(|listener| Box::pin(forward(listener, to)));
    tokio::select! {
        ((), ..) = futures_util::future::select_all(forwarding) => {}
        () = ended(machine.pid()?) => println!("the machine has powered off"),
    }
    Ok(())
}

/// Passes each connection on. Does not end.
async fn forward(listener: &TcpListener, to: SocketAddr) {
    loop {
        let Ok((mut from, _)) = listener.accept().await else {
            // Out of descriptors, for example: others are closed meanwhile.
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

/// Waits for the end of a process that is not a child of this one.
async fn ended(pid: i32) {
    while Path::new(&format!("/proc/{pid}/root/proc")).exists() {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
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
    fn two_passwords_differ() {
        let (one, two) = (password().unwrap(), password().unwrap());
        assert_eq!(one.len(), 16);
        assert_ne!(one, two);
    }
}
