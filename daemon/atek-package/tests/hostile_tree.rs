//! Releases whose files would lead out of the package, or are too many.

mod support;

use atek_api::package::{FailureCode, FetchLimits};
use proptest::prelude::*;
use std::os::unix::ffi::OsStrExt as _;
use support::repo::Repo;
use support::{Bench, paths};

#[test]
fn no_repository_and_no_release_are_told_in_the_originals_words() {
    let bench = Bench::new();
    let empty = bench.outside();
    let source = format!("git+file://{}", empty.display());
    bench.fetch(&source).assert_failed(
        FailureCode::RepositoryNotFound,
        "Failed to install app. Is it a Git repo?",
    );
    let gone = Bench::new().fetch("git+file:///does/not/exist");
    gone.assert_failed(FailureCode::RepositoryNotFound, "Is it a Git repo?");

    let repo = Repo::new();
    repo.write("index.js", "").release("nightly");
    let source = repo.source();
    let words = format!("No release (git tag) has been set for {source}");
    Bench::new()
        .fetch(&source)
        .assert_failed(FailureCode::NoRelease, &words);
    repo.release("v1.0.0");
    let words = format!(
        "No release (git tag) available for {source} which matches the desired version of ^2"
    );
    Bench::new()
        .fetch_range(&source, "^2")
        .assert_failed(FailureCode::NoMatchingRelease, &words);
}

#[test]
fn a_tag_that_is_not_a_commit_is_refused() {
    let repo = Repo::app();
    let blob = repo.blob(b"text");
    let tree = repo.git(&["rev-parse", "HEAD^{tree}"]);
    for (target, kind) in [(&blob, "file"), (&tree, "folder")] {
        for annotated in [false, true] {
            let mut arguments = vec!["tag", "-f", "v2.0.0", target.as_str()];
            if annotated {
                arguments.splice(1..1, ["-a", "-m", "x"]);
            }
            repo.git(&arguments);
            let run = Bench::new().fetch(&repo.source());
            let words = format!("the tag v2.0.0 leads to a {kind}, not to a commit");
            run.assert_failed(FailureCode::TagNotACommit, &words);
        }
    }
}

#[test]
fn links_out_of_the_package_are_refused_and_nothing_is_read_through_them() {
    for (path, target) in [
        ("x", "/etc/passwd"),
        ("x", "../outside/secret"),
        ("x", ".."),
        ("a/x", "../../outside"),
        ("a/x", "b/../../../outside"),
        ("x", "a/../../outside"),
    ] {
        let repo = Repo::new();
        repo.write("index.js", "")
            .write("a/b/file", "")
            .link(path, target)
            .release("v1.0.0");
        let bench = Bench::new();
        let run = bench.fetch(&repo.source());
        run.assert_failed(FailureCode::BadPath, "which is not inside the package");
    }
}

#[test]
fn a_file_cannot_be_written_through_a_link_of_the_same_name() {
    let repo = Repo::new();
    let bench = Bench::new();
    let file = repo.blob(b"written through");
    let folder = repo.raw_tree(&[("100644", b"secret", &file)]);
    // Also with a link that is admitted, to a folder that exists.
    for target in ["../outside", "real"] {
        let link = repo.blob(target.as_bytes());
        for order in [["120000", "40000"], ["40000", "120000"]] {
            let id = |mode: &str| {
                if mode == "40000" {
                    folder.clone()
                } else {
                    link.clone()
                }
            };
            let tree = repo.raw_tree(&[
                ("40000", b"real", &folder),
                (order[0], b"x", &id(order[0])),
                (order[1], b"x", &id(order[1])),
            ]);
            let tag = format!("v1.0.{}", repo.git(&["tag"]).lines().count());
            repo.release_tree(&tree, &tag);
            let bench = Bench::new();
            let run = bench.fetch(&repo.source());
            assert_eq!(
                run.failure().code,
                FailureCode::BadPath,
                "{:?}",
                run.failure()
            );
        }
    }
    assert_eq!(
        std::fs::read_to_string(bench.outside().join("secret")).unwrap(),
        "hunter2"
    );
}

#[test]
fn names_that_no_package_may_have_are_refused() {
    let repo = Repo::new();
    let file = repo.blob(b"x");
    let folder = repo.raw_tree(&[("100644", b"file", &file)]);
    let long = "n".repeat(300);
    let names: [&[u8]; 11] = [
        b".git",
        b".GIT",
        b".",
        b"..",
        b"",
        b"a/b",
        b"../x",
        b"bad\xff",
        b"line\nbreak",
        b"\x1b[31m",
        long.as_bytes(),
    ];
    for (nth, name) in names.iter().enumerate() {
        for (kind, mode, id) in [("file", "100644", &file), ("folder", "40000", &folder)] {
            let repo_tag = format!("v{}.0.0", nth * 2 + usize::from(kind == "file") + 1);
            let tree = repo.raw_tree(&[(mode, *name, id)]);
            repo.release_tree(&tree, &repo_tag);
            let bench = Bench::new();
            let run = bench.fetch_range(&repo.source(), repo_tag.trim_start_matches('v'));
            // libgit2 itself does not parse a tree with an empty name.
            let code = run.failure().code;
            let refused = [FailureCode::BadPath, FailureCode::BrokenRepository];
            assert!(refused.contains(&code), "{name:?}: {:?}", run.failure());
            assert!(
                !run.failure().message.contains(char::is_control),
                "{:?}",
                run.failure()
            );
        }
    }
}

