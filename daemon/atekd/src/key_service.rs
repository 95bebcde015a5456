//! What the host tells the key service: passwords that people typed, so that it can open and seal
//! their keys. It never gets a key back.

use crate::directory::DirectoryView;
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::secret::Secret;
use atek_api::services::State;
use atek_api::users::{KeysAfter, OpenKeys, PasswordSet};
use atek_rpc::client::{CallError, Client};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// The path of its endpoint, as its manifest says.
const ENDPOINT: &str = "/_api/keys";

/// How long it may take: two stretched passwords on a slow board, and others before.
const ANSWER: Duration = Duration::from_secs(20);

/// The key service did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum KeyServiceError {
    /// It could not be asked, or refused.
    #[error("cannot {step}")]
    Call {
        /// What was to be done.
        step: &'static str,
        /// The cause.
        #[source]
        source: CallError,
    },
    /// It answered something else.
    #[error("cannot {step}: the answer of the key service is malformed")]
    Malformed {
        /// What was to be done.
        step: &'static str,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// It was asked and does not answer.
    #[error("cannot {step}: the key service did not answer within {} s", ANSWER.as_secs())]
    Silent {
        /// What was to be done.
        step: &'static str,
    },
}

impl KeyServiceError {
    /// Why it refused, as `data.reason`, or its message where there is none.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        let Self::Call {
            source: CallError::Rpc(error),
            ..
        } = self
        else {
            return None;
        };
        let reason = error.data.as_ref().and_then(|data| data["reason"].as_str());
        Some(reason.unwrap_or(&error.message))
    }
}

/// What needs no person.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unattended {
    backup_password: Secret,
    hypercore: Secret,
}

/// The connection to the key service, as the host itself.
#[derive(Debug, Clone)]
pub struct KeyService {
    client: Client,
    key: ServiceKey,
    directory: DirectoryView,
}

impl KeyService {
    /// The service with this key behind this socket, whose owner is checked.
    #[must_use]
    pub fn new(socket: &Path, key: ServiceKey, directory: DirectoryView) -> Self {
        Self {
            client: Client::core_service(socket),
            key,
            directory,
        }
    }

    /// Waits while it starts: people sign in from the moment at which the database is open.
    async fn started(&self) {
        let started = self.directory.wait_for(|directory| {
            let service = directory.by_key(self.key.as_str());
            let is_starting = service.is_some_and(|service| service.state == State::Starting);
            (!is_starting).then_some(())
        });
        // It fails only for a host that ends.
        let _ = started.await;
    }

    /// What backups are encrypted with, as it follows from the recovery words; none while the box
    /// has no words.
    ///
    /// # Errors
    ///
    /// [`KeyServiceError`] when it does not say.
    pub async fn backup_password(&self) -> Result<Option<Secret>, KeyServiceError> {
        let told = self.unattended("ask for the password of backups").await?;
        Ok(told.map(|told| told.backup_password))
    }

    /// What the hypercore service derives its keys from, as it follows from the recovery words;
    /// none while the box has no words.
    ///
    /// # Errors
    ///
    /// [`KeyServiceError`] when it does not say.
    pub async fn hypercore_seed(&self) -> Result<Option<Secret>, KeyServiceError> {
        let told = self.unattended("ask for the seed of hypercore").await?;
        Ok(told.map(|told| told.hypercore))
    }

