//! The environment of a service: what is listed here, and nothing inherited.

use atek_api::ids::ServiceKey;
use atek_api::manifest::SidecarName;
use atek_api::secret::Secret;
use atek_api::spec::paths;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// What the environment of one service depends on.
#[derive(Debug)]
pub(crate) struct Inputs<'a> {
    /// The service.
    pub(crate) key: &'a ServiceKey,
    /// The TCP port at which the host's API answers.
    pub(crate) host_port: u16,
    /// Whether that port is also a proxy to the hosts that were granted by name.
    pub(crate) proxy: bool,
    /// Proves to the host which service calls.
    pub(crate) token: &'a Secret,
    /// The TCP port on which the program listens; `None`: it listens on its socket file.
    pub(crate) port: Option<u16>,
}

/// Completes the service's configuration with what programs expect and what the host says.
///
/// A configured `PATH`, `HOME` or `LANG` wins; a configured `ATEK_…` or `PORT` never does.
pub(crate) fn build(
    inputs: &Inputs<'_>,
    config: BTreeMap<String, Secret>,
) -> BTreeMap<String, OsString> {
    let key = inputs.key;
    let mut environment = expected(paths::state_inside(key));
    if inputs.proxy {
        environment.extend(proxies(inputs.host_port));
    }
    if inputs.port.is_some() {
        environment.insert("HOST".to_owned(), "127.0.0.1".into());
    }
    environment.extend(configured(config));
    environment.extend([
        ("ATEK_ASSIGNED_SERVICE_KEY".to_owned(), key.as_str().into()),
        (
            "ATEK_HOST_PORT".to_owned(),
            inputs.host_port.to_string().into(),
        ),
        (
            "ATEK_HOST_BEARER_TOKEN".to_owned(),
            inputs.token.expose().into(),
        ),
        (
            "ATEK_HOST_SOCKET".to_owned(),
            paths::HOST_SOCKET_INSIDE.into(),
        ),
    ]);
    match inputs.port {
        Some(port) => environment.insert("PORT".to_owned(), port.to_string().into()),
        None => environment.insert(
            "ATEK_ASSIGNED_SOCKET_FILE".to_owned(),
            paths::app_socket(key).into(),
        ),
    };
    environment
}

/// The environment of a sidecar: its configuration, and what programs expect. The proxy answers as
/// soon as the service itself runs, at the port `proxy`; `None`: there is none for it.
pub(crate) fn of_sidecar(
    key: &ServiceKey,
    name: &SidecarName,
    proxy: Option<u16>,
    config: BTreeMap<String, Secret>,
) -> BTreeMap<String, OsString> {
    let mut environment = expected(paths::process_state(key, Some(name)));
    if let Some(port) = proxy {
        environment.extend(proxies(port));
    }
    environment.extend(configured(config));
    environment
}

/// What programs expect.
fn expected(state: PathBuf) -> BTreeMap<String, OsString> {
    BTreeMap::from([
        ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".into()),
        ("HOME".to_owned(), state.clone().into()),
        // As systemd names it to the services that it starts itself, systemd.exec(5).
        ("STATE_DIRECTORY".to_owned(), state.into()),
        ("LANG".to_owned(), "C.UTF-8".into()),
    ])
}

fn configured(config: BTreeMap<String, Secret>) -> impl Iterator<Item = (String, OsString)> {
    config
        .into_iter()
        .filter(|(name, _)| !name.starts_with("ATEK_"))
        .map(|(name, value)| (name, value.expose().into()))
}

