//! The unit that makes the network namespace of a service ready (see atek-network's `prepare`).
//!
//! It shares the namespaces of the service's processes, needs none of their mounts and starts at
//! the same time, so that the network is there when the mounts are. It stays while one of them
//! needs it, and removes the link when none does. Reloading it closes the ports of the home's
//! network that lead to the service: what is done before that one is told to stop.

use super::link::{self, Reach};
use super::service::{journal_fields, link as reach_of};
use super::sidecar::Unit;
use super::{Property, Version, command, micros, text, texts};
use atek_api::ids::ServiceId;
use atek_api::spec::{self, ServiceSpec, paths};
use zbus::Variant;

/// Bits of the capability sets (`capabilities(7)`): links and rules, the namespaces of two
/// processes, and looking at the one of the machine.
const NET_ADMIN: u64 = 1 << 12;
const SYS_PTRACE: u64 = 1 << 19;
const SYS_ADMIN: u64 = 1 << 21;

/// What each unit of the service has because of it.
pub(super) fn needed(id: &ServiceId) -> [Property; 2] {
    ["Requires", "JoinsNamespaceOf"].map(|name| (name, texts(&[&id.network_unit()])))
}

/// Its name and properties. The spec must be valid.
pub(crate) fn unit(spec: &ServiceSpec, version: Version) -> Unit {
    let reach = reach_of(spec);
    let on = || Variant::from(true);
    let mut properties = vec![
        (
            "Description",
            text(format!(
                "{}: its network (Atek service {})",
                spec.title, spec.id
            )),
        ),
        ("Type", text("oneshot")),
        ("RemainAfterExit", on()),
        ("StopWhenUnneeded", on()),
        ("CollectMode", text("inactive-or-failed")),
        // It is started again with each start of what needs it.
        ("StartLimitIntervalUSec", Variant::from(0u64)),
        ("TimeoutStartUSec", micros(spec::START_TIMEOUT)),
        ("TimeoutStopUSec", micros(spec::STOP_TIMEOUT)),
        ("Slice", text("atek-core.slice")),
        ("SyslogIdentifier", text(spec.id.to_string())),
        ("LogExtraFields", Variant::from(journal_fields(spec))),
        ("ExecStartEx", command(prepare(spec, reach))),
        // The namespaces are made for the first of the units: it must have all kinds of them.
        ("PrivateNetwork", on()),
        ("PrivateIPC", on()),
        (
            "CapabilityBoundingSet",
            Variant::from(NET_ADMIN | SYS_PTRACE | SYS_ADMIN),
        ),
        ("NoNewPrivileges", on()),
        ("WorkingDirectory", text("/")),
        // It ends with what needs it, also when the machine is shut down.
        ("DefaultDependencies", Variant::from(false)),
    ];
    if version < Version::PRIVATE_TMP_EX {
        properties.push(("PrivateTmp", on()));
    }
    if reach.is_some() {
        properties.push(("ExecStopEx", command(on_ports("release", spec))));
        properties.extend(link::firewall());
    }
    if !spec.listen.is_empty() {
        properties.push(("ExecReloadEx", command(on_ports("detach", spec))));
    }
    (spec.id.network_unit(), properties)
}

fn on_ports(task: &str, spec: &ServiceSpec) -> Vec<String> {
    let words = [paths::NETWORK, task].map(str::to_owned);
    words.into_iter().chain(link::ports(&spec.listen)).collect()
}

fn prepare(spec: &ServiceSpec, reach: Option<Reach>) -> Vec<String> {
    let words = [
        paths::NETWORK,
        "prepare",
        spec.id.as_str(),
        spec.key.as_str(),
    ];
    let mut argv: Vec<String> = words.map(str::to_owned).into();
    let sidecars = spec.sidecars.iter();
    argv.extend(sidecars.map(|sidecar| format!("sidecar={}", sidecar.name)));
    if let Some(reach) = reach {
        argv.push("--".to_owned());
        argv.extend(link::words(reach, spec.mdns, &spec.listen));
    }
    argv
}
