//! First boot: until there is an administrator, the person with the claim code may become one.
//!
//! ```text
//!  records ──> [keep] ── an administrator? ── no ──> the code, in its two files
//!                                          └─ yes ─> the files are removed
//! ```
//!
//! Whether setup is needed is read from the records alone, where the administrator is
//! the commit; the files follow. So a power cut at any step leaves one or the other.

mod code;
mod fields;
mod files;
mod problems;
mod reset;

pub use code::ClaimCode;
pub use fields::{BadField, added_names, box_name, no_such_zone, timezone};
pub use files::{ClaimFiles, FilesError};
pub use reset::PasswordReset;

use crate::database::{Database, Records};
use crate::error_chain::DisplayChain;
use crate::layout::Layout;
use crate::system;
use crate::systemd::HostSettings;
use crate::throttle::{Attempt, AttemptOrigin, Terms, Throttle, TooMany};
use atek_api::setup::Status;
pub use atek_host_model::setup::Ownership;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{MutexGuard, watch};
use tokio::time::Instant;

/// How wrong codes of all guessers together slow down the attempts: after 600, one a second.
/// With 40 bits that is thousands of years of guessing, and the owner waits a second.
const CODE: Terms = Terms {
    free: 600,
    longest_ms: 1_000,
};

/// Why a claim code was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadClaim {
    /// It is another one.
    #[error("that is not the code that the box shows")]
    Wrong,
    /// Too many wrong ones.
    #[error("too many wrong codes, try again in {0} seconds")]
    Throttled(u64),
    /// The box has just started.
    #[error("the code is not made yet, try again in a moment")]
    NotMade,
}

/// Whether the box has an owner, by its records.
fn ownership_of(records: &Records) -> Ownership {
    if !records.is_ready() {
        Ownership::Unknown
    } else if records.has_admin() {
        Ownership::Claimed
    } else {
        Ownership::Unclaimed
    }
}

/// What the rest of the daemon holds: cheap to clone.
#[derive(Debug, Clone)]
pub struct Setup {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    host_settings: HostSettings,
    files: ClaimFiles,
    report: PathBuf,
    reset_files: reset::ResetFiles,
    /// Owned by [`Setup::keep`].
    code: watch::Sender<Option<ClaimCode>>,
    /// Filled by [`Setup::keep`]; emptied when the password is set, and when its time is over.
    reset: watch::Sender<Option<PasswordReset>>,
    throttle: Throttle,
    /// Held while one setup or password reset changes the box.
    turn: tokio::sync::Mutex<()>,
}

impl Setup {
    /// A box whose claim code lies where the layout says.
    #[must_use]
    pub fn new(database: Database, host_settings: HostSettings, layout: &Layout) -> Self {
        let files = ClaimFiles {
            kept: layout.claim_code(),
            shown: layout.shown_claim_code(),
        };
        Self {
            inner: Arc::new(Inner {
                database,
                host_settings,
                files,
                report: Path::new(problems::REPORT).to_owned(),
                reset_files: reset::ResetFiles {
                    request: layout.password_reset(),
                    code: ClaimFiles {
                        kept: layout.password_reset_code(),
                        shown: layout.shown_claim_code(),
                    },
                },
                code: watch::Sender::new(None),
                reset: watch::Sender::new(None),
                throttle: Throttle::new(CODE),
                turn: tokio::sync::Mutex::new(()),
            }),
        }
    }

    /// Whether the box waits for its owner. Costs no I/O.
    #[must_use]
    pub fn ownership(&self) -> Ownership {
        ownership_of(&self.inner.database.records())
    }

    /// Whether there is a user who could sign in: users may exist before an administrator does.
    #[must_use]
    pub fn has_users(&self) -> bool {
        self.inner.database.records().users().next().is_some()
    }

    /// Makes the claim code while there is no administrator, and removes it when there is.
    /// Never ends.
    pub async fn keep(&self) {
        let mut records = self.inner.database.watch();
        let mut applied = Ownership::Unknown;
        loop {
            let ownership = ownership_of(&records.borrow_and_update());
            if ownership != applied {
                match self.settle(ownership).await {
                    Ok(()) => applied = ownership,
                    // Tried again at the next change of the records, and at the next start.
                    Err(error) => {
                        tracing::error!(error = %DisplayChain(&error), "cannot keep the claim code");
                    }
                }
            }
            if records.changed().await.is_err() {
                return;
            }
        }
    }

    async fn settle(&self, ownership: Ownership) -> Result<(), files::FilesError> {
        let files = self.inner.files.clone();
        let code = match ownership {
            Ownership::Unknown => return Ok(()),
            Ownership::Unclaimed => Some(blocking(move || files.load_or_make()).await?),
            Ownership::Claimed => {
                self.inner.code.send_replace(None);
                blocking(move || files.remove()).await?;
                self.begin_reset().await?;
                None
            }
        };
        if code.is_some() {
            tracing::info!("the box has no administrator yet; `atek claim` shows its claim code");
        }
        self.inner.code.send_replace(code);
        Ok(())
    }

