//! What an idle box writes to its card: by the card's own count, and by whom.
//!
//! A card wears out by writing, so a box that does nothing should write next to nothing.

use crate::emulated::{BOOT, Emulated};
use crate::wait::{Seen, wait_for};
use anyhow::{Context as _, ensure};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What an idle box may write in a day, in bytes.
pub const PER_DAY: u64 = 5_000_000;

/// How often the count is read, in seconds.
const EVERY: u64 = 60;

/// How long the short form looks, in seconds: enough for what writes in most minutes, as the
/// journal and access times did.
pub const SHORT: u64 = 3 * EVERY;

/// What was written while the box was idle.
#[derive(Debug)]
pub struct Written {
    /// Seconds on the box's own clock.
    pub seconds: f64,
    /// Bytes that reached the card.
    pub bytes: u64,
    /// Bytes that were written by each minute's end.
    pub minutes: Vec<u64>,
    /// Bytes that each process caused to be written, the largest first, as the kernel accounts for
    /// it (proc_pid_io(5)).
    pub by: Vec<(String, u64)>,
    /// Files that changed, with their sizes.
    pub files: String,
}

impl Written {
    /// Bytes in a day, if it goes on like this.
    #[must_use]
    pub fn per_day(&self) -> u64 {
        (self.bytes as f64 / self.seconds * 86_400.0) as u64
    }

    /// Whether it is no more than a day's share. What is written once an hour may fall into any
    /// shorter time, so that has the share of an hour.
    #[must_use]
    pub fn is_little(&self) -> bool {
        let share = PER_DAY as f64 / 86_400.0 * self.seconds.max(3600.0);
        self.bytes as f64 <= share
    }

    /// Whether nothing was written in at least half of the minutes, as is so where no program
    /// writes periodically.
    #[must_use]
    pub fn has_quiet_minutes(&self) -> bool {
        let before = std::iter::once(&0).chain(&self.minutes);
        let quiet = before.zip(&self.minutes).filter(|(a, b)| a == b);
        quiet.count() * 2 >= self.minutes.len()
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} bytes were written in {:.0} idle seconds: {:.2} MB a day",
            self.bytes,
            self.seconds,
            self.per_day() as f64 / 1e6
        )?;
        writeln!(f, "by the end of each minute: {:?}", self.minutes)?;
        for (who, bytes) in &self.by {
            writeln!(f, "  {bytes:>10} {who}")?;
        }
        write!(f, "files that changed:\n{}", self.files)
    }
}

/// Waits until the box has finished what it does after a start: the boot, and the data partition,
/// whose tables are written in the background after it was made or has grown.
///
/// # Errors
///
/// When it never does.
pub async fn settle(emulated: &Emulated) -> anyhow::Result<()> {
    const SETTLED: &str = "systemctl is-system-running --wait >/dev/null; \
        grep -lx ext4lazyinit /proc/[0-9]*/comm 2>/dev/null || echo settled";
    wait_for("the file system to be made ready", BOOT, async || {
        let said = emulated.exec(SETTLED).await?;
        Ok(Seen::if_so(said, |said| said.trim() == "settled"))
    })
    .await
    .map(drop)
}

