//! Which site a request is for: decided by its listener and its host name alone.

use super::edge::client::Client;
use super::edge::cookie_scope::CookieScope;
use super::edge::host_name::{self, Authority, BadHost, MainUrl, Names};
use super::error::Failure;
use super::gateway::{Conn, Gateway};
use super::route::SiteKind;
use atek_api::ids::{ServiceId, ServiceKey};
use atek_host_model::directory::Entry;
use atek_host_model::listener::Origin;
use http::header::HOST;
use http::uri::{Parts as UriParts, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use std::net::IpAddr;
use std::sync::Arc;

/// A site of the box, or a host outside of it.
#[derive(Debug)]
pub(super) enum Site {
    /// The main domain, the control socket, or a service's own listener.
    Main(Authority),
    /// An app's own site.
    App(AppSite),
    /// `CONNECT HOST:PORT`, or `http://HOST[:PORT]/PATH` on a service's own listener.
    Egress {
        /// A name or an address, lower case.
        host: String,
        port: u16,
    },
}

/// An app's own site.
#[derive(Debug)]
pub(super) struct AppSite {
    /// The app; none where nothing is installed.
    pub(super) entry: Option<Arc<Entry>>,
    pub(super) id: ServiceId,
    pub(super) origin: AppOrigin,
    pub(super) authority: Authority,
    pub(super) main_url: MainUrl,
}

/// Which of an app's sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AppOrigin {
    /// `ID.DOMAIN`.
    Subdomain,
    /// `ID-BOX.local`.
    Alias,
    /// A port of the box.
    Port(u16),
}

impl AppOrigin {
    /// Where its cookies are kept.
    pub(super) fn cookie_scope(self) -> CookieScope {
        match self {
            Self::Subdomain | Self::Alias => CookieScope::Subdomain,
            Self::Port(port) => CookieScope::Port(port),
        }
    }

    /// The value of the bind flow's parameter `at`; none for a subdomain.
    pub(super) fn parameter(self) -> Option<&'static str> {
        match self {
            Self::Subdomain => None,
            Self::Alias => Some("alias"),
            Self::Port(_) => Some("port"),
        }
    }
}

impl Site {
    /// The site of a request, whose target becomes a path.
    ///
    /// # Errors
    ///
    /// [`Failure`] for a name that is none of the box's, and for a malformed target or `Host`.
    pub(super) fn of<B>(
        gateway: &Gateway,
        conn: &Conn,
        client: Client,
        request: &mut Request<B>,
    ) -> Result<Self, Failure> {
        if *request.method() == Method::CONNECT {
            let (host, port) = egress_target(request.uri())?;
            return Ok(Self::Egress { host, port });
        }
        let outside = match &*conn.origin {
            Origin::Service { .. } => outside_target(&gateway.names(), request.uri())?,
            Origin::Control | Origin::Public | Origin::App { .. } => None,
        };
        make_relative(request)?;
        if let Some((host, port)) = outside {
            return Ok(Self::Egress { host, port });
        }
        let authority = authority(request.headers())?;
        match &*conn.origin {
            // Reached by the socket, whatever the name.
            Origin::Control | Origin::Service { .. } => Ok(Self::Main(authority)),
            Origin::Public => Self::by_name(gateway, client, authority),
            Origin::App { key, port } => {
                AppSite::at_port(gateway, client, authority, key, *port).map(Self::App)
            }
        }
    }

    fn by_name(gateway: &Gateway, client: Client, authority: Authority) -> Result<Self, Failure> {
        let names = gateway.names();
        let site = match names.site(&authority) {
            Ok(host_name::Site::Main) => None,
            Ok(host_name::Site::Sub { id, alias, .. }) => {
                // The rest is `.DOMAIN[:PORT]` or `-DOMAIN[:PORT]`.
                let main_url = MainUrl {
                    scheme: client.scheme(),
                    authority: authority.as_str()[id.len() + 1..].to_owned(),
                };
                let id: ServiceId = id
                    .parse()
                    .map_err(|_| Failure::NoSuchSite(authority.to_string()))?;
                Some((id, alias, main_url))
            }
            Err(_) => return Err(gateway.unknown_host(authority.name(), authority.port())),
        };
        Ok(match site {
            None => Self::Main(authority),
            Some((id, alias, main_url)) => Self::App(AppSite {
                entry: gateway.deps().directory.now().by_id(id.as_str()).cloned(),
                id,
                origin: if alias {
                    AppOrigin::Alias
                } else {
                    AppOrigin::Subdomain
                },
                authority,
                main_url,
            }),
        })
    }

