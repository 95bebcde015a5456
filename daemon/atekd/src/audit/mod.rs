//! The audit log: who called what with which outcome, which hosts apps reached, what was refused,
//! and which permissions were given and taken.
//!
//! The gateway counts in memory ([`Tally`]); one task owns the rest. It writes counts in intervals
//! (`book`), and each decision of a person durably and before it is answered.
//!
//! | bound | |
//! |---|---|
//! | rows in memory | 48 of one caller, some thousand altogether |
//! | written | 3 MB of counts a day at most; decisions are as many as people make |
//! | kept | 8 MiB of counts, 1 MiB of decisions: the newest |

mod book;
mod files;
mod line;

use crate::directory::{DirectoryView, Entry};
use crate::error_chain::DisplayChain;
use atek_files::FileError;
use atek_host_model::audit::{Counts, RowKey, Tally};
use book::Book;
use files::Files;
use line::lines;
pub use line::{CountLine, Decided};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// How often the counts are taken over from the gateway.
const LOOK: Duration = Duration::from_secs(60);
/// Looks after which new rows are written.
const LOOKS_OF_FLUSH: u32 = 10;
/// Bytes of each file of counts.
const MOST_COUNTS: u64 = 4 << 20;
/// Bytes of each file of decisions.
const MOST_DECIDED: u64 = 512 << 10;

/// Why the log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Its file failed.
    #[error("cannot read the audit log")]
    File(#[from] FileError),
    /// The host is going down.
    #[error("the host is shutting down")]
    ShuttingDown,
}

/// What is known of a time.
#[derive(Debug, Default)]
pub struct Period {
    /// What was counted; each row once.
    pub counts: Vec<CountLine>,
    /// What people decided, the oldest first.
    pub decided: Vec<Decided>,
}

#[derive(Debug)]
enum Ask {
    Note(Vec<Decided>, oneshot::Sender<()>),
    Read(i64, oneshot::Sender<Result<Period, AuditError>>),
}

/// What the rest of the daemon holds: cheap to clone.
#[derive(Debug, Clone)]
pub struct Audit {
    tally: Arc<Tally>,
    asks: mpsc::Sender<Ask>,
}

/// The task's own end.
#[derive(Debug)]
pub struct AuditTask {
    asks: mpsc::Receiver<Ask>,
    tally: Arc<Tally>,
    log: Log,
    directory: DirectoryView,
}

/// What the task owns.
#[derive(Debug)]
struct Log {
    book: Book,
    counts: Files,
    decided: Files,
}

impl Audit {
    /// A log in a folder of `state`, and the task that has to be run.
    #[must_use]
    pub fn new(state: &Path, directory: DirectoryView) -> (Self, AuditTask) {
        let (sender, asks) = mpsc::channel(64);
        let tally = Arc::<Tally>::default();
        let folder = state.join("audit");
        let log = Log {
            book: Book::new(now()),
            counts: Files::new(&folder, "counts.jsonl", MOST_COUNTS),
            decided: Files::new(&folder, "decided.jsonl", MOST_DECIDED),
        };
        let audit = Self {
            tally: tally.clone(),
            asks: sender,
        };
        let task = AuditTask {
            asks,
            tally,
            log,
            directory,
        };
        (audit, task)
    }

    /// Where the gateway counts.
    #[must_use]
    pub fn tally(&self) -> Arc<Tally> {
        self.tally.clone()
    }

    /// Writes decisions down; they are on the disk when this returns. A disk that takes nothing
    /// is named in the journal: what was decided holds all the same.
    pub async fn note(&self, decided: Vec<Decided>) {
        if decided.is_empty() {
            return;
        }
        let (done, written) = oneshot::channel();
        if self.asks.send(Ask::Note(decided, done)).await.is_ok() {
            // The task has gone only when the host has.
            let _ = written.await;
        }
    }

    /// What happened since a time (seconds since 1970).
    ///
    /// # Errors
    ///
    /// [`AuditError`].
    pub async fn read(&self, since: i64) -> Result<Period, AuditError> {
        let (answer, read) = oneshot::channel();
        let asked = self.asks.send(Ask::Read(since, answer)).await;
        asked.map_err(|_| AuditError::ShuttingDown)?;
        read.await.map_err(|_| AuditError::ShuttingDown)?
    }
}

