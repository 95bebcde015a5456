//! `buildroot/build` as a person sees it, on a stand-in for Buildroot that has four packages:
//! progress, failures, interruptions, fragments. What Buildroot itself makes of it is in
//! [`super::release`].

use super::*;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};

/// Sets up, lists and builds four packages. It fails at the one that the file `broken` names and
/// stands still at the one in `slow`; Kconfig drops settings with DROPPED in their names.
const STEPS: &str = r#"#!/bin/sh
set -e
packages='host-make libcap systemd atek'
case $1 in
  show-build-order) printf '%s\n' $packages ;;
  *_defconfig) cp "$3/configs/$1" "$2/.config" ;;
  legal-info)
    mkdir -p "$2/legal-info/licenses/libcap"
    echo BSD >"$2/legal-info/licenses/libcap/License"
    echo '"PACKAGE","VERSION","LICENSE"' >"$2/legal-info/manifest.csv"
    ;;
  olddefconfig) sed -i '/DROPPED/d' "$2/.config" ;;
  all)
    for package in $packages; do
      stamp=$2/build/$package-1.0/.stamp_installed
      if [ -e "$stamp" ]; then continue; fi
      printf '\033[7m>>> %s 1.0 Building\033[27m\n' "$package"
      if [ "$(cat broken)" = "$package" ]; then echo 'cc: no such file'; exit 1; fi
      if [ "$(cat slow)" = "$package" ]; then sleep 600; fi
      mkdir -p "${stamp%/*}"
      touch "$stamp"
    done
    mkdir -p "$2/images"
    touch "$2/images/atek-1-$(basename "$2").img"
    ;;
esac
"#;

/// A line of its Makefile.
const STEP: &str = "\t@./steps $@ \"$(O)\" \"$(BR2_EXTERNAL)\"\n";

const MERGE: &str = "#!/bin/sh\nshift\nconfig=$1\nshift\ncat \"$@\" >>\"$config\"\n";

