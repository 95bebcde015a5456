//! `/etc`: the image's, under what the box keeps of its own.

use crate::console;
use anyhow::Context as _;
use rustix::mount::{MountFlags, mount};
use std::ffi::CString;
use std::fs;
use std::path::Path;

/// What may persist, one rule a line. Part of the image, so each version has its own.
const KEEP: &str = "/usr/lib/atek/etc.keep";

/// The request for a factory reset, beside the folder of what is kept. It is there until everything
/// else is removed (`atek-spawnd erase`).
const RESET: &str = "atek/factory-reset";

/// One rule of [`KEEP`], relative to `/etc`: a file, `*` in its last part, or a folder with all
/// below it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    folder: bool,
    /// The path's parts.
    parts: Vec<String>,
}

/// Reads the rules. Empty lines and what follows `#` do not count.
pub(crate) fn rules(text: &str) -> Vec<Rule> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(|line| Rule {
            folder: line.ends_with('/'),
            parts: line
                .split('/')
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect(),
        })
        .collect()
}

/// What is to be done with something on the upper side.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It stays, with all below it.
    Keep,
    /// It is a folder on the way to something that may stay.
    Look,
    Remove,
}

fn verdict(rules: &[Rule], path: &[String], is_folder: bool) -> Verdict {
    let mut verdict = Verdict::Remove;
    for rule in rules {
        let same = rule
            .parts
            .iter()
            .zip(path)
            .all(|(pattern, name)| fits(pattern, name));
        if !same {
            continue;
        }
        if path.len() == rule.parts.len() || (rule.folder && path.len() > rule.parts.len()) {
            return Verdict::Keep;
        }
        if path.len() < rule.parts.len() && is_folder {
            verdict = Verdict::Look;
        }
    }
    verdict
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

/// Mounts an overlay at `etc`: the image's below, `home`/upper above, without what may not persist.
///
/// # Errors
///
/// When the folders cannot be made, or the kernel refuses the mount.
pub(crate) fn lay_over(etc: &Path, home: &Path) -> anyhow::Result<()> {
    let (upper, work) = (home.join("upper"), home.join("work"));
    for folder in [&upper, &work] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let text = fs::read_to_string(KEEP).with_context(|| format!("cannot read {KEEP}"))?;
    let rules = if home.with_file_name(RESET).exists() {
        console::say("a factory reset: nothing of /etc is kept");
        Vec::new()
    } else {
        rules(&text)
    };
    prune(&upper, &rules);
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        etc.display(),
        upper.display(),
        work.display()
    );
    let options = CString::new(options).context("a path with a zero in it")?;
    mount(
        "overlay",
        etc,
        "overlay",
        MountFlags::NOSUID | MountFlags::NODEV,
        options.as_c_str(),
    )
    .with_context(|| format!("cannot lay {} over {}", upper.display(), etc.display()))
}

/// Removes what no rule keeps. What cannot be removed is said and left: it never stops the boot.
fn prune(upper: &Path, rules: &[Rule]) {
    if let Err(error) = prune_folder(upper, rules, &mut Vec::new()) {
        console::say(&format!("{error:#}"));
    }
}

fn prune_folder(folder: &Path, rules: &[Rule], path: &mut Vec<String>) -> anyhow::Result<()> {
    let listing = || format!("cannot list {}", folder.display());
    for entry in fs::read_dir(folder).with_context(listing)? {
        let entry = entry.with_context(listing)?;
        // Not followed: a link on the upper side is a file of its own.
        let is_folder = entry.file_type().with_context(listing)?.is_dir();
        path.push(entry.file_name().to_string_lossy().into_owned());
        let found = entry.path();
        match verdict(rules, path, is_folder) {
            Verdict::Keep => {}
            Verdict::Look => prune_folder(&found, rules, path)?,
            Verdict::Remove => {
                let removed = if is_folder {
                    fs::remove_dir_all(&found)
                } else {
                    fs::remove_file(&found)
                };
                removed.with_context(|| format!("cannot remove {}", found.display()))?;
            }
        }
        path.pop();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const LIST: &str = "# kept\nhostname\nlocaltime # a link\nssh/ssh_host_*\nsystemd/network/\n";

    #[test]
    fn a_file_its_folders_and_whole_folders_are_told_apart() {
        for (path, is_folder, expected) in [
            ("hostname", false, Verdict::Keep),
            ("hostname2", false, Verdict::Remove),
            ("ssh", true, Verdict::Look),
            ("ssh", false, Verdict::Remove),
            ("ssh/ssh_host_key", false, Verdict::Keep),
            ("ssh/sshd_config", false, Verdict::Remove),
            ("systemd", true, Verdict::Look),
            ("systemd/system", true, Verdict::Remove),
            ("systemd/network", true, Verdict::Keep),
            ("systemd/network/10-lan.network", false, Verdict::Keep),
            ("passwd", false, Verdict::Remove),
        ] {
            let parts: Vec<String> = path.split('/').map(str::to_owned).collect();
            assert_eq!(verdict(&rules(LIST), &parts, is_folder), expected, "{path}");
        }
    }

    #[test]
    fn what_could_shadow_the_next_version_is_removed_and_what_belongs_to_the_box_stays() {
        let dir = tempfile::tempdir().unwrap();
        let upper = dir.path();
        for file in [
            "hostname",
            "passwd",
            "ssh/ssh_host_ed25519_key",
            "ssh/sshd_config",
            "systemd/network/a",
            "systemd/system/x.service",
        ] {
            fs::create_dir_all(upper.join(file).parent().unwrap()).unwrap();
            fs::write(upper.join(file), "").unwrap();
        }
        symlink("/usr/share/zoneinfo/Europe/Berlin", upper.join("localtime")).unwrap();
        symlink("/etc", upper.join("elsewhere")).unwrap();
        prune(upper, &rules(LIST));
        let mut left = Vec::new();
        let mut folders = vec![upper.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.symlink_metadata().unwrap().is_dir() {
                    true => folders.push(path),
                    false => left.push(path.strip_prefix(upper).unwrap().display().to_string()),
                }
            }
        }
        left.sort();
        assert_eq!(
            left,
            [
                "hostname",
                "localtime",
                "ssh/ssh_host_ed25519_key",
                "systemd/network/a"
            ]
        );
        assert!(Path::new("/etc/passwd").exists(), "a link was followed");
        // A factory reset has no rule.
        prune(upper, &[]);
        assert_eq!(fs::read_dir(upper).unwrap().count(), 0);
    }
}
