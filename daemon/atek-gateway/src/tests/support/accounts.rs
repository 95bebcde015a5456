//! Users and their sessions, in memory.

use crate::{Accounts, BindError};
use atek_api::ids::ServiceKey;
use atek_api::secret::Secret;
use atek_api::users::Role;
use atek_host_model::bind::NonceHash;
use atek_host_model::permissions::Person;
use atek_host_model::random;
use atek_host_model::setup::Ownership;
use atek_host_model::users::{SessionId, UserRecord};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// One session: whose, and where it is good.
#[derive(Debug, Clone)]
struct Session {
    user: Arc<UserRecord>,
    bound_to: Option<ServiceKey>,
    parent: Option<SessionId>,
}

/// Users, each with a session `NAME-cookie`; only alice is an administrator.
#[derive(Debug)]
pub(in super::super) struct TestAccounts {
    users: Vec<Arc<UserRecord>>,
    sessions: watch::Sender<HashMap<SessionId, Session>>,
    tokens: Mutex<HashMap<String, (SessionId, ServiceKey, NonceHash)>>,
}

impl TestAccounts {
    pub(super) fn of(users: &[&str]) -> Self {
        let user = |name: &&str| {
            Arc::new(UserRecord {
                key: super::user(name),
                username: (*name).to_owned(),
                display_name: None,
                hashed_password: Secret::new(""),
                role: if *name == "alice" {
                    Role::Admin
                } else {
                    Role::User
                },
                settings: serde_json::from_value(serde_json::json!({ "mainServiceKey": "home" }))
                    .unwrap(),
            })
        };
        let users: Vec<_> = users.iter().map(user).collect();
        let session = |user: &Arc<UserRecord>| {
            let id = SessionId::of_cookie(&format!("{}-cookie", user.username));
            let session = Session {
                user: user.clone(),
                bound_to: None,
                parent: None,
            };
            (id, session)
        };
        let sessions = watch::Sender::new(users.iter().map(session).collect());
        Self {
            users,
            sessions,
            tokens: Mutex::default(),
        }
    }

    /// Ends a session of the main domain and those that depend on it.
    pub(in super::super) fn sign_out(&self, session: &SessionId) {
        self.sessions.send_modify(|all| {
            all.retain(|id, other| id != session && other.parent.as_ref() != Some(session));
        });
    }

    /// Ends every session but the person's own and those that depend on it.
    pub(in super::super) fn sign_out_others(&self, person: &Person) {
        self.sessions.send_modify(|all| {
            all.retain(|id, other| {
                *id == person.session || other.parent.as_ref() == Some(&person.session)
            });
        });
    }

    fn find(&self, cookie: &str, bound_to: Option<&ServiceKey>) -> Option<Person> {
        let id = SessionId::of_cookie(cookie);
        let sessions = self.sessions.borrow();
        let session = sessions.get(&id)?;
        (session.bound_to.as_ref() == bound_to).then(|| Person {
            user: session.user.clone(),
            session: id,
        })
    }
}

impl Accounts for TestAccounts {
    fn of_cookie(&self, cookie: &str) -> Option<Person> {
        self.find(cookie, None)
    }

    fn of_bound_cookie(&self, cookie: &str, service: &ServiceKey) -> Option<Person> {
        self.find(cookie, Some(service))
    }

    fn session_end(&self, person: &Person) -> BoxFuture<'static, ()> {
        let (mut sessions, id) = (self.sessions.subscribe(), person.session.clone());
        async move {
            let _ = sessions.wait_for(|all| !all.contains_key(&id)).await;
        }
        .boxed()
    }

    fn issue_bind_token(
        &self,
        person: &Person,
        service: &ServiceKey,
        nonce: NonceHash,
    ) -> Result<Secret, BindError> {
        let token = random::hex::<24>().map_err(|_| BindError::Internal)?;
        let binding = (person.session.clone(), service.clone(), nonce);
        let mut tokens = self.tokens.lock().unwrap();
        tokens.insert(token.expose().to_owned(), binding);
        Ok(token)
    }

    fn redeem_bind_token<'a>(
        &'a self,
        token: &'a str,
        service: &'a ServiceKey,
        nonces: &'a [NonceHash],
    ) -> BoxFuture<'a, Result<Option<Secret>, BindError>> {
        async move {
            let token = self.tokens.lock().unwrap().remove(token);
            let Some((parent, _, _)) =
                token.filter(|(_, own, nonce)| own == service && nonces.contains(nonce))
            else {
                return Ok(None);
            };
            let cookie = random::hex::<32>().map_err(|_| BindError::Internal)?;
            self.sessions.send_modify(|all| {
                if let Some(session) = all.get(&parent).cloned() {
                    let bound = Session {
                        bound_to: Some(service.clone()),
                        parent: Some(parent),
                        ..session
                    };
                    all.insert(SessionId::of_cookie(cookie.expose()), bound);
                }
            });
            Ok(Some(cookie))
        }
        .boxed()
    }

    fn ownership(&self) -> Ownership {
        if self.users.iter().any(|user| user.role == Role::Admin) {
            Ownership::Claimed
        } else {
            Ownership::Unclaimed
        }
    }

    fn has_users(&self) -> bool {
        !self.users.is_empty()
    }
}
