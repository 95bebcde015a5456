//! The formats of settings files, as Raspberry Pi Imager and people write them. No I/O.
//!
//! | file | is | Imager's `init_format` |
//! |---|---|---|
//! | `rpi-preseed.toml`, `custom.toml` | TOML, [`preseed`] | `rpi-preseed` (and what came before it) |
//! | `user-data`, `meta-data`, `network-config` | YAML, [`cloudinit`] and [`network`] | `cloudinit`, `cloudinit-rpi` |
//! | `firstrun.sh` | a shell script, read and never run, [`firstrun`] | `systemd` |
//! | `wpa_supplicant.conf` | the Wi-Fi of older systems, [`wpa`] | |
//! | `ssh`, `userconf` | marks of older systems, which mean nothing here and are answered | |
//!
//! A parser never fails: what is wrong becomes a problem of its [`Reading`].

mod cloudinit;
mod firstrun;
mod network;
mod preseed;
mod shell;
mod tree;
mod wpa;

use crate::settings::Reading;

/// Each format with its files, which belong together and are applied together; the one that wins
/// first.
pub const FORMATS: &[(&str, &[&str])] = &[
    ("rpi-preseed", &["rpi-preseed.toml"]),
    ("custom", &["custom.toml"]),
    ("cloud-init", &["user-data", "meta-data", "network-config"]),
    ("firstrun", &["firstrun.sh"]),
    ("wpa_supplicant", &["wpa_supplicant.conf"]),
    ("headless", &["ssh", "userconf"]),
];

/// What an editor or Windows adds to the name of a file, where it cannot be seen. Such a file is
/// read as if it had the name without.
pub const HIDDEN_ENDINGS: &[&str] = &[".txt", ".yaml", ".yml"];

/// Reads one of the files of [`FORMATS`].
#[must_use]
pub fn read(file: &str, content: &[u8]) -> Reading {
    // Notepad writes a byte order mark.
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let Ok(text) = std::str::from_utf8(content) else {
        return Reading::refused("this is no text in UTF-8");
    };
    if text.contains('\0') {
        return Reading::refused("this is no text: there are zero bytes in it");
    }
    let reading = match file {
        "rpi-preseed.toml" | "custom.toml" => preseed::read(text),
        "user-data" => cloudinit::read_user_data(text),
        "meta-data" => cloudinit::read_meta_data(text),
        "network-config" => network::read(text),
        "wpa_supplicant.conf" => wpa::read_file(text),
        // What it holds does not count.
        "ssh" => {
            let mut reading = Reading::default();
            reading.ssh(true);
            reading
        }
        "userconf" => Reading::refused(
            "it is not used: the box has no such account; you make yours in the browser",
        ),
        _ => firstrun::read(text),
    };
    reading.finish()
}

#[cfg(test)]
mod tests;
