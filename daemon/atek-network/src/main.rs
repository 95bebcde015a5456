//! Gives apps with the internet, and builds, a network of their own.
//!
//! Usage: `atek-network firewall`;
//! `atek-network attach nothing|internet|home [mdns] [PORT]... [-- PROGRAM [ARG]...]`;
//! `atek-network detach PORT...`.
//!
//! ```text
//!  network namespace of a unit            the machine's
//!  lo   its own loopback                  atek-N   169.254.0.1, fe80::1
//!  eth0 198.19.0.N, fd6b:…::N  ---------- atek-N   forward, NAT -> the home's router
//! ```
//!
//! `firewall` runs once, before the first such unit, in `atek-network.service`: it loads the rules
//! for all links in one transaction ([`firewall`]). `attach` runs as the first command of each
//! unit, as root, in the unit's network namespace, before any code of the program: it makes the
//! link and moves one end to the machine's namespace ([`attach`]), and lets ports of the home's
//! network lead to the unit, such as `tcp/1883` ([`ports`]). Then it becomes the program behind
//! `--`, since each further command of a unit takes systemd a twentieth of a second. `detach` takes
//! the ports back, when the unit is stopped and when it has ended.
//!
//! The link belongs to the unit's namespace and goes with it, however the unit ends, and routes and
//! addresses go with the link. So nothing else is collected afterwards, and no process remains.
//!
//! `ip` and `nft` do the work; what they are told is made of numbers and words of this program.
#![forbid(unsafe_code)]

mod addresses;
mod attach;
mod firewall;
mod namespaces;
mod ports;
mod resolver;
mod tools;

use anyhow::{Context as _, bail, ensure};
use atek_api::permission::LanPort;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The journal reads the `<3>` as "this is an error".
            eprintln!("<3>cannot set up the network: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1).peekable();
    let task = words.next().context("missing firewall, attach or detach")?;
    match task.as_str() {
        "firewall" => {
            ensure!(words.next().is_none(), "too many arguments");
            firewall::load()
        }
        "attach" => {
            let reach = match words.next().as_deref() {
                Some("nothing") => attach::Reach::Nothing,
                Some("internet") => attach::Reach::Internet,
                Some("home") => attach::Reach::Home,
                _ => bail!("use: atek-network attach nothing|internet|home [mdns] [PORT]..."),
            };
            let mdns = words.next_if(|word| word == "mdns").is_some();
            let ports = ports_of(words.by_ref().take_while(|word| word != "--"))?;
            attach::attach(reach, mdns, &ports)?;
            become_next(words)
        }
        "detach" => ports::close(&ports_of(words)?),
        _ => bail!("use: atek-network firewall, attach or detach"),
    }
}

/// Becomes the program that the words name, if they name one.
fn become_next(mut words: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let Some(program) = words.next() else {
        return Ok(());
    };
    // Only returns on failure.
    Err(Command::new(&program).args(words).exec()).with_context(|| format!("cannot run {program}"))
}

fn ports_of(words: impl Iterator<Item = String>) -> anyhow::Result<Vec<LanPort>> {
    words
        .map(|word| {
            word.parse()
                .with_context(|| format!("{word:?} is not a port"))
        })
        .collect()
}
