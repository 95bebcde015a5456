//! The units of an app of several processes: one for its own program, one for each sidecar, and a
//! slice around them that bounds what they take together.
//!
//! systemd keeps their order: the app's unit requires those of the sidecars and starts after them,
//! and a sidecar is started when `atek-sandbox ready` has seen that it answers. Without the app's
//! unit they are not needed, and stop. They share one network namespace, and, since the names of
//! their units differ only behind the `@`, one dynamic user.

use super::service::{Process, http_is_taken, process_properties, shares};
use super::{Property, Version, text, texts};
use crate::sources::Sources;
use atek_api::ids::ServiceId;
use atek_api::spec::{ServiceSpec, SidecarSpec, paths};
use zbus::Variant;

/// A unit and its properties.
pub(crate) type Unit = (String, Vec<Property>);

/// In a slice's name a dash means "inside".
fn escaped(text: &str) -> String {
    text.replace('-', "\\x2d")
}

/// The slice of a service's units: one for each owner, so that one person's apps cannot starve
/// another's, and in it one for each app of several processes.
pub(super) fn slice(spec: &ServiceSpec) -> String {
    if spec.core {
        return "atek-core.slice".to_owned();
    }
    let owner = escaped(spec.owner.as_str());
    if spec.sidecars.is_empty() {
        return format!("atek-apps-{owner}.slice");
    }
    format!("atek-apps-{owner}-{}.slice", escaped(spec.id.as_str()))
}

/// The pattern of the slice of an app of several processes.
pub(crate) fn slices(id: &ServiceId) -> String {
    format!("atek-apps-*-{}.slice", escaped(id.as_str()))
}

/// The slice of an app of several processes; none of others.
pub(crate) fn app_slice(spec: &ServiceSpec) -> Option<Unit> {
    if spec.sidecars.is_empty() {
        return None;
    }
    let mut properties = vec![
        (
            "Description",
            text(format!("{} (Atek service {})", spec.title, spec.id)),
        ),
        ("MemoryAccounting", Variant::from(true)),
        ("CPUAccounting", Variant::from(true)),
        ("TasksAccounting", Variant::from(true)),
        ("MemorySwapMax", Variant::from(0u64)),
    ];
    properties.extend(shares(&spec.effective_limits()));
    Some((slice(spec), properties))
}

fn units<'s>(spec: &ServiceSpec, sidecars: impl Iterator<Item = &'s SidecarSpec>) -> Vec<String> {
    sidecars
        .map(|sidecar| spec.id.sidecar_unit(&sidecar.name))
        .collect()
}

