//! The part of Avahi's D-Bus interface that Atek uses, and no more.

use zbus::OwnedObjectPath;

/// Avahi's name on the bus.
pub(super) const AVAHI: &str = "org.freedesktop.Avahi";
/// Any network protocol.
pub(super) const ANY_PROTOCOL: i32 = -1;
/// `AVAHI_PUBLISH_NO_REVERSE`: the address keeps the box's own name.
pub(super) const NO_REVERSE: u32 = 16;
/// `AVAHI_SERVER_RUNNING`.
pub(super) const RUNNING: i32 = 2;
/// `AVAHI_ENTRY_GROUP_ESTABLISHED`.
pub(super) const ESTABLISHED: i32 = 2;
/// `AVAHI_ENTRY_GROUP_COLLISION`.
pub(super) const COLLISION: i32 = 3;
/// `AVAHI_ENTRY_GROUP_FAILURE`.
pub(super) const FAILURE: i32 = 4;

/// `org.freedesktop.Avahi.Server2`.
#[zbus::proxy(
    interface = "org.freedesktop.Avahi.Server2",
    default_service = "org.freedesktop.Avahi",
    default_path = "/"
)]
pub(super) trait Server {
    /// The box's name on the local network, without `.local`.
    fn get_host_name(&self) -> zbus::Result<String>;

    /// The same with `.local`.
    fn get_host_name_fqdn(&self) -> zbus::Result<String>;

    /// Takes another name.
    fn set_host_name(&self, name: &str) -> zbus::Result<()>;

    /// See [`RUNNING`].
    fn get_state(&self) -> zbus::Result<i32>;

    /// A new, empty group of records.
    fn entry_group_new(&self) -> zbus::Result<OwnedObjectPath>;
}

/// `org.freedesktop.Avahi.EntryGroup`.
#[zbus::proxy(
    interface = "org.freedesktop.Avahi.EntryGroup",
    default_service = "org.freedesktop.Avahi"
)]
pub(super) trait EntryGroup {
    /// A name for an address, on one interface.
    fn add_address(
        &self,
        interface: i32,
        protocol: i32,
        flags: u32,
        name: &str,
        address: &str,
    ) -> zbus::Result<()>;

    /// Publishes what was added.
    fn commit(&self) -> zbus::Result<()>;

    /// See [`ESTABLISHED`].
    fn get_state(&self) -> zbus::Result<i32>;

    /// Withdraws it.
    fn free(&self) -> zbus::Result<()>;
}
