use super::*;
use proptest::prelude::*;

fn range(text: &str) -> Range {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_tag_is_a_release_only_if_it_is_a_version() {
    for (tag, version) in [
        ("1.2.3", Some("1.2.3")),
        ("v1.2.3", Some("1.2.3")),
        ("V1.2.3", Some("1.2.3")),
        ("v1", Some("1.0.0")),
        ("1.2", Some("1.2.0")),
        ("v1.2.3-beta.1", Some("1.2.3-beta.1")),
        ("v1.2.3+build.5", Some("1.2.3+build.5")),
        ("0.0.1", Some("0.0.1")),
        ("", None),
        ("v", None),
        ("vv1.0.0", None),
        ("nightly", None),
        ("v1-beta", None),
        ("1.2.3.4", None),
        ("v01.2.3", None),
        ("2024.01.05", Some("2024.1.5")),
        ("2024.08", Some("2024.8.0")),
        ("v2024.01.05-2", Some("2024.1.5-2")),
        ("2024.00.10", Some("2024.0.10")),
        ("notes@1.2.3", Some("1.2.3")),
        ("notes-v1.2.3", Some("1.2.3")),
        ("releases/v1.2.3", Some("1.2.3")),
        ("release-2.0", Some("2.0.0")),
        ("my-app-v1.2.3-rc.1", Some("1.2.3-rc.1")),
        ("@scope/notes@1.2.3", None),
        ("a/b/1.2.3", None),
        ("build-17", None),
        ("nightly-2024", None),
        ("a_b-1.2.3", None),
        ("v.1.2.3", None),
        ("v1.", None),
        ("release-1.2.3", Some("1.2.3")),
        ("v1.2.3 ", None),
        ("../1.2.3", None),
        ("v1.2.3/x", None),
        ("v99999999999999999999.0.0", None),
    ] {
        let got = Release::from_tag(tag).map(|release| release.version.to_string());
        assert_eq!(got.as_deref(), version, "{tag:?}");
    }
}

#[test]
fn ranges_mean_what_npm_means() {
    // (range, in, out)
    let table: [(&str, &[&str], &[&str]); 25] = [
        ("", &["0.0.1", "9.9.9"], &["1.0.0-beta"]),
        ("latest", &["1.0.0"], &["1.0.0-beta"]),
        ("*", &["1.0.0"], &["1.0.0-beta"]),
        ("x", &["1.0.0"], &[]),
        ("1.2.3", &["1.2.3"], &["1.2.4", "1.3.0"]),
        ("=1.2.3", &["1.2.3"], &["1.2.4"]),
        ("v1.2.3", &["1.2.3"], &["1.2.4"]),
        ("1", &["1.0.0", "1.9.9"], &["2.0.0", "0.9.0"]),
        ("1.2", &["1.2.0", "1.2.9"], &["1.3.0"]),
        ("1.x", &["1.0.0", "1.9.9"], &["2.0.0"]),
        ("1.2.X", &["1.2.0"], &["1.3.0"]),
        ("1.*.*", &["1.0.0"], &["2.0.0"]),
        (
            "^1.2",
            &["1.2.0", "1.9.0"],
            &["1.1.9", "2.0.0", "1.3.0-beta"],
        ),
        ("^0.2.3", &["0.2.3", "0.2.9"], &["0.3.0"]),
        ("^0.0.3", &["0.0.3"], &["0.0.4"]),
        ("~1.2.3", &["1.2.3", "1.2.9"], &["1.3.0"]),
        ("~>1.2", &["1.2.9"], &["1.3.0"]),
        (">=1 <2", &["1.0.0", "1.9.9"], &["2.0.0"]),
        (">= 1.2, < 2", &["1.2.0"], &["1.1.0", "2.0.0"]),
        (">1.2", &["1.3.0"], &["1.2.9"]),
        ("<=1.2", &["1.2.9"], &["1.3.0"]),
        ("1.2 - 2.3", &["1.2.0", "2.3.9"], &["1.1.9", "2.4.0"]),
        ("1.2.x || >=2.5", &["1.2.7", "3.0.0"], &["1.3.0", "2.4.9"]),
        (
            "^1.0.0-beta.2",
            &["1.0.0-beta.3", "1.0.0", "1.5.0"],
            &["1.0.0-beta.1", "1.5.0-beta.3"],
        ),
        ("* || 2.0.0-rc.1", &["1.0.0", "2.0.0-rc.1"], &["2.0.0-rc.2"]),
    ];
    for (text, inside, outside) in table {
        for version in inside {
            assert!(
                range(text).matches(&version.parse().unwrap()),
                "{version} in {text:?}"
            );
        }
        for version in outside {
            assert!(
                !range(text).matches(&version.parse().unwrap()),
                "{version} in {text:?}"
            );
        }
    }
}

#[test]
fn a_text_that_is_no_range_is_refused_with_examples() {
    for bad in [
        "newest",
        "1.2.3.4",
        "^",
        ">=",
        "1.x.3",
        "01.2",
        "=>1",
        "!1",
        "1 |",
        "1 || nope",
        "1..2",
        "x-beta",
        "1.2-beta",
        "1.2.3-",
        "<*",
        "^+1",
        "|| ^",
        "-1",
        "99999999999999999999",
        &"1 ".repeat(200),
    ] {
        let error = bad.parse::<Range>().unwrap_err();
        assert!(error.to_string().contains("write for example"), "{bad:?}");
    }
}

/// Tags, range, refused, expected.
type Row = (
    &'static [&'static str],
    &'static str,
    &'static [&'static str],
    Result<&'static str, NoChoice>,
);

