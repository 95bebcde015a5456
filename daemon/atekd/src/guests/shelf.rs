//! The folder of a guest: files of restic's kinds, each written whole, and not more than was
//! agreed.

use atek_files::sync_folder_of;
use jiff::Timestamp;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What is being written.
const TMP: &str = "tmp";
/// Bytes that stay free on the disk of this home, whatever its guests were promised.
const LEAVE_FREE: u64 = 1 << 30;

/// Files of one guest: packs of restic have 16 MB and more. Each takes an inode of the home's disk,
/// and a line of a list.
const MOST_FILES: u64 = 100_000;

/// A kind of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Config,
    Data,
    Index,
    Keys,
    Locks,
    Snapshots,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Config,
        Self::Data,
        Self::Index,
        Self::Keys,
        Self::Locks,
        Self::Snapshots,
    ];

    fn folder(self) -> &'static str {
        match self {
            Self::Config => "",
            Self::Data => "data",
            Self::Index => "index",
            Self::Keys => "keys",
            Self::Locks => "locks",
            Self::Snapshots => "snapshots",
        }
    }

    /// The kind whose files are below this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let mut folders = Self::ALL.into_iter();
        folders.find(|kind| *kind != Self::Config && kind.folder() == name)
    }
}

/// A file of a guest: its kind, and the SHA-256 of its content; none of the one config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(Kind, String);

impl Name {
    pub(super) fn config() -> Self {
        Self(Kind::Config, String::new())
    }

    pub(super) fn of(kind: Kind, id: &str) -> Option<Self> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (id.len() == 64 && id.bytes().all(digit)).then(|| Self(kind, id.to_owned()))
    }

    /// What its content has to hash to.
    pub(super) fn digest(&self) -> Option<&str> {
        (self.0 != Kind::Config).then_some(self.1.as_str())
    }

    pub(super) fn is_config(&self) -> bool {
        self.0 == Kind::Config
    }
}

#[derive(Debug)]
struct Count {
    /// Bytes.
    used: u64,
    files: u64,
    last_write: Option<Timestamp>,
    /// The guest was shown out.
    closed: bool,
}

impl Count {
    /// Counts the files below a folder, and notes when one of them was written last.
    fn add(&mut self, folder: &Path) -> io::Result<()> {
        for entry in entries(folder)? {
            let known = entry.metadata()?;
            if known.is_dir() {
                self.add(&entry.path())?;
                continue;
            }
            self.used += known.len();
            self.files += 1;
            self.last_write = self.last_write.max(known.modified()?.try_into().ok());
        }
        Ok(())
    }
}

/// Why there is no room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// More bytes than were agreed, or too many files.
    Quota,
    /// The disk of this home has no more.
    Disk,
    /// The guest was shown out.
    Closed,
}

/// The folder of one guest.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: PathBuf,
    quota: u64,
    count: Mutex<Count>,
}

/// Room that was promised to a file until it is there.
#[derive(Debug)]
pub(super) struct Reserved {
    shelf: Arc<Shelf>,
    bytes: u64,
    is_put: bool,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.is_put {
            let mut count = self.shelf.count();
            count.used -= self.bytes;
            count.files -= 1;
        }
    }
}

impl Reserved {
    /// Puts a written file in its place, durably. Its bytes count from now on.
    pub(super) fn put(mut self, from: &Path, name: &Name) -> io::Result<()> {
        let place = self.shelf.path(name);
        let above = place.parent().unwrap_or(&self.shelf.folder);
        fs::create_dir_all(above)?;
        let mut count = self.shelf.count();
        if count.closed {
            drop(count);
            return Err(io::Error::other("the guest was shown out"));
        }
        let before = fs::metadata(&place).ok().map(|known| known.len());
        if let Err(error) = fs::rename(from, &place) {
            drop(count);
            return Err(error);
        }
        if let Some(before) = before {
            count.used -= before;
            count.files -= 1;
        }
        count.last_write = Some(Timestamp::now());
        drop(count);
        self.is_put = true;
        sync_folder_of(&place).map_err(io::Error::other)?;
        sync_folder_of(above).map_err(io::Error::other)
    }
}

impl Shelf {
    /// Opens it, or makes it, and counts what is there.
    pub(super) fn open(folder: &Path, quota: u64) -> io::Result<Self> {
        match fs::remove_dir_all(folder.join(TMP)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(folder.join(TMP))?;
        let mut count = Count {
            used: 0,
            files: 0,
            last_write: None,
            closed: false,
        };
        count.add(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            quota,
            count: Mutex::new(count),
        })
    }

    fn count(&self) -> std::sync::MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn used(&self) -> u64 {
        self.count().used
    }

    pub(super) fn last_write(&self) -> Option<String> {
        self.count().last_write.map(|time| time.to_string())
    }

    /// From now on nothing is written.
    pub(super) fn close(&self) {
        self.count().closed = true;
    }

