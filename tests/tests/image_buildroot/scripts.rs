//! The scripts, run by hand on folders of a test.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn executable(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_setting_that_kconfig_changed_or_dropped_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (last, wanted) = (folder.path().join("final"), folder.path().join("wanted"));
    // (final, wanted, what is lost)
    for (is, asked, lost) in [
        ("A=y\nB=m\nC=\"a b\"\n", "A=y\n# why\nC=\"a b\"\n", &[][..]),
        ("A=y\n", "A=y\n# B is not set\n", &[]),
        ("# B is not set\n", "# B is not set\n", &[]),
        ("A=m\n", "A=y\n", &["A is m, wanted y"]),
        (
            "X=y\n",
            "A=y\nD=3\n",
            &["A is n, wanted y", "D is n, wanted 3", "2 in all"],
        ),
        ("B=y\n", "# B is not set\n", &["B is y, wanted n"]),
        ("# A is not set\n", "A=m\n", &["A is n, wanted m"]),
        ("C=\"a\"\n", "C=\"a b\"\n", &["C is \"a\", wanted \"a b\""]),
        ("A=y\n", "A=x=y\n", &["A is y, wanted x=y"]),
    ] {
        fs::write(&last, is).unwrap();
        fs::write(&wanted, asked).unwrap();
        let output = run(Command::new(tree().join("scripts/check-config")).args([&last, &wanted]));
        assert_eq!(
            output.status.success(),
            lost.is_empty(),
            "{asked:?}: {}",
            said(&output)
        );
        for words in lost {
            assert!(
                said(&output).contains(words),
                "{asked:?}: {}",
                said(&output)
            );
        }
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_no_configuration_that_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = folder.path().join("wanted");
    fs::write(&wanted, "A=y\n").unwrap();
    let missing = folder.path().join("missing");
    for files in [[&missing, &wanted], [&wanted, &missing]] {
        let output = run(Command::new(tree().join("scripts/check-config")).args(files));
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("cannot read"), "{}", said(&output));
    }
}

/// The files below `folder`: path without the folder, and mode.
fn files(folder: &Path) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                found.insert(
                    format!("/{name}"),
                    path.metadata().unwrap().permissions().mode() & 0o7777,
                );
            }
        }
    }
    found
}

/// What `image/install.list` means today, read by the test itself: path of each installed file, and
/// mode.
fn meant(list: &str) -> BTreeMap<String, u32> {
    let mut meant = BTreeMap::new();
    for line in list.lines() {
        let line = line.split('#').next().unwrap().trim();
        if line.is_empty() {
            continue;
        }
        let [source, destination, mode] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        if let Some(folder) = source.strip_prefix("npm:") {
            let made = checkout().join(folder).join("dist/linux-arm64");
            let mode = u32::from_str_radix(mode, 8).unwrap();
            let all = files(&made).into_keys();
            meant.extend(
                all.map(|file| (format!("{}{file}", destination.trim_end_matches('/')), mode)),
            );
            continue;
        }
        let names: Vec<String> = match (source.strip_prefix("bin:"), source.split_once('*')) {
            (Some(name), _) => vec![name.to_owned()],
            (None, None) => vec![source.rsplit('/').next().unwrap().to_owned()],
            (None, Some((start, end))) => {
                let (folder, start) = start.rsplit_once('/').unwrap_or((".", start));
                let entries = fs::read_dir(checkout().join(folder)).into_iter().flatten();
                entries
                    .map(|entry| entry.unwrap())
                    .filter(|entry| entry.path().is_file())
                    .map(|entry| entry.file_name().into_string().unwrap())
                    .filter(|name| name.starts_with(start) && name.ends_with(end))
                    .collect()
            }
        };
        for name in names {
            let to = if destination.ends_with('/') {
                format!("{destination}{name}")
            } else {
                destination.to_owned()
            };
            meant.insert(to, u32::from_str_radix(mode, 8).unwrap());
        }
    }
    meant
}

/// A folder with a file for every program of the list.
fn programs(list: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for line in list.lines() {
        if let Some(name) = line
            .strip_prefix("bin:")
            .and_then(|rest| rest.split_whitespace().next())
        {
            fs::write(folder.path().join(name), name).unwrap();
        }
    }
    folder
}

