//! Browser sessions: who a cookie stands for, sign-in, and the binding of a
//! session to an app's subdomain.

mod bind;
mod device;
mod end;
pub mod known_device;
mod password;

use crate::database::{Change, Database, DatabaseError, SessionId, SessionRecord, UserRecord};
use crate::permissions::{Caller, Person};
use crate::random::{self, RandomError};
use crate::throttle::{Attempt, AttemptOrigin, Terms, Throttle, TooMany};
use atek_api::ids::ServiceKey;
use atek_api::secret::Secret;
use atek_api::sessions::{Credentials, SessionInfo};
pub use atek_host_model::host_api::Visitor;
use atek_host_model::host_api::{CookieChange, TEMPORARY_COOKIE};
pub use bind::{BindTokens, Binding, NonceHash};
pub use password::{HashError, Passwords};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// A session that was not used for this long has ended: 90 days.
const IDLE_SECS: i64 = 90 * 24 * 3600;
/// The same for a temporary session: 12 hours. A browser that was never closed keeps its cookie.
const TEMPORARY_IDLE_SECS: i64 = 12 * 3600;
/// `lastSeenUnix` is written at most this often.
const LAST_SEEN_STEP_SECS: i64 = 10 * 60;
/// How wrong passwords for one name slow down the attempts at it: from the 21st on, 1, 2, 4, 8
/// and at most 10 seconds each.
const NAME: Terms = Terms {
    free: 20,
    longest_ms: 10_000,
};
/// Sessions at one app's site that one session of the main domain carries: one for each name and
/// port of the app, and some that a browser has lost. The oldest make room.
const MAX_BOUND: usize = 16;
/// A user's oldest sessions make room for new ones.
const MAX_SESSIONS_PER_USER: usize = 200;

/// Why a sign-in failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// One text for an unknown name and a wrong password.
    #[error("Username or password was incorrect")]
    Wrong,
    /// Too many wrong passwords for this name or from this address.
    #[error("too many wrong passwords, try again in {0} seconds")]
    Throttled(u64),
    /// See [`DatabaseError`].
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// See [`RandomError`].
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The password could not be checked.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// What the rest of the daemon holds: cheap to clone.
#[derive(Debug, Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    passwords: Passwords,
    throttle: Throttle,
    bind_tokens: Mutex<BindTokens>,
    /// When each session was last seen, since the record was written.
    seen: RwLock<HashMap<SessionId, AtomicI64>>,
}

impl Sessions {
    /// The sessions in the server database.
    #[must_use]
    pub fn new(database: Database, passwords: Passwords) -> Self {
        Self {
            inner: Arc::new(Inner {
                database,
                passwords,
                throttle: Throttle::new(NAME),
                bind_tokens: Mutex::default(),
                seen: RwLock::default(),
            }),
        }
    }

    /// Hashing of passwords, shared with the users API.
    #[must_use]
    pub fn passwords(&self) -> &Passwords {
        &self.inner.passwords
    }

    /// Who the cookie of the main domain stands for.
    #[must_use]
    pub fn of_cookie(&self, cookie: &str) -> Option<Person> {
        self.resolve(cookie, None)
    }

    /// Who the cookie of a service's subdomain stands for.
    #[must_use]
    pub fn of_bound_cookie(&self, cookie: &str, service: &ServiceKey) -> Option<Person> {
        self.resolve(cookie, Some(service))
    }

    fn resolve(&self, cookie: &str, bound_to: Option<&ServiceKey>) -> Option<Person> {
        let id = SessionId::of_cookie(cookie);
        let records = self.inner.database.records();
        let session = records.session(&id)?;
        if session.bound_to.as_ref() != bound_to {
            return None;
        }
        if let Some(parent) = &session.parent {
            // Signing out on the main domain signs out everywhere.
            records.session(parent)?;
        }
        let now = now_unix();
        if now - self.last_seen(session) > idle_secs(session) {
            return None;
        }
        self.touch(&id, now);
        let user = records.user(session.user_key.as_str())?.clone();
        Some(Person { user, session: id })
    }

    fn last_seen(&self, session: &SessionRecord) -> i64 {
        let seen = self
            .inner
            .seen
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        seen.get(&session.session_id)
            .map_or(session.last_seen_unix, |at| at.load(Ordering::Relaxed))
            .max(session.last_seen_unix)
    }

