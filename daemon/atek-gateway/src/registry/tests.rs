use super::*;
use atek_api::ids::UserKey;
use atek_api::permission::Permissions;
use atek_api::secret::Secret;
use atek_api::services::State;
use atek_api::users::Role;
use atek_host_model::permissions::{Person, ServiceCaller};
use atek_host_model::users::{SessionId, StoredSettings, UserRecord};
use atek_rpc::pool::Pool;
use proptest::prelude::*;
use serde_json::{Value, json};

fn entry(key: &str, owner: &str, exports: Value) -> Entry {
    let settings = json!({
        "id": key,
        "owningUserKey": owner,
        "sourceUrl": "file:///app",
        "package": { "sourceType": "file" },
        "manifest": { "exports": exports },
    });
    Entry {
        key: key.parse().unwrap(),
        settings: Arc::new(serde_json::from_value(settings).unwrap()),
        core: key.starts_with("core."),
        state: State::Running,
        reason: None,
        failure: None,
        is_updated: false,
        pool: Pool::unix("/nowhere"),
        token: None,
        granted: Arc::new(Permissions::default()),
        decisions: Arc::default(),
        shares: Arc::default(),
        usage: None,
    }
}

fn person(key: &str, role: Role) -> Caller {
    let user = UserRecord {
        key: key.parse().unwrap(),
        username: key.to_owned(),
        display_name: None,
        hashed_password: Secret::new(""),
        role,
        settings: StoredSettings::default(),
    };
    Caller::User(Person {
        user: Arc::new(user),
        session: SessionId::of_cookie(key),
    })
}

fn service(key: &str, owner: &str) -> Caller {
    Caller::Service(ServiceCaller {
        key: key.parse().unwrap(),
        owner: owner.parse().unwrap(),
        granted: Arc::new(Permissions::default()),
        decisions: Arc::default(),
    })
}

fn chosen(directory: &Directory, caller: &Caller, transport: Transport, query: &str) -> String {
    let attributes = match Attributes::of_query(query) {
        Ok(attributes) => attributes,
        Err(error) => return error.to_string(),
    };
    match choose(directory, caller, transport, &attributes, |api| {
        api == "atek.cloud/host-api"
    }) {
        Ok(Provider::Host) => "host".to_owned(),
        Ok(Provider::Service(entry, export)) => format!("{}{}", entry.key, export.path()),
        Err(error) => error.to_string(),
    }
}

fn directory(host_ready: bool) -> Directory {
    let mut dead = entry("dead", "alice", json!([{ "api": "x.org/a" }]));
    dead.state = State::Stopped;
    let mut sleepy = entry("sleepy", "alice", json!([{ "api": "x.org/sleepy" }]));
    sleepy.state = State::Sleeping;
    Directory::new(
        [
            entry(
                "core.adb",
                "system",
                json!([{ "api": "atek.cloud/adb-api", "path": "/_api/adb" }]),
            ),
            entry(
                "a-evil",
                "alice",
                json!([{ "api": "atek.cloud/adb-api" }, { "api": "atek.cloud/host-api" }]),
            ),
            entry(
                "b-sys",
                "system",
                json!([{ "api": "x.org/a", "path": "/sys" }]),
            ),
            entry(
                "c-bob",
                "bob",
                json!([{ "api": "x.org/a", "path": "/bob" }, { "api": "x.org/b", "path": "/b" }]),
            ),
            entry(
                "d-alice",
                "alice",
                json!([
                    { "api": "x.org/a", "path": "/alice" },
                    { "api": "x.org/a", "path": "/de", "metadata": { "lang": "de" } },
                    { "api": "x.org/ws", "path": "/ws", "transport": "proxy" },
                ]),
            ),
            entry(
                "e-alice",
                "alice",
                json!([{ "api": "x.org/a", "path": "/second" }]),
            ),
            dead,
            sleepy,
        ],
        host_ready,
    )
}

