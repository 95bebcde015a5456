//! Users × roles × groups × apps × methods × grants: every combination against an oracle that
//! knows who shared what with whom as a list of facts, and nothing of the policy.

use super::*;
use crate::users::{SessionId, UserRecord};
use atek_api::grants::{Grant, Level, Verdict};
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::permission::Permissions;
use atek_api::secret::Secret;
use atek_api::users::Role;
use std::sync::Arc;

const USERS: [&str; 4] = ["alice", "bob", "carol", "dan"];
const LEVELS: [Level; 3] = [Level::View, Level::Use, Level::Manage];
const API: &str = "example.org/notes";
const HOST: &str = "api.example.org";

/// Facts of one household, as its people would tell them.
#[derive(Debug, Clone)]
struct House {
    admins: Vec<&'static str>,
    family: Vec<&'static str>,
    /// Whose app `notes` is.
    owner: &'static str,
    /// With this user, this far.
    to_user: Option<(&'static str, usize)>,
    /// With the family, this far.
    to_family: Option<usize>,
}

/// What a person decided about the app that calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decided {
    Nothing,
    /// `notes` provides the API to it.
    Notes,
    /// Another app does.
    Other,
    /// It may reach the host.
    Host,
    /// It may reach the host's domain, and not this host.
    Blocked,
}

const DECIDED: [Decided; 5] = [
    Decided::Nothing,
    Decided::Notes,
    Decided::Other,
    Decided::Host,
    Decided::Blocked,
];

/// How far a user may go with `notes`: 0 not at all, 1 view, 2 use, 3 manage, 4 as its owner.
fn reach_of(house: &House, user: &str) -> usize {
    if house.owner == user {
        return 4;
    }
    let by_name = match house.to_user {
        Some((name, level)) if name == user => level + 1,
        _ => 0,
    };
    let by_group = match house.to_family {
        Some(level) if house.family.contains(&user) => level + 1,
        _ => 0,
    };
    let as_everyone = if house.owner == "system" { 2 } else { 0 };
    by_name.max(by_group).max(as_everyone)
}

/// What each method needs of a person; the box's apps are not seen or managed by users, only used.
const METHODS: [(&str, usize); 13] = [
    ("open-pages", 1),
    ("change-pages", 2),
    ("call-api", 2),
    ("see", 1),
    ("logs", 3),
    ("run", 3),
    ("update", 3),
    ("read-configuration", 4),
    ("configure", 4),
    ("uninstall", 4),
    ("share", 4),
    ("see-grants", 4),
    ("read-audit", 4),
];

fn for_person(house: &House, user: &str, method: &str, needed: usize) -> bool {
    if house.admins.contains(&user) {
        return true;
    }
    let mut reach = reach_of(house, user);
    let is_use = matches!(method, "open-pages" | "change-pages" | "call-api");
    if house.owner == "system" && !is_use {
        // That everyone may use it is no share.
        let shared = House {
            owner: "another",
            ..house.clone()
        };
        reach = reach_of(&shared, user);
    }
    reach >= needed
}

/// For an app of `user` that has no permission but what was decided.
fn for_app(house: &House, user: &str, method: &str, decided: Decided) -> &'static str {
    let own = house.owner == user;
    match method {
        "call-api" => {
            let may_use = reach_of(house, user) >= 2;
            match decided {
                Decided::Other => "no",
                Decided::Notes if may_use => "yes",
                Decided::Notes => "no",
                _ if own || house.owner == "system" => "yes",
                _ if may_use => "ask",
                _ => "no",
            }
        }
        "see" | "logs" | "run" | "update" | "read-configuration" | "configure" | "uninstall"
            if own =>
        {
            "ask"
        }
        _ => "no",
    }
}

fn action<'a>(method: &str, target: Target<'a>) -> Action<'a> {
    match method {
        "open-pages" => Action::OpenPages(target),
        "change-pages" => Action::ChangePages(target),
        "call-api" => Action::CallProvider(API, target),
        "see" => Action::On(Verb::See, target),
        "logs" => Action::On(Verb::ReadLogs, target),
        "run" => Action::On(Verb::Run, target),
        "update" => Action::On(Verb::Update, target),
        "read-configuration" => Action::On(Verb::ReadConfiguration, target),
        "configure" => Action::On(Verb::Configure, target),
        "uninstall" => Action::On(Verb::Uninstall, target),
        "share" => Action::Share(target.owner),
        "see-grants" => Action::SeeGrants(target),
        "read-audit" => Action::ReadAudit(target.owner),
        other => panic!("{other}"),
    }
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Yes => "yes",
        Decision::No => "no",
        Decision::Ask(_) => "ask",
    }
}

