//! The task that owns the records.

use super::records::{Change, Records, UserRecord};
use super::store::{OwnedDatabase, Store, StoreError};
use atek_api::backup::StoredDatabase;
use atek_api::ids::{DbId, ServiceKey, UserKey};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// How long a write waits for ADB to come back before it fails.
const PATIENCE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(100);

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The server database has not been read yet.
    #[error("the host is still starting, try again in a moment")]
    NotReady,
    /// ADB did not take the change.
    #[error("the database is not available, try again in a moment")]
    Store(#[source] StoreError),
    /// The disk is full, even what is kept back for the host. Nothing was changed.
    #[error("{}", crate::error_chain::DISK_FULL)]
    DiskFull,
    /// ADB does not answer, and others have waited for that already.
    #[error("the database does not answer, try again in a moment")]
    Busy,
    /// The host is going down.
    #[error("the host is shutting down")]
    ShuttingDown,
}

type Decide = Box<dyn FnOnce(&Records) -> Option<Vec<Change>> + Send>;

struct Update {
    decide: Decide,
    asked: Instant,
    done: oneshot::Sender<Result<(), DatabaseError>>,
}

/// What the rest of the daemon holds: cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    store: Store,
    opened: Arc<watch::Sender<Option<String>>>,
    updates: mpsc::Sender<Update>,
    records: watch::Sender<Arc<Records>>,
}

impl std::fmt::Debug for Update {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Update").finish_non_exhaustive()
    }
}

impl Database {
    /// A database that is not open yet: it has no records and refuses changes.
    ///
    /// Spawns the task that owns the records.
    #[must_use]
    pub fn new(store: Store) -> Self {
        let (updates, inbox) = mpsc::channel(64);
        let records = watch::Sender::new(Arc::new(Records::default()));
        let opened = Arc::new(watch::Sender::new(None));
        let database = Self {
            store,
            opened,
            updates,
            records,
        };
        tokio::spawn(run(
            database.store.clone(),
            database.opened.subscribe(),
            inbox,
            database.records.clone(),
        ));
        database
    }

    /// Opens the server database (an empty id makes a new one) and reads all records.
    ///
    /// Returns the database's id.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when ADB does not answer.
    pub async fn open(&self, server_db_id: &str) -> Result<String, StoreError> {
        let id = self.store.init(server_db_id).await?;
        let mut records = Records::loaded(self.store.load(&id).await?);
        let resolved = records.resolve_former_ids();
        if !resolved.is_empty() {
            self.store.write(&id, &resolved).await?;
        }
        self.records.send_replace(Arc::new(records));
        self.opened.send_replace(Some(id.clone()));
        Ok(id)
    }

    /// Tells a restarted ADB again which database is the server's. The records stay.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when ADB does not answer.
    pub async fn reopen(&self) -> Result<(), StoreError> {
        let id = self.opened.borrow().clone();
        if let Some(id) = id {
            self.store.init(&id).await?;
        }
        Ok(())
    }

    /// The records now.
    #[must_use]
    pub fn records(&self) -> Arc<Records> {
        self.records.borrow().clone()
    }

