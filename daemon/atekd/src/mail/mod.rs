//! Mail to administrators: what is wrong with backups and disks, once for each event.
//!
//! Settings are in `mail.json`, with the password; what was mailed and what waits is in
//! `mail-outbox.json`.

mod outbox;
mod send;
mod settings;
mod wire;

use crate::authorities::Authorities;
use crate::error_chain::DisplayChain;
use atek_api::mail::{MailChanges, MailStatus};
use atek_files::FileError;
use jiff::Timestamp;
pub use outbox::Notice;
use outbox::Outbox;
use send::{Letter, send};
use settings::Decided;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use tokio::sync::{Mutex, Notify, watch};

/// Why mail was not set up, or not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// A setting that cannot be right.
    #[error("{0}")]
    Form(&'static str),
    /// An address that is none.
    #[error("{0} is no mail address, such as anna@example.org")]
    Address(String),
    /// A user without one.
    #[error("the password of the user at the mail server is needed")]
    NoPassword,
    /// Nothing is set up.
    #[error("no mail server is set: atek mail set sets one")]
    NotSet,
    /// Nothing answers there.
    #[error("the mail server cannot be reached ({0}): are its name and port right?")]
    Unreachable(io::Error),
    /// It took too long.
    #[error("the mail server does not answer: are its port and its kind of encryption right?")]
    Slow,
    /// It is not who it should be.
    #[error(
        "the certificate of the mail server is not right ({0}): check its name, or add its authority with atek authorities --add"
    )]
    Certificate(String),
    /// TLS did not come about.
    #[error(
        "the connection could not be encrypted ({0}): is the kind of encryption that of this port?"
    )]
    Tls(String),
    /// It does not know STARTTLS.
    #[error(
        "the mail server does not offer STARTTLS, and nothing was sent: set TLS, or another port"
    )]
    NoTls,
    /// It does not let the user in.
    #[error("the mail server refuses the user or the password: {0}")]
    Login(String),
    /// It knows no users, or none of the ways in which the box signs in.
    #[error("the mail server offers no way to sign in by a password: leave the user out")]
    NoLogin,
    /// It does not take the mail.
    #[error("the mail server refuses the mail: {0}")]
    Refused(String),
    /// It does not take it now.
    #[error("the mail server does not take the mail now: {0}")]
    Later(String),
    /// The conversation ended.
    #[error("the mail server ended the connection, or is none: {0}")]
    Broken(String),
    /// The settings cannot be stored.
    #[error("the settings could not be stored")]
    File(#[from] FileError),
}

impl MailError {
    /// The reason for programs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Form(_) | Self::Address(_) => "mail-settings",
            Self::NoPassword => "mail-password",
            Self::NotSet => "mail-not-set",
            Self::Unreachable(_) | Self::Slow => "mail-unreachable",
            Self::Certificate(_) => "mail-certificate",
            Self::Tls(_) | Self::NoTls => "mail-encryption",
            Self::Login(_) | Self::NoLogin => "mail-login",
            Self::Refused(_) | Self::Later(_) | Self::Broken(_) => "mail-refused",
            Self::File(_) => "failed",
        }
    }
}

/// The box's mail. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mail {
    state: PathBuf,
    authorities: Authorities,
    /// The box's name.
    name: watch::Receiver<Option<String>>,
    /// Kept in memory as well: of a disk that cannot be read any more, too, mail is sent.
    decided: Arc<StdMutex<Option<Decided>>>,
    outbox: Arc<StdMutex<Outbox>>,
    /// The turn of one that sends.
    turn: Arc<Mutex<()>>,
    changed: Arc<Notify>,
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

fn time_text(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or_default();
    time.to_string()
}

