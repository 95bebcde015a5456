//! The install list (`image/install.list`): what an installation of Atek consists of.
//!
//! [`parse`] and [`Rule`] are pure; [`plan`] looks at the checkout and the build output; [`copy`]
//! writes.

use crate::{command, paths};
use anyhow::{Context as _, bail};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a rule's files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A built program, by name.
    Program(String),
    /// A file of the checkout; the last part may have one `*`.
    Files(String),
    /// A folder of the checkout with a program of npm packages, and a script `package` that makes
    /// `dist/linux-ARCH` of it.
    Npm(String),
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What is installed.
    pub source: Source,
    /// Where to: an absolute path; a folder if it ends in `/`.
    pub destination: String,
    /// The file's permission bits.
    pub mode: u32,
}

/// One file to install: everything is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The file on this machine.
    pub from: PathBuf,
    /// Its absolute path in the installation.
    pub to: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// Whether it is a built program (debugging data is left out of those).
    pub program: bool,
}

/// Reads the list's text.
///
/// # Errors
///
/// Names the first line that is not a rule.
pub fn parse(text: &str) -> anyhow::Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            rules.push(
                rule(line)
                    .with_context(|| format!("line {number} of the install list: {line:?}"))?,
            );
        }
    }
    Ok(rules)
}

fn rule(line: &str) -> anyhow::Result<Rule> {
    let [source, destination, mode] = line.split_whitespace().collect::<Vec<_>>()[..] else {
        bail!("a rule is SOURCE DESTINATION MODE");
    };
    if !destination.starts_with('/') || destination.split('/').any(|part| part == "..") {
        bail!("the destination must be an absolute path without `..`");
    }
    let source = match source.split_once(':') {
        Some(("bin", name)) => Source::Program(name.to_owned()),
        Some(("npm", folder)) => Source::Npm(folder.to_owned()),
        _ => Source::Files(source.to_owned()),
    };
    let mode = u32::from_str_radix(mode, 8).context("the mode must be octal digits")?;
    Ok(Rule {
        source,
        destination: destination.to_owned(),
        mode,
    })
}

/// Whether `name` fits `pattern`, in which one `*` stands for any text.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

/// The files that the list means today, in the list's order; `program` finds a built program by
/// name, `arch` is what Node calls the architecture (`x64`, `arm64`).
///
/// # Errors
///
/// When a program is not built, a file that is named in full is missing, or npm packages cannot be
/// had.
pub fn plan(
    program: &dyn Fn(&str) -> anyhow::Result<PathBuf>,
    arch: &str,
) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    for rule in parse(&text()?)? {
        if let Source::Npm(folder) = &rule.source {
            let top = packaged(&paths::repository().join(folder), arch)?;
            tree(&top, Path::new(&rule.destination), rule.mode, &mut files)?;
            continue;
        }
        let is_program = matches!(rule.source, Source::Program(_));
        for from in sources(&rule.source, program)? {
            let to = match rule.destination.strip_suffix('/') {
                Some(folder) => Path::new(folder).join(from.file_name().unwrap_or_default()),
                None => PathBuf::from(&rule.destination),
            };
            files.push(File {
                from,
                to,
                mode: rule.mode,
                program: is_program,
            });
        }
    }
    Ok(files)
}

/// Has the script of a folder make what is installed of it.
fn packaged(folder: &Path, arch: &str) -> anyhow::Result<PathBuf> {
    command::run(Command::new(folder.join("package")).arg(arch))?;
    Ok(folder.join("dist").join(format!("linux-{arch}")))
}

/// All files below a folder, in the order of their names.
fn tree(from: &Path, to: &Path, mode: u32, files: &mut Vec<File>) -> anyhow::Result<()> {
    let list = fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))?;
    let mut entries = list
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("cannot list {}", from.display()))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            tree(&from, &to, mode, files)?;
        } else {
            files.push(File {
                from,
                to,
                mode,
                program: false,
            });
        }
    }
    Ok(())
}