    /// Promises room for a file.
    pub(super) fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reserved, NoRoom> {
        let free = nix::sys::statvfs::statvfs(&self.folder)
            .map(|stat| stat.blocks_available() * stat.fragment_size());
        let mut count = self.count();
        if count.closed {
            return Err(NoRoom::Closed);
        }
        if count.used.saturating_add(bytes) > self.quota || count.files >= MOST_FILES {
            return Err(NoRoom::Quota);
        }
        if free.unwrap_or(0) < bytes.saturating_add(LEAVE_FREE) {
            return Err(NoRoom::Disk);
        }
        count.used += bytes;
        count.files += 1;
        Ok(Reserved {
            shelf: self.clone(),
            bytes,
            is_put: false,
        })
    }

    /// Where a file is: as restic lays out a folder.
    fn path(&self, name: &Name) -> PathBuf {
        match name {
            Name(Kind::Config, _) => self.folder.join("config"),
            Name(Kind::Data, id) => self.folder.join("data").join(&id[..2]).join(id),
            Name(kind, id) => self.folder.join(kind.folder()).join(id),
        }
    }

    /// A file to write into, which is not there yet for others.
    pub(super) fn begin(&self) -> io::Result<(PathBuf, File)> {
        let name = crate::random::hex::<16>().map_err(io::Error::other)?;
        let path = self.folder.join(TMP).join(name.expose());
        let file = File::create_new(&path)?;
        Ok((path, file))
    }

    pub(super) fn read(&self, name: &Name) -> io::Result<File> {
        File::open(self.path(name))
    }

    pub(super) fn has(&self, name: &Name) -> Option<u64> {
        fs::metadata(self.path(name)).ok().map(|found| found.len())
    }

    pub(super) fn remove(&self, name: &Name) -> io::Result<()> {
        let place = self.path(name);
        let mut count = self.count();
        let bytes = fs::metadata(&place)?.len();
        fs::remove_file(&place)?;
        count.used -= bytes;
        count.files -= 1;
        Ok(())
    }

    /// The files of a kind.
    pub(super) fn list(&self, kind: Kind) -> io::Result<Vec<(String, u64)>> {
        let folder = self.folder.join(kind.folder());
        let mut found = Vec::new();
        let folders = match kind {
            Kind::Data => entries(&folder)?
                .into_iter()
                .map(|entry| entry.path())
                .collect(),
            _ => vec![folder],
        };
        for folder in folders {
            for entry in entries(&folder)? {
                let name = entry.file_name().to_string_lossy().into_owned();
                if Name::of(kind, &name).is_some() {
                    found.push((name, entry.metadata()?.len()));
                }
            }
        }
        Ok(found)
    }
}

fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(shelf: &Arc<Shelf>, id: char, content: &str) -> io::Result<()> {
        let reserved = shelf
            .reserve(content.len() as u64)
            .map_err(|_| io::Error::other("no room"))?;
        let (path, _) = shelf.begin()?;
        fs::write(&path, content)?;
        let name = Name::of(Kind::Data, &id.to_string().repeat(64)).unwrap();
        reserved.put(&path, &name)
    }

    #[test]
    fn what_is_kept_is_counted_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Arc::new(Shelf::open(folder.path(), 10).unwrap());
        put(&shelf, 'a', "12345").unwrap();
        // What is promised counts until it is there, or given up.
        let reserved = shelf.reserve(5).unwrap();
        assert_eq!(shelf.reserve(1).unwrap_err(), NoRoom::Quota);
        drop(reserved);
        put(&shelf, 'b', "1234").unwrap();
        // Written again, it is there once.
        put(&shelf, 'b', "1").unwrap();
        assert_eq!(
            (shelf.used(), shelf.list(Kind::Data).unwrap().len()),
            (6, 2)
        );
        assert!(put(&shelf, 'c', "123456").is_err());
        assert_eq!(shelf.count().files, 2);
        shelf
            .remove(&Name::of(Kind::Data, &"a".repeat(64)).unwrap())
            .unwrap();
        assert_eq!(shelf.used(), 1);
        // What was begun is gone with the next start, and what is there is counted again.
        fs::write(folder.path().join(TMP).join("begun"), "123").unwrap();
        let again = Arc::new(Shelf::open(folder.path(), 10).unwrap());
        assert_eq!((again.used(), again.count().files), (1, 1));
        // A file may be empty, and is one more in any case.
        again.count().files = MOST_FILES;
        assert_eq!(again.reserve(0).unwrap_err(), NoRoom::Quota);
        assert!(again.last_write().is_some());
        again.close();
        assert!(put(&again, 'd', "1").is_err());
    }

    #[test]
    fn only_names_of_restic_are_files() {
        assert_eq!(Kind::named("data"), Some(Kind::Data));
        assert_eq!(Kind::named(""), None);
        assert_eq!(Kind::named("tmp"), None);
        for wrong in ["..", "a", &"A".repeat(64), &"/".repeat(64), &"a".repeat(63)] {
            assert!(Name::of(Kind::Data, wrong).is_none(), "{wrong}");
        }
    }
}