#[test]
fn the_nearest_provider_that_has_what_is_asked_for_is_chosen() {
    let directory = directory(true);
    let (alice, bob, admin) = (
        person("alice", Role::User),
        person("bob", Role::User),
        person("root", Role::Admin),
    );
    let alices = service("z", "alice");
    let none = |wanted: &str| {
        format!("No service available which matches {{\"transport\":\"rpc\",{wanted}}}")
    };
    for (caller, query, expected) in [
        (&alice, "api=x.org/a", "d-alice/alice".to_owned()),
        (&alices, "api=x.org%2Fa", "d-alice/alice".to_owned()),
        (
            &alice,
            "api=x.org/a&service=e-alice",
            "e-alice/second".to_owned(),
        ),
        (&alice, "api=x.org/a&service=b-sys", "b-sys/sys".to_owned()),
        (&alice, "api=x.org/a&lang=de", "d-alice/de".to_owned()),
        (
            &alice,
            "api=x.org/a&lang=fr",
            none(r#""api":"x.org/a","lang":"fr""#),
        ),
        (
            &alice,
            "api=x.org/a&service=c-bob",
            none(r#""api":"x.org/a","service":"c-bob""#),
        ),
        (
            &alice,
            "api=x.org/a&service=dead",
            none(r#""api":"x.org/a","service":"dead""#),
        ),
        (&alice, "api=x.org/sleepy", "sleepy/".to_owned()),
        (&alice, "api=x.org/b", none(r#""api":"x.org/b""#)),
        (&bob, "api=x.org/a", "c-bob/bob".to_owned()),
        (&bob, "api=x.org/b", "c-bob/b".to_owned()),
        (&admin, "api=x.org/a", "b-sys/sys".to_owned()),
        (&admin, "api=x.org/b", "c-bob/b".to_owned()),
        (&Caller::System, "api=x.org/a", "b-sys/sys".to_owned()),
        (
            &Caller::Anonymous,
            "api=x.org/a",
            none(r#""api":"x.org/a""#),
        ),
        (&alice, "api=x.org/ws", none(r#""api":"x.org/ws""#)),
        (
            &alice,
            "api=\"&service=",
            none(r#""api":"\"","service":"""#),
        ),
    ] {
        assert_eq!(
            chosen(&directory, caller, Transport::Rpc, query),
            expected,
            "{query}"
        );
    }
    assert_eq!(
        chosen(&directory, &alice, Transport::Proxy, "api=x.org/ws"),
        "d-alice/ws"
    );
}

#[test]
fn core_apis_are_provided_by_the_host_and_core_services_only() {
    let alice = person("alice", Role::User);
    for (ready, query, expected) in [
        (true, "api=atek.cloud/adb-api", "core.adb/_api/adb"),
        (true, "api=atek.cloud/host-api", "host"),
        (true, "api=atek.cloud/host-api&service=system", "host"),
        (true, "api=atek.cloud/host-api&service=0", "host"),
        (false, "api=atek.cloud/adb-api", "core.adb/_api/adb"),
    ] {
        assert_eq!(
            chosen(&directory(ready), &alice, Transport::Rpc, query),
            expected,
            "{query}"
        );
    }
    for (ready, query) in [
        (false, "api=atek.cloud/host-api"),
        (true, "api=atek.cloud/host-api&service=a-evil"),
        (true, "api=atek.cloud/adb-api&service=a-evil"),
    ] {
        assert!(
            chosen(&directory(ready), &alice, Transport::Rpc, query).starts_with("No service"),
            "{query}"
        );
    }
}

/// `notes` exports four APIs of Atek's name, and an administrator chose it for three of them.
fn with_a_chosen_provider(host_ready: bool) -> Directory {
    let names = ["notes", "adb", "host", "other"].map(|name| format!("atek.cloud/{name}-api"));
    let exports = names.clone().map(|api| json!({ "api": api, "path": "/n" }));
    let mut notes = entry("notes", "alice", json!(exports));
    let provides = &names[..3];
    notes.granted = Arc::new(serde_json::from_value(json!({ "provides": provides })).unwrap());
    let others = directory(host_ready);
    let others: Vec<Entry> = others.entries().map(|entry| Entry::clone(entry)).collect();
    Directory::new(others.into_iter().chain([notes]), host_ready)
}

#[test]
fn an_app_answers_for_atek_where_an_administrator_chose_it_and_atek_itself_does_not() {
    let (alice, bob) = (person("alice", Role::User), person("bob", Role::User));
    let (alices, bobs) = (service("z", "alice"), service("y", "bob"));
    let admin = person("root", Role::Admin);
    const CHOSEN: &str = "notes/n";
    for (caller, api, expected) in [
        (&alice, "notes", CHOSEN),
        (&alices, "notes", CHOSEN),
        (&admin, "notes", CHOSEN),
        (&Caller::System, "notes", CHOSEN),
        // It stays its owner's.
        (&bob, "notes", "No service"),
        (&bobs, "notes", "No service"),
        (&Caller::Anonymous, "notes", "No service"),
        // What was not chosen, and what Atek has.
        (&alice, "other", "No service"),
        (&alice, "adb", "core.adb/_api/adb"),
        (&alice, "host", "host"),
    ] {
        let query = format!("api=atek.cloud/{api}-api");
        let found = chosen(
            &with_a_chosen_provider(true),
            caller,
            Transport::Rpc,
            &query,
        );
        assert!(found.starts_with(expected), "{query}: {found}");
    }
    // Atek's own comes back: no app takes its place until then.
    let mut entries: Vec<Entry> = with_a_chosen_provider(true)
        .entries()
        .map(|entry| Entry::clone(entry))
        .collect();
    entries[0].state = State::Failed;
    assert_eq!(entries[0].key.as_str(), "core.adb");
    for (directory, query) in [
        (Directory::new(entries, true), "api=atek.cloud/adb-api"),
        (with_a_chosen_provider(false), "api=atek.cloud/host-api"),
        (
            with_a_chosen_provider(true),
            "api=atek.cloud/adb-api&service=notes",
        ),
    ] {
        let found = chosen(&directory, &alice, Transport::Rpc, query);
        assert!(found.starts_with("No service"), "{query}: {found}");
    }
    // People of other homes reach nothing by Atek's names.
    let wanted = Attributes::of_api("atek.cloud/notes-api");
    let owner: UserKey = "alice".parse().unwrap();
    assert!(choose_for_contact(&with_a_chosen_provider(true), &owner, &wanted).is_err());
}

#[test]
fn attributes_that_no_provider_declares_can_be_left_to_it() {
    let directory = directory(true);
    let query = "api=x.org/ws&page=2&tag=a&tag=b";
    let found = |attributes: Attributes<'_>| {
        choose(
            &directory,
            &Caller::System,
            Transport::Proxy,
            &attributes,
            |_| false,
        )
        .is_ok()
    };
    assert!(!found(Attributes::of_query("api=x.org/ws&page=2").unwrap()));
    assert!(found(Attributes::with_parameters(query).unwrap()));
}

#[test]
fn an_attribute_that_is_written_encoded_or_twice_does_not_escape_the_choice() {
    let twice = Err(BadQuery::Repeated);
    for (query, expected) in [
        ("api=x.org/a&api=x.org/b", twice),
        ("api=x.org/a&%61pi=x.org/b", twice),
        ("%61pi=x.org/a&api=x.org/b", twice),
        ("api=x.org/a&s%65rvice=1&service=2", twice),
        ("api=x.org/a&+=1&%20=2", Ok("x.org/a")),
        ("%61pi=x.org/a", Ok("x.org/a")),
        ("ap%69=x.org%2Fa&tag=1&tag=2", Ok("x.org/a")),
    ] {
        let attributes = Attributes::with_parameters(query);
        assert_eq!(
            attributes.as_ref().map(Attributes::api).map_err(|e| *e),
            expected,
            "{query}"
        );
        let passed_on: Vec<_> = attributes.iter().flat_map(Attributes::passed_on).collect();
        assert!(
            !passed_on.iter().any(|pair| pair.contains("x.org")),
            "{query}: {passed_on:?}"
        );
    }
    let strict = Attributes::of_query("api=x.org/a&tag=1&t%61g=2");
    assert_eq!(strict, Err(BadQuery::Repeated), "without parameters");
}

proptest! {
    #[test]
    fn nobody_is_routed_to_what_they_may_not_call(
        owners in prop::collection::vec(prop::sample::select(vec!["alice", "bob", "system"]), 0..8),
        running in prop::collection::vec(any::<bool>(), 8),
        who in 0..5_usize,
    ) {
        let entries = owners.iter().enumerate().map(|(index, owner)| {
            let mut entry = entry(&format!("s{index}"), owner, json!([{ "api": "x.org/a" }]));
            if !running[index] {
                entry.state = State::Failed;
            }
            entry
        });
        let directory = Directory::new(entries, true);
        let callers = [
            Caller::Anonymous, Caller::System, person("alice", Role::User), service("x", "bob"), person("root", Role::Admin),
        ];
        let caller = &callers[who];
        let attributes = Attributes::of_query("api=x.org/a").unwrap();
        let open: Vec<_> = directory
            .entries()
            .filter(|entry| entry.is_routable() && may_call_provider(caller, "x.org/a", entry.target()))
            .collect();
        match choose(&directory, caller, Transport::Rpc, &attributes, |_| false) {
            Ok(Provider::Service(entry, _)) => {
                prop_assert!(open.iter().any(|other| other.key == entry.key));
                let own: Option<UserKey> = caller.owner_key();
                let has_own = open.iter().any(|other| Some(other.owner()) == own.as_ref());
                prop_assert!(!has_own || Some(entry.owner()) == own.as_ref(), "the caller's own comes first");
            }
            Ok(Provider::Host) => prop_assert!(false, "not a host API"),
            Err(_) => prop_assert!(open.is_empty()),
        }
    }
}
