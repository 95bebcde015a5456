//! The command of a health check, or of what an app does before a backup, run inside the service's
//! sandbox.
//!
//! ```text
//!  atekd ──connects──▶ health.sock, in the service's runtime folder
//!  atekd ◀──"well", or what went wrong── this process, which runs the command once
//! ```
//!
//! The command is a child of this process, so it has the user, the files, the network and the
//! limits of the service, and no more. The service could answer in its place: a service that wants
//! to be taken for well can always do that.

use anyhow::Context as _;
use atek_api::spec::HEALTHY;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Runs one command as often as it is asked to.
#[derive(Debug)]
pub(crate) struct HealthCheck {
    listener: UnixListener,
    words: Vec<String>,
    environment: BTreeMap<String, OsString>,
    folder: Option<PathBuf>,
    patience: Duration,
}

impl HealthCheck {
    /// Listens at `socket`. The command has the environment and the folder of the program.
    ///
    /// # Errors
    ///
    /// The socket cannot be made.
    pub(crate) fn open(
        socket: &Path,
        words: Vec<String>,
        environment: BTreeMap<String, OsString>,
        folder: Option<PathBuf>,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        // One of a start before.
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).context("cannot remove the old socket of the health check");
            }
            _ => {}
        }
        let listener = UnixListener::bind(socket).context("cannot listen for the health check")?;
        Ok(Self {
            listener,
            words,
            environment,
            folder,
            patience,
        })
    }

    /// Answers one after the other; returns only for an error.
    pub(crate) async fn answer_all(self) -> io::Error {
        let listener = self.listener.try_clone().and_then(|listener| {
            listener.set_nonblocking(true)?;
            tokio::net::UnixListener::from_std(listener)
        });
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => return error,
        };
        loop {
            let mut asking = match listener.accept().await {
                Ok((asking, _)) => asking,
                Err(error) => return error,
            };
            let verdict = self.run().await;
            let verdict = verdict.as_ref().err().map_or(HEALTHY, String::as_str);
            // The one that asked may be gone.
            let _ = asking.write_all(verdict.as_bytes()).await;
        }
    }

    /// Runs the command once.
    async fn run(&self) -> Result<(), String> {
        let (program, arguments) = self.words.split_first().ok_or("it has no program")?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let started = command.spawn();
        let mut child = started.map_err(|error| format!("it cannot be started: {error}"))?;
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        let ended = tokio::time::timeout(self.patience, child.wait()).await;
        // What it has started ends with it.
        if let Some(group) = group {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        match ended {
            Ok(Ok(status)) => judge(status),
            Ok(Err(error)) => Err(format!("it cannot be waited for: {error}")),
            Err(_) => {
                let _ = child.wait().await;
                Err(format!("not done within {} s", self.patience.as_secs()))
            }
        }
    }
}

fn judge(status: ExitStatus) -> Result<(), String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("exit code {code}")),
        (None, signal) => Err(format!("signal {}", signal.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    /// What a check answers, in the order in which it is asked.
    fn answers(words: &[&str], patience: Duration, times: usize) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("health.sock");
        std::fs::write(&socket, "left over").unwrap();
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let environment = BTreeMap::from([
            ("PATH".to_owned(), "/usr/bin:/bin".into()),
            ("STATE".to_owned(), folder.path().into()),
        ]);
        let inside = Some(folder.path().to_owned());
        let check = HealthCheck::open(&socket, words, environment, inside, patience).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let asking = std::thread::spawn(move || {
            let ask = |_| {
                let mut said = String::new();
                let mut stream = UnixStream::connect(&socket).unwrap();
                stream.read_to_string(&mut said).unwrap();
                said
            };
            (0..times).map(ask).collect()
        });
        runtime.block_on(async {
            let asked = tokio::task::spawn_blocking(move || asking.join().unwrap());
            tokio::select! {
                error = check.answer_all() => panic!("{error}"),
                answers = asked => answers.unwrap(),
            }
        })
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn the_end_of_the_command_is_the_answer() {
        let count = "cd \"$STATE\"; echo x >>asked; test $(wc -l <asked) -lt 3";
        assert_eq!(
            answers(&["sh", "-c", count], LONG, 4),
            ["well", "well", "exit code 1", "exit code 1"]
        );
        assert_eq!(answers(&["sh", "-c", "exit 7"], LONG, 1), ["exit code 7"]);
        assert_eq!(answers(&["sh", "-c", "kill -9 $$"], LONG, 1), ["signal 9"]);
        let missing = answers(&["no-such-program"], LONG, 1);
        assert!(
            missing[0].starts_with("it cannot be started"),
            "{missing:?}"
        );
    }

    #[test]
    fn a_command_that_hangs_is_killed_with_what_it_started() {
        let script = "sleep 1000 & echo $! >child; wait";
        let watched = format!("{script} # {}", std::process::id());
        let began = std::time::Instant::now();
        let said = answers(&["sh", "-c", &watched], Duration::from_secs(1), 1);
        assert_eq!(said, ["not done within 1 s"]);
        assert!(began.elapsed() < LONG);
    }
}