fn install(list: &Path, programs: &Path, target: &Path) -> Output {
    run(Command::new(tree().join("package/atek/install"))
        .args([list, checkout(), programs, target])
        .env("LC_ALL", "C"))
}

#[test]
fn the_package_installs_exactly_what_the_install_list_means() {
    let list = checkout().join("image/install.list");
    // What buildroot/build does first: there is no npm inside Buildroot.
    let made = run(Command::new(checkout().join("daemon/hypercore/package")).arg("arm64"));
    assert!(made.status.success(), "{}", said(&made));
    let programs = programs(&text(&list));
    let target = tempfile::tempdir().unwrap();
    let output = install(&list, programs.path(), target.path());
    assert!(output.status.success(), "{}", said(&output));
    let installed = files(target.path());
    assert_eq!(installed, meant(&text(&list)));
    assert_eq!(text(target.path().join("usr/lib/atek/atekd")), "atekd");
    assert_eq!(
        text(target.path().join("usr/lib/systemd/system/atekd.service")),
        text(checkout().join("units/atekd.service"))
    );
}

#[test]
fn a_program_that_was_not_built_or_a_file_that_is_gone_ends_the_installation() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list");
    for rule in [
        "bin:atek-nothing /usr/bin/ 0755",
        "units/nothing.service /usr/ 0644",
    ] {
        // A rule that is fine follows: the failure in the middle has to count.
        fs::write(&list, format!("{rule}\nREADME.md /usr/share/ 0644\n")).unwrap();
        let output = install(&list, folder.path(), &folder.path().join("target"));
        assert!(!output.status.success(), "{rule}: {}", said(&output));
    }
}

#[test]
fn an_archive_that_is_there_is_not_downloaded_and_a_missing_npm_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let script = tree().join("package/nodejs-prebuilt/npm-pack");
    let nothing = folder.path().join("bin");
    fs::create_dir(&nothing).unwrap();
    for name in ["mkdir", "mktemp"] {
        std::os::unix::fs::symlink(format!("/bin/{name}"), nothing.join(name)).unwrap();
    }
    let call = || {
        run(Command::new("/bin/sh")
            .arg(&script)
            .arg(folder.path())
            .arg("name-1.0.0.tgz")
            .env("PATH", &nothing))
    };

    let output = call();
    assert!(!output.status.success());
    assert!(
        said(&output).contains("npm is needed to download name-1.0.0.tgz"),
        "{}",
        said(&output)
    );

    fs::write(folder.path().join("name-1.0.0.tgz"), "here").unwrap();
    let output = call();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(text(folder.path().join("name-1.0.0.tgz")), "here");
}

/// What Buildroot leaves in its folder of images.
fn images() -> tempfile::TempDir {
    let images = tempfile::tempdir().unwrap();
    fs::create_dir_all(images.path().join("rpi-firmware/overlays")).unwrap();
    for name in [
        "Image",
        "rootfs.squashfs",
        "bcm2711-rpi-4-b.dtb",
        "rpi-firmware/start4.elf",
        "rpi-firmware/config.txt",
        "rpi-firmware/overlays/vc4-kms-v3d.dtbo",
    ] {
        fs::write(images.path().join(name), name).unwrap();
    }
    images
}

fn post_image(images: &Path, board: &str, assembler: &Path) -> Output {
    run(Command::new(tree().join("board/common/post-image.sh"))
        .arg(images)
        .arg(board)
        .env("BR2_EXTERNAL_ATEK_PATH", tree())
        .env("ATEK_IMAGE", assembler)
        .env("ATEK_IMAGE_ARGS", "--no-pack"))
}