impl Mail {
    /// Mail as it is decided in the folder `state`.
    #[must_use]
    pub fn new(
        state: PathBuf,
        authorities: Authorities,
        name: watch::Receiver<Option<String>>,
    ) -> Self {
        let outbox = Arc::new(StdMutex::new(Outbox::read(&state)));
        let decided = Arc::new(StdMutex::new(settings::read(&state)));
        Self {
            state,
            authorities,
            name,
            decided,
            outbox,
            turn: Arc::default(),
            changed: Arc::default(),
        }
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decided(&self) -> Option<Decided> {
        let decided = self.decided.lock().unwrap_or_else(PoisonError::into_inner);
        decided.clone()
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> MailStatus {
        let decided = self.decided();
        let outbox = self.outbox();
        MailStatus {
            has_password: decided.as_ref().is_some_and(|it| it.password.is_some()),
            settings: decided.map(|it| it.settings),
            waiting: outbox.waiting.len(),
            problem: outbox.problem.clone(),
            last_sent: outbox.last_sent.map(time_text),
        }
    }

    /// Changes what was decided.
    ///
    /// # Errors
    ///
    /// A setting cannot be right, or it cannot be stored; nothing is changed.
    pub fn set(&self, changes: MailChanges) -> Result<MailStatus, MailError> {
        let decided = {
            let mut known = self.decided.lock().unwrap_or_else(PoisonError::into_inner);
            let decided = settings::changed(known.clone(), changes)?;
            settings::write(&self.state, decided.as_ref())?;
            known.clone_from(&decided);
            decided
        };
        {
            let mut outbox = self.outbox();
            match &decided {
                Some(_) => outbox.try_now(),
                // What holds when mail is set up again is told then.
                None => *outbox = Outbox::default(),
            }
            outbox.write(&self.state);
        }
        tracing::info!(on = decided.is_some(), "the settings of mail were changed");
        self.changed.notify_one();
        Ok(self.status())
    }

    /// Sends a mail that says that mail works: as these settings say, or those that are decided.
    ///
    /// # Errors
    ///
    /// Why the server did not take it.
    pub async fn test(&self, changes: Option<MailChanges>) -> Result<(), MailError> {
        let decided = self.decided();
        let decided = match changes {
            Some(changes) => settings::changed(decided, changes)?,
            None => decided,
        };
        let decided = decided.ok_or(MailError::NotSet)?;
        let name = self.box_name();
        let letter = Letter {
            id: format!("test.{}", now()),
            subject: format!("{name}: mail works"),
            body: format!(
                "This is a test, which an administrator of the home server {name} asked for.\n\n\
                 It will write when a backup is missed or fails, and when a disk or card fails.\n"
            ),
        };
        let _turn = self.turn.lock().await;
        let sent = send(&decided, &self.authorities.pem(), &letter).await;
        match &sent {
            Ok(()) => {
                let mut outbox = self.outbox();
                // The same way is open to what waits.
                outbox.try_now();
                outbox.last_sent = Some(now());
                outbox.write(&self.state);
                self.changed.notify_one();
            }
            Err(error) => {
                tracing::warn!(error = %DisplayChain(error), "a test mail was not sent");
            }
        }
        sent
    }

    /// Notes what is wrong now, and sends what is due. To be called now and then.
    pub async fn tell(&self, holding: &[Notice]) {
        let Some(decided) = self.decided() else {
            return;
        };
        let letter = {
            let mut outbox = self.outbox();
            if outbox.see(now(), holding) {
                outbox.write(&self.state);
            }
            outbox.is_due(now()).then(|| self.letter(&outbox))
        };
        if let Some((letter, count)) = letter {
            self.send_waiting(&decided, &letter, count).await;
        }
    }

    async fn send_waiting(&self, decided: &Decided, letter: &Letter, count: usize) {
        let _turn = self.turn.lock().await;
        let sent = send(decided, &self.authorities.pem(), letter).await;
        let mut outbox = self.outbox();
        match sent {
            Ok(()) => {
                tracing::info!(notices = count, "administrators were told by mail");
                outbox.sent(now(), count);
            }
            Err(error) => {
                let problem = DisplayChain(&error).to_string();
                tracing::warn!(
                    error = problem,
                    "a notice could not be mailed; it is tried again"
                );
                outbox.failed(now(), problem);
            }
        }
        outbox.write(&self.state);
    }

    /// All that waits in one mail, and how much that is.
    fn letter(&self, outbox: &Outbox) -> (Letter, usize) {
        let name = self.box_name();
        let count = outbox.waiting.len();
        let first = outbox.waiting.first();
        let title = first.map_or("", |waiting| waiting.notice.title.as_str());
        let subject = match count {
            1 => format!("{name}: {title}"),
            more => format!("{name}: {title}, and {} more", more - 1),
        };
        let mut body = format!("This is the home server {name}.\n");
        for waiting in &outbox.waiting {
            let (at, notice) = (time_text(waiting.at), &waiting.notice);
            body += &format!("\n{} ({at})\n{}\n", notice.title, notice.text);
        }
        body += &format!(
            "\nIts pages Backups and System say more: http://{name}.local\nThis is said once, and not again while it lasts.\n"
        );
        let first = first.map_or(0, |waiting| waiting.at);
        let id = format!("{first}.{count}.{}", outbox.last_sent.unwrap_or(0));
        (Letter { id, subject, body }, count)
    }

    fn box_name(&self) -> String {
        let name = self.name.borrow().clone();
        name.unwrap_or_else(|| "atek".to_owned())
    }

    /// Waits until the settings are changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}
