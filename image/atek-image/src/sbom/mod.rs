//! The bill of materials beside a card: CycloneDX 1.6 as JSON, of the crates, the npm packages and
//! the packages of Debian or Buildroot that it was built from, with their licences. Sorted and
//! without a time, so that the same inputs give the same bytes.

mod buildroot;
mod debian;

pub use buildroot::legal_info;
pub use debian::debian;

use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that the card was built from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    /// Its name in its own archive.
    pub name: String,
    /// Its version, as the archive writes it.
    pub version: String,
    /// The kind of a package URL: `cargo`, `npm`, `deb/debian`, `generic`.
    pub kind: &'static str,
    /// SHA-256 in hexadecimal digits, where the archive tells it.
    pub sha256: Option<String>,
    /// The licences, as the archive names them: an SPDX expression, or names of its own.
    pub licenses: Vec<String>,
}

/// The document for a version of Atek.
#[must_use]
pub fn document(version: &str, mut components: Vec<Component>) -> Value {
    components.sort();
    components.dedup_by(|a, b| (a.kind, &a.name, &a.version) == (b.kind, &b.name, &b.version));
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": { "type": "operating-system", "name": "atek", "version": version } },
        "components": components.iter().map(component).collect::<Vec<_>>(),
    })
}

fn component(component: &Component) -> Value {
    let Component {
        name,
        version,
        kind,
        ..
    } = component;
    let purl = format!("pkg:{kind}/{}@{version}", name.replace('@', "%40"));
    let mut value = json!({
        "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
    });
    if let Some(sha256) = &component.sha256 {
        value["hashes"] = json!([{ "alg": "SHA-256", "content": sha256 }]);
    }
    match &component.licenses[..] {
        [] => {}
        // An expression stands alone (CycloneDX 1.6, licenseChoice).
        [one] if is_expression(one) => value["licenses"] = json!([{ "expression": one }]),
        names => {
            let names = names
                .iter()
                .map(|name| json!({ "license": { "name": name } }));
            value["licenses"] = names.collect();
        }
    }
    value
}

/// Whether a text has the form of an SPDX expression (SPDX 2.3, annex D), with the names of SPDX's
/// list, which unlike Debian's have no `+` after the name of a GNU licence.
fn is_expression(text: &str) -> bool {
    let is_name = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
    };
    let plain = text.replace(['(', ')'], " ");
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.len() % 2 == 1
        && words.iter().enumerate().all(|(at, word)| {
            let is_operator = ["AND", "OR", "WITH"].contains(word);
            if at % 2 == 1 {
                is_operator
            } else {
                !is_operator && is_name(word)
            }
        })
}

/// The crates that the programs of the box are made of, as cargo resolves them, with the folders of
/// their sources.
#[derive(Debug, Default)]
pub struct Crates {
    /// What is written down of them.
    pub components: Vec<Component>,
    /// Where each lies: name, version, folder.
    pub sources: Vec<(String, String, PathBuf)>,
}

/// The crates for arm64 of a checkout; with this machine's cargo.
///
/// # Errors
///
/// When cargo is missing, or has not fetched the crates and cannot.
pub fn crates(checkout: &Path) -> anyhow::Result<Crates> {
    let lock = checkout.join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock)
        .with_context(|| format!("cannot read {}", lock.display()))?;
    let metadata = crate::command::run(
        Command::new("cargo")
            .args(["metadata", "--locked", "--format-version=1"])
            .args(["--filter-platform", "aarch64-unknown-linux-gnu"])
            .current_dir(checkout),
    )?;
    let metadata = serde_json::from_str(&metadata).context("cargo's metadata is no JSON")?;
    resolved(&lock, &metadata)
}

/// The crates of `cargo metadata` that come from a registry, with their hashes from `Cargo.lock`.
fn resolved(lock: &str, metadata: &Value) -> anyhow::Result<Crates> {
    let hashes = checksums(lock)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo's metadata has no packages")?;
    let mut crates = Crates::default();
    for package in packages
        .iter()
        .filter(|package| !package["source"].is_null())
    {
        let field = |name: &str| {
            let text = package[name].as_str().map(str::to_owned);
            text.with_context(|| format!("a crate has no {name}"))
        };
        let (name, version) = (field("name")?, field("version")?);
        // An older way to write OR.
        let license = package["license"]
            .as_str()
            .map(|text| text.replace(" / ", "/").replace('/', " OR "));
        let manifest = PathBuf::from(field("manifest_path")?);
        let folder = manifest.parent().unwrap_or(Path::new("/")).to_owned();
        crates.components.push(Component {
            sha256: hashes.get(&(name.clone(), version.clone())).cloned(),
            name: name.clone(),
            version: version.clone(),
            kind: "cargo",
            licenses: license.into_iter().collect(),
        });
        crates.sources.push((name, version, folder));
    }
    Ok(crates)
}

