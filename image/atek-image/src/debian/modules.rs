//! Kernel modules: those that the boards need, with what those need in turn.

use crate::command;
use anyhow::{Context as _, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `modules.dep`: each module's file, and the files it needs, furthest first when loaded backwards.
pub(super) struct Modules {
    folder: PathBuf,
    needs: BTreeMap<String, Vec<String>>,
    /// `modules.builtin`: what would be a module in another kernel.
    built_in: Vec<String>,
}

impl Modules {
    /// Those of the only kernel below `root`.
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let all = root.join("usr/lib/modules");
        let mut versions = fs::read_dir(&all)
            .with_context(|| format!("cannot list {}", all.display()))?
            .collect::<Result<Vec<_>, _>>()
            .context("cannot list the kernels")?;
        ensure!(
            versions.len() == 1,
            "{} kernels in the root, where one is wanted",
            versions.len()
        );
        let folder = versions.remove(0).path();
        depmod(root, &folder)?;
        let text =
            fs::read_to_string(folder.join("modules.dep")).context("cannot read modules.dep")?;
        let built_in = fs::read_to_string(folder.join("modules.builtin"))
            .context("cannot read modules.builtin")?;
        Ok(Self {
            folder,
            needs: parse(&text),
            built_in: built_in.lines().map(str::to_owned).collect(),
        })
    }

    /// The kernel's version.
    pub(super) fn version(&self) -> String {
        self.folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// The files of the named modules and of what they need, each after those it needs.
    ///
    /// A name that ends in `/` is a folder: all modules below it.
    pub(super) fn closure(&self, wanted: &[String]) -> anyhow::Result<Vec<String>> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        for name in wanted {
            let before = order.len();
            for (file, needs) in self.needs.iter().filter(|(file, _)| is_meant(name, file)) {
                for needed in needs.iter().rev().chain([file]) {
                    if seen.insert(needed.clone()) {
                        order.push(needed.clone());
                    }
                }
            }
            let known = order.len() > before
                || seen
                    .iter()
                    .chain(&self.built_in)
                    .any(|file| is_meant(name, file));
            ensure!(known, "this kernel has no module {name}");
        }
        Ok(order)
    }

    /// A module's content.
    pub(super) fn content(&self, file: &str) -> anyhow::Result<Vec<u8>> {
        let path = self.folder.join(file);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Removes every module that is not in `keep`.
    pub(super) fn keep_only(&self, root: &Path, keep: &[String]) -> anyhow::Result<()> {
        let keep: BTreeSet<&String> = keep.iter().collect();
        for file in self.needs.keys().filter(|file| !keep.contains(file)) {
            let path = self.folder.join(file);
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        command::run(
            Command::new("find")
                .arg(&self.folder)
                .args(["-type", "d", "-empty", "-delete"]),
        )?;
        depmod(root, &self.folder)
    }
}

fn depmod(root: &Path, folder: &Path) -> anyhow::Result<()> {
    let version = folder.file_name().unwrap_or_default();
    command::run(
        Command::new("depmod")
            .arg("--basedir")
            .arg(root)
            .arg(version),
    )
    .map(drop)
}

fn parse(text: &str) -> BTreeMap<String, Vec<String>> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(file, needs)| {
            (
                file.to_owned(),
                needs.split_whitespace().map(str::to_owned).collect(),
            )
        })
        .collect()
}

fn is_meant(name: &str, file: &str) -> bool {
    if name.ends_with('/') {
        return file.starts_with(&format!("kernel/{name}"));
    }
    let last = file.rsplit('/').next().unwrap_or(file);
    let stem = last.split(".ko").next().unwrap_or(last);
    stem.replace('-', "_") == name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_after_all_it_needs_and_only_once() {
        let needs = parse(
            "kernel/fs/ext4.ko.xz: kernel/fs/jbd2.ko.xz kernel/lib/crc16.ko.xz\nkernel/fs/jbd2.ko.xz: kernel/lib/crc16.ko.xz\nkernel/lib/crc16.ko.xz:\nkernel/x/dm-mod.ko.xz:\n",
        );
        let modules = Modules {
            folder: PathBuf::new(),
            needs,
            built_in: vec!["kernel/x/virtio_pci.ko".into()],
        };
        let order = |names: &[&str]| {
            modules.closure(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(
            order(&["ext4", "jbd2", "dm_mod"]).unwrap(),
            [
                "kernel/lib/crc16.ko.xz",
                "kernel/fs/jbd2.ko.xz",
                "kernel/fs/ext4.ko.xz",
                "kernel/x/dm-mod.ko.xz"
            ]
        );
        assert_eq!(order(&["fs/", "virtio_pci"]).unwrap().len(), 3);
        assert!(order(&["ext5"]).is_err());
    }
}
