//! A conversation with the program `atek-backup`, in a folder that plays the machine.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// As derived from recovery words: 64 hexadecimal digits.
pub const PASSWORD: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

pub struct Session {
    pub child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Session {
    pub fn start(root: &Path) -> Self {
        let program = atek_tests::paths::program("atek-backup").unwrap();
        let mut child = Command::new(program)
            .arg("--root")
            .arg(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Starts and opens a target, where a backup is begun if there is none.
    pub fn open(root: &Path, target: &Path) -> Self {
        let mut session = Self::start(root);
        let opened = session.ask(open(target, PASSWORD, true));
        assert_eq!(opened["event"], "opened", "{opened}");
        session
    }

    /// Sends a request, without waiting for the answer.
    pub fn send(&mut self, request: &Value) {
        let line = format!("{request}\n");
        // A process that was killed takes none.
        let _ = self.input.as_mut().unwrap().write_all(line.as_bytes());
    }

    /// The last line of the answer; null when the process has ended.
    pub fn answer(&mut self) -> Value {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap_or(0) == 0 {
                return Value::Null;
            }
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] != "progress" {
                return event;
            }
        }
    }

    pub fn ask(&mut self, request: Value) -> Value {
        self.send(&request);
        self.answer()
    }

    /// A whole run of some parts. Returns the answers to what was stored.
    pub fn back_up(&mut self, run: &str, parts: &[&str]) -> Vec<Value> {
        let stored: Vec<Value> = parts
            .iter()
            .map(|part| {
                let stored =
                    self.ask(json!({"request": "store", "run": run, "part": part, "prove": 20}));
                assert_eq!(stored["event"], "stored", "{part}: {stored}");
                stored
            })
            .collect();
        let finished = self.ask(json!({"request": "finish", "run": run, "manifest": {"run": run}}));
        assert_eq!(finished["event"], "finished", "{finished}");
        stored
    }

    /// The names of the whole runs, the newest first.
    pub fn whole_runs(&mut self) -> Vec<String> {
        let runs = self.ask(json!({"request": "runs"}));
        let runs = runs["runs"].as_array().unwrap_or_else(|| panic!("{runs}"));
        let whole = runs.iter().filter(|run| run["whole"] == true);
        whole
            .map(|run| run["run"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn open(target: &Path, password: &str, create: bool) -> Value {
    json!({
        "request": "open",
        "target": {"kind": "folder", "path": target},
        "password": password,
        "create": create,
    })
}

/// The state that is stored for a service.
pub fn state(root: &Path, key: &str) -> PathBuf {
    let snapshots = root.join("var/lib/private/atek-snapshots");
    snapshots.join(key).join("backup")
}

/// Where a restored state is put.
pub fn restored(root: &Path, key: &str) -> PathBuf {
    state(root, key).with_file_name("restored")
}

/// Runs Debian's `restic` on a target, and returns whether it was content, with what it said.
pub fn restic(target: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("restic")
        .args(["--no-cache", "--repo"])
        .arg(target.join("atek-backup"))
        .args(arguments)
        .env("RESTIC_PASSWORD", PASSWORD)
        .output()
        .unwrap();
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}
