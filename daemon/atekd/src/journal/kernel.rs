//! Reads and writes of disks that failed, as the kernel logs them. Cards and NVMe disks have no
//! other count that may be read without rights.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use systemd::journal::{Journal, OpenOptions};

/// Time between two looks into the journal: pages ask every few seconds.
const LOOK: Duration = Duration::from_secs(30);
/// Lines that one look reads; the next one goes on behind them.
const MOST_LINES: usize = 10_000;
/// Bytes of a line that are read.
const MAX_FIELD: usize = 1024;
/// What failed for the disk's sake. A command that it does not know is none.
const KINDS: [&str; 3] = ["I/O", "critical medium", "timeout"];
const OPERATIONS: [&str; 3] = ["READ", "WRITE", "FLUSH"];
/// Drives whose media are taken out, and disks that are not of the machine.
const OTHERS: [&str; 5] = ["sr", "fd", "loop", "nbd", "dm-"];

/// Counts failed reads and writes since the machine started.
#[derive(Debug, Default)]
pub struct DiskErrors {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    looked: Option<Instant>,
    /// The last line that was read.
    cursor: Option<String>,
    counts: BTreeMap<String, u64>,
}

impl DiskErrors {
    /// How many have failed, for each disk that is there. The kernel logs ten in five seconds, so
    /// it may be more. Blocks.
    #[must_use]
    pub fn counts(&self, disks: &Path) -> BTreeMap<String, u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.is_none_or(|at| at.elapsed() >= LOOK) {
            state.looked = Some(Instant::now());
            if let Err(error) = state.look() {
                tracing::debug!(%error, "the kernel's log cannot be read");
            }
        }
        // A disk that was pulled out makes the last writes fail.
        state.counts.retain(|disk, _| disks.join(disk).exists());
        state.counts.clone()
    }
}

impl State {
    fn look(&mut self) -> systemd::Result<()> {
        let mut journal = OpenOptions::default()
            .system(true)
            .local_only(true)
            .open()?;
        journal.set_data_threshold(MAX_FIELD)?;
        journal.match_add("_TRANSPORT", "kernel")?;
        for level in 0..=3 {
            journal.match_add("PRIORITY", level.to_string())?;
        }
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        journal.match_add("_BOOT_ID", boot.trim().replace('-', ""))?;
        self.begin(&mut journal)?;
        for _ in 0..MOST_LINES {
            if journal.next()? == 0 {
                break;
            }
            self.cursor = Some(journal.cursor()?);
            let message = journal.get_data("MESSAGE")?;
            let message = message.as_ref().and_then(|field| field.value());
            let message = message.and_then(|bytes| std::str::from_utf8(bytes).ok());
            if let Some(disk) = message.and_then(failed_on) {
                *self.counts.entry(disk.to_owned()).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Goes to where the next step leads to the first line that was not read.
    fn begin(&self, journal: &mut Journal) -> systemd::Result<()> {
        let Some(cursor) = &self.cursor else {
            return journal.seek_head();
        };
        journal.seek_cursor(cursor.as_str())?;
        // Lands on the line itself, or on the next one if it is gone.
        if journal.next()? > 0 && !journal.test_cursor(cursor.as_str())? {
            journal.previous()?;
        }
        Ok(())
    }
}

/// The disk of a line such as
/// `I/O error, dev sda, sector 2048 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 0`.
fn failed_on(message: &str) -> Option<&str> {
    let (kind, rest) = message.split_once(" error, dev ")?;
    let (disk, rest) = rest.split_once(", sector ")?;
    let operation = rest.split_once(":(")?.1.split_once(')')?.0;
    let is_name = disk.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !disk.is_empty();
    let counts = KINDS.contains(&kind) && OPERATIONS.contains(&operation);
    let is_other = OTHERS.iter().any(|start| disk.starts_with(start));
    (is_name && counts && !is_other).then_some(disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_reads_and_writes_are_of_their_disk_and_other_lines_of_none() {
        for (line, disk) in [
            (
                "I/O error, dev sda, sector 2048 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 0",
                Some("sda"),
            ),
            (
                "critical medium error, dev nvme0n1, sector 8 op 0x1:(WRITE) flags 0x0",
                Some("nvme0n1"),
            ),
            (
                "timeout error, dev mmcblk0, sector 8 op 0x2:(FLUSH) flags 0x0",
                Some("mmcblk0"),
            ),
            // A disk that does not know how to discard.
            (
                "critical target error, dev sda, sector 8 op 0x3:(DISCARD) flags 0x0",
                None,
            ),
            (
                "I/O error, dev sda, sector 8 op 0x3:(DISCARD) flags 0x0",
                None,
            ),
            // An empty drive.
            ("I/O error, dev sr0, sector 0 op 0x0:(READ) flags 0x0", None),
            (
                "I/O error, dev ../sda, sector 0 op 0x0:(READ) flags 0x0",
                None,
            ),
            ("I/O error, dev , sector 0 op 0x0:(READ) flags 0x0", None),
            ("I/O error, dev sda, sector 0", None),
            ("Buffer I/O error on dev sda1, logical block 7", None),
            ("", None),
        ] {
            assert_eq!(failed_on(line), disk, "{line}");
        }
    }

    #[test]
    fn a_disk_that_is_not_there_any_more_has_no_errors() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sda")).unwrap();
        let errors = DiskErrors::default();
        {
            let mut state = errors.state.lock().unwrap();
            state.looked = Some(Instant::now());
            state.counts = [("sda".to_owned(), 3), ("sdb".to_owned(), 1)].into();
        }
        let counts = errors.counts(folder.path());
        assert_eq!(counts, [("sda".to_owned(), 3)].into());
    }
}
