//! Makes a service's surroundings ready, before the service starts.
//!
//! `atek-sandbox prepare KEY [sidecar=NAME] [USER]` runs as root, as the first command of the
//! unit: the number of the service's user is known only then. It sees the service's mounts.
//! Programs look up their own user in these files (`os.userInfo()`); what the system's files say of
//! people is not shown to them. The user is called `app`, or what the program's container image
//! calls it.
//!
//! In the service's network namespace no port needs a privilege: programs listen on 80 or 53, and
//! where none has the port 80 the host's API answers there at `http://localhost/`. The setting is
//! the namespace's own (`ip-sysctl.rst`, "ip_unprivileged_port_start"), not the machine's.

use anyhow::{Context as _, ensure};
use atek_api::ids::ServiceKey;
use atek_api::image::is_user_name;
use atek_api::manifest::SidecarName;
use atek_api::spec::paths;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The word that asks for this on the command line.
pub(crate) const WORD: &str = "prepare";
/// The service's user and group, as its programs see them where no image names them.
const NAME: &str = "app";

/// Writes the files of the service that the rest of the command line names.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> anyhow::Result<()> {
    let mut args = args.peekable();
    let key: ServiceKey = args
        .next()
        .and_then(|key| key.into_string().ok())
        .context("missing the service key")?
        .parse()?;
    let sidecar = args
        .peek()
        .and_then(|word| word.to_str()?.strip_prefix("sidecar="));
    let sidecar: Option<SidecarName> = sidecar.map(str::parse).transpose()?;
    if sidecar.is_some() {
        args.next();
    }
    let name = match args.next() {
        None => NAME.to_owned(),
        Some(name) => name
            .into_string()
            .ok()
            .filter(|name| is_user_name(name))
            .context("the user's name is none")?,
    };
    ensure!(args.next().is_none(), "too many arguments");
    open_ports()?;
    // systemd has made the folder for the service's user; its parent is root's.
    let runtime = Path::new("/run").join(paths::runtime_name(&key, sidecar.as_ref()));
    let owner = fs::symlink_metadata(&runtime)
        .with_context(|| format!("cannot examine {}", runtime.display()))?;
    ensure!(owner.is_dir(), "{} is no folder", runtime.display());
    write(
        Path::new(paths::ACCOUNTS),
        &files(
            &name,
            owner.uid(),
            owner.gid(),
            &paths::process_state(&key, sidecar.as_ref()),
        ),
    )
}

/// Lets programs without privilege listen on all ports of this network namespace, which must not be
/// the machine's.
fn open_ports() -> anyhow::Result<()> {
    let namespace = |process: &str| {
        let path = format!("/proc/{process}/ns/net");
        fs::read_link(&path).with_context(|| format!("cannot read {path}"))
    };
    ensure!(
        namespace("self")? != namespace("1")?,
        "the service has no network namespace of its own"
    );
    let setting = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    fs::write(setting, "0").with_context(|| format!("cannot write {setting}"))
}

/// The content of `passwd` and `group`.
fn files(name: &str, uid: u32, gid: u32, home: &Path) -> [(&'static str, String); 2] {
    let home = home.display();
    [
        (
            "passwd",
            format!(
                "root:x:0:0::/:/usr/sbin/nologin\n{name}:x:{uid}:{gid}::{home}:/usr/sbin/nologin\n"
            ),
        ),
        ("group", format!("root:x:0:\n{name}:x:{gid}:\n")),
    ]
}

/// Writes into files that are there: atek-spawnd has made them, and systemd mounts them.
fn write(folder: &Path, files: &[(&str, String)]) -> anyhow::Result<()> {
    for (name, content) in files {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_finds_its_own_user_and_root_and_no_person() {
        let [(_, passwd), (_, group)] = files(NAME, 61_184, 963, Path::new("/var/lib/atek-app-k1"));
        assert_eq!(
            passwd,
            "root:x:0:0::/:/usr/sbin/nologin\n\
             app:x:61184:963::/var/lib/atek-app-k1:/usr/sbin/nologin\n"
        );
        assert_eq!(group, "root:x:0:\napp:x:963:\n");
    }

    #[test]
    fn a_command_line_without_one_key_is_refused() {
        let line = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            run(words.into_iter())
        };
        for words in [&[][..], &["../k"], &["k1", "root"], &["k1", "x", "y"]] {
            assert!(line(words).is_err(), "{words:?}");
        }
    }
}
