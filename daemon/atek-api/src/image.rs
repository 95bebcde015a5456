//! Names of container images, and what of an image's configuration an app is started with.
//!
//! The name is written as container tools write it: `REGISTRY/REPOSITORY[:TAG][@sha256:DIGEST]`
//! (the OCI distribution specification, "Pulling manifests"). The registry is always named: no
//! name means another image on another box.

use crate::manifest::SidecarName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The folder of a package in which the files of its image are.
pub const ROOT_FOLDER: &str = "rootfs";

/// The folder of a package in which the files of an image are: of the app's own, or of a sidecar's.
#[must_use]
pub fn root_folder(sidecar: Option<&SidecarName>) -> String {
    match sidecar {
        None => ROOT_FOLDER.to_owned(),
        Some(name) => format!("{ROOT_FOLDER}.{name}"),
    }
}

/// The folder of an image's root with the first content of its volumes, one folder each, numbered
/// from 0 in the order of [`ImageRuntime::volumes`].
pub const SEEDS_FOLDER: &str = ".atek-volumes";
/// The most folders of an image that keep data.
pub const MAX_VOLUMES: usize = 16;
/// The most variables of an image.
pub const MAX_VARIABLES: usize = 128;

/// The name of an image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageName {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// Why a text is not the name of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidImage {
    /// No host before the first slash.
    #[error(
        "the name of an image begins with its registry and has a path, such as docker.io/library/redis:7.2.5"
    )]
    Registry,
    /// See the distribution specification.
    #[error("the path of an image has lower-case letters, digits, '.', '_', '-' and '/'")]
    Repository,
    /// As above.
    #[error("the tag of an image has at most 100 letters, digits, '.', '_' and '-'")]
    Tag,
    /// Not SHA-256.
    #[error("the digest of an image is sha256: and 64 lower-case hexadecimal digits")]
    Digest,
}

impl ImageName {
    /// The registry's host, with its port if it has one.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path in the registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// `sha256:` and 64 digits.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The same image with another tag and no digest.
    #[must_use]
    pub fn with_tag(&self, tag: &str) -> Self {
        Self {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        }
    }

    /// Exactly the image with this digest.
    ///
    /// # Errors
    ///
    /// [`InvalidImage::Digest`].
    pub fn with_digest(&self, digest: &str) -> Result<Self, InvalidImage> {
        check_digest(digest)?;
        Ok(Self {
            digest: Some(digest.to_owned()),
            ..self.clone()
        })
    }

    /// The last part of the path: a name for the app.
    #[must_use]
    pub fn last_part(&self) -> &str {
        let path = &self.repository;
        path.rsplit('/').next().unwrap_or(path)
    }
}

