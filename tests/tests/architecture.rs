//! The rules of `ARCHITECTURE.md` about who may use whom, checked from `cargo metadata` and the sources.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What may stand at the top of the repository, besides dotfiles.
const TOP: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "buildroot",
    "daemon",
    "deny.toml",
    "docs",
    "image",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "tests",
    "units",
];

/// Lines of a source file with its tests, at most. A file holds one idea.
const MOST_LINES: usize = 1_000;

/// `(library, the one crate that may depend on it, the folders of that crate that may name it)`.
/// No folder means anywhere in the crate.
const OWNED: &[(&str, &str, &[&str])] = &[
    ("git2", "atek-package", &[]),
    ("redb", "atek-adb", &["src/storage"]),
    ("landlock", "atek-sandbox", &[]),
];

/// `(crate, library, the folders that may name it)`.
const CONFINED: &[(&str, &str, &[&str])] = &[
    ("atekd", "zbus", &["src/systemd", "src/spawn", "src/mdns"]),
    ("atekd", "axum", &["src/gateway"]),
];

/// Words that a crate of plain vocabulary has no use for.
const IMPURE: &[&str] = &[
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "async",
    "await",
    "fs",
    "process",
    "thread",
    "tokio",
];

fn repository() -> &'static Path {
    atek_tests::paths::repository()
}

/// One crate of the workspace.
struct Package {
    name: String,
    dir: PathBuf,
    is_process: bool,
    dependencies: Vec<String>,
}

fn packages() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let package = |package: &Value| {
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let dir = manifest.parent().unwrap().to_owned();
        let has_program = package["targets"]
            .as_array()
            .unwrap()
            .iter()
            .any(|target| target["kind"][0] == "bin");
        Package {
            name: text(&package["name"]),
            is_process: has_program && dir.starts_with(repository().join("daemon")),
            dir,
            dependencies: package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .map(|d| text(&d["name"]))
                .collect(),
        }
    };
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(package)
        .collect()
}

fn package(name: &str) -> Package {
    packages()
        .into_iter()
        .find(|package| package.name == name)
        .unwrap_or_else(|| panic!("no crate {name}"))
}

/// The files of the checkout that git tracks or would track, relative to its top.
fn files() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let listed = String::from_utf8(output.stdout).unwrap();
    listed
        .lines()
        .filter(|file| repository().join(file).is_file())
        .map(str::to_owned)
        .collect()
}

/// The Rust sources below a folder.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let inside = |file: &String| repository().join(file).starts_with(dir) && file.ends_with(".rs");
    files()
        .iter()
        .filter(|file| inside(file))
        .map(|file| repository().join(file))
        .collect()
}

/// The identifiers of a source, without those in comments and string literals, each with its line.
fn identifiers(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(source.lines()) {
        let mut code = String::new();
        let (mut quoted, mut characters) = (false, line.chars().peekable());
        while let Some(character) = characters.next() {
            match character {
                '\\' if quoted => drop(characters.next()),
                '"' => quoted = !quoted,
                '/' if !quoted && characters.peek() == Some(&'/') => break,
                _ => code.push(if quoted { ' ' } else { character }),
            }
        }
        let words = code
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty());
        found.extend(words.map(|word| (number, word.to_owned())));
    }
    found
}

/// The places in a crate that name `library` outside `folders`. Its tests may: they play the other side.
fn strays(package: &Package, library: &str, folders: &[&str]) -> Vec<String> {
    let is_test = |file: &Path| {
        file.file_stem()
            .is_some_and(|stem| stem.to_string_lossy().ends_with("tests"))
            || file.components().any(|part| part.as_os_str() == "tests")
    };
    let src = package.dir.join("src");
    let allowed = |file: &PathBuf| {
        is_test(file.strip_prefix(&src).unwrap())
            || folders
                .iter()
                .any(|folder| file.starts_with(package.dir.join(folder)))
    };
    let mut strays = Vec::new();
    for file in sources(&package.dir.join("src"))
        .into_iter()
        .filter(|file| !allowed(file))
    {
        for (line, word) in identifiers(&std::fs::read_to_string(&file).unwrap()) {
            if word == library {
                strays.push(format!(
                    "{}:{line}",
                    file.strip_prefix(repository()).unwrap().display()
                ));
            }
        }
    }
    strays
}

