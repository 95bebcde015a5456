//! What a fetch brings, from repositories that mean well.

mod support;

use atek_api::manifest::Runtime;
use atek_api::package::{
    Access, Event, FailureCode, FetchLimits, Outcome, Phase, Reach, Request, Wanted, Warning,
    WarningCode,
};
use atek_api::spec::Program;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use support::http::{Behaviour, Server};
use support::repo::Repo;
use support::{Bench, paths};

/// A repository with releases, a preview, an annotated tag and other tags.
fn releases() -> Repo {
    let repo = Repo::new();
    repo.write("index.js", "1\n").release("v1.0.0");
    repo.write("index.js", "2\n").release("v1.2.0");
    repo.write("index.js", "3\n").git(&["add", "-A"]);
    repo.git(&["commit", "-q", "-m", "three"]);
    repo.git(&["tag", "-a", "-m", "annotated", "v2.0.0"]);
    repo.git(&["tag", "-a", "-m", "a tag of a tag", "v2.0.1", "v2.0.0"]);
    repo.write("index.js", "4\n").release("v3.0.0-beta.1");
    repo.write("index.js", "5\n").release("nightly");
    repo
}

#[test]
fn the_newest_release_is_fetched_from_a_repository_on_this_machine() {
    let (repo, bench) = (releases(), Bench::new());
    let run = bench.fetch(&repo.source());
    let package = run.package();
    assert_eq!(package.release.tag, "v2.0.1");
    assert_eq!(package.commit, repo.git(&["rev-parse", "v2.0.1^{commit}"]));
    assert_eq!(
        package.program,
        Some(Program::Node {
            entry: "index.js".parse().unwrap(),
            args: Vec::new(),
        })
    );
    assert_eq!((package.bytes, package.files), (2, 1));
    assert_eq!(bench.read("index.js"), "3\n");
    assert_eq!(paths(&bench.package()), ["index.js"]);
    // The objects are gone, and what is left is the home folder.
    assert_eq!(
        paths(&bench.staging()),
        [
            "home",
            "home/.gitconfig",
            "home/tmp",
            "package",
            "package/index.js"
        ]
    );
}

#[test]
fn a_range_a_tag_and_refused_versions_choose_another_release() {
    let repo = releases();
    let range = |text: &str| Wanted::Newest {
        range: text.parse().unwrap(),
        refused: Vec::new(),
    };
    let refused = Wanted::Newest {
        range: Default::default(),
        refused: vec!["2.0.0".parse().unwrap(), "2.0.1".parse().unwrap()],
    };
    for (wanted, tag, text) in [
        (range("^1"), "v1.2.0", "2\n"),
        (range("1.0.x"), "v1.0.0", "1\n"),
        (range(">=3.0.0-beta"), "v3.0.0-beta.1", "4\n"),
        (refused, "v1.2.0", "2\n"),
        (
            Wanted::Tag {
                tag: "v1.0.0".to_owned(),
            },
            "v1.0.0",
            "1\n",
        ),
    ] {
        let bench = Bench::new();
        let run = bench.fetch_with(&repo.source(), wanted, FetchLimits::default());
        assert_eq!(run.package().release.tag, tag);
        assert_eq!(bench.read("index.js"), text);
    }
}

#[test]
fn releases_are_fetched_over_http_and_progress_is_told() {
    let repo = releases();
    let (root, _) = repo.bare("hello.git");
    let server = Server::start(Behaviour::Git(root.path().to_path_buf()));
    let bench = Bench::new();
    let run = bench.fetch(&server.url("hello.git"));
    assert_eq!(run.package().release.tag, "v2.0.1");
    assert_eq!(bench.read("index.js"), "3\n");
    let mut phases: Vec<_> = run
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Progress(progress) => Some(progress.phase),
            _ => None,
        })
        .collect();
    phases.dedup();
    assert_eq!(
        phases,
        [Phase::Resolve, Phase::Fetch, Phase::Checkout],
        "{:?}",
        run.events
    );
}

#[test]
fn a_server_whose_answers_end_with_the_connection_was_said_not_to_be_a_git_repository() {
    let repo = releases();
    let (root, _) = repo.bare("hello.git");
    let server = Server::start(Behaviour::UntilClose(root.path().to_path_buf()));
    let bench = Bench::new();
    // Without `.git`, which is asked for in the same way when there is nothing.
    let run = bench.fetch(&server.url("hello"));
    assert_eq!(run.package().release.tag, "v2.0.1");
    assert_eq!(bench.read("index.js"), "3\n");
    let missing = Bench::new().fetch(&server.url("nothing.git"));
    assert_eq!(missing.failure().code, FailureCode::RepositoryNotFound);
}

