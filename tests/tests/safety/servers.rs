//! Servers that keep backups: Debian's OpenSSH, `rclone serve restic`, which speaks the REST
//! protocol of restic, and `s3rver` of npm, which speaks S3. And the line that leads a job to one,
//! which can be cut.

use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What the users of the servers sign in with.
pub const SECRET: &str = "correct horse";
pub const USER: &str = "anna";
/// The bucket of the S3 server.
const BUCKET: &str = "backups";

/// Starts one at an address of this machine, for the files in a folder.
pub type Begin = fn(Ipv4Addr, &Path) -> Option<Server>;

/// A server that runs until it is dropped.
pub struct Server {
    child: Option<Child>,
    start: Box<dyn Fn() -> Command + Send>,
    pub address: SocketAddr,
    pub url: String,
    /// The authority of its certificate, in PEM; empty where it needs none.
    pub authority: String,
    /// With its keys.
    own: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn is_installed(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        atek_tests::skip(&format!("{program} is not installed"));
    }
    found
}

fn free_port(address: Ipv4Addr) -> SocketAddr {
    TcpListener::bind((IpAddr::V4(address), 0))
        .and_then(|listener| listener.local_addr())
        .unwrap()
}

/// The folder of the S3 server, installed there; none, and a skip, where npm cannot install it.
fn s3rver() -> Option<std::path::PathBuf> {
    let folder = atek_tests::paths::repository().join("tests/npm/s3");
    let installed = folder.join("node_modules/.package-lock.json").exists()
        || Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder)
            .output()
            .is_ok_and(|output| output.status.success());
    if !installed {
        atek_tests::skip("npm cannot install the S3 server");
    }
    installed.then_some(folder)
}

/// The folder with the authority of this process's servers, and its key.
fn authority() -> &'static Path {
    static AUTHORITY: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = AUTHORITY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        issue(folder.path(), "authority", &["-subj", "/CN=home"]);
        folder
    });
    folder.path()
}

