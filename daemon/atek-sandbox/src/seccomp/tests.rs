//! Each call is tried without the filter, too: what fails there shows nothing.

use super::*;

/// `None`, or the errno that a call ends with.
type Outcome = Option<i32>;
const EPERM: Outcome = Some(libc::EPERM);
const ENOSYS: Outcome = Some(libc::ENOSYS);

/// Runs `tries` under the filter, in a thread of its own: a filter cannot be taken off
/// again, and covers its thread alone.
fn confined<T: Send>(tries: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            confine(Netlink::Routes).unwrap();
            tries()
        });
        thread.join().unwrap()
    })
}

/// Makes a system call whose arguments are numbers, or addresses that cannot be read.
fn call(number: libc::c_long, arguments: [i64; 5]) -> Outcome {
    let [one, two, three, four, five] = arguments;
    // SAFETY: the callers pass numbers and null pointers, so no memory of this process is
    // changed; a call that succeeds returns a number or a descriptor, or changes this thread.
    #[allow(unsafe_code)]
    let result = unsafe { libc::syscall(number, one, two, three, four, five) };
    if result < 0 {
        return std::io::Error::last_os_error().raw_os_error();
    }
    None
}

fn socket(family: i32, kind: i32, protocol: i32) -> Outcome {
    // SAFETY: the call takes three numbers and returns a number.
    #[allow(unsafe_code)]
    let descriptor = unsafe { libc::socket(family, kind, protocol) };
    if descriptor < 0 {
        return std::io::Error::last_os_error().raw_os_error();
    }
    // SAFETY: the descriptor was made above, and has no other owner.
    #[allow(unsafe_code)]
    drop(unsafe { <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(descriptor) });
    None
}

#[test]
fn the_filter_compiles_for_every_architecture_we_ship() {
    for architecture in [TargetArch::x86_64, TargetArch::aarch64] {
        // The kernel takes 4,096 instructions.
        assert!(denied(Netlink::Routes, architecture).unwrap().len() < 2_048);
        assert!(missing(architecture).unwrap().len() < 64);
    }
}

#[test]
fn only_unix_and_plain_internet_sockets_open() {
    const FLAGS: i32 = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let table = [
        (libc::AF_UNIX, libc::SOCK_STREAM, 0, None),
        (libc::AF_UNIX, libc::SOCK_DGRAM | FLAGS, 0, None),
        (libc::AF_INET, libc::SOCK_STREAM, 0, None),
        (
            libc::AF_INET,
            libc::SOCK_STREAM | FLAGS,
            libc::IPPROTO_TCP,
            None,
        ),
        (libc::AF_INET, libc::SOCK_DGRAM, 0, None),
        (
            libc::AF_INET,
            libc::SOCK_DGRAM | FLAGS,
            libc::IPPROTO_UDP,
            None,
        ),
        (libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP, EPERM),
        (libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP, EPERM),
        (
            libc::AF_INET,
            libc::SOCK_SEQPACKET,
            libc::IPPROTO_SCTP,
            EPERM,
        ),
        (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP, EPERM),
        (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW, EPERM),
        (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP, EPERM),
        (
            libc::AF_INET,
            libc::SOCK_DGRAM,
            libc::IPPROTO_UDPLITE,
            EPERM,
        ),
        (libc::AF_PACKET, libc::SOCK_RAW, 0, EPERM),
        (libc::AF_VSOCK, libc::SOCK_STREAM, 0, EPERM),
        (libc::AF_ALG, libc::SOCK_SEQPACKET, 0, EPERM),
        (libc::AF_XDP, libc::SOCK_RAW, 0, EPERM),
        (1000, libc::SOCK_STREAM, 0, EPERM),
        // Node's `os.networkInterfaces()` throws without this one.
        (libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE, None),
        (libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_AUDIT, EPERM),
        (
            libc::AF_NETLINK,
            libc::SOCK_DGRAM,
            libc::NETLINK_NETFILTER,
            EPERM,
        ),
    ];
    for (family, kind, protocol, expected) in table {
        let outcome = confined(|| socket(family, kind, protocol));
        assert_eq!(outcome, expected, "{family} {kind} {protocol}");
    }
}

