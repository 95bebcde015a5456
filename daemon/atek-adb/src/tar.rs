//! The part of the tar format (POSIX ustar) that exports need: files with short names, one after
//! the other.

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use std::fmt;

/// Size of a header, and what everything is padded to.
pub const BLOCK: usize = 512;
/// The largest file that a header can describe, in bytes.
const MAX_SIZE: u64 = 0o77_777_777_777;

/// The header of a file.
///
/// `name` has at most 100 bytes, `size` is below 8 GiB: both are ADB's own choice.
#[must_use]
pub fn header(name: &str, size: u64) -> [u8; BLOCK] {
    debug_assert!(name.len() <= 100 && size <= MAX_SIZE);
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, &name.as_bytes()[..name.len().min(100)]);
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Zeros after a file of `size` bytes.
#[must_use]
pub fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

/// What follows the last file.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As in the archive; not to be used as a path of the file system.
    pub name: String,
    /// Bytes.
    pub size: u64,
}

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The stream broke, or took too long.
    #[error("the archive ends early: {0}")]
    Broken(String),
    /// Not a tar, or a damaged one.
    #[error("this is no tar archive, or it is damaged")]
    BadHeader,
    /// A kind of entry that exports do not have.
    #[error("the archive has an entry that is no file: {0:?}")]
    NotAFile(String),
}

/// Reads an archive from a stream of its bytes.
pub struct Reader<S> {
    source: S,
    buffer: BytesMut,
    /// Bytes of the current file, and of its padding, that are still to come.
    left: u64,
    padding: usize,
}

impl<S> fmt::Debug for Reader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl<S, E> Reader<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: fmt::Display,
{
    /// Reads from the start.
    pub fn new(source: S) -> Self {
        Self {
            source,
            buffer: BytesMut::new(),
            left: 0,
            padding: 0,
        }
    }

    /// The next file; what is left of the one before is skipped. `None` at the end.
    ///
    /// # Errors
    ///
    /// See [`TarError`].
    pub async fn next(&mut self) -> Result<Option<Entry>, TarError> {
        while self.chunk().await?.is_some() {}
        self.need(self.padding).await?;
        self.buffer.advance(self.padding);
        self.padding = 0;
        self.need(BLOCK).await?;
        let block = self.buffer.split_to(BLOCK);
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| {
                if (148..156).contains(&at) {
                    32
                } else {
                    u32::from(*byte)
                }
            })
            .sum();
        if octal(&block[148..156]) != Some(u64::from(sum)) {
            return Err(TarError::BadHeader);
        }
        let name = text(&block[..100]).ok_or(TarError::BadHeader)?;
        let size = octal(&block[124..136]).ok_or(TarError::BadHeader)?;
        match block[156] {
            b'0' | 0 => {}
            _ => return Err(TarError::NotAFile(name)),
        }
        self.left = size;
        self.padding = padding(size);
        Ok(Some(Entry { name, size }))
    }

    /// The next bytes of the current file; `None` at its end.
    ///
    /// # Errors
    ///
    /// See [`TarError`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, TarError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.need(1).await?;
        let length = self
            .buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= length as u64;
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    async fn need(&mut self, length: usize) -> Result<(), TarError> {
        while self.buffer.len() < length {
            match self.source.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(TarError::Broken(error.to_string())),
                None => return Err(TarError::Broken("nothing more comes".to_owned())),
            }
        }
        Ok(())
    }
}

fn text(field: &[u8]) -> Option<String> {
    let end = field
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(field.len());
    std::str::from_utf8(&field[..end]).ok().map(str::to_owned)
}

fn octal(field: &[u8]) -> Option<u64> {
    u64::from_str_radix(text(field)?.trim(), 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use proptest::prelude::*;

    type Files = Vec<(String, Vec<u8>)>;

    fn archive(files: &Files) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, bytes) in files {
            out.extend_from_slice(&header(name, bytes.len() as u64));
            out.extend_from_slice(bytes);
            out.resize(out.len() + padding(bytes.len() as u64), 0);
        }
        out.extend_from_slice(&END);
        out
    }

    async fn read(bytes: &[u8], piece: usize) -> Result<Files, TarError> {
        let pieces: Vec<_> = bytes
            .chunks(piece)
            .map(|c| Ok::<_, String>(Bytes::copy_from_slice(c)))
            .collect();
        let mut reader = Reader::new(stream::iter(pieces));
        let mut files = Vec::new();
        while let Some(entry) = reader.next().await? {
            let mut content = Vec::new();
            while let Some(chunk) = reader.chunk().await? {
                content.extend_from_slice(&chunk);
            }
            files.push((entry.name, content));
        }
        Ok(files)
    }

    #[tokio::test]
    async fn an_archive_that_ends_early_or_is_damaged_is_an_error() {
        let files = vec![("a".to_owned(), vec![7; 600])];
        let good = archive(&files);
        assert_eq!(read(&good, 100).await.unwrap(), files);
        for length in [0, 10, 512, 1000, 1536] {
            assert!(
                matches!(read(&good[..length], 100).await, Err(TarError::Broken(_))),
                "{length}"
            );
        }
        let mut bad = good.clone();
        bad[0] = b'x';
        assert!(matches!(read(&bad, 100).await, Err(TarError::BadHeader)));
    }

    #[test]
    fn the_systems_tar_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        std::fs::write(&path, archive(&vec![("x/1".to_owned(), b"hello".to_vec())])).unwrap();
        let status = std::process::Command::new("tar")
            .arg("-xf")
            .arg(&path)
            .arg("-C")
            .arg(dir.path())
            .status()
            .unwrap();
        assert!(status.success());
        assert_eq!(std::fs::read(dir.path().join("x/1")).unwrap(), b"hello");
    }

    proptest! {
        #[test]
        fn files_come_back_whole_however_the_bytes_arrive(
            files in proptest::collection::vec(("[a-z/]{1,20}", proptest::collection::vec(any::<u8>(), 0..1200)), 0..4),
            piece in 1_usize..1500,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let got = runtime.block_on(read(&archive(&files), piece)).unwrap();
            prop_assert_eq!(got, files);
        }
    }
}
