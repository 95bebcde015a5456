//! What a test process and its machine's supervisor say to each other: one [`Spec`] line in,
//! [`Event`] lines out.

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// What machine is wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// The host name.
    pub name: String,
    /// The read-only folders that the root file system is made of, topmost first.
    pub lower: Vec<PathBuf>,
    /// The folder whose `var` is the machine's `/var`; `None` puts `/var` on a tmpfs.
    pub data: Option<PathBuf>,
    /// Files that stand in the root file system before the first process starts.
    pub files: Vec<PlacedFile>,
    /// Whether the machine reaches the networks that the outer machine reaches.
    pub internet: bool,
    /// The npm registry at [`Registry::ADDRESS`], if it has one.
    pub registry: Option<Registry>,
    /// The file for the console's output; replaced.
    pub console: PathBuf,
}

/// Where a machine with the internet or a registry finds servers that listen at the outer end of
/// its link: an address for documentation (RFC 5737), which is of no home, so that builds reach it.
pub const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);

/// A registry of npm packages that keeps what it gave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Registry {
    /// Where it is kept.
    pub folder: PathBuf,
    /// The registry that is asked for the rest; none gives only what was kept.
    pub upstream: Option<String>,
}

impl Registry {
    /// Where the machine finds it, at port 80: an address for documentation (RFC 5737), which is
    /// of no home, so that builds reach it.
    pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
}

/// One file of root's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlacedFile {
    /// Absolute, in the machine.
    pub path: PathBuf,
    /// The content.
    pub content: String,
    /// Permission bits.
    pub mode: u32,
}

/// What became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The first process runs and is on the network; systemd is booting.
    Started {
        /// The machine's PID 1, as seen from outside.
        pid: i32,
        /// The machine's address.
        address: Ipv4Addr,
        /// The outer machine's address on the same link.
        gateway: Ipv4Addr,
    },
    /// systemd has finished its first transaction.
    Booted,
    /// The machine is gone, and everything it had; nothing follows.
    Ended {
        /// Whether it ended to be started again.
        restarts: bool,
    },
    /// The machine could not be started or kept; nothing follows.
    Failed {
        /// Why, with the console's last lines.
        message: String,
    },
}
