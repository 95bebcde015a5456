//! The box's root file system, from unpacked Debian packages.

use super::cross::{self, Speed};
use super::initramfs::Archive;
use super::modules::Modules;
use super::{SUITE, key, names, toolbox};
use crate::assemble::Board;
use crate::npm::{self, NPM};
use crate::sbom::{self, Component};
use crate::steps::Steps;
use crate::store::{Store, Stored};
use crate::{check, command, install, paths};
use anyhow::Context as _;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bumped when this module makes something else of the same inputs.
const REVISION: &str = "4";

/// What is unpacked of the packages' documents; part of the cache's key.
const DOCUMENTS: &str = "copyright and changelog";

/// Units that others enable along with themselves (`Also=`), whatever a preset says.
const ALONG: [&str; 4] = [
    "systemd-networkd-wait-online.service",
    "systemd-network-generator.service",
    "ssh.service",
    "ssh.socket",
];

/// Unpacked packages (made outside the toolbox, by this machine's `mmdebstrap` and `npm`).
#[derive(Debug)]
pub struct Made {
    debian: Stored,
    npm: Stored,
}

impl Made {
    /// What the box consists of besides Atek; inside the toolbox.
    ///
    /// # Errors
    ///
    /// When the packages' documents cannot be read.
    pub fn components(&self) -> anyhow::Result<Vec<Component>> {
        let mut all = sbom::debian(&self.debian.path)?;
        all.extend(sbom::npm_itself(&self.npm_folder())?);
        Ok(all)
    }

