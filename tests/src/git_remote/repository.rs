//! One repository with an author's work tree, served over HTTP and readable from disk.

use super::cgi;
use super::server::Server;
use super::ssh_key::SshKey;
use crate::{apps, command};
use anyhow::Context as _;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A git remote, until the value is dropped.
#[derive(Debug)]
pub struct GitRemote {
    name: String,
    folder: tempfile::TempDir,
    server: Server,
}

impl GitRemote {
    /// An empty repository called `name`, served on `address`: `machine.gateway()?`, or the
    /// loopback address.
    ///
    /// # Errors
    ///
    /// When git or the server cannot be started.
    pub fn new(name: &str, address: impl Into<IpAddr>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let served = folder.path().join("served");
        let bare = served.join(format!("{name}.git"));
        command::run(
            git()
                .args(["init", "--quiet", "--bare", "--initial-branch=main"])
                .arg(&bare),
        )?;
        let work = folder.path().join("work");
        command::run(
            git()
                .args(["init", "--quiet", "--initial-branch=main"])
                .arg(&work),
        )?;
        let server = Server::start(address.into(), cgi::handler(served))?;
        let remote = Self {
            name: name.to_owned(),
            folder,
            server,
        };
        remote.git(["remote", "add", "origin", &bare.display().to_string()])?;
        Ok(remote)
    }

    /// Where it is served: `http://ADDRESS:PORT/NAME.git`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/{}.git", self.server.address(), self.name)
    }

    /// The author's work tree.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The bare repository on disk, for `git+file://`.
    #[must_use]
    pub fn bare(&self) -> PathBuf {
        self.folder
            .path()
            .join("served")
            .join(format!("{}.git", self.name))
    }

    /// Replaces the work tree with a fixture app, and publishes it under a tag. Its file `VERSION`
    /// is the tag.
    ///
    /// # Errors
    ///
    /// When there is no such app, its program is not built, or the tag exists.
    pub fn tag_app(&self, tag: &str, app: &str) -> anyhow::Result<&Self> {
        apps::stage(app, &self.work())?;
        self.write("VERSION", tag)?;
        self.tag(tag)
    }

    /// Commits the work tree as it is, and publishes it under a tag.
    ///
    /// # Errors
    ///
    /// When the tag exists.
    pub fn tag(&self, tag: &str) -> anyhow::Result<&Self> {
        self.tag_with(tag, tag)
    }

    /// The same with a message of its own.
    ///
    /// # Errors
    ///
    /// When the tag exists.
    pub fn tag_with(&self, tag: &str, message: &str) -> anyhow::Result<&Self> {
        self.commit(tag)?;
        self.git(["tag", "--annotate", "--message", message, tag])?;
        self.publish()
    }

    /// The same, signed by an author.
    ///
    /// # Errors
    ///
    /// When the tag exists.
    pub fn tag_signed(&self, tag: &str, message: &str, key: &SshKey) -> anyhow::Result<&Self> {
        self.commit(tag)?;
        let settings = key.settings();
        let mut words: Vec<&str> = settings.iter().map(String::as_str).collect();
        words.extend(["tag", "--sign", "--message", message, tag]);
        self.git(words)?;
        self.publish()
    }

    /// Commits the work tree as it is.
    ///
    /// # Errors
    ///
    /// When git fails.
    pub fn commit(&self, message: &str) -> anyhow::Result<&Self> {
        self.git(["add", "--all", "--force"])?;
        self.git(["commit", "--quiet", "--allow-empty", "--message", message])?;
        Ok(self)
    }

    /// Makes the remote what the author has: branch and tags, with force, also what was deleted.
    ///
    /// # Errors
    ///
    /// When git fails.
    pub fn publish(&self) -> anyhow::Result<&Self> {
        self.git([
            "push",
            "--quiet",
            "--force",
            "--prune",
            "origin",
            "refs/heads/*:refs/heads/*",
            "refs/tags/*:refs/tags/*",
        ])?;
        Ok(self)
    }

    /// Writes a file of the work tree.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> anyhow::Result<&Self> {
        let file = self.work().join(path);
        let folder = file.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(self)
    }

    /// Runs git in the work tree, and returns what it printed. For what no method here does: a tag
    /// that is no commit, a submodule, a tree with odd names.
    ///
    /// # Errors
    ///
    /// When git fails, with what it said.
    pub fn git<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> anyhow::Result<String> {
        command::run(git().arg("-C").arg(self.work()).args(words))
    }
}

/// git without the user's settings, as one author at one time.
fn git() -> Command {
    let mut git = Command::new("git");
    git.env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0");
    for role in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{role}_NAME"), "Author");
        git.env(format!("GIT_{role}_EMAIL"), "author@example.test");
        git.env(format!("GIT_{role}_DATE"), "2026-01-01T00:00:00Z");
    }
    // A fixture for submodules lies on the same disk.
    git.args([
        "-c",
        "protocol.file.allow=always",
        "-c",
        "safe.directory=*",
        "-c",
        "commit.gpgSign=false",
    ]);
    git
}
