//! What the services and the box used over the last hour: a sample every ten seconds, in memory.
//!
//! ```text
//!  directory (who runs) --> sampler --gather: control group files, /proc--> rings
//!  host_api -- Metrics -- mpsc --> sampler --> Series
//! ```
//!
//! One task owns the rings. A sample is 12 bytes, so an hour of fifty services is about
//! 200 KiB. Nothing is stored on disk: a chart of the last hour is not worth wearing a card.
//!
//! Numbers come from the units' control group files, which the sandbox of atekd may read; asking
//! systemd would mean a dictionary of a hundred properties for every service every time.

mod cgroup;
pub mod full_disk;
mod packed;
mod pressure;
mod ring;
mod sampler;

use crate::directory::DirectoryView;
use crate::systemd::Systemd;
use atek_api::ids::ServiceKey;
use atek_api::metrics::{Series, ServiceSample, SystemSample};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The pace.
const INTERVAL: Duration = Duration::from_secs(10);
/// How far back samples are kept.
const KEPT: Duration = Duration::from_secs(3600);

/// The sampler is gone: the host is shutting down.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the host is shutting down")]
pub struct NoSampler;

/// What the sampler is asked.
#[derive(Debug)]
enum Ask {
    Service {
        key: ServiceKey,
        since: Option<i64>,
        answer: oneshot::Sender<Series<ServiceSample>>,
    },
    System {
        since: Option<i64>,
        answer: oneshot::Sender<Series<SystemSample>>,
    },
}

/// The way to the samples. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    asks: mpsc::Sender<Ask>,
}

impl Metrics {
    /// Spawns the sampler; it ends with the last of these.
    #[must_use]
    pub fn new(directory: DirectoryView, systemd: Systemd) -> Self {
        let (asks, inbox) = mpsc::channel(64);
        tokio::spawn(sampler::run(directory, systemd, inbox));
        Self { asks }
    }

    /// What a service used, after `since` (milliseconds since 1970) or in the last hour;
    /// empty for one that did not run.
    ///
    /// # Errors
    ///
    /// [`NoSampler`].
    pub async fn service(
        &self,
        key: &ServiceKey,
        since: Option<i64>,
    ) -> Result<Series<ServiceSample>, NoSampler> {
        let key = key.clone();
        self.ask(|answer| Ask::Service { key, since, answer }).await
    }

    /// The same of the whole box.
    ///
    /// # Errors
    ///
    /// [`NoSampler`].
    pub async fn system(&self, since: Option<i64>) -> Result<Series<SystemSample>, NoSampler> {
        self.ask(|answer| Ask::System { since, answer }).await
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, NoSampler> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(ask(answer)).await.map_err(|_| NoSampler)?;
        answered.await.map_err(|_| NoSampler)
    }
}
