//! Attempts on the kernel: namespaces, mounts, and the calls that have been ways out.

use crate::Attempt;
use crate::raw::{address, address_mut, call, probe};
use nix::errno::Errno;

/// The current folder, in place of a descriptor.
const AT_CWD: usize = (libc::AT_FDCWD as isize).cast_unsigned();
/// Who may ask with a descriptor that is none is told so.
const BAD_FD: &[Errno] = &[Errno::EBADF];

pub(crate) const ATTEMPTS: &[(&str, Attempt)] = &[
    ("a user namespace", |_| unshare(libc::CLONE_NEWUSER)),
    ("a user namespace by clone3", |_| clone3()),
    ("a mount namespace", |_| unshare(libc::CLONE_NEWNS)),
    ("a network namespace", |_| unshare(libc::CLONE_NEWNET)),
    ("a PID namespace", |_| unshare(libc::CLONE_NEWPID)),
    ("a cgroup namespace", |_| unshare(libc::CLONE_NEWCGROUP)),
    ("a host name namespace", |_| unshare(libc::CLONE_NEWUTS)),
    ("an IPC namespace", |_| unshare(libc::CLONE_NEWIPC)),
    ("a time namespace", |_| unshare(0x80)),
    ("a user namespace beside other flags", |_| {
        unshare(libc::CLONE_NEWUSER | libc::CLONE_FS | libc::CLONE_FILES)
    }),
    ("a user namespace by clone", |_| clone(libc::CLONE_NEWUSER)),
    ("a mount namespace by clone", |_| clone(libc::CLONE_NEWNS)),
    ("a network namespace by clone", |_| {
        clone(libc::CLONE_NEWNET)
    }),
    ("a PID namespace by clone", |_| clone(libc::CLONE_NEWPID)),
    ("a user and a mount namespace by clone", |_| {
        clone(libc::CLONE_NEWUSER | libc::CLONE_NEWNS)
    }),
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
    ("look at a file system to change it", |_| {
        let root = address(c"/".to_bytes_with_nul());
        call(libc::SYS_fspick, &[AT_CWD, root, 0]).map(drop)
    }),
    ("configure a file system", |_| {
        probe(libc::SYS_fsconfig, &[usize::MAX, 6, 0, 0, 0], BAD_FD)
    }),
    ("make a mount of a file system", |_| {
        probe(libc::SYS_fsmount, &[usize::MAX, 0, 0], BAD_FD)
    }),
    ("copy a mount", |_| {
        let root = address(c"/".to_bytes_with_nul());
        call(libc::SYS_open_tree, &[AT_CWD, root, 1]).map(drop)
    }),
    ("move a mount", |_| {
        let nowhere = address(c"/escape-no-such-place".to_bytes_with_nul());
        let sane = &[Errno::ENOENT];
        probe(
            libc::SYS_move_mount,
            &[AT_CWD, nowhere, AT_CWD, nowhere, 0],
            sane,
        )
    }),
    ("change the attributes of a mount", |_| {
        let nowhere = address(c"/escape-no-such-place".to_bytes_with_nul());
        // `MOUNT_ATTR_NOSUID`, to be set.
        let attributes: [u64; 4] = [2, 0, 0, 0];
        let size = size_of_val(&attributes);
        let arguments = [AT_CWD, nowhere, 0, address(&attributes), size];
        probe(libc::SYS_mount_setattr, &arguments, &[Errno::ENOENT])
    }),
    ("watch all files", |_| {
        call(libc::SYS_fanotify_init, &[0, 0]).map(drop)
    }),
    ("name a file by its handle", |_| {
        let mut handle = [0_u32; 40];
        handle[0] = 128;
        let mut mount = [0_i32];
        let root = address(c"/".to_bytes_with_nul());
        let arguments = [
            AT_CWD,
            root,
            address_mut(&mut handle),
            address_mut(&mut mount),
            0,
        ];
        call(libc::SYS_name_to_handle_at, &arguments).map(drop)
    }),
    ("ask for a disk quota", |_| {
        let nowhere = address(c"/escape-no-such-place".to_bytes_with_nul());
        let sane = &[Errno::ENOENT, Errno::ENOTBLK, Errno::ENOSYS];
        probe(libc::SYS_quotactl, &[0x0080_0007 << 8, nowhere, 0, 0], sane)
    }),
    ("secret memory", |_| {
        call(libc::SYS_memfd_secret, &[0]).map(drop)
    }),
    ("compare kernel objects", |_| {
        let own = usize::try_from(std::process::id()).unwrap_or(0);
        call(libc::SYS_kcmp, &[own, own, 0, 0, 0]).map(drop)
    }),
    ("advise another process's memory", |_| {
        probe(
            libc::SYS_process_madvise,
            &[usize::MAX, 0, 0, 21, 0],
            BAD_FD,
        )
    }),
    ("asynchronous input and output", |_| {
        let mut context = [0_u64];
        call(libc::SYS_io_setup, &[1, address_mut(&mut context)]).map(drop)
    }),
    ("ask for a key", |_| {
        let kind = address(c"user".to_bytes_with_nul());
        probe(libc::SYS_request_key, &[kind, kind, 0, 0], &[Errno::ENOKEY])
    }),
    ("load a kernel from a file", |_| {
        let none = address(c"".to_bytes_with_nul());
        let sane = &[Errno::EBADF, Errno::EINVAL];
        probe(
            libc::SYS_kexec_file_load,
            &[usize::MAX, usize::MAX, 0, none, 0x8000],
            sane,
        )
    }),
    ("set the domain name", |_| {
        let name = address(c"x".to_bytes_with_nul());
        probe(libc::SYS_setdomainname, &[name, 65], &[Errno::EINVAL])
    }),
    ("adjust the clock", |_| {
        // `ADJ_OFFSET` with an offset of nothing, in a clock that does not exist.
        let mut change = [0_u64; 26];
        change[0] = 1;
        let arguments = [1_000, address_mut(&mut change)];
        probe(libc::SYS_clock_adjtime, &arguments, &[Errno::EINVAL])
    }),
    ("hang up the terminal", |_| {
        call(libc::SYS_vhangup, &[]).map(drop)
    }),
    ("use a swap file no more", |_| {
        let path = address(c"/escape-no-such-place".to_bytes_with_nul());
        probe(libc::SYS_swapoff, &[path], &[Errno::ENOENT])
    }),
    ("load a module from memory", |_| {
        let none = address(c"".to_bytes_with_nul());
        let sane = &[Errno::ENOEXEC, Errno::EFAULT];
        probe(libc::SYS_init_module, &[0, 0, none], sane)
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

/// Makes a process in new namespaces, which ends at once.
fn clone(flags: libc::c_int) -> Result<(), Errno> {
    let flags = usize::try_from(flags).unwrap_or(0) | libc::SIGCHLD.cast_unsigned() as usize;
    let pid = call(libc::SYS_clone, &[flags, 0, 0, 0, 0])?;
    if pid == 0 {
        // The new process.
        let _ = call(libc::SYS_exit_group, &[0]);
    }
    Ok(())
}

/// Asks for a namespace with a size that cannot be: who may ask is told so. (A real clone would
/// leave a process with this one's memory behind.)
fn clone3() -> Result<(), Errno> {
    let arguments = [0x1000_0000_u64; 8];
    probe(
        libc::SYS_clone3,
        &[address(&arguments), 8],
        &[Errno::EINVAL],
    )
}
