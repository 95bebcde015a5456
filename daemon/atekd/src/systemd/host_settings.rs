//! The machine's own settings, by way of systemd's small services: host name
//! (org.freedesktop.hostname1) and time zone (org.freedesktop.timedate1). polkit lets
//! the user atek change them (`units/polkit-1/rules.d/50-atek.rules`).

use super::bus::Bus;
use super::{PATIENCE, proxy};
use futures_util::StreamExt as _;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use zbus::message::Type;
use zbus::names::ErrorName;
use zbus::{MatchRule, MessageStream, OwnedVariant};

/// The kernel's word for the host name, as this process sees it.
const KERNEL_NAME: &str = "/proc/sys/kernel/hostname";
/// Pause before a lost bus is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// The time zones that the machine knows.
const ZONES: &str = "/usr/share/zoneinfo";

/// A setting of the machine was not changed.
#[derive(Debug, thiserror::Error)]
pub enum HostSettingsError {
    /// The service that changes it is not installed.
    #[error("cannot set the {setting}: this system has no {service}")]
    Missing {
        /// What was to be changed.
        setting: &'static str,
        /// The program that would have done it.
        service: &'static str,
    },
    /// It is there and refused, or could not.
    #[error("cannot set the {setting}")]
    Refused {
        /// What was to be changed.
        setting: &'static str,
        /// What it says.
        #[source]
        source: zbus::Error,
    },
    /// No answer.
    #[error("cannot set the {0}: the system did not answer in time")]
    Timeout(&'static str),
}

/// The way to the machine's settings. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HostSettings {
    bus: Bus,
    name: Arc<watch::Sender<Option<String>>>,
}

impl HostSettings {
    /// The machine that this process runs on.
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        Self {
            bus,
            name: Arc::new(watch::Sender::new(kernel_name())),
        }
    }

    /// The host name without a domain, lower case; none while it has none.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.name.borrow().clone()
    }

    /// The host name as it changes. (Not read from the kernel again: under
    /// `ProtectHostname=` a process sees the name that it was started under.)
    #[must_use]
    pub fn watch_name(&self) -> watch::Receiver<Option<String>> {
        self.name.subscribe()
    }

    /// Follows changes of the host name by others (`hostnamectl`). Never ends.
    pub async fn follow_name(&self) {
        loop {
            if let Err(error) = self.hear_names().await {
                tracing::debug!(%error, "lost the signals of systemd-hostnamed");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Returns when the bus is lost.
    async fn hear_names(&self) -> zbus::Result<()> {
        let connection = self.bus.open().await?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender("org.freedesktop.hostname1")
            .path("/org/freedesktop/hostname1")
            .interface("org.freedesktop.DBus.Properties")
            .member("PropertiesChanged")
            .build()?;
        let mut signals = MessageStream::for_match_rule(rule, &connection, None).await?;
        while let Some(signal) = signals.next().await {
            let signal = signal?;
            let body = signal.body();
            let (_, changed, _): (&str, HashMap<String, OwnedVariant>, Vec<&str>) =
                body.deserialize()?;
            let new = ["Hostname", "StaticHostname"]
                .iter()
                .find_map(|name| <&str>::try_from(changed.get(*name)?).ok());
            if let Some(name) = new.and_then(short) {
                self.learn(name);
            }
        }
        Ok(())
    }

    fn learn(&self, name: String) {
        self.name.send_if_modified(|known| {
            let is_new = known.as_ref() != Some(&name);
            *known = Some(name);
            is_new
        });
    }

    /// Gives the machine a name, for now and for every boot. Harmless when it has it.
    ///
    /// # Errors
    ///
    /// [`HostSettingsError`].
    pub async fn set_name(&self, name: &str) -> Result<(), HostSettingsError> {
        let set = async {
            let connection = self.bus.connection().await?;
            proxy::HostnameProxy::new(&connection)
                .await?
                .set_static_hostname(name, false)
                .await
        };
        told(set, "name", "systemd-hostnamed").await?;
        self.name.send_replace(short(name));
        Ok(())
    }

    /// Whether the machine knows a zone of this name. One without a list of zones knows all of
    /// them.
    #[must_use]
    pub fn knows_timezone(&self, zone: &str) -> bool {
        let zones = Path::new(ZONES);
        !zones.is_dir() || zones.join(zone).is_file()
    }

    /// Sets the time zone. Harmless when it is set.
    ///
    /// # Errors
    ///
    /// [`HostSettingsError`].
    pub async fn set_timezone(&self, zone: &str) -> Result<(), HostSettingsError> {
        let set = async {
            let connection = self.bus.connection().await?;
            proxy::TimedateProxy::new(&connection)
                .await?
                .set_timezone(zone, false)
                .await
        };
        told(set, "time zone", "systemd-timedated").await
    }
}

/// Waits for a change, with a deadline, and tells a service that is missing from one that refuses.
async fn told(
    change: impl Future<Output = zbus::Result<()>>,
    setting: &'static str,
    service: &'static str,
) -> Result<(), HostSettingsError> {
    match tokio::time::timeout(PATIENCE, change).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if is_missing(&error) => {
            Err(HostSettingsError::Missing { setting, service })
        }
        Ok(Err(source)) => Err(HostSettingsError::Refused { setting, source }),
        Err(_) => Err(HostSettingsError::Timeout(setting)),
    }
}

/// Whether the bus has no service of that name, or cannot start it.
fn is_missing(error: &zbus::Error) -> bool {
    let is_one_of = |name: &ErrorName<'_>| {
        matches!(
            name.as_str(),
            "org.freedesktop.DBus.Error.ServiceUnknown"
                | "org.freedesktop.DBus.Error.NameHasNoOwner"
                | "org.freedesktop.systemd1.NoSuchUnit"
                | "org.freedesktop.systemd1.UnitMasked"
        )
    };
    match error {
        zbus::Error::MethodError(name, _, _) => is_one_of(name),
        zbus::Error::FDO(error) => matches!(
            **error,
            zbus::fdo::Error::ServiceUnknown(_) | zbus::fdo::Error::NameHasNoOwner(_)
        ),
        _ => false,
    }
}

