//! `keep-journal`: moves what journald has closed from memory to the data partition, where every
//! reader of the journal finds it too.
//!
//! The journal itself is in memory, so that an idle box does not write. This runs once a day and
//! when the box is turned off, after `journalctl --rotate`, which closes the files.

use crate::fsutil::{self, Root};
use atek_files::FileError;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const IN_MEMORY: &str = "/run/log/journal";
const ON_DISK: &str = "/var/log/journal";
/// Bytes kept on the data partition; the oldest files go first.
const KEPT_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of the largest file that is moved: journald's own limit is 2 MiB.
const FILE_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Moves the closed files of every machine id, then removes the oldest that are too many.
///
/// # Errors
///
/// When a file cannot be copied or removed; what was not moved stays in memory.
pub fn run(root: &Root) -> Result<(), FileError> {
    for file in journal_files(&root.at(IN_MEMORY)) {
        let is_closed = file.path.to_string_lossy().contains('@');
        if is_closed && file.bytes <= FILE_MAX_BYTES {
            keep(root, &file.path)?;
        }
    }
    let mut kept = journal_files(&root.at(ON_DISK));
    kept.sort_by_key(|file| std::cmp::Reverse(file.changed));
    let mut bytes = 0;
    for file in kept {
        bytes += file.bytes;
        if bytes > KEPT_MAX_BYTES {
            atek_files::remove(&file.path)?;
        }
    }
    Ok(())
}

struct JournalFile {
    path: PathBuf,
    bytes: u64,
    changed: SystemTime,
}

/// The files of all machine ids below a folder. What cannot be read is left out.
fn journal_files(folder: &Path) -> Vec<JournalFile> {
    let entries = |folder: &Path| {
        let list = fs::read_dir(folder).into_iter().flatten().flatten();
        list.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let machines = entries(folder).into_iter().filter(|path| path.is_dir());
    machines
        .flat_map(|machine| entries(&machine))
        .filter(|path| path.extension().is_some_and(|ending| ending == "journal"))
        .filter_map(|path| {
            let meta = path.symlink_metadata().ok().filter(fs::Metadata::is_file)?;
            Some(JournalFile {
                bytes: meta.len(),
                changed: meta.modified().ok()?,
                path,
            })
        })
        .collect()
}

/// Copies one file and removes it from memory once the copy is on the disk.
fn keep(root: &Root, file: &Path) -> Result<(), FileError> {
    let machine = file.parent().and_then(Path::file_name).unwrap_or_default();
    let name = file.file_name().unwrap_or_default();
    let folder = root.at(ON_DISK).join(machine);
    fsutil::make_folder(&folder)?;
    let copy = folder.join(name);
    let partial = copy.with_extension("partial");
    copy_whole(file, &partial).map_err(FileError::at("copy", &partial))?;
    fs::rename(&partial, &copy).map_err(FileError::at("replace", &copy))?;
    atek_files::remove(file)
}

fn copy_whole(from: &Path, to: &Path) -> io::Result<()> {
    let changed = from.metadata()?.modified()?;
    fs::copy(from, to)?;
    let copied = File::options().write(true).open(to)?;
    copied.set_modified(changed)?;
    copied.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn file(root: &Root, folder: &str, name: &str, bytes: usize, age: u64) {
        let folder = root.at(folder).join("0123456789abcdef0123456789abcdef");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), vec![b'x'; bytes]).unwrap();
        let file = File::options().write(true).open(folder.join(name)).unwrap();
        let changed = SystemTime::now() - Duration::from_secs(age);
        file.set_modified(changed).unwrap();
    }

    fn names(root: &Root, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = journal_files(&root.at(folder))
            .into_iter()
            .map(|file| {
                file.path
                    .file_name()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn closed_files_move_to_the_disk_and_the_open_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        file(&root, IN_MEMORY, "system.journal", 10, 0);
        file(&root, IN_MEMORY, "system@1.journal", 10, 5);
        run(&root).unwrap();
        assert_eq!(names(&root, IN_MEMORY), ["system.journal"]);
        assert_eq!(names(&root, ON_DISK), ["system@1.journal"]);
        // Nothing new: nothing is written.
        run(&root).unwrap();
        assert_eq!(names(&root, ON_DISK), ["system@1.journal"]);
    }

    #[test]
    fn the_oldest_files_go_when_there_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        for age in 1..=10 {
            file(
                &root,
                ON_DISK,
                &format!("system@{age:02}.journal"),
                2 << 20,
                age * 3600,
            );
        }
        run(&root).unwrap();
        assert_eq!(names(&root, ON_DISK).len(), 8);
        assert!(!names(&root, ON_DISK).contains(&"system@10.journal".to_owned()));
    }

    #[test]
    fn a_box_without_a_journal_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        run(&Root::new(folder.path())).unwrap();
        assert!(!folder.path().join("var").exists());
    }
}
