//! What systemd passed at start (`LISTEN_FDS`): the sockets of our socket units, and the
//! listeners that it kept for us over a restart.

use atek_api::ids::ServiceKey;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};

/// The first descriptor that systemd passes.
const FIRST: RawFd = 3;
const PREFIX: &str = "listen-";
const CONNECTOR_PREFIX: &str = "connect-";
const PORT_PREFIX: &str = "port-";
/// In the order in which they are attached: IPv4, IPv6.
const FAMILIES: [&str; 2] = ["-4", "-6"];

/// The names under which a service's listeners are stored, IPv4 first.
pub(super) fn stored_names(key: &ServiceKey) -> [String; 2] {
    FAMILIES.map(|family| format!("{PREFIX}{key}{family}"))
}

/// The name under which the channel of a service's connector is stored.
pub(super) fn connector_name(key: &ServiceKey) -> String {
    format!("{CONNECTOR_PREFIX}{key}")
}

/// The port whose listener has this name.
fn stored_port(name: &str) -> Option<u16> {
    let rest = name.strip_prefix(PORT_PREFIX)?;
    let digits = FAMILIES.iter().find_map(|family| rest.strip_suffix(family));
    digits?.parse().ok()
}

/// The service whose listener has this name.
fn stored_key(name: &str) -> Option<ServiceKey> {
    let rest = name.strip_prefix(PREFIX)?;
    FAMILIES
        .iter()
        .find_map(|family| rest.strip_suffix(family))?
        .parse()
        .ok()
}

/// Descriptors from systemd, by name (`FileDescriptorName=`, `FDNAME=`).
#[derive(Debug, Default)]
pub struct Passed {
    named: Vec<(String, OwnedFd)>,
}

impl Passed {
    /// What this process was given; nothing if it was started in another way.
    ///
    /// Call it once, early: no other part of the program may use these descriptors.
    #[must_use]
    pub fn from_env() -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        if number("LISTEN_PID") != Some(u64::from(std::process::id())) {
            return Self::default();
        }
        let count = number("LISTEN_FDS")
            .and_then(|n| RawFd::try_from(n).ok())
            .unwrap_or(0);
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self::adopt(FIRST..FIRST.saturating_add(count), &names)
    }

    fn adopt(descriptors: impl Iterator<Item = RawFd>, names: &str) -> Self {
        let names = names.split(':').chain(std::iter::repeat(""));
        let named = descriptors
            .zip(names)
            .filter_map(|(raw, name)| match own(raw) {
                Ok(owned) => Some((name.to_owned(), owned)),
                Err(error) => {
                    tracing::error!(name, %error, "cannot use a descriptor from systemd");
                    None
                }
            })
            .collect();
        Self { named }
    }

    /// The TCP listeners of a socket unit.
    pub fn tcp(&mut self, name: &str) -> Vec<TcpListener> {
        self.take(|candidate| candidate == name)
            .map(|(_, owned)| owned.into())
            .collect()
    }

    /// The socket file of a socket unit.
    pub fn unix(&mut self, name: &str) -> Option<UnixListener> {
        self.take(|candidate| candidate == name)
            .next()
            .map(|(_, owned)| owned.into())
    }

    /// The listeners that were kept for us, IPv4 before IPv6.
    pub(super) fn stored(&mut self) -> impl Iterator<Item = (ServiceKey, OwnedFd)> {
        let mut stored: Vec<_> = self.take(|name| stored_key(name).is_some()).collect();
        stored.sort_by(|one, two| one.0.cmp(&two.0));
        stored
            .into_iter()
            .filter_map(|(name, owned)| Some((stored_key(&name)?, owned)))
    }

    /// The channels of connectors that were kept for us.
    pub(super) fn connectors(&mut self) -> Vec<(ServiceKey, OwnedFd)> {
        let key = |name: &str| name.strip_prefix(CONNECTOR_PREFIX)?.parse().ok();
        self.take(|name| key(name).is_some())
            .filter_map(|(name, owned)| Some((key(&name)?, owned)))
            .collect()
    }

    /// The name under which a listener at an app's port is stored.
    #[must_use]
    pub fn port_name(port: u16, is_v4: bool) -> String {
        let [v4, v6] = FAMILIES;
        format!("{PORT_PREFIX}{port}{}", if is_v4 { v4 } else { v6 })
    }

    /// The listeners at apps' ports that were kept for us.
    pub fn ports(&mut self) -> BTreeMap<u16, Vec<TcpListener>> {
        let mut ports: BTreeMap<u16, Vec<TcpListener>> = BTreeMap::new();
        for (name, owned) in self.take(|name| stored_port(name).is_some()) {
            if let Some(port) = stored_port(&name) {
                ports.entry(port).or_default().push(owned.into());
            }
        }
        ports
    }

    fn take(&mut self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = (String, OwnedFd)> {
        let (taken, left) = std::mem::take(&mut self.named)
            .into_iter()
            .partition(|(name, _)| wanted(name));
        self.named = left;
        let taken: Vec<_> = taken;
        taken.into_iter()
    }

    #[cfg(test)]
    pub(super) fn of(named: Vec<(String, OwnedFd)>) -> Self {
        Self { named }
    }
}

