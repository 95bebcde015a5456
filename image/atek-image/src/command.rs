//! Running a tool of the outer machine, with an error that says which and why.

use anyhow::{Context as _, bail};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// Runs `command` to its end and returns its standard output.
///
/// # Errors
///
/// When it cannot be started or fails, with the last lines of its standard error.
pub fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| cannot_start(command))?;
    finish(command, output)
}

/// Runs `command`, which shows its own progress on this terminal, to its end.
///
/// # Errors
///
/// When it cannot be started or fails.
pub fn show(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| cannot_start(command))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

/// The same as [`run`], with `input` on its standard input.
///
/// # Errors
///
/// As [`run`].
pub fn run_with_input(command: &mut Command, input: &str) -> anyhow::Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| cannot_start(command))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.as_bytes())
            .context("cannot write to the tool's standard input")?;
    }
    let output = child
        .wait_with_output()
        .context("cannot wait for the tool")?;
    finish(command, output)
}

fn finish(command: &Command, output: Output) -> anyhow::Result<String> {
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{command:?} ended with {}: {}",
            output.status,
            last_lines(&stderr, 15)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn cannot_start(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    format!("cannot start {program} (./tests/run installs what the tests need)")
}

/// The last `count` lines of `text`, without the blank end.
#[must_use]
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