#[test]
fn only_the_wanted_release_is_fetched_not_its_history() {
    let repo = Repo::new();
    // Not compressible, so that the history is as large as it looks.
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
    .take(400_000)
    .collect();
    repo.write("big", &noise).release("v1.0.0");
    std::fs::remove_file(repo.path().join("big")).unwrap();
    repo.write("index.js", "1\n").release("v2.0.0");
    let (root, _) = repo.bare("x.git");
    let server = Server::start(Behaviour::Git(root.path().to_path_buf()));
    let limits = FetchLimits {
        fetch_bytes: 50_000,
        ..FetchLimits::default()
    };
    assert_eq!(
        Bench::new()
            .fetch_limited(&server.url("x.git"), limits)
            .package()
            .files,
        1
    );
    let old = Wanted::Tag {
        tag: "v1.0.0".to_owned(),
    };
    let run = Bench::new().fetch_with(&server.url("x.git"), old, limits);
    run.assert_failed(FailureCode::TooBig, "sends more than 48.8 KiB");
}

#[test]
fn a_url_without_git_at_its_end_is_tried_with_it() {
    let (root, _) = Repo::app().bare("hello.git");
    let server = Server::start(Behaviour::Git(root.path().to_path_buf()));
    let bench = Bench::new();
    assert_eq!(
        bench.fetch(&server.url("hello")).package().release.tag,
        "v1.0.0"
    );
    let seen = server.seen.lock().unwrap();
    assert!(
        seen[0].contains("/hello/info/refs") && seen[1].contains("/hello.git/info/refs"),
        "{seen:?}"
    );
}

#[test]
fn a_redirect_is_followed_and_no_credentials_are_ever_sent() {
    let (root, _) = Repo::app().bare("hello.git");
    let target = Server::start(Behaviour::Git(root.path().to_path_buf()));
    let server = Server::start(Behaviour::Redirect(
        target.url("").trim_end_matches('/').to_owned(),
    ));
    let bench = Bench::new();
    assert_eq!(
        bench.fetch(&server.url("hello.git")).package().release.tag,
        "v1.0.0"
    );
    for line in target.seen.lock().unwrap().iter() {
        assert!(
            line.ends_with(' '),
            "an Authorization header was sent: {line}"
        );
    }
}

#[test]
fn the_releases_of_a_repository_are_listed_newest_first() {
    let repo = releases();
    let (root, _) = repo.bare("hello.git");
    let server = Server::start(Behaviour::Git(root.path().to_path_buf()));
    for source in [repo.source(), server.url("hello.git")] {
        let bench = Bench::new();
        let run = bench.run(&Request::ListTags {
            source: source.parse().unwrap(),
            access: Access::default(),
            limits: FetchLimits::default(),
        });
        let Some(Event::Done {
            result: Outcome::Releases(releases),
        }) = run.events.last()
        else {
            panic!("{run:?}");
        };
        let tags: Vec<_> = releases
            .iter()
            .map(|release| release.tag.as_str())
            .collect();
        assert_eq!(
            tags,
            ["v3.0.0-beta.1", "v2.0.1", "v2.0.0", "v1.2.0", "v1.0.0"]
        );
        assert!(!bench.package().exists());
    }
}

#[test]
fn modes_links_and_folders_arrive_and_nothing_else_does() {
    let repo = Repo::new();
    repo.write("index.js", "")
        .executable("bin/run", "#!/bin/sh\n")
        .link("bin/alias", "run")
        .link("deep/er/up", "../../bin/run")
        .write(
            ".gitattributes",
            "*.txt text eol=crlf ident export-ignore\n",
        )
        .write("a.txt", "$Id$\nline\n")
        .write(".hidden", "x");
    repo.release("v1.0.0");
    // Not part of a commit: hooks, settings, filters.
    repo.executable(".git/hooks/post-checkout", "#!/bin/sh\ntouch hooked\n");
    let bench = Bench::new();
    let run = bench.fetch(&repo.source());
    assert_eq!(run.package().warnings, []);
    assert_eq!(
        paths(&bench.package()),
        [
            ".gitattributes",
            ".hidden",
            "a.txt",
            "bin",
            "bin/alias",
            "bin/run",
            "deep",
            "deep/er",
            "deep/er/up",
            "index.js"
        ]
    );
    assert_eq!(bench.read("a.txt"), "$Id$\nline\n");
    assert_eq!(bench.read("deep/er/up"), "#!/bin/sh\n");
    assert_eq!(
        (bench.mode("bin/run"), bench.mode("index.js")),
        (0o755, 0o644)
    );
    assert_eq!(bench.mode("bin"), 0o755);
}

