//! What a request asks for: one table from site, method and path to a [`Route`], and from a
//! route to what admission demands of its caller. Pure.

use http::Method;

/// Which kind of site a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SiteKind {
    /// The main domain, the control socket, or a service's own listener.
    Main,
    /// An app's own site: a subdomain or a port.
    App,
    /// A host outside of the box.
    Egress,
}

/// What answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `POST /_atek/gateway`: JSON-RPC calls.
    Rpc,
    /// `/_atek/gateway[/BELOW]`: a WebSocket or a plain request to the provider of a proxy API.
    ApiProxy {
        /// The path below the API, empty or with its slash.
        below: &'a str,
    },
    /// Any other path below `/_atek`.
    Host(HostPath),
    /// `OPTIONS` on the main domain.
    Options,
    /// Every other path of the main domain: the person's main page.
    Home,
    /// A page of an app, at its own site.
    App,
    /// A connection to a host outside of the box.
    Egress,
}

/// The host's own paths, by what they demand; which one answers is the router's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostPath {
    /// Files of pages.
    File,
    /// The sign-in page, and the page for a forgotten password.
    Login,
    /// The setup page.
    Setup,
    /// A step of the bind flow.
    BindSession,
    /// Logs, jobs, icons and pictures of catalogues.
    Data,
    /// Backups of other homes, which sign in by name and password.
    Guest,
    /// `/_atek/gateway` with a method that it does not have.
    GatewayOther,
    /// No such path.
    Unknown,
}

/// What a route demands of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing. JSON-RPC decides by API and method, see `rpc`.
    Anyone,
    /// A known caller; others are refused.
    Known,
    /// A known caller; a browser is led to the sign-in page.
    SignedIn,
    /// The right to visit the site's app; a browser is led through the bind flow.
    Visitor,
    /// A grant for the target.
    Granted,
}

/// Which requests must come from the site's own pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OriginRule {
    /// Those that may change something, unless they come from no page at all.
    Changing,
    /// All that carry a person's session: the answer depends on the provider, also for `GET`.
    Proven,
}

/// Whether a route is there while the box has no owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BeforeSetup {
    /// It is part of the setup.
    Open,
    /// If there are users who could sign in.
    WithUsers,
    /// Browsers are led to the setup page instead.
    Closed,
}

impl<'a> Route<'a> {
    /// The route of a request.
    pub(super) fn of(site: SiteKind, method: &Method, path: &'a str, is_websocket: bool) -> Self {
        match site {
            SiteKind::Egress => return Self::Egress,
            SiteKind::App => return Self::App,
            SiteKind::Main if *method == Method::OPTIONS => return Self::Options,
            SiteKind::Main => {}
        }
        let Some(below_host) = below_host(path) else {
            return Self::Home;
        };
        match below_host.strip_prefix("/gateway") {
            Some("") if is_websocket => Self::ApiProxy { below: "" },
            Some("") if *method == Method::POST => Self::Rpc,
            Some("") => Self::Host(HostPath::GatewayOther),
            Some(below) if below.starts_with('/') => Self::ApiProxy { below },
            _ => Self::Host(HostPath::of(below_host)),
        }
    }

    /// What the caller must be.
    pub(super) fn access(self) -> Access {
        match self {
            Self::Rpc | Self::Options => Access::Anyone,
            Self::ApiProxy { .. } => Access::Known,
            Self::Host(HostPath::Data | HostPath::GatewayOther) => Access::Known,
            Self::Host(_) => Access::Anyone,
            Self::Home => Access::SignedIn,
            Self::App => Access::Visitor,
            Self::Egress => Access::Granted,
        }
    }

    /// Where the request must come from.
    pub(super) fn origin_rule(self) -> OriginRule {
        match self {
            Self::ApiProxy { .. } => OriginRule::Proven,
            _ => OriginRule::Changing,
        }
    }

    /// Whether it is there before the box has an owner.
    pub(super) fn before_setup(self) -> BeforeSetup {
        match self {
            // Which calls are answered is decided by API and method.
            Self::Rpc | Self::Options => BeforeSetup::Open,
            Self::Host(HostPath::File | HostPath::Setup) => BeforeSetup::Open,
            Self::Host(HostPath::Login) => BeforeSetup::WithUsers,
            _ => BeforeSetup::Closed,
        }
    }
}

impl HostPath {
    /// `path` is what follows `/_atek`.
    fn of(path: &str) -> Self {
        let Some(path) = path.strip_prefix('/') else {
            return Self::Unknown;
        };
        match path {
            "login" | "login/" | "reset" | "reset/" => Self::Login,
            "setup" | "setup/" => Self::Setup,
            "bind-session" => Self::BindSession,
            "logs" => Self::Data,
            "login/home.js" | "login/atek.css" | "js/rpc.js" => Self::File,
            _ if path.starts_with("ui/") => Self::File,
            _ if path.starts_with("backups/") => Self::Guest,
            _ if ["icon/", "jobs/", "catalogue/"]
                .iter()
                .any(|data| path.starts_with(data)) =>
            {
                Self::Data
            }
            _ => Self::Unknown,
        }
    }
}