#[test]
fn a_refused_name_was_shown_without_the_character_it_was_refused_for() {
    let repo = Repo::new();
    let file = repo.blob(b"x");
    for (nth, (name, words)) in [
        (
            &b"Icon\r"[..],
            "the name \"Icon\\r\": it has a carriage return, and macOS made it",
        ),
        (b"a\tb", "the name \"a\\tb\": it has a control character"),
        (
            b"\x1b[31m",
            "the name \"\\u{1b}[31m\": it has a control character",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let tree = repo.raw_tree(&[("100644", name, &file)]);
        repo.release_tree(&tree, &format!("v{}.0.0", nth + 1));
        let run = Bench::new().fetch(&repo.source());
        run.assert_failed(FailureCode::BadPath, words);
    }
}

#[test]
fn a_script_whose_first_line_ends_with_cr_lf_is_refused_with_the_cause() {
    let repo = Repo::new();
    let text = "#!/bin/sh\r\necho hello\r\n";
    repo.write("atek.json", r#"{"runtime":"native","entry":"run"}"#)
        .executable("run", text)
        .release("v1.0.0");
    let run = Bench::new().fetch(&repo.source());
    run.assert_failed(
        FailureCode::NoEntry,
        "the first line of run ends with CR LF",
    );
}

#[test]
fn modes_that_are_no_file_are_refused() {
    let repo = Repo::new();
    let file = repo.blob(b"x");
    for (nth, mode) in ["20644", "104755", "60660", "10644"].iter().enumerate() {
        let tree = repo.raw_tree(&[(mode, b"x", &file)]);
        let tag = format!("v{nth}.1.0");
        repo.release_tree(&tree, &tag);
        let bench = Bench::new();
        let run = bench.fetch_range(&repo.source(), tag.trim_start_matches('v'));
        assert_eq!(
            run.failure().code,
            FailureCode::BadPath,
            "{mode}: {:?}",
            run.failure()
        );
    }
}

#[test]
fn a_folder_that_is_a_file_and_missing_objects_are_damage() {
    let repo = Repo::new();
    let file = repo.blob(b"x");
    let folder = repo.raw_tree(&[("100644", b"x", &file)]);
    for (nth, (mode, id)) in [("40000", file.as_str()), ("100644", folder.as_str())]
        .into_iter()
        .enumerate()
    {
        let tree = repo.raw_tree(&[(mode, b"x", id)]);
        let tag = format!("v{nth}.1.0");
        repo.release_tree(&tree, &tag);
        let run = Bench::new().fetch_range(&repo.source(), tag.trim_start_matches('v'));
        assert_eq!(
            run.failure().code,
            FailureCode::BrokenRepository,
            "{:?}",
            run.failure()
        );
    }
    let repo = Repo::app();
    let id = repo.git(&["rev-parse", "HEAD:index.js"]);
    std::fs::remove_file(
        repo.path()
            .join(format!(".git/objects/{}/{}", &id[..2], &id[2..])),
    )
    .unwrap();
    Bench::new()
        .fetch(&repo.source())
        .assert_failed(FailureCode::BrokenRepository, "is damaged");
}

#[test]
fn trees_that_are_too_deep_or_too_wide_are_refused_early() {
    let repo = Repo::new();
    let mut tree = repo.raw_tree(&[("100644", b"x", &repo.blob(b"x"))]);
    for _ in 0..80 {
        tree = repo.raw_tree(&[("40000", b"d", &tree)]);
    }
    repo.release_tree(&tree, "v1.0.0");
    Bench::new()
        .fetch(&repo.source())
        .assert_failed(FailureCode::TooBig, "nested more than 64 deep");

    // Ten folders, each of them ten times the next: 10^8 files from nine objects.
    let repo = Repo::new();
    let mut tree = repo.blob(b"x");
    let names: Vec<_> = (0..10).map(|n| n.to_string()).collect();
    for level in 0..8 {
        let mode = if level == 0 { "100644" } else { "40000" };
        let entries: Vec<_> = names
            .iter()
            .map(|name| (mode, name.as_bytes(), tree.as_str()))
            .collect();
        tree = repo.raw_tree(&entries);
    }
    repo.release_tree(&tree, "v1.0.0");
    let limits = FetchLimits {
        package_files: 4_000,
        ..FetchLimits::default()
    };
    let bench = Bench::new();
    let run = bench.fetch_limited(&repo.source(), limits);
    run.assert_failed(FailureCode::TooBig, "more than 4000 files");
    assert!(paths(&bench.package()).len() <= 4_000);
}

#[test]
fn two_hundred_thousand_files_in_one_folder_are_refused_by_default() {
    let repo = Repo::new();
    let blob = repo.blob(b"x");
    let names: Vec<_> = (0..200_000).map(|n| format!("{n:06}")).collect();
    let entries: Vec<_> = names
        .iter()
        .map(|name| ("100644", name.as_bytes(), blob.as_str()))
        .collect();
    let tree = repo.raw_tree(&entries);
    repo.release_tree(&tree, "v1.0.0");
    let run = Bench::new().fetch(&repo.source());
    run.assert_failed(FailureCode::TooBig, "more than 150000 files");
}

#[test]
fn a_used_staging_folder_is_refused() {
    let repo = Repo::app();
    let bench = Bench::new();
    bench.fetch(&repo.source()).package();
    bench
        .fetch(&repo.source())
        .assert_failed(FailureCode::Internal, "cannot make a home folder");
}

#[test]
fn wrong_manifests_and_missing_entries_are_told_before_anything_is_built() {
    let touch = r#"{"scripts":{"build":"touch built"}}"#;
    for (files, code, words) in [
        (
            vec![("atek.json", "{\n  \"name\": 1\n}")],
            FailureCode::BadManifest,
            "atek.json, line 2, column 11, /name: must be a text, not a number",
        ),
        (
            vec![("atek.json", "{"), ("index.js", "")],
            FailureCode::BadManifest,
            "not JSON",
        ),
        (
            vec![("package.json", "[]"), ("index.js", "")],
            FailureCode::BadManifest,
            "package.json is wrong",
        ),
        (
            vec![("x", "")],
            FailureCode::NoEntry,
            "neither package.json \"main\" nor /index.js",
        ),
        (
            vec![("atek.json", r#"{"runtime":"native","entry":"bin/x"}"#)],
            FailureCode::NoEntry,
            "the package has no file bin/x",
        ),
        (
            vec![
                ("atek.json", r#"{"runtime":"native","entry":"x"}"#),
                ("x", ""),
            ],
            FailureCode::NoEntry,
            "is not executable",
        ),
    ] {
        let repo = Repo::new();
        repo.write("package.json", touch);
        for (path, text) in &files {
            repo.write(path, text);
        }
        repo.release("v1.0.0");
        let bench = Bench::new();
        let run = bench.fetch_and_build(&repo.source(), FetchLimits::default());
        run.assert_failed(code, words);
        if code == FailureCode::BadManifest {
            assert!(!bench.package().join("built").exists());
        }
    }
    let repo = Repo::new();
    repo.write("index.js", "")
        .write("atek.json", " ".repeat(70_000))
        .release("v1.0.0");
    let run = Bench::new().fetch(&repo.source());
    run.assert_failed(FailureCode::BadManifest, "at most 65536 are read");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Trees of any names, modes and targets: a package inside its folder, or a failure.
    #[test]
    fn any_tree_stays_in_its_folder(entries in prop::collection::vec((
        prop::sample::select(vec!["100644", "100755", "120000", "40000", "160000", "40755", "0"]),
        prop_oneof![
            prop::sample::select(vec![&b"a"[..], b"b", b"..", b".git", b"index.js", b"a/b", b"x "]).prop_map(<[u8]>::to_vec),
            prop::collection::vec(1u8.., 1..5),
        ],
        prop::sample::select(vec!["a", "b", "..", "../outside/secret", "/etc/passwd", "a/b", "./a", ""]),
    ), 1..6)) {
        let repo = Repo::new();
        let folder = repo.raw_tree(&[("100644", b"inner", &repo.blob(b"x"))]);
        let blobs: Vec<_> = entries.iter().map(|(_, _, text)| repo.blob(text.as_bytes())).collect();
        let raw: Vec<_> = entries.iter().zip(&blobs)
            .map(|((mode, name, _), blob)| {
                let id = if mode.starts_with('4') { &folder } else { blob };
                (*mode, name.as_slice(), id.as_str())
            })
            .collect();
        let tree = repo.raw_tree(&raw);
        repo.release_tree(&tree, "v1.0.0");
        let bench = Bench::new();
        // Checks that nothing outside changed, and that the last line is there.
        bench.fetch(&repo.source());
        if bench.package().exists() {
            for path in paths(&bench.package()) {
                let real = bench.package().join(&path).canonicalize();
                if let Ok(real) = real {
                    prop_assert!(real.starts_with(bench.staging().canonicalize().unwrap()), "{path}");
                }
                prop_assert!(!path.as_bytes().contains(&b'\n'));
                prop_assert!(std::ffi::OsStr::new(&path).as_bytes().iter().all(|b| *b >= 32));
            }
        }
    }
}
