//! `atek.cloud/user-sessions-api`.

use super::{Call, CookieChange, HostApis, Reply, internal, methods};
use crate::error_chain::DisplayChain;
use crate::permissions::Caller;
use crate::sessions::LoginError;
use atek_api::ids::SYSTEM;
use atek_api::jsonrpc::{RpcError, RpcResult, code, raw};
use atek_api::secret::Secret;
use atek_api::sessions::{API, Credentials, UserSession};
use atek_api::users::Role;
use serde_json::json;

impl HostApis {
    pub(super) async fn user_sessions(&self, call: &Call<'_>) -> Reply {
        let outcome = match call.method {
            "whoami" => self.whoami(call.caller),
            "login" => return self.login(call).await,
            "logout" => return self.logout(call.caller).await,
            "listSessions" => match call.caller {
                Caller::User(person) => raw(&json!({ "sessions": self.sessions.list(person) })),
                _ => Err(RpcError::not_authorized()),
            },
            "revokeSession" => self.revoke(call).await,
            "revokeOtherSessions" => match call.caller {
                Caller::User(person) => match self.sessions.revoke_others(person).await {
                    Ok(()) => raw(&()),
                    Err(error) => Err(internal(&error)),
                },
                _ => Err(RpcError::not_authorized()),
            },
            other => Err(RpcError::method_not_found(other)),
        };
        outcome.into()
    }

    fn whoami(&self, caller: &Caller) -> RpcResult {
        let username = match caller {
            Caller::Anonymous => None,
            Caller::User(person) => Some(person.user.username.clone()),
            Caller::System => Some(SYSTEM.to_owned()),
            Caller::Service(service) if service.owner.is_system() => Some(SYSTEM.to_owned()),
            Caller::Service(service) => {
                let records = self.database.records();
                records
                    .user(service.owner.as_str())
                    .map(|user| user.username.clone())
            }
        };
        let person = match caller {
            Caller::User(person) => Some(&person.user),
            Caller::Anonymous | Caller::System | Caller::Service(_) => None,
        };
        raw(&UserSession {
            is_active: username.is_some(),
            username,
            display_name: person.and_then(|user| user.display_name.clone()),
            user_key: person.map(|user| user.key.clone()),
            role: person.map(|user| user.role),
        })
    }

    async fn login(&self, call: &Call<'_>) -> Reply {
        Reply::with_cookie(self.try_login(call).await)
    }

    async fn try_login(&self, call: &Call<'_>) -> Result<(RpcResult, CookieChange), RpcError> {
        let credentials: Credentials = methods::params(API, call)?.object(0)?;
        let password = credentials.password.clone();
        let (cookies, username) = self
            .sessions
            .login(call.caller, credentials, call.visitor)
            .await
            .map_err(|error| login_error(&error))?;
        self.open_keys(&username, password);
        let session = UserSession {
            is_active: true,
            username: Some(username),
            display_name: None,
            user_key: None,
            role: None,
        };
        Ok((raw(&session), cookies))
    }

    /// Lets the key service open the keys of who signed in. The sign-in does not wait for that.
    fn open_keys(&self, username: &str, password: Secret) {
        let Some(user) = self.database.records().user_named(username).cloned() else {
            return;
        };
        let keys = self.keys.clone();
        tokio::spawn(async move {
            let is_admin = user.role == Role::Admin;
            if let Err(error) = keys.signed_in(&user.key, &password, is_admin).await {
                tracing::warn!(user = %user.key, error = %DisplayChain(&error), "the user's keys stay locked");
            }
        });
    }

    async fn logout(&self, caller: &Caller) -> Reply {
        let Caller::User(person) = caller else {
            return raw(&()).into();
        };
        let ended = self.sessions.logout(person.session.clone()).await;
        Reply::with_cookie(match ended {
            Ok(()) => Ok((raw(&()), CookieChange::SignOut)),
            Err(error) => Err(internal(&error)),
        })
    }

    async fn revoke(&self, call: &Call<'_>) -> RpcResult {
        let Caller::User(person) = call.caller else {
            return Err(RpcError::not_authorized());
        };
        let handle = methods::params(API, call)?.text(0)?;
        match self.sessions.revoke(person, handle).await {
            Ok(true) => raw(&()),
            Ok(false) => Err(RpcError::general("there is no such session any more")),
            Err(error) => Err(internal(&error)),
        }
    }
}

pub(super) fn login_error(error: &LoginError) -> RpcError {
    match error {
        LoginError::Wrong => RpcError::general(error.to_string()),
        LoginError::Throttled(secs) => {
            let mut rpc = RpcError::new(code::LIMITED, error.to_string());
            rpc.data = Some(json!({ "retryAfterSecs": secs }));
            rpc
        }
        LoginError::Database(_) | LoginError::Random(_) | LoginError::Hash(_) => internal(error),
    }
}
