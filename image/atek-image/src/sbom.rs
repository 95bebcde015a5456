//! The bill of materials beside a card: CycloneDX 1.6 as JSON, of the crates, the npm packages and
//! the Debian packages that it was built from. Sorted and without a time, so that the same inputs
//! give the same bytes.

use anyhow::Context as _;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Something that the card was built from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    /// Its name in its own archive.
    pub name: String,
    /// Its version, as the archive writes it.
    pub version: String,
    /// The kind of a package URL: `cargo`, `npm`, `deb/debian`.
    pub kind: &'static str,
    /// SHA-256 in hexadecimal digits, where the archive tells it.
    pub sha256: Option<String>,
    /// The licence in SPDX's words, where the archive tells it.
    pub license: Option<String>,
}

/// The document for a version of Atek.
#[must_use]
pub fn document(version: &str, mut components: Vec<Component>) -> Value {
    components.sort();
    components.dedup();
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
    if let Some(license) = &component.license {
        value["licenses"] = json!([{ "expression": license }]);
    }
    value
}

/// The crates of a `Cargo.lock` that come from a registry.
///
/// # Errors
///
/// When it is not TOML, or a package has no name or version.
pub fn crates(lock: &str) -> anyhow::Result<Vec<Component>> {
    let lock: toml::Table = toml::from_str(lock).context("Cargo.lock is no TOML")?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let foreign = packages
        .into_iter()
        .flatten()
        .filter(|package| package.get("source").is_some());
    foreign
        .map(|package| {
            let field = |name: &str| package.get(name)?.as_str().map(str::to_owned);
            Ok(Component {
                name: field("name").context("a crate has no name")?,
                version: field("version").context("a crate has no version")?,
                kind: "cargo",
                sha256: field("checksum"),
                license: None,
            })
        })
        .collect()
}

/// The packages of an npm lockfile, the project itself left out.
///
/// # Errors
///
/// When it is not JSON of lockfile version 2 or 3.
pub fn npm(lock: &str) -> anyhow::Result<Vec<Component>> {
    let lock: Value = serde_json::from_str(lock).context("package-lock.json is no JSON")?;
    let packages = lock["packages"]
        .as_object()
        .context("package-lock.json has no `packages`")?;
    Ok(packages
        .iter()
        .filter_map(|(path, package)| {
            Some(Component {
                name: path.rsplit_once("node_modules/")?.1.to_owned(),
                version: package["version"].as_str()?.to_owned(),
                kind: "npm",
                sha256: None,
                license: package["license"].as_str().map(str::to_owned),
            })
        })
        .collect())
}

/// The packages unpacked in a Debian root, by the first line of their changelogs; inside the
/// toolbox.
///
/// # Errors
///
/// When the changelogs cannot be read.
pub fn debian(root: &Path) -> anyhow::Result<Vec<Component>> {
    let script = "for log in usr/share/doc/*/changelog.Debian.gz usr/share/doc/*/changelog.gz; do \
                  [ -f \"$log\" ] || continue; package=${log%/*}; \
                  printf '%s %s\\n' \"${package##*/}\" \"$(zcat \"$log\" | head -n 1)\"; done";
    let text = crate::command::run(Command::new("sh").args(["-c", script]).current_dir(root))?;
    Ok(text.lines().filter_map(debian_line).collect())
}

/// `PACKAGE SOURCE (VERSION) SUITE; urgency=…`. `None` for an upstream's own changelog.
fn debian_line(line: &str) -> Option<Component> {
    let (name, changelog) = line.split_once(' ')?;
    let (version, rest) = changelog.split_once('(')?.1.split_once(')')?;
    rest.contains("urgency=").then(|| Component {
        name: name.to_owned(),
        version: version.to_owned(),
        kind: "deb/debian",
        sha256: None,
        license: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_of_a_registry_have_their_hash_and_our_own_are_left_out() {
        let lock = "version = 4\n[[package]]\nname = \"atek\"\nversion = \"0.1.0\"\n\
                    [[package]]\nname = \"serde\"\nversion = \"1.0.2\"\nsource = \"registry+x\"\nchecksum = \"ab\"\n";
        let found = crates(lock).unwrap();
        assert_eq!(found.len(), 1);
        let bill = document("0.1.0", found);
        let serde = &bill["components"][0];
        assert_eq!(serde["purl"], "pkg:cargo/serde@1.0.2");
        assert_eq!(serde["hashes"][0]["content"], "ab");
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
    fn debian_packages_are_known_by_their_changelogs() {
        let found =
            debian_line("libsystemd0 systemd (257.13-1~deb13u1) trixie; urgency=medium").unwrap();
        assert_eq!(
            (&*found.name, &*found.version),
            ("libsystemd0", "257.13-1~deb13u1")
        );
        for line in ["zlib1g Changes in 1.3 (2023)", "x", ""] {
            assert_eq!(debian_line(line), None, "{line}");
        }
    }

    #[test]
    fn the_checkouts_own_lockfiles_are_understood_and_give_the_same_bytes_twice() {
        let read =
            |path: &str| std::fs::read_to_string(crate::paths::repository().join(path)).unwrap();
        let made = || {
            let mut all = crates(&read("Cargo.lock")).unwrap();
            all.extend(npm(&read("daemon/web/package-lock.json")).unwrap());
            document("0.1.0", all).to_string()
        };
        assert_eq!(made(), made());
        assert!(made().contains("pkg:cargo/tokio@") && made().contains("pkg:npm/svelte@"));
    }
}
