//! What came of reading one settings file: its settings, what is wrong with it, and what it asks
//! for in vain.

use super::values::WrongValue;
use super::{Country, HostName, Settings, SshKey, TimeZone, Wifi};

/// Problems of one file that are told; a hostile file has thousands.
const PROBLEMS_MAX: usize = 8;

/// The result of reading one file. It is filled by a format's parser, value by value: a wrong one
/// is told and left out, and spoils no other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// What can be applied.
    pub settings: Settings,
    /// Sentences for the person, without the values (they may be secrets).
    pub problems: Vec<String>,
    /// Names of settings that other systems have and Atek has no use for.
    pub ignored: Vec<String>,
    ssh: Ssh,
}

/// What a file says about ssh beside its keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Ssh {
    #[default]
    Unsaid,
    On,
    Off,
}

impl Reading {
    /// A file of which nothing can be used.
    #[must_use]
    pub fn refused(problem: impl Into<String>) -> Self {
        let mut reading = Self::default();
        reading.problem(problem);
        reading
    }

    /// Tells the person that something is wrong.
    pub fn problem(&mut self, problem: impl Into<String>) {
        let problem = problem.into();
        if self.problems.len() < PROBLEMS_MAX && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Notes for the log that a setting means nothing here.
    pub fn ignore(&mut self, name: &str) {
        let name = name.to_owned();
        if self.ignored.len() < 32 && !self.ignored.contains(&name) {
            self.ignored.push(name);
        }
    }

    /// Sets the host name, if none is set.
    pub fn host_name(&mut self, text: &str) {
        let parsed = HostName::parse(text);
        self.take(parsed, |settings, name| {
            settings.host_name.get_or_insert(name);
        });
    }

    /// Sets the time zone, if none is set.
    pub fn time_zone(&mut self, text: &str) {
        let parsed = TimeZone::parse(text);
        self.take(parsed, |settings, zone| {
            settings.time_zone.get_or_insert(zone);
        });
    }

    /// Sets the country of the radio, if none is set. An empty text asks for nothing.
    pub fn country(&mut self, text: &str) {
        if !text.trim().is_empty() {
            let parsed = Country::parse(text);
            self.take(parsed, |settings, country| {
                settings.country.get_or_insert(country);
            });
        }
    }

    /// Adds a wireless network, unless one of its name is there.
    pub fn wifi(&mut self, wifi: Result<Wifi, WrongValue>) {
        self.take(wifi, |settings, wifi| {
            if !settings.wifi.iter().any(|other| other.ssid == wifi.ssid) {
                settings.wifi.push(wifi);
            }
        });
    }

    /// Adds the ssh keys of a text, one a line; empty lines and comments are skipped.
    pub fn ssh_keys(&mut self, text: &str) {
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            self.take(SshKey::parse(line), |settings, key| {
                if !settings.ssh_keys.contains(&key) {
                    settings.ssh_keys.push(key);
                }
            });
        }
    }

    /// The file wants ssh on or off, whatever its keys. Off stays off.
    pub fn ssh(&mut self, on: bool) {
        match (self.ssh, on) {
            (_, false) => self.ssh = Ssh::Off,
            (Ssh::Unsaid, true) => self.ssh = Ssh::On,
            _ => {}
        }
    }

    /// Draws the conclusions that need the whole file.
    #[must_use]
    pub fn finish(mut self) -> Self {
        match self.ssh {
            Ssh::Off if !self.settings.ssh_keys.is_empty() => {
                self.settings.ssh_keys.clear();
                self.ignore("ssh keys, since ssh is off");
            }
            Ssh::On if self.settings.ssh_keys.is_empty() => self
                .problem("ssh stays off: it is on only with a public key, never with a password"),
            _ => {}
        }
        self
    }

    fn take<T>(&mut self, parsed: Result<T, WrongValue>, store: impl FnOnce(&mut Settings, T)) {
        match parsed {
            Ok(value) => store(&mut self.settings, value),
            Err(wrong) => self.problem(wrong.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_spoils_no_other() {
        let mut reading = Reading::default();
        reading.host_name("not a name");
        reading.time_zone("Europe/London");
        let reading = reading.finish();
        assert_eq!(reading.problems.len(), 1);
        assert!(reading.settings.time_zone.is_some());
    }

    #[test]
    fn ssh_without_a_key_is_told() {
        let mut reading = Reading::default();
        reading.ssh(true);
        assert_eq!(reading.finish().problems.len(), 1);
    }

    #[test]
    fn ssh_that_is_said_to_be_off_takes_no_key() {
        let mut reading = Reading::default();
        reading.ssh_keys(
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
        );
        reading.ssh(false);
        reading.ssh(true);
        let reading = reading.finish();
        assert!(reading.settings.ssh_keys.is_empty() && reading.problems.is_empty());
    }

    #[test]
    fn a_hostile_file_has_few_problems() {
        let mut reading = Reading::default();
        for index in 0..1000 {
            reading.problem(format!("line {index}"));
        }
        assert_eq!(reading.problems.len(), PROBLEMS_MAX);
    }
}
