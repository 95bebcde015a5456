//! Bounds of a service and of a package job.

use super::error::SpecError;
use serde::{Deserialize, Serialize};

const MIB: u64 = 1024 * 1024;
const TIB: u64 = MIB * MIB;

/// Bounds of a service; what is missing is the default.
///
/// Only a hard memory limit: without swap, systemd's soft one makes a service
/// that reaches it crawl for ever instead of failing with a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Memory of all its processes, in bytes. Beyond it the service is killed (`oom-kill`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_max: Option<u64>,
    /// Processes and threads together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks_max: Option<u64>,
    /// Percent of one CPU; 200 is two of them. Missing in the defaults: no quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<u64>,
    /// Share of the CPU when it is contended, 1 to 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_weight: Option<u64>,
}

impl Limits {
    /// Of an app.
    ///
    /// Memory: Node takes 60 MB before the app's first line, and sizes its heap by
    /// this limit; with 512 MiB, four busy apps fit in a 4 GB Raspberry Pi beside
    /// the host. Tasks: Node has 11 threads; 128 leaves room for some
    /// subprocesses and stops a fork bomb. No quota: an idle CPU is of no use to anybody.
    #[must_use]
    pub fn for_apps() -> Self {
        Self {
            memory_max: Some(512 * MIB),
            tasks_max: Some(128),
            cpu_quota: None,
            cpu_weight: Some(100),
        }
    }

    /// Of a core service, which apps wait for: twice the CPU share, more threads.
    #[must_use]
    pub fn for_core() -> Self {
        Self {
            memory_max: Some(512 * MIB),
            tasks_max: Some(256),
            cpu_quota: None,
            cpu_weight: Some(200),
        }
    }

    /// The most that a manifest can ask for; what it asks beyond that is cut to it. A person who
    /// may raise limits can go further.
    #[must_use]
    pub fn most_for_apps() -> Self {
        Self {
            memory_max: Some(4096 * MIB),
            tasks_max: Some(4_096),
            cpu_quota: None,
            cpu_weight: Some(1_000),
        }
    }

    /// Of a manifest's limits, those above the default of apps, which a person has to agree to.
    #[must_use]
    pub fn raised(&self) -> Self {
        self.capped(&Self::most_for_apps())
            .beyond(&Self::for_apps())
    }

    /// Those of these limits that are higher than that of `other`.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Self {
        let higher = |own: Option<u64>, other: Option<u64>| own.filter(|own| Some(*own) > other);
        let below = self.capped(other);
        Self {
            memory_max: higher(self.memory_max, below.memory_max),
            tasks_max: higher(self.tasks_max, below.tasks_max),
            cpu_quota: higher(self.cpu_quota, below.cpu_quota),
            cpu_weight: higher(self.cpu_weight, below.cpu_weight),
        }
    }

    /// In sentences; each completes "this app may".
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let memory = self.memory_max.map(|bytes| {
            let usual = Self::for_apps().memory_max.unwrap_or_default() / MIB;
            format!(
                "use up to {} MiB of memory (usually {usual} MiB)",
                bytes.div_ceil(MIB)
            )
        });
        let tasks = self.tasks_max.map(|tasks| {
            let usual = Self::for_apps().tasks_max.unwrap_or_default();
            format!("run up to {tasks} processes and threads (usually {usual})")
        });
        let quota = self
            .cpu_quota
            .map(|percent| format!("use up to {percent} % of one processor"));
        let weight = self.cpu_weight.map(|weight| {
            format!("get {weight} % of an app's usual share of the processor when the box is busy")
        });
        [memory, tasks, quota, weight]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Whether nothing differs from the defaults.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// These limits, completed with `defaults` where something is missing.
    #[must_use]
    pub fn merged(&self, defaults: &Self) -> Self {
        Self {
            memory_max: self.memory_max.or(defaults.memory_max),
            tasks_max: self.tasks_max.or(defaults.tasks_max),
            cpu_quota: self.cpu_quota.or(defaults.cpu_quota),
            cpu_weight: self.cpu_weight.or(defaults.cpu_weight),
        }
    }

    /// These limits where they are no higher than `most`, and `most` where they are.
    #[must_use]
    pub fn capped(&self, most: &Self) -> Self {
        let cap = |own: Option<u64>, most: Option<u64>| match (own, most) {
            (Some(own), Some(most)) => Some(own.min(most)),
            (own, _) => own,
        };
        Self {
            memory_max: cap(self.memory_max, most.memory_max),
            tasks_max: cap(self.tasks_max, most.tasks_max),
            cpu_quota: cap(self.cpu_quota, most.cpu_quota),
            cpu_weight: cap(self.cpu_weight, most.cpu_weight),
        }
    }

    /// Whether one of these limits is higher than that of `most`.
    #[must_use]
    pub fn exceed(&self, most: &Self) -> bool {
        self.capped(most) != *self
    }

    /// These limits after a change: what `change` leaves out stays, and 0 is the default again.
    #[must_use]
    pub fn changed(&self, change: &Self) -> Self {
        let merged = change.merged(self);
        let set = |value: Option<u64>| value.filter(|v| *v != 0);
        Self {
            memory_max: set(merged.memory_max),
            tasks_max: set(merged.tasks_max),
            cpu_quota: set(merged.cpu_quota),
            cpu_weight: set(merged.cpu_weight),
        }
    }

    /// Whether every value is one that systemd takes and a process can live with.
    ///
    /// # Errors
    ///
    /// [`SpecError::Limit`] for the first that is not.
    pub fn validate(&self) -> Result<(), SpecError> {
        in_range("memoryMax", self.memory_max, 8 * MIB, TIB)?;
        in_range("tasksMax", self.tasks_max, 1, 32_768)?;
        in_range("cpuQuota", self.cpu_quota, 1, 100_000)?;
        in_range("cpuWeight", self.cpu_weight, 1, 10_000)
    }
}

/// Bounds of a package job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PackageLimits {
    /// Memory of all its processes, in bytes.
    pub memory_max: u64,
    /// Processes and threads together.
    pub tasks_max: u64,
    /// Seconds until it is stopped.
    pub runtime_secs: u64,
    /// Bytes of one file. The size of the whole package is `atek-package`'s to watch.
    pub file_max: u64,
}

impl Default for PackageLimits {
    /// An `npm ci` with a bundler behind it fits in 1 GiB; a slow link and a Raspberry Pi 3 in half
    /// an hour.
    fn default() -> Self {
        Self {
            memory_max: 1024 * MIB,
            tasks_max: 256,
            runtime_secs: 1_800,
            file_max: 1024 * MIB,
        }
    }
}

impl PackageLimits {
    /// Whether every value is useful.
    ///
    /// # Errors
    ///
    /// [`SpecError::Limit`] for the first that is not.
    pub fn validate(&self) -> Result<(), SpecError> {
        in_range("memoryMax", Some(self.memory_max), 32 * MIB, TIB)?;
        in_range("tasksMax", Some(self.tasks_max), 4, 32_768)?;
        in_range("runtimeSecs", Some(self.runtime_secs), 1, 24 * 3_600)?;
        in_range("fileMax", Some(self.file_max), MIB, TIB)
    }
}

fn in_range(name: &'static str, value: Option<u64>, min: u64, max: u64) -> Result<(), SpecError> {
    match value {
        Some(value) if !(min..=max).contains(&value) => Err(SpecError::Limit {
            name,
            value,
            min,
            max,
        }),
        _ => Ok(()),
    }
}
