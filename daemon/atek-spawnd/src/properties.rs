//! A spec as the property list of a transient unit. Pure.
//!
//! The types are systemd's: a number of the wrong width, or one property it does not
//! know, fails the whole call. [`Version`] says which properties may be sent.
//!
//! No text of a spec gets into a property that systemd would expand or that would
//! end a line of the unit file it writes: ids and keys have a narrow alphabet, folders
//! and titles are checked by [`validate`](atek_api::spec::ServiceSpec::validate), arguments
//! are sent with `no-env-expand`, and the configuration goes by credential.

mod addresses;
mod backup;
mod image;
mod job;
mod link;
mod network;
mod sandbox;
mod service;
mod sidecar;

pub(crate) use addresses::closed as closed_networks;
pub(crate) use backup::{MAKING, backup, data_disk, disks};
pub(crate) use job::job;
pub(crate) use network::unit as network;
pub(crate) use service::service;
pub(crate) use sidecar::{Unit, app_slice, sidecars, slices};

use crate::files::Identity;
use zbus::Variant;

/// A property's name and value, as `StartTransientUnit` takes them.
pub(crate) type Property = (&'static str, Variant<'static>);

/// systemd's major version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32);

impl Version {
    /// The oldest systemd that has everything Atek cannot do without.
    pub(crate) const OLDEST: Self = Self(252);
    /// `RestartSteps`, `RestartMaxDelayUSec`, `RestartMode`.
    const RESTART_STEPS: Self = Self(254);
    /// `PrivateTmpEx`, `BindLogSockets`.
    const PRIVATE_TMP_EX: Self = Self(257);

    /// From the manager's `Version`, e.g. `257.13-1~deb13u1` or `v258-rc1`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        text[..end].parse().ok().map(Self)
    }
}

/// A list of texts (`as`).
fn texts(texts: &[&str]) -> Variant<'static> {
    Variant::from(
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>(),
    )
}

/// One text (`s`).
fn text(text: impl Into<String>) -> Variant<'static> {
    Variant::from(text.into())
}

/// A duration in microseconds (`t`).
fn micros(duration: std::time::Duration) -> Variant<'static> {
    Variant::from(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

/// `ExecStartEx`: one command, whose arguments are not expanded (`a(sasas)`).
fn command(argv: Vec<String>) -> Variant<'static> {
    let path = argv.first().cloned().unwrap_or_default();
    Variant::from(vec![(path, argv, vec!["no-env-expand".to_owned()])])
}

/// One bind mount of `BindPaths` or `BindReadOnlyPaths`.
struct Bind {
    source: String,
    target: String,
    /// Whether a missing source is fine.
    optional: bool,
}

impl Bind {
    fn new(source: impl AsRef<std::path::Path>, target: impl AsRef<std::path::Path>) -> Self {
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        Self {
            source: text(source.as_ref()),
            target: text(target.as_ref()),
            optional: false,
        }
    }

    fn optional(path: &str) -> Self {
        Self {
            source: path.to_owned(),
            target: path.to_owned(),
            optional: true,
        }
    }
}

/// The option by which atek-sandbox is told what must be mounted at `target`.
fn mounted(target: &std::path::Path, checked: Identity) -> String {
    let Identity { device, inode } = checked;
    format!("mount={device}:{inode}:{}", target.display())
}

/// Bind mounts (`a(ssbt)`), without what is mounted below their sources.
fn binds(binds: Vec<Bind>) -> Variant<'static> {
    let binds: Vec<(String, String, bool, u64)> = binds
        .into_iter()
        .map(|bind| (bind.source, bind.target, bind.optional, 0))
        .collect();
    Variant::from(binds)
}

#[cfg(test)]
pub(crate) mod tests;