#[test]
fn the_newest_release_in_the_range_that_was_not_refused_is_chosen() {
    use NoChoice::{AllRefused, NoMatch, NoRelease};
    let table: [Row; 18] = [
        (&["v1.0.0", "v2.0.0", "v2.1.0"], "", &[], Ok("v2.1.0")),
        (&["0.0.1", "0.0.2"], "latest", &[], Ok("0.0.2")),
        (&["v1.9.0", "v1.10.0"], "1.x", &[], Ok("v1.10.0")),
        (&["v1.0.0", "v2.0.0-beta"], "", &[], Ok("v1.0.0")),
        (
            &["v1.0.0", "v2.0.0-beta"],
            "^2.0.0-alpha",
            &[],
            Ok("v2.0.0-beta"),
        ),
        (&["v1", "v1.0.0"], "", &[], Ok("v1.0.0")),
        (&["v1.0.0", "1.0.0"], "", &[], Ok("1.0.0")),
        (&["v1.0.0", "v1.1.0"], "^1", &["1.1.0"], Ok("v1.0.0")),
        (&["v1.1.0"], "^1", &["1.1.0"], Err(AllRefused)),
        (&["v1.0.0"], "^2", &[], Err(NoMatch)),
        (&[], "", &[], Err(NoRelease)),
        (&["nightly"], "^1", &[], Err(NoRelease)),
        (&["2024.01.05", "2024.08.07"], "", &[], Ok("2024.08.07")),
        (
            &["notes@1.2.3", "notes-v1.2.4"],
            "",
            &[],
            Ok("notes-v1.2.4"),
        ),
        (&["api@2.0.0", "web@3.0.0"], "", &[], Err(NoRelease)),
        (&["docs-5.0", "v1.0.0"], "", &[], Ok("v1.0.0")),
        (&["v1.0.0-beta"], "", &[], Err(NoRelease)),
        (&["v1.0.0-beta"], "^1", &[], Err(NoMatch)),
    ];
    for (tags, text, refused, expected) in table {
        let refused: Vec<Version> = refused.iter().map(|v| v.parse().unwrap()).collect();
        let got = choose(tags.iter().copied(), &range(text), &refused);
        assert_eq!(
            got.as_ref()
                .map(|release| release.tag.as_str())
                .map_err(|e| *e),
            expected,
            "{tags:?} {text:?}"
        );
    }
}

