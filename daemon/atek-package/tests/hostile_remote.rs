//! Repositories on the network that do not mean well, or are not there.

mod support;

use atek_api::package::{Access, FailureCode, FetchLimits, Request};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn};
use nix::sys::socket::{bind, getsockname, socket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};
use support::Bench;
use support::http::{Behaviour, Server};
use support::repo::Repo;

/// For servers that hang. The others answer within the usual limits, on a busy machine too.
fn impatient() -> FetchLimits {
    FetchLimits {
        stall_secs: 2,
        fetch_secs: 4,
        ..FetchLimits::default()
    }
}

/// The release's files compress badly.
fn noisy_app(bytes: usize) -> Repo {
    let repo = Repo::new();
    let mut state = 88_172_645_463_325_252u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
    .take(bytes)
    .collect();
    repo.write("index.js", "")
        .write("noise", noise)
        .release("v1.0.0");
    repo
}

#[test]
fn answers_that_are_not_a_repository_are_told_apart() {
    use FailureCode::{BrokenRepository, NotARepository, RepositoryNotFound, Unreachable};
    let git = "application/x-git-upload-pack-advertisement";
    for (answer, code, words) in [
        (
            (404, "text/plain", "gone"),
            RepositoryNotFound,
            "does not exist or is not public",
        ),
        (
            (401, "text/plain", "who are you"),
            RepositoryNotFound,
            "does not exist or is not public",
        ),
        (
            (403, "text/plain", "no"),
            RepositoryNotFound,
            "does not exist or is not public",
        ),
        ((500, "text/plain", "oops"), Unreachable, "500"),
        (
            (200, "text/html", "<html>hello"),
            NotARepository,
            "answers, but not as a git repository",
        ),
        ((200, git, ""), NotARepository, "Is it a Git repo?"),
        (
            (200, git, "<html>hello"),
            NotARepository,
            "Is it a Git repo?",
        ),
        ((200, git, "zzzz"), NotARepository, "Is it a Git repo?"),
        (
            (200, git, "001e# service=git-upload-pack\n0000ffff"),
            BrokenRepository,
            "",
        ),
    ] {
        let (status, kind, body) = answer;
        let server = Server::start(Behaviour::Answer(status, kind, body));
        let run = Bench::new().fetch(&server.url("app"));
        let failure = run.failure();
        let loose = [NotARepository, BrokenRepository, Unreachable];
        let fits =
            failure.code == code || (status == 200 && kind == git && loose.contains(&failure.code));
        assert!(fits, "{answer:?}: {failure:?}");
        if failure.code == code {
            assert!(failure.message.contains(words), "{answer:?}: {failure:?}");
        }
        if failure.code == RepositoryNotFound || failure.code == NotARepository {
            let prefix = "Failed to install app. Is it a Git repo? http://127.0.0.1";
            assert!(failure.message.starts_with(prefix), "{failure:?}");
        }
    }
}

/// A port that no other process can listen on while the socket exists.
fn port_without_a_listener() -> (OwnedFd, u16) {
    let (family, flags) = (AddressFamily::Inet, SockFlag::SOCK_CLOEXEC);
    let held = socket(family, SockType::Stream, flags, None).expect("a socket");
    bind(held.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).expect("a port");
    let at: SockaddrIn = getsockname(held.as_raw_fd()).expect("its port");
    (held, at.port())
}

#[test]
fn nobody_at_the_address_is_a_failure_that_may_pass() {
    let (_held, port) = port_without_a_listener();
    for url in [
        format!("http://127.0.0.1:{port}/app"),
        "http://app.invalid/app".to_owned(),
    ] {
        let run = Bench::new().fetch(&url);
        run.assert_failed(FailureCode::Unreachable, "cannot be reached");
        assert!(run.failure().code.is_temporary());
    }
}

#[test]
fn plain_http_behind_an_https_url_is_not_trusted() {
    let server = Server::start(Behaviour::Answer(200, "text/plain", "hello"));
    let url = server.url("app").replace("http://", "https://");
    let run = Bench::new().fetch(&url);
    let refused = [
        FailureCode::Unreachable,
        FailureCode::Certificate,
        FailureCode::NotARepository,
    ];
    assert!(refused.contains(&run.failure().code), "{run:?}");
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let server = Server::start(Behaviour::Hang);
    let started = Instant::now();
    let run = Bench::new().fetch_limited(&server.url("app"), impatient());
    run.assert_failed(FailureCode::Timeout, "did not answer for 2 s");
    assert!(started.elapsed() < Duration::from_secs(60));
    let list = Request::ListTags {
        source: server.url("app").parse().unwrap(),
        access: Access::default(),
        limits: impatient(),
    };
    Bench::new()
        .run(&list)
        .assert_failed(FailureCode::Timeout, "did not answer for 2 s");
}

