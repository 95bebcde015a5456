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
