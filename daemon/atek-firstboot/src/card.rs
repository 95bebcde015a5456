//! The settings files on the card, read and understood: one [`Source`] for each format.

use crate::formats;
use crate::fsutil::{self, Root};
use crate::settings::{Reading, Settings};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::panic;
use std::path::PathBuf;

/// Where the card's partitions for people may be mounted; the first that has a file is believed.
const FOLDERS: &[&str] = &["/boot", "/boot/firmware"];

/// Bytes of the largest settings file; a real one has two thousand.
const FILE_MAX_BYTES: u64 = 256 * 1024;

/// Something wrong with a file, in words for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Its name on the card.
    pub file: String,
    /// A sentence without values of the file.
    pub problem: String,
}

/// What the files of one format ask for.
#[derive(Debug)]
pub struct Source {
    /// The format's name.
    pub format: &'static str,
    /// Where its files are.
    pub files: Vec<PathBuf>,
    /// Changes whenever one of the files does.
    pub digest: String,
    /// What can be applied.
    pub settings: Settings,
    /// What cannot.
    pub problems: Vec<Problem>,
    /// Settings that mean nothing here.
    pub ignored: Vec<String>,
}

/// Every format of which there is a file on the card, the one that wins first.
pub fn read(root: &Root) -> Vec<Source> {
    let mut sources: Vec<Source> = formats::FORMATS
        .iter()
        .filter_map(|(format, files)| source(root, format, files))
        .collect();
    // The mark asks for ssh, and another file has the key that it needs.
    if sources
        .iter()
        .any(|source| !source.settings.ssh_keys.is_empty())
    {
        for source in &mut sources {
            source
                .problems
                .retain(|problem| !is_ssh_mark(&problem.file));
        }
    }
    sources
}

fn is_ssh_mark(file: &str) -> bool {
    file.split('.').next() == Some("ssh")
}

fn source(root: &Root, format: &'static str, files: &[&str]) -> Option<Source> {
    let mut found = Source {
        format,
        files: Vec::new(),
        digest: String::new(),
        settings: Settings::default(),
        problems: Vec::new(),
        ignored: Vec::new(),
    };
    let mut hash = Sha256::new();
    for file in files {
        let Some((path, content)) = content(root, file) else {
            continue;
        };
        let found_as = path.file_name().unwrap_or_default();
        let found_as = found_as.to_string_lossy().into_owned();
        found.files.push(path);
        let reading = match content {
            Ok(content) => {
                hash.update(format!("{file} {}\n", content.len()));
                hash.update(&content);
                understand(file, &content)
            }
            Err(problem) => {
                hash.update(format!("{file} unreadable\n"));
                Reading::refused(problem)
            }
        };
        let problem = |problem| Problem {
            file: found_as.clone(),
            problem,
        };
        found
            .problems
            .extend(reading.problems.into_iter().map(problem));
        found.ignored.extend(reading.ignored);
        // Within a format the files do not contradict: `user-data` names the box before
        // `meta-data`.
        found.settings.fill_from(reading.settings);
    }
    found.digest = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    (!found.files.is_empty()).then_some(found)
}

/// The path and the content of a file, or why it cannot be read; `None` if it is
/// nowhere. A file of that very name goes before one with an ending that its writer may not have
/// seen.
fn content(root: &Root, file: &str) -> Option<(PathBuf, Result<Vec<u8>, String>)> {
    let endings = [""]
        .into_iter()
        .chain(formats::HIDDEN_ENDINGS.iter().copied());
    endings
        .flat_map(|ending| FOLDERS.iter().map(move |folder| (ending, folder)))
        .find_map(|(ending, folder)| {
            let path = root.at(folder).join(format!("{file}{ending}"));
            let content = match fsutil::read_small(&path, FILE_MAX_BYTES) {
                Ok(None) => return None,
                Ok(Some(content)) => Ok(content),
                Err(error) => Err(format!("it cannot be read: {error}")),
            };
            Some((path, content))
        })
}

/// A parser that panics must not keep the box from booting; that it does is a bug all the same.
fn understand(file: &str, content: &[u8]) -> Reading {
    panic::catch_unwind(|| formats::read(file, content))
        .unwrap_or_else(|_| Reading::refused("it cannot be understood (this is a mistake of Atek)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn files_of_a_format_belong_together_and_change_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        fs::create_dir_all(root.at("/boot/firmware")).unwrap();
        assert!(read(&root).is_empty());
        fs::write(
            root.at("/boot/user-data"),
            "#cloud-config\nhostname: kitchen\n",
        )
        .unwrap();
        let first = read(&root).remove(0);
        fs::write(root.at("/boot/firmware/network-config"), "version: 3\n").unwrap();
        let second = read(&root).remove(0);
        assert_ne!(first.digest, second.digest);
        assert_eq!(first.settings, second.settings);
        assert_eq!(second.problems[0].file, "network-config");
    }

    #[test]
    fn a_file_with_an_ending_that_windows_hides_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        fs::create_dir_all(root.at("/boot")).unwrap();
        for (file, text) in [
            ("user-data.txt", "#cloud-config\nhostname: cellar\n"),
            ("network-config.yaml", "version: 3\n"),
            (
                "firstrun.sh.txt",
                "imager_custom set_wlan 'MYSSID' 'my secret words' 'US\n'\n",
            ),
        ] {
            fs::write(root.at("/boot").join(file), text).unwrap();
        }
        let sources = read(&root);
        assert!(sources[0].settings.host_name.is_some(), "{sources:?}");
        assert_eq!(sources[0].problems[0].file, "network-config.yaml");
        assert_eq!(sources[1].settings.wifi.len(), 1, "{sources:?}");
        // The file of the very name goes first.
        fs::write(root.at("/boot/user-data"), "#cloud-config\n").unwrap();
        assert!(read(&root)[0].settings.host_name.is_none());
    }

    #[test]
    fn a_mark_for_ssh_needs_a_key_of_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        fs::create_dir_all(root.at("/boot")).unwrap();
        fs::write(root.at("/boot/ssh.txt"), "").unwrap();
        let problems = |root: &Root| {
            read(root)
                .into_iter()
                .flat_map(|source| source.problems)
                .count()
        };
        assert_eq!(problems(&root), 1);
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        let text = format!("#cloud-config\nssh_authorized_keys: [{key}]\n");
        fs::write(root.at("/boot/user-data"), text).unwrap();
        assert_eq!(problems(&root), 0);
    }

    #[test]
    fn a_file_that_is_too_large_is_a_problem_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        fs::create_dir_all(root.at("/boot")).unwrap();
        fs::write(root.at("/boot/firstrun.sh"), vec![b'#'; 300 * 1024]).unwrap();
        let source = read(&root).remove(0);
        assert!(source.settings.is_empty());
        assert!(
            source.problems[0]
                .problem
                .contains("more than 262144 bytes"),
            "{:?}",
            source.problems
        );
    }
}
