//! Attempts on the kernel: namespaces, mounts, and the calls that have been ways out.

use crate::Attempt;
use crate::raw::{address, address_mut, call, probe};
use nix::errno::Errno;

pub(crate) const ATTEMPTS: &[(&str, Attempt)] = &[
    ("a user namespace", |_| unshare(libc::CLONE_NEWUSER)),
    ("a user namespace by clone3", |_| clone3()),
    ("a mount namespace", |_| unshare(libc::CLONE_NEWNS)),
    ("a network namespace", |_| unshare(libc::CLONE_NEWNET)),
    ("a PID namespace", |_| unshare(libc::CLONE_NEWPID)),
    ("a cgroup namespace", |_| unshare(libc::CLONE_NEWCGROUP)),
    ("enter a namespace", |_| {
        probe(libc::SYS_setns, &[usize::MAX, 0], &[Errno::EBADF])
    }),
    ("mount", |_| {
        let kind = address(c"tmpfs".to_bytes_with_nul());
        // A path that is not there: who may mount is told so.
        let at = address(c"/escape-no-such-place".to_bytes_with_nul());
        probe(libc::SYS_mount, &[kind, at, kind, 0, 0], &[Errno::ENOENT])
    }),
    ("open a file system", |_| {
        call(
            libc::SYS_fsopen,
            &[address(c"tmpfs".to_bytes_with_nul()), 0],
        )
        .map(drop)
    }),
    ("unmount", |_| {
        probe(
            libc::SYS_umount2,
            &[address(c"/escape-no-such-place".to_bytes_with_nul()), 0],
            &[Errno::ENOENT],
        )
    }),
    ("chroot", |_| {
        call(libc::SYS_chroot, &[address(c"/".to_bytes_with_nul())]).map(drop)
    }),
    ("pivot_root", |_| {
        let root = address(c"/".to_bytes_with_nul());
        probe(
            libc::SYS_pivot_root,
            &[root, root],
            &[Errno::EBUSY, Errno::EINVAL],
        )
    }),
    ("a BPF map", |_| {
        // BPF_MAP_TYPE_ARRAY with a key of 4 bytes, a value of 4 bytes and one entry.
        let attributes: [u32; 16] = [2, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        call(
            libc::SYS_bpf,
            &[0, address(&attributes), size_of_val(&attributes)],
        )
        .map(drop)
    }),
    ("a performance counter of the kernel", |_| {
        // PERF_TYPE_SOFTWARE, the size of the first version, PERF_COUNT_SW_CPU_CLOCK.
        let mut attributes = [0_u64; 8];
        attributes[0] = 1 | 64 << 32;
        call(
            libc::SYS_perf_event_open,
            &[address(&attributes), 0, usize::MAX, usize::MAX, 0],
        )
        .map(drop)
    }),
    ("userfaultfd", |_| {
        call(libc::SYS_userfaultfd, &[0]).map(drop)
    }),
    ("io_uring", |_| {
        let mut parameters = [0_u32; 30];
        call(libc::SYS_io_uring_setup, &[1, address_mut(&mut parameters)]).map(drop)
    }),
    ("a key in the keyring", |_| {
        let kind = address(c"user".to_bytes_with_nul());
        // The process's keyring (-2).
        call(libc::SYS_add_key, &[kind, kind, kind, 4, usize::MAX - 1]).map(drop)
    }),
    ("look at the keyring", |_| {
        call(libc::SYS_keyctl, &[0, usize::MAX - 1, 1]).map(drop)
    }),
    ("load a kernel", |_| {
        // A flag that does not exist.
        probe(libc::SYS_kexec_load, &[0, 0, 0, 0x8000], &[Errno::EINVAL])
    }),
    ("load a module", |_| {
        let none = address(c"".to_bytes_with_nul());
        probe(
            libc::SYS_finit_module,
            &[usize::MAX, none, 0],
            &[Errno::EBADF],
        )
    }),
    ("remove a module", |_| {
        let name = address(c"escape_no_such_module".to_bytes_with_nul());
        probe(libc::SYS_delete_module, &[name, 0], &[Errno::ENOENT])
    }),
    ("reboot", |_| {
        // The right magic numbers, and a command that does not exist.
        probe(
            libc::SYS_reboot,
            &[0xfee1_dead, 672_274_793, 0x1234_5678, 0],
            &[Errno::EINVAL],
        )
    }),
    ("swap", |_| {
        let path = address(c"/escape-no-such-place".to_bytes_with_nul());
        probe(libc::SYS_swapon, &[path, 0], &[Errno::ENOENT])
    }),
    ("set the clock", |_| {
        let nonsense: [i64; 2] = [-1, -1];
        probe(
            libc::SYS_clock_settime,
            &[0, address(&nonsense)],
            &[Errno::EINVAL],
        )
    }),
    ("set the host name", |_| {
        let name = address(c"x".to_bytes_with_nul());
        probe(libc::SYS_sethostname, &[name, 65], &[Errno::EINVAL])
    }),
    ("read the kernel's log", |_| {
        let mut text = [0_u8; 16];
        call(libc::SYS_syslog, &[3, address_mut(&mut text), text.len()]).map(drop)
    }),
    ("account for processes", |_| {
        let path = address(c"/escape-no-such-place".to_bytes_with_nul());
        probe(libc::SYS_acct, &[path], &[Errno::ENOENT])
    }),
    #[cfg(target_arch = "x86_64")]
    ("talk to the hardware", |_| {
        call(libc::SYS_iopl, &[3]).map(drop)
    }),
    #[cfg(target_arch = "x86_64")]
    ("a 32-bit system call", |_| crate::raw::getpid_32bit()),
];

fn unshare(flag: libc::c_int) -> Result<(), Errno> {
    call(libc::SYS_unshare, &[usize::try_from(flag).unwrap_or(0)]).map(drop)
}

/// Asks for a namespace with a size that cannot be: who may ask is told so. (A real clone would leave a
/// process with this one's memory behind.)
fn clone3() -> Result<(), Errno> {
    let arguments = [0x1000_0000_u64; 8];
    probe(
        libc::SYS_clone3,
        &[address(&arguments), 8],
        &[Errno::EINVAL],
    )
}
