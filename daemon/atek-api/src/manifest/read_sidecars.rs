//! The part `services` of a manifest.

use super::before_backup;
use super::cursor::{Cursor, Found};
use super::error::Problem;
use super::json::shorten;
use super::read::{RuntimeParts, read_healthcheck};
use super::sidecar::{MAX_SIDECARS, Sidecar, SidecarName, start_order};
use super::{Healthcheck, Runtime};
use crate::spec::AppPort;
use std::collections::BTreeMap;

const KNOWN: &str = "runtime, entry, args, port, healthcheck, beforeBackup and after";

/// `own`: the port of the app itself.
pub(super) fn sidecars(
    value: &Cursor<'_>,
    own: Option<AppPort>,
) -> Found<BTreeMap<SidecarName, Sidecar>> {
    let mut sidecars = BTreeMap::new();
    let mut ports: Vec<u16> = Vec::new();
    if let Some(AppPort::Fixed(port)) = own {
        ports.push(port);
    }
    for (name, value) in value.members()? {
        let name: SidecarName = name
            .parse()
            .map_err(|error| value.problem(Problem::SidecarName(error)))?;
        let sidecar = sidecar(&value)?;
        if let Some(port) = sidecar.port {
            if ports.contains(&port) {
                return Err(value.problem(Problem::PortTwice(port)));
            }
            ports.push(port);
        }
        if sidecars.len() == MAX_SIDECARS {
            return Err(value.problem(Problem::TooMany {
                max: MAX_SIDECARS,
                found: MAX_SIDECARS + 1,
            }));
        }
        sidecars.insert(name, sidecar);
    }
    for (name, sidecar) in &sidecars {
        if sidecar.after.contains(name) {
            return Err(value.problem(Problem::SidecarCircle(name.clone())));
        }
        if let Some(other) = sidecar.after.iter().find(|it| !sidecars.contains_key(*it)) {
            return Err(value.problem(Problem::NoSidecar(other.clone())));
        }
    }
    start_order(&sidecars).map_err(|name| value.problem(Problem::SidecarCircle(name)))?;
    Ok(sidecars)
}

fn sidecar(value: &Cursor<'_>) -> Found<Sidecar> {
    let mut parts = RuntimeParts::default();
    let (mut port, mut healthcheck, mut hook, mut after) = (None, None, None, Vec::new());
    for (key, value) in value.members()? {
        match key {
            "runtime" => parts.runtime = Some(value),
            "entry" => parts.entry = Some(value),
            "args" => parts.args = Some(value),
            "port" => port = Some(fixed_port(&value)?),
            "healthcheck" => healthcheck = Some(command(&value)?),
            "beforeBackup" => hook = Some(before_backup::read(&value)?),
            "after" => after = names(&value)?,
            other => {
                return Err(value.problem(Problem::UnknownKey {
                    found: shorten(other),
                    known: KNOWN,
                }));
            }
        }
    }
    let runtime = parts.read()?;
    if matches!(runtime, Runtime::Node { entry: None, .. }) {
        return Err(value.problem(Problem::Missing("entry")));
    }
    if matches!(runtime, Runtime::Wasm { .. }) {
        return Err(value.problem(Problem::WasmSidecar));
    }
    Ok(Sidecar {
        runtime,
        port,
        healthcheck,
        before_backup: hook,
        after,
    })
}

fn fixed_port(value: &Cursor<'_>) -> Found<u16> {
    let number = value.whole_number()?;
    let port = u16::try_from(number).ok().and_then(AppPort::fixed);
    match port {
        Some(AppPort::Fixed(port)) => Ok(port),
        Some(AppPort::Auto) | None => Err(value.problem(Problem::SidecarPort)),
    }
}

fn command(value: &Cursor<'_>) -> Found<Healthcheck> {
    match read_healthcheck(value)? {
        // No request is made to a sidecar.
        Healthcheck::Path(_) => Err(value.problem(Problem::HealthCommand)),
        command @ Healthcheck::Command { .. } => Ok(command),
    }
}

fn names(list: &Cursor<'_>) -> Found<Vec<SidecarName>> {
    let mut names = Vec::new();
    for item in list.items(MAX_SIDECARS)? {
        let name = item.parsed(Problem::SidecarName)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}