    /// Shows the code for a new password, where the card asks for one, and ends that in time.
    async fn begin_reset(&self) -> Result<(), files::FilesError> {
        let files = self.inner.reset_files.clone();
        let Some(reset) = blocking(move || files.load()).await? else {
            return Ok(());
        };
        tracing::info!("the card asks for a new password; the screen shows the code for it");
        let until = reset.until;
        self.inner.reset.send_replace(Some(reset));
        let setup = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(until).await;
            if let Err(error) = setup.end_reset().await {
                tracing::error!(error = %DisplayChain(&error), "cannot remove the request for a new password");
            }
        });
        Ok(())
    }

    /// The request for a new password that waits for its code.
    #[must_use]
    pub fn reset(&self) -> Option<PasswordReset> {
        let reset = self.inner.reset.borrow().clone();
        reset.filter(|reset| Instant::now() < reset.until)
    }

    /// Ends the request for a new password: it was set, or the time for it is over.
    ///
    /// # Errors
    ///
    /// When its files cannot be removed; the code is worth nothing all the same until the next
    /// start.
    pub async fn end_reset(&self) -> Result<(), FilesError> {
        if self.inner.reset.send_replace(None).is_none() {
            return Ok(());
        }
        let files = self.inner.reset_files.clone();
        blocking(move || files.remove()).await
    }

    /// Compares what a person typed with the code for a new password.
    ///
    /// # Errors
    ///
    /// [`BadClaim`]; [`BadClaim::NotMade`] also where the card asks for no new password.
    pub async fn check_reset(
        &self,
        typed: &str,
        address: Option<IpAddr>,
    ) -> Result<PasswordReset, BadClaim> {
        let reset = self.reset().ok_or(BadClaim::NotMade)?;
        self.compare(typed, &reset.code, Some(AttemptOrigin::at(address)))
            .await?;
        Ok(reset)
    }

    /// The claim code, for the box's owner only; none once it is claimed.
    #[must_use]
    pub fn code(&self) -> Option<ClaimCode> {
        self.inner.code.borrow().clone()
    }

    /// Compares what a person typed with the claim code. `throttled` is false for the host itself.
    ///
    /// # Errors
    ///
    /// [`BadClaim`].
    pub async fn check(
        &self,
        typed: &str,
        address: Option<IpAddr>,
        throttled: bool,
    ) -> Result<(), BadClaim> {
        let code = self.code().ok_or(BadClaim::NotMade)?;
        let guesser = throttled.then(|| AttemptOrigin::at(address));
        self.compare(typed, &code, guesser).await
    }

    /// Admits an attempt at the recovery words, which waits its turn after wrong ones.
    ///
    /// # Errors
    ///
    /// [`BadClaim::Throttled`].
    pub async fn admit_words(&self, address: Option<IpAddr>) -> Result<Attempt, BadClaim> {
        let admitted = self
            .inner
            .throttle
            .admit("words", AttemptOrigin::at(address));
        admitted
            .await
            .map_err(|TooMany(seconds)| BadClaim::Throttled(seconds))
    }

    async fn compare(
        &self,
        typed: &str,
        code: &ClaimCode,
        guesser: Option<AttemptOrigin>,
    ) -> Result<(), BadClaim> {
        let attempt = match guesser {
            Some(guesser) => {
                let admitted = self.inner.throttle.admit("", guesser).await;
                Some(admitted.map_err(|TooMany(seconds)| BadClaim::Throttled(seconds))?)
            }
            None => None,
        };
        if !ClaimCode::read(typed).is_some_and(|typed| typed.is(code)) {
            return Err(BadClaim::Wrong);
        }
        if let Some(attempt) = attempt {
            attempt.succeed();
        }
        Ok(())
    }

    /// What the setup page is told.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.ownership() {
            Ownership::Unclaimed => Status::needed(
                self.inner.host_settings.name().unwrap_or_default(),
                system::timezone(),
                problems::read(&self.inner.report),
            ),
            Ownership::Unknown | Ownership::Claimed => Status::done(),
        }
    }

    /// The box's name, as [`HostSettings::name`].
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.inner.host_settings.name()
    }

    /// A zone that this machine knows.
    ///
    /// # Errors
    ///
    /// [`BadField`] `timezone`.
    pub fn known_timezone<'a>(&self, text: &'a str) -> Result<&'a str, BadField> {
        let zone = timezone(text)?;
        if self.inner.host_settings.knows_timezone(zone) {
            Ok(zone)
        } else {
            Err(fields::no_such_zone())
        }
    }

    /// Waits for one's turn: of two who set the box up at the same time, the second one
    /// finds it done and has changed nothing.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.inner.turn.lock().await
    }

    /// Gives the box its name and time zone. What could not be done is told in words: a box
    /// without these services can be set up all the same.
    pub async fn apply(&self, name: &str, zone: &str) -> Vec<String> {
        let host_settings = &self.inner.host_settings;
        let mut problems = Vec::new();
        if host_settings.name().as_deref() != Some(name)
            && let Err(error) = host_settings.set_name(name).await
        {
            problems.push(DisplayChain(&error).to_string());
        }
        if system::timezone() != zone
            && let Err(error) = host_settings.set_timezone(zone).await
        {
            problems.push(DisplayChain(&error).to_string());
        }
        for problem in &problems {
            tracing::warn!(problem, "a setting of the machine was not changed");
        }
        problems
    }
}

/// File work off the event loop.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, files::FilesError> + Send + 'static,
) -> Result<T, files::FilesError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
