//! `atek.cloud/setup-api`: the first administrator.

use super::account_rules;
use super::users::{self, Refusal};
use super::{Call, CookieChange, HostApis, Reply, internal, methods};
use crate::database::{Change, StoredSettings, UserRecord};
use crate::error_chain::DisplayChain;
use crate::key_service::KeyServiceError;
use crate::permissions::Caller;
use crate::sessions::known_device;
use crate::setup::{BadClaim, BadField, Ownership, box_name};
use atek_api::jsonrpc::{RpcError, RpcResult, code, raw};
use atek_api::secret::Secret;
use atek_api::sessions::UserSession;
use atek_api::setup::{
    API, Claim, Completed, RecoverPassword, ResetPassword, ResetStatus, SetupParams, Status,
};
use atek_api::users::Role;
use serde_json::json;
use std::sync::Arc;

impl HostApis {
    pub(super) async fn setup_api(&self, call: &Call<'_>) -> Reply {
        let outcome = match (call.method, call.caller) {
            ("status", _) => raw(&self.setup_status()),
            ("claim", Caller::System) => self.claim(),
            // A program of the box does not get to guess.
            ("checkClaim" | "complete", Caller::Service(_)) | ("claim", _) => {
                Err(RpcError::not_authorized())
            }
            ("checkClaim", _) => self.check_claim(call).await,
            ("complete", _) => return self.complete(call).await,
            ("resetStatus", _) => raw(&ResetStatus {
                pending: self.setup.reset().is_some(),
                password_min_length: Some(account_rules::min_length(
                    self.config.password_min_length,
                )),
            }),
            ("resetPassword", Caller::Service(_)) => Err(RpcError::not_authorized()),
            ("resetPassword", _) => return self.reset_password(call).await,
            ("restoreBox", Caller::Service(_)) => Err(RpcError::not_authorized()),
            ("restoreBox", _) => self.restore_box(call).await,
            ("backupPlaces", Caller::Service(_)) => Err(RpcError::not_authorized()),
            ("backupPlaces", _) => self.places_of_new_box(call).await,
            ("restoreStatus", _) => raw(&self.backups.restoring()),
            ("recoverPassword", Caller::Service(_)) => Err(RpcError::not_authorized()),
            ("recoverPassword", _) => return self.recover_password(call).await,
            (other, _) => Err(RpcError::method_not_found(other)),
        };
        outcome.into()
    }

    /// What the setup page is told: also the rule that it can show before a password is sent.
    fn setup_status(&self) -> Status {
        let status = self.setup.status();
        let min = account_rules::min_length(self.config.password_min_length);
        Status {
            password_min_length: status.needed.then_some(min),
            ..status
        }
    }

    /// Where to open the box, and with what. The public `status` never has the code.
    fn claim(&self) -> RpcResult {
        let port = match self.config.port {
            80 => String::new(),
            port => format!(":{port}"),
        };
        let url = match self.setup.name() {
            Some(name) if name != "localhost" => format!("http://{name}.local{port}/"),
            _ => format!("http://{}{port}/", self.config.domain),
        };
        let code = self.setup.code().map(|code| code.shown());
        raw(&Claim { code, url })
    }

    async fn check_claim(&self, call: &Call<'_>) -> RpcResult {
        let typed = methods::params(API, call)?.text(0)?;
        self.claimed(call, &typed).await?;
        raw(&true)
    }

    /// Goes on only for who knows the code, while there is something to claim.
    pub(super) async fn claimed(&self, call: &Call<'_>, typed: &str) -> Result<(), RpcError> {
        if self.setup.ownership() == Ownership::Claimed {
            return Err(Refusal::SetUpAlready.into());
        }
        let throttled = !matches!(call.caller, Caller::System);
        self.setup
            .check(typed, call.visitor.address, throttled)
            .await
            .map_err(claim_error)
    }

    /// Makes the first administrator. Nothing is changed before everything has been checked;
    /// the name and the time zone can be set again, so they come first; the
    /// administrator, with the session, comes last and in one write: that is the commit.
    async fn complete(&self, call: &Call<'_>) -> Reply {
        let done = self.try_complete(call).await;
        Reply::with_cookie(done.map(|(done, cookie)| (raw(&done), cookie)))
    }

