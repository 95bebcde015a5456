//! What a control group uses, from the kernel's files.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel shows the tree of control groups.
const ROOT: &str = "/sys/fs/cgroup";

/// A control group's files say this.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Bytes; none where the kernel does not account memory by group (in some containers).
    /// A sum over the processes would count what they share several times, and atekd cannot
    /// see other users' processes anyway.
    pub(super) memory: Option<u64>,
    /// Microseconds since the group was made.
    pub(super) cpu_usec: Option<u64>,
    /// Processes and threads.
    pub(super) tasks: Option<u32>,
    /// How often a new process or thread was refused since the group was made.
    pub(super) tasks_refused: u64,
    /// How often the kernel ended a process of it, at its memory limit. That the limit was met
    /// (`max`) says little: files that it read count as well, and are dropped then.
    pub(super) memory_refused: u64,
}

/// The folder of a service's group, by the name that systemd gives the group of its unit. Of an app
/// of several processes it is the group around all of them, a slice of its own
/// (`atek-apps-OWNER-ID.slice`).
pub(super) fn folder(control_group: &str) -> PathBuf {
    let unit = Path::new(ROOT).join(control_group.trim_start_matches('/'));
    let slice = unit.parent().filter(|slice| {
        let name = slice.file_name().unwrap_or_default().to_string_lossy();
        name.strip_prefix("atek-apps-")
            .is_some_and(|inside| inside.contains('-'))
    });
    slice.map(Path::to_path_buf).unwrap_or(unit)
}

/// Reads a group; `None` when it is not there (any more).
pub(super) fn read(folder: &Path) -> Option<Reading> {
    let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
    // Every group has this one, whatever else is accounted.
    let threads = || text("cgroup.threads");
    let tasks = match text("pids.current") {
        Some(count) => number(&count),
        None => Some(u64::try_from(threads()?.lines().count()).unwrap_or(u64::MAX)),
    };
    Some(Reading {
        memory: text("memory.current").as_deref().and_then(number),
        cpu_usec: text("cpu.stat").as_deref().and_then(cpu_usec),
        tasks: tasks.map(|tasks| u32::try_from(tasks).unwrap_or(u32::MAX)),
        tasks_refused: events(text("pids.events"), "max"),
        memory_refused: events(text("memory.events"), "oom_kill"),
    })
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// A counter in a file of events (`NAME COUNT` a line); 0 without the file.
fn events(text: Option<String>, name: &str) -> u64 {
    let text = text.unwrap_or_default();
    let mut counts = text.lines().filter_map(|line| line.split_once(' '));
    let found = counts.find(|(counter, _)| *counter == name);
    found.and_then(|(_, count)| number(count)).unwrap_or(0)
}

/// The first figure of `cpu.stat`.
fn cpu_usec(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("usage_usec "))
        .and_then(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn what_is_not_accounted_is_not_known_and_a_group_that_is_gone_is_not_read() {
        let stat = "usage_usec 1234567\nuser_usec 1\nsystem_usec 2\n";
        let all = [
            ("memory.current", "4096\n"),
            ("cpu.stat", stat),
            ("pids.current", "7\n"),
            ("cgroup.threads", "1\n2\n"),
            ("pids.events", "max 3\n"),
            ("memory.events", "low 9\nhigh 0\nmax 4\noom 9\noom_kill 2\n"),
        ];
        assert_eq!(
            read(group(&all).path()),
            Some(Reading {
                memory: Some(4096),
                cpu_usec: Some(1_234_567),
                tasks: Some(7),
                tasks_refused: 3,
                memory_refused: 2,
            })
        );
        assert_eq!(
            read(group(&[("cpu.stat", stat), ("cgroup.threads", "12\n13\n14\n")]).path()),
            Some(Reading {
                memory: None,
                cpu_usec: Some(1_234_567),
                tasks: Some(3),
                tasks_refused: 0,
                memory_refused: 0,
            })
        );
        assert_eq!(read(Path::new("/nonexistent")), None);
    }

    #[test]
    fn a_group_is_below_the_root_of_all() {
        assert_eq!(
            folder("/atek.slice/atek-app-rss.service"),
            Path::new("/sys/fs/cgroup/atek.slice/atek-app-rss.service")
        );
        let apps = "/sys/fs/cgroup/atek.slice/atek-apps.slice/atek-apps-u1.slice";
        for (inside, expected) in [
            ("atek-app-rss.service", "atek-app-rss.service"),
            (
                "atek-apps-u1-rss.slice/atek-app-rss.service",
                "atek-apps-u1-rss.slice",
            ),
        ] {
            let group = format!("{}/{inside}", apps.trim_start_matches(ROOT));
            assert_eq!(folder(&group), Path::new(apps).join(expected));
        }
    }
}
