//! A root, a kernel and boot files become a card.
//!
//! Nothing here knows where they came from. The tools (`genimage`, `mkdosfs`, `mcopy`, `mke2fs`)
//! are those on `$PATH`.

use crate::layout::Layout;
use crate::verity;
use crate::{command, paths};
use anyhow::{Context as _, bail, ensure};
use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

/// What the card is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Board {
    /// Raspberry Pi 4 and 5.
    Rpi,
    /// QEMU's `-M virt`.
    Virt,
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rpi => "rpi",
            Self::Virt => "virt",
        })
    }
}

impl FromStr for Board {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "rpi" => Ok(Self::Rpi),
            "virt" => Ok(Self::Virt),
            _ => Err(format!("a board is rpi or virt, not {text}")),
        }
    }
}

impl Board {
    /// The folder of the board's own files.
    #[must_use]
    pub fn folder(self) -> PathBuf {
        paths::repository()
            .join("image/board")
            .join(self.to_string())
    }
}

/// What a card is made of.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// What it is for.
    pub board: Board,
    /// The root: a squashfs or erofs image.
    pub root: &'a Path,
    /// What goes on the boot partition, besides the board's own files.
    pub boot: &'a Path,
    /// The time that every file has: seconds since 1970.
    pub epoch: u64,
}

/// Makes the card `card`.
///
/// # Errors
///
/// When an input is missing or does not fit its partition, or a tool fails.
pub fn assemble(inputs: &Inputs<'_>, card: &Path) -> anyhow::Result<()> {
    let layout = Layout::read()?;
    let home = card.parent().context("a card needs a folder")?;
    // Beside the card, so that nothing large lands in a small /tmp.
    let scratch = tempfile::Builder::new()
        .prefix(".assemble-")
        .tempdir_in(home)
        .with_context(|| format!("cannot make a folder in {}", home.display()))?;
    let at = |name: &str| scratch.path().join(name);
    for folder in [
        "input",
        "root",
        "root/selector",
        "root/boot-a",
        "root/boot-b",
        "tmp",
    ] {
        fs::create_dir(at(folder)).with_context(|| format!("cannot make the folder {folder}"))?;
    }

    let kind = kind(inputs.root)?;
    let root = at("input/root.img");
    fs::copy(inputs.root, &root)
        .with_context(|| format!("cannot copy {}", inputs.root.display()))?;
    let verity = verity::append(&root)?;
    let slot = layout.partition("root-a")?;
    let size = fs::metadata(&root)
        .context("cannot look at the root")?
        .len();
    ensure!(
        size <= slot.size_mib << 20,
        "the root with its hash tree has {size} bytes, and its partition only {} MiB",
        slot.size_mib
    );

    fill_boot(inputs, &verity.words(&slot.uuid, kind), &at("root/boot-a"))?;
    fs::write(at("root/selector/autoboot.txt"), AUTOBOOT).context("cannot write autoboot.txt")?;
    set_times(&at("root"), inputs.epoch)?;

    for mut command in layout.ext4(&at("input"), inputs.epoch) {
        command::run(&mut command)?;
    }
    let name = card
        .file_name()
        .context("a card needs a name")?
        .to_string_lossy();
    let config = at("genimage.cfg");
    fs::write(&config, layout.genimage("card.img")?)
        .context("cannot write genimage's configuration")?;
    command::run(
        Command::new("genimage")
            .env("SOURCE_DATE_EPOCH", inputs.epoch.to_string())
            .env("TZ", "UTC")
            // The order of a shell's pattern, which is that of the files on a FAT partition.
            .env("LC_ALL", "C")
            .env("MTOOLS_SKIP_CHECK", "1")
            .arg("--config")
            .arg(&config)
            .arg("--rootpath")
            .arg(at("root"))
            .arg("--tmppath")
            .arg(at("tmp"))
            .arg("--inputpath")
            .arg(at("input"))
            .arg("--outputpath")
            .arg(scratch.path()),
    )?;
    fs::rename(at("card.img"), card).with_context(|| format!("cannot put {name} in place"))
}

/// Slot a is the one that was proven good: it was written by the person's computer, and checked.
pub const AUTOBOOT: &str = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n";

/// The kind of file system in the image at `path`.
fn kind(path: &Path) -> anyhow::Result<&'static str> {
    let mut start = [0; 2048];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut start))
        .with_context(|| format!("cannot read the root {}", path.display()))?;
    if start.starts_with(b"hsqs") {
        return Ok("squashfs");
    }
    if start[1024..1028] == [0xe2, 0xe1, 0xf5, 0xe0] {
        return Ok("erofs");
    }
    bail!("the root {} is neither squashfs nor erofs", path.display())
}

