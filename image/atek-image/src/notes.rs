//! The notes of a release: what each file is, its size and SHA-256, the versions that matter, and
//! what changed. Made of the files themselves, so they can be made again and compared.

use crate::pack::{Files, VERSION, size_and_hash};
use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

/// Packages whose versions a person may ask for, by the name in the bill of materials.
const NAMED: [(&str, &str); 6] = [
    ("Linux", "linux-image-arm64"),
    ("systemd", "systemd"),
    ("Node.js", "nodejs"),
    ("npm", "npm"),
    ("OpenSSL", "libssl3t64"),
    ("OpenSSH", "openssh-server"),
];

/// Markdown for the card of `files`; `changelog` is this project's.
///
/// # Errors
///
/// When the card was not built and packed, or the changelog has nothing of this version.
pub fn of(files: &Files, changelog: &str) -> anyhow::Result<String> {
    let read = |path: &std::path::Path| {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let bill: Value =
        serde_json::from_str(&read(&files.bill)?).context("the bill of materials is no JSON")?;
    let mut text = format!("# Atek {VERSION}\n\n| file | bytes | SHA-256 |\n|---|---|---|\n");
    for file in [
        &files.packed,
        &files.bmap,
        &files.manifest,
        &files.bill,
        &files.licenses,
    ] {
        ensure!(
            file.is_file(),
            "{} is missing: build the card without --no-pack first",
            file.display()
        );
        let (bytes, sha256) = size_and_hash(file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let _ = writeln!(text, "| `{name}` | {bytes} | `{sha256}` |");
    }
    let (bytes, sha256) = size_and_hash(&files.card)?;
    let _ = writeln!(text, "| the card itself, unpacked | {bytes} | `{sha256}` |");
    text.push_str("\n## Versions\n\n");
    let components = bill["components"]
        .as_array()
        .context("the bill of materials has no components")?;
    for (label, name) in NAMED {
        let version = components
            .iter()
            .find(|component| component["name"] == name)
            .and_then(|component| component["version"].as_str());
        if let Some(version) = version {
            let _ = writeln!(text, "- {label} {version}");
        }
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for component in components {
        let kind = component["purl"].as_str().unwrap_or_default();
        let kind = kind.strip_prefix("pkg:").unwrap_or(kind);
        *kinds
            .entry(kind.split('/').next().unwrap_or(kind))
            .or_default() += 1;
    }
    let parts: Vec<String> = kinds
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let _ = writeln!(
        text,
        "- all {} packages, with their licences: the bill of materials ({})",
        components.len(),
        parts.join(", ")
    );
    let _ = write!(text, "\n## Changes\n\n{}", changes(changelog)?);
    Ok(text)
}

/// The part of the changelog about this version.
fn changes(changelog: &str) -> anyhow::Result<String> {
    let heading = format!("## {VERSION} ");
    let part = changelog
        .split_inclusive('\n')
        .skip_while(|line| !line.starts_with(&heading))
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .collect::<String>();
    let part = part.trim();
    ensure!(!part.is_empty(), "CHANGELOG.md says nothing of {VERSION}");
    Ok(format!("{part}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::Board;

    #[test]
    fn notes_name_every_file_with_its_hash_and_the_versions() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::of(folder.path(), Board::Rpi);
        let changelog = format!(
            "# Changelog\n\n## {VERSION} (2026)\n\n- A light.\n\n## 0.0.1 (2025)\n\n- Old.\n"
        );
        let bill = r#"{"components": [{"name": "systemd", "version": "257.13", "purl": "pkg:deb/debian/systemd@257.13"},
            {"name": "serde", "version": "1", "purl": "pkg:cargo/serde@1"}]}"#;
        fs::write(&files.bill, bill).unwrap();
        let said = format!("{:#}", of(&files, &changelog).unwrap_err());
        assert!(said.contains("without --no-pack"), "{said}");
        for file in [
            &files.card,
            &files.packed,
            &files.bmap,
            &files.manifest,
            &files.licenses,
        ] {
            fs::write(file, "abc").unwrap();
        }
        let notes = of(&files, &changelog).unwrap();
        assert_eq!(notes, of(&files, &changelog).unwrap());
        // sha256sum of `abc`
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let line = format!("| `atek-{VERSION}-rpi.img.xz` | 3 | `{hash}` |\n");
        for words in [
            &*line,
            "- systemd 257.13\n",
            "(1 cargo, 1 deb)",
            "- A light.\n",
        ] {
            assert!(notes.contains(words), "no {words:?} in {notes}");
        }
        assert!(!notes.contains("Old"), "{notes}");
        assert!(of(&files, "# Changelog\n").is_err());
    }
}
