//! The licence texts of everything on a card, as one archive beside it: `crates/`, `web/`, `npm/`
//! and `debian/`, a folder for each package. The same inputs give the same bytes.

use crate::command;
use anyhow::Context as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Beginnings of the names of files that have a licence, in capitals.
const NAMES: [&str; 6] = [
    "LICENSE",
    "LICENCE",
    "COPYING",
    "COPYRIGHT",
    "NOTICE",
    "UNLICENSE",
];
/// Bytes of the largest licence text that is copied: more is something else.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// Folders from which texts are gathered: what they are called in the archive, and where they lie.
#[derive(Debug, Default)]
pub struct Sources {
    /// Crates and other single packages: `crates/serde-1.0.2`, and the folder of its source.
    pub packages: Vec<(String, PathBuf)>,
    /// Trees in which each folder with a licence counts: `web`, and `node_modules`.
    pub trees: Vec<(String, PathBuf)>,
}

/// Writes the archive `file` (`.tar.xz`). Every entry has the time `epoch`.
///
/// # Errors
///
/// When a text cannot be read, or the archive cannot be written.
pub fn collect(sources: &Sources, file: &Path, epoch: u64) -> anyhow::Result<()> {
    let home = file.parent().context("an archive needs a folder")?;
    let scratch = tempfile::Builder::new()
        .prefix(".licences-")
        .tempdir_in(home)
        .with_context(|| format!("cannot make a folder in {}", home.display()))?;
    for (name, folder) in &sources.packages {
        copy_texts(folder, &scratch.path().join(name))?;
    }
    for (name, tree) in &sources.trees {
        copy_tree(tree, &scratch.path().join(name))?;
    }
    command::run(
        Command::new("tar")
            .args(["--create", "--xz", "--sort=name", "--format=ustar"])
            .args([
                "--owner=0",
                "--group=0",
                "--numeric-owner",
                "--mode=u=rwX,go=rX",
            ])
            .arg(format!("--mtime=@{epoch}"))
            .arg("--file")
            .arg(file)
            .arg("--directory")
            .arg(scratch.path())
            .arg("."),
    )
    .map(drop)
}

/// Copies the licence texts of one folder; nothing where there are none.
fn copy_texts(from: &Path, to: &Path) -> anyhow::Result<()> {
    let listing = || format!("cannot list {}", from.display());
    for entry in fs::read_dir(from).with_context(listing)? {
        let entry = entry.with_context(listing)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let capitals = name.to_uppercase();
        if !NAMES.iter().any(|start| capitals.starts_with(start)) {
            continue;
        }
        // Behind a link, too: packages of one source share their texts.
        let Ok(meta) = fs::metadata(entry.path()) else {
            continue;
        };
        if meta.is_file() && meta.len() <= FILE_MAX_BYTES {
            fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
            fs::copy(entry.path(), to.join(&name))
                .with_context(|| format!("cannot copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// The same for every folder of a tree.
fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    copy_texts(from, to)?;
    let listing = || format!("cannot list {}", from.display());
    for entry in fs::read_dir(from).with_context(listing)? {
        let entry = entry.with_context(listing)?;
        if entry.file_type().with_context(listing)?.is_dir() {
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_gathered_by_their_names_and_the_archive_is_the_same_twice() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, path.to_string_lossy().as_bytes()).unwrap();
        };
        for path in [
            "crate/LICENSE-MIT",
            "crate/Cargo.toml",
            "tree/a/license.md",
            "tree/@s/b/COPYING",
            "tree/@s/b/index.js",
            "tree/c/readme.md",
        ] {
            put(path);
        }
        let sources = Sources {
            packages: vec![("crates/x-1.0.0".to_owned(), folder.path().join("crate"))],
            trees: vec![("web".to_owned(), folder.path().join("tree"))],
        };
        let made = |name: &str| {
            let file = folder.path().join(name);
            collect(&sources, &file, 1_700_000_000).unwrap();
            file
        };
        let (first, second) = (made("1.tar.xz"), made("2.tar.xz"));
        assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
        let list = command::run(Command::new("tar").arg("--list").arg("--file").arg(&first));
        let list = list.unwrap();
        let files: Vec<&str> = list.lines().filter(|name| !name.ends_with('/')).collect();
        assert_eq!(
            files,
            [
                "./crates/x-1.0.0/LICENSE-MIT",
                "./web/@s/b/COPYING",
                "./web/a/license.md"
            ]
        );
    }
}
