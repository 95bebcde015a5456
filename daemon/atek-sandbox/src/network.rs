//! Waits until the network namespace of the service is ready.
//!
//! A unit of its own does that as root, at the same time as systemd makes the mounts of this one
//! (see atek-network's `prepare`). How it went stands in a file of root that this process sees.

use anyhow::{Context as _, bail};
use atek_api::spec::{START_TIMEOUT, paths};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// The shortest pause between two looks, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_micros(500), Duration::from_millis(50)];
/// A pause is this part of the time that went by, so a program starts soon after its network.
const PART: u32 = 16;
/// Bytes of the longest reason that is read.
const REASON_BYTES: u64 = 4096;

/// Returns when the network is ready.
pub(crate) fn wait() -> anyhow::Result<()> {
    let file = Path::new(paths::ACCOUNTS).join(paths::NETWORK_OUTCOME);
    until_ready(&file, START_TIMEOUT)
}

fn until_ready(file: &Path, patience: Duration) -> anyhow::Result<()> {
    let began = Instant::now();
    let [shortest, longest] = PAUSES;
    loop {
        let mut text = String::new();
        File::open(file)
            .and_then(|file| file.take(REASON_BYTES).read_to_string(&mut text))
            .context("cannot read how its network was made ready")?;
        match text.strip_suffix('\n') {
            Some(paths::NETWORK_READY) => return Ok(()),
            Some(reason) => bail!("its network is not ready: {reason}"),
            None => {}
        }
        let pause = (began.elapsed() / PART).clamp(shortest, longest);
        if began.elapsed() + pause > patience {
            bail!("its network was not ready within {} s", patience.as_secs());
        }
        std::thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_program_starts_when_the_network_is_ready_and_not_when_it_cannot_be() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("network");
        assert!(until_ready(&file, Duration::ZERO).is_err());
        fs::write(&file, "").unwrap();
        let late = until_ready(&file, Duration::ZERO).unwrap_err();
        assert!(late.to_string().contains("within 0 s"), "{late}");
        fs::write(&file, "the port tcp/1883 is in use\n").unwrap();
        let failed = until_ready(&file, Duration::from_secs(60)).unwrap_err();
        assert!(failed.to_string().contains("tcp/1883"), "{failed}");
        fs::write(&file, "rea").unwrap();
        let written = file.clone();
        let writer = std::thread::spawn(move || fs::write(written, "ready\n").unwrap());
        until_ready(&file, Duration::from_secs(60)).unwrap();
        writer.join().unwrap();
    }
}
