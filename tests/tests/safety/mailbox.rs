//! A mail server of Debian (aiosmtpd) with TLS and one user, and what it took.

use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const USER: &str = "anna";
pub const SECRET: &str = "correct horse";

/// A server that runs until it is dropped.
pub struct Mailbox {
    child: Option<Child>,
    pub address: Ipv4Addr,
    pub port: u16,
    security: &'static str,
    folder: tempfile::TempDir,
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.stop();
    }
}

fn issue(folder: &Path, name: &str, more: &[&str]) -> anyhow::Result<()> {
    let mut openssl = Command::new("openssl");
    openssl.current_dir(folder);
    openssl.args(["req", "-x509", "-days", "30", "-nodes", "-newkey", "ec"]);
    openssl.args(["-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    openssl.args([
        "-keyout",
        &format!("{name}-key.pem"),
        "-out",
        &format!("{name}.pem"),
    ]);
    let done = openssl.args(more).output()?;
    anyhow::ensure!(done.status.success(), "{done:?}");
    Ok(())
}

impl Mailbox {
    /// One with a certificate of an authority of its own; none, and a skip, where the package is
    /// missing.
    pub fn begin(address: Ipv4Addr, security: &'static str) -> anyhow::Result<Option<Self>> {
        let there = Command::new("/usr/bin/python3")
            .args(["-c", "import aiosmtpd.smtp"])
            .stderr(Stdio::null())
            .status();
        if !there.is_ok_and(|status| status.success()) {
            atek_tests::skip("python3-aiosmtpd is not installed");
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        issue(folder.path(), "authority", &["-subj", "/CN=house"])?;
        let name = format!("subjectAltName=IP:{address}");
        let signed = ["-CA", "authority.pem", "-CAkey", "authority-key.pem"];
        let more = ["-subj", "/CN=mail", "-addext", &name];
        let no_authority = ["-addext", "basicConstraints=critical,CA:FALSE"];
        let more = [&more[..], &signed, &no_authority].concat();
        issue(folder.path(), "server", &more)?;
        std::fs::write(folder.path().join("mails"), "")?;
        let port = TcpListener::bind((address, 0))?.local_addr()?.port();
        let mut mailbox = Self {
            child: None,
            address,
            port,
            security,
            folder,
        };
        mailbox.start()?;
        Ok(Some(mailbox))
    }

    pub fn start(&mut self) -> anyhow::Result<()> {
        let script = atek_tests::paths::repository().join("tests/tests/safety/mailbox.py");
        let child = Command::new("/usr/bin/python3")
            .arg(script)
            .args([self.address.to_string(), self.port.to_string()])
            .arg(self.folder.path())
            .arg(self.security)
            .spawn()?;
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((self.address, self.port)).is_err() {
            anyhow::ensure!(Instant::now() < deadline, "the mail server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The authority of its certificate, in PEM.
    pub fn authority(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(
            self.folder.path().join("authority.pem"),
        )?)
    }

    /// What it took.
    pub fn mails(&self) -> anyhow::Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.folder.path().join("mails"))?;
        let lines = text.lines().map(serde_json::from_str);
        Ok(lines.collect::<Result<_, _>>()?)
    }
}
