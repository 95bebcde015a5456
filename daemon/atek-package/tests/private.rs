//! Private repositories, and servers with a certificate of an authority of one's own.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod support;

use atek_api::package::{Access, FailureCode, FetchLimits, Request, Wanted};
use support::http::{Behaviour, Server};
use support::private::{Answer, Authority, Private, has_text};
use support::repo::Repo;
use support::{Bench, Run};

const TOKEN: &str = "ghp_hunter2";
/// `git:ghp_hunter2`
const BASIC: &str = "Z2l0OmdocF9odW50ZXIy";

/// A server of one private repository `app.git`.
fn private(repo: &Repo, authority: &Authority) -> (Private, tempfile::TempDir) {
    let (root, _) = repo.bare("app.git");
    let server = Server::start(Behaviour::Git(root.path().to_path_buf()));
    let private = Private::start(authority, Answer::Asks(BASIC, server));
    (private, root)
}

fn fetch(bench: &Bench, source: &str, token: Option<&str>, certificates: String) -> Run {
    bench.run(&Request::Fetch {
        source: source.parse().unwrap(),
        wanted: Wanted::default(),
        access: Access {
            token: token.map(|token| token.parse().unwrap()),
            certificates,
            ..Access::default()
        },
        limits: FetchLimits::default(),
    })
}

#[test]
fn a_private_repository_is_read_with_its_token_which_is_left_nowhere() {
    let (repo, authority) = (Repo::app(), Authority::new());
    let (server, _root) = private(&repo, &authority);
    // Also by its address without the end.
    for path in ["app.git", "app"] {
        let bench = Bench::new();
        let run = fetch(&bench, &server.url(path), Some(TOKEN), authority.pem());
        assert_eq!(run.package().release.tag, "v1.0.0");
        for secret in [TOKEN, BASIC] {
            assert!(!has_text(bench.folder.path(), secret));
            assert!(!format!("{run:?}").contains(secret));
        }
    }
}

#[test]
fn without_the_token_or_with_another_one_it_is_said_what_to_do() {
    let (repo, authority) = (Repo::app(), Authority::new());
    let (server, _root) = private(&repo, &authority);
    let url = server.url("app.git");
    let run = fetch(&Bench::new(), &url, None, authority.pem());
    let words = "a private one is read with an access token";
    run.assert_failed(FailureCode::RepositoryNotFound, words);
    for wrong in ["hunter3", "ada:ghp_hunter2"] {
        let run = fetch(&Bench::new(), &url, Some(wrong), authority.pem());
        run.assert_failed(FailureCode::TokenRefused, "does not take the access token");
        assert!(!format!("{run:?}").contains(wrong));
    }
}

#[test]
fn a_server_is_trusted_by_the_authority_that_was_added_and_by_no_other() {
    let (repo, authority) = (Repo::app(), Authority::new());
    let (server, _root) = private(&repo, &authority);
    let other = Authority::new();
    for certificates in [String::new(), other.pem()] {
        let run = fetch(
            &Bench::new(),
            &server.url("app.git"),
            Some(TOKEN),
            certificates,
        );
        run.assert_failed(FailureCode::Certificate, "cannot be verified");
    }
    assert!(
        server.seen.lock().unwrap().is_empty(),
        "the server was asked"
    );
    let both = format!("{}{}", other.pem(), authority.pem());
    let run = fetch(&Bench::new(), &server.url("app.git"), Some(TOKEN), both);
    assert_eq!(run.package().release.tag, "v1.0.0");
}

#[test]
fn a_token_does_not_follow_a_redirect_to_another_server() {
    let (repo, authority) = (Repo::app(), Authority::new());
    let (other, _root) = private(&repo, &authority);
    let to = other.url("").trim_end_matches('/').to_owned();
    let server = Private::start(&authority, Answer::Redirects(to));
    let run = fetch(
        &Bench::new(),
        &server.url("app.git"),
        Some(TOKEN),
        authority.pem(),
    );
    run.assert_failed(FailureCode::Redirected, "is not given its access token");
    assert!(
        other.seen.lock().unwrap().is_empty(),
        "the other server was asked"
    );
}

#[test]
fn a_token_is_not_sent_in_the_clear() {
    let repo = Repo::app();
    let (root, _) = repo.bare("app.git");
    let server = Server::start(Behaviour::Git(root.path().to_path_buf()));
    let run = fetch(
        &Bench::new(),
        &server.url("app.git"),
        Some(TOKEN),
        String::new(),
    );
    run.assert_failed(FailureCode::BadRequest, "Give the https:// address");
    assert!(
        server.seen.lock().unwrap().is_empty(),
        "the server was asked"
    );
}

#[test]
fn a_build_trusts_the_authority_too() {
    let authority = Authority::new();
    let (server, _root) = private(&Repo::app(), &authority);
    let repo = Repo::new();
    let script = format!(
        "node -e \"fetch('{}').then(({{ status }}) => require('fs').writeFileSync('status', String(status)))\"",
        server.url("app.git")
    );
    let package = serde_json::json!({ "name": "app", "scripts": { "build": script } });
    repo.write("index.js", "")
        .write("package.json", package.to_string())
        .release("v1.0.0");
    let bench = Bench::new();
    let fetched = bench.fetch(&repo.source());
    let build = |certificates: String| {
        bench.run(&Request::Build {
            package: Box::new(fetched.package().clone()),
            certificates,
            limits: FetchLimits::default(),
        })
    };
    build(String::new()).assert_failed(FailureCode::BuildFailed, "fetch failed");
    let built = build(authority.pem());
    assert_eq!(built.package().commit, fetched.package().commit);
    assert_eq!(bench.read("status"), "401");
}