#[test]
fn no_call_makes_or_enters_a_namespace() {
    for flag in NAMESPACES {
        let (alone, with_others) = (i64::from(flag), i64::from(flag | libc::CLONE_FILES));
        for flags in [alone, with_others] {
            let outcome = confined(|| call(libc::SYS_unshare, [flags, 0, 0, 0, 0]));
            assert_eq!(outcome, EPERM, "unshare {flags:#x}");
            // A signal that does not exist: without the filter EINVAL or a new process.
            let outcome = confined(|| call(libc::SYS_clone, [flags | 0xff, 0, 0, 0, 0]));
            assert_eq!(outcome, EPERM, "clone {flags:#x}");
        }
    }
    let time = i64::from(CLONE_NEWTIME);
    assert_eq!(
        confined(|| call(libc::SYS_unshare, [time, 0, 0, 0, 0])),
        EPERM
    );
    assert_eq!(confined(|| call(libc::SYS_setns, [-1, 0, 0, 0, 0])), EPERM);
    // It may ask for its own table of descriptors, and start threads and processes.
    let files = i64::from(libc::CLONE_FILES);
    assert_eq!(
        confined(|| call(libc::SYS_unshare, [files, 0, 0, 0, 0])),
        None
    );
    confined(|| std::thread::spawn(|| {}).join().unwrap());
    let status = confined(|| std::process::Command::new("/bin/true").status().unwrap());
    assert!(status.success());
}

#[test]
fn clone3_seems_not_to_exist_so_that_programs_use_clone() {
    assert_eq!(confined(|| call(libc::SYS_clone3, [0; 5])), ENOSYS);
    assert_eq!(call(libc::SYS_clone3, [0; 5]), Some(libc::EINVAL));
}

#[test]
fn what_takes_privilege_is_denied_before_the_kernel_looks_at_it() {
    for number in PRIVILEGED.iter().copied() {
        let outcome = confined(|| call(number, [-1, 0, 0, 0, 0]));
        assert_eq!(outcome, EPERM, "system call {number}");
    }
}

#[test]
fn who_is_told_that_it_changed_its_user_is_the_one_that_it_was() {
    let outcomes = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let before = nix::unistd::geteuid();
            confine(Netlink::Routes).unwrap();
            pretend().unwrap();
            let outcomes: Vec<_> = OWNERS.iter().map(|number| call(*number, [33; 5])).collect();
            assert_eq!(nix::unistd::geteuid(), before);
            // What the other filter denies stays denied.
            assert_eq!(call(libc::SYS_setns, [-1, 0, 0, 0, 0]), EPERM);
            outcomes
        });
        thread.join().unwrap()
    });
    assert!(outcomes.iter().all(Option::is_none), "{outcomes:?}");
}

#[test]
fn without_the_filter_the_same_calls_reach_the_kernel() {
    assert_eq!(socket(libc::AF_NETLINK, libc::SOCK_RAW, 0), None);
    assert_ne!(
        socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
        EPERM
    );
    assert_eq!(call(libc::SYS_setns, [-1, 0, 0, 0, 0]), Some(libc::EBADF));
    let bad_handle = call(libc::SYS_name_to_handle_at, [-1, 0, 0, 0, 0]);
    assert_ne!(bad_handle, EPERM);
}

#[test]
fn a_build_listened_on_the_network_of_the_home() {
    let listened = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let address = "127.0.0.1:0";
            std::net::TcpListener::bind(address).unwrap();
            super::deny_listening().unwrap();
            let by_seccomp = std::net::TcpListener::bind(address).unwrap_err();
            crate::landlock::deny_listening().unwrap();
            let by_landlock = std::net::TcpListener::bind(address).unwrap_err();
            [by_seccomp.raw_os_error(), by_landlock.raw_os_error()]
        });
        thread.join().unwrap()
    });
    assert_eq!(listened, [EPERM, Some(libc::EACCES)]);
}

#[test]
fn the_interfaces_of_the_machine_are_not_listed() {
    let opened = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            confine(Netlink::None).unwrap();
            let netlink = socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE);
            [netlink, socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)]
        });
        thread.join().unwrap()
    });
    assert_eq!(opened, [EPERM, None]);
}