/// Counts what is written while nothing is asked of the box for `seconds`.
///
/// # Errors
///
/// When the box does not let the key in, or its counts cannot be read.
pub async fn while_idle(emulated: &Emulated, seconds: u64) -> anyhow::Result<Written> {
    // One script from the first count to the last; a wait of two of the kernel's rounds of writing
    // back (vm.dirty_expire_centisecs) before it, for what an earlier request left behind.
    let count = "for p in /proc/[0-9]*; do echo io ${p#/proc/} $(cat $p/comm) \
                 $(grep ^write_bytes $p/io); done 2>/dev/null";
    let disk = "disk=$(grep ' /var ' /proc/self/mountinfo | head -n 1 | cut -d' ' -f3); \
                stat=/sys/dev/block/$disk/../stat; [ -e $stat ] || stat=/sys/dev/block/$disk/stat; \
                at() { echo at $(cut -d' ' -f1 /proc/uptime) $(cat $stat); }";
    let rounds = seconds.div_ceil(EVERY);
    // The box's clock may be slower than this machine's.
    let limit = BOOT + 2 * Duration::from_secs(seconds);
    let said = emulated
        .exec_within(
            limit,
            &format!(
                "{disk}; sync; sleep 60; touch /run/idle; {count}; at; \
             for i in $(seq {rounds}); do sleep {EVERY}; at; done; echo then; {count}; echo files; \
             find /var -xdev -newer /run/idle -type f -exec ls -ln {{}} +"
            ),
        )
        .await?;
    let (before, rest) = said.split_once("then\n").context("no second count")?;
    let (after, files) = rest.split_once("files\n").context("no list of files")?;
    let times = times(before)?;
    let ([first, .., last], true) = (&times[..], times.len() as u64 > rounds) else {
        anyhow::bail!("the card was not counted often enough: {before}");
    };
    ensure!(last.0 > first.0, "the box's clock stands still: {before}");
    let (old, new) = (processes(before), processes(after));
    let mut by: Vec<(String, u64)> = new
        .into_iter()
        .map(|(who, bytes)| {
            let grown = bytes.saturating_sub(old.get(&who).copied().unwrap_or_default());
            (who, grown)
        })
        .filter(|(_, bytes)| *bytes > 0)
        .collect();
    by.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    Ok(Written {
        seconds: last.0 - first.0,
        bytes: last.1 - first.1,
        minutes: times[1..].iter().map(|at| at.1 - first.1).collect(),
        by,
        files: files.to_owned(),
    })
}

/// Lines `at UPTIME STAT…`: seconds since power-on and bytes written until then. Field 7 of a
/// disk's statistics is sectors of 512 bytes (Documentation/admin-guide/iostats.rst).
fn times(text: &str) -> anyhow::Result<Vec<(f64, u64)>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("at "));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let sectors = fields.get(7).context("a disk has no seventh field")?;
            let uptime = fields.first().context("no time")?;
            Ok((uptime.parse()?, sectors.parse::<u64>()? * 512))
        })
        .collect()
}

/// Lines `io PID COMMAND write_bytes: BYTES`.
fn processes(text: &str) -> BTreeMap<String, u64> {
    let of = |line: &str| {
        let rest = line.strip_prefix("io ")?;
        let (who, bytes) = rest.split_once(" write_bytes: ")?;
        Some((who.to_owned(), bytes.trim().parse().ok()?))
    };
    text.lines().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_and_a_day_is_made_of_them() {
        let text = "io 1 systemd write_bytes: 4096\nio 7 kworker/u4:1-flush write_bytes: 0\n\
                    at 10.50 1 0 2 0 5 0 10 0 0 0 0\nat 70.50 1 0 2 0 5 0 18 0 0 0 0\n";
        assert_eq!(times(text).unwrap(), [(10.5, 5120), (70.5, 9216)]);
        assert_eq!(processes(text)["1 systemd"], 4096);
        let written = Written {
            seconds: 60.0,
            bytes: 4096,
            minutes: vec![4096],
            by: Vec::new(),
            files: String::new(),
        };
        assert_eq!(written.per_day(), 5_898_240);
        assert!(written.per_day() > PER_DAY && written.is_little());
        let of = |seconds, bytes| Written {
            seconds,
            bytes,
            minutes: Vec::new(),
            by: Vec::new(),
            files: String::new(),
        };
        assert!(!of(600.0, 580 << 10).is_little(), "the journal on the card");
        assert!(of(3600.0, 208_000).is_little() && !of(3600.0, 209_000).is_little());
        assert!(of(7200.0, 416_000).is_little() && !of(7200.0, 417_000).is_little());
        assert!(times("at 1 2 3").is_err());
    }

    #[test]
    fn a_program_that_writes_each_minute_leaves_no_quiet_ones() {
        let of = |minutes: &[u64]| Written {
            seconds: 60.0,
            bytes: 0,
            minutes: minutes.to_vec(),
            by: Vec::new(),
            files: String::new(),
        };
        assert!(of(&[77_824, 77_824, 77_824, 77_824]).has_quiet_minutes());
        assert!(of(&[0, 0, 4096, 8192]).has_quiet_minutes());
        assert!(!of(&[4096, 8192, 12_288, 16_384]).has_quiet_minutes());
        assert!(!of(&[4096, 8192, 12_288, 12_288]).has_quiet_minutes());
    }
}
