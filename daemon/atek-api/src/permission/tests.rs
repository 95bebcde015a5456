use super::*;
use proptest::prelude::*;

fn set(json: &str) -> Permissions {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

#[test]
fn permissions_read_and_write_the_manifests_form() {
    for text in [
        r#"{}"#,
        r#"{"network":"direct"}"#,
        r#"{"network":{"direct":{"lan":true}}}"#,
        r#"{"network":{"hosts":["api.example.org","*.example.org:8443"]},"hostApis":["atek.cloud/services-api"]}"#,
    ] {
        assert_eq!(serde_json::to_string(&set(text)).unwrap(), text);
    }
    for bad in [
        r#"{"network":"lan"}"#,
        r#"{"network":{"hosts":[]}}"#,
        r#"{"network":{"hosts":["*"]}}"#,
        r#"{"network":{"direct":{"wan":true}}}"#,
        r#"{"hostApi":[]}"#,
        r#"{"hostApis":["services"]}"#,
    ] {
        assert!(serde_json::from_str::<Permissions>(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_update_is_asked_only_for_what_is_new() {
    // (new, old, beyond)
    for (new, old, beyond) in [
        (r#"{"network":"direct"}"#, "{}", r#"{"network":"direct"}"#),
        (
            r#"{"network":"direct"}"#,
            r#"{"network":{"direct":{"lan":true}}}"#,
            "{}",
        ),
        (
            r#"{"network":{"direct":{"lan":true}}}"#,
            r#"{"network":"direct"}"#,
            r#"{"network":{"direct":{"lan":true}}}"#,
        ),
        (
            r#"{"network":{"hosts":["a.example.org","b.example.org"]}}"#,
            r#"{"network":{"hosts":["a.example.org"]}}"#,
            r#"{"network":{"hosts":["b.example.org"]}}"#,
        ),
        (
            r#"{"network":{"hosts":["a.example.org"]}}"#,
            r#"{"network":{"hosts":["*.example.org"]}}"#,
            "{}",
        ),
        (
            r#"{"network":{"hosts":["*.example.org"]}}"#,
            r#"{"network":{"hosts":["a.example.org"]}}"#,
            r#"{"network":{"hosts":["*.example.org"]}}"#,
        ),
        (
            r#"{"network":{"hosts":["a.example.org"]}}"#,
            r#"{"network":"direct"}"#,
            "{}",
        ),
        (
            r#"{"network":{"hosts":["192.168.0.2"]}}"#,
            r#"{"network":"direct"}"#,
            r#"{"network":{"hosts":["192.168.0.2"]}}"#,
        ),
        (
            r#"{"network":"direct"}"#,
            r#"{"network":{"hosts":["a.example.org"]}}"#,
            r#"{"network":"direct"}"#,
        ),
        (
            r#"{"hostApis":["a.b/c","a.b/d"]}"#,
            r#"{"hostApis":["a.b/d"]}"#,
            r#"{"hostApis":["a.b/c"]}"#,
        ),
    ] {
        assert_eq!(
            set(new).new_beyond(&set(old)),
            set(beyond),
            "{new} beyond {old}"
        );
    }
}

#[test]
fn patterns_match_hosts_and_ports_and_nothing_beside() {
    // (pattern, host, port, matches)
    for (pattern, host, port, expected) in [
        ("example.org", "example.org", 443, true),
        ("example.org", "EXAMPLE.org.", 80, true),
        ("example.org", "example.org", 8443, false),
        ("example.org", "a.example.org", 443, false),
        ("example.org:8443", "example.org", 8443, true),
        ("example.org:8443", "example.org", 443, false),
        ("*.example.org", "a.b.example.org", 443, true),
        ("*.example.org", "example.org", 443, false),
        ("*.example.org", "badexample.org", 443, false),
        ("*.example.org", ".example.org", 443, false),
        ("192.168.1.20", "192.168.1.20", 80, true),
        ("[2001:db8::1]:8080", "2001:db8:0::1", 8080, true),
    ] {
        let parsed: HostPattern = pattern.parse().unwrap();
        assert_eq!(
            parsed.matches(host, port),
            expected,
            "{pattern} {host}:{port}"
        );
        assert_eq!(parsed.to_string(), pattern);
    }
}

#[test]
fn patterns_that_reach_too_far_are_refused_with_a_reason() {
    use InvalidHostPattern::{Form, Local, TooWide};
    for (pattern, reason) in [
        ("", Form),
        ("*", TooWide),
        ("*.org", TooWide),
        ("*.*.org", Form),
        ("a*.org", Form),
        ("Example.org", Form),
        ("https://example.org", Form),
        ("example.org/", Form),
        ("example.org:0", Form),
        ("example.org:070", Form),
        ("example.org:65536", Form),
        ("example.org:", Form),
        ("127.1", Form),
        ("2130706433", Form),
        ("0x7f.1", Form),
        ("*.0.0.1", Form),
        ("127.0.0.1", Local),
        ("0.0.0.0", Local),
        ("169.254.169.254:80", Local),
        ("224.0.0.1", Local),
        ("localhost", Local),
        ("a.localhost", Local),
        ("*.a.localhost", Local),
        ("[::1]", Local),
        ("[::ffff:127.0.0.1]", Local),
        ("[fe80::1]", Local),
        ("::1", Form),
        ("[::1", Form),
        ("exa\nmple.org", Form),
    ] {
        assert_eq!(pattern.parse::<HostPattern>(), Err(reason), "{pattern:?}");
    }
}

#[test]
fn permissions_are_described_for_a_person() {
    let all = set(
        r#"{"network":{"hosts":["a.org","b.org","c.org"]},"hostApis":["atek.cloud/services-api","x.org/y"]}"#,
    );
    assert_eq!(
        all.describe(),
        [
            "connect to a.org, b.org and c.org",
            "see which apps you have, and start, stop and update them",
            "change things through x.org/y, in your name",
        ]
    );
    assert!(Permissions::default().describe().is_empty());
}

fn any_pattern() -> impl Strategy<Value = HostPattern> {
    (
        prop_oneof![
            "[a-c]\\.[a-b]\\.org",
            "\\*\\.[a-b]\\.org",
            "192\\.168\\.0\\.[1-3]",
            "9\\.9\\.9\\.[1-3]"
        ],
        prop_oneof![Just(""), Just(":80"), Just(":8443")],
    )
        .prop_map(|(host, port)| format!("{host}{port}").parse().unwrap())
}

fn any_permissions() -> impl Strategy<Value = Permissions> {
    let network = prop_oneof![
        Just(None),
        any::<bool>().prop_map(|lan| Some(Network::Direct { lan })),
        prop::collection::vec(any_pattern(), 1..5).prop_map(|hosts| Some(Network::Hosts(hosts))),
    ];
    let apis = prop::collection::vec("[a-c]\\.org/[a-c]".prop_map(|t| t.parse().unwrap()), 0..4);
    let ports = prop::collection::vec("(tcp|udp)/[1-3]".prop_map(|t| t.parse().unwrap()), 0..3);
    let own = prop::collection::vec("atek\\.cloud/[a-c]".prop_map(|t| t.parse().unwrap()), 0..3);
    let sets = (network, apis, ports, any::<bool>(), own, any::<bool>());
    sets.prop_map(
        |(network, host_apis, listen, mdns, provides, root)| Permissions {
            network,
            host_apis,
            devices: Vec::new(),
            listen,
            mdns,
            provides,
            root,
        },
    )
}

proptest! {
    #[test]
    fn sets_behave_as_sets(a in any_permissions(), b in any_permissions()) {
        let text = serde_json::to_string(&a).unwrap();
        prop_assert_eq!(&set(&text), &a);
        prop_assert!(a.subset_of(&a));
        prop_assert!(Permissions::default().subset_of(&a));
        let both = a.intersection(&b);
        prop_assert!(both.subset_of(&a) && both.subset_of(&b), "{:?}", both);
        let either = a.union(&b);
        prop_assert!(a.subset_of(&either) && b.subset_of(&either), "{:?}", either);
        prop_assert!(a.new_beyond(&b).subset_of(&a));
        prop_assert_eq!(a.subset_of(&b), a.new_beyond(&b).is_empty());
        if a.subset_of(&b) {
            prop_assert!(a.subset_of(&a.intersection(&b)));
        }
    }

    #[test]
    fn a_pattern_covers_what_a_covered_pattern_matches(
        wide in any_pattern(), narrow in any_pattern(), port in prop_oneof![Just(80u16), Just(443), Just(8443)],
        host in prop_oneof!["[a-c]\\.[a-b]\\.org", "192\\.168\\.0\\.[1-3]"],
    ) {
        if wide.covers(&narrow) && narrow.matches(&host, port) {
            prop_assert!(wide.matches(&host, port));
        }
    }
}