/// What follows `/_atek` in one of the host's own paths.
pub(super) fn below_host(path: &str) -> Option<&str> {
    path.strip_prefix("/_atek")
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_every_site_has_one_route() {
        use SiteKind::{App, Egress, Main};
        let host = Route::Host;
        for (site, method, path, is_websocket, expected) in [
            (Main, "POST", "/_atek/gateway", false, Route::Rpc),
            (
                Main,
                "GET",
                "/_atek/gateway",
                true,
                Route::ApiProxy { below: "" },
            ),
            (
                Main,
                "POST",
                "/_atek/gateway/",
                false,
                Route::ApiProxy { below: "/" },
            ),
            (
                Main,
                "GET",
                "/_atek/gateway/a/b",
                false,
                Route::ApiProxy { below: "/a/b" },
            ),
            (
                Main,
                "GET",
                "/_atek/gateway",
                false,
                host(HostPath::GatewayOther),
            ),
            (
                Main,
                "POST",
                "/_atek/gatewayx",
                false,
                host(HostPath::Unknown),
            ),
            (Main, "GET", "/_atek", false, host(HostPath::Unknown)),
            (Main, "GET", "/_atek/", false, host(HostPath::Unknown)),
            (Main, "GET", "/_atek/login", false, host(HostPath::Login)),
            (Main, "GET", "/_atek/reset", false, host(HostPath::Login)),
            (Main, "GET", "/_atek/setup/", false, host(HostPath::Setup)),
            (
                Main,
                "GET",
                "/_atek/ui/atek.svg",
                false,
                host(HostPath::File),
            ),
            (Main, "GET", "/_atek/js/rpc.js", false, host(HostPath::File)),
            (
                Main,
                "GET",
                "/_atek/bind-session",
                false,
                host(HostPath::BindSession),
            ),
            (Main, "GET", "/_atek/logs", false, host(HostPath::Data)),
            (Main, "GET", "/_atek/jobs/1", false, host(HostPath::Data)),
            (
                Main,
                "POST",
                "/_atek/backups/anna/atek-backup/config",
                false,
                host(HostPath::Guest),
            ),
            (Main, "GET", "/_atek/icon/rss", false, host(HostPath::Data)),
            (Main, "OPTIONS", "/_atek/gateway", false, Route::Options),
            (Main, "GET", "/", false, Route::Home),
            (Main, "GET", "/_atekx", false, Route::Home),
            (App, "GET", "/_atek/gateway", false, Route::App),
            (App, "OPTIONS", "/", false, Route::App),
            (Egress, "CONNECT", "", false, Route::Egress),
            (Egress, "GET", "/_atek/gateway", false, Route::Egress),
        ] {
            let method = method.parse().unwrap();
            assert_eq!(
                Route::of(site, &method, path, is_websocket),
                expected,
                "{site:?} {method} {path}"
            );
        }
    }

    #[test]
    fn what_ownerships_is_open_before_it_and_nothing_else() {
        use BeforeSetup::{Closed, Open, WithUsers};
        for (path, expected) in [
            ("/_atek/setup", Open),
            ("/_atek/setup/", Open),
            ("/_atek/js/rpc.js", Open),
            ("/_atek/ui/atek.svg", Open),
            ("/_atek/login", WithUsers),
            ("/_atek/login/", WithUsers),
            ("/_atek/reset", WithUsers),
            ("/_atek/logs", Closed),
            ("/_atek/jobs/1", Closed),
            ("/_atek/bind-session", Closed),
            ("/_atek/gateway/x", Closed),
            ("/_atek/nothing", Closed),
            ("/", Closed),
        ] {
            let route = Route::of(SiteKind::Main, &Method::GET, path, false);
            assert_eq!(route.before_setup(), expected, "{path}");
        }
    }

    #[test]
    fn only_what_must_be_reached_without_a_session_is_open() {
        for (path, expected) in [
            ("/_atek/login", Access::Anyone),
            ("/_atek/reset", Access::Anyone),
            ("/_atek/setup/", Access::Anyone),
            ("/_atek/ui/atek.svg", Access::Anyone),
            // It leads to the sign-in page itself.
            ("/_atek/bind-session", Access::Anyone),
            ("/_atek/logs", Access::Known),
            ("/_atek/jobs/1", Access::Known),
            ("/_atek/icon/rss", Access::Known),
            ("/_atek/catalogue/atek/rss/icon.svg", Access::Known),
            ("/_atek/gateway", Access::Known),
            ("/_atek/gateway/x", Access::Known),
            ("/", Access::SignedIn),
        ] {
            let route = Route::of(SiteKind::Main, &Method::GET, path, false);
            assert_eq!(route.access(), expected, "{path}");
        }
    }
}
