//! The command line, which atek-spawnd writes.

use anyhow::{Context as _, bail};
use atek_api::ids::ServiceKey;
use atek_api::image::is_user_name;
use atek_api::manifest::{BeforeBackup, SidecarName};
use atek_api::permission::{DevicePath, GivenFolder};
use atek_api::spec::{AppPort, arguments};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// The program to run, the service that it belongs to, and what must hold before it runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    /// The service that starts.
    pub(crate) key: ServiceKey,
    /// Which of its processes; none: its own.
    pub(crate) sidecar: Option<SidecarName>,
    /// Whether its network namespace has a link to the machine's.
    pub(crate) link: bool,
    /// The TCP port on which the program listens; `None`: it listens on its socket file.
    pub(crate) port: Option<AppPort>,
    /// Whether a program of the service listens on the port at which the host answers otherwise.
    pub(crate) http_is_taken: bool,
    /// Whether the program may reach hosts by name through the host's proxy.
    pub(crate) proxy: bool,
    /// Whether the root of the file system is a container image's, and how many of its folders
    /// keep data.
    pub(crate) image: Option<u16>,
    /// Whether the program of an image is shown that it is root.
    pub(crate) root: bool,
    /// What the image calls its user.
    pub(crate) user: Option<String>,
    /// The command of its health check.
    pub(crate) health: Option<Vec<String>>,
    /// What it does before a backup.
    pub(crate) before_backup: Option<BeforeBackup>,
    /// The folder in which the program is started, if it is not the one of this process.
    pub(crate) workdir: Option<PathBuf>,
    /// Devices that it may read and write.
    pub(crate) devices: Vec<DevicePath>,
    /// Folders of other services that it may use.
    pub(crate) folders: Vec<GivenFolder>,
    /// Folders that atek-spawnd has checked, and that systemd was to mount.
    pub(crate) mounts: Vec<Mount>,
    /// An absolute path: nothing is searched. Of an image also a name, which is looked for in
    /// the image's `PATH`.
    pub(crate) program: PathBuf,
    /// Taken literally.
    pub(crate) arguments: Vec<OsString>,
}

/// A folder that must be the one that atek-spawnd has checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where it is mounted.
    pub(crate) path: PathBuf,
    /// `st_dev` of the folder that was checked.
    pub(crate) device: u64,
    /// Its `st_ino`.
    pub(crate) inode: u64,
}

/// Parses `KEY [OPTION]... -- PROGRAM [ARG]...`.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> anyhow::Result<Args> {
    let mut args = args.into_iter();
    let mut next = |what: &str| args.next().with_context(|| format!("missing {what}"));
    let key = next("the service key")?;
    let key = key
        .to_str()
        .context("the service key is not text")?
        .parse()?;
    let (mut link, mut port, mut proxy) = (false, None, false);
    let (mut http_is_taken, mut root, mut escaped) = (false, false, false);
    let (mut devices, mut folders, mut mounts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut image, mut workdir, mut health, mut sidecar) = (None, None, None, None);
    let (mut user, mut before_backup) = (None, None);
    loop {
        let option = next("-- before the program")?;
        match option.as_bytes() {
            b"--" => break,
            b"link" => link = true,
            option if option.starts_with(b"sidecar=") => sidecar = Some(name(&option[8..])?),
            option if option.starts_with(b"image=") => image = Some(count(&option[6..])?),
            option if option.starts_with(b"user=") => user = Some(user_name(&option[5..])?),
            option if option.starts_with(b"workdir=") => workdir = Some(folder(&option[8..])?),
            option if option.starts_with(b"health=") => health = Some(words(&option[7..])?),
            option if option.starts_with(b"backup=") => before_backup = Some(hook(&option[7..])?),
            b"proxy" => proxy = true,
            b"escaped" => escaped = true,
            b"http-taken" => http_is_taken = true,
            b"root" => root = true,
            b"port=auto" => port = Some(AppPort::Auto),
            option if option.starts_with(b"port=") => port = Some(fixed_port(&option[5..])?),
            option if option.starts_with(b"device=") => devices.push(device(&option[7..])?),
            option if option.starts_with(b"folder=") => folders.push(given(&option[7..])?),
            option if option.starts_with(b"mount=") => mounts.push(mount(&option[6..])?),
            _ => bail!("unknown option {}", option.display()),
        }
    }
    let mut words = args.map(|word| if escaped { unescaped(&word) } else { Ok(word) });
    let program = words.next().context("missing the program to run")??;
    let program = PathBuf::from(program);
    if root && image.is_none() {
        bail!("only a program of an image is shown that it is root");
    }
    if !program.is_absolute() && image.is_none() {
        bail!("the program {} must be an absolute path", program.display());
    }
    Ok(Args {
        key,
        sidecar,
        link,
        port,
        http_is_taken,
        proxy,
        image,
        root,
        user,
        health,
        before_backup,
        workdir,
        devices,
        folders,
        mounts,
        program,
        arguments: words.collect::<anyhow::Result<_>>()?,
    })
}

