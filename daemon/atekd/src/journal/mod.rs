//! The log of a service, from systemd's journal: its own lines, and what systemd says
//! about its unit, so that a person sees starts and ends with their reasons between them.
//!
//! A service's lines are found by its key, which journald adds from the unit
//! (`LogExtraFields=`): they survive a rename, and a service that takes over an id does
//! not see its predecessor's. They come from its standard output alone, where a program
//! cannot add fields of its own.
//!
//! libsystemd blocks, so a page is read on a blocking thread and a follower has a thread.

mod clean;
mod kernel;
mod options;
mod read;

pub use kernel::DiskErrors;
pub use options::InvalidOption;

use atek_api::ids::{ServiceId, ServiceKey};
use atek_api::services::{LogEntry, LogOptions, LogPage};
use futures_util::stream::Stream;
use options::Query;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

/// Pages that are read at the same time; more wait.
const READERS: usize = 4;
/// Followers of all services together; more are refused.
const FOLLOWERS: usize = 64;
/// Lines that may wait for a slow follower; then its thread waits.
const AHEAD: usize = 256;

/// Why there are no lines.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// See [`InvalidOption`].
    #[error(transparent)]
    Option(#[from] InvalidOption),
    /// libsystemd failed.
    #[error("cannot {step} the journal")]
    Journal {
        /// What was to be done with it.
        step: &'static str,
        /// The cause.
        #[source]
        source: systemd::Error,
    },
    /// See [`FOLLOWERS`].
    #[error("too many logs are being followed, close one first")]
    TooMany,
    /// The reading thread is gone.
    #[error("the log could not be read to its end")]
    Aborted,
}

/// Whose log is read.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Finds the service's own lines.
    pub key: ServiceKey,
    /// Finds what systemd says about its unit.
    pub id: ServiceId,
}

/// The journal of this machine. Clones share the room for readers.
#[derive(Debug, Clone)]
pub struct Logbook {
    readers: Arc<Semaphore>,
    followers: Arc<Semaphore>,
}

impl Default for Logbook {
    fn default() -> Self {
        Self::with_room(READERS, FOLLOWERS)
    }
}

impl Logbook {
    fn with_room(readers: usize, followers: usize) -> Self {
        Self {
            readers: Arc::new(Semaphore::new(readers)),
            followers: Arc::new(Semaphore::new(followers)),
        }
    }

    /// A page of a log: after `cursor` if one is given, otherwise the newest lines.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn page(&self, subject: &Subject, options: &LogOptions) -> Result<LogPage, LogError> {
        let query = Query::parse(options, now_usec())?;
        let subject = subject.clone();
        let permit = self
            .readers
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| LogError::Aborted)?;
        let read = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut reader = read::Reader::open(&subject, &query)?;
            let entries = reader.page(&query)?;
            let cursor = entries
                .last()
                .map(|entry| entry.cursor.clone())
                .or(query.cursor);
            Ok(LogPage { entries, cursor })
        });
        read.await.map_err(|_| LogError::Aborted)?
    }

    /// The same page, and then new lines as they come. The stream ends when the journal
    /// cannot be read any more; dropping it ends the reading.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn follow(
        &self,
        subject: &Subject,
        options: &LogOptions,
    ) -> Result<impl Stream<Item = LogEntry> + Send + use<>, LogError> {
        let query = Query::parse(options, now_usec())?;
        let subject = subject.clone();
        let permit = self
            .followers
            .clone()
            .try_acquire_owned()
            .map_err(|_| LogError::TooMany)?;
        let (lines, stream) = mpsc::channel(AHEAD);
        let (opened_tx, opened) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new().name("journal".to_owned());
        let spawned = thread.spawn(move || {
            let _permit = permit;
            // libsystemd's reader stays in its thread.
            let mut reader = match read::Reader::open(&subject, &query) {
                Ok(reader) => {
                    let _ = opened_tx.send(Ok(()));
                    reader
                }
                Err(error) => {
                    let _ = opened_tx.send(Err(error));
                    return;
                }
            };
            if let Err(error) = reader.follow(&query, &lines) {
                let error = crate::error_chain::DisplayChain(&error);
                tracing::warn!(key = %subject.key, %error, "stopped following a log");
            }
        });
        if spawned.is_err() {
            return Err(LogError::TooMany);
        }
        opened.await.map_err(|_| LogError::Aborted)??;
        Ok(ReceiverStream::new(stream))
    }
}

fn now_usec() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_followers_of_one_host_took_the_room_of_every_other_in_the_process() {
        let subject = Subject {
            key: "k1".parse().unwrap(),
            id: "rss".parse().unwrap(),
        };
        let options = LogOptions::default();
        let (full, other) = (Logbook::with_room(1, 0), Logbook::default());
        let refused = full.clone().follow(&subject, &options).await.err();
        assert!(matches!(refused, Some(LogError::TooMany)), "{refused:?}");
        // Whether this machine has a journal or not: there is room.
        let outcome = other.follow(&subject, &options).await.err();
        assert!(!matches!(outcome, Some(LogError::TooMany)), "{outcome:?}");
    }
}
