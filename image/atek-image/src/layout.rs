//! The card's partitions (`image/layout.toml`), and what genimage is told of them.

use crate::paths;
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The card.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Layout {
    /// The GPT's own identity.
    pub disk_uuid: String,
    /// In the order in which they lie.
    #[serde(rename = "partition")]
    pub partitions: Vec<Partition>,
}

/// One partition.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Partition {
    /// Its name in the GPT.
    pub name: String,
    /// Its identity in the GPT.
    pub uuid: String,
    /// Its size, in units of 2^20 bytes.
    pub size_mib: u64,
    /// What is in it.
    pub content: Content,
}

/// What a partition has in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Content {
    /// Files that firmware and other computers read.
    Fat {
        /// The volume's label.
        label: String,
        /// The volume's identity: 8 hexadecimal digits.
        id: String,
        /// Whether no file is on it yet.
        #[serde(default)]
        empty: bool,
    },
    /// A root with its hash tree.
    Root,
    /// Nothing yet.
    Empty,
    /// The box's own data.
    Ext4 {
        /// The file system's label.
        label: String,
        /// The file system's identity.
        uuid: String,
    },
}

impl Content {
    /// The GPT's partition type.
    fn kind(&self) -> &'static str {
        match self {
            // Basic data: what the Pi's firmware and every desktop look into.
            Self::Fat { .. } => "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
            // Root of arm64 (the Discoverable Partitions Specification).
            Self::Root | Self::Empty => "b921b045-1df0-41c3-af44-4c6f280d3fae",
            // Linux data.
            Self::Ext4 { .. } => "0fc63daf-8483-4772-8e79-3d69d8477de4",
        }
    }
}

impl Layout {
    /// Reads `image/layout.toml`.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is not a layout.
    pub fn read() -> anyhow::Result<Self> {
        let path = paths::repository().join("image/layout.toml");
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "cannot read {}: name a checkout of Atek with --checkout FOLDER",
                path.display()
            )
        })?;
        let layout: Self =
            toml::from_str(&text).with_context(|| format!("{} is no layout", path.display()))?;
        for name in [
            "selector",
            "boot-a",
            "boot-b",
            "root-a",
            "root-b",
            "atek-data",
        ] {
            layout.partition(name)?;
        }
        Ok(layout)
    }

    /// The partition called `name`.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn partition(&self, name: &str) -> anyhow::Result<&Partition> {
        self.partitions
            .iter()
            .find(|partition| partition.name == name)
            .with_context(|| format!("the layout has no partition {name}"))
    }

    /// The commands that make the ext4 file systems, below `folder`, with the one time `epoch`.
    #[must_use]
    pub fn ext4(&self, folder: &Path, epoch: u64) -> Vec<Command> {
        let command = |partition: &Partition| {
            let Content::Ext4 { label, uuid } = &partition.content else {
                return None;
            };
            let mut command = Command::new("mke2fs");
            // 4 KiB blocks and the usual number of inodes: what this small file system grows into.
            // Its journal cannot grow, so it has the size for a card. The host's
            // reserve is 2 % of it, and 1 % of what it grows by: the kernel takes the
            // percentage rounded down, so 1 % here would be 0 there.
            command
                .env("E2FSPROGS_FAKE_TIME", epoch.to_string())
                .args([
                    "-q", "-t", "ext4", "-b", "4096", "-i", "16384", "-m", "2", "-J", "size=32",
                ])
                .args(["-L", label, "-U", uuid, "-E"])
                .arg(format!("hash_seed={uuid},lazy_itable_init=1,nodiscard"))
                .arg(folder.join(format!("{}.part", partition.name)))
                .arg(format!("{}M", partition.size_mib));
            Some(command)
        };
        self.partitions.iter().filter_map(command).collect()
    }

    /// genimage's configuration for the card `card`.
    ///
    /// The content of a FAT partition is the folder of its name below genimage's root path; a root
    /// is the file `root.img` in its input path, and ext4 is what [`Layout::ext4`] made there.
    ///
    /// # Errors
    ///
    /// When the layout has a word that would not survive the configuration's syntax.
    pub fn genimage(&self, card: &str) -> anyhow::Result<String> {
        let words = self
            .partitions
            .iter()
            .flat_map(|p| [&p.name, &p.uuid])
            .chain([&self.disk_uuid]);
        for word in words {
            let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            ensure!(plain && !word.is_empty(), "{word:?} is no name or UUID");
        }
        let mut text = String::new();
        for partition in &self.partitions {
            image(&mut text, partition);
        }
        let _ = writeln!(text, "image {card} {{");
        let _ = writeln!(
            text,
            "\thdimage {{\n\t\tpartition-table-type = \"gpt\"\n\t\tdisk-uuid = \"{}\"\n\t\talign = 1M\n\t}}",
            self.disk_uuid
        );
        for partition in &self.partitions {
            let _ = writeln!(text, "\tpartition {} {{", partition.name);
            let _ = writeln!(
                text,
                "\t\tpartition-type-uuid = \"{}\"",
                partition.content.kind()
            );
            let _ = writeln!(text, "\t\tpartition-uuid = \"{}\"", partition.uuid);
            let _ = writeln!(text, "\t\tsize = {}M", partition.size_mib);
            match partition.content {
                Content::Fat { .. } | Content::Ext4 { .. } => {
                    let _ = writeln!(text, "\t\timage = \"{}.part\"", partition.name);
                }
                Content::Root => text.push_str("\t\timage = \"root.img\"\n"),
                Content::Empty => {}
            }
            text.push_str("\t}\n");
        }
        text.push_str("}\n");
        Ok(text)
    }
}

/// The file system of one partition.
fn image(text: &mut String, partition: &Partition) {
    let (name, size) = (&partition.name, partition.size_mib);
    match &partition.content {
        Content::Fat { label, id, empty } => {
            let _ = writeln!(
                text,
                "image {name}.part {{\n\tvfat {{\n\t\tlabel = \"{label}\"\n\t\textraargs = \"--invariant -i {id}\"\n\t}}\n\tmountpoint = \"/{name}\"\n\tempty = {empty}\n\tsize = {size}M\n}}"
            );
        }
        // Made before: genimage's own tools would write the time of the build into it.
        Content::Ext4 { .. } | Content::Root | Content::Empty => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_of_the_card_fits_8_gb_and_has_both_slots() {
        let layout = Layout::read().unwrap();
        let sum: u64 = layout
            .partitions
            .iter()
            .map(|partition| partition.size_mib)
            .sum();
        assert!(
            sum * (1 << 20) < 4_000_000_000,
            "{sum} MiB leave an 8 GB card too little for data"
        );
        for (a, b) in [("boot-a", "boot-b"), ("root-a", "root-b")] {
            let size = |name| layout.partition(name).unwrap().size_mib;
            assert_eq!(size(a), size(b));
        }
        assert_eq!(
            layout.partitions.last().unwrap().name,
            "atek-data",
            "only the last one can grow"
        );
    }

    #[test]
    fn no_identity_is_used_twice() {
        let layout = Layout::read().unwrap();
        let mut uuids: Vec<&str> = layout
            .partitions
            .iter()
            .map(|partition| partition.uuid.as_str())
            .collect();
        uuids.sort_unstable();
        uuids.dedup();
        assert_eq!(uuids.len(), layout.partitions.len());
    }
}