#[test]
fn a_list_of_tags_without_end_is_given_up() {
    let server = Server::start(Behaviour::Endless);
    let started = Instant::now();
    let run = Bench::new().fetch_limited(&server.url("app"), impatient());
    let code = run.failure().code;
    assert!(
        [FailureCode::Timeout, FailureCode::TooBig].contains(&code),
        "{run:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn redirects_in_a_circle_and_to_other_protocols_are_refused() {
    for to in ["file:///etc", "ftp://127.0.0.1", "ssh://127.0.0.1", ""] {
        let server = Server::start(Behaviour::Redirect(to.to_owned()));
        let run = Bench::new().fetch(&server.url("app"));
        let code = run.failure().code;
        let refused = [
            FailureCode::Redirected,
            FailureCode::NotARepository,
            FailureCode::BrokenRepository,
        ];
        assert!(refused.contains(&code), "{to}: {:?}", run.failure());
    }
}

#[test]
fn an_answer_that_ends_early_or_is_damaged_is_never_a_package() {
    let (root, _) = noisy_app(60_000).bare("app");
    for bytes in [0, 40, 300, 2_000, 30_000] {
        let server = Server::start(Behaviour::Truncated(root.path().to_path_buf(), bytes));
        let bench = Bench::new();
        bench.fetch(&server.url("app")).failure();
        assert!(!bench.package().exists());
    }
    for byte in [5_000, 20_000, 40_000] {
        let server = Server::start(Behaviour::Damaged(root.path().to_path_buf(), byte));
        let bench = Bench::new();
        let run = bench.fetch(&server.url("app"));
        let code = run.failure().code;
        assert!(
            code == FailureCode::BrokenRepository || code == FailureCode::NotARepository,
            "{run:?}"
        );
        assert!(!bench.package().exists());
    }
}

#[test]
fn more_bytes_or_objects_than_admitted_end_the_fetch() {
    let repo = noisy_app(3_000_000);
    for n in 0..50 {
        repo.write(&format!("many/{n}"), n.to_string());
    }
    repo.release("v1.1.0");
    let (root, _) = repo.bare("app");
    let server = Server::start(Behaviour::Git(root.path().to_path_buf()));
    let limits = FetchLimits {
        fetch_bytes: 1_000_000,
        ..FetchLimits::default()
    };
    let run = Bench::new().fetch_limited(&server.url("app"), limits);
    run.assert_failed(FailureCode::TooBig, "sends more than 976.6 KiB");
    let limits = FetchLimits {
        fetch_objects: 20,
        ..FetchLimits::default()
    };
    let run = Bench::new().fetch_limited(&server.url("app"), limits);
    run.assert_failed(FailureCode::TooBig, "more than 20 objects");
}

#[test]
fn a_small_pack_that_inflates_to_gigabytes_is_refused() {
    let repo = Repo::new();
    repo.write("index.js", "");
    // 300 MB of nothing are 300 kB on the wire.
    let zeros = std::fs::File::create(repo.path().join("zeros")).unwrap();
    zeros.set_len(300_000_000).unwrap();
    repo.release("v1.0.0");
    let (root, _) = repo.bare("app");
    let server = Server::start(Behaviour::Git(root.path().to_path_buf()));
    let run = Bench::new().fetch(&server.url("app"));
    run.assert_failed(FailureCode::TooBig, "at most 256.0 MiB");
    // Each of them small enough, together too much.
    let repo = Repo::new();
    let blob = repo.blob(&vec![0; 10_000_000]);
    let names: Vec<_> = (0..30).map(|n| format!("{n:02}")).collect();
    let entries: Vec<_> = names
        .iter()
        .map(|name| ("100644", name.as_bytes(), blob.as_str()))
        .collect();
    let tree = repo.raw_tree(&entries);
    repo.release_tree(&tree, "v1.0.0");
    let (root, _) = repo.bare("app");
    let server = Server::start(Behaviour::Git(root.path().to_path_buf()));
    let limits = FetchLimits {
        package_bytes: 100_000_000,
        ..FetchLimits::default()
    };
    let run = Bench::new().fetch_limited(&server.url("app"), limits);
    run.assert_failed(FailureCode::TooBig, "more than 95.4 MiB of files");
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    for request in [
        "",
        "{",
        "[]",
        "null",
        r#"{"request":"fetch"}"#,
        r#"{"request":"fetch","source":"ssh://example.org/x"}"#,
        r#"{"request":"fetch","source":"https://me:hunter2@example.org/x"}"#,
        r#"{"request":"fetch","source":"https://example.org/x","extra":1}"#,
        r#"{"request":"fetch","source":"/srv/app","wanted":{"by":"newest","range":"!"}}"#,
    ] {
        let run = Bench::new().run_text(request);
        run.assert_failed(FailureCode::BadRequest, "the request is wrong");
        assert!(!run.failure().message.contains("hunter2"));
    }
    Bench::new()
        .fetch("/srv/app")
        .assert_failed(FailureCode::BadRequest, "runs in place");
    let run = Bench::new().run_text(&"x".repeat(300_000));
    run.assert_failed(FailureCode::BadRequest, "the request is wrong");
}