    /// The folders of licence texts: of the Debian packages, and of npm.
    #[must_use]
    pub fn license_folders(&self) -> [(&'static str, PathBuf); 2] {
        [
            ("debian", self.debian.path.join("usr/share")),
            ("npm", self.npm_folder()),
        ]
    }

    fn npm_folder(&self) -> PathBuf {
        self.npm.path.join("usr/lib/node_modules/npm")
    }
}

/// Unpacks the packages that the box consists of.
///
/// # Errors
///
/// When the archive cannot be reached.
pub fn unpack(store: &Store, steps: &Steps) -> anyhow::Result<Made> {
    let mut packages = names("packages.list")?;
    packages.extend(names("debian/packages.list")?);
    let packages = packages.join(",");
    let debian = store.get("unpacked", &key(&[SUITE, &packages, DOCUMENTS]), |aside| {
        steps.step("packages of the box: downloaded and unpacked", || {
            command::run(
                toolbox::mmdebstrap()
                    .args([
                        "--variant=extract",
                        "--architectures=arm64",
                        "--components=main,non-free-firmware",
                        // What is not kept: documents but versions and licences. Folders that are
                        // links to another package's stay.
                        "--dpkgopt=path-exclude=/usr/share/doc/*/*",
                        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
                        "--dpkgopt=path-include=/usr/share/doc/*/changelog*",
                    ])
                    .arg(format!("--include={packages}"))
                    .arg(SUITE)
                    .arg(aside),
            )
            .map(drop)
        })
    })?;
    let npm = store.get("npm", &key(&[NPM]), |aside| {
        steps.step("npm: downloaded and unpacked", || npm::add(aside))
    })?;
    Ok(Made { debian, npm })
}

/// The root as squashfs (`root.squashfs`) and each board's boot folder (`boot-BOARD`); inside the
/// toolbox.
///
/// # Errors
///
/// When something cannot be compiled, copied or configured.
pub fn root(
    store: &Store,
    steps: &Steps,
    unpacked: &Made,
    speed: Speed,
    epoch: u64,
) -> anyhow::Result<Stored> {
    steps.step("Atek's programs for arm64", || cross::build(speed))?;
    let files = install::plan(&|name| cross::program(speed, name), "arm64")?;
    let init = cross::init(speed)?;
    let inputs = inputs(&files, &init)?;
    let key = key(&[
        REVISION,
        speed.profile(),
        &unpacked.debian.path.to_string_lossy(),
        &unpacked.npm.path.to_string_lossy(),
        &epoch.to_string(),
        &inputs,
    ]);
    store.get("box", &key, |aside| {
        let root = aside.join("root");
        fs::create_dir(aside).context("cannot make the folder")?;
        steps.step("the root: files, users, units", || {
            command::run(
                Command::new("cp")
                    .arg("--archive")
                    .arg(&unpacked.debian.path)
                    .arg(&root),
            )?;
            boot_folders(&root, aside, &init)?;
            leave_out(&root)?;
            lay_over(&unpacked.npm.path, &root)?;
            install::copy(&files, &root, "aarch64-linux-gnu-strip")?;
            for overlay in ["image/debian/overlay", "image/overlay"] {
                lay_checkout_over(&paths::repository().join(overlay), aside, &root)?;
            }
            configure(&root, epoch)?;
            check::check_root(&root)
        })?;
        steps.step("the root: squashfs", || {
            squash(&root, &aside.join("root.squashfs"), speed, epoch)
        })?;
        fs::remove_dir_all(&root).context("cannot remove the root's folder")
    })
}

/// A word for everything that the root is made of besides packages: names, modes and contents.
fn inputs(files: &[install::File], init: &Path) -> anyhow::Result<String> {
    let mut command = Command::new("sha256sum");
    command.arg(init).args(files.iter().map(|file| &file.from));
    let mut text = command::run(&mut command)?;
    for file in files {
        let _ = writeln!(text, "{} {:o}", file.to.display(), file.mode);
    }
    let image = paths::repository().join("image");
    let own = "find overlay debian board packages.list -not -type d | LC_ALL=C sort | tar --create --no-recursion --mtime=@0 --files-from=- | sha256sum";
    text += &command::run(Command::new("sh").args(["-c", own]).current_dir(image))?;
    Ok(text)
}

/// Kernel, device trees, firmware and an initramfs for each board; the root keeps only the modules
/// it needs.
fn boot_folders(root: &Path, aside: &Path, init: &Path) -> anyhow::Result<()> {
    let modules = Modules::read(root)?;
    let version = modules.version();
    let mut keep = names("debian/modules.list")?;
    for board in [Board::Virt, Board::Rpi] {
        let folder = aside.join(format!("boot-{board}"));
        fs::create_dir(&folder).context("cannot make the boot folder")?;
        let copy = |from: &str, to: &str| {
            let from = root.join(from);
            fs::copy(&from, folder.join(to))
                .with_context(|| format!("cannot copy {}", from.display()))
        };
        copy(&format!("boot/vmlinuz-{version}"), "vmlinuz")?;
        let own = names(&format!("board/{board}/initramfs.modules"))?;
        let mut archive = Archive::default();
        archive.folder("dev");
        archive.device("dev/console", (5, 1));
        archive.folder("modules");
        archive.file(
            "init",
            0o755,
            &fs::read(init).context("cannot read atek-init")?,
        );
        let mut order = String::new();
        for file in modules.closure(&own)? {
            let name = file.rsplit('/').next().unwrap_or(&file);
            archive.file(&format!("modules/{name}"), 0o644, &modules.content(&file)?);
            order += &format!("{name}\n");
        }
        archive.file("modules/order", 0o644, order.as_bytes());
        fs::write(folder.join("initramfs.img"), archive.finish())
            .context("cannot write the initramfs")?;
        keep.extend(own);
        if board == Board::Rpi {
            for tree in names("board/rpi/device-trees")? {
                copy(
                    &format!("usr/lib/linux-image-{version}/broadcom/{tree}"),
                    &tree,
                )?;
            }
            for file in names("board/rpi/firmware")? {
                copy(&format!("usr/lib/raspi-firmware/{file}"), &file)?;
            }
            let from = paths::repository().join("image/debian/kernel.txt");
            fs::copy(&from, folder.join("kernel.txt"))
                .with_context(|| format!("cannot copy {}", from.display()))?;
        }
    }
    let keep = modules.closure(&keep)?;
    modules.keep_only(root, &keep)
}

/// Removes what `debian/leave-out.list` names: patterns of the shell, relative to the root.
fn leave_out(root: &Path) -> anyhow::Result<()> {
    let patterns = names("debian/leave-out.list")?;
    let script = format!("rm -rf -- {}", patterns.join(" "));
    let patterns = ["-O", "extglob", "-O", "nullglob", "-O", "dotglob"];
    command::run(
        Command::new("bash")
            .args(patterns)
            .args(["-c", &script])
            .current_dir(root),
    )
    .map(drop)
}

/// Copies a folder over the root, as root's.
fn lay_over(overlay: &Path, root: &Path) -> anyhow::Result<()> {
    let mut from = overlay.as_os_str().to_owned();
    from.push("/.");
    command::run(
        Command::new("cp")
            .args(["--recursive", "--no-dereference", "--preserve=mode,links"])
            .arg(from)
            .arg(root),
    )
    .map(drop)
}

/// The same with a folder of the checkout, in which only whether a file can be run is git's to say:
/// other bits follow the umask of the person who cloned it.
fn lay_checkout_over(overlay: &Path, aside: &Path, root: &Path) -> anyhow::Result<()> {
    let copy = aside.join("overlay");
    fs::create_dir(&copy).context("cannot make a folder for the overlay")?;
    lay_over(overlay, &copy)?;
    command::run(
        Command::new("chmod")
            .args(["--recursive", "u=rwX,go=rX"])
            .arg(&copy),
    )?;
    lay_over(&copy, root)?;
    fs::remove_dir_all(&copy).context("cannot remove the overlay's copy")
}

/// What the packages' scripts would have done, and what makes it a box's root.
fn configure(root: &Path, epoch: u64) -> anyhow::Result<()> {
    make_accounts(root, epoch)?;
    gather_authorities(root)?;
    remove_identity(root)?;
    make_links(root)?;
    make_mount_points(root)?;
    cache_libraries(root)?;
    choose_units(root)
}

/// Writes a file of the root in place of what is there.
fn put(root: &Path, path: &str, mode: u32, text: &str) -> anyhow::Result<()> {
    let path = root.join(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let _ = fs::remove_file(&path);
    fs::write(&path, text)
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The accounts that every Debian has (package base-passwd) and those of the units, none with a
/// password.
fn make_accounts(root: &Path, epoch: u64) -> anyhow::Result<()> {
    let master = |name: &str| {
        let path = root.join("usr/share/base-passwd").join(name);
        fs::read_to_string(&path)
            .map(|text| text.replace(":*:", ":x:"))
            .with_context(|| format!("cannot read {}", path.display()))
    };
    let passwd = master("passwd.master")?;
    let group = master("group.master")?;
    let each = |text: &str, rest: &str| {
        text.lines()
            .filter_map(|line| Some(format!("{}:*:{rest}\n", line.split(':').next()?)))
            .collect::<String>()
    };
    put(
        root,
        "etc/shadow",
        0o640,
        &each(&passwd, "20000:0:99999:7:::"),
    )?;
    put(root, "etc/gshadow", 0o640, &each(&group, ":"))?;
    put(root, "etc/passwd", 0o644, &passwd)?;
    put(root, "etc/group", 0o644, &group)?;
    // Passwords expire from a fixed day, not from the day of the build.
    command::run(
        Command::new("systemd-sysusers")
            .arg("--root")
            .arg(root)
            .env("SOURCE_DATE_EPOCH", epoch.to_string()),
    )
    .map(drop)
}

/// One file of all certificate authorities (package ca-certificates), in the order of their names.
fn gather_authorities(root: &Path) -> anyhow::Result<()> {
    let mut bundle = String::new();
    let mozilla = root.join("usr/share/ca-certificates/mozilla");
    let mut authorities: Vec<_> = fs::read_dir(&mozilla)
        .with_context(|| format!("cannot list {}", mozilla.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    authorities.sort();
    for authority in authorities {
        bundle += &fs::read_to_string(&authority)
            .with_context(|| format!("cannot read {}", authority.display()))?;
    }
    put(root, "etc/ssl/certs/ca-certificates.crt", 0o644, &bundle)
}

/// Identity belongs to a box, not to its image.
fn remove_identity(root: &Path) -> anyhow::Result<()> {
    put(root, "etc/machine-id", 0o444, "")?;
    put(root, "etc/hostname", 0o644, "atek\n")?;
    put(root, "etc/fstab", 0o644, "")?;
    put(root, "usr/lib/clock-epoch", 0o644, "")?;
    // As old as /usr: nothing in /etc is to be rebuilt at a start (ldconfig, accounts). It was made
    // here.
    put(root, "etc/.updated", 0o644, "")
}

fn make_links(root: &Path) -> anyhow::Result<()> {
    for (link, to) in [
        ("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"),
        ("etc/localtime", "../usr/share/zoneinfo/Etc/UTC"),
        ("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt"),
        // In /usr: presets remove a link in /etc.
        ("usr/lib/systemd/system/default.target", "multi-user.target"),
        ("home", "var/home"),
        ("root", "var/roothome"),
    ] {
        let path = root.join(link);
        let _ = fs::remove_file(&path);
        let _ = fs::remove_dir(&path);
        symlink(to, &path).with_context(|| format!("cannot make the link /{link}"))?;
    }
    Ok(())
}

/// Empties what the data partition holds or the build alone needed, and makes the folders that
/// nothing can make on a read-only root.
fn make_mount_points(root: &Path) -> anyhow::Result<()> {
    for folder in [
        "var",
        "boot",
        "mnt",
        "media",
        "usr/share/base-passwd",
        "usr/share/base-files",
        "usr/share/ca-certificates",
    ] {
        let _ = fs::remove_dir_all(root.join(folder));
    }
    // `app`: where every service sees its package.
    for folder in [
        "app", "var", "boot", "mnt", "tmp", "run", "proc", "sys", "dev",
    ] {
        fs::create_dir_all(root.join(folder)).with_context(|| format!("cannot make /{folder}"))?;
    }
    Ok(())
}

/// Runs the root's ldconfig in the emulator: it knows the architecture's libraries, and is static.
fn cache_libraries(root: &Path) -> anyhow::Result<()> {
    command::run(
        Command::new("qemu-aarch64")
            .arg(root.join("usr/sbin/ldconfig"))
            .arg("-r")
            .arg(root),
    )?;
    let _ = fs::remove_dir_all(root.join("var/cache"));
    Ok(())
}

fn choose_units(root: &Path) -> anyhow::Result<()> {
    let units = |words: &[&str]| {
        let mut command = Command::new("systemctl");
        command::run(command.arg("--root").arg(root).args(words))
    };
    units(&["preset-all", "--preset-mode=full"])?;
    units(&[&["disable"], ALONG.as_slice()].concat())?;
    Ok(())
}

/// The root as one file. zstd unpacks fast on a Pi; everything belongs to whom it says and has one
/// time.
fn squash(root: &Path, file: &Path, speed: Speed, epoch: u64) -> anyhow::Result<()> {
    let level = match speed {
        Speed::Release => "15",
        Speed::Quick => "3",
    };
    command::run(
        Command::new("mksquashfs")
            .arg(root)
            .arg(file)
            .args([
                "-comp",
                "zstd",
                "-Xcompression-level",
                level,
                "-b",
                "256K",
                "-noappend",
                "-no-progress",
                "-xattrs",
            ])
            .args([
                "-all-time",
                &epoch.to_string(),
                "-mkfs-time",
                &epoch.to_string(),
            ]),
    )
    .map(drop)
}
