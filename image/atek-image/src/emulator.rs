//! A card booted in QEMU: `-M virt`, no KVM.

use crate::card::Card;
use crate::firmware;
use anyhow::Context as _;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::process::Command;

/// How to boot.
#[derive(Debug, Clone)]
pub struct Options {
    /// The card: a file that may be written if `keep`.
    pub card: PathBuf,
    /// Whether what the box writes stays on the card.
    pub keep: bool,
    /// The port of this machine that is the box's port 80.
    pub port: u16,
    /// Memory in units of 2^20 bytes: that of a small Pi by default.
    pub memory_mib: u32,
    /// Where QEMU listens for commands of its monitor, for tests.
    pub monitor: Option<PathBuf>,
    /// The port of this machine that is the box's port 22, which listens if the card has a key.
    pub ssh_port: Option<u16>,
    /// Words after the card's own on the kernel's command line.
    pub append: String,
    /// Whether the slot on trial is started, as the firmware does once after `reboot "0 tryboot"`.
    pub tryboot: bool,
    /// Another card, in a reader at USB. Its writes are forgotten.
    pub reader: Option<PathBuf>,
    /// A second disk beside the card: what is written stays there if `keep`.
    pub disk: Option<PathBuf>,
    /// Whether that disk is an NVMe one, which keeps a record of its health.
    pub nvme: bool,
    /// A sector of that disk that cannot be read.
    pub bad_sector: Option<u64>,
    /// A keyboard at USB: its lights are real ones of the kernel's, for what a board's light shows.
    pub keyboard: bool,
}

/// The emulator's program.
pub const PROGRAM: &str = "qemu-system-aarch64";

/// What boots a card.
#[derive(Debug)]
pub struct Boot {
    /// QEMU. The serial console is the terminal of the process that becomes it.
    pub command: Command,
    /// What the firmware would have loaded, in memory that ends with its last user: the command
    /// names these files by their descriptors.
    pub loaded: Vec<File>,
}

/// The command that boots the card.
///
/// # Errors
///
/// When the card has nothing to boot.
pub fn command(options: &Options) -> anyhow::Result<Boot> {
    let boot = firmware::boot(&Card::open(&options.card, false)?, options.tryboot)?;
    let mut loaded = Vec::new();
    let mut put = |name: &str, content: &[u8]| {
        let file = in_memory(name, content)?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        loaded.push(file);
        anyhow::Ok(path)
    };
    let mut qemu = Command::new(PROGRAM);
    qemu.args([
        "-M",
        "virt",
        "-cpu",
        "cortex-a72",
        "-smp",
        "2",
        "-nodefaults",
        "-no-reboot",
        "-nographic",
    ])
    .args(["-m", &options.memory_mib.to_string()])
    .args(["-serial", "mon:stdio"])
    .arg("-kernel")
    .arg(put("vmlinuz", &boot.kernel)?)
    .arg("-append")
    .arg(format!("{} {}", boot.cmdline, options.append).trim());
    if let Some(initramfs) = &boot.initramfs {
        qemu.arg("-initrd").arg(put("initramfs.img", initramfs)?);
    }
    let snapshot = if options.keep { "off" } else { "on" };
    let ssh = options
        .ssh_port
        .map(|port| format!(",hostfwd=tcp:127.0.0.1:{port}-:22"))
        .unwrap_or_default();
    qemu.arg("-drive")
        .arg(format!(
            "file={},if=none,id=card,format=raw,snapshot={snapshot}",
            options.card.display()
        ))
        .args(["-device", "virtio-blk-pci,drive=card"])
        .args([
            "-device",
            "virtio-rng-pci",
            "-device",
            "i6300esb",
            "-action",
            "watchdog=reset",
        ])
        .arg("-netdev")
        .arg(format!(
            "user,id=net,hostfwd=tcp:127.0.0.1:{}-:80{ssh}",
            options.port
        ))
        .args(["-device", "virtio-net-pci,netdev=net,romfile="]);
    add_devices(&mut qemu, options, snapshot);
    Ok(Boot {
        command: qemu,
        loaded,
    })
}

/// What the machine has besides the card and the network.
fn add_devices(qemu: &mut Command, options: &Options, snapshot: &str) {
    if let Some(disk) = &options.disk {
        let file = match options.bad_sector {
            None => format!("file={}", disk.display()),
            Some(sector) => format!(
                "file.driver=blkdebug,file.image.driver=file,file.image.filename={},\
                 file.inject-error.0.event=none,file.inject-error.0.iotype=read,file.inject-error.0.sector={sector}",
                disk.display()
            ),
        };
        qemu.arg("-drive").arg(format!(
            "{file},if=none,id=disk,format=raw,snapshot={snapshot}"
        ));
        let device = if options.nvme {
            "nvme,drive=disk,id=nvme,serial=atek"
        } else {
            "virtio-blk-pci,drive=disk"
        };
        qemu.args(["-device", device]);
    }
    if options.reader.is_some() || options.keyboard {
        qemu.args(["-device", "qemu-xhci"]);
    }
    if options.keyboard {
        qemu.args(["-device", "usb-kbd"]);
    }
    if let Some(card) = &options.reader {
        qemu.arg("-drive").arg(format!(
            "file={},if=none,id=reader,format=raw,snapshot=on",
            card.display()
        ));
        qemu.args(["-device", "usb-storage,drive=reader"]);
    }
    if let Some(socket) = &options.monitor {
        qemu.arg("-qmp")
            .arg(format!("unix:{},server=on,wait=off", socket.display()));
    }
}

/// A file without a name, which programs that this process starts have open, too.
fn in_memory(name: &str, content: &[u8]) -> anyhow::Result<File> {
    let doing = || format!("cannot keep {name} in memory");
    let mut file = File::from(memfd_create(name, MFdFlags::empty()).with_context(doing)?);
    file.write_all(content).with_context(doing)?;
    Ok(file)
}
