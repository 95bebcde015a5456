//! Which services fill the disk: told in the journal when it is nearly full, so that a full disk
//! has a name.
//!
//! The room left is one system call, looked at often. Folders of services are measured only when it
//! is little, by atek-spawnd, since atekd may not open them.

use super::INTERVAL;
use crate::directory::DirectoryView;
use crate::error_chain::DisplayChain;
use crate::spawn::Spawn;
use crate::system;
use atek_api::system::Disk;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// A disk of which a twentieth is left is nearly full.
const NEARLY_FULL: u64 = 20;
/// A service with a tenth of the disk or more is named.
const LARGE: u64 = 10;
/// How long nothing is told again, and no folder measured.
const QUIET: Duration = Duration::from_secs(3600);

fn is_nearly_full(disk: &Disk) -> bool {
    disk.free_bytes < disk.total_bytes / NEARLY_FULL
}

fn is_large(bytes: u64, disk: &Disk) -> bool {
    bytes >= disk.total_bytes / LARGE
}

/// Tells who fills the disk with `folder`, until it is stopped.
pub async fn watch(
    folder: PathBuf,
    directory: DirectoryView,
    spawn: Spawn,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut quiet_until: Option<Instant> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let Ok(disk) = system::disk(&folder) else {
            continue;
        };
        if !is_nearly_full(&disk) {
            // The next time it is news.
            quiet_until = None;
        } else if quiet_until.is_none_or(|until| Instant::now() >= until) {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tell(&disk, &directory, &spawn) => {}
            }
            quiet_until = Some(Instant::now() + QUIET);
        }
    }
}

async fn tell(disk: &Disk, directory: &DirectoryView, spawn: &Spawn) {
    let free = disk.free_bytes >> 20;
    tracing::warn!("the disk is nearly full: {free} MiB are left");
    let directory = directory.now();
    for entry in directory.entries() {
        let id = entry.id();
        match spawn.state_size(&entry.key).await {
            Ok(bytes) if is_large(bytes, disk) => tracing::warn!(
                service = %id,
                "the disk is nearly full, and the app {id} has {} MiB of it",
                bytes >> 20
            ),
            Ok(_) => {}
            // Such as more files than are counted: that is an answer, too.
            Err(error) => tracing::warn!(
                service = %id,
                error = %DisplayChain(&error),
                "the disk is nearly full, and what the app {id} has of it cannot be measured"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twentieth_left_is_little_and_a_tenth_taken_is_much() {
        let disk = |free_bytes| Disk {
            path: "/var/lib/atek".to_owned(),
            total_bytes: 1000,
            free_bytes,
        };
        assert!(!is_nearly_full(&disk(1000)) && !is_nearly_full(&disk(50)));
        assert!(is_nearly_full(&disk(49)) && is_nearly_full(&disk(0)));
        assert!(!is_large(99, &disk(0)) && is_large(100, &disk(0)));
    }
}
