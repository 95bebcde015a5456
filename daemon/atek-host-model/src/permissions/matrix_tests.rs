//! Every caller × target × action × set of grants × rules against a table that was written
//! without the policy.

use super::*;
use crate::users::{SessionId, UserRecord};
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::permission::{Grantable, PermissionRules, Permissions};
use atek_api::secret::Secret;
use atek_api::users::Role;
use serde_json::json;
use std::sync::Arc;

/// The permissions that an app can have, by the letter that stands for each in the table.
const GRANTS: [(char, &str); 6] = [
    ('s', "atek.cloud/services-api"),
    ('l', "atek.cloud/services-api/logs"),
    ('c', "atek.cloud/services-api/configure"),
    ('i', "atek.cloud/services-api/install"),
    ('u', "atek.cloud/users-api"),
    ('m', "atek.cloud/users-api/main-page"),
];

/// Who acts on whose things: a row has an answer for each of these.
///
/// `admin`: any administrator. `own`, `box`, `other`: an ordinary user, on what is theirs, the
/// box's, another user's. `self`, `same`, `for-box`, `for-other`: an app, on itself, on what its
/// owner has, what the box has, what another user has.
const COLUMNS: [&str; 9] = [
    "system",
    "admin",
    "own",
    "box",
    "other",
    "self",
    "same",
    "for-box",
    "for-other",
];

/// `+` yes, `-` no; a letter: yes with that permission, else the owner is asked. `R` in front
/// of a letter, or alone: only where the rules let users do it; an ordinary user then needs an
/// administrator, an app may not. `?`: the owner is asked.
#[rustfmt::skip]
const TABLE: &[(&str, [&str; 9])] = &[
    //                       system admin own   box  other self  same  box' other'
    ("call-provider",       ["+",  "+",  "+",  "+", "-",  "+",  "+",  "+", "-"]),
    ("open-pages",          ["+",  "+",  "+",  "+", "-",  "-",  "-",  "-", "-"]),
    ("change-pages",        ["+",  "+",  "+",  "+", "-",  "-",  "-",  "-", "-"]),
    ("reach",               ["-",  "-",  "-",  "-", "-",  "?",  "?",  "?", "?"]),
    ("see-grants",          ["+",  "+",  "+",  "-", "-",  "+",  "-",  "-", "-"]),
    ("revoke",              ["+",  "+",  "+",  "-", "-",  "-",  "-",  "-", "-"]),
    ("share",               ["+",  "+",  "+",  "-", "-",  "-",  "-",  "-", "-"]),
    ("read-audit",          ["+",  "+",  "+",  "-", "-",  "-",  "-",  "-", "-"]),
    ("see-people",          ["+",  "+",  "+",  "+", "+",  "-",  "-",  "-", "-"]),
    ("manage-groups",       ["+",  "+",  "-",  "-", "-",  "-",  "-",  "-", "-"]),
    ("see",                 ["+",  "+",  "+",  "-", "-",  "+",  "s",  "-", "-"]),
    ("logs",                ["+",  "+",  "+",  "-", "-",  "+",  "l",  "-", "-"]),
    ("read-configuration",  ["+",  "+",  "+",  "-", "-",  "+",  "c",  "-", "-"]),
    ("run",                 ["+",  "+",  "+",  "-", "-",  "s",  "s",  "-", "-"]),
    ("update",              ["+",  "+",  "+",  "-", "-",  "s",  "s",  "-", "-"]),
    ("configure",           ["+",  "+",  "+",  "-", "-",  "c",  "c",  "-", "-"]),
    ("uninstall",           ["+",  "+",  "+",  "-", "-",  "i",  "i",  "-", "-"]),
    ("install",             ["+",  "+",  "R",  "-", "-",  "Ri", "Ri", "-", "-"]),
    ("install-from-folder", ["+",  "+",  "R",  "-", "-",  "Ri", "Ri", "-", "-"]),
    ("grant",               ["+",  "+",  "R",  "-", "-",  "-",  "-",  "-", "-"]),
    ("raise-limits",        ["+",  "+",  "R",  "-", "-",  "-",  "-",  "-", "-"]),
    ("manage-users",        ["+",  "+",  "-",  "-", "-",  "-",  "-",  "-", "-"]),
    ("read-user",           ["+",  "+",  "+",  "-", "-",  "+",  "+",  "-", "-"]),
    ("read-settings",       ["+",  "+",  "+",  "-", "-",  "u",  "u",  "-", "-"]),
    ("choose-main-page",    ["+",  "+",  "+",  "-", "-",  "m",  "m",  "-", "-"]),
    ("change-password",     ["+",  "+",  "+",  "-", "-",  "-",  "-",  "-", "-"]),
    ("own-sessions",        ["-",  "+",  "+",  "+", "+",  "-",  "-",  "-", "-"]),
    ("administer-box",      ["+",  "+",  "-",  "-", "-",  "-",  "-",  "-", "-"]),
];

