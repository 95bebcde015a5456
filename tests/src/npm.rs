//! Programs of the npm registry: their lockfiles, which fix their versions, and the apps of `npm/`.
//! Lockfiles, what npm fetched and what machines fetched are kept in the cache (`$ATEK_CACHE`).

use crate::supervisor::protocol::Registry;
use crate::{paths, skip};
use anyhow::{Context as _, bail};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The lockfile of a package.json, made once under this name; none where the registry cannot be
/// reached.
///
/// # Errors
///
/// When npm cannot make it for another reason.
pub fn lockfile(name: &str, package_json: &str) -> anyhow::Result<Option<String>> {
    let folder = paths::cache().join("programs").join(name);
    let file = folder.join("package-lock.json");
    let asked = folder.join("package.json");
    if !file.exists() || fs::read_to_string(&asked).is_ok_and(|asked| asked != package_json) {
        fs::create_dir_all(&folder)?;
        // A lockfile of other wishes would be changed as little as possible.
        if let Err(error) = fs::remove_file(&file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error.into());
        }
        fs::write(&asked, package_json)?;
        let made = Command::new("npm")
            .args(["install", "--package-lock-only", "--no-audit", "--no-fund"])
            .arg("--omit-lockfile-registry-resolved=false")
            .arg("--cache")
            .arg(paths::cache().join("npm"))
            .current_dir(&folder)
            .output()?;
        if !made.status.success() {
            let words = String::from_utf8_lossy(&made.stderr);
            let gone = ["ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "EAI_AGAIN"];
            if gone.iter().any(|code| words.contains(code)) {
                return Ok(None);
            }
            bail!("no lockfile of {name}: {words}");
        }
    }
    Ok(Some(fs::read_to_string(file)?))
}

/// The URL of the registry that npm here asks.
///
/// # Errors
///
/// When npm does not say.
pub fn registry() -> anyhow::Result<String> {
    let asked = Command::new("npm")
        .args(["config", "get", "registry"])
        .output()
        .context("cannot run npm")?;
    let text = String::from_utf8(asked.stdout).context("npm's registry is no text")?;
    Ok(text.trim().to_owned())
}

/// The registry for a machine: with what was kept, and with the one that npm here asks.
pub(crate) fn kept_registry(internet: bool) -> anyhow::Result<Registry> {
    let folder = paths::cache().join("npm-registry");
    let upstream = if internet { Some(registry()?) } else { None };
    Ok(Registry { folder, upstream })
}

/// The folder of an app of `npm/` with its packages of the registry; none (and a skip is recorded)
/// where that cannot be reached.
///
/// # Errors
///
/// When npm cannot be started, or the cache cannot be written.
pub fn installed(name: &str) -> anyhow::Result<Option<PathBuf>> {
    let folder = paths::repository().join("tests/npm").join(name);
    fs::create_dir_all(paths::cache())?;
    // Another test may be at work on it, or use it.
    let lock = fs::File::create(paths::cache().join(format!("npm-{name}.lock")))?;
    lock.lock()?;
    let changed = |file: &str| fs::metadata(folder.join(file)).and_then(|it| it.modified());
    if let (Ok(there), Ok(asked)) = (
        changed("node_modules/.package-lock.json"),
        changed("package-lock.json"),
    ) && there > asked
    {
        return Ok(Some(folder));
    }
    let installed = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .arg("--cache")
        .arg(paths::cache().join("npm"))
        .current_dir(&folder)
        .output()?;
    if !installed.status.success() {
        skip(&format!("{name} (the npm registry cannot be reached)"));
        return Ok(None);
    }
    Ok(Some(folder))
}