/// A key and a certificate for it, `NAME-key.pem` and `NAME.pem`.
fn issue(folder: &Path, name: &str, more: &[&str]) {
    let path = |name: String| folder.join(name).display().to_string();
    let (key, certificate) = (path(format!("{name}-key.pem")), path(format!("{name}.pem")));
    let mut arguments = vec!["req", "-x509", "-days", "30", "-nodes", "-newkey", "ec"];
    arguments.extend(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", &key]);
    arguments.extend(["-out", &certificate]);
    arguments.extend(more);
    run("openssl", &arguments);
}

/// A certificate of the authority for an address.
fn certificate(folder: &Path, at: Ipv4Addr) {
    let path = |name: &str| authority().join(name).display().to_string();
    let (ca, key) = (path("authority.pem"), path("authority-key.pem"));
    let name = format!("subjectAltName=IP:{at}");
    let more = [
        "-subj", "/CN=s3", "-CA", &ca, "-CAkey", &key, "-addext", &name,
    ];
    let more = [
        &more[..],
        &["-addext", "basicConstraints=critical,CA:FALSE"],
    ]
    .concat();
    issue(folder, "server", &more);
}

impl Server {
    /// A server with both ways to sign in for one user, whose folder is `folder`.
    pub fn sftp(at: Ipv4Addr, folder: &Path) -> Option<Self> {
        if !is_installed("/usr/sbin/sshd") {
            return None;
        }
        let own = tempfile::tempdir().unwrap();
        let path = |name: &str| own.path().join(name).display().to_string();
        for name in ["host_key", "user_key"] {
            run(
                "ssh-keygen",
                &["-q", "-t", "ed25519", "-N", "", "-f", &path(name)],
            );
        }
        std::fs::copy(path("user_key.pub"), path("authorized")).unwrap();
        // A user of this server alone: files of accounts that only it sees.
        let hash = run("openssl", &["passwd", "-6", SECRET]);
        let passwd = format!(
            "root:x:0:0:root:/root:/bin/sh\nsshd:x:999:65534::/run/sshd:/usr/sbin/nologin\n{USER}:x:0:0::{}:/bin/sh\n",
            folder.display()
        );
        std::fs::write(path("passwd"), passwd).unwrap();
        let shadow = format!(
            "root:*:1::::::\nsshd:*:1::::::\n{USER}:{}:1::::::\n",
            hash.trim()
        );
        std::fs::write(path("shadow"), shadow).unwrap();
        let address = free_port(at);
        let config = format!(
            "Port {}\nListenAddress {}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication yes\nUsePAM no\nUseDNS no\nPidFile none\nSubsystem sftp internal-sftp\nForceCommand internal-sftp\n",
            address.port(),
            address.ip(),
            path("host_key"),
            path("authorized")
        );
        std::fs::write(path("config"), config).unwrap();
        let script = format!(
            "mount --bind {0}/passwd /etc/passwd && mount --bind {0}/shadow /etc/shadow && mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e -f {0}/config 2>{0}/log",
            own.path().display()
        );
        let start = move || {
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", &script]);
            command
        };
        let url = format!("sftp://{USER}@{address}{}", folder.display());
        Some(Self::begin(Box::new(start), address, url, own))
    }

    /// One with a user and a password, over HTTP.
    pub fn rest(at: Ipv4Addr, folder: &Path) -> Option<Self> {
        if !is_installed("rclone") {
            return None;
        }
        let own = tempfile::tempdir().unwrap();
        let address = free_port(at);
        let (served, config) = (folder.to_owned(), own.path().join("rclone.conf"));
        std::fs::write(&config, "").unwrap();
        let start = move || {
            let mut command = Command::new("rclone");
            command
                .arg("serve")
                .arg("restic")
                .args([
                    "--addr",
                    &address.to_string(),
                    "--user",
                    USER,
                    "--pass",
                    SECRET,
                ])
                .arg("--config")
                .arg(&config)
                .arg(&served)
                .stderr(Stdio::null());
            command
        };
        let url = format!("http://{USER}@{address}");
        Some(Self::begin(Box::new(start), address, url, own))
    }

    /// One over HTTPS, with a certificate of an authority that is new to the box.
    pub fn s3(at: Ipv4Addr, folder: &Path) -> Option<Self> {
        let program = s3rver()?;
        let own = tempfile::tempdir().unwrap();
        let address = free_port(at);
        let path = |name: &str| own.path().join(name).display().to_string();
        certificate(own.path(), at);
        let (key, certificate) = (path("server-key.pem"), path("server.pem"));
        let (log, served) = (path("log"), folder.to_owned());
        let start = move || {
            let mut command = Command::new("node");
            command
                .arg(program.join("server.js"))
                .args([address.ip().to_string(), address.port().to_string()])
                .arg(&served)
                .args([USER, &key, &certificate])
                .env("SECRET", SECRET)
                .stderr(std::fs::File::create(&log).unwrap());
            command
        };
        let url = format!("s3+https://{USER}@{address}/{BUCKET}");
        let authority = std::fs::read_to_string(authority().join("authority.pem")).unwrap();
        let mut server = Self::begin(Box::new(start), address, url, own);
        server.authority = authority;
        Some(server)
    }

    /// What Debian's restic says to a command about the backups of this server, which it reads as
    /// they lie there, or of S3 from the server.
    pub fn restic(&self, kept: &Path, password: &str, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new("restic");
        command.arg("--no-cache").arg("--repo");
        match self.url.strip_prefix("s3+") {
            None => command.arg(kept.join("atek-backup")),
            Some(url) => command
                .arg(format!("s3:{}/atek-backup", url.replace("anna@", "")))
                .arg("--cacert")
                .arg(authority().join("authority.pem"))
                .env("AWS_ACCESS_KEY_ID", USER)
                .env("AWS_SECRET_ACCESS_KEY", SECRET),
        };
        let output = command
            .args(arguments)
            .env("RESTIC_PASSWORD", password)
            .output()
            .unwrap();
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        (output.status.success(), said)
    }

    fn begin(
        start: Box<dyn Fn() -> Command + Send>,
        address: SocketAddr,
        url: String,
        own: tempfile::TempDir,
    ) -> Self {
        let mut server = Self {
            child: None,
            start,
            address,
            url,
            authority: String::new(),
            own,
        };
        server.start();
        server
    }

    pub fn start(&mut self) {
        let mut command = (self.start)();
        // Ended with all that it started.
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0);
        self.child = Some(child.spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(self.address).is_err() {
            let log = std::fs::read_to_string(self.own.path().join("log")).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "the server does not answer: {log}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it, with its connections.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let group = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = child.wait();
    }

    /// Sets it up again: it has another key.
    pub fn new_host_key(&mut self) {
        self.stop();
        let key = self.own.path().join("host_key");
        std::fs::remove_file(&key).unwrap();
        run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()],
        );
        self.start();
    }

    pub fn user_key(&self) -> String {
        std::fs::read_to_string(self.own.path().join("user_key")).unwrap()
    }

    /// The key as the server's administrator sees it.
    pub fn host_key(&self) -> Option<String> {
        let key = self.own.path().join("host_key.pub");
        let listed = key
            .is_file()
            .then(|| run("ssh-keygen", &["-l", "-f", key.to_str().unwrap()]))?;
        Some(listed.split(' ').nth(1).unwrap().to_owned())
    }

    /// The target, as a person who has compared the key sets it.
    pub fn target(&self) -> Value {
        match self.host_key() {
            Some(key) => json!({ "kind": "server", "url": self.url, "hostKey": key }),
            None => json!({ "kind": "server", "url": self.url }),
        }
    }
}

/// The line of a job that has no machine around it: as atekd's, and it breaks after some bytes.
pub struct Line {
    left: Arc<AtomicI64>,
}

const ENDLESS: i64 = i64::MAX / 2;

impl Line {
    /// Listens where a job below `root` looks for it.
    pub fn open(root: &Path, server: SocketAddr) -> Self {
        let path = root.join("run/atek-line");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let left = Arc::new(AtomicI64::new(ENDLESS));
        let counted = left.clone();
        std::thread::spawn(move || {
            for job in listener.incoming().flatten() {
                if counted.load(Ordering::SeqCst) <= 0 {
                    continue;
                }
                if let Ok(server) = TcpStream::connect(server) {
                    carry(job, server, counted.clone());
                }
            }
        });
        Self { left }
    }

    /// From now on it carries so many bytes to the server, and then nothing more.
    pub fn cut_after(&self, bytes: i64) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    pub fn mend(&self) {
        self.left.store(ENDLESS, Ordering::SeqCst);
    }

    pub fn is_cut(&self) -> bool {
        self.left.load(Ordering::SeqCst) <= 0
    }
}

fn carry(job: UnixStream, server: TcpStream, left: Arc<AtomicI64>) {
    let (mut from_job, mut to_job) = (job.try_clone().unwrap(), job);
    let (mut from_server, mut to_server) = (server.try_clone().unwrap(), server);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_server, &mut to_job);
        let _ = to_job.shutdown(Shutdown::Both);
    });
    std::thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(read @ 1..) = from_job.read(&mut buffer) {
            let before = left.fetch_sub(i64::try_from(read).unwrap(), Ordering::SeqCst);
            if before <= 0 || to_server.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = to_server.shutdown(Shutdown::Both);
        let _ = from_job.shutdown(Shutdown::Both);
    });
}