const USERS: [(&str, bool); 3] = [("alice", true), ("bob", false), ("carol", false)];
const OWNERS: [&str; 4] = ["alice", "bob", "carol", "system"];

/// Someone who calls, in words that the policy does not know.
struct Actor {
    caller: Caller,
    user: &'static str,
    is_admin: bool,
    service: Option<String>,
    grants: String,
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

fn actors() -> Vec<Actor> {
    let plain = |caller, user, is_admin| Actor {
        caller,
        user,
        is_admin,
        service: None,
        grants: String::new(),
    };
    let mut actors = vec![
        plain(Caller::Anonymous, "", false),
        plain(Caller::System, "system", true),
    ];
    for (name, is_admin) in USERS {
        actors.push(plain(person(name, is_admin), name, is_admin));
    }
    for owner in OWNERS {
        for set in 0u32..1 << GRANTS.len() {
            let chosen = || {
                GRANTS
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| set & (1 << n) != 0)
            };
            let apis: Vec<&str> = chosen().map(|(_, (_, api))| *api).collect();
            let granted: Permissions = serde_json::from_value(json!({ "hostApis": apis })).unwrap();
            let key = format!("app-of-{owner}");
            actors.push(Actor {
                caller: Caller::Service(ServiceCaller {
                    key: key.parse().unwrap(),
                    owner: owner.parse().unwrap(),
                    granted: Arc::new(granted),
                    decisions: Arc::default(),
                }),
                user: owner,
                is_admin: false,
                service: Some(key),
                grants: chosen().map(|(_, (letter, _))| *letter).collect(),
            });
        }
    }
    actors
}

fn column(actor: &Actor, service: &str, owner: &str) -> Option<&'static str> {
    Some(match (&actor.caller, &actor.service) {
        (Caller::Anonymous, _) => return None,
        (Caller::System, _) => "system",
        (_, Some(own)) if own == service && owner != "system" => "self",
        (_, Some(_)) if owner == "system" => "for-box",
        (_, Some(_)) if owner == actor.user => "same",
        (_, Some(_)) => "for-other",
        (_, None) if actor.is_admin => "admin",
        (_, None) if owner == "system" => "box",
        (_, None) if owner == actor.user => "own",
        (_, None) => "other",
    })
}

/// What the table says.
fn expected(row: &str, actor: &Actor, service: &str, owner: &str, rules_allow: bool) -> Decision {
    let Some(column) = column(actor, service, owner) else {
        return Decision::No;
    };
    // A service of the box sees itself, though it acts for no person.
    let sees_itself = matches!(row, "see" | "logs" | "read-configuration" | "see-grants")
        && actor.service.as_deref() == Some(service);
    if sees_itself {
        return Decision::Yes;
    }
    let (_, cells) = TABLE.iter().find(|(name, _)| *name == row).unwrap();
    let place = COLUMNS.iter().position(|name| *name == column).unwrap();
    match cells[place] {
        "+" => Decision::Yes,
        "-" => Decision::No,
        "R" if rules_allow => Decision::Yes,
        "R" => Decision::Ask(Approver::Administrator),
        cell if cell.starts_with('R') && !rules_allow => Decision::No,
        cell if actor.grants.contains(cell.trim_start_matches('R')) => Decision::Yes,
        _ => Decision::Ask(Approver::Owner),
    }
}

fn rules() -> Vec<Rules> {
    let mut all = Vec::new();
    for set in 0..8 {
        all.push(Rules {
            permissions: PermissionRules {
                users_may_install: set & 1 != 0,
                users_may_grant: Grantable {
                    hosts: true,
                    limits: set & 2 != 0,
                    direct: set & 2 != 0,
                    ..Grantable::NONE
                },
            },
            folders_for_all: set & 4 != 0,
        });
    }
    all
}

