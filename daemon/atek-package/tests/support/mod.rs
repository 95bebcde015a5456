//! Repositories made with the `git` command, a server for them, and runs of the real
//! program on them.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]
#![allow(
    clippy::unwrap_used,
    missing_debug_implementations,
    reason = "only tests use it"
)]

pub mod http;
pub mod private;
#[path = "../../../../tests/src/registry.rs"]
pub mod registry;
pub mod repo;

use atek_api::package::{
    Access, Event, Failure, FailureCode, FetchLimits, FetchedPackage, Outcome, PACKAGE_FOLDER,
    Request, Wanted,
};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A place for one run: `staging/` to work in, and other folders that must stay as they are.
pub struct Bench {
    pub folder: TempDir,
}

/// What a run of the program left.
#[derive(Debug)]
pub struct Run {
    pub events: Vec<Event>,
    pub code: Option<i32>,
    pub stderr: String,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["staging", "real-home", "outside"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("outside/secret"), "hunter2").unwrap();
        Self { folder }
    }

    pub fn staging(&self) -> PathBuf {
        self.folder.path().join("staging")
    }

    pub fn package(&self) -> PathBuf {
        self.staging().join(PACKAGE_FOLDER)
    }

    pub fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    /// The text of a file of the package.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.package().join(path))
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn mode(&self, path: &str) -> u32 {
        std::fs::symlink_metadata(self.package().join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    }

    /// Runs the program with a request of any text.
    pub fn run_text(&self, request: &str) -> Run {
        self.run_command(
            &mut Command::new(env!("CARGO_BIN_EXE_atek-package")),
            request,
        )
    }

    /// The same by a command that becomes the program.
    pub fn run_command(&self, command: &mut Command, request: &str) -> Run {
        let before = self.others();
        let mut child = command
            .current_dir(self.staging())
            .env("HOME", self.folder.path().join("real-home"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Kept open until the end, as a socket would be.
        let mut stdin = child.stdin.take().unwrap();
        let _ = stdin.write_all(format!("{request}\n").as_bytes());
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let events: Vec<Event> = stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
            .collect();
        assert_eq!(
            self.others(),
            before,
            "something outside the staging folder changed"
        );
        let run = Run {
            events,
            code: output.status.code(),
            stderr,
        };
        run.check_protocol();
        run
    }

    pub fn run(&self, request: &Request) -> Run {
        self.run_text(&serde_json::to_string(request).unwrap())
    }

    pub fn fetch(&self, source: &str) -> Run {
        self.fetch_with(source, Wanted::default(), FetchLimits::default())
    }

    pub fn fetch_limited(&self, source: &str, limits: FetchLimits) -> Run {
        self.fetch_with(source, Wanted::default(), limits)
    }

    pub fn fetch_range(&self, source: &str, range: &str) -> Run {
        let wanted = Wanted::Newest {
            range: range.parse().unwrap(),
            refused: Vec::new(),
        };
        self.fetch_with(source, wanted, FetchLimits::default())
    }

    pub fn fetch_with(&self, source: &str, wanted: Wanted, limits: FetchLimits) -> Run {
        self.run(&Request::Fetch {
            source: source.parse().unwrap(),
            wanted,
            access: Access::default(),
            limits,
        })
    }

    /// Builds what a fetch left.
    pub fn build(&self, fetched: &Run, limits: FetchLimits) -> Run {
        self.run(&Request::Build {
            package: Box::new(fetched.package().clone()),
            certificates: String::new(),
            limits,
        })
    }

    /// Fetches a release and builds it where that is needed, as an install does.
    pub fn fetch_and_build(&self, source: &str, limits: FetchLimits) -> Run {
        let fetched = self.fetch_limited(source, limits);
        match fetched.events.last() {
            Some(Event::Done { .. }) if !fetched.package().build.is_empty() => {
                self.build(&fetched, limits)
            }
            _ => fetched,
        }
    }

    /// Everything beside the staging folder, with what it holds.
    fn others(&self) -> BTreeSet<(PathBuf, Vec<u8>)> {
        let mut found = BTreeSet::new();
        let mut open = vec![self.folder.path().to_path_buf()];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path == self.staging() {
                    continue;
                }
                if path.is_dir() {
                    open.push(path.clone());
                }
                let content = std::fs::read(&path).unwrap_or_default();
                found.insert((path, content));
            }
        }
        found
    }
}

impl Run {
    /// Exactly one last line, and the exit code that goes with it.
    fn check_protocol(&self) {
        let lasts = self
            .events
            .iter()
            .filter(|event| !matches!(event, Event::Progress(_)))
            .count();
        assert_eq!(lasts, 1, "{self:?}");
        match self.events.last() {
            Some(Event::Done { .. }) => assert_eq!(self.code, Some(0), "{self:?}"),
            Some(Event::Failed(_)) => assert_eq!(self.code, Some(1), "{self:?}"),
            _ => panic!("no last line: {self:?}"),
        }
    }

    pub fn package(&self) -> &FetchedPackage {
        match self.events.last() {
            Some(Event::Done {
                result: Outcome::Package(package),
            }) => package,
            _ => panic!("no package: {self:?}"),
        }
    }

    pub fn failure(&self) -> &Failure {
        match self.events.last() {
            Some(Event::Failed(failure)) => failure,
            _ => panic!("no failure: {self:?}"),
        }
    }

    /// The run failed so, with these words in its message.
    pub fn assert_failed(&self, code: FailureCode, words: &str) {
        let failure = self.failure();
        assert_eq!(failure.code, code, "{}", failure.message);
        assert!(failure.message.contains(words), "{}", failure.message);
        let shown = |c: char| !c.is_control() || c == '\n';
        assert!(failure.message.chars().all(shown), "{:?}", failure.message);
    }
}

/// All paths below `folder`, relative, sorted.
pub fn paths(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(current) = open.pop() {
        for entry in std::fs::read_dir(current).unwrap() {
            let entry = entry.unwrap();
            found.push(
                entry
                    .path()
                    .strip_prefix(folder)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned(),
            );
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
        }
    }
    found.sort();
    found
}
