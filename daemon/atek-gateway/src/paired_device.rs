//! Which tunnels are those of paired devices. Pure.

use atek_host_model::permissions::Caller;

/// What stands behind a device's id.
const SUFFIX: &str = ".device.atek";

/// The device whose connection the caller asks for; none for any other caller or target.
pub(super) fn device<'a>(caller: &Caller, host: &'a str) -> Option<&'a str> {
    let id = host.strip_suffix(SUFFIX)?;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_id = !id.is_empty() && id.len() <= 32 && id.bytes().all(fits);
    (is_hypercore(caller) && is_id).then_some(id)
}

/// Whether it is the core service that other homes and devices are connected to.
pub(super) fn is_hypercore(caller: &Caller) -> bool {
    let Caller::Service(service) = caller else {
        return false;
    };
    // With a suffix on a host in a folder of its own. No app has such a key: the host makes them.
    let rest = service.key.as_str().strip_prefix("core.hypercore");
    service.owner.is_system() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use atek_api::permission::Permissions;
    use atek_host_model::permissions::ServiceCaller;
    use std::sync::Arc;

    #[test]
    fn only_the_hypercore_service_brings_devices() {
        for (key, owner, host, expected) in [
            ("core.hypercore", "system", "0a1b.device.atek", Some("0a1b")),
            (
                "core.hypercore-12ab34cd",
                "system",
                "0a.device.atek",
                Some("0a"),
            ),
            ("core.hypercore", "alice", "0a1b.device.atek", None),
            ("core.hypercore", "system", "example.org", None),
            ("core.hypercore", "system", ".device.atek", None),
            ("core.hypercore", "system", "a.b.device.atek", None),
            ("core.hypercorex", "system", "0a1b.device.atek", None),
            ("core.lonestar", "system", "0a1b.device.atek", None),
        ] {
            let caller = Caller::Service(ServiceCaller {
                key: key.parse().unwrap(),
                owner: owner.parse().unwrap(),
                granted: Arc::new(Permissions::default()),
                decisions: Arc::default(),
            });
            assert_eq!(device(&caller, host), expected, "{key} {owner} {host}");
        }
        assert_eq!(device(&Caller::System, "0a1b.device.atek"), None);
    }
}
