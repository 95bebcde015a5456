//! The restore of a whole box: fetched while the box is a new one, put in place by the next start
//! of the host.
//!
//! ```text
//! target -> staging/restore, snapshots/KEY/restored -> restore.json -> restart
//!                                                   the deciding step     |
//!             the host's own files, packages, states, the database last <-+
//! ```
//!
//! Interrupted before the file is written, the box is as new. After it, each start goes on with
//! what is not in place yet.

use super::ledger::Ledger;
use super::{BackupError, Backups, choose, runs, servers};
use atek_api::backup::{Event, Manifest, Part, Request, RunId, ServerLogin, StoredService, Target};
use atek_api::secret::Secret;
use atek_api::setup::RestoreStatus;
use atek_api::spec::{BackupSpec, paths};
use atek_files::write_atomic;
use atek_seed::{RecoveryWords, WordsError};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;

const FILE: &str = "restore.json";

/// What of the host's own files is taken from a backup; the rest is of this machine.
const TAKEN: &[&str] = &[
    "config.json",
    "catalogues.json",
    "core-services",
    "authorities.pem",
    "source-tokens",
    "update-history",
    "kept",
    "awake",
    "backups.json",
    "backup-password",
    "backup-password-of-words",
    servers::FILE,
];

/// A backup that this box becomes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WholeBox {
    /// The run.
    pub run: RunId,
    target: Target,
    /// What the server with the target asks for.
    #[serde(default)]
    server_password: Option<Secret>,
    manifest: Manifest,
}

/// The password that was typed: as it is, or as recovery words.
///
/// # Errors
///
/// It is neither.
pub fn typed_password(typed: &Secret) -> Result<Secret, WordsError> {
    let text = typed.expose().trim();
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Secret::new(text.to_lowercase()));
    }
    let words = RecoveryWords::parse(text)?;
    Ok(Secret::new(words.seed().backup_password().as_str()))
}

impl WholeBox {
    /// The one that the last run of the host decided for.
    #[must_use]
    pub fn decided(state: &Path) -> Option<Self> {
        let text = fs::read(state.join(FILE)).ok()?;
        let found = serde_json::from_slice(&text);
        found
            .inspect_err(
                |error| tracing::error!(%error, "cannot understand what is to be restored"),
            )
            .ok()
    }

    /// How many apps it has.
    #[must_use]
    pub fn apps(&self) -> usize {
        let is_app = |service: &&StoredService| !service.id.is_core() && !is_core(service);
        self.manifest.services.iter().filter(is_app).count()
    }

    /// Its name and time zone.
    #[must_use]
    pub fn name_and_zone(&self) -> Option<(&str, &str)> {
        Some((
            self.manifest.name.as_deref()?,
            self.manifest.timezone.as_deref()?,
        ))
    }

    /// Takes over the host's own files. Asking again is harmless.
    ///
    /// # Errors
    ///
    /// What could not be moved.
    pub fn take_host_files(&self, state: &Path) -> Result<(), BackupError> {
        self.take_from(&Path::new(paths::RESTORE).join("host"), state)
    }

    fn take_from(&self, restored: &Path, state: &Path) -> Result<(), BackupError> {
        for name in TAKEN {
            move_over(&restored.join(name), &state.join(name)).map_err(BackupError::HostFiles)?;
        }
        servers::remember(state, &self.target, self.server_password.as_ref())?;
        // The next backup goes where this one was.
        let mut ledger = Ledger::read(state);
        ledger.settings.target = Some(self.target.clone());
        ledger.write(state)
    }

    fn parts(&self) -> Vec<Part> {
        let services = self.manifest.services.iter();
        let parts = services.flat_map(|service| {
            let package = service.version.clone();
            let package = package.map(|version| Part::Package(service.key.clone(), version));
            [Some(Part::State(service.key.clone())), package]
        });
        parts.flatten().chain([Part::Host]).collect()
    }
}

fn is_core(service: &StoredService) -> bool {
    service.key.as_str().starts_with("core.")
}

/// Puts a file or folder in the place of another; one that is not there was moved before.
fn move_over(from: &Path, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if found.is_dir() => match fs::remove_dir_all(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        },
        Ok(_) => {}
    }
    fs::rename(from, to)?;
    fs::File::open(to.parent().unwrap_or(to))?.sync_all()
}

impl Backups {
    /// Looks for a whole run, the last one unless it is named.
    ///
    /// # Errors
    ///
    /// The target cannot be opened with this password, or there is no such run.
    pub async fn find_box(
        &self,
        target: &Target,
        server_password: Option<&Secret>,
        password: &Secret,
        run: Option<&RunId>,
    ) -> Result<WholeBox, BackupError> {
        let _turn = self.take("restore")?;
        let place = self.locate(target).await?;
        let (login, link) = self.login(target, server_password)?;
        let open = open(place.target(), password, login);
        let spec = BackupSpec {
            line: place.server.is_some(),
            target: place.folder,
            disk: place.disk,
            restore: Vec::new(),
            whole: false,
            read: true,
        };
        let mut job = self.open_job(&spec, &open, link).await?;
        let name = run.map(ToString::to_string);
        let run = choose(&runs(&mut job).await?, &Part::Host, name.as_deref())?;
        let ask = Request::Manifest { run: run.clone() };
        let Event::Manifest { manifest } = job.ask(&ask).await? else {
            return Err(BackupError::Malformed);
        };
        Ok(WholeBox {
            run,
            target: target.clone(),
            server_password: server_password.cloned(),
            manifest: serde_json::from_value(manifest).map_err(|_| BackupError::Malformed)?,
        })
    }