    /// The kind, for [`super::route::Route::of`].
    pub(super) fn kind(&self) -> SiteKind {
        match self {
            Self::Main(_) => SiteKind::Main,
            Self::App(_) => SiteKind::App,
            Self::Egress { .. } => SiteKind::Egress,
        }
    }

    /// The host name and port that the site's own pages have; none for a host outside.
    pub(super) fn authority(&self) -> Option<&Authority> {
        match self {
            Self::Main(authority) => Some(authority),
            Self::App(site) => Some(&site.authority),
            Self::Egress { .. } => None,
        }
    }

    /// The app's site, if it is one.
    pub(super) fn app(&self) -> Option<&AppSite> {
        match self {
            Self::App(site) => Some(site),
            Self::Main(_) | Self::Egress { .. } => None,
        }
    }
}

impl AppSite {
    /// `ADDRESS:PORT`, at the port of an app: under every name that is a main domain.
    fn at_port(
        gateway: &Gateway,
        client: Client,
        authority: Authority,
        key: &ServiceKey,
        port: u16,
    ) -> Result<Self, Failure> {
        let main_port = match gateway.deps().config.port {
            80 => String::new(),
            port => format!(":{port}"),
        };
        if gateway.names().site(&authority) != Ok(host_name::Site::Main) {
            return Err(gateway.unknown_host(authority.name(), &main_port));
        }
        let entry = gateway.deps().directory.now().by_key(key.as_str()).cloned();
        // The listener of an app that is removed closes a moment later.
        let entry = entry
            .filter(|entry| entry.settings.port == Some(port))
            .ok_or_else(|| Failure::NoSuchSite(authority.to_string()))?;
        Ok(Self {
            id: entry.id().clone(),
            entry: Some(entry),
            origin: AppOrigin::Port(port),
            main_url: MainUrl {
                scheme: client.scheme(),
                authority: format!("{}{main_port}", authority.name()),
            },
            authority,
        })
    }
}

/// Turns a target such as `http://NAME/PATH` into the path and a `Host` header
/// (RFC 9112 section 3.2.2: the `Host` that came with it does not count).
fn make_relative<B>(request: &mut Request<B>) -> Result<(), Failure> {
    let malformed = || Failure::BadRequest("the request's target must be a path or a URL");
    if let Some(authority) = request.uri().authority() {
        let scheme = request.uri().scheme();
        if scheme != Some(&Scheme::HTTP) && scheme != Some(&Scheme::HTTPS) {
            return Err(malformed());
        }
        let host = HeaderValue::try_from(authority.as_str()).map_err(|_| malformed())?;
        let mut parts = UriParts::default();
        parts.path_and_query = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| malformed())?;
        request.headers_mut().insert(HOST, host);
    }
    if request.uri().path().starts_with('/') {
        Ok(())
    } else {
        Err(malformed())
    }
}

/// The host that a request is for; exactly one.
pub(super) fn authority(sent: &HeaderMap) -> Result<Authority, Failure> {
    let mut hosts = sent.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Failure::BadRequest("exactly one Host header is needed"));
    };
    let malformed = Failure::BadRequest("the Host header is malformed");
    let Ok(host) = host.to_str() else {
        return Err(malformed);
    };
    match Authority::parse(host) {
        Ok(authority) => Ok(authority),
        Err(BadHost::Malformed | BadHost::Unknown) => Err(malformed),
    }
}