impl FromStr for ImageName {
    type Err = InvalidImage;

    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        digest.map(check_digest).transpose()?;
        let (registry, path) = rest.split_once('/').ok_or(InvalidImage::Registry)?;
        check_registry(registry)?;
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        check_repository(repository)?;
        tag.map(check_tag).transpose()?;
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

/// A host name or an address, and perhaps a port.
fn check_registry(registry: &str) -> Result<(), InvalidImage> {
    let named = registry.contains(['.', ':']) || registry == "localhost";
    let fits = named
        && registry.len() <= 255
        && registry.starts_with(|c: char| c.is_ascii_alphanumeric())
        && registry
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:".contains(&b));
    fits.then_some(()).ok_or(InvalidImage::Registry)
}

fn check_repository(repository: &str) -> Result<(), InvalidImage> {
    let part = |part: &str| {
        let outer = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(outer)
            && part.ends_with(outer)
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
    };
    let fits = repository.len() <= 255 && repository.split('/').all(part);
    fits.then_some(()).ok_or(InvalidImage::Repository)
}

fn check_tag(tag: &str) -> Result<(), InvalidImage> {
    let fits = (1..=100).contains(&tag.len())
        && tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && tag
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    fits.then_some(()).ok_or(InvalidImage::Tag)
}

fn check_digest(digest: &str) -> Result<(), InvalidImage> {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let fits = digest
        .strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(is_hex));
    fits.then_some(()).ok_or(InvalidImage::Digest)
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

crate::text::text_on_the_wire!(ImageName);

/// How the program of an image is started. In `atek.json` the value of `runtime`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename = "oci")]
pub struct ImageRuntime {
    /// The image.
    pub image: ImageName,
    /// The program and its arguments, in place of the image's `ENTRYPOINT` and `CMD`. A program
    /// without a slash is looked for in `PATH`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Arguments in place of the image's `CMD`, behind its `ENTRYPOINT`. Empty where there are
    /// `args`, and of an image that was fetched: its `args` have all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Variables of its environment, beside the image's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The folder that it is started in; none: the image's own, or `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// Folders that keep what is written into them; all others cannot be written. Beside the
    /// image's own `VOLUME`s.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// What the program's user is called; none: `app`. It has the number that it has in either
    /// case, and no more rights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// By what it is asked to end; none: SIGTERM.
    #[serde(rename = "stopSignal", skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<StopSignal>,
}

/// The signal by which a program is asked to end, as `STOPSIGNAL` of an image writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StopSignal(i32);

/// Not a signal by which a program can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a stop signal is SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH or SIGRTMIN+3"
)]
pub struct InvalidSignal;

impl StopSignal {
    /// The names, and the numbers on the processors that Atek runs on.
    const NAMES: [(&str, i32); 8] = [
        ("SIGHUP", 1),
        ("SIGINT", 2),
        ("SIGQUIT", 3),
        ("SIGUSR1", 10),
        ("SIGUSR2", 12),
        ("SIGTERM", 15),
        ("SIGWINCH", 28),
        // What systemd takes as PID 1 of a container.
        ("SIGRTMIN+3", 37),
    ];

    /// Every one.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::NAMES.into_iter().map(|(_, number)| Self(number))
    }

    /// As the kernel numbers it.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }
}

impl FromStr for StopSignal {
    type Err = InvalidSignal;

    fn from_str(text: &str) -> Result<Self, InvalidSignal> {
        let is = |(name, number): &(&str, i32)| {
            let short = name.trim_start_matches("SIG");
            text == *name || text == short || text == number.to_string()
        };
        let found = Self::NAMES.iter().find(|it| is(it));
        found.map(|(_, number)| Self(*number)).ok_or(InvalidSignal)
    }
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::NAMES.iter().find(|(_, number)| *number == self.0);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

impl TryFrom<String> for StopSignal {
    type Error = InvalidSignal;

