//! The journal, and the screens of the box: HDMI and serial.

use crate::fsutil::Root;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

/// A line of the journal, of the level of a note.
pub fn note(text: &str) {
    eprintln!("<6>{text}");
}

/// A line of the journal, of the level of a warning.
pub fn warn(text: &str) {
    eprintln!("<4>{text}");
}

/// Shows `text` on every screen that the kernel writes to. A screen that cannot be written to is
/// left out.
pub fn show(root: &Root, text: &str) {
    for screen in screens(root) {
        // Never wait for a serial line that has no reader.
        let flags = nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK;
        let opened = fs::OpenOptions::new()
            .write(true)
            .custom_flags(flags)
            .open(root.at(&screen));
        if let Ok(mut screen) = opened {
            let _ = screen.write_all(text.replace('\n', "\r\n").as_bytes());
        }
    }
}

fn screens(root: &Root) -> Vec<String> {
    // `tty1 ttyAMA0`: /dev/console is the last of them alone.
    let active = fs::read_to_string(root.at("/sys/class/tty/console/active")).unwrap_or_default();
    let names = active.split_whitespace();
    let plain = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric());
    let found: Vec<String> = names
        .filter(plain)
        .map(|name| format!("/dev/{name}"))
        .collect();
    let missing = found.iter().all(|screen| !root.at(screen).exists());
    if missing {
        vec!["/dev/console".to_owned()]
    } else {
        found
    }
}

/// Text that may come from outside, for a screen: printable, one line, and no escape of agetty's
/// (`\`).
pub fn plain(text: &str) -> String {
    let harmless = |c: char| if c.is_control() || c == '\\' { ' ' } else { c };
    text.chars().take(300).map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_screen_of_the_kernel_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        fs::create_dir_all(root.at("/dev")).unwrap();
        fs::create_dir_all(root.at("/sys/class/tty/console")).unwrap();
        fs::write(root.at("/sys/class/tty/console/active"), "tty1 ttyAMA0\n").unwrap();
        for screen in ["tty1", "ttyAMA0", "console"] {
            fs::write(root.at("/dev").join(screen), "").unwrap();
        }
        show(&root, "hello\n");
        assert_eq!(fs::read(root.at("/dev/tty1")).unwrap(), b"hello\r\n");
        assert_eq!(fs::read(root.at("/dev/ttyAMA0")).unwrap(), b"hello\r\n");
        assert_eq!(fs::read(root.at("/dev/console")).unwrap(), b"");
    }

    #[test]
    fn text_from_outside_cannot_steer_a_terminal() {
        assert_eq!(plain("a\x1b[2Jb\\S\n"), "a [2Jb S ");
    }
}
