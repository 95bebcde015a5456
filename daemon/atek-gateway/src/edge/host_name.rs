//! Which site a `Host` header names. Pure.

use std::net::{IpAddr, Ipv6Addr};

/// Domains that home routers put behind the names of their devices. None of them is sold to
/// anyone, but for `fritz.box`, which a FRITZ!Box answers for itself.
const HOME_DOMAINS: [&str; 6] = [
    "lan",
    "home",
    "home.arpa",
    "fritz.box",
    "internal",
    "localdomain",
];

/// The names under which this host answers, lower case.
#[derive(Debug, Clone)]
pub struct Names {
    /// Each is a main domain; `ID.NAME` is a service's subdomain. The longest first.
    domains: Vec<String>,
    /// Those of them that a router gives, below which it knows no apps.
    router: Vec<String>,
    /// The one that is shown to a browser that came by address or by a router's name.
    shown: String,
    /// Those that administrators added.
    added: Vec<String>,
}

/// What a request's `Host` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site<'a> {
    /// The host's own pages.
    Main,
    /// A service's subdomain.
    Sub {
        /// What stands before the domain; not necessarily a well-formed id.
        id: &'a str,
        /// The domain, without the port.
        domain: &'a str,
        /// Written `ID-BOX.local`, for resolvers that ask the local network only for such names.
        alias: bool,
    },
}

/// Why a `Host` header is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadHost {
    /// Not a host and an optional port.
    Malformed,
    /// Well-formed, but none of ours: a page that made its own name point here.
    Unknown,
}

/// A `Host` header in its parts, lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Name or address as it stands in a URL, without a trailing dot, and `:PORT` or nothing.
    text: String,
    /// Where the port begins.
    name_length: usize,
    address: bool,
}

/// The main domain's URL, without a path. Written out where it is shown, which is rare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MainUrl {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// `NAME` or `NAME:PORT`.
    pub authority: String,
}

impl std::fmt::Display for MainUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl Names {
    /// `localhost`, the configured domain, names that administrators added, and the box's names on
    /// the local network (`NAME.local`), the present one first.
    #[must_use]
    pub fn new(domain: &str, added: &[String], local: &[String]) -> Self {
        let clean = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
        let mut domains = Vec::new();
        let configured = clean(domain);
        // An address is a main domain anyway, and can have no subdomains.
        if !configured.is_empty() && configured.parse::<IpAddr>().is_err() {
            domains.push(configured);
        }
        let local = local.iter().map(|name| clean(name));
        let local: Vec<String> = local.filter(|name| is_local(name)).collect();
        let router = local.iter().flat_map(|name| router_names(name));
        let router: Vec<String> = router.collect();
        domains.extend(local);
        let added: Vec<String> = added.iter().map(|name| clean(name)).collect();
        domains.push("localhost".to_owned());
        let shown = domains.iter().find(|domain| *domain != "localhost");
        let shown = shown.map_or("localhost", String::as_str).to_owned();
        domains.extend(added.iter().cloned());
        let bare = router.iter().filter(|name| !domains.contains(name));
        let bare: Vec<String> = bare.cloned().collect();
        domains.extend(bare);
        // The longest first: `box.example.com` before `example.com`.
        domains.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        domains.dedup();
        Self {
            domains,
            router,
            shown,
            added,
        }
    }

    /// The site of an authority.
    ///
    /// # Errors
    ///
    /// [`BadHost::Unknown`].
    pub fn site<'a>(&self, authority: &'a Authority) -> Result<Site<'a>, BadHost> {
        if authority.address {
            return Ok(Site::Main);
        }
        let name = authority.name();
        if self.domains.iter().any(|domain| domain == name) {
            return Ok(Site::Main);
        }
        for domain in &self.domains {
            let Some(before) = name.strip_suffix(domain.as_str()) else {
                continue;
            };
            let alias = before
                .strip_suffix('-')
                .filter(|id| is_local(domain) && !id.contains('.'));
            if let Some(id) = before.strip_suffix('.').or(alias) {
                return Ok(Site::Sub {
                    id,
                    domain: &name[id.len() + 1..],
                    alias: alias.is_some(),
                });
            }
        }
        Err(BadHost::Unknown)
    }

    /// Names that lead a browser here, the best first; without `localhost` where there is another.
    pub fn shown(&self) -> impl Iterator<Item = &str> {
        let added = self.added.iter().map(String::as_str);
        std::iter::once(self.shown.as_str()).chain(added.filter(|name| *name != self.shown))
    }

    /// The domain under which services are linked from the main domain `authority`.
    ///
    /// An address has no subdomains: then it is the configured domain or the box's name.
    #[must_use]
    pub fn app_domain<'a>(&'a self, authority: &'a Authority) -> &'a str {
        let name = authority.name();
        if authority.address || self.router.iter().any(|router| router == name) {
            return &self.shown;
        }
        name
    }
}

