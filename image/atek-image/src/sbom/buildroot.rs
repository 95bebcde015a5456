//! The packages of a Buildroot root, from what `make legal-info` wrote: `manifest.csv` in the
//! folder `legal-info`.

use super::Component;
use anyhow::{Context as _, bail};
use std::fs;
use std::path::Path;

/// The packages of `folder/manifest.csv`.
///
/// # Errors
///
/// When it is missing, or is no table with Buildroot's columns.
pub fn legal_info(folder: &Path) -> anyhow::Result<Vec<Component>> {
    let file = folder.join("manifest.csv");
    let text = fs::read_to_string(&file).with_context(|| {
        format!(
            "cannot read {}: run `make legal-info` in Buildroot",
            file.display()
        )
    })?;
    manifest(&text).with_context(|| format!("{} is not Buildroot's", file.display()))
}

/// `"PACKAGE","VERSION","LICENSE",…`, a line for each package (support/legal-info in Buildroot).
fn manifest(text: &str) -> anyhow::Result<Vec<Component>> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let columns = fields(lines.next().context("it is empty")?)?;
    let at = |name: &str| {
        let at = columns.iter().position(|column| column == name);
        at.with_context(|| format!("it has no column {name}"))
    };
    let (name, version, license) = (at("PACKAGE")?, at("VERSION")?, at("LICENSE")?);
    let component = |line: &str| {
        let fields = fields(line)?;
        let field = |at: usize| {
            let field = fields.get(at).cloned();
            field.with_context(|| format!("a line has too few fields: {line}"))
        };
        let license = field(license)?;
        Ok(Component {
            name: field(name)?,
            version: field(version)?,
            kind: "generic",
            sha256: None,
            // Buildroot's word for a package that says nothing of it.
            licenses: Some(license)
                .filter(|license| !license.is_empty() && license != "unknown")
                .into_iter()
                .collect(),
        })
    };
    lines.map(component).collect()
}

/// The fields of a line of comma-separated values, each in double quotes (RFC 4180). Buildroot
/// writes no field with an end of line.
fn fields(line: &str) -> anyhow::Result<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line.trim();
    loop {
        let Some(after) = rest.strip_prefix('"') else {
            bail!("a field is not in quotes: {line}");
        };
        let mut field = String::new();
        let mut parts = after.split('"');
        let mut used = 1;
        loop {
            let Some(part) = parts.next() else {
                bail!("a field has no end: {line}");
            };
            field.push_str(part);
            used += part.len() + 1;
            // Two quotes stand for one.
            if !rest.get(used..).is_some_and(|next| next.starts_with('"')) {
                break;
            }
            field.push('"');
            parts.next();
            used += 1;
        }
        fields.push(field);
        rest = match rest.get(used..) {
            Some("") => return Ok(fields),
            Some(next) if next.starts_with(',') => &next[1..],
            _ => bail!("there is no comma after a field: {line}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = concat!(
        "\"PACKAGE\",\"VERSION\",\"LICENSE\",\"LICENSE FILES\",\"SOURCE ARCHIVE\",\"SOURCE SITE\",\"DEPENDENCIES WITH LICENSES\"\n",
        "\"systemd\",\"258.7\",\"LGPL-2.1-or-later, GPL-2.0-or-later (udev)\",\"LICENSE.GPL2\",\"s.tar.gz\",\"https://x\",\"a [b]\"\n",
        "\"odd\",\"1.0\",\"a \"\"free\"\" one\",\"\",\"\",\"\",\"\"\n",
        "\"zlib\",\"1.3\",\"Zlib\",\"\",\"\",\"\",\"\"\n",
        "\"silent\",\"\",\"unknown\",\"\",\"\",\"\",\"\"\n",
    );

    #[test]
    fn packages_of_legal_info_are_listed_with_their_licences() {
        let found = manifest(TABLE).unwrap();
        let licenses: Vec<_> = found
            .iter()
            .map(|it| (&*it.name, &it.licenses[..]))
            .collect();
        assert_eq!(licenses[1], ("odd", &["a \"free\" one".to_owned()][..]));
        assert_eq!(licenses[3], ("silent", &[][..]));
        let bill = super::super::document("1", found);
        let zlib = &bill["components"][3];
        assert_eq!(zlib["purl"], "pkg:generic/zlib@1.3");
        assert_eq!(zlib["licenses"][0]["expression"], "Zlib");
        let systemd = &bill["components"][2]["licenses"][0]["license"]["name"];
        assert_eq!(systemd, "LGPL-2.1-or-later, GPL-2.0-or-later (udev)");
    }

    #[test]
    fn a_table_of_something_else_is_refused() {
        for text in [
            "",
            "name,version\n",
            "\"PACKAGE\",\"VERSION\"\n",
            "\"PACKAGE\n",
        ] {
            assert!(manifest(text).is_err(), "{text}");
        }
        let short = "\"PACKAGE\",\"VERSION\",\"LICENSE\"\n\"a\"\n";
        assert!(manifest(short).is_err());
        let none = tempfile::tempdir().unwrap();
        let said = format!("{:#}", legal_info(none.path()).unwrap_err());
        assert!(said.contains("make legal-info"), "{said}");
    }
}
