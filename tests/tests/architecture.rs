//! The rules of `ARCHITECTURE.md` about who may use whom, checked from `cargo metadata` and the
//! sources.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
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

/// `(library, the crates that may depend on it, the folders of each that may name it)`.
/// No folder means anywhere in the crate.
const OWNED: &[(&str, &[&str], &[&str])] = &[
    ("git2", &["atek-package"], &[]),
    ("redb", &["atek-adb"], &["src/storage"]),
    // The sandbox applies rules, the check asks whether the kernel has them.
    ("landlock", &["atek-sandbox", "atek-system-check"], &[]),
];

/// `(crate, library, the folders that may name it)`.
const CONFINED: &[(&str, &str, &[&str])] = &[
    ("atekd", "zbus", &["src/systemd", "src/spawn", "src/mdns"]),
    ("atek-gateway", "axum", &["src/host_paths.rs"]),
];

/// Crates whose modules may not use each other in a circle.
const LAYERED: &[&str] = &["atekd", "atek-gateway", "atek-host-model"];

/// `(crate, crates that it may not depend on)`.
const STRANGERS: &[(&str, &[&str])] = &[
    ("atek-gateway", &["atekd", "zbus", "systemd"]),
    (
        "atek-host-model",
        &["atekd", "atek-gateway", "hyper", "axum", "zbus"],
    ),
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

/// The places in a crate that name `library` outside `folders`. Its tests may: they play the other
/// side.
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
fn each_library_with_owners_is_used_by_its_owners_alone() {
    for (library, owners, folders) in OWNED {
        let is_owner = |name: &str| owners.contains(&name);
        for other in packages().iter().filter(|package| !is_owner(&package.name)) {
            assert!(
                !other.dependencies.iter().any(|d| d == library),
                "{} depends on {library}",
                other.name
            );
        }
        for owner in owners.iter().filter(|_| !folders.is_empty()) {
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

/// The modules at the top of a crate, each with those that it names, from its sources without
/// tests and comments.
fn module_graph(package: &Package) -> BTreeMap<String, BTreeSet<String>> {
    let src = package.dir.join("src");
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources(&src) {
        let below = file
            .strip_prefix(&src)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let module = below.split('/').next().unwrap_or_default();
        let module = module.trim_end_matches(".rs").to_owned();
        if below.contains("tests") || matches!(module.as_str(), "main" | "lib") {
            continue;
        }
        let source = std::fs::read_to_string(&file).unwrap();
        let source = source
            .split("#[cfg(test)]\nmod ")
            .next()
            .unwrap_or_default();
        let code: String = source
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join(" ");
        let mut named = named_after(&code, "crate::");
        if !below.contains('/') {
            // Here the parent is the crate itself.
            named.extend(named_after(&code, "super::"));
        }
        named.remove(&module);
        graph.entry(module).or_default().extend(named);
    }
    let modules: BTreeSet<String> = graph.keys().cloned().collect();
    for named in graph.values_mut() {
        named.retain(|name| modules.contains(name));
    }
    graph
}

/// The names that follow a path's beginning: one, or each at the top of a list in braces.
fn named_after(code: &str, begin: &str) -> BTreeSet<String> {
    let name = |text: &str| -> String {
        let is_part = |c: &char| c.is_alphanumeric() || *c == '_';
        text.trim_start().chars().take_while(is_part).collect()
    };
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(begin) {
        let rest = &code[at + begin.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            names.insert(name(rest));
            continue;
        };
        let (mut depth, mut start) = (0, 0);
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                ',' | '}' if depth == 0 => {
                    names.insert(name(&list[start..at]));
                    start = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    names
}

/// A circle in a graph, if there is one: the modules on it, the first one again at the end.
fn circle(graph: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(
        graph: &BTreeMap<String, BTreeSet<String>>,
        at: &str,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(begin) = path.iter().position(|module| module == at) {
            let mut circle = path[begin..].to_vec();
            circle.push(at.to_owned());
            return Some(circle);
        }
        if done.contains(at) {
            return None;
        }
        path.push(at.to_owned());
        for next in graph.get(at).into_iter().flatten() {
            if let Some(circle) = walk(graph, next, path, done) {
                return Some(circle);
            }
        }
        path.pop();
        done.insert(at.to_owned());
        None
    }
    let mut done = BTreeSet::new();
    graph
        .keys()
        .find_map(|module| walk(graph, module, &mut Vec::new(), &mut done))
}

#[test]
fn no_modules_use_each_other_in_a_circle() {
    for name in LAYERED {
        let graph = module_graph(&package(name));
        let uses: usize = graph.values().map(BTreeSet::len).sum();
        assert!(
            uses > 3,
            "{name}: only {uses} uses between modules were found"
        );
        let circle = circle(&graph);
        assert!(circle.is_none(), "{name}: {circle:?}");
    }
}

#[test]
fn the_gateway_and_the_vocabulary_know_nothing_of_the_daemon() {
    for (name, strangers) in STRANGERS {
        for dependency in &package(name).dependencies {
            assert!(
                !strangers.contains(&dependency.as_str()),
                "{name} depends on {dependency}"
            );
        }
    }
}

#[test]
fn a_circle_is_found_also_through_lists_in_braces() {
    let graph = |edges: &[(&str, &str)]| {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (module, code) in edges {
            graph.insert((*module).to_owned(), named_after(code, "crate::"));
        }
        graph
    };
    let straight = graph(&[
        ("a", "use crate::{b::{X, c}, c};"),
        ("b", "crate::c::Y"),
        ("c", ""),
    ]);
    assert_eq!(straight["a"], ["b", "c"].map(str::to_owned).into());
    assert_eq!(circle(&straight), None);
    let round = graph(&[
        ("a", "use crate::b;"),
        ("b", "use crate::{x, c::Y};"),
        ("c", "crate::a()"),
    ]);
    assert_eq!(circle(&round).unwrap(), ["a", "b", "c", "a"]);
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
    let files = sources(&api.dir.join("src"));
    let texts: Vec<String> = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    for (file, source) in files.iter().zip(&texts) {
        // Its tests may do what they need to, also in a file of their own.
        let stem = file.file_stem().unwrap().to_string_lossy();
        let as_test = format!("#[cfg(test)]\nmod {stem};");
        if texts.iter().any(|text| text.contains(&as_test)) {
            continue;
        }
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
    // Written by a test of atek-api.
    let generated = ["daemon/web/src/lib/api/types.ts"];
    let mut long = BTreeMap::new();
    for file in files() {
        if generated.contains(&file.as_str()) {
            continue;
        }
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
    // Mirrors are the administrator's choice. Put together here, so as not to be found in this very
    // file.
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
