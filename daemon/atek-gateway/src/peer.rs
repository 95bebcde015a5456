//! Who is at the other end of a connection, as the kernel says it.

use nix::ifaddrs::getifaddrs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the box's own addresses are remembered.
const ADDRESSES_LAST: Duration = Duration::from_secs(2);
/// Addresses that are shown to a client which is lost.
const SHOWN: usize = 2;
/// Users that systemd makes for apps (`DynamicUser=`, systemd.exec(5)).
const APP_USERS: std::ops::RangeInclusive<u32> = 61184..=65519;
/// Users below belong to the system.
const FIRST_USER: u32 = 1000;

/// What a limit on connections is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Peer {
    /// A program of the system on this box, such as a reverse proxy, or a trusted proxy.
    Trusted,
    /// Another user of this box.
    User(u32),
    /// A device with IPv4.
    V4(Ipv4Addr),
    /// The /64 of a device with IPv6, which one customer has.
    V6([u16; 4]),
}

/// Users whose programs are refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct RefusedUsers {
    /// The host daemon's own, at the control socket and at services' socket files: what was
    /// connected there by a path that another process wrote must not act as the caller.
    pub host: Option<u32>,
    /// The one that builds packages, at the public ports.
    pub builds: Option<u32>,
}

impl RefusedUsers {
    /// Whether a program of `uid` gets nothing at the public ports: apps have listeners of
    /// their own.
    pub(super) fn refuses_at_public(self, uid: u32) -> bool {
        APP_USERS.contains(&uid) || self.builds == Some(uid)
    }
}

/// The box's own addresses, remembered for a moment.
#[derive(Debug, Default)]
pub(super) struct OwnAddresses {
    known: Mutex<Option<(Instant, Vec<IpAddr>)>>,
}

impl OwnAddresses {
    /// Whether an address belongs to the box.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        if address.is_loopback() {
            return true;
        }
        self.with_all(|all| all.contains(&address))
    }

    /// Some of the box's addresses for people to type, such as `192.168.1.2`.
    pub(super) fn to_show(&self) -> Vec<IpAddr> {
        let is_typed = |address: &&IpAddr| match address {
            IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
            IpAddr::V6(_) => false,
        };
        self.with_all(|all| all.iter().filter(is_typed).take(SHOWN).copied().collect())
    }

    fn with_all<T>(&self, read: impl FnOnce(&[IpAddr]) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |(at, _): &(Instant, Vec<IpAddr>)| at.elapsed() < ADDRESSES_LAST;
        if !known.as_ref().is_some_and(is_fresh) {
            *known = Some((Instant::now(), own_addresses()));
        }
        read(known.as_ref().map_or(&[], |(_, all)| all.as_slice()))
    }
}

fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else {
        return Vec::new();
    };
    interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .collect()
}

/// What limits a connection from an address, with `uid` for one of this box.
pub(super) fn peer_of(address: IpAddr, uid: Option<u32>) -> Peer {
    match (uid, address) {
        (Some(uid), _) if uid < FIRST_USER => Peer::Trusted,
        (Some(uid), _) => Peer::User(uid),
        (None, IpAddr::V4(address)) => Peer::V4(address),
        (None, IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            Peer::V6([a, b, c, d])
        }
    }
}

/// The user that owns the socket which is bound to `peer`, from the kernel's table.
pub(super) fn peer_uid(peer: SocketAddr) -> Option<u32> {
    let in_table = |table: &str, address: SocketAddr| {
        uid_in_table(&std::fs::read_to_string(table).ok()?, address)
    };
    match (peer.ip().to_canonical(), peer.port()) {
        (IpAddr::V4(address), port) => {
            in_table("/proc/net/tcp", (address, port).into()).or_else(|| {
                // A socket of IPv6 can speak IPv4, too.
                let mapped = address.to_ipv6_mapped();
                in_table("/proc/net/tcp6", (mapped, port).into())
            })
        }
        (IpAddr::V6(address), port) => in_table("/proc/net/tcp6", (address, port).into()),
    }
}

/// Lines of `sl local_address rem_address st tx:rx tr:when retrnsmt uid …`, addresses in
/// hexadecimal words of the machine's byte order.
fn uid_in_table(table: &str, peer: SocketAddr) -> Option<u32> {
    let words: Vec<u8> = match peer {
        SocketAddr::V4(peer) => peer.ip().octets().to_vec(),
        SocketAddr::V6(peer) => peer.ip().octets().to_vec(),
    };
    let mut wanted = String::new();
    for word in words.chunks_exact(4) {
        let word = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
        wanted.push_str(&format!("{word:08X}"));
    }
    wanted.push_str(&format!(":{:04X}", peer.port()));
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        (fields.nth(1)? == wanted).then(|| fields.nth(5)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn apps_and_builds_are_refused_at_the_public_ports_and_people_are_not() {
        let refused = RefusedUsers {
            host: Some(961),
            builds: Some(962),
        };
        for (uid, expected) in [
            (61184, true),
            (65519, true),
            (962, true),
            (961, false),
            (0, false),
            (1000, false),
            (65534, false),
        ] {
            assert_eq!(refused.refuses_at_public(uid), expected, "{uid}");
        }
    }

    #[test]
    fn one_ipv6_network_is_one_peer() {
        let peer = |address: &str, uid| peer_of(address.parse().unwrap(), uid);
        assert_eq!(
            peer("2001:db8:1:2::1", None),
            peer("2001:db8:1:2:ffff::9", None)
        );
        assert_ne!(peer("2001:db8:1:2::1", None), peer("2001:db8:1:3::1", None));
        assert_ne!(peer("10.0.0.1", None), peer("10.0.0.2", None));
        assert_eq!(peer("127.0.0.1", Some(33)), Peer::Trusted);
        assert_eq!(peer("127.0.0.1", Some(1000)), Peer::User(1000));
    }

    #[test]
    fn the_kernels_table_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n\
             1: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 61184        0 2 1\n";
        if cfg!(target_endian = "little") {
            for (peer, expected) in [("127.0.0.1:54321", Some(61184)), ("127.0.0.2:54321", None)] {
                assert_eq!(
                    uid_in_table(table, peer.parse().unwrap()),
                    expected,
                    "{peer}"
                );
            }
        }
    }

    #[test]
    fn the_owner_of_a_real_connection_is_found() {
        let own = std::fs::metadata("/proc/self").unwrap().uid();
        let mut tried = 0;
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(address) else {
                continue;
            };
            let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let peer = client.local_addr().unwrap();
            assert_eq!(peer_uid(peer), Some(own), "{address}");
            assert!(OwnAddresses::default().contains(peer.ip()));
            tried += 1;
        }
        assert!(tried > 0, "no loopback to try");
    }
}
