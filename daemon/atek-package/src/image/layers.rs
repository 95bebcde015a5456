//! Layers that were fetched. They outlive a job that was ended, so that the next one does not fetch
//! them again; nothing of them is believed before its digest was checked.

use super::error::ImageError;
use super::registry::Blob;
use atek_api::spec::paths;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where they are in the staging folder, where atek-spawnd did not give the job the folder that
/// outlives it.
const OWN: &str = "layers";

/// The folder of layers.
#[derive(Debug)]
pub(crate) struct Layers {
    folder: PathBuf,
}

impl Layers {
    /// The folder that this job has.
    pub(super) fn of_this_job() -> io::Result<Self> {
        let shared = Path::new(paths::LAYERS);
        let folder = if shared.is_dir() {
            shared
        } else {
            Path::new(OWN)
        };
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Makes room for `wanted`: other layers stay, for another image of the same app, while all
    /// together are within `most` bytes. What is no file goes.
    pub(super) fn make_room(&self, wanted: &[Blob], most: u64) -> Result<(), ImageError> {
        let failed = ImageError::write("look for layers");
        let mut others = Vec::new();
        let mut bytes: u64 = wanted.iter().map(|blob| blob.bytes).sum();
        for entry in fs::read_dir(&self.folder).map_err(&failed)? {
            let entry = entry.map_err(&failed)?;
            let about = entry.path().symlink_metadata().map_err(&failed)?;
            if about.is_dir() {
                fs::remove_dir_all(entry.path()).map_err(&failed)?;
            } else if !about.is_file() {
                fs::remove_file(entry.path()).map_err(&failed)?;
            } else if !wanted.iter().any(|blob| self.file(blob) == entry.path()) {
                bytes = bytes.saturating_add(about.len());
                others.push(entry.path());
            }
        }
        if bytes > most {
            for other in others {
                fs::remove_file(other).map_err(&failed)?;
            }
        }
        Ok(())
    }

    /// Where a layer is, or is to be. Its digest is one that an image's name may have.
    pub(super) fn file(&self, blob: &Blob) -> PathBuf {
        self.folder.join(blob.digest.replace(':', "-"))
    }

    /// Removes all that this job and those before it have left.
    pub(crate) fn forget() -> io::Result<()> {
        for folder in [paths::LAYERS, OWN] {
            match clear(Path::new(folder)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
        Ok(())
    }
}

/// Empties a folder.
fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.symlink_metadata()?.is_dir() {
            fs::remove_dir_all(path)?;
        } else {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_stay_while_there_is_room_and_only_files_do() {
        let folder = tempfile::tempdir().unwrap();
        let layers = Layers {
            folder: folder.path().to_owned(),
        };
        let blob = |digest: &str| Blob {
            digest: digest.to_owned(),
            bytes: 10,
            media_type: String::new(),
        };
        let (one, two) = (blob("sha256:aa"), blob("sha256:bb"));
        fs::write(layers.file(&one), "0123456789").unwrap();
        fs::write(layers.file(&two), "0123456789").unwrap();
        fs::create_dir_all(folder.path().join("folder/deep")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        let wanted = [one];
        layers.make_room(&wanted, 20).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        layers.make_room(&wanted, 19).unwrap();
        assert!(layers.file(&wanted[0]).exists() && !layers.file(&two).exists());
        clear(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
