//! What a settings file of the card can ask for, whatever its format. No I/O.

mod reading;
mod values;
mod wifi;

pub use reading::Reading;
pub use values::{CURLY_QUOTES, Country, HostName, SshKey, TimeZone, WrongValue};
pub use wifi::{Ssid, Wifi, WifiKey, wpa_supplicant_conf};

/// The settings that the box honours. `None` and empty mean: not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The name of the box.
    pub host_name: Option<HostName>,
    /// Its time zone.
    pub time_zone: Option<TimeZone>,
    /// The country whose radio rules apply.
    pub country: Option<Country>,
    /// Wireless networks, the preferred one first.
    pub wifi: Vec<Wifi>,
    /// Who may sign in as root by ssh.
    pub ssh_keys: Vec<SshKey>,
}

impl Settings {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes what `other` asks for where `self` asks for nothing.
    ///
    /// Returns the words for what both ask for, differently: there `self` stays.
    pub fn fill_from(&mut self, other: Self) -> Vec<&'static str> {
        let mut contested = Vec::new();
        fill(
            &mut self.host_name,
            other.host_name,
            "the name",
            &mut contested,
        );
        fill(
            &mut self.time_zone,
            other.time_zone,
            "the time zone",
            &mut contested,
        );
        fill(
            &mut self.country,
            other.country,
            "the Wi-Fi country",
            &mut contested,
        );
        if self.wifi.is_empty() {
            self.wifi = other.wifi;
        } else if !other.wifi.is_empty() && self.wifi != other.wifi {
            contested.push("the Wi-Fi network");
        }
        for key in other.ssh_keys {
            if !self.ssh_keys.contains(&key) {
                self.ssh_keys.push(key);
            }
        }
        contested
    }
}

fn fill<T: PartialEq>(
    mine: &mut Option<T>,
    theirs: Option<T>,
    words: &'static str,
    contested: &mut Vec<&'static str>,
) {
    match (&*mine, &theirs) {
        (None, _) => *mine = theirs,
        (Some(mine), Some(theirs)) if mine != theirs => contested.push(words),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Settings {
        Settings {
            host_name: Some(HostName::parse(name).unwrap()),
            ..Settings::default()
        }
    }

    #[test]
    fn the_first_file_wins_and_a_contradiction_is_told() {
        let mut settings = named("kitchen");
        let mut other = named("cellar");
        other.time_zone = Some(TimeZone::parse("Europe/Vienna").unwrap());
        assert_eq!(settings.fill_from(other), ["the name"]);
        assert_eq!(settings.host_name, named("kitchen").host_name);
        assert!(settings.time_zone.is_some());
    }

    #[test]
    fn files_that_say_the_same_do_not_contradict() {
        let mut settings = named("kitchen");
        assert!(settings.fill_from(named("kitchen")).is_empty());
        assert_eq!(settings, named("kitchen"));
    }
}