/// The boot partition: what was given, and the board's own files.
fn fill_boot(inputs: &Inputs<'_>, verity: &str, folder: &Path) -> anyhow::Result<()> {
    ensure!(
        inputs.boot.join("vmlinuz").is_file(),
        "{} has no kernel `vmlinuz`",
        inputs.boot.display()
    );
    copy_tree(inputs.boot, folder)?;
    let own = inputs.board.folder();
    let read = |name: &str| {
        let path = own.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let has_initramfs = inputs.boot.join("initramfs.img").is_file();
    let init = if has_initramfs {
        ""
    } else {
        " init=/usr/lib/atek/atek-init"
    };
    let line = cmdline(&read("cmdline.txt")?, &format!("{verity}{init}"))?;
    fs::write(folder.join("cmdline.txt"), line).context("cannot write cmdline.txt")?;
    // It is part of config.txt on the card, not a file of its own.
    let kernel = fs::read_to_string(inputs.boot.join(KERNEL_FILE)).ok();
    let _ = fs::remove_file(folder.join(KERNEL_FILE));
    let config = boot_config(&read("config.txt")?, kernel.as_deref(), has_initramfs)?;
    fs::write(folder.join("config.txt"), config).context("cannot write config.txt")
}

/// What the firmware has to know of a kind of kernel: beside the kernel, in the boot folder.
const KERNEL_FILE: &str = "kernel.txt";
/// Characters of a line of `config.txt` that the firmware reads.
const LINE_MAX: usize = 98;

/// `config.txt`, whole: the line `include kernel.txt` becomes the lines of that file. The firmware
/// in a Raspberry Pi's EEPROM knows no `include`.
fn boot_config(
    template: &str,
    kernel: Option<&str>,
    has_initramfs: bool,
) -> anyhow::Result<String> {
    let mut config = String::new();
    for line in template.lines() {
        if line.split_whitespace().eq(["include", KERNEL_FILE]) {
            let kernel =
                kernel.context("the boot folder has no kernel.txt, which config.txt includes")?;
            config.push_str(kernel.trim_end());
        } else {
            config.push_str(line);
        }
        config.push('\n');
    }
    if has_initramfs {
        config.push_str("initramfs initramfs.img followkernel\n");
    }
    for line in config.lines().filter(|line| !line.starts_with('#')) {
        ensure!(
            line.len() <= LINE_MAX,
            "config.txt: the firmware reads {LINE_MAX} characters of a line, and this has more: {line}"
        );
        ensure!(
            !line.starts_with("include"),
            "config.txt: not every firmware knows `include`: {line}"
        );
    }
    Ok(config)
}

/// The board's command line, one line as the firmware wants it, with the root's words in it.
fn cmdline(template: &str, root: &str) -> anyhow::Result<String> {
    let lines = template.lines().filter(|line| !line.starts_with('#'));
    let line = lines.collect::<Vec<_>>().join(" ");
    ensure!(
        line.matches("@VERITY@").count() == 1,
        "cmdline.txt must have @VERITY@ once"
    );
    Ok(format!(
        "{}\n",
        line.trim().replace("@VERITY@", root).replace("@SLOT@", "a")
    ))
}

/// Copies the files below `from`: no links, no owners, as FAT has none.
fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    let listing = || format!("cannot list {}", from.display());
    for entry in fs::read_dir(from).with_context(listing)? {
        let path = entry.with_context(listing)?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            fs::create_dir_all(&target)
                .with_context(|| format!("cannot make {}", target.display()))?;
            copy_tree(&path, &target)?;
        } else {
            fs::copy(&path, &target).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}

/// Gives everything below `folder` one time, and one mode.
fn set_times(folder: &Path, epoch: u64) -> anyhow::Result<()> {
    command::run(
        Command::new("find")
            .arg(folder)
            .args(["-exec", "touch", "--no-dereference", "--date"])
            .arg(format!("@{epoch}"))
            .args(["{}", "+"]),
    )
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_one_line_with_the_root_in_it() {
        let line = cmdline("# why\nconsole=tty1\n@VERITY@ quiet\n", "root=/dev/dm-0").unwrap();
        assert_eq!(line, "console=tty1 root=/dev/dm-0 quiet\n");
        assert!(cmdline("quiet", "root").is_err());
    }

    #[test]
    fn the_firmwares_configuration_is_one_file_without_includes() {
        let whole = boot_config(
            "kernel=vmlinuz\ninclude kernel.txt\nenable_uart=1\n",
            Some("# why\nupstream_kernel=1\n\n"),
            true,
        );
        assert_eq!(
            whole.unwrap(),
            "kernel=vmlinuz\n# why\nupstream_kernel=1\nenable_uart=1\ninitramfs initramfs.img followkernel\n"
        );
        let long = format!("kernel={}\n", "v".repeat(LINE_MAX));
        for (template, kernel) in [
            ("include kernel.txt\n", None),
            ("include other.txt\n", Some("")),
            ("include kernel.txt\n", Some("include again.txt\n")),
            (&*long, None),
        ] {
            assert!(boot_config(template, kernel, false).is_err(), "{template}");
        }
    }

    #[test]
    fn every_board_has_its_files_and_they_are_complete() {
        for board in [Board::Rpi, Board::Virt] {
            let text = fs::read_to_string(board.folder().join("cmdline.txt")).unwrap();
            let line = cmdline(&text, "ROOT").unwrap();
            for word in ["ROOT", "panic=10", "systemd.gpt_auto=0"] {
                assert!(
                    line.split_whitespace().any(|found| found == word),
                    "{board}: no {word} in {line}"
                );
            }
            let config = fs::read_to_string(board.folder().join("config.txt")).unwrap();
            assert!(config.contains("kernel=vmlinuz"), "{board}");
        }
    }

    #[test]
    fn a_root_of_another_kind_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), [0; 4096]).unwrap();
        assert!(kind(file.path()).is_err());
        let mut erofs = [0; 4096];
        erofs[1024..1028].copy_from_slice(&[0xe2, 0xe1, 0xf5, 0xe0]);
        fs::write(file.path(), erofs).unwrap();
        assert_eq!(kind(file.path()).unwrap(), "erofs");
    }
}