#[test]
fn the_assembler_gets_root_kernel_and_boot_files_of_the_board() {
    let images = images();
    let root = images.path().display();
    let assembler = images.path().join("assembler");
    executable(&assembler, "#!/bin/sh\necho \"$@\"\n");
    // (board, what the assembler calls it, what is on the boot partition)
    for (board, kind, boot) in [
        ("virt", "virt", &["/vmlinuz"][..]),
        (
            "rpi4",
            "rpi",
            &[
                "/bcm2711-rpi-4-b.dtb",
                "/kernel.txt",
                "/overlays/vc4-kms-v3d.dtbo",
                "/start4.elf",
                "/vmlinuz",
            ],
        ),
        (
            "rpi5",
            "rpi",
            &[
                "/bcm2711-rpi-4-b.dtb",
                "/kernel.txt",
                "/overlays/vc4-kms-v3d.dtbo",
                "/start4.elf",
                "/vmlinuz",
            ],
        ),
    ] {
        let output = post_image(images.path(), board, &assembler);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(
            said(&output),
            format!(
                "--checkout {} assemble --board {kind} --root {root}/rootfs.squashfs --boot {root}/boot --out {root} --no-pack\n",
                checkout().display()
            )
        );
        let there: Vec<String> = files(&images.path().join("boot")).into_keys().collect();
        assert_eq!(there, boot, "{board}");
    }
}

#[test]
fn a_board_or_an_assembler_that_is_not_there_is_told() {
    let images = images();
    let missing = images.path().join("nothing");
    let output = post_image(images.path(), "virt", &missing);
    assert!(!output.status.success());
    assert!(
        said(&output).contains("the assembler is not at"),
        "{}",
        said(&output)
    );

    let assembler = images.path().join("assembler");
    executable(&assembler, "#!/bin/sh\n");
    let output = post_image(images.path(), "rpi3", &assembler);
    assert!(!output.status.success());
    assert!(
        said(&output).contains("no board called rpi3"),
        "{}",
        said(&output)
    );
}

#[test]
fn everything_that_a_build_lacks_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let tools = folder.path().join("tools");
    fs::create_dir(&tools).unwrap();
    // A machine with nothing but what the script itself uses.
    for tool in ["dirname", "cat", "sed", "mkdir", "df", "tail", "tr", "bash"] {
        let found = run(Command::new("/bin/sh").args(["-c", &format!("command -v {tool}")]));
        let found = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        std::os::unix::fs::symlink(found, tools.join(tool)).unwrap();
    }
    let output = run(Command::new("/bin/bash")
        .arg(tree().join("build"))
        .args(["--board", "all", "--out"])
        .arg(folder.path().join("out"))
        .env("PATH", &tools)
        .env("ATEK_BUILDROOT_ROOM_GIB", "1000000000")
        .env_remove("BUILDROOT_DIR"));
    assert!(!output.status.success());
    for words in ["set BUILDROOT_DIR", "npm cargo", "rsync", "GiB left"] {
        assert!(said(&output).contains(words), "{words}: {}", said(&output));
    }
}

#[test]
fn the_licences_of_vendored_crates_are_collected() {
    let folder = tempfile::tempdir().unwrap();
    let (vendor, out) = (folder.path().join("vendor"), folder.path().join("out"));
    fs::create_dir_all(vendor.join("some")).unwrap();
    let manifest = "[package]\nname = \"some\"\nversion = \"1.2.3\"\nlicense = \"MIT OR Apache-2.0\"\n\
                    [dependencies.other]\nversion = \"9\"\n";
    fs::write(vendor.join("some/Cargo.toml"), manifest).unwrap();
    fs::write(vendor.join("some/LICENSE-MIT"), "words").unwrap();
    let output =
        run(Command::new(tree().join("package/atek/crate-licenses")).args([&vendor, &out]));
    assert!(output.status.success(), "{}", said(&output));
    let nothing = run(Command::new(tree().join("package/atek/crate-licenses"))
        .args([&folder.path().join("missing"), &folder.path().join("other")]));
    assert!(!nothing.status.success(), "no crates are no list");
    assert_eq!(
        text(out.join("manifest.csv")),
        "some,1.2.3,\"MIT OR Apache-2.0\"\n"
    );
    assert_eq!(text(out.join("some-1.2.3/LICENSE-MIT")), "words");
}

