//! A forgotten password: `atek-reset.txt` on the card becomes a request that atekd answers with a
//! code on the screens.
//!
//! The file may name a user on its first line that is no comment; a person who can write to the
//! card owns the box. `settings` hands the request over before atekd starts; `claim`, which may
//! write to the card, takes the file away.
//!
//! A card that cannot be written keeps the file. So the box remembers which file it has handed
//! over, by content and time of change, and does not ask again at every boot.

use crate::apply::STATE;
use crate::card::Problem;
use crate::formats::HIDDEN_ENDINGS;
use crate::fsutil::{self, Root};
use crate::say;
use atek_files::FileError;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The request: `{"user": string or null, "requestedAt": seconds since 1970}`, mode 0600, of the
/// user atek.
pub const REQUEST: &str = "/var/lib/atek/password-reset";

const FILE: &str = "atek-reset.txt";
const FOLDERS: &[&str] = &["/boot", "/boot/firmware"];
const FILE_MAX_BYTES: u64 = 4096;
/// Bytes of the longest name of a user.
const USER_MAX_BYTES: usize = 64;
/// The mark of the file that was handed over last, in the folder of firstboot's state.
const HANDED_OVER: &str = "reset-handed-over";

/// Writes the request for atekd, if the card has the file and it is not the one that was handed
/// over before. Returns what is wrong with it.
pub fn hand_over(root: &Root) -> Option<Problem> {
    let Some(file) = find(root) else {
        // The same file may ask again after it was gone.
        let _ = atek_files::remove(&root.at(STATE).join(HANDED_OVER));
        return None;
    };
    let problem = |problem: String| {
        Some(Problem {
            file: FILE.to_owned(),
            problem,
        })
    };
    let content = match fsutil::read_small(&file, FILE_MAX_BYTES) {
        Ok(content) => content.unwrap_or_default(),
        Err(error) => return problem(format!("it cannot be read: {error}")),
    };
    let Ok(user) = named_user(&content) else {
        return problem("its first line must be the name of a user, or empty".to_owned());
    };
    if !root.at("/var/lib/atek").is_dir() {
        return problem("the box has no owner yet, so there is no password to set".to_owned());
    }
    let mark = mark(&file, &content);
    if was_handed_over(root, &mark) {
        return if is_pending(root) {
            None
        } else {
            problem(
                "its request was answered, but the card cannot be written, so the file is still there; \
                 delete it on a computer, or save it again to ask for another new password"
                    .to_owned(),
            )
        };
    }
    // First what asks: after a power cut in between the same request is written again.
    let written = write_request(root, user.as_deref()).and_then(|()| {
        fsutil::make_folder(&root.at(STATE))?;
        atek_files::write_atomic(&root.at(STATE).join(HANDED_OVER), mark.as_bytes(), 0o600)
    });
    match written {
        Ok(()) => {
            say::note("a new password was asked for by a file on the card");
            None
        }
        Err(error) => problem(format!("the request cannot be stored: {error}")),
    }
}

/// Removes the file from the card, once its request is handed over or the box has no use for it.
///
/// # Errors
///
/// When the card cannot be written to.
pub fn take_away(root: &Root) -> Result<(), FileError> {
    let Some(file) = find(root) else {
        return Ok(());
    };
    let content = fsutil::read_small(&file, FILE_MAX_BYTES).ok().flatten();
    let is_done = content.is_some_and(|content| was_handed_over(root, &mark(&file, &content)));
    if !is_done && !is_pending(root) {
        return Ok(());
    }
    let card = file.parent().unwrap_or(&file).to_owned();
    fsutil::while_writable(&card, || atek_files::remove(&file))
}

/// What tells this file from one that a person saves later: its content and its time of change, in
/// seconds since 1970 (a FAT file system counts in steps of two).
fn mark(file: &Path, content: &[u8]) -> String {
    let changed = fs::metadata(file).map_or(0, |meta| meta.mtime());
    let hash = Sha256::digest(content);
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{changed} {hash}")
}

fn was_handed_over(root: &Root, mark: &str) -> bool {
    let file = root.at(STATE).join(HANDED_OVER);
    fsutil::read_word(&file).as_deref() == Some(mark)
}

/// Whether a request waits for its code.
pub fn is_pending(root: &Root) -> bool {
    root.at(REQUEST).is_file()
}

fn find(root: &Root) -> Option<PathBuf> {
    let endings = [""].into_iter().chain(HIDDEN_ENDINGS.iter().copied());
    endings
        .flat_map(|ending| FOLDERS.iter().map(move |folder| (ending, folder)))
        .map(|(ending, folder)| root.at(folder).join(format!("{FILE}{ending}")))
        .find(|file| file.symlink_metadata().is_ok_and(|meta| meta.is_file()))
}

