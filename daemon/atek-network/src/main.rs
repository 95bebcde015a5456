//! Gives apps with the internet, and builds, a network of their own.
//!
//! Usage: `atek-network firewall`; `atek-network attach LINK`;
//! `atek-network prepare ID KEY [sidecar=NAME]... [-- LINK]`; `atek-network release [PORT]...`;
//! `atek-network detach PORT...`. LINK is `nothing|internet|home [mdns] [PORT]...`.
//!
//! ```text
//!  network namespace of a unit            the machine's
//!  lo   its own loopback                  atek-N   169.254.0.1, fe80::1
//!  eth0 198.19.0.N, fd6b:…::N  ---------- atek-N   forward, NAT -> the home's router
//! ```
//!
//! `firewall` runs once, before the first such unit, in `atek-network.service`: it loads the rules
//! for all links in one transaction ([`firewall`]). `attach` runs as the first command of a build,
//! as root, in the unit's network namespace, before any code of the program: it makes the link and
//! moves one end to the machine's namespace ([`attach`]), and lets ports of the home's network lead
//! to the unit, such as `tcp/1883` ([`ports`]). `prepare` does the same for a service, in a unit of
//! its own that shares the service's namespace ([`prepare`]). `detach` takes the ports back, before
//! the service is told to stop, and `release` does so with the link, when the service has ended.
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
mod prepare;
mod resolver;
mod tools;

use anyhow::{Context as _, bail, ensure};
use atek_api::permission::LanPort;
use attach::{Link, Reach};
use std::process::ExitCode;

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
    let mut words = std::env::args().skip(1);
    let task = words
        .next()
        .context("missing firewall, attach, prepare, release or detach")?;
    match task.as_str() {
        "firewall" => {
            ensure!(words.next().is_none(), "too many arguments");
            firewall::load()
        }
        "attach" => attach::attach(&link_of(words)?, &attach::own_unit()?),
        "prepare" => prepare::run(words),
        "release" => attach::release(&ports_of(words)?),
        "detach" => ports::close(&ports_of(words)?),
        _ => bail!("use: atek-network firewall, attach, prepare, release or detach"),
    }
}

/// Parses `nothing|internet|home [mdns] [PORT]...`.
fn link_of(words: impl Iterator<Item = String>) -> anyhow::Result<Link> {
    let mut words = words.peekable();
    let reach = match words.next().as_deref() {
        Some("nothing") => Reach::Nothing,
        Some("internet") => Reach::Internet,
        Some("home") => Reach::Home,
        _ => bail!("a link is nothing|internet|home [mdns] [PORT]..."),
    };
    let mdns = words.next_if(|word| word == "mdns").is_some();
    let listen = ports_of(words)?;
    Ok(Link {
        reach,
        mdns,
        listen,
    })
}

fn ports_of(words: impl Iterator<Item = String>) -> anyhow::Result<Vec<LanPort>> {
    words
        .map(|word| {
            word.parse()
                .with_context(|| format!("{word:?} is not a port"))
        })
        .collect()
}