#[test]
fn the_policy_gives_the_answers_of_the_table_for_every_caller_target_grant_and_rule() {
    let direct: Permissions = serde_json::from_value(json!({ "network": "direct" })).unwrap();
    let (mut checked, mut granted) = (0u32, 0u32);
    for actor in actors() {
        for owner in OWNERS {
            // Its owner's first app, which for one actor is itself, and a second one.
            for service in [format!("app-of-{owner}"), format!("second-of-{owner}")] {
                let key: ServiceKey = service.parse().unwrap();
                let user: UserKey = owner.parse().unwrap();
                let target = Target {
                    key: Some(&key),
                    owner: &user,
                    shares: &NOT_SHARED,
                };
                for rules in rules() {
                    let installs = rules.permissions.users_may_install;
                    let grants = rules.permissions.users_may_grant;
                    for (row, action, rules_allow) in [
                        ("call-provider", Action::CallProvider("a.b/c", target), true),
                        ("open-pages", Action::OpenPages(target), true),
                        ("change-pages", Action::ChangePages(target), true),
                        ("reach", Action::Reach("example.org", 443), true),
                        ("see-grants", Action::SeeGrants(target), true),
                        ("revoke", Action::Revoke(&user), true),
                        ("share", Action::Share(&user), true),
                        ("read-audit", Action::ReadAudit(&user), true),
                        ("see-people", Action::SeePeople, true),
                        ("manage-groups", Action::ManageGroups, true),
                        ("see", Action::On(Verb::See, target), true),
                        ("logs", Action::On(Verb::ReadLogs, target), true),
                        (
                            "read-configuration",
                            Action::On(Verb::ReadConfiguration, target),
                            true,
                        ),
                        ("run", Action::On(Verb::Run, target), true),
                        ("update", Action::On(Verb::Update, target), true),
                        ("configure", Action::On(Verb::Configure, target), true),
                        ("uninstall", Action::On(Verb::Uninstall, target), true),
                        ("install", Action::Install(&user), installs),
                        (
                            "install-from-folder",
                            Action::InstallFromFolder(&user),
                            installs && rules.folders_for_all,
                        ),
                        ("grant", Action::Grant(&user, &direct), grants.direct),
                        ("raise-limits", Action::RaiseLimits(&user), grants.limits),
                        ("manage-users", Action::ManageUsers, true),
                        ("read-user", Action::ReadUser(&user), true),
                        ("read-settings", Action::ReadSettings(&user), true),
                        ("choose-main-page", Action::ChooseMainPage(&user), true),
                        ("change-password", Action::ChangePassword(&user), true),
                        ("own-sessions", Action::ManageOwnSessions, true),
                        ("administer-box", Action::AdministerBox, true),
                    ] {
                        let decided = decide(&actor.caller, action, &rules);
                        let expected = expected(row, &actor, &service, owner, rules_allow);
                        assert_eq!(
                            decided,
                            expected,
                            "{} with [{}]: {row} on {service} under {rules:?}",
                            actor.caller.label(),
                            actor.grants
                        );
                        checked += 1;
                        granted += u32::from(decided == Decision::Yes);
                    }
                }
            }
        }
    }
    println!("{checked} decisions, {granted} of them yes");
    assert!(checked > 300_000, "{checked}");
}

#[test]
fn people_know_what_the_box_is_and_apps_only_with_a_permission() {
    let app = |apis: &[&str]| {
        Caller::Service(ServiceCaller {
            key: "app".parse().unwrap(),
            owner: "bob".parse().unwrap(),
            granted: Arc::new(serde_json::from_value(json!({ "hostApis": apis })).unwrap()),
            decisions: Arc::default(),
        })
    };
    for (caller, expected) in [
        (Caller::Anonymous, Decision::No),
        (Caller::System, Decision::Yes),
        (person("bob", false), Decision::Yes),
        (app(&[]), Decision::Ask(Approver::Owner)),
        (app(&["atek.cloud/system-api"]), Decision::Yes),
    ] {
        let decided = decide(&caller, Action::SeeBox, &Rules::default());
        assert_eq!(decided, expected, "{}", caller.label());
    }
}

#[test]
fn a_main_page_is_ones_own_app_or_the_boxs() {
    let (alice, bob): (UserKey, UserKey) = ("alice".parse().unwrap(), "bob".parse().unwrap());
    assert!(may_be_main_service(&alice, &alice));
    assert!(may_be_main_service(&alice, &UserKey::system()));
    assert!(!may_be_main_service(&alice, &bob));
}
