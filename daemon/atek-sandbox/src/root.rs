//! Shows the program of a container image that it is root.
//!
//! A user namespace in which the service's own user has the number 0, and no other user is. It has
//! no capability there: the bounding set is empty before the program starts, and root is given
//! nothing by `exec`. What it creates belongs to the service's user outside, as before. The filter
//! of [`crate::seccomp`] then lets no further namespace be made, and answers calls that change
//! owners or users with success, without doing them.

use anyhow::Context as _;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use std::fs;

/// The number of the last capability is below this one.
const MOST_CAPABILITIES: u64 = 64;
/// No capability comes with the number 0, and that stays so (`capabilities(7)`, "The securebits
/// flags"): SECBIT_NOROOT, SECBIT_NO_SETUID_FIXUP, SECBIT_NO_CAP_AMBIENT_RAISE, each locked.
const NO_ROOT: u64 = 0b1100_1111;

/// Enters the namespace. Called while there is one thread.
pub(crate) fn enter() -> anyhow::Result<()> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).context("cannot make a user namespace")?;
    for (file, text) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {user} 1")),
        ("/proc/self/gid_map", format!("0 {group} 1")),
    ] {
        fs::write(file, text).with_context(|| format!("cannot write {file}"))?;
    }
    set(libc::PR_SET_SECUREBITS, NO_ROOT).context("cannot give up what root may")?;
    for capability in 0..MOST_CAPABILITIES {
        match set(libc::PR_CAPBSET_DROP, capability) {
            // The kernel has none of that number.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            result => result.context("cannot give up the capabilities")?,
        }
    }
    Ok(())
}

fn set(option: libc::c_int, value: u64) -> std::io::Result<()> {
    // SAFETY: the call takes numbers and touches no memory of ours.
    #[allow(unsafe_code)]
    let result = unsafe { libc::prctl(option, value, 0, 0, 0) };
    match result {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
