//! The networks of services: their links, and ports of the home.

use super::*;

#[test]
fn the_network_is_a_permission() {
    for (network, reach, denied) in [
        (Network::None, None, false),
        (Network::Hosts, None, false),
        (Network::Direct { lan: false }, Some("internet"), true),
        (Network::Direct { lan: true }, Some("home"), false),
    ] {
        let properties = service(&ServiceSpec { network, ..spec() }, &Sources::default(), NEW);
        let has = |name: &str| !values(&properties, name).is_empty();
        assert!(has("PrivateNetwork"), "{network:?}");
        assert_eq!(has("IPAddressDeny"), denied, "{network:?}");
        // No link without the firewall.
        assert_eq!(has("Requires") && has("After"), reach.is_some());
        let before = value(&properties, "ExecStartPreEx");
        let attach = reach.map(|reach| format!("\"attach\", \"{reach}\""));
        assert_eq!(before.contains("attach"), attach.is_some(), "{before}");
        assert!(before.contains(&attach.unwrap_or_default()), "{before}");
        // One command, whose last words prepare the service.
        let [command] = &values(&properties, "ExecStartPreEx")[..] else {
            panic!("{before}");
        };
        assert_eq!(command.matches("\"privileged\"").count(), 1, "{before}");
        let accounts = "\"/usr/lib/atek/atek-sandbox\", \"prepare\", \"k1\"]";
        assert!(before.contains(accounts), "{before}");
        let started = value(&properties, "ExecStartEx");
        assert_eq!(started.contains("\"link\""), reach.is_some(), "{started}");
    }
}

#[test]
fn a_port_of_the_home_needs_a_link_and_is_closed_before_the_service_stops() {
    for (network, reach) in [
        (Network::None, "nothing"),
        (Network::Hosts, "nothing"),
        (Network::Direct { lan: false }, "internet"),
        (Network::Direct { lan: true }, "home"),
    ] {
        let listen = vec!["tcp/1883".parse().unwrap(), "udp/53".parse().unwrap()];
        let spec = ServiceSpec {
            network,
            listen,
            ..spec()
        };
        let properties = service(&spec, &Sources::default(), NEW);
        let before = value(&properties, "ExecStartPreEx");
        let attach = format!("\"attach\", \"{reach}\", \"tcp/1883\", \"udp/53\"");
        assert!(before.contains(&attach), "{before}");
        assert!(value(&properties, "ExecStartEx").contains("\"link\""));
        for name in ["ExecStopEx", "ExecStopPostEx"] {
            let words = value(&properties, name);
            assert!(words.contains("\"detach\", \"tcp/1883\", \"udp/53\""));
            assert!(words.contains("privileged") && words.contains("ignore-failure"));
        }
        assert!(
            values(&properties, "IPAddressDeny").is_empty(),
            "{network:?}"
        );
        // No server answers it about names where it may not reach the internet.
        let mounts = values(&properties, "BindReadOnlyPaths").join(" ");
        assert_eq!(
            mounts.contains("resolv.conf"),
            reach != "nothing",
            "{mounts}"
        );
    }
}
