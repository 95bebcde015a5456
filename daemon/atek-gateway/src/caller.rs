//! Who is calling: by the listener, the cookie or the token, in this order.

use super::deps::{Deps, Settings};
use super::edge::cookie_scope::CookieScope;
use super::edge::{cookies, headers};
use super::error::Failure;
use atek_api::ids::ServiceKey;
use atek_api::secret::Secret;
use atek_host_model::directory::Directory;
use atek_host_model::permissions::{Caller, Person, ServiceCaller};
use http::HeaderMap;
use subtle::ConstantTimeEq as _;

/// Where a cookie has to belong.
#[derive(Debug, Clone, Copy)]
pub(super) enum CookieSite<'a> {
    /// The main domain.
    Main,
    /// An app's own site, with the app's key where there is an app.
    App(Option<&'a ServiceKey>, CookieScope),
}

impl CookieSite<'_> {
    /// Whether nothing is installed there, so that no session can be bound to it.
    fn is_vacant(self) -> bool {
        matches!(self, Self::App(None, _))
    }
}

/// Who calls on the public listener.
///
/// A session cookie alone decides, also when it is worth nothing. Tokens of
/// services are not accepted here: outside of the service they are stolen.
///
/// # Errors
///
/// [`Failure::Starting`] for a cookie while the records are not read yet: it may be a good one.
pub(super) fn of_public(
    deps: &Deps,
    sent: &HeaderMap,
    site: CookieSite<'_>,
) -> Result<Caller, Failure> {
    let accounts = &deps.accounts;
    let name = match site {
        CookieSite::Main => CookieScope::Main,
        CookieSite::App(_, scope) => scope,
    };
    let name = name.session();
    let mut has_cookie = false;
    let mut found: Option<Person> = None;
    for cookie in cookies::values(sent, &name) {
        has_cookie = true;
        let person = match site {
            CookieSite::Main => accounts.of_cookie(cookie),
            CookieSite::App(service, _) => {
                service.and_then(|service| accounts.of_bound_cookie(cookie, service))
            }
        };
        let Some(person) = person else { continue };
        // A page of a service can add a cookie for the parent domain: of two users
        // neither is meant for certain.
        if found
            .as_ref()
            .is_some_and(|other| other.user.key != person.user.key)
        {
            return Ok(Caller::Anonymous);
        }
        found.get_or_insert(person);
    }
    let is_system =
        || headers::bearer(sent).is_some_and(|token| is_system_token(&deps.config, token));
    match found {
        Some(person) => Ok(Caller::User(person)),
        None if has_cookie && !site.is_vacant() && !deps.directory.now().host_ready() => {
            Err(Failure::Starting)
        }
        None if (!has_cookie || site.is_vacant()) && is_system() => Ok(Caller::System),
        None => Ok(Caller::Anonymous),
    }
}

/// Whether `token` acts as the host itself. Takes the same time for every wrong one of its length.
pub(super) fn is_system_token(config: &Settings, token: &str) -> bool {
    config
        .system_auth_tokens
        .iter()
        .fold(false, |found, own| found | is_equal(own, token))
}

fn is_equal(own: &Secret, sent: &str) -> bool {
    let own = own.expose().as_bytes();
    !own.is_empty() && bool::from(own.ct_eq(sent.as_bytes()))
}

/// The service whose listener this is, if the request may speak for it.
///
/// A token that is sent must be the service's own. Without one the listener is proof enough, as
/// only the service can reach it.
pub(super) fn of_service(
    directory: &Directory,
    key: &ServiceKey,
    sent: &HeaderMap,
) -> Result<Caller, Failure> {
    let entry = directory.by_key(key.as_str()).ok_or(Failure::Unidentified(
        "this service is not installed any more",
    ))?;
    let is_proven = match headers::bearer(sent) {
        Some(token) => entry.token.as_ref().is_some_and(|own| is_equal(own, token)),
        None => true,
    };
    if !is_proven {
        return Err(Failure::Unidentified(
            "Not authorized: send the service's own token (ATEK_HOST_BEARER_TOKEN) as `Authorization: Bearer`",
        ));
    }
    Ok(Caller::Service(ServiceCaller {
        key: entry.key.clone(),
        owner: entry.owner().clone(),
        granted: entry.granted.clone(),
        decisions: entry.decisions.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::peer::RefusedUsers;
    use super::*;
    use atek_host_model::trusted_proxy::TrustedProxies;
    #[test]
    fn system_tokens_are_compared_whole() {
        let config = Settings {
            system_auth_tokens: vec![Secret::new("abc"), Secret::new(""), Secret::new("xyz")],
            domain: String::new(),
            port: 80,
            max_request_bytes: 0,
            trusted_proxies: TrustedProxies::default(),
            refused_users: RefusedUsers::default(),
        };
        for (token, expected) in [
            ("abc", true),
            ("xyz", true),
            ("", false),
            ("ab", false),
            ("abcd", false),
        ] {
            assert_eq!(is_system_token(&config, token), expected, "{token:?}");
        }
    }
}
