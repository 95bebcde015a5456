//! The first program on the box.
//!
//! The kernel starts it from the initramfs (as `/init`), or, when a kernel has its drivers built in
//! and has set verity up by itself, from the root (`init=/usr/lib/atek/atek-init`). It ends by
//! becoming systemd.
//!
//! ```text
//! /init in the initramfs: modules -> verity -> root mounted, moved to / --.
//! init= on the root: -----------------------------------------------------+-> /var -> /etc -> systemd
//! ```
//!
//! What it reads on the kernel's command line is what the kernel itself would read: [`cmdline`].
//! What it leaves behind for others is in `/run/atek-init`: `data-problem`, one line, when `/var`
//! is only in memory; and names for the card's partitions, `/dev/atek/NAME`: [`card`].
//!
//! There is no program to report to. What it cannot do without (the root) ends it, and with it the
//! boot: the kernel panics and restarts, and the boot loader may choose the other slot. What the
//! box can live without (the data partition, once) is said on the console.

#![deny(unsafe_code)]

mod card;
mod cmdline;
mod console;
mod data;
mod devices;
#[allow(unsafe_code, reason = "device-mapper is spoken to by ioctl")]
mod dm;
mod elsewhere;
mod etc;
mod initramfs;
mod medium;
mod mounts;
mod root;

use anyhow::Context as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

/// The program that takes over.
const SYSTEMD: &str = "/usr/lib/systemd/systemd";

fn main() -> ExitCode {
    if !rustix::process::getpid().is_init() {
        eprintln!(
            "atek-init is the first program of a booting box; there is nothing else it can do"
        );
        return ExitCode::FAILURE;
    }
    let Err(error) = boot();
    console::say(&format!("{error:#}"));
    // The kernel panics when its first program ends, and restarts after `panic=` seconds.
    ExitCode::FAILURE
}

fn boot() -> anyhow::Result<std::convert::Infallible> {
    mounts::kernel_interfaces()?;
    let words = cmdline::read()?;
    if initramfs::is_running_here() {
        initramfs::load_modules()?;
        let device = root::prepare(&words)?;
        root::enter(&device, &words)?;
    }
    mounts::run()?;
    let root = devices::under_root();
    // `/boot` is missing without the names; the box is not.
    if let Ok(root) = &root
        && let Err(error) = card::name_partitions(root)
    {
        console::say(&format!("{error:#}"));
    }
    if let Err(problem) = root.and_then(|root| data::mount_var(&root)) {
        // A box that starts without its data can still say what is wrong with them.
        data::live_without(&problem)?;
    }
    etc::lay_over(Path::new("/etc"), Path::new("/var/lib/atek-etc"))?;
    Err(Command::new(SYSTEMD).exec()).with_context(|| format!("cannot become {SYSTEMD}"))
}