    fn try_from(text: String) -> Result<Self, InvalidSignal> {
        text.parse()
    }
}

impl From<StopSignal> for String {
    fn from(signal: StopSignal) -> String {
        signal.to_string()
    }
}

/// Whether a program's user can have this name: none of root's, and nothing but a name.
#[must_use]
pub fn is_user_name(name: &str) -> bool {
    let first = |b: u8| b.is_ascii_lowercase() || b == b'_';
    name != "root"
        && name.len() <= 32
        && name.bytes().next().is_some_and(first)
        && name
            .bytes()
            .all(|b| first(b) || b.is_ascii_digit() || b == b'-')
}

/// Whether `path` names a folder of an image: absolute, without `.`, `..` and empty parts, and
/// with no character that a unit's setting cannot carry.
#[must_use]
pub fn is_image_folder(path: &str) -> bool {
    let odd = |c: char| c.is_control() || c.is_whitespace() || ":%\\\"'$".contains(c);
    path == "/"
        || path.len() <= 255
            && path.starts_with('/')
            && !path.contains(odd)
            && path[1..]
                .split('/')
                .all(|part| !matches!(part, "" | "." | ".."))
}

/// Whether `path` names a folder of an image that can keep data: not one of the system's own, and
/// none around those.
#[must_use]
pub fn is_volume(path: &str) -> bool {
    const TAKEN: [&str; 12] = [
        "/proc",
        "/sys",
        "/dev",
        "/run",
        "/tmp",
        "/usr",
        "/bin",
        "/sbin",
        "/lib",
        "/lib64",
        "/var/tmp",
        "/var/lib/private",
    ];
    let within = |path: &str, folder: &str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    const AROUND: [&str; 4] = ["/", "/etc", "/var", "/var/lib"];
    // Where images have programs of their own, with their data beside them.
    const OF_IMAGES: [&str; 2] = ["/usr/src/", "/usr/share/"];
    let is_taken = |taken: &&str| within(path, taken);
    is_image_folder(path)
        && !AROUND.contains(&path)
        && (OF_IMAGES.iter().any(|own| path.starts_with(own)) || !TAKEN.iter().any(is_taken))
        && !path.starts_with("/var/lib/atek")
        && !path.starts_with(&format!("/{SEEDS_FOLDER}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_shown_as_container_tools_write_them() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        for text in [
            "docker.io/library/redis:7.2.5",
            "localhost/x",
            "127.0.0.1:5000/a/b-c_d.e:v1",
            &format!("ghcr.io/a/b:1.2@{digest}"),
            &format!("ghcr.io/a/b@{digest}"),
        ] {
            let name: ImageName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
        }
        let name: ImageName = "127.0.0.1:5000/a/redis:1.0.0".parse().unwrap();
        assert_eq!(name.registry(), "127.0.0.1:5000");
        assert_eq!(name.repository(), "a/redis");
        assert_eq!((name.tag(), name.last_part()), (Some("1.0.0"), "redis"));
    }

    #[test]
    fn what_names_no_image_is_refused() {
        use InvalidImage as No;
        for (text, expected) in [
            ("redis", No::Registry),
            ("library/redis", No::Registry),
            ("evil.example;x/redis", No::Registry),
            ("user@docker.io/redis", No::Digest),
            ("docker.io/", No::Repository),
            ("docker.io/Redis", No::Repository),
            ("docker.io/a/../b", No::Repository),
            ("docker.io/a//b", No::Repository),
            ("docker.io/a:", No::Tag),
            ("docker.io/a:b c", No::Tag),
            ("docker.io/a@sha256:12", No::Digest),
            ("docker.io/a@md5:12", No::Digest),
        ] {
            assert_eq!(text.parse::<ImageName>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_stop_signal_is_a_name_or_a_number() {
        for (text, expected) in [
            ("SIGINT", Some(2)),
            ("QUIT", Some(3)),
            ("28", Some(28)),
            ("SIGRTMIN+3", Some(37)),
            ("SIGKILL", None),
            ("9", None),
            ("", None),
            ("SIG", None),
        ] {
            let signal = text.parse::<StopSignal>().ok();
            assert_eq!(signal.map(StopSignal::number), expected, "{text}");
            if let Some(signal) = signal {
                assert_eq!(signal.to_string().parse(), Ok(signal));
            }
        }
    }

    #[test]
    fn a_users_name_is_a_name_and_not_roots() {
        for name in ["postgres", "www-data", "_apt", "u1"] {
            assert!(is_user_name(name), "{name}");
        }
        for name in ["", "root", "0", "1000", "a:b", "a\nb", "-x", "A", "a b"] {
            assert!(!is_user_name(name), "{name}");
        }
    }

    #[test]
    fn data_is_kept_in_no_folder_of_the_system() {
        for path in [
            "/data",
            "/var/lib/redis",
            "/etc/app",
            "/opt/x",
            "/home/app",
            "/usr/src/app/data",
        ] {
            assert!(is_volume(path), "{path}");
        }
        for path in [
            "/",
            "/etc",
            "/var/lib",
            "/var/lib/atek-app-k1",
            "/run/x",
            "/usr/share",
            "/proc",
            "data",
            "/a/../b",
            "/a//b",
            "/a:b",
            "/a b",
            "/a%n",
            "/.atek-volumes/0",
        ] {
            assert!(!is_volume(path), "{path}");
        }
    }
}
