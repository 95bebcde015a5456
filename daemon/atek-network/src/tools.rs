//! The programs that speak to the kernel.

use anyhow::{Context as _, bail};
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

/// Where they are, in Debian and in Buildroot.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that has its input, and runs in the namespace in which it was begun.
pub(crate) struct Running {
    program: &'static str,
    child: Child,
}

/// Starts a program and gives it its input, which is less than a pipe holds or read at once.
///
/// # Errors
///
/// The program is missing.
pub(crate) fn begin(
    program: &'static str,
    arguments: &[&str],
    input: &str,
) -> anyhow::Result<Running> {
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
    Ok(Running { program, child })
}

impl Running {
    /// Waits for its end, and returns what it printed; what it says of a failure is the error.
    ///
    /// # Errors
    ///
    /// It fails.
    pub(crate) fn end(self) -> anyhow::Result<String> {
        let Self { program, child } = self;
        let ended = child
            .wait_with_output()
            .with_context(|| format!("cannot wait for {program}"))?;
        if !ended.status.success() {
            let said = String::from_utf8_lossy(&ended.stderr);
            bail!("{program} failed: {}", said.trim());
        }
        Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
    }
}

/// The same at once.
///
/// # Errors
///
/// As of [`begin`] and [`Running::end`].
pub(crate) fn feed(
    program: &'static str,
    arguments: &[&str],
    input: &str,
) -> anyhow::Result<String> {
    begin(program, arguments, input)?.end()
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