#[test]
fn no_process_depends_on_another() {
    let packages = packages();
    let processes: Vec<&str> = packages
        .iter()
        .filter(|p| p.is_process)
        .map(|p| p.name.as_str())
        .collect();
    assert!(
        processes.contains(&"atekd") && processes.len() >= 6,
        "the processes are {processes:?}"
    );
    for package in &packages {
        for dependency in &package.dependencies {
            assert!(
                !processes.contains(&dependency.as_str()),
                "{} depends on {dependency}",
                package.name
            );
        }
    }
}

#[test]
fn each_library_with_an_owner_is_used_by_its_owner_alone() {
    for (library, owner, folders) in OWNED {
        for other in packages().iter().filter(|package| package.name != *owner) {
            assert!(
                !other.dependencies.iter().any(|d| d == library),
                "{} depends on {library}",
                other.name
            );
        }
        if !folders.is_empty() {
            let strays = strays(&package(owner), library, folders);
            assert!(
                strays.is_empty(),
                "in {owner} only {folders:?} may use {library}: {strays:?}"
            );
        }
    }
}

#[test]
fn in_the_host_only_the_edges_know_the_bus_and_the_web() {
    for (name, library, folders) in CONFINED {
        let strays = strays(&package(name), library, folders);
        assert!(
            strays.is_empty(),
            "in {name} only {folders:?} may use {library}: {strays:?}"
        );
    }
}

#[test]
fn the_vocabulary_does_nothing() {
    let api = package("atek-api");
    for dependency in &api.dependencies {
        let impure = [
            "tokio", "futures", "async", "hyper", "axum", "zbus", "nix", "rustix", "libc",
        ];
        assert!(
            !impure.iter().any(|word| dependency.starts_with(word)),
            "atek-api depends on {dependency}"
        );
    }
    for file in sources(&api.dir.join("src")) {
        let source = std::fs::read_to_string(&file).unwrap();
        // Its tests may do what they need to.
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        let paths = code
            .lines()
            .filter(|line| line.contains("std::") || line.contains("async "))
            .collect::<Vec<_>>();
        for (_, word) in identifiers(&paths.join("\n")) {
            assert!(
                !IMPURE.contains(&word.as_str()),
                "{} uses {word}",
                file.display()
            );
        }
    }
}

#[test]
fn a_file_has_one_idea() {
    let written = ["rs", "js", "mjs", "ts", "svelte", "css", "html", "sh"];
    let mut long = BTreeMap::new();
    for file in files() {
        let path = Path::new(&file);
        let by_hand = path
            .extension()
            .is_none_or(|end| written.iter().any(|kind| end == *kind));
        if by_hand && let Ok(text) = std::fs::read_to_string(repository().join(path)) {
            let lines = text.lines().count();
            if lines > MOST_LINES {
                long.insert(file, lines);
            }
        }
    }
    assert!(
        long.is_empty(),
        "more than {MOST_LINES} lines, split by idea: {long:?}"
    );
}

#[test]
fn the_top_of_the_repository_stays_as_it_is() {
    for file in files() {
        let top = file.split('/').next().unwrap_or_default();
        assert!(
            top.starts_with('.') || TOP.contains(&top),
            "{top} has no place at the top (ARCHITECTURE.md)"
        );
    }
}

#[test]
fn no_file_names_a_package_archive() {
    // Mirrors are the administrator's choice. Put together here, so as not to be found in this very file.
    let hosts = [
        ["deb", "debian", "org"],
        ["registry", "npmjs", "org"],
        ["index", "crates", "io"],
    ];
    let mut named = BTreeMap::new();
    for file in files().into_iter().filter(|file| file != "Cargo.lock") {
        let Ok(text) = std::fs::read_to_string(repository().join(&file)) else {
            continue;
        };
        for host in hosts.map(|parts| parts.join(".")) {
            if text.contains(&host) {
                named.insert(file.clone(), host);
            }
        }
    }
    assert!(named.is_empty(), "{named:?}");
}

#[test]
fn identifiers_are_found_outside_comments_and_strings_only() {
    let source = "use zbus::proxy; // axum\nlet a = \"redb \\\" git2\" + landlock;\n";
    let words: Vec<String> = identifiers(source)
        .into_iter()
        .map(|(_, word)| word)
        .collect();
    assert_eq!(words, ["use", "zbus", "proxy", "let", "a", "landlock"]);
}
