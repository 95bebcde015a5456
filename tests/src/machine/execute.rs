//! Doing things inside a machine, as its administrator.

use super::Machine;
use anyhow::{Context as _, bail};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// How long a command may take where the test does not say.
const DEADLINE: Duration = Duration::from_secs(120);

/// A finished command.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output; what is not UTF-8 is replaced.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// The outer machine's command line that enters a machine's namespaces, with a clean environment.
pub(super) fn enter(pid: i32) -> Vec<OsString> {
    let pid = pid.to_string();
    let words = [
        "nsenter",
        "--target",
        &pid,
        "--mount",
        "--uts",
        "--ipc",
        "--net",
        "--pid",
        "--cgroup",
        "--root",
        "--wd=/",
        "--",
        "env",
        "--ignore-environment",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
        "HOME=/root",
        "LANG=C.UTF-8",
    ];
    words.into_iter().map(OsString::from).collect()
}

impl Machine {
    /// A command of the machine, yet to be started: for a test that wants its pipes. It dies with
    /// its value.
    ///
    /// # Errors
    ///
    /// When the machine is off.
    pub fn command(
        &self,
        words: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> anyhow::Result<Command> {
        let entering = enter(self.pid()?);
        let mut command = Command::new(&entering[0]);
        command
            .args(&entering[1..])
            .args(words)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Ok(command)
    }

    /// Runs a command as root, and returns its standard output.
    ///
    /// # Errors
    ///
    /// When it fails, with its standard error; or takes more than two minutes.
    pub async fn exec(
        &self,
        words: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> anyhow::Result<String> {
        let words: Vec<OsString> = words
            .into_iter()
            .map(|word| word.as_ref().to_owned())
            .collect();
        let output = self.try_exec(&words).await?;
        if !output.status.success() {
            let said = format!("{}{}", output.stdout, output.stderr);
            bail!(
                "on {}: {} ended with {}: {}",
                self.name(),
                sentence(&words),
                output.status,
                said.trim()
            );
        }
        Ok(output.stdout)
    }

    /// Runs a command as root; that it fails is a result like any other.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or takes more than two minutes.
    pub async fn try_exec(
        &self,
        words: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> anyhow::Result<Output> {
        self.exec_within(DEADLINE, words, b"").await
    }

    /// Runs a shell script as root (`sh -eu`), and returns its standard output.
    ///
    /// # Errors
    ///
    /// As [`Machine::exec`].
    pub async fn shell(&self, script: &str) -> anyhow::Result<String> {
        self.exec(["sh", "-euc", script]).await
    }

    /// Runs a command as root with a deadline of the test's own and something on its standard
    /// input.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or `deadline` has passed (it is killed then).
    pub async fn exec_within(
        &self,
        deadline: Duration,
        words: impl IntoIterator<Item = impl AsRef<OsStr>>,
        input: &[u8],
    ) -> anyhow::Result<Output> {
        let words: Vec<OsString> = words
            .into_iter()
            .map(|word| word.as_ref().to_owned())
            .collect();
        let mut command = self.command(&words)?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start nsenter")?;
        let mut stdin = child
            .stdin
            .take()
            .context("the command has no standard input")?;
        let feed = async move {
            // A command that does not read its input ends the pipe, which is its own affair.
            let _ = stdin.write_all(input).await;
        };
        let finish = async { tokio::join!(feed, child.wait_with_output()).1 };
        let output = tokio::time::timeout(deadline, finish)
            .await
            .with_context(|| {
                format!(
                    "on {}: {} took more than {deadline:?}",
                    self.name(),
                    sentence(&words)
                )
            })?
            .with_context(|| format!("cannot wait for {}", sentence(&words)))?;
        Ok(Output {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Reads a text file.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub async fn read(&self, path: &str) -> anyhow::Result<String> {
        self.exec(["cat", "--", path]).await
    }

    /// Writes a file of root's, and makes its folders. The content is never part of a command line.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub async fn write(&self, path: &str, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let script = r#"mkdir -p "$(dirname "$1")" && cat > "$1""#;
        let output = self
            .exec_within(
                DEADLINE,
                ["sh", "-euc", script, "sh", path],
                content.as_ref(),
            )
            .await?;
        if !output.status.success() {
            bail!(
                "cannot write {path} on {}: {}",
                self.name(),
                output.stderr.trim()
            );
        }
        Ok(())
    }

    /// Copies a file, or a folder with all that is in it, from this machine to `to` (its new name),
    /// as root's.
    ///
    /// # Errors
    ///
    /// When it cannot be read here or written there.
    pub async fn copy_in(&self, from: &Path, to: &str) -> anyhow::Result<()> {
        let mut pack = Command::new("tar");
        let name = from
            .file_name()
            .with_context(|| format!("{} has no name", from.display()))?;
        pack.arg("--create")
            .arg("--directory")
            .arg(from.parent().unwrap_or(from))
            .arg("--")
            .arg(name);
        let packed = pack
            .kill_on_drop(true)
            .output()
            .await
            .context("cannot start tar")?;
        if !packed.status.success() {
            bail!(
                "cannot pack {}: {}",
                from.display(),
                String::from_utf8_lossy(&packed.stderr).trim()
            );
        }
        let script = r#"mkdir -p "$(dirname "$1")"; d=$(mktemp -d); tar --extract --no-same-owner --directory "$d"; rm -rf "$1"; mv "$d"/* "$1"; rmdir "$d""#;
        let output = self
            .exec_within(DEADLINE, ["sh", "-euc", script, "sh", to], &packed.stdout)
            .await?;
        if !output.status.success() {
            bail!(
                "cannot unpack {} at {to} on {}: {}",
                from.display(),
                self.name(),
                output.stderr.trim()
            );
        }
        Ok(())
    }

    /// Puts a fixture app into the machine, and returns its `file://` URL.
    ///
    /// # Errors
    ///
    /// When there is no such app, or its program is not built.
    pub async fn place_app(&self, name: &str) -> anyhow::Result<String> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let staged = folder.path().join(name);
        crate::apps::stage(name, &staged)?;
        let to = format!("/srv/apps/{name}");
        self.copy_in(&staged, &to).await?;
        // The folder above is the caller's own: an app runs as a user who must be able to look into
        // it.
        self.exec(["chmod", "--recursive", "a+rX", "/srv/apps"])
            .await?;
        Ok(format!("file://{to}"))
    }

    /// What a unit wrote to the journal since the machine booted, one line an entry.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub async fn journal(&self, unit: &str) -> anyhow::Result<String> {
        // What was logged before this moment is flushed to the journal first.
        self.exec(["journalctl", "--sync"]).await?;
        self.exec([
            "journalctl",
            "--boot",
            "--no-pager",
            "--output=short-monotonic",
            "--unit",
            unit,
        ])
        .await
    }

    /// Whether units can be limited by a cgroup controller (`memory`, `cpu`, `pids`). It is the
    /// outer machine that gives them, or keeps them for itself.
    ///
    /// # Errors
    ///
    /// When the machine is off.
    pub async fn has_controller(&self, name: &str) -> anyhow::Result<bool> {
        let controllers = self.read("/sys/fs/cgroup/cgroup.controllers").await?;
        Ok(controllers
            .split_whitespace()
            .any(|controller| controller == name))
    }
}

fn sentence(words: &[OsString]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}
