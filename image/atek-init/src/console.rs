//! What a person at the console reads.

use std::io::Write as _;

/// Says one line in the kernel's log, which every console shows and the journal keeps.
pub(crate) fn say(text: &str) {
    // Level 3, error: shown even with `quiet` on the command line.
    let line = format!("<3>atek-init: {}\n", text.replace('\n', " "));
    let said = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/kmsg")
        .and_then(|mut log| log.write_all(line.as_bytes()));
    if said.is_err() {
        // No /dev yet: the kernel gave this program the console as standard error.
        eprintln!("atek-init: {text}");
    }
}
