//! No new native code.
//!
//! A unit of Atek may make memory executable, since Node compiles while it runs. This program does
//! not once it has loaded its component, so it gives the right up before the first request: what
//! systemd's `MemoryDenyWriteExecute` takes, which could not be set for the unit, as loading
//! compiled code is an `mprotect` with `PROT_EXEC` itself.

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
use wasmtime::Result;
use wasmtime::error::Context as _;

/// Takes the right to make memory executable, and to execute programs, from all threads.
pub(crate) fn no_new_code() -> Result<()> {
    let filter = filter().context("cannot make the filter of system calls")?;
    seccompiler::apply_filter_all_threads(&filter).context("cannot restrict the system calls")
}

fn filter() -> Result<BpfProgram, BackendError> {
    let executable = |index| {
        let bit = u64::from(libc::PROT_EXEC.cast_unsigned());
        let has = SeccompCmpOp::MaskedEq(bit);
        let condition = SeccompCondition::new(index, SeccompCmpArgLen::Dword, has, bit)?;
        Ok::<_, BackendError>(vec![SeccompRule::new(vec![condition])?])
    };
    let rules = BTreeMap::from([
        (libc::SYS_mmap, executable(2)?),
        (libc::SYS_mprotect, executable(2)?),
        (libc::SYS_pkey_mprotect, executable(2)?),
        // It never attaches shared memory, and starts nothing.
        (libc::SYS_shmat, vec![]),
        (libc::SYS_execve, vec![]),
        (libc::SYS_execveat, vec![]),
    ]);
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    /// In a process of its own: the filter stays for good.
    #[test]
    fn memory_cannot_be_made_executable_and_nothing_is_started() {
        const CHILD: &str = "ATEK_WASM_TEST_CONFINED";
        if std::env::var_os(CHILD).is_none() {
            let test = std::thread::current().name().unwrap().to_owned();
            let status = Command::new("/proc/self/exe")
                .args(["--exact", &test])
                .env(CHILD, "1")
                .status()
                .unwrap();
            assert!(status.success());
            return;
        }
        let map = |rights| {
            let (size, kind) = (4096, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            // SAFETY: a new mapping, at no address of ours.
            #[allow(unsafe_code)]
            let address = unsafe { libc::mmap(std::ptr::null_mut(), size, rights, kind, -1, 0) };
            address != libc::MAP_FAILED
        };
        let (write, execute) = (libc::PROT_READ | libc::PROT_WRITE, libc::PROT_EXEC);
        assert!(map(write) && map(write | execute));
        super::no_new_code().unwrap();
        assert!(map(write));
        assert!(!map(write | execute) && !map(execute));
        assert!(Command::new("/bin/true").status().is_err());
        // Also in threads that are made later.
        assert!(!std::thread::spawn(move || map(execute)).join().unwrap());
    }
}