impl Authority {
    /// Takes a `Host` header apart.
    ///
    /// # Errors
    ///
    /// [`BadHost::Malformed`].
    pub fn parse(host: &str) -> Result<Self, BadHost> {
        let (name, port) = match host.strip_prefix('[') {
            Some(rest) => {
                let (inside, after) = rest.split_once(']').ok_or(BadHost::Malformed)?;
                inside.parse::<Ipv6Addr>().map_err(|_| BadHost::Malformed)?;
                (&host[..inside.len() + 2], after)
            }
            None => host.split_at(host.find(':').unwrap_or(host.len())),
        };
        let digits = match port.strip_prefix(':') {
            Some(digits) => digits,
            None if port.is_empty() => "",
            None => return Err(BadHost::Malformed),
        };
        if !digits.is_empty()
            && (!digits.bytes().all(|b| b.is_ascii_digit()) || digits.parse::<u16>().is_err())
        {
            return Err(BadHost::Malformed);
        }
        let is_ipv6 = name.starts_with('[');
        let name = name.strip_suffix('.').unwrap_or(name);
        if !is_ipv6 && !is_name(name) {
            return Err(BadHost::Malformed);
        }
        let mut text = String::with_capacity(host.len());
        text.push_str(name);
        text.make_ascii_lowercase();
        if !digits.is_empty() {
            text.push(':');
            text.push_str(digits);
        }
        Ok(Self {
            name_length: name.len(),
            address: is_ipv6 || is_ipv4(name),
            text,
        })
    }

    /// Name or address, and the port if the client wrote one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Name or address, without the port.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.text[..self.name_length]
    }

    /// Whether it is an address, and no name.
    #[must_use]
    pub fn is_address(&self) -> bool {
        self.address
    }

    /// `:PORT` as the client wrote it, or nothing.
    #[must_use]
    pub fn port(&self) -> &str {
        &self.text[self.name_length..]
    }
}

impl std::fmt::Display for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// The names that routers give to a device which calls itself `NAME` (`NAME.local` here): the
/// bare one, and one below the home's domain.
fn router_names(local: &str) -> impl Iterator<Item = String> {
    let name = local.strip_suffix(".local").unwrap_or(local);
    let below = HOME_DOMAINS
        .iter()
        .map(move |domain| format!("{name}.{domain}"));
    std::iter::once(name.to_owned()).chain(below)
}

/// Whether `ID-NAME` is a subdomain, too: only for a name of the local network, below which no
/// other device gives names.
pub fn is_local(name: &str) -> bool {
    name.strip_suffix(".local")
        .is_some_and(|label| !label.is_empty() && !label.contains('.'))
}

