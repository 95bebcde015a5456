//! `atek.cloud/system-api`: shapes. `history` answers a [`crate::metrics::Series`].

use crate::ids::ServiceId;
use crate::secret::Secret;
use serde::{Deserialize, Serialize};

/// The API's id.
pub const API: &str = "atek.cloud/system-api";

/// What the box is, as `info` tells every user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SystemInfo {
    /// Its host name.
    pub name: String,
    /// Atek's version.
    pub version: String,
    /// The operating system, for a person: `Debian GNU/Linux 13 (trixie)`.
    pub os: String,
    /// The kernel's release: `6.12.48`.
    pub kernel: String,
    /// The processor's architecture: `aarch64`, `x86_64`.
    pub arch: String,
    /// The machine, for a person: `Raspberry Pi 4 Model B Rev 1.5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// IANA name: `Europe/Berlin`.
    pub timezone: String,
    /// RFC 3339: now.
    pub time: String,
    /// Seconds since the kernel started.
    pub uptime_sec: u64,
    /// The main domain of the configuration.
    pub domain: String,
    /// Names beside it that administrators added, each a main domain.
    #[serde(default)]
    pub names: Vec<String>,
    /// Where it can be reached, without loopback and link-local ones; IPv4 first.
    pub addresses: Vec<String>,
    /// URLs of the main page, the one to try first before the others.
    pub urls: Vec<String>,
    /// The least number of characters of a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_min_length: Option<usize>,
}

/// A certificate authority that an administrator added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Authority {
    /// Its name, as its certificate has it: `CN=House`.
    pub name: String,
    /// The SHA-256 of its certificate, in hexadecimal digits.
    pub fingerprint: String,
    /// RFC 3339: when it ends.
    pub until: String,
}

/// The parameter of `factoryReset`.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", default)]
pub struct FactoryReset {
    /// The password of the administrator who asks; the host itself has none.
    pub password: Option<Secret>,
    /// Whether the password of the wireless network stays, without which a box that has no cable
    /// cannot be reached.
    #[cfg_attr(test, ts(as = "Option<bool>"))]
    pub keep_network: bool,
}

/// What is written down before a factory reset, for the boot that carries it out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResetRequest {
    /// See [`FactoryReset::keep_network`].
    pub keep_network: bool,
}

/// What the box has left, as `resources` tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// The disk that holds apps and data.
    pub disk: Disk,
    /// Memory.
    pub memory: Memory,
    /// Swap; all 0 where there is none.
    pub swap: Swap,
    /// Runnable tasks on average over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Processors.
    pub cpus: u32,
    /// Of the processor, in degrees Celsius, where there is a sensor.
    #[serde(rename = "temperatureC")]
    pub temperature_c: Option<f64>,
    /// What is wrong with disks and cards.
    #[serde(default)]
    pub storage: Vec<StorageProblem>,
}

/// A disk or card that fails, or is about to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StorageProblem {
    /// What is wrong.
    pub kind: StorageTrouble,
    /// The device, or the folder.
    pub disk: String,
    /// What it means and what to do, for a person.
    pub text: String,
}

/// Ways in which storage fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum StorageTrouble {
    /// The kernel lets nothing be written any more.
    ReadOnly,
    /// A test file could not be written.
    NoWrites,
    /// Reads or writes failed.
    Errors,
    /// Its memory is worn out, or nearly.
    Worn,
    /// A disk that is needed is not there.
    Gone,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    /// A folder on it.
    pub path: String,
    /// Bytes.
    pub total_bytes: u64,
    /// Bytes that services can still use.
    pub free_bytes: u64,
}

/// Memory of the box.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Bytes.
    pub total_bytes: u64,
    /// Bytes that can be had without swapping.
    pub available_bytes: u64,
}

/// Swap space of the box.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Swap {
    /// Bytes.
    pub total_bytes: u64,
    /// Bytes.
    pub free_bytes: u64,
}

/// How well units are confined, as `security` tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Security {
    /// Atek's own units first, then the services, in the order of installation.
    pub units: Vec<UnitSecurity>,
}

/// How well one unit is confined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct UnitSecurity {
    /// The unit's name.
    pub unit: String,
    /// The service that it runs; none for the host's own units.
    pub id: Option<ServiceId>,
    /// For a person.
    pub title: String,
    /// systemd's figure: 0 is locked in, 10 could do everything.
    pub exposure: f64,
    /// The same for a person, with what it can do beyond the usual.
    pub words: String,
}
