//! Attempts on other processes, and to get out of the limits of one's own.

use crate::files::errno;
use crate::raw::{address, address_mut, call, probe};
use crate::{Attempt, Targets};
use nix::errno::Errno;
use std::fs::{self, OpenOptions};
use std::io::Write as _;

pub(crate) const ATTEMPTS: &[(&str, Attempt)] = &[
    ("signal another process", |to| {
        call(libc::SYS_kill, &[pid(to), 0]).map(drop)
    }),
    ("trace another process", |to| {
        call(libc::SYS_ptrace, &[0x4206, pid(to), 0, 0]).map(drop)
    }),
    ("read another process's memory", read_memory),
    ("open another process's memory", |to| open_of(to, "mem")),
    ("read another process's environment", |to| {
        open_of(to, "environ")
    }),
    ("read another process's memory map", |to| {
        open_of(to, "maps")
    }),
    ("look through another process's root", |to| {
        fs::read_dir(format!("/proc/{}/root/", to.pid))
            .map(drop)
            .map_err(|error| errno(&error))
    }),
    ("see another process", |to| {
        fs::metadata(format!("/proc/{}", to.pid))
            .map(drop)
            .map_err(|error| errno(&error))
    }),
    ("leave the cgroup", leave_the_cgroup),
    ("real-time scheduling", |_| {
        call(libc::SYS_sched_setscheduler, &[0, 1, address(&[1_u32])]).map(drop)
    }),
    ("a higher priority", |_| {
        call(libc::SYS_setpriority, &[0, 0, usize::MAX - 9]).map(drop)
    }),
    ("become root", |_| {
        call(libc::SYS_setresuid, &[0, 0, 0]).map(drop)
    }),
    ("join a group", |_| {
        call(libc::SYS_setgroups, &[1, address(&[0_u32])]).map(drop)
    }),
    ("lock much memory", |_| {
        let memory = vec![1_u8; 64 << 20];
        call(libc::SYS_mlock, &[address(memory.as_slice()), memory.len()]).map(drop)
    }),
    ("another personality", |_| {
        call(libc::SYS_personality, &[0x0004_0000]).map(drop)
    }),
    ("take a descriptor of another process", take_descriptor),
    ("change the limits of another process", |to| {
        let mut old = [0_u64; 2];
        call(libc::SYS_prlimit64, &[pid(to), 7, 0, address_mut(&mut old)]).map(drop)
    }),
    ("choose the processors of another process", |to| {
        let all = [usize::MAX];
        call(
            libc::SYS_sched_setaffinity,
            &[pid(to), size_of_val(&all), address(&all)],
        )
        .map(drop)
    }),
    ("read the descriptors of another process", |to| {
        fs::read_dir(format!("/proc/{}/fd", to.pid))
            .map(drop)
            .map_err(|error| errno(&error))
    }),
    ("write another process's out-of-memory score", |to| {
        let path = format!("/proc/{}/oom_score_adj", to.pid);
        OpenOptions::new()
            .write(true)
            .open(path)
            .map(drop)
            .map_err(|error| errno(&error))
    }),
    ("move pages of another process", |to| {
        call(libc::SYS_move_pages, &[pid(to), 0, 0, 0, 0, 0]).map(drop)
    }),
    ("join a group by number", |_| {
        call(libc::SYS_setresgid, &[0, 0, 0]).map(drop)
    }),
    ("keep capabilities over a change of user", |_| {
        // `PR_CAP_AMBIENT_RAISE` of CAP_NET_RAW.
        call(libc::SYS_prctl, &[47, 2, 13, 0, 0]).map(drop)
    }),
    ("a better place in the disk's queue", |_| {
        // The real-time class, of this process.
        call(libc::SYS_ioprio_set, &[1, 0, 1 << 13]).map(drop)
    }),
];

fn pid(to: &Targets) -> usize {
    usize::try_from(to.pid).unwrap_or(0)
}

fn open_of(to: &Targets, file: &str) -> Result<(), Errno> {
    fs::File::open(format!("/proc/{}/{file}", to.pid))
        .map(drop)
        .map_err(|error| errno(&error))
}

/// Reads one byte at address 0: who may ask is told that nothing is there.
fn read_memory(to: &Targets) -> Result<(), Errno> {
    let mut byte = [0_u8];
    let local = [address_mut(&mut byte), 1];
    let remote = [0_usize, 1];
    let arguments = [pid(to), address(&local), 1, address(&remote), 1, 0];
    probe(libc::SYS_process_vm_readv, &arguments, &[Errno::EFAULT])
}

fn leave_the_cgroup(_: &Targets) -> Result<(), Errno> {
    let top = OpenOptions::new()
        .write(true)
        .open("/sys/fs/cgroup/cgroup.procs");
    top.and_then(|mut file| file.write_all(b"0"))
        .map_err(|error| errno(&error))
}

fn take_descriptor(to: &Targets) -> Result<(), Errno> {
    let pidfd = call(libc::SYS_pidfd_open, &[pid(to), 0])?;
    call(libc::SYS_pidfd_getfd, &[pidfd, 0, 0]).map(drop)
}
