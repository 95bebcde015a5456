//! The one answer to "may it": who acts, on what, for whom, and under which grant. Pure.
//!
//! Every enforcement point asks [`decide`], directly or through one of the short forms below it.
//! Users act on what is theirs, administrators on everything, the host itself on everything. An
//! app acts for its owner, never as an administrator, sees itself only, and needs a permission
//! for each kind of thing beyond that.

use super::Caller;
use super::caller::ServiceCaller;
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::permission::{PermissionRules, Permissions};
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
    /// Call an API that a service of this owner provides.
    CallProvider(&'a UserKey),
    /// Open the pages of a service of this owner.
    OpenPages(&'a UserKey),
    /// Do something to a service.
    On(Verb, Target<'a>),
    /// Install a service from the internet for this owner, or look at a package.
    Install(&'a UserKey),
    /// The same from a folder of this machine, whose content it shows to the owner.
    InstallFromFolder(&'a UserKey),
    /// Give permissions to a service of this owner.
    Grant(&'a UserKey, &'a Permissions),
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
        Caller::System => yes_if(!matches!(action, Action::ManageOwnSessions)),
        Caller::User(person) if person.user.role == Role::Admin => Decision::Yes,
        Caller::User(person) => for_user(&person.user.key, action, rules),
        Caller::Service(service) => for_service(service, action, rules),
    }
}

/// A user who is no administrator.
fn for_user(user: &UserKey, action: Action<'_>, rules: &Rules) -> Decision {
    let own = |owner: &UserKey| owner == user;
    match action {
        Action::CallProvider(owner) | Action::OpenPages(owner) => {
            yes_if(own(owner) || owner.is_system())
        }
        Action::On(_, target) => yes_if(own(target.owner)),
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
        Action::ManageOwnSessions | Action::SeeBox => Decision::Yes,
        Action::ManageUsers | Action::AdministerBox => Decision::No,
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
        Action::CallProvider(owner) => yes_if(owner.is_system() || own(owner)),
        // Itself it may read, not change.
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
        | Action::Grant(..)
        | Action::RaiseLimits(_)
        | Action::ManageUsers
        | Action::ChangePassword(_)
        | Action::ManageOwnSessions
        | Action::AdministerBox => Decision::No,
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

/// Whether the caller may be routed to a provider that `owner` owns.
#[must_use]
pub fn may_call_provider(caller: &Caller, owner: &UserKey) -> bool {
    decide(caller, Action::CallProvider(owner), &Rules::default()) == Decision::Yes
}

/// Whether the caller may open a service's pages.
#[must_use]
pub fn may_visit(caller: &Caller, owner: &UserKey) -> bool {
    decide(caller, Action::OpenPages(owner), &Rules::default()) == Decision::Yes
}

/// Whether a service of `owner` may be at the user's main page.
///
/// A page there has the main origin, from which the user's browser may call every host API:
/// only what the user owns, or an administrator installed for everyone.
#[must_use]
pub fn may_be_main_service(user: &UserKey, owner: &UserKey) -> bool {
    owner == user || owner.is_system()
}
