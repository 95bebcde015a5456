//! The one answer to "may it": who acts, on what, for whom, and under which grant. Pure.
//!
//! Every enforcement point asks [`decide`], directly or through one of the short forms below it.
//! Users act on what is theirs, administrators on everything, the host itself on everything. An
//! app acts for its owner, never as an administrator, sees itself only, and needs a permission
//! for each kind of thing beyond that.

use super::caller::ServiceCaller;
use super::{Caller, NOT_SHARED, Shares};
use atek_api::grants::Level;
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::permission::{Network, PermissionRules, Permissions};
use atek_api::users::Role;
use atek_api::{services, system, users};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may be done.
    Yes,
    /// It may not, whatever is granted.
    No,
    /// It may be done once this person has granted it.
    Ask(Approver),
}

/// Who can grant what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approver {
    /// The owner of the app that asks.
    Owner,
    /// An administrator.
    Administrator,
}

/// A service that is acted on.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Its key; none where only its owner matters, as for data that was kept of one.
    pub key: Option<&'a ServiceKey>,
    /// Its owner.
    pub owner: &'a UserKey,
    /// With whom its owner shares it.
    pub shares: &'a Shares,
}

impl<'a> Target<'a> {
    /// What belongs to this user alone, and is no service or one whose key does not matter.
    #[must_use]
    pub fn of_owner(owner: &'a UserKey) -> Self {
        Self {
            key: None,
            owner,
            shares: &NOT_SHARED,
        }
    }
}

/// What is done to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Read what it is and how it is: record, state, metrics, available versions.
    See,
    /// Read its log.
    ReadLogs,
    /// Read its environment, which may hold secrets.
    ReadConfiguration,
    /// Start, stop or restart it.
    Run,
    /// Install a newer release of it, from where it came from.
    Update,
    /// Change its id, environment, source or limits.
    Configure,
    /// Remove it, or data that was kept of it.
    Uninstall,
}

