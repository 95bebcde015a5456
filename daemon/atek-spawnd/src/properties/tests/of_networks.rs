//! The networks of services: their links, and ports of the home.

use super::*;

#[test]
fn the_network_is_a_permission() {
    for (kind, reach, denied) in [
        (Network::None, None, false),
        (Network::Hosts, None, false),
        (Network::Direct { lan: false }, Some("internet"), true),
        (Network::Direct { lan: true }, Some("home"), false),
    ] {
        let properties = service(
            &ServiceSpec {
                network: kind,
                ..spec()
            },
            &Sources::default(),
            NEW,
        );
        let has = |name: &str| !values(&properties, name).is_empty();
        assert!(has("PrivateNetwork"), "{kind:?}");
        assert_eq!(has("IPAddressDeny"), denied, "{kind:?}");
        assert!(value(&properties, "Requires").contains("atek-net-rss.service"));
        let (unit, of_network) = network(
            &ServiceSpec {
                network: kind,
                ..spec()
            },
            NEW,
        );
        assert_eq!(unit, "atek-net-rss.service");
        let has = |name: &str| !values(&of_network, name).is_empty();
        // No link without the firewall; it is removed before the next start needs its place.
        assert_eq!(has("Requires") && has("After"), reach.is_some());
        assert_eq!(has("ExecStopEx"), reach.is_some());
        let link = reach.map(|reach| format!(", \"--\", \"{reach}\""));
        let words = format!("\"prepare\", \"rss\", \"k1\"{}]", link.unwrap_or_default());
        let prepare = value(&of_network, "ExecStartEx");
        assert!(prepare.contains(&words), "{prepare}");
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
        let of_network = super::network(&spec, NEW).1;
        let prepare = value(&of_network, "ExecStartEx");
        let link = format!("\"--\", \"{reach}\", \"tcp/1883\", \"udp/53\"");
        assert!(prepare.contains(&link), "{prepare}");
        assert!(value(&properties, "ExecStartEx").contains("\"link\""));
        for (name, task) in [("ExecReloadEx", "detach"), ("ExecStopEx", "release")] {
            let words = value(&of_network, name);
            let expected = format!("\"{task}\", \"tcp/1883\", \"udp/53\"");
            assert!(words.contains(&expected), "{words}");
            assert!(values(&properties, name).is_empty(), "{name}");
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

#[test]
fn the_first_unit_of_a_service_makes_namespaces_for_all_of_them() {
    for version in [Version(252), NEW] {
        let of_network = network(&spec(), version).1;
        let of_service = service(&spec(), &Sources::default(), version);
        for shared in ["PrivateNetwork", "PrivateIPC", "PrivateTmp"] {
            assert_eq!(
                values(&of_network, shared),
                values(&of_service, shared),
                "{shared}"
            );
        }
        let joined = value(&of_service, "JoinsNamespaceOf");
        assert!(joined.contains("atek-net-rss.service"), "{joined}");
    }
}
