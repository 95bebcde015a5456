//! Whether the kernel ended a process of this job for want of memory.
//!
//! The unit goes on then (`OOMPolicy=continue`), so that this program can say so: npm's own
//! words for a child that is suddenly gone do not help.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel shows control groups (version 2).
const GROUPS: &str = "/sys/fs/cgroup";

/// Why there was no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// The job used all that it may; in bytes, where that is known.
    Limit(Option<u64>),
    /// The whole machine had none left.
    Machine,
}

/// The memory of this job's processes; of none where the kernel does not account it.
#[derive(Debug)]
pub(crate) struct Memory {
    group: Option<PathBuf>,
}

/// What happened until one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The limit was met, and nothing could be freed.
    at_limit: u64,
    killed: u64,
}

impl Memory {
    /// That of the control group in which this process is.
    pub(crate) fn own() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let own = groups.lines().find_map(|line| line.strip_prefix("0::/"));
        Self {
            group: own.map(|path| Path::new(GROUPS).join(path)),
        }
    }

    /// What happened until now.
    pub(crate) fn counts(&self) -> Counts {
        let events = self.read("memory.events").unwrap_or_default();
        let count = |name: &str| {
            let mut lines = events.lines().filter_map(|line| line.split_once(' '));
            let found = lines.find(|(found, _)| *found == name);
            found.and_then(|(_, count)| count.parse().ok()).unwrap_or(0)
        };
        Counts {
            at_limit: count("oom"),
            killed: count("oom_kill"),
        }
    }

    /// Why a process was ended since then; `None` where none was, or where the kernel does not
    /// count.
    pub(crate) fn want_since(&self, before: Counts) -> Option<Want> {
        let now = self.counts();
        if now.killed <= before.killed {
            return None;
        }
        if now.at_limit <= before.at_limit {
            return Some(Want::Machine);
        }
        let max = self.read("memory.max");
        Some(Want::Limit(max.and_then(|max| max.trim().parse().ok())))
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.group.as_ref()?.join(file)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_killed_for_its_memory_is_told_from_one_that_failed() {
        let folder = tempfile::tempdir().unwrap();
        let events = |oom: u64, kill: u64| {
            let text =
                format!("low 0\nhigh 0\nmax 5\noom {oom}\noom_kill {kill}\noom_group_kill 0\n");
            fs::write(folder.path().join("memory.events"), text).unwrap();
        };
        let max = |text: &str| fs::write(folder.path().join("memory.max"), text).unwrap();
        let memory = Memory {
            group: Some(folder.path().to_owned()),
        };
        events(1, 1);
        max("1073741824\n");
        let before = memory.counts();
        assert_eq!(memory.want_since(before), None, "an earlier step's");
        events(2, 2);
        assert_eq!(memory.want_since(before), Some(Want::Limit(Some(1 << 30))));
        max("max\n");
        assert_eq!(memory.want_since(before), Some(Want::Limit(None)));
        events(1, 2);
        assert_eq!(memory.want_since(before), Some(Want::Machine));
        let unknown = Memory { group: None };
        assert_eq!(unknown.want_since(unknown.counts()), None);
    }
}