fn kernel_name() -> Option<String> {
    short(&std::fs::read_to_string(KERNEL_NAME).ok()?)
}

fn short(name: &str) -> Option<String> {
    let name = name.trim().split('.').next()?.to_ascii_lowercase();
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_name_is_the_first_label_of_what_the_kernel_says() {
        for (kernel, name) in [
            ("Atek\n", Some("atek")),
            ("box.example.com\n", Some("box")),
            ("\n", None),
        ] {
            assert_eq!(short(kernel).as_deref(), name, "{kernel:?}");
        }
    }

    type Calls = Arc<Mutex<Vec<(String, bool)>>>;

    struct Hostnamed(Calls);

    #[zbus::interface(name = "org.freedesktop.hostname1")]
    impl Hostnamed {
        fn set_static_hostname(&self, name: String, interactive: bool) -> zbus::fdo::Result<()> {
            if name == "refused" {
                return Err(zbus::fdo::Error::AccessDenied("no".to_owned()));
            }
            self.0.lock().unwrap().push((name, interactive));
            Ok(())
        }
    }

    async fn machine() -> (HostSettings, Calls, zbus::Connection) {
        let calls = Calls::default();
        let (theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
        let serve = zbus::connection::Builder::unix_stream(theirs)
            .server(zbus::Guid::generate())
            .p2p()
            .serve_at("/org/freedesktop/hostname1", Hostnamed(calls.clone()))
            .build();
        let dial = zbus::connection::Builder::unix_stream(ours).p2p().build();
        let (side, ours) = tokio::try_join!(serve, dial).unwrap();
        (HostSettings::new(Bus::fixed(ours)), calls, side)
    }

    #[tokio::test]
    async fn a_name_is_set_without_a_dialog_and_then_published() {
        let (machine, calls, _side) = machine().await;
        let mut names = machine.watch_name();
        machine.set_name("attic").await.unwrap();
        assert_eq!(*calls.lock().unwrap(), [("attic".to_owned(), false)]);
        names.changed().await.unwrap();
        assert_eq!(names.borrow().as_deref(), Some("attic"));
        let error = machine.set_name("refused").await.unwrap_err();
        assert_eq!(error.to_string(), "cannot set the name");
        assert_eq!(machine.name().as_deref(), Some("attic"));
    }

    #[tokio::test]
    async fn a_missing_bus_is_an_error_and_no_panic() {
        let (machine, _calls, side) = machine().await;
        drop(side);
        assert!(machine.set_timezone("Europe/Berlin").await.is_err());
    }
}