fn sources(
    source: &Source,
    program: &dyn Fn(&str) -> anyhow::Result<PathBuf>,
) -> anyhow::Result<Vec<PathBuf>> {
    let pattern = match source {
        Source::Program(name) => return Ok(vec![program(name)?]),
        Source::Files(pattern) | Source::Npm(pattern) => paths::repository().join(pattern),
    };
    let name = pattern
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if !name.contains('*') {
        if !pattern.is_file() {
            bail!(
                "the install list names {}, which is not there",
                pattern.display()
            );
        }
        return Ok(vec![pattern]);
    }
    let Ok(entries) = fs::read_dir(pattern.parent().unwrap_or(&pattern)) else {
        return Ok(Vec::new());
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.is_file()
                && fits(
                    &name,
                    &path.file_name().unwrap_or_default().to_string_lossy(),
                )
        })
        .collect();
    found.sort();
    Ok(found)
}

/// The names of the programs that the list at `image/install.list` installs.
///
/// # Errors
///
/// When the list cannot be read.
pub fn programs() -> anyhow::Result<Vec<String>> {
    let rules = parse(&text()?)?.into_iter();
    Ok(rules
        .filter_map(|rule| match rule.source {
            Source::Program(name) => Some(name),
            Source::Files(_) | Source::Npm(_) => None,
        })
        .collect())
}

fn text() -> anyhow::Result<String> {
    let list = paths::repository().join("image/install.list");
    fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))
}

/// Puts `files` under the folder `root`, as root's; `strip` is the tool that knows the programs'
/// architecture.
///
/// # Errors
///
/// Names the file that could not be written.
pub fn copy(files: &[File], root: &Path, strip: &str) -> anyhow::Result<()> {
    for file in files {
        let to = root.join(file.to.strip_prefix("/").unwrap_or(&file.to));
        let folder = to.parent().unwrap_or(root);
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        if file.program {
            // The symbol table stays, so that a panic's backtrace still has names.
            command::run(
                Command::new(strip)
                    .arg("--strip-debug")
                    .arg("-o")
                    .arg(&to)
                    .arg(&file.from),
            )?;
        } else {
            fs::copy(&file.from, &to).with_context(|| {
                format!("cannot copy {} to {}", file.from.display(), to.display())
            })?;
        }
        fs::set_permissions(&to, Permissions::from_mode(file.mode))
            .with_context(|| format!("cannot set the mode of {}", to.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_a_source_a_destination_and_an_octal_mode() {
        let rules =
            parse("# about\n\nbin:atekd /usr/lib/atek/ 0755 # why\nunits/*.socket /a/b 644\n")
                .unwrap();
        let program = Source::Program("atekd".into());
        let files = Source::Files("units/*.socket".into());
        assert_eq!(
            rules,
            [
                Rule {
                    source: program,
                    destination: "/usr/lib/atek/".into(),
                    mode: 0o755
                },
                Rule {
                    source: files,
                    destination: "/a/b".into(),
                    mode: 0o644
                },
            ]
        );
    }

    #[test]
    fn a_line_that_is_not_a_rule_is_named() {
        for line in [
            "a /b",
            "a b 0644",
            "a /b/../c 0644",
            "a /b 0689",
            "a /b 0644 more",
        ] {
            let error = parse(&format!("\n{line}\n")).unwrap_err();
            assert!(
                error.to_string().starts_with("line 2 of the install list"),
                "{line}: {error:#}"
            );
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("*.service", "atekd.service", true),
            ("*.service", "atekd.socket", false),
            ("atek*.socket", "atekd.socket", true),
            ("ab*ba", "aba", false),
            ("plain", "plain", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn the_list_of_the_image_parses_and_installs_every_process() {
        let programs = programs().unwrap();
        for name in [
            "atek",
            "atekd",
            "atek-spawnd",
            "atek-sandbox",
            "atek-network",
            "atek-backup",
            "atek-package",
            "atek-wasm",
            "atek-adb",
            "atek-keys",
        ] {
            assert!(
                programs.iter().any(|program| program == name),
                "{name} is not installed"
            );
        }
    }
}