fn list(names: &[String]) -> Variant<'static> {
    texts(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What the app's own unit has because of its sidecars.
pub(super) fn required(spec: &ServiceSpec) -> Vec<Property> {
    if spec.sidecars.is_empty() {
        return Vec::new();
    }
    let all = units(spec, spec.sidecars.iter());
    ["Requires", "After", "JoinsNamespaceOf"]
        .map(|name| (name, list(&all)))
        .into()
}

/// The units of the sidecars. `sources` has theirs in their order.
pub(crate) fn sidecars(spec: &ServiceSpec, sources: &Sources, version: Version) -> Vec<Unit> {
    let both = spec.sidecars.iter().zip(&sources.sidecars);
    both.map(|(sidecar, sources)| {
        let unit = spec.id.sidecar_unit(&sidecar.name);
        (unit, properties(spec, sidecar, sources, version))
    })
    .collect()
}

fn properties(
    spec: &ServiceSpec,
    sidecar: &SidecarSpec,
    sources: &Sources,
    version: Version,
) -> Vec<Property> {
    let own = spec.of_sidecar(sidecar);
    let process = Process {
        spec: &own,
        sidecar: Some(sidecar),
        slice: slice(spec),
        has_others: true,
        http_is_taken: http_is_taken(spec),
    };
    let mut properties = process_properties(&process, sources, version);
    let others = spec
        .sidecars
        .iter()
        .filter(|other| other.name != sidecar.name);
    let mut shared = units(spec, others);
    shared.push(spec.id.unit());
    properties.extend([
        ("StopWhenUnneeded", Variant::from(true)),
        ("JoinsNamespaceOf", list(&shared)),
    ]);
    if version >= Version::RESTART_STEPS {
        // What requires it is not restarted with it.
        properties.push(("RestartMode", text("direct")));
    }
    if !sidecar.after.is_empty() {
        let waits = |other: &&SidecarSpec| sidecar.after.contains(&other.name);
        let before = units(spec, spec.sidecars.iter().filter(waits));
        properties.extend(["Requires", "After"].map(|name| (name, list(&before))));
    }
    properties.extend(ready(spec, sidecar));
    properties
}

/// The command that ends when the sidecar is ready: after it, its unit is started. It runs as the
/// sidecar's user, in its network.
fn ready(spec: &ServiceSpec, sidecar: &SidecarSpec) -> Option<Property> {
    let port = sidecar.port.map(|port| format!("port={port}"));
    let health = (!sidecar.health_command.is_empty()).then(|| "health".to_owned());
    let waits: Vec<String> = port.into_iter().chain(health).collect();
    if waits.is_empty() {
        return None;
    }
    let words = [
        paths::SANDBOX,
        "ready",
        spec.key.as_str(),
        sidecar.name.as_str(),
    ];
    let argv: Vec<String> = words.map(str::to_owned).into_iter().chain(waits).collect();
    let command = vec![(
        paths::SANDBOX.to_owned(),
        argv,
        vec!["no-env-expand".to_owned()],
    )];
    Some(("ExecStartPostEx", Variant::from(command)))
}

#[cfg(test)]
mod tests {
    use super::super::service::service;
    use super::super::tests::{NEW, sources, spec, value, values};
    use super::*;
    use crate::sources::ImageSources;

    #[test]
    fn the_processes_of_an_app_are_confined_alike_and_share_network_user_and_slice() {
        let mut spec = spec();
        spec.id = "my-notes".parse().unwrap();
        spec.sidecars = serde_json::from_value(serde_json::json!([
            { "name": "db", "port": 5432, "healthCommand": ["pg_isready"], "program":
                {"kind": "image", "argv": ["postgres"], "workdir": "/", "user": "postgres"} },
            { "name": "work", "program": {"kind": "node", "entry": "work.js"}, "after": ["db"] },
        ]))
        .unwrap();
        spec.validate().unwrap();
        let image = ImageSources::default();
        let of_image = Sources {
            image: Some(image),
            ..sources(&spec)
        };
        let all = Sources {
            sidecars: vec![of_image, sources(&spec)],
            ..sources(&spec)
        };
        let own = service(&spec, &all, NEW);
        let units = sidecars(&spec, &all, NEW);
        let [(db, of_db), (work, of_work)] = &units[..] else {
            panic!("{units:?}");
        };
        assert_eq!(
            [db.as_str(), work],
            [
                "atek-app-my-notes@db.service",
                "atek-app-my-notes@work.service"
            ]
        );
        let all_of = |properties: &[Property], name: &str| values(properties, name).join(" ");
        for name in ["Requires", "After", "JoinsNamespaceOf"] {
            let names = all_of(&own, name);
            assert!(names.contains(db) && names.contains(work), "{names}");
        }
        assert!(value(of_work, "After").contains(db));
        for other in ["atek-app-my-notes.service", "atek-net-my-notes.service"] {
            assert!(all_of(of_db, "JoinsNamespaceOf").contains(other));
        }
        let ready = value(of_db, "ExecStartPostEx");
        for word in ["ready", "k1", "db", "port=5432", "health"] {
            assert!(ready.contains(&format!("\"{word}\"")), "{ready}");
        }
        let root = value(of_db, "RootDirectory");
        assert!(root.contains("/versions/v1/rootfs.db"), "{root}");
        let (slice, limits) = app_slice(&spec).unwrap();
        assert_eq!(slice, r"atek-apps-u1-my\x2dnotes.slice");
        assert_eq!(value(&limits, "MemoryMax"), value(&own, "MemoryMax"));
        for properties in [of_db, of_work] {
            assert!(value(properties, "Slice").contains("u1-my"));
            assert_eq!(
                value(properties, "StateDirectory"),
                value(&own, "StateDirectory")
            );
            assert_ne!(
                value(properties, "RuntimeDirectory"),
                value(&own, "RuntimeDirectory")
            );
            // It has no token, and no way to the host.
            assert!(!value(properties, "LoadCredential").contains("token"));
            assert!(!value(properties, "BindReadOnlyPaths").contains("/run/atek/host"));
            for name in [
                "SystemCallFilter",
                "RestrictAddressFamilies",
                "PrivateNetwork",
                "PrivateUsers",
            ] {
                assert_eq!(values(properties, name), values(&own, name), "{name}");
            }
        }
    }
}
