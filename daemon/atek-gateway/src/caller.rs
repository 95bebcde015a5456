//! Who is calling: by the listener, the cookie or the token, in this order.

use super::deps::{Deps, Settings};
use super::edge::cookie_scope::CookieScope;
use super::edge::{cookies, headers};
use super::error::Failure;
use atek_api::ids::ServiceKey;
use atek_api::secret::Secret;
use atek_host_model::directory::{Directory, Entry};
use atek_host_model::permissions::{Caller, Person, ServiceCaller};
use http::HeaderMap;
use std::net::SocketAddr;
use subtle::ConstantTimeEq as _;

/// Where a cookie has to belong.
#[derive(Debug, Clone, Copy)]
pub(super) enum CookieSite<'a> {
    /// The main domain.
    Main,
    /// A service's subdomain or port.
    Bound(&'a ServiceKey, CookieScope),
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
        CookieSite::Bound(_, jar) => jar,
    };
    let name = name.session();
    let mut has_cookie = false;
    let mut found: Option<Person> = None;
    for cookie in cookies::values(sent, &name) {
        has_cookie = true;
        let person = match site {
            CookieSite::Main => accounts.of_cookie(cookie),
            CookieSite::Bound(service, _) => accounts.of_bound_cookie(cookie, service),
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
        None if has_cookie && !deps.directory.now().host_ready() => Err(Failure::Starting),
        None if !has_cookie && is_system() => Ok(Caller::System),
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
/// A token that is sent must be the service's own. Without one, the listener is
/// proof enough where nobody else can reach it; in the host's own network the peer
/// of a WebSocket is looked up instead, since the original's client sends no token.
pub(super) fn of_service(
    directory: &Directory,
    key: &ServiceKey,
    private_network: bool,
    sent: &HeaderMap,
    peer: Option<SocketAddr>,
) -> Result<Caller, Failure> {
    let entry = directory.by_key(key.as_str()).ok_or(Failure::Unidentified(
        "this service is not installed any more",
    ))?;
    let is_proven = match headers::bearer(sent) {
        Some(token) => entry.token.as_ref().is_some_and(|own| is_equal(own, token)),
        None => private_network || (headers::wants_websocket(sent) && is_own_process(entry, peer)),
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
    }))
}

/// Whether the other end of a local TCP connection belongs to the user that the
/// service runs as, which is its alone.
fn is_own_process(entry: &Entry, peer: Option<SocketAddr>) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let atek_rpc::pool::Endpoint::Unix(socket) = entry.pool.endpoint() else {
        return false;
    };
    let Some(peer) = peer.filter(|peer| peer.ip().is_loopback()) else {
        return false;
    };
    // The service made the file, so that its owner is the service's user.
    let Ok(owner) = std::fs::symlink_metadata(socket).map(|file| file.uid()) else {
        return false;
    };
    peer_uid(peer) == Some(owner)
}

/// The user that owns the socket which is bound to `peer`, from the kernel's table.
fn peer_uid(peer: SocketAddr) -> Option<u32> {
    let table = if peer.is_ipv4() {
        "/proc/net/tcp"
    } else {
        "/proc/net/tcp6"
    };
    uid_in_table(&std::fs::read_to_string(table).ok()?, peer)
}

/// Lines of `sl local_address rem_address st tx:rx tr:when retrnsmt uid …`, addresses in
/// hexadecimal words of the machine's byte order.
fn uid_in_table(table: &str, peer: SocketAddr) -> Option<u32> {
    let words: Vec<u8> = match peer {
        SocketAddr::V4(peer) => peer.ip().octets().to_vec(),
        SocketAddr::V6(peer) => peer.ip().octets().to_vec(),
    };
    let mut wanted = String::new();
    for word in words.chunks_exact(4) {
        let word = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
        wanted.push_str(&format!("{word:08X}"));
    }
    wanted.push_str(&format!(":{:04X}", peer.port()));
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        (fields.nth(1)? == wanted).then(|| fields.nth(5)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn system_tokens_are_compared_whole() {
        let config = Settings {
            system_auth_tokens: vec![Secret::new("abc"), Secret::new(""), Secret::new("xyz")],
            domain: String::new(),
            port: 80,
            max_request_bytes: 0,
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

    #[test]
    fn the_kernels_table_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n\
             1: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 61184        0 2 1\n";
        if cfg!(target_endian = "little") {
            assert_eq!(
                uid_in_table(table, "127.0.0.1:54321".parse().unwrap()),
                Some(61184)
            );
            assert_eq!(
                uid_in_table(table, "127.0.0.2:54321".parse().unwrap()),
                None
            );
        }
    }

    #[test]
    fn the_owner_of_a_real_connection_is_found() {
        let own = std::fs::metadata("/proc/self").unwrap().uid();
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(address) else {
                continue;
            };
            let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            assert_eq!(
                peer_uid(client.local_addr().unwrap()),
                Some(own),
                "{address}"
            );
        }
    }
}
