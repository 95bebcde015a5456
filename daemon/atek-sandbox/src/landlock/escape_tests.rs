//! Tests of what a hostile service tries against its list of rules.
//!
//! Each attempt runs twice: free, where it must succeed, since the refusal of what could never
//! work shows nothing; and confined, in a thread of its own, since Landlock covers the thread
//! that asks for it and what it starts.

use super::confine;
use crate::rules::{Access, Policy, Rule};
use std::io;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder that is the service's own, its code, and what it must not reach.
struct World {
    _folder: tempfile::TempDir,
    own: PathBuf,
    code: PathBuf,
    outside: PathBuf,
    host: TcpListener,
    /// Listens on an abstract socket of this name.
    abstract_name: String,
    _abstract: UnixListener,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inside = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let (own, code, outside) = (inside("own"), inside("code"), inside("outside"));
        std::fs::write(outside.join("secret"), "secret").unwrap();
        for folder in [&own, &code] {
            std::fs::copy("/bin/true", folder.join("program")).unwrap();
        }
        symlink(outside.join("secret"), own.join("link")).unwrap();
        let abstract_name = format!("atek-attempts-{}", folder.path().display());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        Self {
            own,
            code,
            outside,
            host: TcpListener::bind("127.0.0.1:0").unwrap(),
            _abstract: UnixListener::bind_addr(&address).unwrap(),
            abstract_name,
            _folder: folder,
        }
    }

    fn policy(&self) -> Policy {
        let rule = |path: &Path, access, required| Rule {
            path: path.into(),
            access,
            required,
        };
        Policy {
            files: vec![
                rule(Path::new("/usr"), Access::Execute, true),
                rule(Path::new("/lib"), Access::Execute, false),
                rule(Path::new("/lib64"), Access::Execute, false),
                rule(Path::new("/etc/ld.so.cache"), Access::Read, false),
                rule(Path::new("/dev/null"), Access::Update, true),
                rule(&self.code, Access::Execute, true),
                rule(&self.own, Access::Own, true),
            ],
        }
    }
}

type Attempt = fn(&World) -> io::Result<()>;

fn run(program: PathBuf) -> io::Result<()> {
    Command::new(program).status().map(drop)
}

fn connect(listener: &TcpListener) -> io::Result<()> {
    std::net::TcpStream::connect(listener.local_addr()?).map(drop)
}

/// What a service does all day.
const ALLOWED: [(&str, Attempt); 8] = [
    ("listen on TCP", |_| {
        TcpListener::bind("127.0.0.1:0").map(drop)
    }),
    ("write to own state", |w| {
        std::fs::write(w.own.join("file"), "x")
    }),
    ("make a folder and move into it", |w| {
        std::fs::create_dir_all(w.own.join("d/e"))?;
        std::fs::write(w.own.join("moved"), "x")?;
        std::fs::rename(w.own.join("moved"), w.own.join("d/e/moved"))
    }),
    ("listen on a socket in it", |w| {
        let socket = w.own.join("sock");
        UnixListener::bind(&socket)?;
        std::fs::remove_file(socket)
    }),
    ("run its own code", |w| run(w.code.join("program"))),
    ("run the system's programs", |_| run("/usr/bin/true".into())),
    ("write to /dev/null", |_| std::fs::write("/dev/null", "x")),
    ("call the host", |w| connect(&w.host)),
];

/// What it must not.
const DENIED: [(&str, Attempt); 12] = [
    ("read outside", |w| {
        std::fs::read(w.outside.join("secret")).map(drop)
    }),
    ("read outside through a link", |w| {
        std::fs::read(w.own.join("link")).map(drop)
    }),
    ("list outside", |w| std::fs::read_dir(&w.outside).map(drop)),
    ("read a file of the system", |_| {
        std::fs::read("/etc/passwd").map(drop)
    }),
    ("write outside", |w| {
        std::fs::write(w.outside.join("new"), "x")
    }),
    ("cut a file outside short", |w| {
        nix::unistd::truncate(&w.outside.join("secret"), 6).map_err(Into::into)
    }),
    ("make a folder outside", |w| {
        std::fs::create_dir(w.outside.join("d"))?;
        std::fs::remove_dir(w.outside.join("d"))
    }),
    ("move a file outside in", |w| {
        std::fs::rename(w.outside.join("secret"), w.own.join("stolen"))?;
        std::fs::rename(w.own.join("stolen"), w.outside.join("secret"))
    }),
    ("link a file outside in", |w| {
        std::fs::hard_link(w.outside.join("secret"), w.own.join("linked"))?;
        std::fs::remove_file(w.own.join("linked"))
    }),
    ("write to own code", |w| {
        std::fs::OpenOptions::new()
            .append(true)
            .open(w.code.join("program"))
            .map(drop)
    }),
    ("run a program from own state", |w| {
        let program = w.own.join("program");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700))?;
        run(program)
    }),
    ("reach an abstract socket", |w| {
        UnixStream::connect_addr(&SocketAddr::from_abstract_name(&w.abstract_name)?).map(drop)
    }),
];

#[test]
fn what_is_not_named_cannot_be_touched_and_the_rest_works() {
    let world = World::new();
    for (name, attempt) in ALLOWED.iter().chain(&DENIED) {
        attempt(&world).unwrap_or_else(|error| panic!("free, it can {name}: {error}"));
    }
    let policy = world.policy();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            confine(&policy).unwrap();
            for (name, attempt) in ALLOWED {
                attempt(&world).unwrap_or_else(|error| panic!("confined, it can {name}: {error}"));
            }
            for (name, attempt) in DENIED {
                let error = attempt(&world).expect_err(name);
                let code = error.raw_os_error();
                assert!(
                    matches!(code, Some(libc::EACCES | libc::EPERM | libc::EXDEV)),
                    "confined, it can not {name} because of {error}"
                );
            }
        });
    });
}

#[test]
fn a_process_outside_gets_no_signal() {
    use nix::sys::signal::{Signal, kill};
    let mut victim = Command::new("/bin/sleep").arg("60").spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(victim.id().try_into().unwrap());
    kill(pid, None).unwrap();
    let world = World::new();
    let refused = std::thread::scope(|scope| {
        let confined = scope.spawn(|| {
            confine(&world.policy()).unwrap();
            kill(pid, Signal::SIGKILL)
        });
        confined.join().unwrap()
    });
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert_eq!(refused, Err(nix::errno::Errno::EPERM));
}
