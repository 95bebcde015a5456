//! The files of the audit log: each grows to its size, then becomes the older one of two.

use atek_files::{FileError, sync_folder_of};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A file and the one before it.
#[derive(Debug, Clone)]
pub(super) struct Files {
    path: PathBuf,
    /// Bytes of each.
    most: u64,
}

impl Files {
    pub(super) fn new(folder: &Path, name: &str, most: u64) -> Self {
        Self {
            path: folder.join(name),
            most,
        }
    }

    fn older(&self) -> PathBuf {
        self.path.with_extension("old.jsonl")
    }

    /// Adds lines; `durably`: they are on the disk when this returns.
    pub(super) fn append(&self, text: &[u8], durably: bool) -> Result<(), FileError> {
        let path = &self.path;
        if let Some(folder) = path.parent() {
            let made = DirBuilder::new().mode(0o700).create(folder);
            match made {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(FileError::at("make", folder)(error));
                }
                _ => {}
            }
        }
        let mut file = open(path)?;
        let length = file
            .metadata()
            .map_err(FileError::at("look at", path))?
            .len();
        if length > 0 && length + text.len() as u64 > self.most {
            fs::rename(path, self.older()).map_err(FileError::at("put aside", path))?;
            file = open(path)?;
        } else if length > 0 && !ends_with_line(&mut file).map_err(FileError::at("read", path))? {
            // A power cut tore the last line; it must not take the next one along.
            file.write_all(b"\n")
                .map_err(FileError::at("write", path))?;
        }
        file.write_all(text).map_err(FileError::at("write", path))?;
        if durably {
            file.sync_data().map_err(FileError::at("sync", path))?;
            sync_folder_of(path)?;
        }
        Ok(())
    }

    /// All lines that are kept, the oldest first.
    pub(super) fn read(&self) -> Result<Vec<u8>, FileError> {
        let mut all = Vec::new();
        for path in [&self.older(), &self.path] {
            match File::open(path) {
                Ok(file) => {
                    // No file is longer than that.
                    let mut file = file.take(self.most * 2);
                    file.read_to_end(&mut all)
                        .map_err(FileError::at("read", path))?;
                    all.push(b'\n');
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(FileError::at("open", path)(error)),
            }
        }
        Ok(all)
    }
}

fn open(path: &Path) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    let options = options.read(true).append(true).create(true).mode(0o600);
    options.open(path).map_err(FileError::at("open", path))
}

fn ends_with_line(file: &mut File) -> io::Result<bool> {
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept_and_a_torn_one_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(&folder.path().join("audit"), "counts.jsonl", 100);
        assert!(files.read().unwrap().is_empty());
        for nth in 0..50 {
            let text = format!("{{\"line\":{nth:08}}}\n");
            files.append(text.as_bytes(), nth % 2 == 0).unwrap();
        }
        let kept = String::from_utf8(files.read().unwrap()).unwrap();
        assert!(kept.len() <= 202 && kept.contains("00000049"), "{kept}");
        assert!(
            kept.contains("00000045") && !kept.contains("00000035"),
            "{kept}"
        );

        let mut file = OpenOptions::new().append(true).open(&files.path).unwrap();
        file.write_all(b"{\"line\":0000").unwrap();
        files.append(b"{\"line\":50}\n", true).unwrap();
        let kept = files.read().unwrap();
        let lines: Vec<serde_json::Value> = crate::audit::line::lines(&kept).collect();
        assert_eq!(lines.last().unwrap()["line"], 50);
    }
}
