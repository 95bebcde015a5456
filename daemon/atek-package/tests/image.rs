//! What a fetch brings from a registry of container images, Debian's `docker-registry`.

#![allow(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod support;

use atek_api::manifest::Runtime;
use atek_api::package::{Event, FailureCode, FetchLimits, Outcome, Request, WarningCode};
use atek_api::spec::{AppPort, Program};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use support::Bench;
use support::registry::{Registry, layer};
use tar::EntryType;

const DIR: EntryType = EntryType::Directory;
const FILE: EntryType = EntryType::Regular;
const SYM: EntryType = EntryType::Symlink;
const HARD: EntryType = EntryType::Link;

fn runs() -> Value {
    json!({ "config": {
        "Entrypoint": ["/bin/serve"], "Cmd": ["--port", "8000"], "Env": ["PATH=/bin", "MODE=1"],
        "ExposedPorts": { "8000/tcp": {} }, "Volumes": { "/data": {} }, "WorkingDir": "/data",
        "Labels": { "org.opencontainers.image.title": "Serve" },
    } })
}

fn program() -> Vec<u8> {
    layer(&[
        (DIR, "bin", ""),
        (FILE, "bin/serve", "#!/bin/sh\n"),
        (FILE, "data/first", "1"),
    ])
}

#[test]
fn an_image_becomes_a_package() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let mut layers = vec![program()];
    // Sixty layers, the last of which wins; whiteouts, hard links, and links that lead out.
    for n in 0..60 {
        let text = n.to_string();
        layers.push(layer(&[
            (FILE, "etc/n", &text),
            (FILE, &format!("gone/{n}"), &text),
        ]));
    }
    layers.push(layer(&[
        (FILE, ".wh.gone", ""),
        (HARD, "bin/second", "bin/serve"),
        (SYM, "etc/mtab", "/proc/mounts"),
        (SYM, "lib", "/usr/lib"),
        (EntryType::Block, "dev/sda", ""),
        (FILE, "etc/ld.so.preload", "/data/evil.so"),
    ]));
    registry.push("serve", "1.0.0", runs(), &layers);
    registry.push("serve", "1.2.0", runs(), &layers[..1]);
    registry.push("serve", "latest", runs(), &layers[..1]);

    let bench = Bench::new();
    let run = bench.fetch(&registry.source("serve:1.0.0"));
    let package = run.package();
    assert_eq!(package.release.tag, "1.0.0");
    assert_eq!(package.commit.len(), 64);
    let manifest = package.manifest.as_ref().unwrap();
    assert_eq!(manifest.name.as_deref(), Some("Serve"));
    assert_eq!(manifest.port, Some(AppPort::Fixed(8000)));
    let Runtime::Image { runtime } = &manifest.runtime else {
        panic!("{manifest:?}");
    };
    assert_eq!(runtime.env["MODE"], "1");
    let argv = ["/bin/serve", "--port", "8000"].map(str::to_owned).to_vec();
    let (workdir, volumes) = ("/data".to_owned(), vec!["/data".to_owned()]);
    let expected = Program::Image {
        argv,
        workdir,
        volumes,
        user: None,
        stop_signal: None,
    };
    assert_eq!(package.program.as_ref(), Some(&expected));
    assert_eq!(package.warnings[0].code, WarningCode::LeftOut);

    assert_eq!(bench.read("rootfs/etc/n"), "59");
    let root = bench.package().join("rootfs");
    for missing in ["gone", "dev/sda", "etc/ld.so.preload"] {
        assert!(root.join(missing).symlink_metadata().is_err(), "{missing}");
    }
    let ino = |name: &str| fs::metadata(root.join(name)).unwrap().ino();
    assert_eq!(ino("bin/serve"), ino("bin/second"));
    assert_eq!(bench.mode("rootfs/bin/serve"), 0o755);
    let leads = |name: &str| fs::read_link(root.join(name)).unwrap();
    assert_eq!(leads("etc/mtab"), Path::new("../proc/mounts"));
    assert_eq!(leads("lib"), Path::new("usr/lib"));
    assert_eq!(
        leads("data"),
        Path::new("run/atek-accounts/state/volumes/0")
    );
    assert_eq!(bench.read("rootfs/.atek-volumes/0/first"), "1");
    for folder in ["proc", "sys", "dev", "run", "tmp", "var/tmp"] {
        assert!(root.join(folder).is_dir(), "{folder}");
    }

    // Without a tag the newest version, and all versions are releases.
    let newest = Bench::new().fetch(&registry.source("serve"));
    assert_eq!(newest.package().release.tag, "1.2.0");
    let ask = Request::ListTags {
        source: registry.source("serve").parse().unwrap(),
        access: Default::default(),
        limits: FetchLimits::default(),
    };
    let asked = Bench::new().run(&ask);
    let Some(Event::Done {
        result: Outcome::Releases(releases),
    }) = asked.events.last()
    else {
        panic!("no releases: {asked:?}");
    };
    let tags: Vec<_> = releases
        .iter()
        .map(|release| release.tag.as_str())
        .collect();
    assert_eq!(tags, ["1.2.0", "1.0.0"]);
}