    async fn unattended(&self, step: &'static str) -> Result<Option<Unattended>, KeyServiceError> {
        match self.ask(step, "unattended", json!({})).await {
            Ok(answer) => serde_json::from_str(answer.get())
                .map(Some)
                .map_err(|source| KeyServiceError::Malformed { step, source }),
            Err(error) if error.refusal().is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a user's keys. With an administrator's password the box's seed is made where there is
    /// none.
    ///
    /// # Errors
    ///
    /// [`KeyServiceError`]; the keys stay locked.
    pub async fn signed_in(
        &self,
        user: &UserKey,
        password: &Secret,
        is_admin: bool,
    ) -> Result<(), KeyServiceError> {
        let method = if is_admin { "begin" } else { "signedIn" };
        let params = json!({ "user": user, "password": password.expose() });
        self.call("open a user's keys", method, params).await
    }

    /// Seals a user's keys by a new password.
    ///
    /// # Errors
    ///
    /// [`KeyServiceError`]; the old password opens them as before.
    pub async fn password_changed(
        &self,
        user: &UserKey,
        old: &Secret,
        new: &Secret,
    ) -> Result<(), KeyServiceError> {
        let params = json!({ "user": user, "old": old.expose(), "new": new.expose() });
        self.call(
            "seal a user's keys by the new password",
            "passwordChanged",
            params,
        )
        .await
    }

    /// Another person set a password for the user: the keys are locked, or with the help of an
    /// administrator, who gave their own password, sealed by the new one.
    ///
    /// # Errors
    ///
    /// [`KeyServiceError`]; its [refusal](KeyServiceError::refusal) says why there is no help.
    pub async fn password_set(
        &self,
        user: &UserKey,
        new: &Secret,
        help: Option<(&UserKey, &Secret)>,
    ) -> Result<KeysAfter, KeyServiceError> {
        let step = "open or lock a user's keys after a new password";
        let params = match help {
            Some((helper, password)) => json!({
                "user": user, "new": new.expose(),
                "helper": helper, "helperPassword": password.expose(),
            }),
            None => json!({ "user": user }),
        };
        let answer = self.ask(step, "passwordSet", params).await?;
        let told: PasswordSet = serde_json::from_str(answer.get())
            .map_err(|source| KeyServiceError::Malformed { step, source })?;
        Ok(told.keys)
    }

    /// Seals a user's keys by the user's password, with the one that opened them before or the
    /// recovery words.
    ///
    /// # Errors
    ///
    /// [`KeyServiceError`]; its [refusal](KeyServiceError::refusal) says why they stay locked.
    pub async fn reseal(&self, user: &UserKey, with: &OpenKeys) -> Result<(), KeyServiceError> {
        let mut params = json!({ "asUser": user, "password": with.password.expose() });
        for (name, secret) in [("old", &with.old), ("words", &with.words)] {
            if let Some(secret) = secret {
                params[name] = secret.expose().into();
            }
        }
        self.call("open a user's keys", "reseal", params).await
    }

    /// Whether a text is the recovery words of this box.
    ///
    /// # Errors
    ///
    /// [`KeyServiceError`]; its [refusal](KeyServiceError::refusal) says what is wrong with them.
    pub async fn check_words(&self, words: &Secret) -> Result<(), KeyServiceError> {
        let params = json!({ "words": words.expose() });
        self.call("check the recovery words", "checkWords", params)
            .await
    }

    /// Seals a user's keys by a new password with the recovery words.
    ///
    /// # Errors
    ///
    /// [`KeyServiceError`].
    pub async fn recover(
        &self,
        user: &UserKey,
        words: &Secret,
        password: &Secret,
    ) -> Result<(), KeyServiceError> {
        let params = json!({
            "user": user, "words": words.expose(), "password": password.expose(),
        });
        self.call(
            "open a user's keys with the recovery words",
            "recover",
            params,
        )
        .await
    }

    /// Takes the keys of a user over from the state of a backup that the key service was lent;
    /// those of a user who has keys stay as they are. Returns how many there are again.
    ///
    /// # Errors
    ///
    /// [`KeyServiceError`]; the user has no keys.
    pub async fn bring_back(&self, user: &UserKey) -> Result<usize, KeyServiceError> {
        let step = "bring a user's keys back";
        let answer = self.ask(step, "bringBack", json!({ "user": user })).await?;
        serde_json::from_str(answer.get())
            .map_err(|source| KeyServiceError::Malformed { step, source })
    }

    /// Removes a deleted user's keys.
    ///
    /// # Errors
    ///
    /// [`KeyServiceError`]; they stay, and no sign-in opens them.
    pub async fn delete_user(&self, user: &UserKey) -> Result<(), KeyServiceError> {
        let params = json!({ "user": user });
        self.call("remove a deleted user's keys", "deleteUser", params)
            .await
    }

    async fn call(
        &self,
        step: &'static str,
        method: &str,
        params: Value,
    ) -> Result<(), KeyServiceError> {
        self.ask(step, method, params).await.map(drop)
    }

    async fn ask(
        &self,
        step: &'static str,
        method: &str,
        params: Value,
    ) -> Result<Box<RawValue>, KeyServiceError> {
        let call = async {
            self.started().await;
            self.client.post(ENDPOINT, method, (params,)).await
        };
        match tokio::time::timeout(ANSWER, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(KeyServiceError::Call { step, source }),
            Err(_) => Err(KeyServiceError::Silent { step }),
        }
    }
}