/// Owns a descriptor that is known by its number alone, without a promise that the
/// compiler cannot check: it is sent to ourselves, and the number is closed.
fn own(raw: RawFd) -> io::Result<OwnedFd> {
    use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
    let (here, there) = UnixStream::pair()?;
    let text = [IoSlice::new(b"x")];
    let rights = [ControlMessage::ScmRights(&[raw])];
    sendmsg::<UnixAddr>(there.as_raw_fd(), &text, &rights, MsgFlags::empty(), None)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut into = [IoSliceMut::new(&mut byte)];
    rustix::net::recvmsg(&here, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let owned = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut owned) => owned.next(),
            _ => None,
        })
        .next()
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    nix::unistd::close(raw)?;
    Ok(owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::IntoRawFd as _;

    #[test]
    fn descriptors_come_by_name_and_stay_usable() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let raw = listener.into_raw_fd();
        let mut passed = Passed::adopt([raw].into_iter(), "http:extra");
        assert!(passed.unix("attach").is_none());
        let tcp = passed.tcp("http");
        assert_eq!(tcp[0].local_addr().unwrap(), address);
        assert!(passed.tcp("http").is_empty());
    }

    #[test]
    fn stored_listeners_are_those_of_a_service_and_ipv4_comes_first() {
        let key: ServiceKey = "ff08.01".parse().unwrap();
        let [v4, v6] = stored_names(&key);
        assert_eq!(
            (v4.as_str(), v6.as_str()),
            ("listen-ff08.01-4", "listen-ff08.01-6")
        );
        let open = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
        let names = [v6, "http".to_owned(), v4, "listen-UPPER-4".to_owned()];
        let mut passed = Passed::of(names.map(|name| (name, open())).into());
        let stored: Vec<_> = passed.stored().collect();
        assert_eq!(stored.len(), 2);
        assert!(stored.iter().all(|(found, _)| *found == key));
        assert_eq!(passed.named.len(), 2);
    }

    #[test]
    fn kept_ports_are_found_by_their_number() {
        let open = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
        let names = [
            Passed::port_name(8101, true),
            Passed::port_name(8101, false),
            Passed::port_name(8102, true),
            "port-99999-4".to_owned(),
            "port-8103".to_owned(),
        ];
        let mut passed = Passed::of(names.map(|name| (name, open())).into());
        let ports = passed.ports();
        let counts: Vec<_> = ports.iter().map(|(port, all)| (*port, all.len())).collect();
        assert_eq!(counts, [(8101, 2), (8102, 1)]);
        assert_eq!(passed.named.len(), 2);
    }
}