/// A word that atek-spawnd wrote without its line ends.
fn unescaped(word: &OsStr) -> anyhow::Result<OsString> {
    let word = word.to_str().and_then(arguments::unescape);
    word.map(OsString::from)
        .context("an argument is not escaped")
}

/// A list of words in JSON, at least one.
fn words(json: &[u8]) -> anyhow::Result<Vec<String>> {
    let words: Vec<String> = serde_json::from_slice(json).context("not a list of words")?;
    if words.first().is_none_or(String::is_empty) {
        bail!("a health check without a program");
    }
    Ok(words)
}

/// A command with a deadline, in JSON.
fn hook(json: &[u8]) -> anyhow::Result<BeforeBackup> {
    let hook: BeforeBackup = serde_json::from_slice(json).context("not a command")?;
    if hook.command.first().is_none_or(String::is_empty) {
        bail!("a command before backups without a program");
    }
    Ok(hook)
}

/// Parses `[mount=DEVICE:INODE:PATH]... -- PROGRAM [ARG]...`.
pub(crate) fn parse_job(
    args: impl IntoIterator<Item = OsString>,
) -> anyhow::Result<(Vec<Mount>, Vec<OsString>)> {
    let mut args = args.into_iter();
    let mut mounts = Vec::new();
    loop {
        let option = args.next().context("missing -- before the program")?;
        match option.as_bytes() {
            b"--" => break,
            option if option.starts_with(b"mount=") => mounts.push(mount(&option[6..])?),
            _ => bail!("unknown option {}", option.display()),
        }
    }
    Ok((mounts, args.collect()))
}

fn name(text: &[u8]) -> anyhow::Result<SidecarName> {
    let text = std::str::from_utf8(text).context("the name of a sidecar is not text")?;
    Ok(text.parse()?)
}

fn user_name(text: &[u8]) -> anyhow::Result<String> {
    let name = std::str::from_utf8(text).ok();
    let name = name.filter(|name| is_user_name(name));
    name.map(str::to_owned).context("the user's name is none")
}

fn folder(text: &[u8]) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(OsStr::from_bytes(text));
    anyhow::ensure!(path.is_absolute(), "the folder to start in is not absolute");
    Ok(path)
}

fn count(text: &[u8]) -> anyhow::Result<u16> {
    let number = std::str::from_utf8(text).ok();
    number
        .and_then(|text| text.parse().ok())
        .context("the number of volumes is none")
}

fn fixed_port(text: &[u8]) -> anyhow::Result<AppPort> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .and_then(AppPort::fixed)
        .context("the port must be auto, or a number from 1 to 65535")
}

fn device(text: &[u8]) -> anyhow::Result<DevicePath> {
    let text = std::str::from_utf8(text).context("a device is not text")?;
    Ok(text.parse()?)
}

/// `read:KEY/NAME` or `write:KEY/NAME`.
fn given(text: &[u8]) -> anyhow::Result<GivenFolder> {
    let text = std::str::from_utf8(text).context("a folder is not text")?;
    let (access, folder) = text.split_once(':').context("a folder without access")?;
    let write = match access {
        "read" => false,
        "write" => true,
        _ => bail!("a folder is to read or to write, not to {access:?}"),
    };
    let folder = folder.parse()?;
    Ok(GivenFolder { folder, write })
}