    /// The records as they change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Records>> {
        self.records.subscribe()
    }

    /// Decides on changes against the newest records and makes them, durably.
    ///
    /// No other change comes between the decision and its effect. An `Err` of
    /// `decide` changes nothing and is handed back.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`], converted into the caller's own error type.
    pub async fn update<T, E>(
        &self,
        decide: impl FnOnce(&Records) -> Result<(T, Vec<Change>), E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let (verdict_tx, verdict) = oneshot::channel();
        let (done, outcome) = oneshot::channel();
        let decide: Decide = Box::new(move |records| {
            let (verdict, changes) = match decide(records) {
                Ok((value, changes)) => (Ok(value), Some(changes)),
                Err(refusal) => (Err(refusal), None),
            };
            // The asker may have gone; the change is made all the same.
            let _ = verdict_tx.send(verdict);
            changes
        });
        let gone = |_| E::from(DatabaseError::ShuttingDown);
        self.updates
            .send(Update {
                decide,
                asked: Instant::now(),
                done,
            })
            .await
            .map_err(|_| E::from(DatabaseError::ShuttingDown))?;
        outcome.await.map_err(gone)?.map_err(E::from)?;
        verdict.await.map_err(gone)?
    }

    /// Deletes every database that a user owns.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Store`].
    pub async fn delete_databases_of(&self, user: &UserKey) -> Result<(), DatabaseError> {
        self.store
            .delete_databases_of(user)
            .await
            .map_err(DatabaseError::Store)
    }

    /// Hands every database of a user over to another one.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Store`]; may be repeated.
    pub async fn give_databases(&self, from: &UserKey, to: &UserKey) -> Result<(), DatabaseError> {
        self.store
            .give_databases(from, to)
            .await
            .map_err(DatabaseError::Store)
    }

    /// All databases but the host's own.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Store`].
    pub async fn all_databases(&self) -> Result<Vec<StoredDatabase>, DatabaseError> {
        let all = self.store.all_databases().await;
        all.map_err(DatabaseError::Store)
    }

    /// Makes a database what the state of a backup has of it, or a new one of it, also for another
    /// app. Returns its id and how many records it has.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Store`]; the present one is as it was.
    pub async fn restore_database(
        &self,
        id: &DbId,
        copy: bool,
        app: Option<(&UserKey, &ServiceKey)>,
    ) -> Result<(DbId, u64), DatabaseError> {
        let restored = self.store.restore_database(id, copy, app).await;
        restored.map_err(DatabaseError::Store)
    }

    /// Deletes a database.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Store`].
    pub async fn delete_database(&self, id: &DbId) -> Result<(), DatabaseError> {
        let deleted = self.store.delete_database(id).await;
        deleted.map_err(DatabaseError::Store)
    }

    /// A user as the state of a backup has it.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Store`].
    pub async fn user_of_backup(&self, key: &UserKey) -> Result<Option<UserRecord>, DatabaseError> {
        let user = self.store.user_of_backup(key).await;
        user.map_err(DatabaseError::Store)
    }

    /// Has the state of a backup removed.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Store`].
    pub async fn close_backup(&self) -> Result<(), DatabaseError> {
        let closed = self.store.close_backup().await;
        closed.map_err(DatabaseError::Store)
    }

    /// From now on, what a service changes in databases can be taken back.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Store`]; may be repeated.
    pub async fn begin_trial(&self, service: &ServiceKey) -> Result<(), DatabaseError> {
        let begun = self.store.begin_trial(service).await;
        begun.map_err(DatabaseError::Store)
    }

    /// Keeps what a service changed since [`Database::begin_trial`], or takes it back.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Store`]; may be repeated.
    pub async fn end_trial(
        &self,
        service: &ServiceKey,
        take_back: bool,
    ) -> Result<(), DatabaseError> {
        let ended = self.store.end_trial(service, take_back).await;
        ended.map_err(DatabaseError::Store)
    }

    /// The user who owns a database of ADB; none: there is no such database.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`].
    pub async fn owner_of_database(&self, id: &DbId) -> Result<Option<UserKey>, DatabaseError> {
        let server_db = self
            .opened
            .borrow()
            .clone()
            .ok_or(DatabaseError::NotReady)?;
        let owner = self.store.owner_of_database(&server_db, id).await;
        owner.map_err(DatabaseError::Store)
    }

    /// The databases that a user owns.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Store`].
    pub async fn databases_of(&self, user: &UserKey) -> Result<Vec<OwnedDatabase>, DatabaseError> {
        self.store
            .databases(user)
            .await
            .map_err(DatabaseError::Store)
    }

    /// Makes changes that need no decision.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`].
    pub async fn write(&self, changes: Vec<Change>) -> Result<(), DatabaseError> {
        self.update(move |_| Ok(((), changes))).await
    }
}

async fn run(
    store: Store,
    opened: watch::Receiver<Option<String>>,
    mut inbox: mpsc::Receiver<Update>,
    records: watch::Sender<Arc<Records>>,
) {
    // Whether ADB may hold something else than the records here: a write whose outcome is not
    // known.
    let mut unsure = false;
    while let Some(Update {
        decide,
        asked,
        done,
    }) = inbox.recv().await
    {
        let db = opened.borrow().clone();
        let outcome = match db {
            None => Err(DatabaseError::NotReady),
            // It waited behind others for a database that hangs.
            Some(_) if unsure && asked.elapsed() > PATIENCE => Err(DatabaseError::Busy),
            Some(db) => change(&store, &db, decide, &records, &mut unsure).await,
        };
        let _ = done.send(outcome);
    }
}

async fn change(
    store: &Store,
    db: &str,
    decide: Decide,
    records: &watch::Sender<Arc<Records>>,
    unsure: &mut bool,
) -> Result<(), DatabaseError> {
    if *unsure {
        // Decided on what ADB really holds. It may have been restarted.
        store.init(db).await.map_err(DatabaseError::Store)?;
        let known = store.load(db).await.map_err(DatabaseError::Store)?;
        records.send_replace(Arc::new(Records::loaded(known)));
        *unsure = false;
    }
    let current = records.borrow().clone();
    let Some(changes) = decide(&current) else {
        return Ok(());
    };
    if changes.is_empty() {
        return Ok(());
    }
    let mut next = Records::clone(&current);
    let changes = next.apply_with_consequences(changes);
    if let Err(error) = write_patiently(store, db, &changes).await {
        *unsure = error.outcome_unknown();
        return Err(if error.is_disk_full() {
            DatabaseError::DiskFull
        } else {
            DatabaseError::Store(error)
        });
    }
    records.send_replace(Arc::new(next));
    Ok(())
}

/// Puts and deletes of whole records may be repeated: a write whose answer got
/// lost in a restart of ADB is simply made again.
async fn write_patiently(store: &Store, db: &str, changes: &[Change]) -> Result<(), StoreError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match store.write(db, changes).await {
            Err(error) if error.is_transient() && Instant::now() < deadline => {
                // A restarted ADB has to be told its server database again.
                if let Err(error) = store.init(db).await {
                    tracing::debug!(error = %error, "cannot set up the restarted database yet");
                }
                tokio::time::sleep(RETRY).await;
            }
            outcome => return outcome,
        }
    }
}