#[test]
fn a_native_app_and_its_manifest_are_read() {
    let repo = Repo::new();
    let manifest = r#"{"name":"Clock","runtime":"native","entry":"bin/clock","args":["--utc"],
        "exports":[{"api":"example.org/clock"}],"permissions":{"network":"direct"}}"#;
    repo.write("atek.json", manifest)
        .executable("bin/clock", "#!/bin/sh\n")
        .release("v1.0.0");
    let bench = Bench::new();
    let run = bench.fetch(&repo.source());
    let package = run.package();
    let manifest = package.manifest.as_ref().unwrap();
    assert_eq!(manifest.name.as_deref(), Some("Clock"));
    assert!(matches!(manifest.runtime, Runtime::Native { .. }));
    assert_eq!(
        package.program,
        Some(Program::Native {
            path: "bin/clock".parse().unwrap(),
            args: vec!["--utc".to_owned()]
        })
    );
}

#[test]
fn submodules_are_left_out_with_a_warning() {
    let repo = Repo::app();
    let commit = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{commit},lib/sub"),
    ]);
    repo.write(
        ".gitmodules",
        "[submodule \"x\"]\n\tpath = lib/sub\n\turl = /etc\n",
    );
    repo.git(&["add", ".gitmodules"]);
    repo.git(&["commit", "-q", "-m", "sub"]);
    repo.git(&["tag", "v1.1.0"]);
    let bench = Bench::new();
    let run = bench.fetch(&repo.source());
    assert_eq!(run.package().release.tag, "v1.1.0");
    assert_eq!(
        run.package().warnings,
        [Warning::new(
            WarningCode::Submodules,
            "the repository's submodules are left out; their folders are empty: lib/sub"
        )]
    );
    assert_eq!(paths(&bench.package().join("lib")), ["sub"]);
}

