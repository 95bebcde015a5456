//! `atek.cloud/users-api`.

use super::account_rules::{self, BadPassword, check_password};
use super::params::Params;
use super::user_deletion::OwnedApps;
use super::{Call, HostApis, internal, methods};
use crate::database::{
    Change, DatabaseError, Records, SessionId, SessionRecord, StoredSettings, UserRecord,
};
use crate::error_chain::DisplayChain;
use crate::permissions::{Action, may_be_main_service};
use crate::sessions::HashError;
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use atek_api::secret::Secret;
use atek_api::users::{API, Role, UserSettings};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewUser {
    username: String,
    #[serde(default)]
    display_name: Option<String>,
    password: Secret,
    #[serde(default)]
    role: Role,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserChange {
    username: Option<String>,
    display_name: Option<String>,
    password: Option<Secret>,
    role: Option<Role>,
}

/// Why a change of users was refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("This username has already been taken")]
    NameTaken,
    #[error("The username system is reserved")]
    NameReserved,
    #[error(
        "a username must have 3 to 64 letters, digits, '.', '-' or '_'; a name with spaces can be the display name"
    )]
    BadName,
    #[error("a display name must have at most 64 characters, and none that are hidden")]
    BadDisplayName,
    #[error(transparent)]
    BadPassword(#[from] BadPassword),
    #[error("Not found: atek.cloud,user,{0}")]
    Unknown(String),
    #[error("this is the only administrator: make another user an administrator first")]
    LastAdmin,
    #[error(
        "this user has apps ({}): choose whether to uninstall them or to give them to another user",
        .0.join(", ")
    )]
    HasApps(Vec<String>),
    #[error("the user has no app {0:?}: choose an app of the user's own as the main page")]
    NotOwnApp(String),
    #[error("the old password is not right")]
    WrongPassword,
    #[error("the box is set up already, sign in")]
    SetUpAlready,
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Hash(#[from] HashError),
}

impl From<Refusal> for RpcError {
    fn from(refusal: Refusal) -> Self {
        match &refusal {
            Refusal::HasApps(services) => {
                let mut rpc = RpcError::general(refusal.to_string());
                rpc.data = Some(json!({ "services": services }));
                rpc
            }
            Refusal::Database(error) => internal(error),
            Refusal::Hash(error) => internal(error),
            Refusal::NameTaken
            | Refusal::NameReserved
            | Refusal::BadName
            | Refusal::BadDisplayName
            | Refusal::BadPassword(_)
            | Refusal::Unknown(_)
            | Refusal::LastAdmin
            | Refusal::NotOwnApp(_)
            | Refusal::WrongPassword
            | Refusal::SetUpAlready => RpcError::general(refusal.to_string()),
        }
    }
}

impl HostApis {
    pub(super) async fn users(&self, call: &Call<'_>) -> RpcResult {
        let read = || methods::params(API, call);
        match call.method {
            "list" => {
                self.may(call.caller, Action::ManageUsers)?;
                let records = self.database.records();
                raw(
                    &json!({ "users": records.users().map(|user| user.public()).collect::<Vec<_>>() }),
                )
            }
            "get" => {
                let key = user_key(&read()?)?;
                self.may(call.caller, Action::ReadUser(&key))?;
                raw(&self.user(&key)?.public())
            }
            "create" => {
                self.may(call.caller, Action::ManageUsers)?;
                self.create_user(read()?.object(0)?).await
            }
            "update" => {
                self.may(call.caller, Action::ManageUsers)?;
                let params = read()?;
                self.update_user(user_key(&params)?, params.object(1)?)
                    .await
            }
            "setPassword" => {
                let params = read()?;
                self.set_password(call.caller, user_key(&params)?, params.object(1)?)
                    .await
            }
            "openKeys" => {
                let params = read()?;
                self.open_own_keys(call.caller, user_key(&params)?, params.object(1)?)
                    .await
            }
            "delete" => {
                self.may(call.caller, Action::ManageUsers)?;
                let params = read()?;
                let key = user_key(&params)?;
                let owned = self.owned_apps(key.as_str(), &params)?;
                self.delete_user(key, owned).await
            }
            "getSettings" => {
                let key = user_key(&read()?)?;
                self.may(call.caller, Action::ReadSettings(&key))?;
                raw(&self.shown_settings(&*self.user(&key)?))
            }
            "updateSettings" => {
                let params = read()?;
                let key = user_key(&params)?;
                self.may(call.caller, Action::ChooseMainPage(&key))?;
                self.update_settings(key, params.object(1)?).await
            }
            other => Err(RpcError::method_not_found(other)),
        }
    }

