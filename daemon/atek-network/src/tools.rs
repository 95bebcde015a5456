//! The programs that speak to the kernel.

use anyhow::{Context as _, bail};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Where they are, in Debian and in Buildroot.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Gives a program its input, and returns what it prints; what it says of a failure is the error.
///
/// # Errors
///
/// The program is missing or fails.
pub(crate) fn feed(program: &str, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Of a program that ends early, its own words say more.
        let _ = stdin.write_all(input.as_bytes());
    }
    let ended = child
        .wait_with_output()
        .with_context(|| format!("cannot wait for {program}"))?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        bail!("{program} failed: {}", said.trim());
    }
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}

/// Lines for `ip`, which stops at the first that fails.
///
/// # Errors
///
/// As of [`feed`].
pub(crate) fn ip(lines: &str) -> anyhow::Result<()> {
    feed("ip", &["-batch", "-"], lines).map(drop)
}

/// A file for `nft`, which does all of it or nothing.
///
/// # Errors
///
/// As of [`feed`].
pub(crate) fn nft(file: &str) -> anyhow::Result<()> {
    feed("nft", &["-f", "-"], file).map(drop)
}

/// Whether the kernel does not have what was to be removed.
pub(crate) fn is_gone(error: &anyhow::Error) -> bool {
    error.to_string().contains("Cannot find device")
}

/// Whether the kernel has what was to be added.
pub(crate) fn exists_already(error: &anyhow::Error) -> bool {
    error.to_string().contains("File exists")
}