/// Labels of letters, digits, `-` and `_`, none of them empty.
fn is_name(name: &str) -> bool {
    let is_label = |label: &[u8]| {
        let mut bytes = label.iter();
        !label.is_empty()
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 253 && name.as_bytes().split(|byte| *byte == b'.').all(is_label)
}

/// Also the forms that resolvers accept and `Ipv4Addr` does not (`127.1`): the last
/// label of a name is never a number.
fn is_ipv4(name: &str) -> bool {
    let last = name.as_bytes().rsplit(|byte| *byte == b'.').next();
    last.is_some_and(|last| !last.is_empty() && last.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fuzz_host_names() {
        let seeds: [&[u8]; 8] = [
            b"box.example.com",
            b"notes.box.example.com:8080",
            b"notes-atek.local",
            b"atek.local.",
            b"[2001:db8::1]:80",
            b"192.168.1.2",
            b"localhost:4000",
            b"NOTES.localhost",
        ];
        let tokens: [&[u8]; 6] = [b"..", b"-", b"xn--", b":0", b"[::", b"]"];
        let names = Names::new("box.example.com", &[], &["atek.local".to_owned()]);
        atek_fuzz::run("host names", &seeds, &tokens, |input| {
            let Ok(text) = std::str::from_utf8(input) else {
                return false;
            };
            let Ok(authority) = Authority::parse(text) else {
                return false;
            };
            assert!(
                !authority
                    .name()
                    .contains(['/', '@', '?', '#', '\n', '\\', ' ']),
                "{text:?}"
            );
            match names.site(&authority) {
                Ok(Site::Sub { id, domain, .. }) => {
                    assert!(authority.name().starts_with(id) && authority.name().ends_with(domain));
                    true
                }
                other => other.is_ok(),
            }
        });
    }

    fn site(host: &str) -> Result<Option<(String, String)>, BadHost> {
        let names = Names::new(
            "Box.Example.com",
            &["home.example.net".to_owned()],
            &["atek.local".to_owned()],
        );
        let authority = Authority::parse(host)?;
        Ok(match names.site(&authority)? {
            Site::Main => None,
            Site::Sub { id, domain, alias } => {
                assert_eq!(
                    alias,
                    !host.to_ascii_lowercase().starts_with(&format!("{id}."))
                );
                Some((id.to_owned(), domain.to_owned()))
            }
        })
    }

    #[test]
    fn hosts_are_told_apart() {
        let sub = |id: &str, domain: &str| Ok(Some((id.to_owned(), domain.to_owned())));
        for (host, expected) in [
            ("localhost", Ok(None)),
            ("LOCALHOST:8080", Ok(None)),
            ("localhost.", Ok(None)),
            ("localhost:", Ok(None)),
            ("box.example.com", Ok(None)),
            ("atek.local:80", Ok(None)),
            ("127.0.0.1", Ok(None)),
            ("192.168.1.20:8080", Ok(None)),
            ("[::1]", Ok(None)),
            ("[fe80::1]:80", Ok(None)),
            ("rss.localhost:8080", sub("rss", "localhost")),
            ("core.adb.localhost", sub("core.adb", "localhost")),
            ("RSS.Atek.Local", sub("rss", "atek.local")),
            ("rss.box.example.com", sub("rss", "box.example.com")),
            ("home.example.net", Ok(None)),
            ("rss.home.example.net", sub("rss", "home.example.net")),
            ("example.net", Err(BadHost::Unknown)),
            ("a.b.c.localhost", sub("a.b.c", "localhost")),
            ("atek", Ok(None)),
            ("ATEK:8080", Ok(None)),
            ("atek.lan", Ok(None)),
            ("atek.home", Ok(None)),
            ("atek.home.arpa", Ok(None)),
            ("atek.fritz.box", Ok(None)),
            ("atek.internal", Ok(None)),
            ("atek.localdomain", Ok(None)),
            ("other.lan", Err(BadHost::Unknown)),
            ("other", Err(BadHost::Unknown)),
            ("atek.box", Err(BadHost::Unknown)),
            ("example.com", Err(BadHost::Unknown)),
            ("other.local", Err(BadHost::Unknown)),
            ("evil-localhost", Err(BadHost::Unknown)),
            ("localhost.evil.com", Err(BadHost::Unknown)),
            ("xatek.local", Err(BadHost::Unknown)),
            ("rss-atek.local", sub("rss", "atek.local")),
            ("my-rss-atek.local:80", sub("my-rss", "atek.local")),
            ("a.rss-atek.local", Err(BadHost::Unknown)),
            ("rss-localhost", Err(BadHost::Unknown)),
            ("rss-box.example.com", Err(BadHost::Unknown)),
            ("", Err(BadHost::Malformed)),
            (".localhost", Err(BadHost::Malformed)),
            ("a..localhost", Err(BadHost::Malformed)),
            ("local host", Err(BadHost::Malformed)),
            ("user@localhost", Err(BadHost::Malformed)),
            ("localhost/x", Err(BadHost::Malformed)),
            ("localhost:99999", Err(BadHost::Malformed)),
            ("localhost:80:80", Err(BadHost::Malformed)),
            ("localhost:-1", Err(BadHost::Malformed)),
            ("[::1", Err(BadHost::Malformed)),
            ("[::1]x", Err(BadHost::Malformed)),
            ("[localhost]", Err(BadHost::Malformed)),
            ("ä.localhost", Err(BadHost::Malformed)),
        ] {
            assert_eq!(site(host), expected, "{host:?}");
        }
    }

    #[test]
    fn a_stranger_is_led_to_the_box_by_its_own_names() {
        for (domain, added, local, expected) in [
            ("localhost", vec![], vec!["atek.local"], vec!["atek.local"]),
            (
                "localhost",
                vec!["nas.example.net"],
                vec!["atek.local"],
                vec!["atek.local", "nas.example.net"],
            ),
            ("box.test", vec!["box.test"], vec![], vec!["box.test"]),
        ] {
            let owned = |names: Vec<&str>| -> Vec<String> {
                names.into_iter().map(str::to_owned).collect()
            };
            let names = Names::new(domain, &owned(added), &owned(local));
            assert_eq!(names.shown().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_page_that_was_opened_by_address_links_to_apps_by_name() {
        for (domain, name, host, expected) in [
            ("localhost", None, "192.168.1.2", "localhost"),
            ("localhost", Some("atek"), "192.168.1.2", "atek.local"),
            ("box.test", None, "[::1]", "box.test"),
            ("box.test", Some("atek"), "localhost", "localhost"),
            ("10.0.0.1", None, "10.0.0.1", "localhost"),
            ("localhost", Some("atek"), "atek.fritz.box", "atek.local"),
            ("box.test", Some("atek"), "atek", "box.test"),
        ] {
            let authority = Authority::parse(host).unwrap();
            let local: Vec<String> = name
                .map(|name: &str| format!("{name}.local"))
                .into_iter()
                .collect();
            assert_eq!(
                Names::new(domain, &[], &local).app_domain(&authority),
                expected,
                "{host}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_served_survives_a_round_trip(host in "[a-zA-Z0-9.:\\[\\]_@-]{0,40}") {
            if let Ok(authority) = Authority::parse(&host) {
                prop_assert_eq!(Authority::parse(&authority.to_string()), Ok(authority));
            }
        }

        #[test]
        fn a_name_outside_the_domains_is_never_served(host in "[a-z]{1,8}\\.[a-z]{1,8}\\.(com|org|test)(:[0-9]{1,4})?") {
            let authority = Authority::parse(&host).unwrap();
            prop_assert_eq!(Names::new("localhost", &[], &["atek.local".to_owned()]).site(&authority), Err(BadHost::Unknown));
        }
    }
}