#[test]
fn progress_names_each_package_once_with_its_number() {
    let output = tempfile::tempdir().unwrap();
    let log = output.path().join("log");
    let text = "\x1b[7m>>> libcap 2.76 Extracting\x1b[27m\ngcc ...\n>>> libcap 2.76 Building\n\
                >>> systemd 258.7 Extracting\n>>>   Finalizing target directory\n";
    fs::write(&log, text).unwrap();
    let said = run(Command::new(tree().join("scripts/progress"))
        .args(["virt", "117", "1"])
        .stdin(fs::File::open(&log).unwrap()));
    assert_eq!(
        String::from_utf8_lossy(&said.stdout),
        "virt: package 2 of 117: libcap\nvirt: package 3 of 117: systemd\n"
    );
}

#[test]
fn the_root_is_packed_without_what_the_data_partition_has() {
    let root = tempfile::tempdir().unwrap();
    for folder in ["var/lib/atek", "home/person", "root", "etc", "usr/lib/atek"] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    executable(&root.path().join("usr/lib/atek/atek-init"), "");
    fs::write(root.path().join("var/lib/atek/secret"), "").unwrap();
    let checker = root.path().join("etc/checker");
    executable(&checker, "#!/bin/sh\necho \"$@\"\n");
    for script in ["post-build.sh", "post-fakeroot.sh"] {
        let output = run(Command::new(tree().join("board/common").join(script))
            .arg(root.path())
            .arg("virt")
            .env("BR2_EXTERNAL_ATEK_PATH", tree())
            .env("ATEK_IMAGE", &checker));
        assert!(output.status.success(), "{script}: {}", said(&output));
        if script == "post-fakeroot.sh" {
            let words = format!("check-root --root {}", root.path().display());
            assert!(said(&output).contains(&words), "{}", said(&output));
        }
    }
    assert_eq!(fs::read_dir(root.path().join("var")).unwrap().count(), 0);
    assert_eq!(
        fs::read_link(root.path().join("home")).unwrap(),
        Path::new("var/home")
    );
    assert_eq!(
        fs::read_link(root.path().join("root")).unwrap(),
        Path::new("var/roothome")
    );
    assert_eq!(text(root.path().join("etc/machine-id")), "");
    assert_eq!(text(root.path().join("etc/fstab")), "");
    for folder in ["app", "boot", "mnt"] {
        assert!(root.path().join(folder).is_dir(), "{folder}");
    }
}

#[test]
fn a_root_that_would_start_no_service_is_not_packed() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("var")).unwrap();
    let output = run(Command::new(tree().join("board/common/post-fakeroot.sh"))
        .arg(root.path())
        .arg("virt")
        .env("BR2_EXTERNAL_ATEK_PATH", tree())
        .env(
            "ATEK_IMAGE",
            atek_tests::paths::fixture_program("atek-image").unwrap(),
        ));
    assert!(!output.status.success());
    for words in [
        "this root lacks what Atek needs",
        "there is no D-Bus daemon",
    ] {
        assert!(said(&output).contains(words), "{}", said(&output));
    }
}

#[test]
fn a_root_without_its_first_program_is_not_packed() {
    let root = tempfile::tempdir().unwrap();
    let output = run(Command::new(tree().join("board/common/post-build.sh"))
        .arg(root.path())
        .arg("virt"));
    assert!(!output.status.success());
    assert!(
        said(&output).contains("atek-init is not in the root"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_build_without_the_pinned_buildroot_or_for_no_board_says_so_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("Makefile"), "export BR2_VERSION := 1999.02\n").unwrap();
    // (BUILDROOT_DIR, board, the message)
    for (buildroot, board, words) in [
        ("", "virt", "set BUILDROOT_DIR to a folder with Buildroot"),
        (
            folder.path().to_str().unwrap(),
            "virt",
            "there is no Buildroot in",
        ),
        (
            other.to_str().unwrap(),
            "rpi5",
            "is Buildroot 1999.02, and this checkout is for",
        ),
        (
            other.to_str().unwrap(),
            "rpi",
            "give --board rpi4, rpi5 or virt",
        ),
    ] {
        let output = run(Command::new(tree().join("build"))
            .args(["--board", board])
            .env("BUILDROOT_DIR", buildroot));
        assert!(!output.status.success());
        assert!(said(&output).contains(words), "{}", said(&output));
    }
}
