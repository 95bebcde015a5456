//! The box itself: what the kernel and the system's files say about it.
//!
//! `parse` and `addresses` are pure; the functions here read the files. What changes
//! something (name, time zone, power) is in [`crate::systemd`].

mod addresses;
mod parse;
pub mod storage;

pub use parse::CpuTimes;

use atek_api::system::{Disk, Memory, Swap};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};

/// A fact of the system that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// A file, or a file system.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file of the kernel that is not as documented.
    #[error("{path} is not as expected")]
    Malformed {
        /// Which.
        path: &'static str,
    },
}

/// What the box is.
#[derive(Debug, Clone)]
pub struct About {
    /// See [`atek_api::system::SystemInfo`], also for the others.
    pub os: String,
    /// The kernel's release.
    pub kernel: String,
    /// The machine, where it says so.
    pub model: Option<String>,
    /// Seconds since the kernel started.
    pub uptime_sec: u64,
    /// Where it can be reached.
    pub addresses: Vec<IpAddr>,
}

/// What the box has left.
#[derive(Debug, Clone)]
pub struct Resources {
    /// See [`atek_api::system::Resources`], also for the others.
    pub disk: Disk,
    /// Memory.
    pub memory: Memory,
    /// Swap.
    pub swap: Swap,
    /// Load averages.
    pub load: [f64; 3],
    /// Processors.
    pub cpus: u32,
    /// Degrees Celsius.
    pub temperature: Option<f64>,
}

/// What the box is doing at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Bytes that are not available.
    pub memory_used: u64,
    /// Since the kernel started.
    pub cpu: CpuTimes,
    /// Degrees Celsius.
    pub temperature: Option<f64>,
}

/// Reads what the box is. What a file does not say is left empty: the rest is worth showing.
#[must_use]
pub fn about() -> About {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let os = ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| parse::os_name(&text(path)));
    About {
        os: os.unwrap_or_else(|| "Linux".to_owned()),
        kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
        model: model(),
        uptime_sec: parse::uptime(&text("/proc/uptime")).unwrap_or_default(),
        addresses: reachable(),
    }
}

/// The IANA name of the time zone.
#[must_use]
pub fn timezone() -> String {
    let link = fs::read_link("/etc/localtime").ok();
    let link = link.as_ref().and_then(|link| link.to_str());
    let zone = link.and_then(|link| Some(link.split_once("/zoneinfo/")?.1));
    zone.unwrap_or("UTC").to_owned()
}

/// Reads what the box has left; `path` is a folder on the disk that matters.
///
/// # Errors
///
/// [`SystemError`].
pub fn resources(path: &Path) -> Result<Resources, SystemError> {
    let (memory, swap) = memory()?;
    let load = read("/proc/loadavg")?;
    Ok(Resources {
        disk: disk(path)?,
        memory,
        swap,
        load: parse::load(&load).ok_or(SystemError::Malformed {
            path: "/proc/loadavg",
        })?,
        cpus: cpu_times()?.cpus,
        temperature: temperature(),
    })
}

/// Reads what the box is doing; `None` where the kernel does not say.
#[must_use]
pub fn load() -> Option<Load> {
    let (memory, _) = memory().ok()?;
    Some(Load {
        memory_used: memory.total_bytes.saturating_sub(memory.available_bytes),
        cpu: cpu_times().ok()?,
        temperature: temperature(),
    })
}

fn read(path: &str) -> Result<String, SystemError> {
    fs::read_to_string(path).map_err(|source| SystemError::Read {
        path: path.into(),
        source,
    })
}

fn memory() -> Result<(Memory, Swap), SystemError> {
    const PATH: &str = "/proc/meminfo";
    parse::memory(&read(PATH)?).ok_or(SystemError::Malformed { path: PATH })
}

fn cpu_times() -> Result<CpuTimes, SystemError> {
    const PATH: &str = "/proc/stat";
    parse::cpu_times(&read(PATH)?).ok_or(SystemError::Malformed { path: PATH })
}

/// Bytes that apps may still write to the disk that has this path; many when the kernel does not
/// say.
#[must_use]
pub fn room(path: &Path) -> u64 {
    disk(path).map_or(u64::MAX, |disk| disk.free_bytes)
}

/// What is left of the disk that holds `path`.
///
/// # Errors
///
/// [`SystemError`].
pub fn disk(path: &Path) -> Result<Disk, SystemError> {
    let stat = nix::sys::statvfs::statvfs(path).map_err(|error| SystemError::Read {
        path: path.to_owned(),
        source: error.into(),
    })?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
    Ok(Disk {
        path: path.display().to_string(),
        total_bytes: bytes(stat.blocks()),
        free_bytes: bytes(stat.blocks_available()),
    })
}

fn temperature() -> Option<f64> {
    let zones = fs::read_dir("/sys/class/thermal").ok()?;
    let zones = zones.filter_map(|zone| {
        let zone = zone.ok()?.path();
        let celsius = parse::millidegrees(&fs::read_to_string(zone.join("temp")).ok()?)?;
        let kind = fs::read_to_string(zone.join("type")).ok()?;
        Some((kind.trim().to_owned(), celsius))
    });
    parse::processor_temperature(zones)
}

fn model() -> Option<String> {
    // Boards say it in the device tree, PCs in their firmware's tables.
    let tree = fs::read("/proc/device-tree/model").ok();
    let board = tree.and_then(|text| parse::model([&text[..]]));
    board.or_else(|| {
        let table = |name: &str| fs::read(format!("/sys/class/dmi/id/{name}")).unwrap_or_default();
        parse::model([&table("sys_vendor")[..], &table("product_name")[..]])
    })
}

/// The addresses that others can use, the one that leads out first.
fn reachable() -> Vec<IpAddr> {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    // The unit has no netlink sockets, and the kernel tells the same here.
    let all = addresses::reachable(&text("/proc/net/fib_trie"), &text("/proc/net/if_inet6"));
    addresses::preferred_first(all, source_address())
}

/// The address that the kernel would send from. Nothing is sent: a UDP socket only asks the routes.
fn source_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Reserved for documentation (RFC 5737): leads wherever everything else leads.
    socket.connect((Ipv4Addr::new(203, 0, 113, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
