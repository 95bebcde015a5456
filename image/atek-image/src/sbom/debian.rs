//! The packages unpacked in a Debian root: versions by their changelogs, licences by their
//! `copyright` files.

use super::Component;
use anyhow::{Context as _, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The packages that lie in `root`; inside the toolbox.
///
/// # Errors
///
/// When there is none, or a changelog cannot be read.
pub fn debian(root: &Path) -> anyhow::Result<Vec<Component>> {
    let documents = root.join("usr/share/doc");
    let entries =
        fs::read_dir(&documents).with_context(|| format!("cannot list {}", documents.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", documents.display()))?;
        let folder = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(version) = version(&folder)? else {
            continue;
        };
        let copyright = fs::read_to_string(folder.join("copyright")).unwrap_or_default();
        found.push(Component {
            name,
            version,
            kind: "deb/debian",
            sha256: None,
            licenses: licenses(&copyright),
        });
    }
    ensure!(
        !found.is_empty(),
        "no Debian package has its documents in {}",
        documents.display()
    );
    Ok(found)
}

/// The version at the top of the changelog. A rebuild of the same source has a changelog of its own
/// architecture (`+b1`). `None` when the folder is not that of a package.
fn version(folder: &Path) -> anyhow::Result<Option<String>> {
    let names = [
        "changelog.Debian.arm64.gz",
        "changelog.Debian.gz",
        "changelog.gz",
    ];
    for name in names {
        let file = folder.join(name);
        if !file.is_file() {
            continue;
        }
        let text = crate::command::run(Command::new("zcat").arg(&file))?;
        if let Some(version) = text.lines().next().and_then(first_line) {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// The version in `SOURCE (VERSION) SUITE; urgency=…`. `None` for an upstream's own changelog.
fn first_line(line: &str) -> Option<String> {
    let (version, rest) = line.split_once('(')?.1.split_once(')')?;
    rest.contains("urgency=").then(|| version.to_owned())
}

/// The short names of a machine-readable `copyright` file (DEP-5), each once; nothing for a file
/// that is written for people only.
fn licenses(copyright: &str) -> Vec<String> {
    let is_for_machines = copyright.lines().next().is_some_and(|line| {
        line.starts_with("Format:") || line.starts_with("Format-Specification:")
    });
    if !is_for_machines {
        return Vec::new();
    }
    let names: BTreeSet<String> = copyright
        .lines()
        .filter_map(|line| line.strip_prefix("License:"))
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty() && name.len() <= 100)
        .collect();
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_changelogs() {
        let line = "systemd (257.13-1~deb13u1) trixie; urgency=medium";
        assert_eq!(first_line(line).as_deref(), Some("257.13-1~deb13u1"));
        for line in ["Changes in 1.3 (2023)", "x", ""] {
            assert_eq!(first_line(line), None, "{line}");
        }
    }

    #[test]
    fn a_root_whose_documents_were_left_out_is_no_root_without_packages() {
        let root = tempfile::tempdir().unwrap();
        assert!(debian(root.path()).is_err());
        fs::create_dir_all(root.path().join("usr/share/doc/empty")).unwrap();
        let said = format!("{:#}", debian(root.path()).unwrap_err());
        assert!(said.contains("no Debian package"), "{said}");
    }

    #[test]
    fn packages_are_found_with_their_licences_also_by_a_link() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("usr/share/doc/libattr1");
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join("changelog.Debian"),
            "attr (1:2.5.2-3) unstable; urgency=low\n",
        )
        .unwrap();
        let packed = Command::new("gzip")
            .arg(folder.join("changelog.Debian"))
            .status();
        assert!(packed.unwrap().success());
        let copyright = "Format: https://x\n\nFiles: *\nLicense: LGPL-2.1+\n\nFiles: b\nLicense: GPL-2+\n text\n";
        fs::write(folder.join("copyright"), copyright).unwrap();
        std::os::unix::fs::symlink("libattr1", root.path().join("usr/share/doc/attr")).unwrap();
        let mut found = debian(root.path()).unwrap();
        found.sort();
        let names: Vec<_> = found.iter().map(|it| (&*it.name, &*it.version)).collect();
        assert_eq!(names, [("attr", "1:2.5.2-3"), ("libattr1", "1:2.5.2-3")]);
        assert_eq!(found[0].licenses, ["GPL-2+", "LGPL-2.1+"]);
        assert!(licenses("This package was debianized by a person.\nLicense: x\n").is_empty());
    }
}
