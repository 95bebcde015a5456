//! What services and the box used over the last hour: shapes.
//!
//! Times are milliseconds since 1970. A value that the kernel does not account for here is
//! `null`, never a guess.

use serde::{Deserialize, Serialize};

/// Which samples are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricsOptions {
    /// Only samples after this time; none: all of the last hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
}

/// Samples at a steady pace, oldest first: `metrics` of the services API (with
/// [`ServiceSample`]) and `history` of the system API (with [`SystemSample`]).
///
/// There are gaps where nothing could be measured: a stopped service, a restart of atekd.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Series<S> {
    /// Seconds between two samples.
    pub interval_sec: u32,
    /// Oldest first.
    pub samples: Vec<S>,
}

/// What a service used at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ServiceSample {
    /// When.
    pub time: i64,
    /// Memory of the whole unit, in bytes, with the cache of the files that it reads.
    pub memory_bytes: Option<u64>,
    /// Since the sample before, in percent of one processor; more than 100 with several.
    pub cpu_percent: Option<f64>,
    /// Processes and threads.
    pub tasks: Option<u32>,
}

/// What the whole box used at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SystemSample {
    /// When.
    pub time: i64,
    /// Memory that is not available to anybody new, in bytes.
    pub memory_used_bytes: u64,
    /// Since the sample before, in percent of all processors: 0 to 100. None in the first sample.
    pub cpu_percent: Option<f64>,
    /// Of the processor, in degrees Celsius, where there is a sensor.
    #[serde(rename = "temperatureC")]
    pub temperature_c: Option<f64>,
}
