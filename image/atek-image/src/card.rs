//! Reading and writing the parts of a card, without mounting it.

use anyhow::{Context as _, ensure};
use fatfs::{FileSystem, FsOptions};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

const SECTOR: u64 = 512;

/// A card: a file with a GPT.
#[derive(Debug)]
pub struct Card {
    file: File,
    partitions: Vec<Part>,
}

/// One partition of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its identity, lower-case.
    pub uuid: String,
    /// Its first byte.
    pub start: u64,
    /// Its length in bytes.
    pub length: u64,
}

impl Card {
    /// Opens the card at `path`, to be read, or written as well.
    ///
    /// # Errors
    ///
    /// When it cannot be opened or has no GPT.
    pub fn open(path: &Path, write: bool) -> anyhow::Result<Self> {
        let doing = || format!("cannot read the card {}", path.display());
        let mut file = File::options()
            .read(true)
            .write(write)
            .open(path)
            .with_context(doing)?;
        let partitions = partitions(&mut file).with_context(doing)?;
        Ok(Self { file, partitions })
    }

    /// All partitions, in the table's order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.partitions
    }

    /// The partition called `name`.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn part(&self, name: &str) -> anyhow::Result<&Part> {
        self.partitions
            .iter()
            .find(|part| part.name == name)
            .with_context(|| format!("the card has no partition {name}"))
    }

    /// A file of a FAT partition.
    ///
    /// # Errors
    ///
    /// When there is no such file.
    pub fn read(&self, partition: &str, name: &str) -> anyhow::Result<Vec<u8>> {
        let doing = || format!("cannot read {name} on {partition}");
        let fat = self.fat(partition)?;
        let mut content = Vec::new();
        fat.root_dir()
            .open_file(name)
            .with_context(doing)?
            .read_to_end(&mut content)
            .with_context(doing)?;
        Ok(content)
    }

    /// Writes a file on a FAT partition, as a person's computer would.
    ///
    /// # Errors
    ///
    /// When the card is not open for writing, or full.
    pub fn write(&self, partition: &str, name: &str, content: &[u8]) -> anyhow::Result<()> {
        let doing = || format!("cannot write {name} on {partition}");
        let fat = self.fat(partition)?;
        let mut file = fat.root_dir().create_file(name).with_context(doing)?;
        file.truncate().with_context(doing)?;
        file.write_all(content).with_context(doing)?;
        file.flush().with_context(doing)
    }

    fn fat(&self, partition: &str) -> anyhow::Result<FileSystem<Window>> {
        let part = self.part(partition)?;
        let file = self
            .file
            .try_clone()
            .context("cannot open the card once more")?;
        let window = Window {
            file,
            start: part.start,
            length: part.length,
            at: 0,
        };
        FileSystem::new(window, FsOptions::new()).with_context(|| format!("{partition} is no FAT"))
    }
}

/// The partition table: the GPT at its usual place.
fn partitions(file: &mut File) -> anyhow::Result<Vec<Part>> {
    let mut header = [0; 92];
    file.seek(SeekFrom::Start(SECTOR))?;
    file.read_exact(&mut header)?;
    ensure!(header.starts_with(b"EFI PART"), "it has no GPT");
    let (entries, count, size) = (
        number(&header, 72, 8),
        number(&header, 80, 4),
        number(&header, 84, 4),
    );
    ensure!(
        (128..=4096).contains(&size) && count <= 1024,
        "its GPT is damaged"
    );
    file.seek(SeekFrom::Start(entries * SECTOR))?;
    let mut found = Vec::new();
    for _ in 0..count {
        let mut entry = vec![0; size as usize];
        file.read_exact(&mut entry)?;
        if entry[..16].iter().all(|byte| *byte == 0) {
            continue;
        }
        let (first, last) = (number(&entry, 32, 8), number(&entry, 40, 8));
        ensure!(first <= last, "its GPT is damaged");
        let name: Vec<u16> = entry[56..128]
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .take_while(|unit| *unit != 0)
            .collect();
        found.push(Part {
            name: String::from_utf16_lossy(&name),
            uuid: uuid(&entry[16..32]),
            start: first * SECTOR,
            length: (last - first + 1) * SECTOR,
        });
    }
    Ok(found)
}

fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    bytes[at..at + length]
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// GPT writes the first three groups with the least significant byte first.
fn uuid(bytes: &[u8]) -> String {
    let tail = |from: usize, to: usize| crate::verity::hex(&bytes[from..to]);
    format!(
        "{:08x}-{:04x}-{:04x}-{}-{}",
        number(bytes, 0, 4),
        number(bytes, 4, 2),
        number(bytes, 6, 2),
        tail(8, 10),
        tail(10, 16)
    )
}

/// A partition as a file of its own.
#[derive(Debug)]
struct Window {
    file: File,
    start: u64,
    length: u64,
    at: u64,
}

impl Window {
    fn go(&mut self, wanted: usize) -> io::Result<usize> {
        self.file.seek(SeekFrom::Start(self.start + self.at))?;
        let left = self.length.saturating_sub(self.at);
        Ok(wanted.min(usize::try_from(left).unwrap_or(usize::MAX)))
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.go(buffer.len())?;
        let count = self.file.read(&mut buffer[..length])?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Write for Window {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = self.go(buffer.len())?;
        let count = self.file.write(&buffer[..length])?;
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
