//! Further processes of one app: its database, its cache, its worker. In the file: `"services"`.

use super::{BeforeBackup, Healthcheck, Manifest, Runtime};
use crate::spec::AppPort;
use crate::text::checked_text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;

/// The most sidecars of one app.
pub const MAX_SIDECARS: usize = 8;

/// The name of a sidecar. The processes of its app find it under this name (`db:5432`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SidecarName(String);
checked_text!(SidecarName);

/// A text is not a [`SidecarName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of a service of an app has 1 to 32 of a-z, 0-9 and '-', begins with a letter, does not end with '-', and is not localhost"
)]
pub struct InvalidSidecarName;

impl FromStr for SidecarName {
    type Err = InvalidSidecarName;

    fn from_str(text: &str) -> Result<Self, InvalidSidecarName> {
        let fits = (1..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text != "localhost"
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSidecarName)
        }
    }
}

/// A process beside the app's own: in the same network namespace and with the same state, in a
/// unit of its own. It starts before the app and stops after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sidecar {
    /// What runs. Node always has an entry.
    #[serde(flatten)]
    pub runtime: Runtime,
    /// The TCP port on which it listens, of the loopback: it is ready when the port accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// A command that ends with exit code 0 when it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// What it does before the state of the app is copied for a backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_backup: Option<BeforeBackup>,
    /// The others that must be ready before it starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<SidecarName>,
}

impl Sidecar {
    /// The command of its health check; empty where it has none.
    #[must_use]
    pub fn health_command(&self) -> &[String] {
        let check = self.healthcheck.as_ref();
        check.and_then(Healthcheck::command).unwrap_or_default()
    }

    /// The same as the manifest of an app that has nothing else.
    #[must_use]
    pub fn as_manifest(&self) -> Manifest {
        Manifest {
            runtime: self.runtime.clone(),
            port: self.port.and_then(AppPort::fixed),
            healthcheck: self.healthcheck.clone(),
            ..Manifest::default()
        }
    }

    /// Takes over what its image completed in [`Sidecar::as_manifest`].
    pub fn complete(&mut self, completed: Manifest) {
        self.runtime = completed.runtime;
        self.healthcheck = completed.healthcheck;
        if let Some(AppPort::Fixed(port)) = completed.port {
            self.port = Some(port);
        }
    }
}

/// The names in an order in which each stands behind those that it waits for; of several such
/// orders the one that is closest to the alphabet. An error is one that waits for itself.
///
/// # Errors
///
/// A sidecar of a circle.
pub fn start_order(
    sidecars: &BTreeMap<SidecarName, Sidecar>,
) -> Result<Vec<SidecarName>, SidecarName> {
    let mut ordered: Vec<SidecarName> = Vec::new();
    while ordered.len() < sidecars.len() {
        let mut waiting = sidecars.iter().filter(|(name, _)| !ordered.contains(name));
        let is_next = |(_, sidecar): &(&SidecarName, &Sidecar)| {
            let mut others = sidecar.after.iter();
            // One that is not there holds up none; the reader of the file refuses it.
            others.all(|other| ordered.contains(other) || !sidecars.contains_key(other))
        };
        match waiting.clone().find(is_next) {
            Some((name, _)) => ordered.push(name.clone()),
            None => match waiting.next() {
                Some((name, _)) => return Err(name.clone()),
                None => break,
            },
        }
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(services: &str) -> Result<String, String> {
        let text = format!(r#"{{"services":{services}}}"#);
        let manifest = Manifest::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        let ordered = start_order(&manifest.services).map_err(|name| name.to_string())?;
        let names: Vec<_> = ordered.iter().map(SidecarName::as_str).collect();
        Ok(names.join(" "))
    }

    #[test]
    fn each_starts_behind_those_that_it_waits_for() {
        let redis = r#"{"runtime":{"kind":"oci","image":"localhost/redis:7.0.0"},"port":6379}"#;
        let worker =
            |after: &str| format!(r#"{{"runtime":"node","entry":"worker.js","after":[{after}]}}"#);
        for (services, expected) in [
            (format!(r#"{{"redis":{redis}}}"#), Ok("redis")),
            (
                format!(
                    r#"{{"a":{},"b":{},"redis":{redis}}}"#,
                    worker(r#""b""#),
                    worker(r#""redis""#)
                ),
                Ok("redis b a"),
            ),
            (
                format!(r#"{{"a":{},"b":{}}}"#, worker(r#""b""#), worker(r#""a""#)),
                Err("wait for each other"),
            ),
            (format!(r#"{{"a":{}}}"#, worker(r#""a""#)), Err("itself")),
            (
                format!(r#"{{"a":{}}}"#, worker(r#""b""#)),
                Err("no service b"),
            ),
            (format!(r#"{{"A":{redis}}}"#), Err("a-z")),
            (format!(r#"{{"localhost":{redis}}}"#), Err("localhost")),
            (
                format!(r#"{{"a":{redis},"b":{redis}}}"#),
                Err("the port 6379"),
            ),
            (r#"{"a":{"runtime":"node"}}"#.to_owned(), Err("\"entry\"")),
            (r#"{"a":{}}"#.to_owned(), Err("\"entry\"")),
            (r#"{"a":{"image":"x"}}"#.to_owned(), Err("unknown key")),
        ] {
            match (order(&services), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{services}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{services}: {error}"),
                (found, expected) => panic!("{services}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn two_processes_of_one_app_cannot_have_the_same_port() {
        let error = Manifest::parse(
            br#"{"port":5432,"services":{"db":{"runtime":"native","entry":"db","port":5432}}}"#,
        );
        let error = error.unwrap_err().to_string();
        assert!(error.contains("the port 5432"), "{error}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = br#"{"services":{"db":{"runtime":{"kind":"oci","image":"localhost/db:1.0.0",
            "env":{"A":"1"}},"port":5432,"healthcheck":{"command":["pg_isready"]}},
            "work":{"entry":"w.js","after":["db"]}}}"#;
        let manifest = Manifest::parse(text).unwrap();
        let written = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(Manifest::parse(&written).unwrap(), manifest);
    }

    proptest! {
        #[test]
        fn an_order_has_each_once_behind_its_own(edges in prop::collection::vec((0usize..6, 0usize..6), 0..12)) {
            let name = |n: usize| -> SidecarName { format!("s{n}").parse().unwrap() };
            let mut sidecars: BTreeMap<SidecarName, Sidecar> = (0..6)
                .map(|n| {
                    let runtime = Runtime::Node { entry: Some("w.js".parse().unwrap()), args: Vec::new() };
                    (name(n), Sidecar { runtime, port: None, healthcheck: None, before_backup: None, after: Vec::new() })
                })
                .collect();
            for (from, to) in edges {
                // Only to smaller numbers: no circle.
                if let Some(sidecar) = sidecars.get_mut(&name(from.max(to)))
                    && from != to
                {
                    sidecar.after.push(name(from.min(to)));
                }
            }
            let ordered = start_order(&sidecars).unwrap();
            prop_assert_eq!(ordered.len(), 6);
            for (at, this) in ordered.iter().enumerate() {
                for other in &sidecars[this].after {
                    prop_assert!(ordered[..at].contains(other));
                }
            }
        }
    }
}