/// The SHA-256 of each crate in a `Cargo.lock`, by name and version.
fn checksums(lock: &str) -> anyhow::Result<BTreeMap<(String, String), String>> {
    let lock: toml::Table = toml::from_str(lock).context("Cargo.lock is no TOML")?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    Ok(packages
        .into_iter()
        .flatten()
        .filter_map(|package| {
            let field = |name: &str| package.get(name)?.as_str().map(str::to_owned);
            Some(((field("name")?, field("version")?), field("checksum")?))
        })
        .collect())
}

/// The lockfiles of the npm packages that are on the card, in the checkout.
const NPM_LOCKS: [&str; 2] = [
    "daemon/web/package-lock.json",
    "daemon/hypercore/package-lock.json",
];

/// The npm packages that Atek's own programs are made of.
///
/// # Errors
///
/// When a lockfile cannot be read.
pub fn npm_of_checkout(checkout: &Path) -> anyhow::Result<Vec<Component>> {
    let mut found = Vec::new();
    for name in NPM_LOCKS {
        let path = checkout.join(name);
        let lock = fs::read_to_string(&path);
        let lock = lock.with_context(|| format!("cannot read {}", path.display()))?;
        found.extend(npm(&lock).with_context(|| path.display().to_string())?);
    }
    Ok(found)
}

/// The packages of an npm lockfile; not the project itself, nor what only its tests and checks
/// use.
///
/// # Errors
///
/// When it is not JSON of lockfile version 2 or 3.
fn npm(lock: &str) -> anyhow::Result<Vec<Component>> {
    let lock: Value = serde_json::from_str(lock).context("package-lock.json is no JSON")?;
    let packages = lock["packages"]
        .as_object()
        .context("package-lock.json has no `packages`")?;
    Ok(packages
        .iter()
        .filter(|(_, package)| package["dev"] != true)
        .filter_map(|(path, package)| npm_package(path.rsplit_once("node_modules/")?.1, package))
        .collect())
}

/// npm itself and the packages that it brings, from its folder in a root.
///
/// # Errors
///
/// When its folder cannot be read.
pub fn npm_itself(folder: &Path) -> anyhow::Result<Vec<Component>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let file = folder.join("package.json");
        if let Ok(text) = std::fs::read_to_string(&file) {
            let package: Value = serde_json::from_str(&text)
                .with_context(|| format!("{} is no JSON", file.display()))?;
            found.extend(npm_package(
                package["name"].as_str().unwrap_or_default(),
                &package,
            ));
        }
        let Ok(modules) = std::fs::read_dir(folder.join("node_modules")) else {
            continue;
        };
        for module in modules.filter_map(Result::ok) {
            // `@scope/name` is two folders deep.
            if module.file_name().to_string_lossy().starts_with('@') {
                let scope = std::fs::read_dir(module.path()).into_iter().flatten();
                folders.extend(scope.filter_map(Result::ok).map(|entry| entry.path()));
            } else {
                folders.push(module.path());
            }
        }
    }
    anyhow::ensure!(!found.is_empty(), "there is no npm in {}", folder.display());
    Ok(found)
}