/// A checkout with the tree, and the stand-in.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        let copied = Command::new("cp")
            .args(["-a", "--"])
            .arg(tree())
            .arg(this.path("checkout-buildroot"))
            .status()
            .unwrap();
        assert!(copied.success());
        fs::create_dir(this.path("checkout")).unwrap();
        fs::rename(
            this.path("checkout-buildroot"),
            this.path("checkout/buildroot"),
        )
        .unwrap();
        this.write("checkout/Cargo.toml", "version = \"1\"\n");
        // What the script builds before, and cargo.
        for program in ["daemon/web/build", "daemon/hypercore/package"] {
            this.program(&format!("checkout/{program}"), "#!/bin/sh\n");
        }
        this.program(
            "bin/cargo",
            &format!(
                "#!/bin/sh\n[ $1 != metadata ] || echo '{{\"target_directory\":\"{}\"}}'\n",
                this.path("target").display()
            ),
        );
        this.program(
            "target/release/atek-image",
            "#!/bin/sh\necho \"assembler $*\"\n",
        );
        let version = text(tree().join("BUILDROOT_VERSION"));
        this.write(
            "br/Makefile",
            &format!(
                "export BR2_VERSION := {}\n.PHONY: all legal-info olddefconfig show-build-order\n\
                 all legal-info olddefconfig show-build-order:\n{STEP}%_defconfig:\n{STEP}",
                version.trim()
            ),
        );
        this.program("br/steps", STEPS);
        this.program("br/support/kconfig/merge_config.sh", MERGE);
        this.stops("", "");
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn program(&self, name: &str, script: &str) {
        self.write(name, script);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The packages at which it fails and stands still.
    fn stops(&self, broken: &str, slow: &str) {
        self.write("br/broken", broken);
        self.write("br/slow", slow);
    }

    fn command(&self, words: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap();
        // A shell in the background ignores Ctrl+C, and so would everything that it starts.
        let mut command = Command::new("env");
        command
            .arg("--default-signal=INT")
            .arg(self.path("checkout/buildroot/build"))
            .args(words)
            .arg("--out")
            .arg(self.path("out"))
            .env("BUILDROOT_DIR", self.path("br"))
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("SOURCE_DATE_EPOCH", "1")
            .env("ATEK_BUILDROOT_ROOM_GIB", "0")
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL");
        command
    }

    fn build(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The lines about packages.
fn progress(output: &Output) -> Vec<String> {
    let text = out(output);
    let lines = text.lines().filter(|line| line.contains(": package "));
    lines.map(str::to_owned).collect()
}

#[test]
fn a_build_of_all_boards_says_which_package_of_how_many_it_is_at() {
    let bench = Bench::new();
    let built = bench.build(&["--board", "all"]);
    assert!(built.status.success(), "{}{}", out(&built), err(&built));
    let mut wanted = Vec::new();
    for board in ["rpi4", "rpi5", "virt"] {
        for (number, package) in ["host-make", "libcap", "systemd", "atek"]
            .iter()
            .enumerate()
        {
            wanted.push(format!("{board}: package {} of 4: {package}", number + 1));
        }
        assert!(
            out(&built).contains(&format!("out/{board}/images/atek-1-{board}.img")),
            "{}",
            out(&built)
        );
        let log = text(bench.path(&format!("out/{board}/build.log")));
        let kind = if board == "virt" { "virt" } else { "rpi" };
        assert!(
            log.contains(&format!(" bill --board {kind} --out ")),
            "{log}"
        );
        let licenses = bench.path(&format!("out/{board}/images/atek-1-{kind}.licenses.tar.xz"));
        assert!(licenses.is_file(), "{}", licenses.display());
        assert!(log.contains(">>> systemd 1.0 Building"), "{log}");
    }
    assert_eq!(progress(&built), wanted);
}

#[test]
fn a_build_that_fails_names_the_package_and_the_log_and_the_next_goes_on_from_there() {
    let bench = Bench::new();
    bench.stops("systemd", "");
    let failed = bench.build(&["--board", "virt"]);
    assert!(!failed.status.success());
    let log = bench.path("out/virt/build.log");
    for words in [
        "package systemd failed".to_owned(),
        format!("the whole log is {}", log.display()),
        "cc: no such file".to_owned(),
    ] {
        assert!(err(&failed).contains(&words), "{words}: {}", err(&failed));
    }
    assert!(text(&log).contains("cc: no such file"));

    bench.stops("", "");
    let built = bench.build(&["--board", "virt"]);
    assert!(built.status.success(), "{}", err(&built));
    assert_eq!(
        progress(&built),
        [
            "virt: package 3 of 4: systemd",
            "virt: package 4 of 4: atek"
        ]
    );
    let before = bench.path("out/virt/build.log.before");
    assert!(
        text(before).contains("cc: no such file"),
        "the failure's log is gone"
    );
}

#[test]
fn a_build_that_is_interrupted_says_so_and_the_next_goes_on_from_there() {
    let bench = Bench::new();
    bench.stops("", "systemd");
    // As in a terminal: Ctrl+C is for all processes of the group.
    let mut child = bench
        .command(&["--board", "virt"])
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    assert!(
        lines.any(|line| line.ends_with(": systemd")),
        "it does not get to systemd"
    );
    let group = format!("-{}", child.id());
    let sent = Command::new("kill").args(["-INT", "--", &group]).status();
    assert!(sent.unwrap().success());
    let interrupted = child.wait_with_output().unwrap();
    assert!(!interrupted.status.success());
    let words = "interrupted while the card for virt was built, at package systemd. The same command goes on from there";
    assert!(err(&interrupted).contains(words), "{}", err(&interrupted));

    bench.stops("", "");
    let built = bench.build(&["--board", "virt"]);
    assert!(built.status.success(), "{}", err(&built));
    assert_eq!(progress(&built)[0], "virt: package 3 of 4: systemd");
}

#[test]
fn settings_of_a_fragment_are_in_the_configuration_or_the_build_ends() {
    let bench = Bench::new();
    let fragment = |name: &str| bench.path(&format!("checkout/buildroot/fragments/{name}"));
    bench.write(
        "checkout/buildroot/fragments/odd.config",
        "BR2_DROPPED=y\nBR2_KEPT=y\n",
    );
    for name in ["mirror.config", "external-toolchain.config"] {
        let path = fragment(name);
        let built = bench.build(&["--board", "virt", "--fragment", path.to_str().unwrap()]);
        assert!(built.status.success(), "{name}: {}", err(&built));
        let config = text(bench.path("out/virt/.config"));
        let wanted = text(&path);
        for line in wanted.lines().filter(|line| line.starts_with("BR2_")) {
            assert!(config.lines().any(|has| has == line), "{name}: {line}");
        }
    }
    let odd = fragment("odd.config");
    let refused = bench.build(&["--board", "virt", "--fragment", odd.to_str().unwrap()]);
    assert!(!refused.status.success());
    let said = format!("{}{}", out(&refused), err(&refused));
    for words in [
        "BR2_DROPPED is n, wanted y",
        "did not take every setting of the fragments",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