    /// Sets a password with the code that the box shows, and signs its user in.
    async fn reset_password(&self, call: &Call<'_>) -> Reply {
        let done = self.try_reset(call).await;
        Reply::with_cookie(done.map(|(session, cookie)| (raw(&session), cookie)))
    }

    async fn try_reset(&self, call: &Call<'_>) -> Result<(UserSession, CookieChange), RpcError> {
        let wanted: ResetPassword = methods::params(API, call)?.object(0)?;
        let reset = self
            .setup
            .check_reset(&wanted.code, call.visitor.address)
            .await
            .map_err(claim_error)?;
        let user = self.whose_reset(reset.user.as_deref(), wanted.username.as_deref())?;
        let hashed = self
            .hash(wanted.password, &user.username)
            .await
            .map_err(user_error)?;
        let _turn = self.setup.turn().await;
        if self.setup.reset().is_none() {
            // Another one was faster.
            return Err(claim_error(BadClaim::NotMade));
        }
        let signed_in = self.sign_in_anew(call, &user, hashed).await?;
        self.lock_keys(&user.key).await;
        tracing::info!(user = %user.key, "a password was set with the code that the box showed");
        if let Err(error) = self.setup.end_reset().await {
            tracing::error!(error = %DisplayChain(&error), "cannot remove the request for a new password");
        }
        Ok(signed_in)
    }

    /// Sets a password with the recovery words, and signs its user in.
    async fn recover_password(&self, call: &Call<'_>) -> Reply {
        let done = self.try_recover(call).await;
        Reply::with_cookie(done.map(|(session, cookie)| (raw(&session), cookie)))
    }

    async fn try_recover(&self, call: &Call<'_>) -> Result<(UserSession, CookieChange), RpcError> {
        let wanted: RecoverPassword = methods::params(API, call)?.object(0)?;
        let attempt = self
            .setup
            .admit_words(call.visitor.address)
            .await
            .map_err(claim_error)?;
        self.keys
            .check_words(&wanted.words)
            .await
            .map_err(|error| words_error(&error))?;
        attempt.succeed();
        let user = self.whose_reset(None, wanted.username.as_deref())?;
        let hashed = self
            .hash(wanted.password.clone(), &user.username)
            .await
            .map_err(user_error)?;
        let _turn = self.setup.turn().await;
        self.keys
            .recover(&user.key, &wanted.words, &wanted.password)
            .await
            .map_err(|error| words_error(&error))?;
        tracing::info!(user = %user.key, "a password was set with the recovery words");
        self.sign_in_anew(call, &user, hashed).await
    }

    /// Gives a user a new password, which ends their sessions, and begins a session.
    async fn sign_in_anew(
        &self,
        call: &Call<'_>,
        user: &UserRecord,
        hashed: Secret,
    ) -> Result<(UserSession, CookieChange), RpcError> {
        let (cookie, session) = self
            .sessions
            .prepare(user, call.visitor, false)
            .map_err(|error| internal(&error))?;
        let device = known_device::issue(&user.key, &hashed).map_err(|error| internal(&error))?;
        self.change_user(user.key.clone(), move |_, user| {
            user.hashed_password = hashed;
            Ok(true)
        })
        .await?;
        let begun = self.database.write(vec![Change::PutSession(session)]).await;
        begun.map_err(|error| internal(&error))?;
        let session = UserSession {
            is_active: true,
            username: Some(user.username.clone()),
            display_name: None,
            user_key: None,
            role: None,
        };
        Ok((
            session,
            CookieChange::SignIn {
                session: cookie,
                device,
            },
        ))
    }

    /// The user whose password is set: the one that the card names, the one that the person
    /// names, or the only administrator.
    fn whose_reset(
        &self,
        on_card: Option<&str>,
        typed: Option<&str>,
    ) -> Result<Arc<UserRecord>, RpcError> {
        let records = self.database.records();
        let on_card = on_card.filter(|name| records.user_named(name).is_some());
        let name = on_card.or(typed.filter(|name| !name.is_empty()));
        let user = match name {
            Some(name) => records.user_named(name).cloned(),
            None => {
                let mut admins = records.users().filter(|user| user.role == Role::Admin);
                match (admins.next(), admins.next()) {
                    (Some(only), None) => Some(only.clone()),
                    _ => None,
                }
            }
        };
        user.ok_or_else(|| {
            field_error(BadField::new(
                "username",
                "there is no such user on this box: type the name that you sign in with",
            ))
        })
    }

