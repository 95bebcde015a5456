//! What this program finds in the initramfs that the image's builder packed.

use crate::console;
use anyhow::Context as _;
use rustix::io::Errno;
use std::fs::{self, File};
use std::path::Path;

/// The kernel modules, one file name a line, each after those it needs.
const ORDER: &str = "/modules/order";

/// `MODULE_INIT_COMPRESSED_FILE`: the kernel unpacks the module itself.
const COMPRESSED: i32 = 4;

/// Whether this program was started from the initramfs.
pub(crate) fn is_running_here() -> bool {
    Path::new(ORDER).is_file()
}

/// Loads every module that was packed.
///
/// A module that the kernel refuses is said and left: whether it was needed shows when the root is
/// looked for.
///
/// # Errors
///
/// When the list or a module's file cannot be read.
pub(crate) fn load_modules() -> anyhow::Result<()> {
    let order = fs::read_to_string(ORDER).with_context(|| format!("cannot read {ORDER}"))?;
    for name in order.lines() {
        let path = Path::new("/modules").join(name);
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let flags = if name.ends_with(".ko") { 0 } else { COMPRESSED };
        match rustix::system::finit_module(&file, c"", flags) {
            // EEXIST: loaded already. ENODEV: a driver for a processor of another kind.
            Ok(()) | Err(Errno::EXIST | Errno::NODEV) => {}
            Err(error) => console::say(&format!("cannot load the kernel module {name}: {error}")),
        }
    }
    Ok(())
}

/// Gives the memory of the packed files back: nothing reads them any more.
pub(crate) fn forget() {
    // This program's own file stays in use until it becomes systemd.
    let _ = fs::remove_dir_all("/modules");
    let _ = fs::remove_file("/init");
}
