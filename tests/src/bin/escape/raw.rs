//! The one place with `unsafe`: a system call by number.

use nix::errno::Errno;

/// Makes a system call.
///
/// Arguments are numbers, or addresses of buffers that live over the call: see [`address`] and
/// [`address_mut`].
pub(crate) fn call(number: libc::c_long, arguments: &[usize]) -> Result<usize, Errno> {
    let at = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: every address that this program passes comes from a reference that outlives the call,
    // with the size that the call expects; the other calls take no memory of this process. None
    // of the calls changes memory that Rust holds references to, except through `&mut` buffers
    // given for that.
    let result = unsafe { libc::syscall(number, at(0), at(1), at(2), at(3), at(4), at(5)) };
    usize::try_from(result).map_err(|_| Errno::last())
}

/// The address of something that lives over the call.
pub(crate) fn address<T: ?Sized>(of: &T) -> usize {
    std::ptr::from_ref(of).cast::<u8>().addr()
}

/// The address of something that lives over the call, for the kernel to write to.
pub(crate) fn address_mut<T: ?Sized>(of: &mut T) -> usize {
    std::ptr::from_mut(of).cast::<u8>().addr()
}

/// A call that the kernel refuses in any case: for lack of rights, or, where those suffice, with
/// one of `sane`, since the request makes no sense. The latter means that it was possible.
pub(crate) fn probe(
    number: libc::c_long,
    arguments: &[usize],
    sane: &[Errno],
) -> Result<(), Errno> {
    match call(number, arguments) {
        Err(errno) if sane.contains(&errno) => Ok(()),
        other => other.map(drop),
    }
}

/// Calls `getpid` as a 32-bit program would.
#[cfg(target_arch = "x86_64")]
pub(crate) fn getpid_32bit() -> Result<(), Errno> {
    let result: i64;
    // SAFETY: the 32-bit getpid takes no argument and touches no memory. `rbx` to `rdi` are
    // preserved by the kernel, `r8` to `r11` are not.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inlateout("rax") 20_i64 => result,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
        );
    }
    match i32::try_from(result) {
        Ok(pid) if pid > 0 => Ok(()),
        Ok(error) => Err(Errno::from_raw(-error)),
        Err(_) => Err(Errno::UnknownErrno),
    }
}