impl AuditTask {
    /// Keeps the log until `stop`, and writes what is left then.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK);
        let mut since_flush = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = looks.tick() => {
                    self.log.book.add(self.tally.take());
                    since_flush += 1;
                    let is_due = since_flush >= LOOKS_OF_FLUSH;
                    if is_due {
                        since_flush = 0;
                    }
                    self.write(is_due, false).await;
                }
                ask = self.asks.recv() => match ask {
                    Some(ask) => self.answer(ask).await,
                    None => break,
                }
            }
        }
        self.log.book.add(self.tally.take());
        self.write(false, true).await;
    }

    /// Writes the rows that are due: new ones, or all when the hour, or the host, ends.
    async fn write(&mut self, is_due: bool, is_last: bool) {
        let directory = self.directory.now();
        let title = |key: &str| {
            let entry = directory.by_key(key);
            entry.map_or_else(String::new, |entry| title_of(entry))
        };
        let now = now();
        let text = if is_last || self.log.book.is_over(now) {
            let (text, left_out) = self.log.book.close(now, title);
            if left_out > 0 {
                tracing::warn!(
                    left_out,
                    "the audit log has no room for all rows of this hour"
                );
            }
            text
        } else if is_due {
            self.log.book.flush(title)
        } else {
            return;
        };
        drop(directory);
        append(&self.log.counts, text, false).await;
    }

    async fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Note(decided, done) => {
                let text = decided.iter().flat_map(line::line).collect();
                append(&self.log.decided, text, true).await;
                // Who asked may have gone.
                let _ = done.send(());
            }
            Ask::Read(since, answer) => {
                self.log.book.add(self.tally.take());
                let unwritten = self.log.book.unwritten();
                let unwritten: Vec<_> = unwritten
                    .map(|(key, counts)| (key.clone(), counts))
                    .collect();
                let files = (self.log.counts.clone(), self.log.decided.clone());
                let reading = tokio::task::spawn_blocking(move || period(&files, unwritten, since));
                let read = reading.await.unwrap_or(Err(AuditError::ShuttingDown));
                // Who asked may have gone.
                let _ = answer.send(read);
            }
        }
    }
}

async fn append(files: &Files, text: Vec<u8>, durably: bool) {
    if text.is_empty() {
        return;
    }
    let files = files.clone();
    let written = tokio::task::spawn_blocking(move || files.append(&text, durably));
    if let Ok(Err(error)) = written.await {
        tracing::error!(error = %DisplayChain(&error), "the audit log could not be written");
    }
}

/// What the files and the memory know of the time since `since`.
fn period(
    (counts, decided): &(Files, Files),
    unwritten: Vec<(RowKey, Counts)>,
    since: i64,
) -> Result<Period, AuditError> {
    let mut rows: HashMap<RowKey, (Counts, String)> = HashMap::new();
    let mut add = |key: RowKey, counts: Counts, title: String| {
        if counts.last < since {
            return;
        }
        match rows.get_mut(&key) {
            Some((known, old)) => {
                known.add(&counts);
                if !title.is_empty() {
                    *old = title;
                }
            }
            None => {
                rows.insert(key, (counts, title));
            }
        }
    };
    for line in lines::<CountLine>(&counts.read()?) {
        add(line.key, line.counts, line.title);
    }
    for (key, counts) in unwritten {
        add(key, counts, String::new());
    }
    let counts = rows
        .into_iter()
        .map(|(key, (counts, title))| CountLine { key, counts, title });
    let text = decided.read()?;
    let decided = lines::<Decided>(&text).filter(|decided| decided.at >= since);
    Ok(Period {
        counts: counts.collect(),
        decided: decided.collect(),
    })
}

/// What people call a service.
fn title_of(entry: &Entry) -> String {
    let title = entry.settings.package.title.clone();
    title.unwrap_or_else(|| entry.id().to_string())
}

/// Seconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;
    use atek_api::audit::{AuditKind, AuditOutcome};
    use atek_host_model::audit::Act;
    use atek_host_model::permissions::Caller;

    fn started(state: &Path) -> (Audit, CancellationToken, tokio::task::JoinHandle<()>) {
        let (_, directory) = crate::directory::directory();
        let (audit, task) = Audit::new(state, directory);
        let stop = CancellationToken::new();
        let running = tokio::spawn(task.run(stop.clone()));
        (audit, stop, running)
    }

    #[tokio::test]
    async fn what_was_noted_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (audit, stop, running) = started(folder.path());
        let act = Act::Call {
            api: "a.b/c",
            method: "get",
            provider: None,
        };
        let note = |audit: &Audit| audit.tally().note(&Caller::System, act, AuditOutcome::Done);
        note(&audit);
        note(&audit);
        audit
            .note(vec![Decided {
                at: now(),
                by: "alice".to_owned(),
                owner: "alice".to_owned(),
                kind: AuditKind::Permission,
                app: "k".to_owned(),
                title: "RSS".to_owned(),
                what: "direct".to_owned(),
                outcome: AuditOutcome::Given,
            }])
            .await;
        let decided = folder.path().join("audit/decided.jsonl");
        let text = std::fs::read_to_string(decided).unwrap();
        assert!(text.ends_with("\"given\"}\n"), "durable at once: {text}");
        let before = audit.read(0).await.unwrap();
        assert_eq!(before.counts[0].counts.count, 2);
        assert!(audit.read(now() + 5).await.unwrap().counts.is_empty());
        stop.cancel();
        running.await.unwrap();
        assert!(matches!(audit.read(0).await, Err(AuditError::ShuttingDown)));

        let (audit, _stop, _running) = started(folder.path());
        note(&audit);
        let after = audit.read(0).await.unwrap();
        assert_eq!(after.counts.len(), 1, "one row for what is the same");
        assert_eq!(after.counts[0].counts.count, 3);
        assert_eq!(after.decided.len(), 1);
    }
}
