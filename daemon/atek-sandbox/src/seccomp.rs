//! A system call filter on top of systemd's.
//!
//! It holds by itself what must hold: systemd's own filter is built from the unit's properties
//! at each start of the process, and systemd may have lost one by then (`RestrictNamespaces=` of
//! a transient unit does not survive `systemctl daemon-reload`).
//!
//! | denied | answer | why |
//! |---|---|---|
//! | `unshare`, `clone` with a flag of a namespace, `setns` | `EPERM` | a namespace gives capabilities, which open most of the kernel's surface |
//! | `clone3` | `ENOSYS` | a filter cannot read its flags; the C library then uses `clone` |
//! | mounts, modules, clocks, keys, tracing and the rest of [`PRIVILEGED`] | `EPERM` | no program of a service has business there |
//! | `socket` of another family than Unix, IPv4 and IPv6 | `EPERM` | packet, vsock, AF_ALG: kernel surface that no service needs |
//! | netlink, but for routes in a network namespace of the program's own | `EPERM` | programs list their interfaces, and not those of the machine |
//! | Internet sockets other than plain TCP and UDP | `EPERM` | MPTCP, SCTP and raw sockets pass by Landlock's TCP rules |
//! | for an image that is to be root: [`OWNERS`] | success | images give their folders to a user and become it; there is one user |
//! | `io_uring_*` | `EPERM` | runs operations that no filter on system calls sees |

use anyhow::Context as _;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// The bits of `socket`'s second argument that are the type; the rest are flags.
const TYPE_MASK: u64 = 0xf;

/// `(type, protocols)` of the Internet sockets that may be opened; 0 is the type's default.
const INTERNET: [(i32, [i32; 2]); 2] = [
    (libc::SOCK_STREAM, [0, libc::IPPROTO_TCP]),
    (libc::SOCK_DGRAM, [0, libc::IPPROTO_UDP]),
];

/// Flags of `clone` and `unshare` that make a namespace.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];
/// A namespace flag of `unshare` alone: in `clone` the bit belongs to the signal.
const CLONE_NEWTIME: i32 = 0x80;

/// Calls that are denied whatever their arguments.
const PRIVILEGED: &[libc::c_long] = &[
    libc::SYS_setns,
    // Mounts.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_memfd_secret,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_nfsservctl,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    // The keyring.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Rings, which no filter looks into.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_setup,
    libc::SYS_io_submit,
];

/// Which netlink sockets may be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Netlink {
    /// None: the network namespace is the machine's.
    None,
    /// Those that list interfaces, addresses and routes.
    Routes,
}

/// Installs the filter; it stays over `exec`.
pub(crate) fn confine(netlink: Netlink) -> anyhow::Result<()> {
    let architecture =
        TargetArch::try_from(std::env::consts::ARCH).context("no filter for this architecture")?;
    // Where two filters deny a call, the answer is that of the one installed last.
    for filter in [denied(netlink, architecture), missing(architecture)] {
        let program = filter.context("cannot compile the filter")?;
        seccompiler::apply_filter(&program).context("cannot install the filter")?;
    }
    Ok(())
}

/// Calls that change owners or users.
const OWNERS: &[libc::c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
];

/// Answers calls that change owners or users with success, and does nothing: systemd's filter has
/// denied them already, and of two filters that keep a call from the kernel the later one answers.
pub(crate) fn pretend() -> anyhow::Result<()> {
    let architecture =
        TargetArch::try_from(std::env::consts::ARCH).context("no filter for this architecture")?;
    let rules = OWNERS.iter().map(|call| (*call, vec![])).collect();
    let program = compile(rules, 0, architecture).context("cannot compile the filter")?;
    seccompiler::apply_filter(&program).context("cannot install the filter")
}

/// Denies `listen`, also without a port of one's own choice.
pub(crate) fn deny_listening() -> anyhow::Result<()> {
    let architecture =
        TargetArch::try_from(std::env::consts::ARCH).context("no filter for this architecture")?;
    let rules = BTreeMap::from([(libc::SYS_listen, vec![])]);
    let program = compile(rules, libc::EPERM, architecture).context("cannot compile the filter")?;
    seccompiler::apply_filter(&program).context("cannot install the filter")
}

/// What is not permitted.
fn denied(netlink: Netlink, architecture: TargetArch) -> Result<BpfProgram, BackendError> {
    // Where netlink is not allowed, Unix sockets are named twice.
    let netlink = match netlink {
        Netlink::Routes => libc::AF_NETLINK,
        Netlink::None => libc::AF_UNIX,
    };
    let mut socket = vec![
        SeccompRule::new(vec![
            argument(0, SeccompCmpOp::Ne, libc::AF_UNIX)?,
            argument(0, SeccompCmpOp::Ne, libc::AF_INET)?,
            argument(0, SeccompCmpOp::Ne, libc::AF_INET6)?,
            argument(0, SeccompCmpOp::Ne, netlink)?,
        ])?,
        SeccompRule::new(vec![
            argument(0, SeccompCmpOp::Eq, libc::AF_NETLINK)?,
            argument(2, SeccompCmpOp::Ne, libc::NETLINK_ROUTE)?,
        ])?,
    ];
    for kind in 0..=TYPE_MASK as i32 {
        let mut rule = vec![
            argument(0, SeccompCmpOp::Ne, libc::AF_UNIX)?,
            argument(0, SeccompCmpOp::Ne, netlink)?,
            argument(1, SeccompCmpOp::MaskedEq(TYPE_MASK), kind)?,
        ];
        if let Some((_, protocols)) = INTERNET.iter().find(|(allowed, _)| *allowed == kind) {
            for protocol in protocols {
                rule.push(argument(2, SeccompCmpOp::Ne, *protocol)?);
            }
        }
        socket.push(SeccompRule::new(rule)?);
    }
    let with_any = |flags: &[i32]| {
        flags
            .iter()
            .map(|flag| {
                let set = SeccompCmpOp::MaskedEq(u64::from(*flag as u32));
                SeccompRule::new(vec![argument(0, set, *flag)?])
            })
            .collect::<Result<Vec<_>, BackendError>>()
    };
    let mut rules: BTreeMap<_, _> = PRIVILEGED
        .iter()
        // No condition: always.
        .map(|call| (*call, vec![]))
        .collect();
    rules.insert(libc::SYS_socket, socket);
    rules.insert(libc::SYS_clone, with_any(&NAMESPACES)?);
    let mut unshare = with_any(&NAMESPACES)?;
    unshare.extend(with_any(&[CLONE_NEWTIME])?);
    rules.insert(libc::SYS_unshare, unshare);
    compile(rules, libc::EPERM, architecture)
}

/// What the kernel seems not to have.
fn missing(architecture: TargetArch) -> Result<BpfProgram, BackendError> {
    let rules = BTreeMap::from([(libc::SYS_clone3, vec![])]);
    compile(rules, libc::ENOSYS, architecture)
}

fn compile(
    rules: BTreeMap<libc::c_long, Vec<SeccompRule>>,
    errno: i32,
    architecture: TargetArch,
) -> Result<BpfProgram, BackendError> {
    let answer = SeccompAction::Errno(errno.cast_unsigned());
    SeccompFilter::new(rules, SeccompAction::Allow, answer, architecture)?.try_into()
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
        u64::from(value.cast_unsigned()),
    )
}

#[cfg(test)]
mod tests;