/// Something that a caller wants to do.
#[derive(Debug, Clone, Copy)]
pub enum Action<'a> {
    /// Call this API of a service that provides it.
    CallProvider(&'a str, Target<'a>),
    /// Open the pages of a service, changing nothing there.
    OpenPages(Target<'a>),
    /// Send something to the pages of a service that may change it.
    ChangePages(Target<'a>),
    /// Reach this host at this port through the host.
    Reach(&'a str, u16),
    /// Do something to a service.
    On(Verb, Target<'a>),
    /// Install a service from the internet for this owner, or look at a package.
    Install(&'a UserKey),
    /// The same from a folder of this machine, whose content it shows to the owner.
    InstallFromFolder(&'a UserKey),
    /// Give permissions to a service of this owner.
    Grant(&'a UserKey, &'a Permissions),
    /// Let a service of this owner use another service or one of its databases.
    GrantUse(&'a UserKey, Target<'a>),
    /// Take back what a service of this owner was granted, or deny it something.
    Revoke(&'a UserKey),
    /// Read what a service was granted.
    SeeGrants(Target<'a>),
    /// Share a service or database of this owner, or end that.
    Share(&'a UserKey),
    /// Read what services of this owner did.
    ReadAudit(&'a UserKey),
    /// Read the names of the box's users and groups, to share something.
    SeePeople,
    /// Make, change and remove groups.
    ManageGroups,
    /// Let a service of this owner use more than the default limits.
    RaiseLimits(&'a UserKey),
    /// List users, make them, change and delete them.
    ManageUsers,
    /// Read a user's name and role.
    ReadUser(&'a UserKey),
    /// Read a user's settings.
    ReadSettings(&'a UserKey),
    /// Choose the app at a user's main page.
    ChooseMainPage(&'a UserKey),
    /// Change a user's password.
    ChangePassword(&'a UserKey),
    /// Read and end the sessions of the caller.
    ManageOwnSessions,
    /// Read what the box is, and its addresses.
    SeeBox,
    /// Read its metrics and configuration, change its name, restart it.
    AdministerBox,
}

/// What the box's administrators have decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// See [`PermissionRules`].
    pub permissions: PermissionRules,
    /// Whether everyone may install from folders of the machine (`allowFileInstall`).
    pub folders_for_all: bool,
}

/// Decides.
#[must_use]
pub fn decide(caller: &Caller, action: Action<'_>, rules: &Rules) -> Decision {
    match caller {
        Caller::Anonymous => Decision::No,
        Caller::System => yes_if(!matches!(
            action,
            Action::ManageOwnSessions | Action::Reach(..)
        )),
        Caller::User(_) if matches!(action, Action::Reach(..)) => Decision::No,
        Caller::User(person) if person.user.role == Role::Admin => Decision::Yes,
        Caller::User(person) => for_user(&person.user.key, action, rules),
        Caller::Service(service) => for_service(service, action, rules),
    }
}

/// The permission that an app needs for this; none: no permission allows it.
#[must_use]
pub fn permission_for(action: Action<'_>) -> Option<&'static str> {
    match action {
        Action::On(verb, _) => Some(grant_of(verb)),
        Action::Install(_) | Action::InstallFromFolder(_) => Some(services::GRANT_INSTALL),
        Action::ReadSettings(_) => Some(users::API),
        Action::ChooseMainPage(_) => Some(users::GRANT_MAIN_PAGE),
        Action::SeeBox => Some(system::API),
        _ => None,
    }
}

/// A user who is no administrator.
fn for_user(user: &UserKey, action: Action<'_>, rules: &Rules) -> Decision {
    let own = |owner: &UserKey| owner == user;
    match action {
        Action::OpenPages(target) => yes_if(may_use(user, target, Level::View)),
        Action::CallProvider(_, target) | Action::ChangePages(target) => {
            yes_if(may_use(user, target, Level::Use))
        }
        Action::On(verb, target) => yes_if(
            own(target.owner)
                || level_of(verb).is_some_and(|level| target.shares.admit(user, level)),
        ),
        Action::GrantUse(owner, target) => yes_if(own(owner) && may_use(user, target, Level::Use)),
        Action::Revoke(owner) | Action::Share(owner) | Action::ReadAudit(owner) => {
            yes_if(own(owner))
        }
        Action::SeeGrants(target) => yes_if(own(target.owner)),
        Action::Install(owner)
        | Action::InstallFromFolder(owner)
        | Action::Grant(owner, _)
        | Action::RaiseLimits(owner)
            if !own(owner) =>
        {
            Decision::No
        }
        Action::Install(_) => or_ask(rules.permissions.users_may_install, Approver::Administrator),
        Action::InstallFromFolder(_) => or_ask(
            rules.permissions.users_may_install && rules.folders_for_all,
            Approver::Administrator,
        ),
        Action::Grant(_, permissions) => or_ask(
            rules.permissions.users_may_grant.admits(permissions),
            Approver::Administrator,
        ),
        Action::RaiseLimits(_) => or_ask(
            rules.permissions.users_may_grant.limits,
            Approver::Administrator,
        ),
        Action::ReadUser(key)
        | Action::ReadSettings(key)
        | Action::ChooseMainPage(key)
        | Action::ChangePassword(key) => yes_if(own(key)),
        Action::ManageOwnSessions | Action::SeeBox | Action::SeePeople => Decision::Yes,
        Action::ManageUsers | Action::ManageGroups | Action::AdministerBox | Action::Reach(..) => {
            Decision::No
        }
    }
}

/// An app. It never has its owner's role, hands out no permissions, and opens no pages.
fn for_service(service: &ServiceCaller, action: Action<'_>, rules: &Rules) -> Decision {
    // What belongs to the system represents no person that it could act for.
    let own = |owner: &UserKey| !owner.is_system() && *owner == service.owner;
    let granted = |grant: &str| or_ask(service.granted.allows_host_api(grant), Approver::Owner);
    let for_owner = |owner: &UserKey, grant: &str| {
        if own(owner) {
            granted(grant)
        } else {
            Decision::No
        }
    };
    match action {
        Action::CallProvider(api, target) => may_call(service, api, target),
        Action::Reach(host, port) if service.decisions.blocks(host, port) => Decision::No,
        Action::Reach(host, port) => or_ask(reaches(service, host, port), Approver::Owner),
        // Itself it may read, not change.
        Action::SeeGrants(target) => yes_if(target.key == Some(&service.key)),
        Action::On(Verb::See | Verb::ReadLogs | Verb::ReadConfiguration, target)
            if target.key == Some(&service.key) =>
        {
            Decision::Yes
        }
        Action::On(verb, target) => for_owner(target.owner, grant_of(verb)),
        // Also where the owner is an administrator: an app does not have that role.
        Action::Install(owner) if rules.permissions.users_may_install => {
            for_owner(owner, services::GRANT_INSTALL)
        }
        Action::InstallFromFolder(owner)
            if rules.permissions.users_may_install && rules.folders_for_all =>
        {
            for_owner(owner, services::GRANT_INSTALL)
        }
        Action::ReadUser(key) => yes_if(own(key)),
        Action::ReadSettings(key) => for_owner(key, users::API),
        Action::ChooseMainPage(key) => for_owner(key, users::GRANT_MAIN_PAGE),
        Action::SeeBox => granted(system::API),
        Action::Install(_)
        | Action::InstallFromFolder(_)
        | Action::OpenPages(_)
        | Action::ChangePages(_)
        | Action::Grant(..)
        | Action::GrantUse(..)
        | Action::Revoke(_)
        | Action::Share(_)
        | Action::ReadAudit(_)
        | Action::SeePeople
        | Action::ManageGroups
        | Action::RaiseLimits(_)
        | Action::ManageUsers
        | Action::ChangePassword(_)
        | Action::ManageOwnSessions
        | Action::AdministerBox => Decision::No,
    }
}

/// What the owner may do, the box's users with what belongs to the box, and who has a share.
fn may_use(user: &UserKey, target: Target<'_>, level: Level) -> bool {
    target.owner == user || target.owner.is_system() || target.shares.admit(user, level)
}

/// The level of a share with which another user does this to an app; none: only the owner does.
fn level_of(verb: Verb) -> Option<Level> {
    match verb {
        Verb::See => Some(Level::View),
        Verb::ReadLogs | Verb::Run | Verb::Update => Some(Level::Manage),
        Verb::ReadConfiguration | Verb::Configure | Verb::Uninstall => None,
    }
}

/// An app calls what its owner and the box provide, unless a person picked who provides an API
/// to it. What another user shares with its owner it calls only after such a pick.
fn may_call(service: &ServiceCaller, api: &str, target: Target<'_>) -> Decision {
    let own = !target.owner.is_system() && *target.owner == service.owner;
    let near = own || target.owner.is_system();
    let mut picked = service.decisions.picked(api).peekable();
    if picked.peek().is_none() {
        let shared = target.shares.admit(&service.owner, Level::Use);
        return if near || !shared {
            yes_if(near)
        } else {
            Decision::Ask(Approver::Owner)
        };
    }
    let is_picked = picked.any(|key| target.key == Some(key));
    yes_if(is_picked && (near || target.shares.admit(&service.owner, Level::Use)))
}

/// Whether a host was granted by name.
fn reaches(service: &ServiceCaller, host: &str, port: u16) -> bool {
    match &service.granted.network {
        Some(Network::Hosts(patterns)) => {
            patterns.iter().any(|pattern| pattern.matches(host, port))
        }
        // It has a network of its own.
        Some(Network::Direct { .. }) | None => false,
    }
}

/// The permission with which an app does this to its owner's apps.
fn grant_of(verb: Verb) -> &'static str {
    match verb {
        Verb::See | Verb::Run | Verb::Update => services::API,
        Verb::ReadLogs => services::GRANT_LOGS,
        Verb::ReadConfiguration | Verb::Configure => services::GRANT_CONFIGURE,
        Verb::Uninstall => services::GRANT_INSTALL,
    }
}

fn yes_if(may: bool) -> Decision {
    if may { Decision::Yes } else { Decision::No }
}

fn or_ask(may: bool, approver: Approver) -> Decision {
    if may {
        Decision::Yes
    } else {
        Decision::Ask(approver)
    }
}

/// Whether the caller may be routed to a provider of an API.
#[must_use]
pub fn may_call_provider(caller: &Caller, api: &str, target: Target<'_>) -> bool {
    decide(caller, Action::CallProvider(api, target), &Rules::default()) == Decision::Yes
}

/// Whether the caller may open a service's pages.
#[must_use]
pub fn may_visit(caller: &Caller, target: Target<'_>) -> bool {
    decide(caller, Action::OpenPages(target), &Rules::default()) == Decision::Yes
}

/// Whether the caller may send something to a service's pages that may change it.
#[must_use]
pub fn may_change(caller: &Caller, target: Target<'_>) -> bool {
    decide(caller, Action::ChangePages(target), &Rules::default()) == Decision::Yes
}

/// Whether a service of `owner` may be at the user's main page.
///
/// A page there has the main origin, from which the user's browser may call every host API:
/// only what the user owns, or an administrator installed for everyone.
#[must_use]
pub fn may_be_main_service(user: &UserKey, owner: &UserKey) -> bool {
    owner == user || owner.is_system()
}
