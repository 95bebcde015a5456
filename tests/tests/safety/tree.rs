//! Random trees of files, and what is in a tree.

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Numbers by chance, the same for the same seed (xorshift64*).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % limit
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }

    /// A name with what programs stumble over.
    fn name(&mut self) -> OsString {
        let number = self.below(100_000);
        let name = match self.below(8) {
            0 => format!("-{number} with spaces ").into_bytes(),
            1 => format!("Ünïcode 日本 {number}").into_bytes(),
            2 => [b"\xff\xfe not UTF-8 ", number.to_string().as_bytes()].concat(),
            3 => format!("new\nline\\ \"{number}\"").into_bytes(),
            4 => format!("{number:0>250}").into_bytes(),
            5 => format!("!*[{number}]?").into_bytes(),
            6 => format!(".hidden{number}").into_bytes(),
            _ => format!("file{number}").into_bytes(),
        };
        OsString::from_vec(name)
    }
}

/// Fills a folder, or changes one that has files.
pub fn change(folder: &Path, chance: &mut Chance, steps: u64) {
    fs::create_dir_all(folder).unwrap();
    for _ in 0..steps {
        let (folders, files) = entries(folder);
        let parent = chance.pick(&folders).clone();
        let place = parent.join(chance.name());
        let _ = match chance.below(12) {
            0 | 1 => fs::create_dir(&place),
            2 => {
                let targets = ["../../../etc/passwd", "nowhere", "/absolute", "."];
                symlink(chance.pick(&targets), &place)
            }
            3 if !files.is_empty() => fs::hard_link(chance.pick(&files), &place),
            4 => mkfifo(&place, Mode::from_bits_truncate(0o620)).map_err(Into::into),
            5 => sparse(&place, chance),
            6 if !files.is_empty() => fs::remove_file(chance.pick(&files)),
            7 if !files.is_empty() => append(&chance.pick(&files).clone(), chance),
            _ => {
                let length = *chance.pick(&[0u64, 1, 100, 5_000, 700_000]);
                let length = chance.below(length + 1) as usize;
                fs::write(&place, chance.bytes(length))
            }
        };
        if place.symlink_metadata().is_ok() {
            adorn(&place, chance);
        }
    }
}

fn sparse(place: &Path, chance: &mut Chance) -> std::io::Result<()> {
    let file = File::create(place)?;
    file.set_len(20 << 20)?;
    file.write_all_at(&chance.bytes(1000), 5 << 20)
}

fn append(place: &Path, chance: &mut Chance) -> std::io::Result<()> {
    let file = File::options().write(true).open(place)?;
    let length = file.metadata()?.len();
    file.write_all_at(&chance.bytes(500), length)
}

/// Owner, mode, times and attributes.
fn adorn(place: &Path, chance: &mut Chance) {
    let (uid, gid) = (
        60_000 + chance.below(5) as u32,
        60_000 + chance.below(5) as u32,
    );
    std::os::unix::fs::lchown(place, Some(uid), Some(gid)).unwrap();
    let stat = place.symlink_metadata().unwrap();
    if stat.is_symlink() {
        return;
    }
    let mode = *chance.pick(&[0o600, 0o644, 0o755, 0o400, 0o000, 0o1777, 0o640]);
    fs::set_permissions(place, Permissions::from_mode(mode)).unwrap();
    if !stat.is_file() {
        return;
    }
    if chance.below(3) == 0 {
        let value = chance.bytes(20);
        set_attribute(place, "user.atek.test", &value);
    }
    let time = SystemTime::UNIX_EPOCH + Duration::new(chance.below(2_000_000_000), 123_456_789);
    let file = File::open(place).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

fn set_attribute(place: &Path, name: &str, value: &[u8]) {
    rustix::fs::setxattr(place, name, value, rustix::fs::XattrFlags::empty()).unwrap();
}

fn attribute(place: &Path, name: &str) -> Vec<u8> {
    let mut value = vec![0u8; 100];
    let length = rustix::fs::lgetxattr(place, name, &mut value[..]).unwrap_or(0);
    value.truncate(length);
    value
}

fn entries(folder: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    let mut next = 0;
    while next < folders.len() {
        for entry in fs::read_dir(&folders[next]).unwrap() {
            let path = entry.unwrap().path();
            let stat = path.symlink_metadata().unwrap();
            if stat.is_dir() && folders.len() < 60 {
                folders.push(path);
            } else if stat.is_file() {
                files.push(path);
            }
        }
        next += 1;
    }
    folders.sort();
    files.sort();
    (folders, files)
}

/// What a tree has: a line for each entry, by its path.
pub fn describe(folder: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut found = BTreeMap::new();
    let mut names: BTreeMap<(u64, u64), Vec<u8>> = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    let mut all = Vec::new();
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                folders.push(path.clone());
            }
            all.push(path);
        }
    }
    all.sort();
    for path in all {
        let stat = path.symlink_metadata().unwrap();
        let name = path.strip_prefix(folder).unwrap();
        let name = name.as_os_str().as_bytes().to_vec();
        let mut line = format!(
            "mode {:o} owner {}:{} time {}.{:09}",
            stat.mode(),
            stat.uid(),
            stat.gid(),
            stat.mtime(),
            stat.mtime_nsec()
        );
        if stat.is_file() {
            let content = Sha256::digest(fs::read(&path).unwrap());
            let first = names
                .entry((stat.dev(), stat.ino()))
                .or_insert_with(|| name.clone());
            line.push_str(&format!(
                " size {} content {content:x?} attribute {:?} same as {:?}",
                stat.len(),
                attribute(&path, "user.atek.test"),
                String::from_utf8_lossy(first)
            ));
            let holes = stat.len() > 10 << 20 && stat.blocks() * 512 < stat.len() / 2;
            line.push_str(&format!(" holes {holes}"));
        } else if stat.is_symlink() {
            line.push_str(&format!(" to {:?}", fs::read_link(&path).unwrap()));
        }
        found.insert(name, line);
    }
    found
}

/// Compares two descriptions, and shows where they differ.
pub fn assert_same(expected: &BTreeMap<Vec<u8>, String>, found: &BTreeMap<Vec<u8>, String>) {
    for (name, line) in expected {
        let other = found.get(name);
        let name = String::from_utf8_lossy(name);
        assert_eq!(other, Some(line), "{name:?}");
    }
    let more: Vec<_> = found
        .keys()
        .filter(|name| !expected.contains_key(*name))
        .collect();
    assert!(more.is_empty(), "{more:?} is there as well");
}
