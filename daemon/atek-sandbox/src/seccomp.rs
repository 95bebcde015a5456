//! A system call filter on top of systemd's, for what its properties cannot say.
//!
//! | denied | why |
//! |---|---|
//! | `socket` of another family than Unix, IPv4 and IPv6 | packet, netlink, vsock, AF_ALG: kernel surface nobody needs here |
//! | Internet sockets that are not plain TCP | MPTCP, UDP, SCTP and raw sockets pass by Landlock's TCP rules |
//! | `io_uring_*` | runs operations that no filter on system calls sees |
//!
//! With the network granted, plain UDP is allowed: names are resolved over it.

use anyhow::Context as _;
use atek_api::spec::AttachNetwork;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// The bits of `socket`'s second argument that are the type; the rest are flags.
const TYPE_MASK: u64 = 0xf;

/// Installs the filter; it stays over `exec`.
pub(crate) fn confine(network: AttachNetwork) -> anyhow::Result<()> {
    let architecture =
        TargetArch::try_from(std::env::consts::ARCH).context("no filter for this architecture")?;
    let program = filter(network, architecture).context("cannot compile the filter")?;
    seccompiler::apply_filter(&program).context("cannot install the filter")
}

/// `(type, protocols)` of the Internet sockets that may be opened; 0 is the type's default.
fn allowed(network: AttachNetwork) -> &'static [(i32, [i32; 2])] {
    const TCP: (i32, [i32; 2]) = (libc::SOCK_STREAM, [0, libc::IPPROTO_TCP]);
    const UDP: (i32, [i32; 2]) = (libc::SOCK_DGRAM, [0, libc::IPPROTO_UDP]);
    match network {
        AttachNetwork::Private => &[TCP],
        AttachNetwork::Shared => &[TCP, UDP],
    }
}

fn filter(network: AttachNetwork, architecture: TargetArch) -> Result<BpfProgram, BackendError> {
    let mut socket = vec![SeccompRule::new(vec![
        argument(0, SeccompCmpOp::Ne, libc::AF_UNIX)?,
        argument(0, SeccompCmpOp::Ne, libc::AF_INET)?,
        argument(0, SeccompCmpOp::Ne, libc::AF_INET6)?,
    ])?];
    for kind in 0..=TYPE_MASK as i32 {
        let mut denied = vec![
            argument(0, SeccompCmpOp::Ne, libc::AF_UNIX)?,
            argument(1, SeccompCmpOp::MaskedEq(TYPE_MASK), kind)?,
        ];
        if let Some((_, protocols)) = allowed(network)
            .iter()
            .find(|(allowed, _)| *allowed == kind)
        {
            for protocol in protocols {
                denied.push(argument(2, SeccompCmpOp::Ne, *protocol)?);
            }
        }
        socket.push(SeccompRule::new(denied)?);
    }
    let denied = BTreeMap::from([
        (libc::SYS_socket, socket),
        // No condition: always.
        (libc::SYS_io_uring_setup, vec![]),
        (libc::SYS_io_uring_enter, vec![]),
        (libc::SYS_io_uring_register, vec![]),
    ]);
    SeccompFilter::new(
        denied,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM as u32),
        architecture,
    )?
    .try_into()
}

/// The kernel takes these arguments as 32 bits, and so does the comparison.
fn argument(
    index: u8,
    operator: SeccompCmpOp,
    value: i32,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(
        index,
        SeccompCmpArgLen::Dword,
        operator,
        u64::from(value as u32),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_compiles_for_every_architecture_we_ship() {
        for architecture in [TargetArch::x86_64, TargetArch::aarch64] {
            for network in [AttachNetwork::Private, AttachNetwork::Shared] {
                filter(network, architecture).unwrap();
            }
        }
    }

    /// `Ok` or the errno of `socket` under the filter, tried in a thread of its own:
    /// a filter cannot be taken off again, and it only covers its thread.
    fn under(network: AttachNetwork, tries: &'static [(i32, i32, i32)]) -> Vec<Option<i32>> {
        std::thread::spawn(move || {
            confine(network).unwrap();
            tries
                .iter()
                .map(|&(family, kind, protocol)| try_socket(family, kind, protocol))
                .collect()
        })
        .join()
        .unwrap()
    }

    fn try_socket(family: i32, kind: i32, protocol: i32) -> Option<i32> {
        // SAFETY: the call takes three numbers and returns a number.
        #[allow(unsafe_code)]
        let descriptor = unsafe { libc::socket(family, kind, protocol) };
        if descriptor < 0 {
            return std::io::Error::last_os_error().raw_os_error();
        }
        // SAFETY: the descriptor was made above, and nobody else has it.
        #[allow(unsafe_code)]
        drop(unsafe { <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(descriptor) });
        None
    }

    const EPERM: Option<i32> = Some(libc::EPERM);

    #[test]
    fn without_network_only_unix_and_plain_tcp_sockets_open() {
        const CLOEXEC: i32 = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let allowed = under(
            AttachNetwork::Private,
            &[
                (libc::AF_UNIX, libc::SOCK_STREAM, 0),
                (libc::AF_UNIX, libc::SOCK_DGRAM | CLOEXEC, 0),
                (libc::AF_INET, libc::SOCK_STREAM, 0),
                (
                    libc::AF_INET,
                    libc::SOCK_STREAM | CLOEXEC,
                    libc::IPPROTO_TCP,
                ),
            ],
        );
        assert_eq!(allowed, [None; 4]);
        let denied = under(
            AttachNetwork::Private,
            &[
                (libc::AF_INET, libc::SOCK_DGRAM, 0),
                (
                    libc::AF_INET6,
                    libc::SOCK_DGRAM | CLOEXEC,
                    libc::IPPROTO_UDP,
                ),
                (libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
                (libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP),
                (libc::AF_INET, libc::SOCK_SEQPACKET, libc::IPPROTO_SCTP),
                (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
                (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
                (libc::AF_NETLINK, libc::SOCK_RAW, 0),
                (libc::AF_PACKET, libc::SOCK_RAW, 0),
                (libc::AF_VSOCK, libc::SOCK_STREAM, 0),
                (libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
                (libc::AF_XDP, libc::SOCK_RAW, 0),
                (1000, libc::SOCK_STREAM, 0),
            ],
        );
        assert_eq!(denied, [EPERM; 13]);
    }

    #[test]
    fn with_network_plain_udp_opens_too_and_nothing_else() {
        let tried = under(
            AttachNetwork::Shared,
            &[
                (libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0),
                (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_UDP),
                (libc::AF_INET, libc::SOCK_STREAM, 0),
                (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
                (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_UDPLITE),
                (libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
                (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW),
            ],
        );
        assert_eq!(tried, [None, None, None, EPERM, EPERM, EPERM, EPERM]);
    }

    #[test]
    fn without_the_filter_the_same_calls_reach_the_kernel() {
        // The control: what is denied above is not denied by the machine.
        assert_eq!(try_socket(libc::AF_INET, libc::SOCK_DGRAM, 0), None);
        assert_eq!(try_socket(libc::AF_NETLINK, libc::SOCK_RAW, 0), None);
        assert_ne!(
            try_socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
            EPERM
        );
    }
}
