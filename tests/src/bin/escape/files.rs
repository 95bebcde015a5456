//! Attempts on files: others' data, the system's, own code, special files.

use crate::raw::{address, call};
use crate::{Attempt, Targets};
use nix::errno::Errno;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const ATTEMPTS: &[(&str, Attempt)] = &[
    ("read /etc/shadow", |_| read("/etc/shadow")),
    ("read another app's state", |to| read(&to.other_state)),
    ("read a file of the host daemon", |to| read(&to.host_file)),
    ("list root's home", |_| list("/root")),
    ("read the names of the machine's users", |_| {
        let text = fs::read_to_string("/etc/passwd").map_err(|error| errno(&error))?;
        if text.contains("\natek:") {
            Ok(())
        } else {
            Err(Errno::ENOENT)
        }
    }),
    ("read the machine's id", |_| read("/etc/machine-id")),
    ("read a file of the host's /tmp", |to| read(&to.host_tmp)),
    ("open the memory", |_| open("/dev/mem")),
    ("open the kernel's log", |_| open("/dev/kmsg")),
    ("open a terminal", |_| open("/dev/ptmx")),
    ("open the fuse device", |_| open("/dev/fuse")),
    ("open the tunnel device", |_| open("/dev/net/tun")),
    ("list shared memory", |_| {
        write(Path::new("/dev/shm/escape-attempt"))
    }),
    ("open the kernel's memory image", |_| open("/proc/kcore")),
    ("list the kernel's security folder", |_| {
        list("/sys/kernel/security")
    }),
    ("list the kernel's debug folder", |_| {
        list("/sys/kernel/debug")
    }),
    ("list the boot partition", |_| list("/boot")),
    ("list the folders of people", |_| list("/home")),
    ("list the folders of servers", |_| list("/srv/apps")),
    ("read the units", |_| list("/run/systemd/transient")),
    ("read root's environment", |_| read("/proc/1/environ")),
    ("list the apps' states", |_| list("/var/lib/private")),
    ("list the credentials", |_| list("/run/credentials")),
    ("write to /usr", |_| write(Path::new("/usr/escape-attempt"))),
    ("write to /etc", |_| write(Path::new("/etc/escape-attempt"))),
    ("write to own code", |to| {
        write(&Path::new(&to.code).join("escape-attempt"))
    }),
    ("link another app's file to own state", hard_link),
    ("make a block device", |to| make_device(&to.own)),
    ("make a set-user-id file", |to| set_user_id(&to.own)),
    ("give a file capabilities", |to| file_capabilities(&to.own)),
    ("run a program from own state", |to| run_a_copy(&to.own)),
    ("open by handle", |_| open_by_handle()),
    ("set a kernel parameter", |_| {
        write_to("/proc/sys/kernel/panic")
    }),
    ("write to the cgroup tree", |_| {
        write_to("/sys/fs/cgroup/cgroup.max.depth")
    }),
    ("trigger sysrq", |_| write_to("/proc/sysrq-trigger")),
];

pub(crate) fn errno(error: &io::Error) -> Errno {
    error
        .raw_os_error()
        .map_or(Errno::UnknownErrno, Errno::from_raw)
}

/// Opens a device for reading.
fn open(path: &str) -> Result<(), Errno> {
    File::open(path).map(drop).map_err(|error| errno(&error))
}

fn read(path: &str) -> Result<(), Errno> {
    fs::read(path).map(drop).map_err(|error| errno(&error))
}

fn list(path: &str) -> Result<(), Errno> {
    fs::read_dir(path).map(drop).map_err(|error| errno(&error))
}

fn write(path: &Path) -> Result<(), Errno> {
    fs::write(path, "")
        .and_then(|()| fs::remove_file(path))
        .map_err(|error| errno(&error))
}

/// Only opens it.
fn write_to(path: &str) -> Result<(), Errno> {
    OpenOptions::new()
        .write(true)
        .open(path)
        .map(drop)
        .map_err(|error| errno(&error))
}

/// A new file of the app's own, with a name of its own.
fn own_file(folder: &str, name: &str) -> Result<PathBuf, Errno> {
    let path = Path::new(folder).join(format!("escape-{name}"));
    let _ = fs::remove_file(&path);
    File::create(&path).map_err(|error| errno(&error))?;
    Ok(path)
}

fn hard_link(to: &Targets) -> Result<(), Errno> {
    let link = Path::new(&to.own).join("escape-link");
    fs::hard_link(&to.other_state, &link)
        .and_then(|()| fs::remove_file(&link))
        .map_err(|error| errno(&error))
}

fn make_device(own: &str) -> Result<(), Errno> {
    let path = Path::new(own).join("escape-device");
    let name = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| Errno::EINVAL)?;
    // The first SCSI disk.
    let device = usize::try_from(libc::makedev(8, 0)).unwrap_or(0);
    let mode = usize::try_from(libc::S_IFBLK | 0o600).unwrap_or(0);
    call(
        libc::SYS_mknodat,
        &[at_cwd(), address(name.as_bytes_with_nul()), mode, device],
    )?;
    fs::remove_file(path).map_err(|error| errno(&error))
}

fn set_user_id(own: &str) -> Result<(), Errno> {
    let path = own_file(own, "set-user-id")?;
    let outcome =
        fs::set_permissions(&path, Permissions::from_mode(0o4755)).map_err(|error| errno(&error));
    let _ = fs::remove_file(&path);
    outcome
}

fn file_capabilities(own: &str) -> Result<(), Errno> {
    let path = own_file(own, "capabilities")?;
    let name = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| Errno::EINVAL)?;
    // Revision 2, effective, CAP_NET_RAW permitted.
    let value: [u32; 5] = [0x0200_0001, 1 << 13, 0, 0, 0];
    let outcome = call(
        libc::SYS_setxattr,
        &[
            address(name.as_bytes_with_nul()),
            address(c"security.capability".to_bytes_with_nul()),
            address(&value),
            size_of_val(&value),
            0,
        ],
    );
    let _ = fs::remove_file(&path);
    outcome.map(drop)
}

fn run_a_copy(own: &str) -> Result<(), Errno> {
    let path = own_file(own, "copy")?;
    let copied = std::env::current_exe().and_then(|from| fs::copy(from, &path));
    copied
        .and_then(|_| fs::set_permissions(&path, Permissions::from_mode(0o755)))
        .map_err(|error| errno(&error))?;
    let outcome = Command::new(&path)
        .output()
        .map(drop)
        .map_err(|error| errno(&error));
    let _ = fs::remove_file(&path);
    outcome
}

/// A handle that means nothing: who may ask is told so.
fn open_by_handle() -> Result<(), Errno> {
    // `handle_bytes`, `handle_type`, and eight bytes of handle.
    let handle: [u32; 4] = [8, 1, 0, 0];
    let sane = [Errno::ESTALE, Errno::EINVAL, Errno::EOPNOTSUPP];
    crate::raw::probe(
        libc::SYS_open_by_handle_at,
        &[at_cwd(), address(&handle), 0],
        &sane,
    )
}

fn at_cwd() -> usize {
    (libc::AT_FDCWD as isize).cast_unsigned()
}