    async fn try_complete(&self, call: &Call<'_>) -> Result<(Completed, CookieChange), RpcError> {
        let wanted: SetupParams = methods::params(API, call)?.object(0)?;
        self.claimed(call, &wanted.code).await?;
        let name = box_name(&wanted.name).map_err(field_error)?;
        let username = users::checked_name(wanted.username).map_err(user_error)?;
        users::free_name(&self.database.records(), &username, None).map_err(user_error)?;
        let zone = self
            .setup
            .known_timezone(&wanted.timezone)
            .map_err(field_error)?;
        let hashed_password = self
            .hash(wanted.password.clone(), &username)
            .await
            .map_err(user_error)?;

        let _turn = self.setup.turn().await;
        if self.setup.ownership() == Ownership::Claimed {
            return Err(Refusal::SetUpAlready.into());
        }
        let problems = self.setup.apply(&name, zone).await;
        let user = UserRecord {
            key: self.mint_user_key(),
            username: username.clone(),
            display_name: None,
            hashed_password,
            role: Role::Admin,
            settings: StoredSettings::default(),
        };
        let key = user.key.clone();
        let (cookie, session) = self
            .sessions
            .prepare(&user, call.visitor, false)
            .map_err(|error| internal(&error))?;
        let device = known_device::issue(&user.key, &user.hashed_password)
            .map_err(|error| internal(&error))?;
        self.database
            .update(move |records| -> Result<_, Refusal> {
                if records.has_admin() {
                    return Err(Refusal::SetUpAlready);
                }
                users::free_name(records, &user.username, None)?;
                Ok(((), vec![Change::PutUser(user), Change::PutSession(session)]))
            })
            .await
            .map_err(user_error)?;
        tracing::info!("the box has its first administrator");
        // The page shows the recovery words next. Without them the box is set up all the same.
        if let Err(error) = self.keys.signed_in(&key, &wanted.password, true).await {
            tracing::error!(error = %DisplayChain(&error), "the recovery words are made at the next sign-in");
        }
        // It may come from the network, and setup does not wait for that.
        let apis = self.clone();
        tokio::spawn(async move { apis.install_home(&key).await });
        let done = Completed {
            is_active: true,
            username,
            problems,
        };
        let session = cookie;
        Ok((done, CookieChange::SignIn { session, device }))
    }
}

/// Why the recovery words were not accepted, at their field where they are the reason.
fn words_error(error: &KeyServiceError) -> RpcError {
    let problem = match error.refusal() {
        Some("wrong-words") => "these are not the recovery words of this box",
        Some(problem) => problem,
        None => return internal(error),
    };
    field_error(BadField::new("words", problem))
}

fn claim_error(bad: BadClaim) -> RpcError {
    let mut error = RpcError::general(bad.to_string());
    match bad {
        BadClaim::Wrong => {
            error.data = Some(json!({ "field": "code", "message": bad.to_string() }));
        }
        BadClaim::Throttled(secs) => {
            error.code = code::LIMITED;
            error.data = Some(json!({ "retryAfterSecs": secs }));
        }
        BadClaim::NotMade => {}
    }
    error
}

pub(super) fn field_error(BadField { field, message }: BadField) -> RpcError {
    RpcError {
        code: code::INVALID_PARAMS,
        message: message.clone(),
        data: Some(json!({ "field": field, "message": message })),
    }
}

/// The form's field for what the users API refuses.
fn user_error(refusal: Refusal) -> RpcError {
    let field = match &refusal {
        Refusal::NameTaken | Refusal::NameReserved | Refusal::BadName => "username",
        Refusal::BadPassword(_) => "password",
        Refusal::BadDisplayName => "displayName",
        Refusal::SetUpAlready
        | Refusal::Unknown(_)
        | Refusal::LastAdmin
        | Refusal::HasApps(_)
        | Refusal::NotOwnApp(_)
        | Refusal::WrongPassword
        | Refusal::Database(_)
        | Refusal::Hash(_) => return refusal.into(),
    };
    field_error(BadField::new(field, refusal.to_string()))
}