fn npm_package(name: &str, package: &Value) -> Option<Component> {
    let license = package["license"].as_str().map(str::to_owned);
    Some(Component {
        name: Some(name).filter(|name| !name.is_empty())?.to_owned(),
        version: package["version"].as_str()?.to_owned(),
        kind: "npm",
        sha256: None,
        licenses: license.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_have_hash_and_licence_and_our_own_are_left_out() {
        let lock = "version = 4\n[[package]]\nname = \"atek\"\nversion = \"0.1.0\"\n\
                    [[package]]\nname = \"serde\"\nversion = \"1.0.2\"\nsource = \"registry+x\"\nchecksum = \"ab\"\n";
        let metadata = json!({ "packages": [
            { "name": "atek", "version": "0.1.0", "source": null, "license": "MIT", "manifest_path": "/a/Cargo.toml" },
            { "name": "serde", "version": "1.0.2", "source": "registry+x", "license": "MIT / Apache-2.0",
              "manifest_path": "/registry/serde-1.0.2/Cargo.toml" },
        ]});
        let found = resolved(lock, &metadata).unwrap();
        assert_eq!(
            found.sources,
            [(
                "serde".to_owned(),
                "1.0.2".to_owned(),
                PathBuf::from("/registry/serde-1.0.2")
            )]
        );
        let bill = document("0.1.0", found.components);
        let serde = &bill["components"][0];
        assert_eq!(serde["purl"], "pkg:cargo/serde@1.0.2");
        assert_eq!(serde["hashes"][0]["content"], "ab");
        assert_eq!(serde["licenses"][0]["expression"], "MIT OR Apache-2.0");
    }

    #[test]
    fn npm_packages_have_their_licence() {
        let lock = r#"{"lockfileVersion": 3, "packages": {"": {"name": "web"},
            "node_modules/@a/b": {"version": "2.0.0", "license": "MIT"},
            "node_modules/c/node_modules/d": {"version": "1.0.0"}}}"#;
        let bill = document("1", npm(lock).unwrap());
        let names: Vec<_> = (0..2)
            .map(|at| bill["components"][at]["purl"].clone())
            .collect();
        assert_eq!(names, ["pkg:npm/%40a/b@2.0.0", "pkg:npm/d@1.0.0"]);
        assert_eq!(bill["components"][0]["licenses"][0]["expression"], "MIT");
    }

    #[test]
    fn npm_itself_is_read_from_its_folder_with_what_it_brings() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert!(npm_itself(folder.path()).is_err());
        put(
            "package.json",
            r#"{"name": "npm", "version": "10.9.9", "license": "Artistic-2.0"}"#,
        );
        put(
            "node_modules/@npmcli/fs/package.json",
            r#"{"name": "@npmcli/fs", "version": "4.0.0"}"#,
        );
        put(
            "node_modules/a/node_modules/b/package.json",
            r#"{"name": "b", "version": "1.0.0", "license": "SEE LICENSE IN x"}"#,
        );
        let mut names: Vec<_> = npm_itself(folder.path()).unwrap();
        names.sort();
        let names: Vec<_> = names.iter().map(|it| (&*it.name, &*it.version)).collect();
        assert_eq!(
            names,
            [("@npmcli/fs", "4.0.0"), ("b", "1.0.0"), ("npm", "10.9.9")]
        );
    }

    #[test]
    fn only_what_has_the_form_of_spdx_is_called_an_expression() {
        for text in [
            "MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(is_expression(text), "{text}");
        }
        for text in [
            "GPL-2+",
            "SEE LICENSE IN x",
            "MIT OR",
            "AND",
            "",
            "public domain",
        ] {
            assert!(!is_expression(text), "{text}");
        }
        let named = |licenses: &[&str]| {
            let component = Component {
                name: "a".to_owned(),
                version: "1".to_owned(),
                kind: "deb/debian",
                sha256: None,
                licenses: licenses.iter().map(|&name| name.to_owned()).collect(),
            };
            document("1", vec![component])["components"][0]["licenses"].clone()
        };
        assert_eq!(named(&["MIT", "GPL-2+"])[1]["license"]["name"], "GPL-2+");
        assert_eq!(named(&["MIT"])[0]["expression"], "MIT");
    }

    #[test]
    fn every_crate_of_this_checkout_has_a_licence_and_a_hash_and_the_bytes_are_the_same_twice() {
        let checkout = crate::paths::repository();
        let made = || {
            let mut all = crates(checkout).unwrap().components;
            for component in &all {
                assert!(component.sha256.is_some(), "{component:?}");
                let [license] = &component.licenses[..] else {
                    panic!("{component:?}");
                };
                assert!(is_expression(license), "{component:?}");
            }
            all.extend(npm_of_checkout(checkout).unwrap());
            document("0.1.0", all).to_string()
        };
        let bill = made();
        assert_eq!(bill, made());
        for named in ["cargo/tokio", "npm/svelte", "npm/hyperswarm"] {
            assert!(bill.contains(&format!("pkg:{named}@")), "{named}");
        }
        assert!(!bill.contains("pkg:npm/eslint@"), "only its checks use it");
    }
}