#[test]
fn what_is_no_image_for_this_machine_is_refused() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let layers = [program()];
    let mut other = runs();
    other["architecture"] = json!("s390x");
    registry.push("other", "1.0.0", other, &layers);
    registry.push("silent", "1.0.0", json!({}), &layers);
    registry.push("latest", "latest", runs(), &layers);
    registry.push(
        "wrong",
        "1.0.0",
        json!({ "rootfs": { "diff_ids": ["sha256:00"] } }),
        &layers,
    );
    let big = "x".repeat(40_000);
    registry.push("bomb", "1.0.0", runs(), &[layer(&[(FILE, "big", &big)])]);
    let out = layer(&[(SYM, "up", "/"), (FILE, "../outside/secret", "x")]);
    registry.push("out", "1.0.0", runs(), &[out]);
    let limits = FetchLimits {
        package_bytes: 20_000,
        ..FetchLimits::default()
    };
    for (image, code, words) in [
        ("other", FailureCode::BrokenRepository, "linux/s390x"),
        ("silent", FailureCode::NoEntry, "names no program"),
        ("latest", FailureCode::NoRelease, "latest"),
        (
            "wrong",
            FailureCode::BrokenRepository,
            "not what its digest says",
        ),
        ("bomb", FailureCode::TooBig, "of files"),
        (
            "out",
            FailureCode::BadPath,
            "whose name no package may have",
        ),
        (
            "missing:1.0.0",
            FailureCode::RepositoryNotFound,
            "does not exist",
        ),
    ] {
        let run = Bench::new().fetch_limited(&registry.source(image), limits);
        let failure = run.failure();
        assert_eq!(failure.code, code, "{image}: {failure}");
        assert!(failure.message.contains(words), "{image}: {failure}");
    }
}

#[test]
fn a_registry_that_sends_something_else_is_found_out() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let layers = registry.push("serve", "1.0.0", runs(), &[program()]);
    let file = registry.blob_file(&layers[0]);
    let mut content = fs::read(&file).unwrap();
    let last = content.len() - 1;
    content[last] ^= 1;
    fs::write(&file, &content).unwrap();
    let run = Bench::new().fetch(&registry.source("serve"));
    let failure = run.failure();
    assert_eq!(failure.code, FailureCode::BrokenRepository, "{failure}");
    // A half of it is asked for again and again, and given up.
    fs::write(&file, &content[..last / 2]).unwrap();
    let run = Bench::new().fetch(&registry.source("serve"));
    assert!(
        run.failure().message.contains("serve"),
        "{:?}",
        run.failure()
    );
}

#[test]
fn what_an_earlier_job_left_is_used_where_it_is_what_its_digest_says() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let text: String = (0..20_000).map(|n| n.to_string()).collect();
    let mut layers = vec![program()];
    for name in ["spoiled", "half", "link"] {
        layers.push(layer(&[(FILE, name, &format!("{name} {text}"))]));
    }
    let digests = registry.push("serve", "1.0.0", runs(), &layers);
    let bench = Bench::new();
    let left = bench.staging().join("layers");
    fs::create_dir(&left).unwrap();
    let [whole, spoiled, half, link] = &digests[..] else {
        panic!("{digests:?}");
    };
    let there = |digest: &str| left.join(digest.replace(':', "-"));
    let content = |digest: &str| fs::read(registry.blob_file(digest)).unwrap();
    // Only here: it cannot be fetched.
    fs::rename(registry.blob_file(whole), there(whole)).unwrap();
    fs::write(there(spoiled), vec![7; content(spoiled).len()]).unwrap();
    fs::write(there(half), &content(half)[..content(half).len() / 2]).unwrap();
    std::os::unix::fs::symlink(bench.outside().join("secret"), there(link)).unwrap();
    fs::write(left.join("sha256-other"), "of another image").unwrap();

    let run = bench.fetch(&registry.source("serve"));
    assert_eq!(run.package().release.tag, "1.0.0");
    for name in ["spoiled", "half", "link"] {
        assert_eq!(
            bench.read(&format!("rootfs/{name}")),
            format!("{name} {text}")
        );
    }
    assert_eq!(fs::read_dir(&left).unwrap().count(), 0);
}

#[test]
fn a_fetch_that_is_killed_at_any_step_leaves_no_answer_and_no_process() {
    let Some(registry) = Registry::start() else {
        return;
    };
    // The last one is long enough that no kill comes too late.
    let layers: Vec<_> = (0..8)
        .map(|n| {
            n.to_string()
                .repeat(if n == 7 { 60_000_000 } else { 5_000_000 })
        })
        .map(|content| layer(&[(FILE, "file", &content)]))
        .collect();
    registry.push("serve", "1.0.0", runs(), &layers);
    // The whole job, and its child alone: asking, receiving, and while each part is unpacked.
    for step in ["resolve", "fetch", "layer 1", "layer 4", "layer 7"] {
        let after = said_after(&registry, step, |job| job);
        assert!(
            !after.contains("\"done\"") && !after.contains("\"failed\""),
            "{step}: {after}"
        );
        let after = said_after(&registry, step, |job| {
            let children = fs::read_to_string(format!("/proc/{job}/task/{job}/children"));
            children.unwrap().trim().parse().unwrap()
        });
        assert!(!after.contains("\"done\""), "{step}: {after}");
        assert!(after.contains("\"failed\""), "{step}: {after}");
    }
}

/// What a job says after it has said `step`, and the process that `victim` chose was killed.
fn said_after(registry: &Registry, step: &str, victim: impl FnOnce(i32) -> i32) -> String {
    let bench = Bench::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_atek-package"))
        .current_dir(bench.staging())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let request = json!({ "request": "fetch", "source": registry.source("serve") });
    let mut stdin = child.stdin.as_ref().unwrap();
    std::io::Write::write_all(&mut stdin, format!("{request}\n").as_bytes()).unwrap();
    let mut said = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert!(said.any(|line| line.unwrap().contains(step)), "{step}");
    let victim = Pid::from_raw(victim(child.id().cast_signed()));
    nix::sys::signal::kill(victim, nix::sys::signal::Signal::SIGKILL).unwrap();
    // The end of its output is the end of its children, too.
    let after: Vec<String> = said.map(Result::unwrap).collect();
    child.wait().unwrap();
    after.join("\n")
}
