//! Places where backups may be: what is mounted in the folders where disks of people are.

use atek_api::backup::{BackupPlace, BackupPlaces, TARGET_FOLDER};
use std::fs;
use std::path::Path;

/// Folders in which disks are mounted.
const PARENTS: [&str; 4] = ["/mnt", "/media", "/run/media", "/srv"];
/// Places that are told.
const MOST: usize = 50;

/// The places that the machine has now. Blocks for as long as a disk does.
#[must_use]
pub fn places() -> BackupPlaces {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut places: Vec<BackupPlace> = mounted(&mounts).into_iter().filter_map(place).collect();
    places.sort_by_key(|place| !place.has_backup);
    BackupPlaces {
        places,
        disks: Vec::new(),
    }
}

/// Whether disks of people are mounted there.
pub(super) fn is_of_people(path: &str) -> bool {
    let path = Path::new(path);
    PARENTS
        .iter()
        .map(Path::new)
        .any(|parent| path.starts_with(parent) && path != parent)
}

fn place((path, read_only): (String, bool)) -> Option<BackupPlace> {
    let stat = nix::sys::statvfs::statvfs(path.as_str()).ok()?;
    Some(BackupPlace {
        has_backup: Path::new(&path).join(TARGET_FOLDER).is_dir(),
        free: stat.blocks_available() * stat.fragment_size(),
        read_only,
        path,
    })
}

/// What is mounted there, of the text of `mountinfo` (proc(5)), and whether it is read-only.
fn mounted(text: &str) -> Vec<(String, bool)> {
    let mut found: Vec<(String, bool)> = Vec::new();
    for line in text.lines() {
        let mut fields = line.split(' ');
        let (Some(path), Some(options)) = (fields.nth(4), fields.next()) else {
            continue;
        };
        let Some(path) = unescaped(path) else {
            continue;
        };
        let of_super = line
            .split(" - ")
            .nth(1)
            .and_then(|rest| rest.split(' ').nth(2));
        let is_ro = |options: &str| options.split(',').any(|option| option == "ro");
        let read_only = is_ro(options) || of_super.is_some_and(is_ro);
        if is_of_people(&path) && found.len() < MOST {
            // The last of those on one another is the one that is seen.
            found.retain(|(other, _)| *other != path);
            found.push((path, read_only));
        }
    }
    found
}

/// A path with its octal escapes; none where it is no text.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (first, escaped) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_of_people_are_found_among_the_mounts() {
        let text = "\
            22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/root rw\n\
            30 22 8:1 / /mnt/my\\040disk rw,nosuid shared:9 - vfat /dev/sda1 rw,uid=0\n\
            31 22 8:2 / /media/old rw shared:9 - ext4 /dev/sda2 ro,errors=remount-ro\n\
            32 22 0:40 / /mnt rw - tmpfs none rw\n\
            33 22 0:41 / /proc rw - proc proc rw\n\
            34 22 8:3 / /srv/nas ro shared:9 - nfs4 nas:/a rw\n\
            35 22 8:4 / /srv/nas rw shared:9 - nfs4 nas:/b rw\n\
            half a line\n";
        let found = mounted(text);
        let expected = [
            ("/mnt/my disk", false),
            ("/media/old", true),
            ("/srv/nas", false),
        ];
        let expected = expected.map(|(path, read_only)| (path.to_owned(), read_only));
        assert_eq!(found, expected);
    }

    #[test]
    fn hostile_mounts_are_no_places() {
        assert!(mounted(" - \n1 2 3 4 /mnt/\\377\\377 rw - a b c\n").is_empty());
        let many: String = (0..100)
            .map(|nth| format!("1 1 1:1 / /mnt/{nth} rw - ext4 x rw\n"))
            .collect();
        assert_eq!(mounted(&many).len(), MOST);
        assert_eq!(unescaped("a\\").as_deref(), Some("a\\"));
        assert_eq!(unescaped("a\\04").as_deref(), Some("a\\04"));
    }
}