fn person(name: &str, is_admin: bool) -> Caller {
    Caller::User(Person {
        user: Arc::new(UserRecord {
            key: name.parse().unwrap(),
            username: name.to_owned(),
            display_name: None,
            hashed_password: Secret::new(""),
            role: if is_admin { Role::Admin } else { Role::User },
            settings: Default::default(),
        }),
        session: SessionId::of_cookie(name),
    })
}

fn app_of(user: &str, decided: Decided) -> Caller {
    let grant = |permission: &str, verdict| Grant {
        id: "g".to_owned(),
        service: "caller".parse().unwrap(),
        permission: permission.parse().unwrap(),
        verdict,
        by: UserKey::system(),
        at: String::new(),
        until: None,
        reason: None,
    };
    let grants = match decided {
        Decided::Nothing => vec![],
        Decided::Notes => vec![grant(&format!("provider:{API}=notes"), Verdict::Allow)],
        Decided::Other => vec![grant(&format!("provider:{API}=other"), Verdict::Allow)],
        Decided::Host => vec![grant(&format!("host:{HOST}"), Verdict::Allow)],
        Decided::Blocked => vec![
            grant("host:*.example.org", Verdict::Allow),
            grant(&format!("host:{HOST}"), Verdict::Deny),
        ],
    };
    let none = Permissions::default();
    let (granted, decisions) = in_force(&none, &grants);
    Caller::Service(ServiceCaller {
        key: "caller".parse().unwrap(),
        owner: user.parse().unwrap(),
        granted: Arc::new(granted),
        decisions: Arc::new(decisions),
    })
}

fn houses() -> Vec<House> {
    let families: [&[&str]; 4] = [&[], &["bob"], &["bob", "carol"], &["alice", "bob", "carol"]];
    let admins: [&[&str]; 3] = [&["alice"], &["alice", "dan"], &["dan"]];
    let levels = || std::iter::once(None).chain((0..LEVELS.len()).map(Some));
    let mut houses = Vec::new();
    for owner in ["alice", "bob", "carol", "dan", "system"] {
        for admins in admins {
            for family in families {
                for to_family in levels() {
                    for named in USERS {
                        for level in levels() {
                            houses.push(House {
                                admins: admins.to_vec(),
                                family: family.to_vec(),
                                owner,
                                to_user: level.map(|level| (named, level)),
                                to_family,
                            });
                        }
                    }
                }
            }
        }
    }
    houses
}

/// The shares as the host resolves them.
fn shares(house: &House) -> Shares {
    let mut shares = Shares::default();
    if let Some((user, level)) = house.to_user {
        shares.add(&user.parse().unwrap(), LEVELS[level]);
    }
    if let Some(level) = house.to_family {
        for member in &house.family {
            shares.add(&member.parse().unwrap(), LEVELS[level]);
        }
    }
    shares
}

#[test]
fn no_user_group_app_or_grant_gets_more_of_what_is_shared_than_was_shared() {
    let rules = Rules::default();
    let (mut checked, mut leaks, mut refused) = (0u32, 0u32, 0u32);
    let key: ServiceKey = "notes".parse().unwrap();
    for house in houses() {
        let shares = shares(&house);
        let owner: UserKey = house.owner.parse().unwrap();
        let target = Target {
            key: Some(&key),
            owner: &owner,
            shares: &shares,
        };
        for user in USERS {
            let in_person = person(user, house.admins.contains(&user));
            for (method, needed) in METHODS {
                let expected = for_person(&house, user, method, needed);
                let decided = decide(&in_person, action(method, target), &rules);
                checked += 1;
                leaks += u32::from(decided == Decision::Yes && !expected);
                refused += u32::from(decided != Decision::Yes);
                assert_eq!(
                    word(decided),
                    if expected { "yes" } else { "no" },
                    "{user}: {method} in {house:?}"
                );
            }
            for decided in DECIDED {
                let app = app_of(user, decided);
                for (method, _) in METHODS {
                    let expected = for_app(&house, user, method, decided);
                    let answer = word(decide(&app, action(method, target), &rules));
                    checked += 1;
                    leaks += u32::from(answer == "yes" && expected != "yes");
                    refused += u32::from(answer != "yes");
                    assert_eq!(
                        answer, expected,
                        "app of {user}, {decided:?}: {method} in {house:?}"
                    );
                }
                let reach = word(decide(&app, Action::Reach(HOST, 443), &rules));
                checked += 1;
                assert_eq!(
                    reach,
                    match decided {
                        Decided::Host => "yes",
                        Decided::Blocked => "no",
                        _ => "ask",
                    }
                );
            }
        }
    }
    println!("{checked} decisions, {refused} refused or asked, {leaks} leaks");
    assert!(checked > 800_000, "{checked}");
    assert_eq!(leaks, 0);
}
