//! What a fetch brings, from repositories that mean well.

mod support;

use atek_api::manifest::Runtime;
use atek_api::package::{
    Event, FailureCode, FetchLimits, Outcome, Phase, Reach, Request, Wanted, Warning, WarningCode,
};
use atek_api::spec::Program;
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
    run.assert_failed(FailureCode::TooBig, "sends more than 50 kB");
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
            reach: Reach::Anywhere,
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
