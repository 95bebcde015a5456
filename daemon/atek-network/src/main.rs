//! Gives apps with the internet, and builds, a network of their own.
//!
//! Usage: `atek-network firewall`; `atek-network attach internet|home`.
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
//! link and moves one end to the machine's namespace ([`attach`]).
//!
//! The link belongs to the unit's namespace and goes with it, however the unit ends, and routes and
//! addresses go with the link. So nothing is collected afterwards, and no process remains.
//!
//! `ip` and `nft` do the work; what they are told is made of numbers and words of this program.
#![forbid(unsafe_code)]

mod addresses;
mod attach;
mod firewall;
mod resolver;
mod tools;

use anyhow::{Context as _, bail, ensure};
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
    let task = words.next().context("missing firewall or attach")?;
    let reach = words.next();
    ensure!(words.next().is_none(), "too many arguments");
    match (task.as_str(), reach.as_deref()) {
        ("firewall", None) => firewall::load(),
        ("attach", Some("internet")) => attach::attach(attach::Reach::Internet),
        ("attach", Some("home")) => attach::attach(attach::Reach::Home),
        _ => bail!("use: atek-network firewall, or atek-network attach internet|home"),
    }
}