    fn touch(&self, id: &SessionId, now: i64) {
        let seen = self
            .inner
            .seen
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = seen.get(id) {
            at.store(now, Ordering::Relaxed);
            return;
        }
        drop(seen);
        let mut seen = self
            .inner
            .seen
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        seen.insert(id.clone(), AtomicI64::new(now));
    }

    /// Signs a user in; returns the cookies of the new session and the user's name.
    ///
    /// # Errors
    ///
    /// [`LoginError`]. An unknown name takes as long as a wrong password.
    pub async fn login(
        &self,
        caller: &Caller,
        credentials: Credentials,
        visitor: &Visitor,
    ) -> Result<(CookieChange, String), LoginError> {
        let Credentials {
            username,
            password,
            temporary,
        } = credentials;
        let username = username.as_str();
        let attempt = match self.guesser(caller, username, visitor) {
            Some(guesser) => Some(self.admit(username, guesser).await?),
            None => None,
        };
        let user = self.inner.database.records().user_named(username).cloned();
        let hash = user.as_ref().map(|user| user.hashed_password.clone());
        let right = self.inner.passwords.verify(password, hash).await?;
        let Some(user) = user.filter(|_| right) else {
            return Err(LoginError::Wrong);
        };
        if let Some(attempt) = attempt {
            attempt.succeed();
        }

        let (cookie, session) = self.prepare(&user, visitor, temporary)?;
        let device = known_device::issue(&user.key, &user.hashed_password)?;
        let (key, presented) = (user.key.clone(), visitor.presented.clone());
        self.inner
            .database
            .update(move |records| -> Result<((), Vec<Change>), LoginError> {
                // Deleted while the password was checked.
                records.user(key.as_str()).ok_or(LoginError::Wrong)?;
                let mut changes = end::presented(records, &presented);
                changes.extend(end::surplus(records, &key));
                changes.push(Change::PutSession(session));
                Ok(((), changes))
            })
            .await?;
        let cookies = CookieChange::SignIn {
            session: cookie,
            device,
        };
        Ok((cookies, user.username.clone()))
    }

    /// A new session of a user, which begins when the record is stored, and its cookie.
    ///
    /// # Errors
    ///
    /// [`RandomError`].
    pub fn prepare(
        &self,
        user: &UserRecord,
        visitor: &Visitor,
        temporary: bool,
    ) -> Result<(Secret, SessionRecord), RandomError> {
        let cookie = new_cookie(temporary)?;
        let session = SessionRecord {
            session_id: SessionId::of_cookie(cookie.expose()),
            user_key: user.key.clone(),
            username: user.username.clone(),
            created_at: now_rfc3339(),
            last_seen_unix: now_unix(),
            device: device::shortened(&visitor.device),
            address: visitor.address,
            bound_to: None,
            parent: None,
            temporary,
        };
        Ok((cookie, session))
    }

    /// Whose attempt a sign-in is; none for the host itself, which need not guess.
    fn guesser(&self, caller: &Caller, username: &str, visitor: &Visitor) -> Option<AttemptOrigin> {
        match caller {
            Caller::System => return None,
            Caller::Service(service) => return Some(AttemptOrigin::App(service.key.clone())),
            Caller::Anonymous | Caller::User(_) => {}
        }
        let records = self.inner.database.records();
        let user = records.user_named(username);
        let device = user.and_then(|user| {
            known_device::among(&visitor.known_by, &user.key, &user.hashed_password)
        });
        Some(match device {
            Some(device) => AttemptOrigin::KnownDevice(device),
            None => AttemptOrigin::at(visitor.address),
        })
    }

    async fn admit(&self, username: &str, guesser: AttemptOrigin) -> Result<Attempt, LoginError> {
        let admitted = self.inner.throttle.admit(username, guesser).await;
        admitted.map_err(|TooMany(seconds)| LoginError::Throttled(seconds))
    }

    /// Checks the password of a signed-in person again, for what a session alone must not do.
    /// Wrong ones count for the session alone: a stolen session does not slow down its owner.
    ///
    /// # Errors
    ///
    /// [`LoginError::Wrong`], [`LoginError::Throttled`] and [`LoginError::Hash`].
    pub async fn confirm(&self, person: &Person, password: Secret) -> Result<(), LoginError> {
        let guesser = AttemptOrigin::Session(handle(&person.session));
        let attempt = self.admit(&person.user.username, guesser).await?;
        // The record of the request may be older than the latest password.
        let records = self.inner.database.records();
        let user = records.user(person.user.key.as_str());
        let hash = user.map(|user| user.hashed_password.clone());
        drop(records);
        if self.inner.passwords.verify(password, hash).await? {
            attempt.succeed();
            Ok(())
        } else {
            Err(LoginError::Wrong)
        }
    }

