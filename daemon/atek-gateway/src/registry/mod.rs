//! Which provider answers a call: the API's id and further attributes, matched
//! against what services export. Pure: a choice over one [`Directory`].

mod attributes;

pub use attributes::{Attributes, BadQuery};

use atek_api::ids::{SYSTEM, UserKey};
use atek_api::manifest::{ApiId, Export, Transport};
use atek_host_model::directory::{Directory, Entry};
use atek_host_model::permissions::{Caller, may_call_provider};
use std::sync::Arc;

/// Who answers.
#[derive(Debug, Clone, Copy)]
pub enum Provider<'a> {
    /// The host itself.
    Host,
    /// A service, and what it exports.
    Service(&'a Arc<Entry>, &'a Export),
}

/// There is no provider, or none that the caller may call.
///
/// The text is the original's: what was asked for, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("No service available which matches {wanted}")]
pub struct NoProvider {
    wanted: String,
}

/// Chooses the provider for a call.
///
/// A provider must export `wanted.api` over `transport`, satisfy every further
/// attribute of the call, be running or wakeable, and be open to `caller`. Ids
/// under `atek.cloud/` belong to the host and the core services: an installed
/// service that exports one is passed over, unless no part of Atek has the API and an
/// administrator chose the service for it. Among several, the caller's own comes
/// first, then the system's, then others', each in the order of installation.
///
/// `is_host_api` says which ids the host answers itself; it does so once the
/// server database is open.
///
/// # Errors
///
/// [`NoProvider`]; it does not tell a provider that is refused from one that is not there.
pub fn choose<'a>(
    directory: &'a Directory,
    caller: &Caller,
    transport: Transport,
    wanted: &Attributes<'_>,
    is_host_api: impl Fn(&str) -> bool,
) -> Result<Provider<'a>, NoProvider> {
    let none = || NoProvider {
        wanted: wanted.describe(transport),
    };
    if !wanted.admits_transport(transport) {
        return Err(none());
    }
    let is_of_host = is_host_api(wanted.api());
    if transport == Transport::Rpc && directory.host_ready() && is_of_host {
        return if wanted.admits_host() {
            Ok(Provider::Host)
        } else {
            Err(none())
        };
    }
    let is_of_atek = is_core_api(wanted.api());
    let is_open = |entry: &Entry| {
        !is_of_atek
            || entry.core
            || (provides(entry, wanted.api()) && !is_of_host && !is_of_core(directory, wanted))
    };
    directory
        .entries()
        .filter(|entry| entry.is_routable() && wanted.admits_service(entry))
        .filter(|entry| may_call_provider(caller, wanted.api(), entry.target()))
        .filter(|_| is_granted(caller, wanted.api()))
        .filter(|entry| is_open(entry))
        .filter_map(|entry| Some((entry, matching_export(entry, transport, wanted)?)))
        // The first of equals: the order of installation.
        .min_by_key(|(entry, _)| distance(caller, entry))
        .map(|(entry, export)| Provider::Service(entry, export))
        .ok_or_else(none)
}

/// Chooses the provider for a call of a person of another home: an app of `owner`, and neither a
/// core service nor the host.
///
/// # Errors
///
/// [`NoProvider`].
pub fn choose_for_contact<'a>(
    directory: &'a Directory,
    owner: &UserKey,
    wanted: &Attributes<'_>,
) -> Result<(&'a Arc<Entry>, &'a Export), NoProvider> {
    directory
        .entries()
        .filter(|_| !is_core_api(wanted.api()))
        .filter(|entry| !entry.core && entry.owner() == owner)
        .filter(|entry| entry.is_routable() && wanted.admits_service(entry))
        .find_map(|entry| Some((entry, matching_export(entry, Transport::Rpc, wanted)?)))
        .ok_or_else(|| NoProvider {
            wanted: wanted.describe(Transport::Rpc),
        })
}

/// The provider of calls to other homes.
///
/// # Errors
///
/// [`NoProvider`]; also for an app that may not reach other homes.
pub fn choose_for_home<'a>(
    directory: &'a Directory,
    caller: &Caller,
) -> Result<(&'a Arc<Entry>, &'a Export), NoProvider> {
    let wanted = Attributes::of_api(HYPERCORE);
    match choose(directory, caller, Transport::Rpc, &wanted, |_| false)? {
        Provider::Service(entry, export) => Ok((entry, export)),
        Provider::Host => Err(NoProvider {
            wanted: wanted.describe(Transport::Rpc),
        }),
    }
}

/// The API by which other homes are reached.
pub const HYPERCORE: &str = "atek.cloud/hypercore-api";
/// APIs of core services by which an app reaches other homes: an app needs them in `hostApis` of
/// what it was granted.
const BY_GRANT: [&str; 1] = [HYPERCORE];

fn is_granted(caller: &Caller, api: &str) -> bool {
    match caller {
        Caller::Service(service) => {
            !BY_GRANT.contains(&api) || service.granted.allows_host_api(api)
        }
        Caller::User(_) | Caller::System | Caller::Anonymous => true,
    }
}

/// Whether an id belongs to Atek.
fn is_core_api(api: &str) -> bool {
    api.split_once('/')
        .is_some_and(|(domain, _)| domain == ApiId::CORE_DOMAIN)
}

/// Whether an administrator chose the service for an API of Atek's name.
fn provides(entry: &Entry, api: &str) -> bool {
    let mut chosen = entry.granted.provides.iter();
    chosen.any(|chosen| chosen.as_str() == api)
}

/// Whether a core service has the API, also while it does not run.
fn is_of_core(directory: &Directory, wanted: &Attributes<'_>) -> bool {
    let mut core = directory.entries().filter(|entry| entry.core);
    core.any(|entry| {
        let mut exports = entry.exports().iter();
        exports.any(|export| export.api().as_str() == wanted.api())
    })
}

fn matching_export<'a>(
    entry: &'a Entry,
    transport: Transport,
    wanted: &Attributes<'_>,
) -> Option<&'a Export> {
    entry.exports().iter().find(|export| {
        export.transport() == transport
            && export.api().as_str() == wanted.api()
            && wanted.admits_metadata(export.metadata())
    })
}

fn distance(caller: &Caller, entry: &Entry) -> u8 {
    match entry.owner().as_str() {
        owner if caller.user_key() == Some(owner) => 0,
        SYSTEM => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests;