#[test]
fn what_is_unusual_about_a_package_is_told_by_a_fetch() {
    let repo = Repo::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:2d6c\nsize 10123\n";
    repo.write("index.js", "")
        .write("photo.jpg", pointer)
        .write("package.json", r#"{"engines":{"node":">=999"}}"#)
        .write("atek.json", r#"{"permisions":{},"icon":"icon.png"}"#)
        .release("v1.0.0");
    let run = Bench::new().fetch(&repo.source());
    let found: Vec<_> = run.package().warnings.iter().collect();
    let said = |code: WarningCode, words: &str| {
        let warning = found.iter().find(|warning| warning.code == code);
        let warning = warning.unwrap_or_else(|| panic!("{code:?}: {found:?}"));
        assert!(warning.message.contains(words), "{warning}");
    };
    said(WarningCode::LfsPointers, "they are pointers: photo.jpg");
    said(WarningCode::UnknownKey, "\"permissions\" may be meant");
    said(
        WarningCode::Icon,
        "icon.png, which atek.json names, is not there",
    );
    said(WarningCode::Engines, "asks for Node >=999");
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn a_tag_with_a_name_before_its_version_is_fetched() {
    for (tags, expected) in [
        (
            &["releases/v1.2.3", "releases/v1.3.0"][..],
            "releases/v1.3.0",
        ),
        (&["notes@1.2.3"], "notes@1.2.3"),
        (&["2024.01.05", "2024.08.07"], "2024.08.07"),
        (&["release-2.0"], "release-2.0"),
    ] {
        let repo = Repo::app();
        repo.git(&["tag", "-d", "v1.0.0"]);
        for tag in tags {
            repo.git(&["tag", tag]);
        }
        let (root, _) = repo.bare("hello.git");
        let server = Server::start(Behaviour::Git(root.path().to_path_buf()));
        for source in [repo.source(), server.url("hello.git")] {
            let run = Bench::new().fetch(&source);
            assert_eq!(run.package().release.tag, expected);
        }
    }
}

#[test]
fn without_a_release_the_message_names_the_tags() {
    for (tag, words) in [
        (
            "v1.2.3.4",
            "None of its tags is a version such as v1.2.3: v1.2.3.4",
        ),
        (
            "v1.2.3-rc.1",
            "To install one, ask for its version: 1.2.3-rc.1",
        ),
    ] {
        let repo = Repo::app();
        repo.git(&["tag", "-d", "v1.0.0"]);
        repo.git(&["tag", tag]);
        let run = Bench::new().fetch(&repo.source());
        run.assert_failed(FailureCode::NoRelease, words);
    }
    let repo = Repo::app();
    let run = Bench::new().fetch_range(&repo.source(), "^9");
    run.assert_failed(FailureCode::NoMatchingRelease, "; the newest are v1.0.0");
}

#[test]
fn a_name_or_redirect_into_the_home_is_refused_to_who_may_only_reach_the_internet() {
    let repo = releases();
    let (root, _) = repo.bare("hello.git");
    let server = Server::start(Behaviour::Git(root.path().to_path_buf()));
    let at_home = server.url("hello.git").replace("127.0.0.1", "localhost");
    for source in [server.url("hello.git"), at_home] {
        for request in [
            Request::Fetch {
                source: source.parse().unwrap(),
                wanted: Wanted::default(),
                access: Access::to(Reach::Internet),
                limits: FetchLimits::default(),
            },
            Request::ListTags {
                source: source.parse().unwrap(),
                access: Access::to(Reach::Internet),
                limits: FetchLimits::default(),
            },
        ] {
            let run = Bench::new().run(&request);
            run.assert_failed(
                FailureCode::PrivateAddress,
                "only an administrator may install from there",
            );
        }
    }
    assert!(
        server.seen.lock().unwrap().is_empty(),
        "the server was asked"
    );
}

#[test]
fn a_channel_of_its_own_stays_clean_when_everything_else_is_printed_into_another() {
    let repo = releases();
    let request = format!(r#"{{"request":"fetch","source":"{}"}}"#, repo.source());
    let bench = Bench::new();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_atek-package"))
        .current_dir(bench.staging())
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (&ours)
        .write_all(format!("{request}\n").as_bytes())
        .unwrap();
    let mut lines = String::new();
    (&ours).read_to_string(&mut lines).unwrap();
    assert!(child.wait().unwrap().success());
    let last = lines.lines().last().unwrap();
    let last: Event = serde_json::from_str(last).unwrap();
    assert!(matches!(last, Event::Done { .. }), "{last:?}");
    let mut printed = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut printed)
        .unwrap();
    assert_eq!(printed, "");
}

#[test]
fn a_caller_that_hangs_up_made_the_job_panic() {
    let repo = releases();
    let request = format!(r#"{{"request":"fetch","source":"{}"}}"#, repo.source());
    let bench = Bench::new();
    let (ours, theirs) = UnixStream::pair().unwrap();
    // The journal is gone, too.
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = Command::new(env!("CARGO_BIN_EXE_atek-package"))
        .current_dir(bench.staging())
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(closed)
        .spawn()
        .unwrap();
    (&ours)
        .write_all(format!("{request}\n").as_bytes())
        .unwrap();
    drop(ours);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_bare_repository_and_one_that_moved_to_another_owner_can_be_read() {
    let (root, bare) = Repo::app().bare("hello.git");
    if nix::unistd::geteuid().is_root() {
        nix::unistd::chown(&bare, Some(12_345.into()), None).unwrap();
    }
    let bench = Bench::new();
    let run = bench.fetch(&format!("git+file://{}", bare.display()));
    assert_eq!(run.package().release.tag, "v1.0.0");
    drop(root);
}

#[test]
fn narrower_bounds_of_the_unit_are_kept_by_a_user_who_may_not_widen_them() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped, because only root can become another user");
        return;
    }
    let (repo, bench) = (Repo::app(), Bench::new());
    let open = |path: &std::path::Path| {
        assert!(
            std::process::Command::new("chmod")
                .args(["-R", "777"])
                .arg(path)
                .status()
                .unwrap()
                .success()
        );
    };
    open(repo.path());
    open(bench.folder.path());
    let request = format!(r#"{{"request":"fetch","source":"{}"}}"#, repo.source());
    let script =
        "ulimit -f 1000; ulimit -v 800000; exec setpriv --reuid 65534 --clear-groups \"$0\"";
    let run = bench.run_command(
        std::process::Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_atek-package")]),
        &request,
    );
    assert_eq!(run.package().release.tag, "v1.0.0");
}