/// `DEVICE:INODE:PATH`.
fn mount(text: &[u8]) -> anyhow::Result<Mount> {
    let mut parts = text.splitn(3, |byte| *byte == b':');
    let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse().ok();
    let numbers = number().zip(number());
    let path = parts
        .next()
        .map(|path| PathBuf::from(OsStr::from_bytes(path)));
    match (numbers, path) {
        (Some((device, inode)), Some(path)) if path.is_absolute() => Ok(Mount {
            path,
            device,
            inode,
        }),
        _ => bail!("a mount must be DEVICE:INODE:PATH"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> anyhow::Result<Args> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn everything_after_the_program_is_its_own() {
        let args = parse_line("k1 -- /usr/bin/node /app/index.js -- port=80 --x").unwrap();
        assert_eq!(args.key.as_str(), "k1");
        assert_eq!(args.port, None);
        assert!(!args.link && !args.proxy && args.mounts.is_empty());
        assert_eq!(args.program, PathBuf::from("/usr/bin/node"));
        assert_eq!(args.arguments, ["/app/index.js", "--", "port=80", "--x"]);
    }

    #[test]
    fn options_come_before_the_program() {
        let line = "k1 link port=80 http-taken proxy device=/dev/ttyUSB0 folder=write:k2/photos mount=1:2:/app mount=3:4:/a:b -- /bin/true";
        let args = parse_line(line).unwrap();
        assert_eq!(args.port, Some(AppPort::Fixed(80)));
        assert!(args.link && args.proxy && args.http_is_taken);
        assert_eq!(args.devices, ["/dev/ttyUSB0".parse().unwrap()]);
        let folder = "k2/photos".parse().unwrap();
        assert_eq!(
            args.folders,
            [GivenFolder {
                folder,
                write: true
            }]
        );
        let mount = |path: &str, device, inode| Mount {
            path: path.into(),
            device,
            inode,
        };
        assert_eq!(args.mounts, [mount("/app", 1, 2), mount("/a:b", 3, 4)]);
        let image = "k1 image=2 root user=redis workdir=/data -- redis-server --port 1";
        let image = parse_line(image).unwrap();
        assert_eq!(image.user.as_deref(), Some("redis"));
        assert_eq!((image.image, image.root), (Some(2), true));
        assert_eq!(image.workdir, Some(PathBuf::from("/data")));
        assert_eq!(image.program, PathBuf::from("redis-server"));
        let health = parse_line(r#"k1 health=["node","check.js"] -- /bin/true"#).unwrap();
        assert_eq!(health.health.unwrap(), ["node", "check.js"]);
        let hook = r#"k1 backup={"command":["./dump"],"seconds":5} -- /bin/true"#;
        let hook = parse_line(hook).unwrap().before_backup.unwrap();
        assert_eq!(
            (&hook.command[..], hook.seconds),
            (&["./dump".to_owned()][..], 5)
        );
        let sidecar = parse_line("k1 sidecar=db -- /bin/true").unwrap().sidecar;
        assert_eq!(sidecar, Some("db".parse().unwrap()));
        let auto = parse_line("k1 port=auto -- /bin/true").unwrap();
        assert_eq!(auto.port, Some(AppPort::Auto));
    }

    #[test]
    fn the_lines_of_a_script_come_back_and_backslashes_stay_where_nothing_is_escaped() {
        let words = [
            "k1",
            "escaped",
            "--",
            "/bin/sh",
            "-c",
            r"set -e\n\techo \\n",
        ];
        let args = parse(words.map(OsString::from)).unwrap();
        assert_eq!(args.arguments, ["-c", "set -e\n\techo \\n"]);
        let plain = parse_line(r"k1 -- /bin/echo \n").unwrap();
        assert_eq!(plain.arguments, [r"\n"]);
    }

    #[test]
    fn anything_unclear_is_refused() {
        for line in [
            "",
            "k1",
            "k1 --",
            "k1 private -- /bin/true",
            "k1 sidecar=../x -- /bin/true",
            "../k1 -- /bin/true",
            "k1 /bin/true",
            "k1 -- node",
            "k1 port=0 -- /bin/true",
            "k1 port= -- /bin/true",
            "k1 mount=1:/app -- /bin/true",
            "k1 mount=1:2:app -- /bin/true",
            "k1 mount=x:2:/app -- /bin/true",
            "k1 device=/dev/sda -- /bin/true",
            "k1 folder=k2/photos -- /bin/true",
            "k1 folder=read:k2/.. -- /bin/true",
            "k1 loud -- /bin/true",
            r"k1 escaped -- /bin/echo \x",
            "k1 root -- /bin/true",
            "k1 user= -- /bin/true",
            "k1 user=a:b -- /bin/true",
            "k1 health=[] -- /bin/true",
            r#"k1 backup={"command":[],"seconds":5} -- /bin/true"#,
            r#"k1 backup={"command":["x"]} -- /bin/true"#,
            "k1 health=[\"\"] -- /bin/true",
            "k1 health=node -- /bin/true",
        ] {
            assert!(parse_line(line).is_err(), "{line:?}");
        }
    }
}
