//! A repository that is read with an access token alone, served over HTTPS with a certificate of an
//! authority that the world does not know.

use super::GitRemote;
use crate::command;
use anyhow::Context as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// What the server does, in Node.
const SERVER: &str = include_str!("private.cjs");

/// A private git remote, until the value is dropped.
#[derive(Debug)]
pub struct PrivateRemote {
    /// The repository.
    pub remote: GitRemote,
    name: String,
    folder: tempfile::TempDir,
    server: Child,
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl PrivateRemote {
    /// An empty repository called `name`, served on `address`, for those who have `token`.
    ///
    /// # Errors
    ///
    /// When git, openssl or the server cannot be started.
    pub fn new(name: &str, address: impl Into<IpAddr>, token: &str) -> anyhow::Result<Self> {
        let address = address.into();
        let remote = GitRemote::new(name, address)?;
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30";
        for words in [
            format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=House-of-{name}"),
            format!(
                "req -x509 {key} -keyout server.key -out server.pem -subj /CN=git \
                 -CA ca.pem -CAkey ca.key -addext basicConstraints=CA:FALSE \
                 -addext subjectAltName=IP:{address}"
            ),
        ] {
            let mut openssl = Command::new("openssl");
            openssl
                .args(words.split_whitespace())
                .current_dir(folder.path());
            command::run(&mut openssl)?;
        }
        let origin = remote.url();
        let origin = origin.strip_suffix(&format!("/{name}.git"));
        let mut server = Command::new("node")
            .args(["-e", SERVER])
            .arg(folder.path())
            .arg(origin.context("a remote has a name")?)
            .arg(address.to_string())
            .arg(token)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start node")?;
        let mut lines = BufReader::new(server.stdout.take().context("node has no output")?).lines();
        let port = lines.next().context("the git server did not start")??;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = asked.clone();
        // Ends with the server.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                heard
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
        Ok(Self {
            remote,
            name: name.to_owned(),
            folder,
            server,
            address: format!("{address}:{port}"),
            asked,
        })
    }

    /// Where it is served: `https://ADDRESS:PORT/NAME.git`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}/{}.git", self.address, self.name)
    }

    /// The certificate of its authority, as PEM.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn authority(&self) -> anyhow::Result<String> {
        fs::read_to_string(self.folder.path().join("ca.pem")).context("there is no certificate")
    }

    /// What stood in the Authorization header of each request: `token`, `other`, `none`.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for PrivateRemote {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
