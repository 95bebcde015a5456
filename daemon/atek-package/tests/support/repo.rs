//! A git repository on disk.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

pub struct Repo {
    folder: TempDir,
}

impl Repo {
    pub fn new() -> Self {
        let repo = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        repo.git(&["init", "-q", "-b", "main"]);
        repo
    }

    /// A repository with one Node app, released as `v1.0.0`.
    pub fn app() -> Self {
        let repo = Self::new();
        repo.write("index.js", "console.log('1')\n");
        repo.release("v1.0.0");
        repo
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its source, for a request.
    pub fn source(&self) -> String {
        format!("git+file://{}", self.path().display())
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub fn executable(&self, path: &str, text: &str) -> &Self {
        self.write(path, text);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.path().join(path), mode).unwrap();
        self
    }

    pub fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    /// Commits everything and sets a tag on it.
    pub fn release(&self, tag: &str) -> &Self {
        self.git(&["add", "-A", "-f"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", tag]);
        self.git(&["tag", tag]);
        self
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        self.git_with(arguments, b"")
    }

    pub fn git_with(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut child = git()
            .current_dir(self.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {arguments:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn blob(&self, content: &[u8]) -> String {
        self.git_with(&["hash-object", "-w", "--stdin"], content)
    }

    /// A tree that git itself would not make: any names, modes and order.
    pub fn raw_tree(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let mut tree = Vec::new();
        for (mode, name, id) in entries {
            tree.extend_from_slice(mode.as_bytes());
            tree.push(b' ');
            tree.extend_from_slice(name);
            tree.push(0);
            tree.extend(
                (0..id.len() / 2).map(|n| u8::from_str_radix(&id[2 * n..2 * n + 2], 16).unwrap()),
            );
        }
        self.git_with(
            &["hash-object", "-w", "-t", "tree", "--literally", "--stdin"],
            &tree,
        )
    }

    /// A commit of a tree, tagged.
    pub fn release_tree(&self, tree: &str, tag: &str) {
        let commit = self.git(&["commit-tree", "-m", tag, tree]);
        self.git(&["tag", tag, &commit]);
    }

    /// A bare copy, named `name` in a folder of its own, for a server.
    pub fn bare(&self, name: &str) -> (TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join(name);
        std::fs::create_dir(&target).unwrap();
        let copied = Command::new("cp")
            .arg("-r")
            .arg(self.path().join(".git/."))
            .arg(&target)
            .status()
            .unwrap();
        assert!(copied.success());
        (root, target)
    }
}

/// The `git` command, independent of this machine's settings.
pub fn git() -> Command {
    let mut command = Command::new("git");
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "Test")
        .env("GIT_AUTHOR_EMAIL", "test@example.org")
        .env("GIT_COMMITTER_NAME", "Test")
        .env("GIT_COMMITTER_EMAIL", "test@example.org");
    command
}
