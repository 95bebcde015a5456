//! `firstrun.sh`: the script that Raspberry Pi Imager writes for `init_format` systemd.
//!
//! It is never run: it would change files of another system, as root. The commands that Imager puts
//! in it are known, and read: those of `imager_custom`, and what the script does by hand where that
//! is missing.

use super::shell::{self, Command};
use super::wpa::{self, Writer};
use crate::settings::{Reading, Ssid, Wifi, WifiKey};

pub fn read(script: &str) -> Reading {
    let mut reading = Reading::default();
    let mut known = 0_usize;
    for command in shell::commands(script) {
        known += usize::from(of_imager(&command, &mut reading) || by_hand(&command, &mut reading));
    }
    if known == 0 && !script.trim().is_empty() {
        return Reading::refused(
            "scripts are not run here, and none of Raspberry Pi Imager's settings is in this one",
        );
    }
    reading
}

/// `imager_custom VERB ARGUMENT…`, behind whatever keyword (`then`) and path. Whether it was one.
fn of_imager(command: &Command, reading: &mut Reading) -> bool {
    let mut words = command.words.iter().map(String::as_str);
    match words.find(|word| {
        word.rsplit('/').next() == Some("imager_custom") || word.ends_with("/userconf")
    }) {
        Some(word) if word.ends_with("/userconf") => {
            // The test of the script for this program has no arguments behind it.
            if words.next().is_some_and(|next| next != "]") {
                reading.ignore("user and password");
            }
            return false;
        }
        Some(_) => {}
        None => return false,
    }
    let Some(verb) = words.next() else {
        return false;
    };
    let arguments: Vec<&str> = words.collect();
    if arguments
        .iter()
        .any(|argument| shell::is_computed(argument))
    {
        reading.problem(format!(
            "`{}` is given a variable or the output of a command, which is not known here; write the value itself",
            shell::as_written(verb)
        ));
        return true;
    }
    let first = arguments.first().copied().unwrap_or_default();
    match verb {
        "set_hostname" => reading.host_name(first),
        "set_timezone" => reading.time_zone(first),
        "set_wlan_country" => reading.country(first),
        "set_keymap" => reading.ignore("keyboard"),
        "enable_ssh" => enable_ssh(&arguments, reading),
        "import_ssh_id" => reading.problem("ssh keys are not fetched from the internet"),
        "set_wlan" => set_wlan(&arguments, reading),
        _ => return false,
    }
    true
}

/// `enable_ssh [-k|--key-only] [-p|--pass-auth] [-d|--disabled] KEY…`
fn enable_ssh(arguments: &[&str], reading: &mut Reading) {
    let off = arguments
        .iter()
        .any(|argument| matches!(*argument, "-d" | "--disabled"));
    for key in arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
    {
        reading.ssh_keys(key);
    }
    reading.ssh(!off);
}

/// `set_wlan [-h|--hidden] [-p|--plain] SSID [KEY [COUNTRY]]`
fn set_wlan(arguments: &[&str], reading: &mut Reading) {
    let (mut hidden, mut values) = (false, Vec::new());
    for argument in arguments {
        match *argument {
            "-h" | "--hidden" if values.is_empty() => hidden = true,
            "-p" | "--plain" if values.is_empty() => {}
            value => values.push(value),
        }
    }
    let value = |at: usize| values.get(at).copied().unwrap_or_default();
    reading.country(value(2));
    let key = match value(1) {
        "" => Ok(WifiKey::Open),
        words => WifiKey::parse(words),
    };
    reading.wifi(Ssid::new(value(0)).and_then(|ssid| {
        Ok(Wifi {
            ssid,
            key: key?,
            hidden,
        })
    }));
}

/// What the script does without `imager_custom`: it writes the files itself. Whether it was such a
/// step.
fn by_hand(command: &Command, reading: &mut Reading) -> bool {
    let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
    let target = command.output.as_deref().unwrap_or_default();
    let echoed = match words.iter().position(|word| *word == "echo") {
        Some(at) => words.get(at + 1).copied(),
        None => None,
    };
    let is_setting = matches!(target, "/etc/hostname" | "/etc/timezone");
    if is_setting && echoed.is_some_and(shell::is_computed) {
        reading.problem(format!(
            "`{target}` is given a variable or the output of a command, which is not known here; write the value itself"
        ));
        return true;
    }
    match (target, echoed, &command.input) {
        ("/etc/hostname", Some(name), _) => reading.host_name(name),
        ("/etc/timezone", Some(zone), _) => reading.time_zone(zone),
        ("/etc/wpa_supplicant/wpa_supplicant.conf", _, Some(text)) => {
            wpa::read(text, Writer::Imager, reading)
        }
        (target, _, Some(keys)) if target.ends_with("/.ssh/authorized_keys") => {
            reading.ssh_keys(keys)
        }
        _ if words.first() == Some(&"install")
            && words
                .iter()
                .any(|word| word.ends_with("/.ssh/authorized_keys")) =>
        {
            // `install … <(printf "KEY") …/authorized_keys`, as Imager 1 wrote it.
            let inner = words
                .iter()
                .filter_map(|word| word.strip_prefix("<(")?.strip_suffix(')'));
            for printed in inner.flat_map(shell::commands) {
                for key in printed.words.iter().skip(1) {
                    reading.ssh_keys(&key.replace("\\n", "\n"));
                }
            }
        }
        _ if words.ends_with(&["systemctl", "enable", "ssh"]) => reading.ssh(true),
        _ => return false,
    }
    true
}
