//! The part of systemd's D-Bus interface that Atek uses, and no more. Nothing here
//! creates or changes a unit: atekd may not, and `atek-spawnd` has its own.

use zbus::OwnedObjectPath;

/// A row of `ListUnits`.
pub(super) type UnitRow = (
    String,
    String,
    String,
    String,
    String,
    String,
    OwnedObjectPath,
    u32,
    String,
    OwnedObjectPath,
);

/// `org.freedesktop.systemd1.Manager`.
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
pub(super) trait Manager {
    /// Asks the manager to emit signals to this connection.
    fn subscribe(&self) -> zbus::Result<()>;

    /// The loaded units with a name that matches.
    fn list_units_by_patterns(
        &self,
        states: &[&str],
        patterns: &[&str],
    ) -> zbus::Result<Vec<UnitRow>>;

    /// The object of a loaded unit.
    fn get_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
}

/// `org.freedesktop.login1.Manager`. `interactive`: whether a person may be asked.
#[zbus::proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1"
)]
pub(super) trait Login {
    /// Restarts the machine.
    fn reboot(&self, interactive: bool) -> zbus::Result<()>;

    /// Turns the machine off.
    fn power_off(&self, interactive: bool) -> zbus::Result<()>;
}

/// `org.freedesktop.hostname1`.
#[zbus::proxy(
    interface = "org.freedesktop.hostname1",
    default_service = "org.freedesktop.hostname1",
    default_path = "/org/freedesktop/hostname1"
)]
pub(super) trait Hostname {
    /// The name for every boot; the running one follows.
    fn set_static_hostname(&self, name: &str, interactive: bool) -> zbus::Result<()>;
}

/// `org.freedesktop.timedate1`.
#[zbus::proxy(
    interface = "org.freedesktop.timedate1",
    default_service = "org.freedesktop.timedate1",
    default_path = "/org/freedesktop/timedate1"
)]
pub(super) trait Timedate {
    /// An IANA name.
    fn set_timezone(&self, zone: &str, interactive: bool) -> zbus::Result<()>;
}