/// The variables by which programs find a proxy. Some read only one of the two cases.
fn proxies(port: u16) -> impl Iterator<Item = (String, OsString)> {
    let proxy = format!("http://127.0.0.1:{port}");
    let both = |name: &str, value: &str| {
        [name.to_owned(), name.to_ascii_lowercase()].map(|name| (name, value.into()))
    };
    [
        both("HTTP_PROXY", &proxy),
        both("HTTPS_PROXY", &proxy),
        both("NO_PROXY", "localhost,127.0.0.1,::1"),
    ]
    .into_iter()
    .flatten()
    // Node's own switch, since 22.21.
    .chain([("NODE_USE_ENV_PROXY".to_owned(), "1".into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build_for(
        port: Option<u16>,
        proxy: bool,
        config: &[(&str, &str)],
    ) -> BTreeMap<String, OsString> {
        let config = config
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
            .collect();
        let inputs = Inputs {
            key: &"k1".parse().unwrap(),
            host_port: 4000,
            proxy,
            token: &Secret::new("t"),
            port,
        };
        build(&inputs, config)
    }

    fn build_with(config: &[(&str, &str)]) -> BTreeMap<String, OsString> {
        build_for(None, false, config)
    }

    #[test]
    fn a_program_with_a_port_is_told_the_port_and_no_socket_file() {
        let built = build_for(Some(8080), false, &[("PORT", "1"), ("HOST", "::1")]);
        assert_eq!(built["PORT"], "8080");
        assert_eq!(built["HOST"], "::1");
        assert!(!built.contains_key("ATEK_ASSIGNED_SOCKET_FILE"));
        assert_eq!(build_for(Some(1), false, &[])["HOST"], "127.0.0.1");
    }

    #[test]
    fn granted_hosts_are_reached_by_programs_that_know_only_proxy_variables() {
        let built = build_for(None, true, &[("NO_PROXY", "example.org")]);
        for name in ["HTTP_PROXY", "https_proxy"] {
            assert_eq!(built[name], "http://127.0.0.1:4000", "{name}");
        }
        assert_eq!(built["no_proxy"], "localhost,127.0.0.1,::1");
        assert_eq!(built["NO_PROXY"], "example.org");
        assert_eq!(built["NODE_USE_ENV_PROXY"], "1");
        assert!(!build_with(&[]).contains_key("HTTP_PROXY"));
    }

    #[test]
    fn a_service_without_configuration_gets_exactly_the_contract() {
        let expected = [
            ("ATEK_ASSIGNED_SERVICE_KEY", "k1"),
            ("ATEK_ASSIGNED_SOCKET_FILE", "/run/atek-app-k1/app.sock"),
            ("ATEK_HOST_BEARER_TOKEN", "t"),
            ("ATEK_HOST_PORT", "4000"),
            ("ATEK_HOST_SOCKET", "/run/atek/host/host.sock"),
            ("HOME", "/var/lib/atek-app-k1"),
            ("LANG", "C.UTF-8"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("STATE_DIRECTORY", "/var/lib/atek-app-k1"),
        ];
        let built = build_with(&[]);
        let built: Vec<_> = built
            .iter()
            .map(|(n, v)| (n.as_str(), v.to_str().unwrap()))
            .collect();
        assert_eq!(built, expected);
    }

    #[test]
    fn a_sidecar_has_its_own_home_and_no_word_of_the_host() {
        let config = BTreeMap::from([
            ("PGDATA".to_owned(), Secret::new("/data")),
            ("ATEK_HOST_PORT".to_owned(), Secret::new("1")),
        ]);
        let (key, name) = ("k1".parse().unwrap(), "db".parse().unwrap());
        let built = of_sidecar(&key, &name, None, config);
        let names: Vec<_> = built.keys().map(String::as_str).collect();
        assert_eq!(names, ["HOME", "LANG", "PATH", "PGDATA", "STATE_DIRECTORY"]);
        assert_eq!(built["HOME"], "/var/lib/atek-app-k1/.atek-services/db");
        let proxied = of_sidecar(&key, &name, Some(80), BTreeMap::new());
        assert_eq!(proxied["https_proxy"], "http://127.0.0.1:80");
    }

    #[test]
    fn configuration_is_literal_and_cannot_speak_for_the_host() {
        let built = build_with(&[
            ("GREETING", "${HOME} %h\n\"quoted\""),
            ("LANG", "de_DE.UTF-8"),
            ("ATEK_HOST_PORT", "1"),
            ("ATEK_NEW", "1"),
        ]);
        assert_eq!(built["GREETING"], "${HOME} %h\n\"quoted\"");
        assert_eq!(built["LANG"], "de_DE.UTF-8");
        assert_eq!(built["ATEK_HOST_PORT"], "4000");
        assert!(!built.contains_key("ATEK_NEW"));
    }
}
