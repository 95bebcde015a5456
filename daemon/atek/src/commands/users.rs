//! `atek users`, `mkuser`, `moduser`, `passwd`, `deluser`.

use crate::ask;
use crate::cli::users::{AppsFate, Deluser, Mkuser, Moduser, Passwd, RoleName};
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone};
use crate::text::{clean, suggest};
use atek_api::secret::Secret;
use atek_api::users::{
    API, DeleteParams, KeyHelp, KeysAfter, Leaving, PasswordChange, PasswordSet, Role, User,
};
use serde::{Deserialize, Serialize};

/// Result of users-api `list`.
#[derive(Debug, Deserialize)]
struct UserList {
    users: Vec<User>,
}

/// The administrators of the box.
pub(super) async fn administrators(host: &Host) -> Result<Vec<User>, Failure> {
    let action = "list the users";
    let answer = host.call(API, "list", [(); 0], action).await?;
    let mut users = read::<UserList>("list", &answer)?.users;
    users.retain(|user| user.role == Role::Admin);
    Ok(users)
}

/// Parameter of `create`.
#[derive(Debug, Serialize)]
struct NewUser<'a> {
    username: &'a str,
    password: &'a Secret,
    #[serde(skip_serializing_if = "Role::is_user")]
    role: Role,
}

/// Second parameter of `update`: what is missing stays.
#[derive(Debug, Default, Serialize)]
struct UserChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
}

impl RoleName {
    fn role(self) -> Role {
        match self {
            RoleName::User => Role::User,
            RoleName::Admin => Role::Admin,
        }
    }
}

pub(super) async fn list(host: &Host) -> Result<(), Failure> {
    let answer = host.call(API, "list", [(); 0], "list the users").await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let mut users = read::<UserList>("list", &answer)?.users;
    if users.is_empty() {
        return host
            .out
            .done("there are no users, create the first with: atek mkuser NAME --admin");
    }
    users.sort_by(|a, b| a.username.cmp(&b.username));
    let mut table = Columns::new(host.out.look(), &["NAME", "ROLE", "KEY"]);
    for user in &users {
        let (role, tone) = match user.role {
            Role::Admin => ("admin", Tone::Warn),
            Role::User => ("user", Tone::Plain),
        };
        table.row([
            (&*clean::line(&user.username), Tone::Strong),
            (role, tone),
            (user.key.as_str(), Tone::Dim),
        ]);
    }
    host.out.print(&table.render())
}

/// All users.
pub(super) async fn all(host: &Host) -> Result<Vec<User>, Failure> {
    let answer = host.call(API, "list", [(); 0], "list the users").await?;
    Ok(read::<UserList>("list", &answer)?.users)
}

/// The user of that name.
pub(super) async fn named(host: &Host, name: &str) -> Result<User, Failure> {
    let mut users = all(host).await?;
    match users.iter().position(|user| user.username == name) {
        Some(index) => Ok(users.swap_remove(index)),
        None => {
            let names = users.iter().map(|user| user.username.as_str());
            let nearest = suggest::nearest(name, names)
                .into_iter()
                .map(str::to_owned)
                .collect();
            Err(Failure::NoUser {
                name: name.to_owned(),
                nearest,
            })
        }
    }
}

pub(super) async fn create(host: &Host, args: Mkuser) -> Result<(), Failure> {
    let name = match args.name {
        Some(name) => name,
        None if ask::somebody_is_there() => ask::line("User name: ")?,
        None => {
            return Err(Failure::Usage(
                "give the user's name: atek mkuser NAME".to_owned(),
            ));
        }
    };
    let password = ask::new_password(&args.password)?;
    let role = if args.admin { Role::Admin } else { Role::User };
    let user = NewUser {
        username: &name,
        password: &password,
        role,
    };
    let answer = host
        .call(API, "create", (user,), &format!("create the user {name}"))
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let suffix = if args.admin { ", an administrator" } else { "" };
    host.out.done(&format!("created the user {name}{suffix}"))
}

pub(super) async fn change(host: &Host, args: Moduser) -> Result<(), Failure> {
    let user = named(host, &args.name).await?;
    let only_password = args.role.is_none() && args.rename.is_none();
    let password = if args.password || args.from.password_stdin || only_password {
        Some(ask::new_password(&args.from)?)
    } else {
        None
    };
    let change = UserChange {
        username: args.rename,
        password,
        role: args.role.map(RoleName::role),
    };
    let action = format!("change the user {}", args.name);
    let answer = host
        .call(API, "update", (&user.key, change), &action)
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    host.out.done(&format!("changed the user {}", args.name))
}

pub(super) async fn passwd(host: &Host, args: &Passwd) -> Result<(), Failure> {
    let user = named(host, &args.name).await?;
    let helper = match &args.helper {
        Some(helper) => Some(named(host, helper).await?),
        None => None,
    };
    let new = ask::new_password(&args.from)?;
    let help = match helper {
        Some(helper) => Some(KeyHelp {
            password: ask::password(&format!("Password of {}: ", helper.username))?,
            by: Some(helper.key),
        }),
        None => None,
    };
    let old = None;
    let change = PasswordChange { old, new, help };
    let action = format!("change the password of {}", args.name);
    let answer = host
        .call(API, "setPassword", (&user.key, change), &action)
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let set: PasswordSet = read("setPassword", &answer)?;
    let keys = match set.keys {
        KeysAfter::None => "",
        KeysAfter::Opened => "; it opens their keys",
        KeysAfter::Locked => {
            "; their keys stay locked until they are opened with the old password or the recovery words: atek keys reseal"
        }
    };
    host.out.done(&format!(
        "changed the password of {}; all of their sessions ended{keys}",
        args.name
    ))
}

pub(super) async fn delete(host: &Host, args: &Deluser) -> Result<(), Failure> {
    let user = named(host, &args.name).await?;
    let name = &args.name;
    let question = match (args.apps, &args.to) {
        (None, _) => format!("Delete the user {name}?"),
        (Some(AppsFate::Uninstall), _) => {
            format!("Delete the user {name}, with all of their apps and data?")
        }
        (Some(AppsFate::Give), to) => format!(
            "Delete the user {name}, and give their apps and data to {}?",
            to.as_deref().unwrap_or_default()
        ),
    };
    ask::confirm_or_flag(args.yes, &question).await?;
    let action = format!("delete the user {name}");
    // The second parameter is sent only when it says something.
    let answer = match args.apps {
        None => host.call(API, "delete", (&user.key,), &action).await?,
        Some(fate) => {
            let options = DeleteParams {
                services: match fate {
                    AppsFate::Uninstall => Leaving::Uninstall,
                    AppsFate::Give => Leaving::Give,
                },
                to: args.to.clone(),
            };
            host.call(API, "delete", (&user.key, options), &action)
                .await?
        }
    };
    if host.out.json {
        return host.out.print_json(&answer);
    }
    host.out.done(&format!("deleted the user {}", args.name))
}
