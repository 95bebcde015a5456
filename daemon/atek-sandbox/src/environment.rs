//! The environment of a service: what is listed here, and nothing inherited.

use atek_api::ids::ServiceKey;
use atek_api::secret::Secret;
use atek_api::spec::paths;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// The service's configuration, completed with what programs expect and what the host says.
///
/// A configured `PATH`, `HOME` or `LANG` wins; a configured `ATEK_…` never does.
pub(crate) fn build(
    key: &ServiceKey,
    port: u16,
    token: &Secret,
    config: BTreeMap<String, Secret>,
) -> BTreeMap<String, OsString> {
    let mut environment: BTreeMap<String, OsString> = BTreeMap::from([
        ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".into()),
        ("HOME".to_owned(), paths::state_inside(key).into()),
        // As systemd names it to the services that it starts itself, systemd.exec(5).
        (
            "STATE_DIRECTORY".to_owned(),
            paths::state_inside(key).into(),
        ),
        ("LANG".to_owned(), "C.UTF-8".into()),
    ]);
    environment.extend(
        config
            .into_iter()
            .filter(|(name, _)| !name.starts_with("ATEK_"))
            .map(|(name, value)| (name, value.expose().into())),
    );
    environment.extend([
        (
            "ATEK_ASSIGNED_SOCKET_FILE".to_owned(),
            paths::app_socket(key).into(),
        ),
        ("ATEK_ASSIGNED_SERVICE_KEY".to_owned(), key.as_str().into()),
        ("ATEK_HOST_PORT".to_owned(), port.to_string().into()),
        ("ATEK_HOST_BEARER_TOKEN".to_owned(), token.expose().into()),
        (
            "ATEK_HOST_SOCKET".to_owned(),
            paths::HOST_SOCKET_INSIDE.into(),
        ),
    ]);
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build_with(config: &[(&str, &str)]) -> BTreeMap<String, OsString> {
        let config = config
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
            .collect();
        build(&"k1".parse().unwrap(), 4000, &Secret::new("t"), config)
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