    /// A user's sessions on the main domain, the newest first.
    #[must_use]
    pub fn list(&self, person: &Person) -> Vec<SessionInfo> {
        let records = self.inner.database.records();
        let mut sessions: Vec<SessionInfo> = records
            .sessions_of(&person.user.key)
            .filter(|session| session.bound_to.is_none())
            .map(|session| SessionInfo {
                handle: handle(&session.session_id),
                created_at: session.created_at.clone(),
                last_seen_at: rfc3339(self.last_seen(session)),
                device: device::words(&session.device),
                user_agent: session.device.clone(),
                address: session.address.map(|address| address.to_string()),
                is_current: session.session_id == person.session,
            })
            .collect();
        sessions.sort_by(|a, b| b.last_seen_at.cmp(&a.last_seen_at));
        sessions
    }

    /// A one-time token that carries the person's session to a service's subdomain, in the
    /// browser that has the nonce.
    ///
    /// # Errors
    ///
    /// [`RandomError`].
    pub fn issue_bind_token(
        &self,
        person: &Person,
        service: &ServiceKey,
        nonce: NonceHash,
    ) -> Result<Secret, RandomError> {
        let token = random::hex::<24>()?;
        let binding = Binding {
            session: person.session.clone(),
            service: service.clone(),
            nonce,
        };
        self.bind(|tokens, now| tokens.issue(token.expose(), binding, now));
        Ok(token)
    }

    /// Turns a one-time token into a cookie for that service's subdomain.
    ///
    /// `None` for a token that is unknown, used, old, or made for another service or a browser
    /// without one of the `nonces`.
    ///
    /// # Errors
    ///
    /// [`LoginError`] when the session cannot be stored.
    pub async fn redeem_bind_token(
        &self,
        token: &str,
        service: &ServiceKey,
        nonces: &[NonceHash],
    ) -> Result<Option<Secret>, LoginError> {
        let redeemed = self.bind(|tokens, now| tokens.redeem(token, service, nonces, now));
        let Some(parent) = redeemed else {
            return Ok(None);
        };
        let temporary = {
            let records = self.inner.database.records();
            let session = records.session(&parent);
            session.is_some_and(|session| session.temporary)
        };
        let cookie = new_cookie(temporary)?;
        let id = SessionId::of_cookie(cookie.expose());
        let service = service.clone();
        let bound = self
            .inner
            .database
            .update(move |records| -> Result<(bool, Vec<Change>), LoginError> {
                let Some(session) = records.session(&parent) else {
                    return Ok((false, vec![]));
                };
                let bound = SessionRecord {
                    session_id: id,
                    created_at: now_rfc3339(),
                    last_seen_unix: now_unix(),
                    bound_to: Some(service),
                    parent: Some(parent),
                    ..SessionRecord::clone(session)
                };
                let mut changes = end::surplus_bound(records, &bound);
                changes.push(Change::PutSession(bound));
                Ok((true, changes))
            })
            .await?;
        Ok(bound.then_some(cookie))
    }

    fn bind<T>(&self, act: impl FnOnce(&mut BindTokens, i64) -> T) -> T {
        act(
            &mut self
                .inner
                .bind_tokens
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
            now_unix(),
        )
    }
}

/// After how long without use a session has ended, in seconds.
fn idle_secs(session: &SessionRecord) -> i64 {
    if session.temporary {
        TEMPORARY_IDLE_SECS
    } else {
        IDLE_SECS
    }
}

fn new_cookie(temporary: bool) -> Result<Secret, RandomError> {
    let random = random::hex::<32>()?;
    Ok(if temporary {
        Secret::new(format!("{TEMPORARY_COOKIE}{}", random.expose()))
    } else {
        random
    })
}

/// Names a session to people; too short to search for the cookie's hash with.
fn handle(id: &SessionId) -> String {
    id.as_str().chars().take(16).collect()
}

fn now_unix() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn now_rfc3339() -> String {
    rfc3339(now_unix())
}

fn rfc3339(unix: i64) -> String {
    jiff::Timestamp::from_second(unix).map_or_else(|_| String::new(), |time| time.to_string())
}
