//! How sessions end: by their user, by their age, and with what they carried.

use super::{
    LAST_SEEN_STEP_SECS, MAX_BOUND, MAX_SESSIONS_PER_USER, Sessions, handle, idle_secs, now_unix,
};
use crate::database::{Change, DatabaseError, Records, SessionId, SessionRecord};
use crate::permissions::Person;
use atek_api::ids::UserKey;
use std::sync::PoisonError;

impl Sessions {
    /// Ends a session of the main domain and those that are bound to it; of a bound session, the
    /// one that it depends on.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`].
    pub async fn logout(&self, session: SessionId) -> Result<(), DatabaseError> {
        self.inner
            .database
            .update(move |records| {
                let parent = records.session(&session);
                let parent = parent.and_then(|session| session.parent.clone());
                let ended = parent.unwrap_or(session);
                Ok(((), with_children(records, std::iter::once(ended))))
            })
            .await
    }

    /// Ends one of the user's sessions by its handle; `false` if there is no such session.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`].
    pub async fn revoke(&self, person: &Person, wanted: String) -> Result<bool, DatabaseError> {
        let user = person.user.key.clone();
        self.inner
            .database
            .update(move |records| {
                let found: Vec<SessionId> = records
                    .sessions_of(&user)
                    .map(|session| session.session_id.clone())
                    .filter(|id| handle(id) == wanted)
                    .collect();
                Ok((!found.is_empty(), with_children(records, found)))
            })
            .await
    }

    /// Ends all of the user's sessions but the person's own.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`].
    pub async fn revoke_others(&self, person: &Person) -> Result<(), DatabaseError> {
        let (user, kept) = (person.user.key.clone(), person.session.clone());
        self.inner
            .database
            .update(move |records| {
                let others: Vec<SessionId> = records
                    .sessions_of(&user)
                    .filter(|session| {
                        session.session_id != kept && session.parent.as_ref() != Some(&kept)
                    })
                    .map(|session| session.session_id.clone())
                    .collect();
                Ok(((), with_children(records, others)))
            })
            .await
    }

    /// Returns when the person's session has ended: by signing out, being revoked, another
    /// password, or the end of the user.
    pub fn ended(&self, person: &Person) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut records = self.inner.database.watch();
        let id = person.session.clone();
        async move {
            while is_live(&records.borrow_and_update(), &id) {
                if records.changed().await.is_err() {
                    return;
                }
            }
        }
    }

    /// Writes down which sessions were used, and removes those that are over.
    ///
    /// Called every few minutes.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`]; the next call tries again.
    pub async fn sweep(&self) -> Result<(), DatabaseError> {
        let records = self.inner.database.records();
        let now = now_unix();
        let over: Vec<SessionId> = records
            .sessions()
            .filter(|session| {
                now - self.last_seen(session) > idle_secs(session)
                    || records.user(session.user_key.as_str()).is_none()
                    || session
                        .parent
                        .as_ref()
                        .is_some_and(|parent| records.session(parent).is_none())
            })
            .map(|session| session.session_id.clone())
            .collect();
        let seen: Vec<(SessionId, i64)> = records
            .sessions()
            .map(|session| (session.session_id.clone(), self.last_seen(session)))
            .collect();
        self.inner
            .database
            .update(move |records| -> Result<((), Vec<Change>), DatabaseError> {
                let mut changes: Vec<Change> = seen
                    .into_iter()
                    .filter_map(|(id, last_seen)| {
                        let session = records.session(&id)?;
                        (last_seen - session.last_seen_unix >= LAST_SEEN_STEP_SECS).then(|| {
                            let mut session = SessionRecord::clone(session);
                            session.last_seen_unix = last_seen;
                            Change::PutSession(session)
                        })
                    })
                    .collect();
                changes.extend(over.into_iter().map(Change::DeleteSession));
                Ok(((), changes))
            })
            .await?;
        let records = self.inner.database.records();
        let mut seen = self
            .inner
            .seen
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        seen.retain(|id, _| records.session(id).is_some());
        Ok(())
    }
}

/// Whether the session is still in force.
fn is_live(records: &Records, id: &SessionId) -> bool {
    records.session(id).is_some_and(|session| {
        let parent = session.parent.as_ref();
        parent.is_none_or(|parent| records.session(parent).is_some())
            && records.user(session.user_key.as_str()).is_some()
    })
}

/// The sessions themselves and those that are bound to them.
fn with_children(records: &Records, sessions: impl IntoIterator<Item = SessionId>) -> Vec<Change> {
    let gone: Vec<SessionId> = sessions.into_iter().collect();
    records
        .sessions()
        .filter(|session| {
            session
                .parent
                .as_ref()
                .is_some_and(|parent| gone.contains(parent))
        })
        .map(|session| session.session_id.clone())
        .chain(gone.iter().cloned())
        .map(Change::DeleteSession)
        .collect()
}

/// Ends the sessions whose cookies the browser sent at sign-in. An app's page may have put another
/// user's cookie there, and of two users' cookies neither counts.
pub(super) fn presented(records: &Records, ids: &[SessionId]) -> Vec<Change> {
    let known = ids.iter().filter(|id| {
        records
            .session(id)
            .is_some_and(|session| session.bound_to.is_none())
    });
    with_children(records, known.cloned())
}

/// A user's oldest sessions, which make room for a new one.
pub(super) fn surplus(records: &Records, user: &UserKey) -> Vec<Change> {
    let mut sessions: Vec<_> = records
        .sessions_of(user)
        .filter(|session| session.bound_to.is_none())
        .collect();
    sessions.sort_by_key(|session| session.last_seen_unix);
    let surplus = (sessions.len() + 1).saturating_sub(MAX_SESSIONS_PER_USER);
    with_children(
        records,
        sessions
            .iter()
            .take(surplus)
            .map(|session| session.session_id.clone()),
    )
}

/// The oldest sessions at the app's site with the same parent, which make room for a new one.
pub(super) fn surplus_bound(records: &Records, new: &SessionRecord) -> Vec<Change> {
    let mut others: Vec<_> = records
        .sessions_of(&new.user_key)
        .filter(|session| session.bound_to == new.bound_to && session.parent == new.parent)
        .collect();
    others.sort_by_key(|session| session.last_seen_unix);
    let surplus = (others.len() + 1).saturating_sub(MAX_BOUND);
    let oldest = others.iter().take(surplus);
    oldest
        .map(|session| Change::DeleteSession(session.session_id.clone()))
        .collect()
}