/// The host and port of a target such as `http://HOST/PATH` that is for a proxy; none for a path,
/// and for a name or the loopback of the box itself.
fn outside_target(names: &Names, uri: &Uri) -> Result<Option<(String, u16)>, Failure> {
    let Some(authority) = uri.authority() else {
        return Ok(None);
    };
    let malformed = || Failure::BadRequest("the host in the request's target is malformed");
    let own = Authority::parse(authority.as_str()).map_err(|_| malformed())?;
    let host = own.name().trim_start_matches('[').trim_end_matches(']');
    let is_own = match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => names.site(&own).is_ok(),
    };
    if is_own {
        return Ok(None);
    }
    if uri.scheme() != Some(&Scheme::HTTP) {
        return Err(Failure::BadRequest(
            "hosts outside are reached by http:// or by CONNECT",
        ));
    }
    Ok(Some((host.to_owned(), authority.port_u16().unwrap_or(80))))
}

/// The target of a `CONNECT`: a host and a port.
fn egress_target(uri: &Uri) -> Result<(String, u16), Failure> {
    let malformed = || Failure::BadRequest("CONNECT needs HOST:PORT");
    let authority = uri.authority().ok_or_else(malformed)?;
    if authority.as_str().contains('@') {
        return Err(malformed());
    }
    let port = authority.port_u16().ok_or_else(malformed)?;
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    if host.is_empty() {
        return Err(malformed());
    }
    Ok((host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_egress_target_is_a_host_and_a_port() {
        for (uri, expected) in [
            ("Example.org:443", Some(("example.org", 443))),
            ("[2606:4700::1]:443", Some(("2606:4700::1", 443))),
            ("example.org", None),
            ("user@example.org:443", None),
        ] {
            let got = egress_target(&uri.parse().unwrap()).ok();
            assert_eq!(
                got.as_ref().map(|(host, port)| (host.as_str(), *port)),
                expected,
                "{uri}"
            );
        }
    }

    #[test]
    fn a_url_of_another_host_is_for_the_proxy() {
        let names = Names::new("box.example", &[], &["atek.local".to_owned()]);
        for (uri, expected) in [
            (
                "http://Feeds.example.org/a",
                Ok(Some(("feeds.example.org", 80))),
            ),
            (
                "http://feeds.example.org:8080/",
                Ok(Some(("feeds.example.org", 8080))),
            ),
            ("http://192.168.1.20/", Ok(Some(("192.168.1.20", 80)))),
            ("http://[2606:4700::1]/", Ok(Some(("2606:4700::1", 80)))),
            ("/a", Ok(None)),
            ("http://localhost/_atek/gateway", Ok(None)),
            ("http://127.0.0.1:80/", Ok(None)),
            ("http://[::1]/", Ok(None)),
            ("http://atek.local/", Ok(None)),
            ("https://rss.box.example/", Ok(None)),
            ("https://feeds.example.org/", Err(())),
            ("ftp://feeds.example.org/", Err(())),
            ("http://user@feeds.example.org/", Err(())),
        ] {
            let got = outside_target(&names, &uri.parse().unwrap()).map_err(drop);
            let got = got
                .as_ref()
                .map(|found| found.as_ref().map(|(host, port)| (host.as_str(), *port)));
            assert_eq!(got, expected.as_ref().map(|found| *found), "{uri}");
        }
    }

    #[test]
    fn a_url_as_target_is_answered_as_its_own_host() {
        for (target, path, host) in [
            (
                "http://rss.localhost:8080/a?b",
                Some("/a?b"),
                "rss.localhost:8080",
            ),
            ("https://localhost", Some("/"), "localhost"),
            ("/a", Some("/a"), "sent.test"),
            ("ftp://localhost/", None, ""),
            ("*", None, ""),
        ] {
            let request = Request::builder().uri(target).header(HOST, "sent.test");
            let mut request = request.body(()).unwrap();
            let made = make_relative(&mut request).ok();
            assert_eq!(made.is_some(), path.is_some(), "{target}");
            if let Some(path) = path {
                assert_eq!(request.uri().to_string(), path, "{target}");
                assert_eq!(request.headers()[HOST], host, "{target}");
            }
        }
    }
}
