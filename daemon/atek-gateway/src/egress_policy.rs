//! Which hosts a service may reach through the host's proxy. Pure.

use super::error::Failure;
use atek_api::permission::{HostPattern, Network};
use atek_host_model::permissions::{Action, Caller, Decision, Rules, decide};

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
    let refused = || Failure::EgressRefused(format!("{host}:{port}"));
    if decide(caller, Action::Reach(host, port), &Rules::default()) != Decision::Yes {
        return Err(refused());
    }
    match &service.granted.network {
        Some(Network::Hosts(patterns)) => {
            let mut patterns = patterns.iter();
            patterns
                .find(|pattern| pattern.matches(host, port))
                .ok_or_else(refused)
        }
        Some(Network::Direct { .. }) | None => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atek_api::permission::Permissions;
    use atek_host_model::permissions::{Decisions, ServiceCaller};
    use std::sync::Arc;

    fn app(network: Option<Network>, blocked: &[&str]) -> Caller {
        Caller::Service(ServiceCaller {
            key: "app".parse().unwrap(),
            owner: "bob".parse().unwrap(),
            granted: Arc::new(Permissions {
                network,
                ..Permissions::default()
            }),
            decisions: Arc::new(Decisions {
                blocked: blocked.iter().map(|host| host.parse().unwrap()).collect(),
                ..Decisions::default()
            }),
        })
    }

    #[test]
    fn only_granted_hosts_that_are_not_blocked_are_reached() {
        let hosts = Network::Hosts(vec![
            "api.example.org".parse().unwrap(),
            "*.cdn.test:8443".parse().unwrap(),
        ]);
        let caller = app(Some(hosts), &["ads.cdn.test:8443"]);
        for (host, port, allowed) in [
            ("api.example.org", 443, true),
            ("api.example.org", 22, false),
            ("x.cdn.test", 8443, true),
            ("ads.cdn.test", 8443, false),
            ("cdn.test", 8443, false),
            ("evil.test", 443, false),
        ] {
            assert_eq!(grant(&caller, host, port).is_ok(), allowed, "{host}:{port}");
        }
        assert!(grant(&app(None, &[]), "api.example.org", 443).is_err());
    }
}
