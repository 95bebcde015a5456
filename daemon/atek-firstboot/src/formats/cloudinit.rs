//! cloud-init's `user-data` (`#cloud-config` only) and `meta-data`, as Raspberry Pi Imager and
//! people write them.

use super::tree::{self, Table, text, texts, truth, with};
use crate::settings::Reading;
use serde_json::Value;

/// Keys that Imager always writes and that have no use here, or that are read elsewhere.
const UNDERSTOOD: &[&str] = &[
    "fqdn",
    "hostname",
    "ssh_authorized_keys",
    "ssh_import_id",
    "ssh_pwauth",
    "timezone",
    "user",
    "users",
];

pub fn read_user_data(content: &str) -> Reading {
    let first = content.lines().map(str::trim).find(|line| !line.is_empty());
    match first {
        None => return Reading::default(),
        Some(line) if line.starts_with("#cloud-config") => {}
        Some(line) if line.starts_with("#!") => {
            return Reading::refused("scripts are not run here: only `#cloud-config` is read");
        }
        // A template that says nothing.
        Some(_)
            if content
                .lines()
                .all(|line| line.trim().is_empty() || line.trim().starts_with('#')) =>
        {
            return Reading::default();
        }
        Some(_) => return Reading::refused("the first line must be `#cloud-config`"),
    }
    let file = match tree::yaml(content) {
        Ok(file) => file,
        Err(problem) => return Reading::refused(problem),
    };
    let mut reading = Reading::default();
    with(&file, "hostname", text, &mut reading, |reading, name| {
        reading.host_name(&name)
    });
    if !file.contains_key("hostname") {
        with(&file, "fqdn", text, &mut reading, |reading, name| {
            reading.host_name(name.split('.').next().unwrap_or_default());
        });
    }
    with(&file, "timezone", text, &mut reading, |reading, zone| {
        reading.time_zone(&zone)
    });
    with(&file, "ssh_pwauth", truth, &mut reading, |reading, on| {
        // `false` only forbids passwords, it does not turn ssh off.
        if on {
            reading.ssh(true);
        }
    });
    keys(&file, &mut reading);
    for user in users(&file) {
        keys(&user, &mut reading);
    }
    for name in file
        .keys()
        .filter(|name| !UNDERSTOOD.contains(&name.as_str()))
    {
        reading.ignore(name);
    }
    reading
}

pub fn read_meta_data(content: &str) -> Reading {
    let file = match tree::yaml(content) {
        Ok(file) => file,
        Err(problem) => return Reading::refused(problem),
    };
    let mut reading = Reading::default();
    for name in ["local-hostname", "local_hostname"] {
        with(&file, name, text, &mut reading, |reading, name| {
            reading.host_name(name.split('.').next().unwrap_or_default());
        });
    }
    reading
}

/// The keys of a user, or of the file itself.
fn keys(table: &Table, reading: &mut Reading) {
    for name in ["ssh_authorized_keys", "ssh-authorized-keys"] {
        with(table, name, texts, reading, |reading, keys| {
            keys.iter().for_each(|key| reading.ssh_keys(key));
        });
    }
    for name in ["ssh_import_id", "ssh-import-id"] {
        with(table, name, texts, reading, |reading, ids| {
            if !ids.is_empty() {
                reading.problem("ssh keys are not fetched from the internet: give them as `ssh_authorized_keys`");
            }
        });
    }
}

/// The users: `user` is one, `users` a list in which a text (such as `default`) is only a name.
fn users(file: &Table) -> Vec<Table> {
    let listed = match file.get("users") {
        Some(Value::Array(users)) => users.as_slice(),
        _ => &[],
    };
    let all = file.get("user").into_iter().chain(listed);
    all.filter_map(|user| user.as_object().cloned()).collect()
}
