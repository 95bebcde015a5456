//! What a caller may do.

use super::Caller;
use atek_api::ids::UserKey;

/// A refusal. It never says whether the thing exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Not authorized")]
pub struct Denied;

/// Whether the caller may be routed to a provider that `owner` owns.
///
/// A provider of the system serves everybody; another one serves its owner and
/// what represents that owner. Administrators in person reach all of them.
#[must_use]
pub fn may_call_provider(caller: &Caller, owner: &UserKey) -> bool {
    caller.is_admin() || (caller.is_known() && (owner.is_system() || owns(caller, owner)))
}

/// Whether the caller may open a service's pages. The same people as above, but
/// only in person: a service has no business on another one's pages.
#[must_use]
pub fn may_visit(caller: &Caller, owner: &UserKey) -> bool {
    match caller {
        Caller::Anonymous | Caller::Service(_) => false,
        Caller::User(_) | Caller::System => may_call_provider(caller, owner),
    }
}

/// Whether a service of `owner` may be at the user's main page.
///
/// A page there has the main origin, from which the user's browser may call every host API:
/// only what the user owns, or an administrator installed for everyone.
#[must_use]
pub fn may_be_main_service(user: &UserKey, owner: &UserKey) -> bool {
    owner == user || owner.is_system()
}

/// Whether the caller may read a service's record and state.
#[must_use]
pub fn may_see_service(caller: &Caller, owner: &UserKey) -> bool {
    caller.is_admin() || owns(caller, owner)
}

/// Whether the caller may start, stop, change or remove a service that `owner` owns.
///
/// A service needs the grant of that host API, and then acts for its owner.
///
/// # Errors
///
/// [`Denied`].
pub fn may_manage_service(caller: &Caller, owner: &UserKey) -> Result<(), Denied> {
    may_use_host_api(caller, atek_api::services::API)?;
    if may_see_service(caller, owner) {
        Ok(())
    } else {
        Err(Denied)
    }
}

/// Whether the caller may use what changes something in a host API at all.
///
/// # Errors
///
/// [`Denied`] for nobody, and for a service without the grant.
pub fn may_use_host_api(caller: &Caller, api: &str) -> Result<(), Denied> {
    match caller {
        Caller::Anonymous => Err(Denied),
        Caller::User(_) | Caller::System => Ok(()),
        Caller::Service(service) if service.granted.allows_host_api(api) => Ok(()),
        Caller::Service(_) => Err(Denied),
    }
}

fn owns(caller: &Caller, owner: &UserKey) -> bool {
    !owner.is_system() && caller.user_key() == Some(owner.as_str())
}