    /// Fetches everything that a box is made of. Nothing of it is in force.
    ///
    /// # Errors
    ///
    /// What could not be fetched.
    pub async fn fetch_box(&self, found: &WholeBox, password: &Secret) -> Result<(), BackupError> {
        let _turn = self.take("restore")?;
        let place = self.locate(&found.target).await?;
        let (login, link) = self.login(&found.target, found.server_password.as_ref())?;
        let open = open(place.target(), password, login);
        let services = found.manifest.services.iter();
        let spec = BackupSpec {
            line: place.server.is_some(),
            target: place.folder,
            disk: place.disk,
            restore: services.map(|service| service.key.clone()).collect(),
            whole: true,
            read: true,
        };
        let parts = found.parts();
        let mut job = self.open_job(&spec, &open, link).await?;
        for (done, part) in parts.iter().enumerate() {
            self.restoring.send_replace(RestoreStatus {
                running: true,
                done,
                total: parts.len(),
                problem: None,
            });
            let restore = Request::Restore {
                run: found.run.clone(),
                part: part.clone(),
                into: None,
                path: None,
            };
            let Event::Restored { .. } = job.ask(&restore).await? else {
                return Err(BackupError::Malformed);
            };
        }
        Ok(())
    }

    /// Decides that this box becomes the one that was fetched, and has the host start again.
    ///
    /// # Errors
    ///
    /// That is not written down; the box is as new.
    pub fn become_box(&self, found: &WholeBox) -> Result<(), BackupError> {
        let text = serde_json::to_vec(found).map_err(|_| BackupError::Malformed)?;
        write_atomic(&self.state.join(FILE), &text, 0o600)?;
        tracing::info!(run = %found.run, "the box becomes the one of a backup");
        self.restart.notify_one();
        Ok(())
    }

    /// Waits until the host is to start again.
    pub async fn restart_wanted(&self) {
        self.restart.notified().await;
    }

    /// Puts everything in place, before anything is started. Asking again is harmless.
    ///
    /// # Errors
    ///
    /// What could not be put in place.
    pub async fn put_box(&self, found: &WholeBox) -> Result<(), BackupError> {
        self.services.put_box(&found.manifest.services).await?;
        self.spawn.drop_restored().await?;
        atek_files::remove(&self.state.join(FILE))?;
        tracing::info!(run = %found.run, "the box is the one of the backup");
        Ok(())
    }

    /// How far the restore of a whole box is.
    #[must_use]
    pub fn restoring(&self) -> RestoreStatus {
        self.restoring.borrow().clone()
    }

    /// Tells how the restore of a whole box goes on.
    pub fn tell_restoring(&self, status: RestoreStatus) {
        self.restoring.send_replace(status);
    }
}

fn open(target: Target, password: &Secret, login: Option<ServerLogin>) -> Request {
    Request::Open {
        target,
        password: password.clone(),
        older: None,
        login,
        create: false,
        read: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_the_password_itself_open_a_backup() {
        let words = RecoveryWords::from_entropy(&[7; 32]);
        let typed: Vec<_> = words.words().collect();
        let password = words.seed().backup_password();
        for text in [typed.join(" "), password.to_uppercase()] {
            let read = typed_password(&Secret::new(text)).unwrap();
            assert_eq!(read.expose(), password.as_str());
        }
        assert!(typed_password(&Secret::new("a b c")).is_err());
    }

    #[test]
    fn the_hosts_own_files_are_taken_over_once_and_the_rest_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let (restored, state) = (folder.path().join("host"), folder.path().join("state"));
        for path in [&restored, &state] {
            fs::create_dir_all(path.join("kept")).unwrap();
        }
        fs::write(restored.join("config.json"), "old box").unwrap();
        fs::write(restored.join("kept/k1.json"), "{}").unwrap();
        fs::write(restored.join("claim-code"), "old").unwrap();
        fs::write(state.join("config.json"), "new box").unwrap();
        fs::write(state.join("kept/k2.json"), "{}").unwrap();
        let found = WholeBox {
            run: RunId::at(0),
            target: Target::Folder {
                path: "/mnt/disk".into(),
            },
            server_password: None,
            manifest: Manifest::default(),
        };
        for _ in 0..2 {
            found.take_from(&restored, &state).unwrap();
            let read = |name: &str| fs::read_to_string(state.join(name)).unwrap_or_default();
            assert_eq!(read("config.json"), "old box");
            assert_eq!(read("kept/k1.json"), "{}");
            assert_eq!(read("kept/k2.json") + &read("claim-code"), "");
            assert_eq!(
                Ledger::read(&state).settings.target.as_ref(),
                Some(&found.target)
            );
        }
    }
}