/// The user of the first line that is neither empty nor a comment; `None` if there is no such line.
fn named_user(content: &[u8]) -> Result<Option<String>, ()> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let text = std::str::from_utf8(content).map_err(|_| ())?;
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    match line {
        Some(line) if line.len() > USER_MAX_BYTES || line.chars().any(char::is_control) => Err(()),
        line => Ok(line.map(str::to_owned)),
    }
}

fn write_request(root: &Root, user: Option<&str>) -> Result<(), FileError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.map_or(0, |since| since.as_secs());
    let text = json!({ "user": user, "requestedAt": seconds }).to_string();
    let (new, request) = (root.at(&format!("{REQUEST}.new")), root.at(REQUEST));
    atek_files::write_atomic(&new, text.as_bytes(), 0o600)?;
    if root.is_this_box() {
        give_to_atek(root, &new)?;
    }
    fs::rename(&new, &request).map_err(FileError::at("replace", &request))
}

/// Makes the user atek the owner: atekd removes the request when it is answered.
fn give_to_atek(root: &Root, file: &Path) -> Result<(), FileError> {
    let users = fs::read_to_string(root.at("/etc/passwd")).unwrap_or_default();
    let ids = users.lines().find_map(|line| {
        let mut fields = line.strip_prefix("atek:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    let (user, group) = ids.unzip();
    std::os::unix::fs::chown(file, user, group).map_err(FileError::at("give away", file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn a_box(file: &str, content: &[u8]) -> (Root, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        for path in ["/boot", "/var/lib/atek"] {
            fs::create_dir_all(root.at(path)).unwrap();
        }
        fs::write(root.at("/boot").join(file), content).unwrap();
        (root, folder)
    }

    #[test]
    fn a_file_on_the_card_asks_for_a_new_password_and_is_taken_away() {
        for (file, content, user) in [
            ("atek-reset.txt", &b""[..], None),
            (
                "atek-reset.txt",
                b"# I forgot\r\n\r\n alice \r\n",
                Some("alice"),
            ),
            ("atek-reset.txt.txt", b"\xef\xbb\xbfalice", Some("alice")),
        ] {
            let (root, _folder) = a_box(file, content);
            assert_eq!(hand_over(&root), None, "{file}");
            let request: serde_json::Value =
                serde_json::from_slice(&fs::read(root.at(REQUEST)).unwrap()).unwrap();
            assert_eq!(request["user"].as_str(), user, "{file}");
            assert!(request["requestedAt"].is_u64(), "{request}");
            let mode = root.at(REQUEST).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            take_away(&root).unwrap();
            assert!(find(&root).is_none(), "{file} is still on the card");
            // The next boot does not ask again.
            fs::remove_file(root.at(REQUEST)).unwrap();
            assert_eq!(hand_over(&root), None);
            assert!(!is_pending(&root));
        }
    }

    #[test]
    fn a_file_that_stays_on_a_card_asks_once_until_it_is_saved_again() {
        let (root, _folder) = a_box("atek-reset.txt", b"alice");
        let file = root.at("/boot/atek-reset.txt");
        assert_eq!(hand_over(&root), None);
        // A boot while the code is on the screen: nothing new, nothing wrong.
        assert_eq!(hand_over(&root), None);
        assert!(is_pending(&root));
        // The password was set. The card could not be written, so the file is there at each boot.
        fs::remove_file(root.at(REQUEST)).unwrap();
        for _ in 0..2 {
            let problem = hand_over(&root).unwrap().problem;
            assert!(problem.contains("delete it on a computer"), "{problem}");
            assert!(!is_pending(&root), "it asks again");
        }
        // It is taken away as soon as the card can be written.
        take_away(&root).unwrap();
        assert!(find(&root).is_none());
        assert_eq!(hand_over(&root), None);

        // The same words in a file that was saved later, or that was away at a boot, ask again.
        fs::write(&file, "alice").unwrap();
        assert_eq!(hand_over(&root), None);
        assert!(is_pending(&root));
        fs::remove_file(root.at(REQUEST)).unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        fs::File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_eq!(hand_over(&root), None);
        assert!(is_pending(&root));
    }

    #[test]
    fn a_file_that_names_no_user_is_told_and_stays() {
        for content in [&b"\xff\xfe"[..], "a".repeat(65).as_bytes(), &[b'a'; 5000]] {
            let (root, _folder) = a_box("atek-reset.txt", content);
            assert!(hand_over(&root).is_some());
            take_away(&root).unwrap();
            assert!(!is_pending(&root) && find(&root).is_some());
        }
    }

    #[test]
    fn a_box_without_an_owner_says_that_there_is_no_password() {
        let (root, _folder) = a_box("atek-reset.txt", b"");
        fs::remove_dir(root.at("/var/lib/atek")).unwrap();
        let problem = hand_over(&root).unwrap().problem;
        assert!(problem.contains("no owner yet"), "{problem}");
    }
}
