//! The settings on the card of a box that was reset (`atek-spawnd erase`): they are not applied
//! again, and `claim`, which may write to the card, removes them. There may be a password of a
//! network in them.
//!
//! They are known by their digests: a file that a person writes after the reset is another one.

use crate::apply::{Applied, STATE};
use crate::card;
use crate::fsutil::{self, Root};
use crate::say;
use atek_files::FileError;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Digests of the settings files that were applied before the reset, by format.
const FORGOTTEN: &str = "forgotten.json";
const MAX_BYTES: u64 = 64 * 1024;

/// Digests of what is forgotten; none where the box was never reset.
pub fn digests(root: &Root) -> Applied {
    let file = root.at(STATE).join(FORGOTTEN);
    let content = fsutil::read_small(&file, MAX_BYTES).ok().flatten();
    content
        .and_then(|content| serde_json::from_slice(&content).ok())
        .unwrap_or_default()
}

/// Removes from the card what is forgotten. Nothing is fine.
///
/// # Errors
///
/// When the card cannot be written to; the files are not applied all the same.
pub fn take_away(root: &Root) -> Result<(), FileError> {
    let forgotten = digests(root);
    if forgotten.is_empty() {
        return Ok(());
    }
    for source in card::read(root) {
        if forgotten.get(source.format) != Some(&source.digest) {
            continue;
        }
        for file in &source.files {
            let card = file.parent().unwrap_or(file);
            fsutil::while_writable(card, || {
                overwrite(file).map_err(FileError::at("overwrite", file))?;
                atek_files::remove(file)
            })?;
        }
        say::note(&format!(
            "the settings of the time before the reset were removed from the card: {}",
            source.format
        ));
    }
    Ok(())
}

/// A removed file of a FAT file system is found again by its content.
fn overwrite(file: &Path) -> io::Result<()> {
    let bytes = usize::try_from(fs::metadata(file)?.len()).unwrap_or_default();
    let mut opened = OpenOptions::new().write(true).open(file)?;
    opened.write_all(&vec![0; bytes])?;
    opened.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply;

    const USER_DATA: &str = "#cloud-config\nhostname: kitchen\n";
    const NETWORK: &str =
        "version: 2\nwifis: {wlan0: {access-points: {home: {password: secret123}}}}\n";

    #[test]
    fn settings_of_the_time_before_a_reset_are_not_applied_again_and_leave_the_card() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        for path in ["/boot", "/etc", "/run"] {
            fs::create_dir_all(root.at(path)).unwrap();
        }
        let on_card = |name: &str| root.at("/boot").join(name);
        fs::write(on_card("user-data"), USER_DATA).unwrap();
        fs::write(on_card("network-config"), NETWORK).unwrap();
        fs::write(on_card("config.txt"), "of the firmware").unwrap();
        apply::run(&root);
        let (state, wifi) = (root.at(STATE), root.at(STATE).join("wifi.conf"));
        assert!(wifi.exists());
        take_away(&root).unwrap();
        assert!(on_card("user-data").exists(), "the box was not reset");

        fs::rename(state.join("applied.json"), state.join(FORGOTTEN)).unwrap();
        fs::remove_file(&wifi).unwrap();
        for _ in 0..2 {
            apply::run(&root);
            assert!(!wifi.exists(), "they were applied again");
            take_away(&root).unwrap();
            for name in ["user-data", "network-config"] {
                assert!(!on_card(name).exists(), "{name}");
            }
        }
        assert!(on_card("config.txt").exists());
        // What a person writes now counts.
        fs::write(on_card("network-config"), NETWORK).unwrap();
        apply::run(&root);
        take_away(&root).unwrap();
        assert!(wifi.exists() && on_card("network-config").exists());
    }
}