    pub(super) fn user(&self, key: &UserKey) -> Result<std::sync::Arc<UserRecord>, RpcError> {
        let records = self.database.records();
        records
            .user(key.as_str())
            .cloned()
            .ok_or_else(|| Refusal::Unknown(key.to_string()).into())
    }

    async fn create_user(&self, new: NewUser) -> RpcResult {
        let name = checked_name(new.username)?;
        free_name(&self.database.records(), &name, None)?;
        let display_name = checked_display_name(new.display_name.as_deref().unwrap_or_default())?;
        let hashed_password = self.hash(new.password, &name).await?;
        let key = self.mint_user_key();
        let user = UserRecord {
            key,
            username: name,
            display_name,
            hashed_password,
            role: new.role,
            settings: StoredSettings::default(),
        };
        let created = self
            .database
            .update(move |records| -> Result<_, Refusal> {
                free_name(records, &user.username, None)?;
                Ok((user.public(), vec![Change::PutUser(user)]))
            })
            .await?;
        self.install_home(&created.key).await;
        raw(&created)
    }

    async fn update_user(&self, key: UserKey, change: UserChange) -> RpcResult {
        let name = change.username.map(checked_name).transpose()?;
        let display_name = change.display_name.as_deref();
        let display_name = display_name.map(checked_display_name).transpose()?;
        let present = self.user(&key)?;
        let hashed = match change.password {
            Some(password) => {
                let username = name.as_ref().unwrap_or(&present.username);
                Some(self.hash(password, username).await?)
            }
            None => None,
        };
        let is_reset = hashed.is_some();
        let user = self
            .change_user(key, move |records, user| {
                if let Some(name) = name {
                    free_name(records, &name, Some(&user.key))?;
                    user.username = name;
                }
                if let Some(display_name) = display_name {
                    user.display_name = display_name;
                }
                if let Some(role) = change.role {
                    if role == Role::User {
                        another_admin(records, user)?;
                    }
                    user.role = role;
                }
                let end_sessions = hashed.is_some();
                if let Some(hashed) = hashed {
                    user.hashed_password = hashed;
                }
                Ok(end_sessions)
            })
            .await?;
        if is_reset {
            self.lock_keys(&user.key).await;
        }
        raw(&user.public())
    }

    /// Changes a user's settings; an empty `mainServiceId` chooses the built-in home again.
    async fn update_settings(&self, key: UserKey, new: UserSettings) -> RpcResult {
        let core = new.main_service_id.as_deref().and_then(|id| {
            let directory = self.directory.now();
            let entry = directory.by_id(id).filter(|entry| entry.core)?;
            Some(entry.key.clone())
        });
        let user = self
            .change_user(key, move |records, user| {
                if let Some(id) = new.main_service_id {
                    user.settings.main_service_key = match core {
                        _ if id.is_empty() => None,
                        Some(core) => Some(core),
                        None => Some(own_app(records, user, id)?),
                    };
                }
                Ok(false)
            })
            .await?;
        raw(&self.shown_settings(&user))
    }

    /// A user's settings as the API shows them: services by their present id.
    fn shown_settings(&self, user: &UserRecord) -> UserSettings {
        let records = self.database.records();
        let id = user.settings.main_service_key.as_ref().and_then(|key| {
            let installed = records.service(key.as_str());
            let installed = installed.map(|service| service.settings.id.to_string());
            installed.or_else(|| {
                let directory = self.directory.now();
                Some(directory.by_key(key.as_str())?.id().to_string())
            })
        });
        UserSettings {
            main_service_id: id,
        }
    }

    /// Removes a user; `owned` says what becomes of everything that is theirs.
    ///
    /// The user is locked out first and the record removed last: a power
    /// cut in between leaves a user who cannot sign in and can be deleted again.
    async fn delete_user(&self, key: UserKey, owned: OwnedApps) -> RpcResult {
        let refuse = matches!(owned, OwnedApps::Refuse);
        let user = self
            .change_user(key, move |records, user| {
                if refuse {
                    no_apps(records, &user.key)?;
                }
                another_admin(records, user)?;
                user.hashed_password = Secret::new("(deleted)");
                user.role = Role::User;
                Ok(true)
            })
            .await?;
        self.release_owned(&user.key, &owned).await?;
        let key = user.key;
        let deleted = key.clone();
        self.database
            .update(move |records| -> Result<_, Refusal> {
                // An administrator may have installed an app for the user since.
                no_apps(records, &key)?;
                Ok(((), vec![Change::DeleteUser(key)]))
            })
            .await?;
        if let Err(error) = self.keys.delete_user(&deleted).await {
            tracing::warn!(user = %deleted, error = %DisplayChain(&error), "a deleted user's keys stay");
        }
        raw(&())
    }

