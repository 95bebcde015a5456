//! Which hosts a service may reach through the host's proxy. Pure.

use super::error::Failure;
use atek_api::permission::{HostPattern, Network, Permissions};
use atek_host_model::permissions::Caller;

/// The grant by which a caller may reach a host.
///
/// # Errors
///
/// [`Failure::Forbidden`] for a caller that is no service, else [`Failure::EgressRefused`].
pub(super) fn grant<'a>(
    caller: &'a Caller,
    host: &str,
    port: u16,
) -> Result<&'a HostPattern, Failure> {
    let Caller::Service(service) = caller else {
        return Err(Failure::Forbidden);
    };
    granted(&service.granted, host, port)
        .ok_or_else(|| Failure::EgressRefused(format!("{host}:{port}")))
}

fn granted<'a>(permissions: &'a Permissions, host: &str, port: u16) -> Option<&'a HostPattern> {
    match &permissions.network {
        Some(Network::Hosts(patterns)) => {
            patterns.iter().find(|pattern| pattern.matches(host, port))
        }
        // It has a network of its own.
        Some(Network::Direct { .. }) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_granted_hosts_are_reached() {
        let network = Network::Hosts(vec![
            "api.example.org".parse().unwrap(),
            "*.cdn.test:8443".parse().unwrap(),
        ]);
        let permissions = Permissions {
            network: Some(network),
            ..Permissions::default()
        };
        for (host, port, allowed) in [
            ("api.example.org", 443, true),
            ("api.example.org", 22, false),
            ("x.cdn.test", 8443, true),
            ("cdn.test", 8443, false),
            ("evil.test", 443, false),
        ] {
            assert_eq!(
                granted(&permissions, host, port).is_some(),
                allowed,
                "{host}:{port}"
            );
        }
        assert!(granted(&Permissions::default(), "api.example.org", 443).is_none());
    }
}
