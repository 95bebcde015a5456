//! A new password for a user, by the user or an administrator, and what it means for the user's
//! keys: they are sealed by the password.

use super::install::by;
use super::sessions::login_error;
use super::users::Refusal;
use super::{HostApis, internal};
use crate::audit::Decided;
use crate::error_chain::DisplayChain;
use crate::key_service::KeyServiceError;
use crate::permissions::{Action, Caller, Person};
use crate::sessions::LoginError;
use atek_api::audit::{AuditKind, AuditOutcome};
use atek_api::ids::UserKey;
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use atek_api::secret::Secret;
use atek_api::users::{KeyHelp, KeysAfter, OpenKeys, PasswordChange, PasswordSet, Role};

const NOT_OWN: &str = "your own password is not right";

impl HostApis {
    /// A user's own change needs the old password; an administrator's does not.
    pub(super) async fn set_password(
        &self,
        caller: &Caller,
        key: UserKey,
        change: PasswordChange,
    ) -> RpcResult {
        self.may(caller, Action::ChangePassword(&key))?;
        let keys = match caller {
            Caller::User(person) if person.user.key == key => {
                self.set_own_password(person, change).await?
            }
            _ => self.set_password_of(caller, key, change).await?,
        };
        raw(&PasswordSet { keys })
    }

    /// Opens keys that a password does not open which was set without the old one. That it is the
    /// user's is checked first: a slip would lock them by a password that no one knows.
    pub(super) async fn open_own_keys(
        &self,
        caller: &Caller,
        key: UserKey,
        with: OpenKeys,
    ) -> RpcResult {
        if with.old.is_some() == with.words.is_some() {
            return Err(RpcError::invalid_param(2, "has not one of old and words"));
        }
        let password = with.password.clone();
        let confirmed = match caller {
            Caller::User(person) if person.user.key == key => {
                self.sessions.confirm(person, password).await
            }
            Caller::System => {
                let hash = self.user(&key)?.hashed_password.clone();
                match self.sessions.passwords().verify(password, Some(hash)).await {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(LoginError::Wrong),
                    Err(error) => Err(error.into()),
                }
            }
            _ => return Err(RpcError::not_authorized()),
        };
        match confirmed {
            Ok(()) => {}
            Err(LoginError::Wrong) => return Err(RpcError::general(NOT_OWN)),
            Err(error) => return Err(login_error(&error)),
        }
        let opened = self.keys.reseal(&key, &with).await;
        opened.map_err(|error| match error.refusal() {
            Some("wrong-password") => RpcError::general("the old password does not open the keys"),
            Some("wrong-words") => {
                RpcError::general("these are not the recovery words of this box")
            }
            Some(problem) => RpcError::general(problem),
            None => internal(&error),
        })?;
        raw(&())
    }

    async fn set_own_password(
        &self,
        person: &Person,
        change: PasswordChange,
    ) -> Result<KeysAfter, RpcError> {
        let key = &person.user.key;
        let old = change.old.unwrap_or_else(|| Secret::new(""));
        match self.sessions.confirm(person, old.clone()).await {
            Ok(()) => {}
            Err(LoginError::Wrong) => return Err(Refusal::WrongPassword.into()),
            Err(error) => return Err(login_error(&error)),
        }
        let username = self.user(key)?.username.clone();
        let hashed = self.hash(change.new.clone(), &username).await?;
        // Before the change: if it is cut off in between, the person brings both passwords.
        let sealed = self.keys.password_changed(key, &old, &change.new).await;
        if let Err(error) = &sealed {
            tracing::warn!(user = %key, error = %DisplayChain(error), "the user's keys keep the old password");
        }
        let keep = Some(person.session.clone());
        self.change_user_keeping(key.clone(), keep, move |_, user| {
            user.hashed_password = hashed;
            Ok(true)
        })
        .await?;
        Ok(match sealed {
            Ok(()) => KeysAfter::Opened,
            Err(_) => KeysAfter::Locked,
        })
    }

    /// With an administrator's help the keys come first: after a cut in between the user has the
    /// old password, and the same help leads to the new one.
    async fn set_password_of(
        &self,
        caller: &Caller,
        key: UserKey,
        change: PasswordChange,
    ) -> Result<KeysAfter, RpcError> {
        let username = self.user(&key)?.username.clone();
        let hashed = self.hash(change.new.clone(), &username).await?;
        let opened = match &change.help {
            None => None,
            Some(help) => Some(self.open_keys_of(caller, &key, &change.new, help).await?),
        };
        self.change_user(key.clone(), move |_, user| {
            user.hashed_password = hashed;
            Ok(true)
        })
        .await?;
        let keys = match opened {
            Some(keys) => keys,
            None => self.lock_keys(&key).await,
        };
        self.note_password(caller, &key, &username, keys).await;
        Ok(keys)
    }

    async fn open_keys_of(
        &self,
        caller: &Caller,
        key: &UserKey,
        new: &Secret,
        help: &KeyHelp,
    ) -> Result<KeysAfter, RpcError> {
        let helper = match (caller, &help.by) {
            (Caller::User(person), None) => person.user.key.clone(),
            (Caller::User(person), Some(by)) if person.user.key == *by => by.clone(),
            (Caller::System, Some(by)) if *by != *key => by.clone(),
            _ => return Err(RpcError::not_authorized()),
        };
        if self.user(&helper)?.role != Role::Admin {
            return Err(RpcError::not_authorized());
        }
        let opened = self
            .keys
            .password_set(key, new, Some((&helper, &help.password)))
            .await;
        opened.map_err(|error| help_error(&error))
    }

    /// After a password that was set without the old one and without help: who knows it is not
    /// served with what the user had opened before.
    pub(super) async fn lock_keys(&self, key: &UserKey) -> KeysAfter {
        let locked = self.keys.password_set(key, &Secret::new(""), None).await;
        locked.unwrap_or_else(|error| {
            tracing::warn!(user = %key, error = %DisplayChain(&error), "the user's keys were not locked");
            KeysAfter::Locked
        })
    }

    async fn note_password(&self, caller: &Caller, key: &UserKey, name: &str, keys: KeysAfter) {
        let decided = Decided {
            at: super::permissions::now(),
            by: by(caller).to_string(),
            owner: key.to_string(),
            kind: AuditKind::Password,
            app: String::new(),
            title: name.to_owned(),
            what: match keys {
                KeysAfter::None => "no keys",
                KeysAfter::Opened => "keys opened",
                KeysAfter::Locked => "keys locked",
            }
            .to_owned(),
            outcome: AuditOutcome::Done,
        };
        self.audit.note(vec![decided]).await;
    }
}

fn help_error(error: &KeyServiceError) -> RpcError {
    match error.refusal() {
        Some("wrong-password") => RpcError::general(NOT_OWN),
        Some("locked") => RpcError::general(
            "the administrator who helps has to sign in once with the password before",
        ),
        Some(problem) => RpcError::general(problem),
        None => internal(error),
    }
}