    /// Makes a service the user's main page.
    pub(super) async fn make_home(
        &self,
        user: &UserKey,
        service: ServiceKey,
    ) -> Result<(), RpcError> {
        self.change_user(user.clone(), move |records, user| {
            // It may have been uninstalled again.
            user.settings.main_service_key = records
                .service(service.as_str())
                .map(|home| home.key.clone());
            Ok(false)
        })
        .await?;
        Ok(())
    }

    pub(super) async fn change_user(
        &self,
        key: UserKey,
        change: impl FnOnce(&Records, &mut UserRecord) -> Result<bool, Refusal> + Send + 'static,
    ) -> Result<UserRecord, RpcError> {
        self.change_user_keeping(key, None, change).await
    }

    /// Changes a user's record; when `change` says so, ends the user's sessions but `keep`.
    pub(super) async fn change_user_keeping(
        &self,
        key: UserKey,
        keep: Option<SessionId>,
        change: impl FnOnce(&Records, &mut UserRecord) -> Result<bool, Refusal> + Send + 'static,
    ) -> Result<UserRecord, RpcError> {
        let user = self
            .database
            .update(move |records| -> Result<_, Refusal> {
                let user = records
                    .user(key.as_str())
                    .ok_or_else(|| Refusal::Unknown(key.to_string()))?;
                let mut user = UserRecord::clone(user);
                let end_sessions = change(records, &mut user)?;
                let mut changes = vec![Change::PutUser(user.clone())];
                if end_sessions {
                    let kept = |session: &SessionRecord| {
                        keep.as_ref().is_some_and(|keep| {
                            session.session_id == *keep || session.parent.as_ref() == Some(keep)
                        })
                    };
                    changes.extend(
                        records
                            .sessions_of(&user.key)
                            .filter(|session| !kept(session))
                            .map(|session| Change::DeleteSession(session.session_id.clone())),
                    );
                }
                Ok((user, changes))
            })
            .await?;
        Ok(user)
    }

    /// Checks and hashes a new password of the user with this name.
    pub(super) async fn hash(&self, password: Secret, username: &str) -> Result<Secret, Refusal> {
        check_password(password.expose(), username, self.config.password_min_length)?;
        Ok(self.sessions.passwords().hash(password).await?)
    }

    pub(super) fn mint_user_key(&self) -> UserKey {
        let records = self.database.records();
        super::mint(|key| records.user(key).is_some())
    }
}

/// The first parameter, which names a user. What is no key is no user.
fn user_key(params: &Params) -> Result<UserKey, RpcError> {
    let text = params.text(0)?;
    text.parse().map_err(|_| Refusal::Unknown(text).into())
}

pub(super) fn checked_name(name: String) -> Result<String, Refusal> {
    if name.eq_ignore_ascii_case(atek_api::ids::SYSTEM) {
        return Err(Refusal::NameReserved);
    }
    if account_rules::is_username(&name) {
        Ok(name)
    } else {
        Err(Refusal::BadName)
    }
}

fn checked_display_name(text: &str) -> Result<Option<String>, Refusal> {
    account_rules::display_name(text).map_err(|()| Refusal::BadDisplayName)
}

pub(super) fn free_name(
    records: &Records,
    name: &str,
    own: Option<&UserKey>,
) -> Result<(), Refusal> {
    match records.user_named(name) {
        Some(user) if Some(&user.key) != own => Err(Refusal::NameTaken),
        _ => Ok(()),
    }
}

/// The key of the app that a user may have as the main page.
fn own_app(records: &Records, user: &UserRecord, id: String) -> Result<ServiceKey, Refusal> {
    records
        .service_with_id(&id)
        .filter(|service| may_be_main_service(&user.key, &service.settings.owning_user_key))
        .map(|service| service.key.clone())
        .ok_or(Refusal::NotOwnApp(id))
}

/// Apps are not left without an owner.
fn no_apps(records: &Records, user: &UserKey) -> Result<(), Refusal> {
    let owned = records
        .services()
        .filter(|service| service.settings.owning_user_key == *user);
    let ids: Vec<String> = owned
        .map(|service| service.settings.id.to_string())
        .collect();
    if ids.is_empty() {
        Ok(())
    } else {
        Err(Refusal::HasApps(ids))
    }
}

/// Refuses to take the role from the only administrator.
fn another_admin(records: &Records, user: &UserRecord) -> Result<(), Refusal> {
    let others = records
        .users()
        .any(|other| other.role == Role::Admin && other.key != user.key);
    if user.role == Role::Admin && !others {
        Err(Refusal::LastAdmin)
    } else {
        Ok(())
    }
}
