//! Rules for the text of the sources: width of comments, and words that plain English avoids.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Columns of a comment line, at most; rustfmt keeps code within the same width.
const MOST_COLUMNS: usize = 100;

/// Words that make a text a riddle. The subject of a sentence is a thing with a name.
const UNCLEAR: &[&str] = &["whoever", "anew", "somebody", "nobody", "meanwhile"];

/// How the project is organised is no subject of the project.
const ORGANISATION: &[&str] = &["issue 1", "issue 2", "issue 3", "issue 4", "issue 5"];

struct Comment {
    file: PathBuf,
    line: usize,
    text: String,
    columns: usize,
}

fn repository() -> &'static Path {
    atek_tests::paths::repository()
}

fn tracked(pattern: &str) -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--", pattern])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "git ls-files failed");
    let files: Vec<PathBuf> = String::from_utf8(output.stdout)
        .unwrap()
        .split_terminator('\0')
        .map(|name| repository().join(name))
        .filter(|file| file.exists())
        .collect();
    assert!(!files.is_empty(), "no file matches {pattern}");
    files
}

/// The comment lines of all Rust sources, without tables, drawings and comments behind code.
fn comments() -> Vec<Comment> {
    let mut found = Vec::new();
    for file in tracked("*.rs") {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut is_fenced = false;
        for (index, line) in text.lines().enumerate() {
            let trimmed = line.trim_start();
            let content = trimmed.trim_start_matches(['/', '!']).trim_start();
            is_fenced ^= content.starts_with("```");
            // A table or a drawing cannot be wrapped.
            if trimmed.starts_with("//") && !is_fenced && !content.starts_with('|') {
                found.push(Comment {
                    file: file.strip_prefix(repository()).unwrap().to_owned(),
                    line: index + 1,
                    text: trimmed.to_lowercase(),
                    columns: line.chars().count(),
                });
            }
        }
    }
    found
}

/// The lines of all documents, and the comment lines of the code that browsers and Node run.
fn prose() -> Vec<Comment> {
    let mut found = Vec::new();
    for pattern in ["*.md", "*.js", "*.mjs", "*.ts", "*.svelte"] {
        let is_document = pattern == "*.md";
        for file in tracked(pattern) {
            let text = std::fs::read_to_string(&file).unwrap();
            let mut is_fenced = false;
            for (index, line) in text.lines().enumerate() {
                let trimmed = line.trim_start();
                is_fenced ^= is_document && trimmed.starts_with("```");
                let is_comment = ["//", "/*", "*"].iter().any(|it| trimmed.starts_with(it));
                if (is_document && !is_fenced) || (!is_document && is_comment) {
                    found.push(Comment {
                        file: file.strip_prefix(repository()).unwrap().to_owned(),
                        line: index + 1,
                        text: trimmed.to_lowercase(),
                        columns: line.chars().count(),
                    });
                }
            }
        }
    }
    found
}

fn report<'a>(found: impl Iterator<Item = &'a Comment>) -> String {
    found
        .map(|it| format!("{}:{}: {}\n", it.file.display(), it.line, it.text))
        .collect()
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'')
        .any(|part| part == word)
}

#[test]
fn comments_are_as_narrow_as_code() {
    let comments = comments();
    // An address cannot be wrapped.
    let wide = comments
        .iter()
        .filter(|it| it.columns > MOST_COLUMNS && !it.text.contains("://"));
    let wide = report(wide);
    assert!(
        wide.is_empty(),
        "comments over {MOST_COLUMNS} columns:\n{wide}"
    );
}

#[test]
fn comments_and_documents_use_plain_words() {
    let mut texts = comments();
    texts.extend(prose());
    let unclear = texts
        .iter()
        .filter(|it| UNCLEAR.iter().any(|word| has_word(&it.text, word)));
    let unclear = report(unclear);
    assert!(
        unclear.is_empty(),
        "lines with one of {UNCLEAR:?}:\n{unclear}"
    );
}

#[test]
fn sources_do_not_speak_of_the_projects_organisation() {
    for pattern in ["*.rs", "*.md", "tests/run", "image/run", ".ci/run"] {
        for file in tracked(pattern) {
            if file.ends_with("style.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap().to_lowercase();
            for phrase in ORGANISATION {
                assert!(!text.contains(phrase), "{}: {phrase}", file.display());
            }
        }
    }
}

#[test]
fn every_promise_of_security_md_names_a_test_that_exists() {
    let text = std::fs::read_to_string(repository().join("SECURITY.md")).unwrap();
    let sources: String = tracked("*.rs")
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'));
    let mut names = 0;
    for row in rows {
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for name in cell.split('`').skip(1).step_by(2) {
            names += 1;
            assert!(sources.contains(&format!("fn {name}(")), "no test {name}");
        }
    }
    assert!(names > 10, "only {names} tests are named");
}