#[test]
fn a_repository_without_a_release_says_which_tags_it_has() {
    for (tags, expected) in [
        (&[][..], ""),
        (
            &["v1.2.3.4"],
            ". None of its tags is a version such as v1.2.3: v1.2.3.4",
        ),
        (
            &["v1.2.3-rc.1", "v1.2.3-rc.2"],
            ". There are previews: v1.2.3-rc.2, v1.2.3-rc.1. To install one, ask for its version: 1.2.3-rc.2",
        ),
        (
            &["a", "b\u{1b}[1m", "c", "d", "e", "f", "g"],
            ". None of its tags is a version such as v1.2.3: a, b[1m, c, d, e and 2 more",
        ),
    ] {
        let tags: Vec<_> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        assert_eq!(explain_tags(&tags), expected);
    }
}

#[test]
fn an_update_is_newer_never_only_different() {
    for (installed, candidate, expected) in [
        ("v1.0.0", "v1.0.1", true),
        ("v1.0.0", "1.0.0", false),
        ("v2.0.0", "v1.9.9", false),
        ("v1.10.0", "v1.9.0", false),
        ("v1.0.0-beta", "v1.0.0", true),
        ("v1.0.0", "v1.0.0+build.2", false),
        ("latest", "v0.0.1", true),
    ] {
        let candidate = Release::from_tag(candidate).unwrap();
        assert_eq!(
            is_update(installed, &candidate),
            expected,
            "{installed} → {}",
            candidate.tag
        );
    }
}

fn any_tag() -> impl Strategy<Value = String> {
    prop_oneof![
        "v?[0-3]\\.[0-3]\\.[0-3]",
        "v?[0-3](\\.[0-3])?",
        "v[0-3]\\.[0-3]\\.[0-3]-(alpha|beta)(\\.[0-3])?",
        "[a-z]{0,4}",
        "(notes|api)(@|-v|/v)[0-3]\\.[0-3]\\.[0-3]",
    ]
}

fn any_range() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[\\^~<>]?=?[0-3](\\.[0-3x])?( ?<=?[0-3])?( \\|\\| [0-3])?",
        ".{0,12}"
    ]
}

proptest! {
    #[test]
    fn the_choice_is_in_the_range_and_nothing_better_was_left(
        tags in prop::collection::vec(any_tag(), 0..12),
        range in any_range(),
        refused in prop::collection::vec("[0-3]\\.[0-3]\\.[0-3]", 0..4),
    ) {
        let Ok(range) = range.parse::<Range>() else { return Ok(()) };
        let refused: Vec<Version> = refused.iter().map(|v| v.parse().unwrap()).collect();
        let counted: Vec<_> = releases(tags.iter().map(String::as_str));
        let good = |tag: &String| counted.iter().find(|release| release.tag == *tag).cloned()
            .filter(|r| range.matches(&r.version) && !refused.contains(&r.version));
        match choose(tags.iter().map(String::as_str), &range, &refused) {
            Ok(release) => {
                prop_assert!(tags.contains(&release.tag));
                prop_assert!(good(&release.tag).is_some());
                prop_assert!(tags.iter().filter_map(good).all(|other| other <= release));
            }
            Err(_) => prop_assert!(tags.iter().all(|tag| good(tag).is_none())),
        }
    }

    #[test]
    fn any_text_is_a_range_that_reads_the_same_again_or_an_error(text in any_range()) {
        if let Ok(range) = text.parse::<Range>() {
            let json = serde_json::to_string(&range).unwrap();
            prop_assert_eq!(serde_json::from_str::<Range>(&json).unwrap(), range);
        }
    }

    #[test]
    fn a_tag_is_always_a_safe_file_name(tag in prop_oneof![any_tag(), "(?s).{0,30}"]) {
        if let Some(release) = Release::from_tag(&tag) {
            let name = Release::folder_name(&release.tag);
            prop_assert!(name.parse::<crate::spec::PackageVersion>().is_ok(), "{}", name);
        }
    }
}
