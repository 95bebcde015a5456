//! Which name server answers the units. Pure.

use atek_api::spec::NAME_SERVER;
use std::net::Ipv4Addr;

/// The name server that [`NAME_SERVER`] stands for, by the text of the machine's `resolv.conf`: the
/// first that other machines answer for. systemd-resolved listens at [`NAME_SERVER`] itself
/// (`DNSStubListenerExtra=`): what it says of itself there is on the machine's loopback.
pub(crate) fn of(resolv_conf: &str) -> Ipv4Addr {
    resolv_conf
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter_map(|rest| rest.trim().parse().ok())
        .find(|address: &Ipv4Addr| !address.is_loopback() && !address.is_unspecified())
        .unwrap_or(NAME_SERVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_the_loopback_is_the_one_that_listens_for_the_units() {
        for (text, expected) in [
            ("nameserver 127.0.0.53\noptions edns0\n", "169.254.0.1"),
            ("# none\n", "169.254.0.1"),
            ("nameserver 192.168.1.1\n", "192.168.1.1"),
            (
                "nameserver fd00::1\nnameserver\t9.9.9.9\nnameserver 1.1.1.1",
                "9.9.9.9",
            ),
            ("nameserver 9.9.9.9; drop\n", "169.254.0.1"),
        ] {
            assert_eq!(of(text).to_string(), expected, "{text:?}");
        }
    }
}
