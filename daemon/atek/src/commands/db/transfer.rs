//! Whole databases: compaction.

use super::API;
use crate::error::Failure;
use crate::host::{Host, read};
use serde::Deserialize;

/// Result of `adminCompact`.
#[derive(Debug, Deserialize)]
struct Compacted {
    compacted: bool,
}

/// Gives unused space back to the file system.
pub(super) async fn compact(host: &Host) -> Result<(), Failure> {
    let answer = host
        .call(API, "adminCompact", [(); 0], "compact the databases")
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let Compacted { compacted } = read("adminCompact", &answer)?;
    host.out.done(if compacted {
        "gave unused space back"
    } else {
        "there was no unused space"
    })
}
