//! Other homes that keep their backups here: whom an administrator let in, with how many bytes, and
//! their folders. What they store is encrypted with keys that this home does not have.

mod answer;
mod shelf;

use crate::random;
use atek_api::backup::{BackupGuest, GUESTS_PATH, GuestName, InviteGuest, InvitedGuest};
use atek_api::secret::Secret;
use atek_files::{FileError, write_atomic};
use serde::{Deserialize, Serialize};
use shelf::Shelf;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use subtle::ConstantTimeEq as _;

/// Who may keep what, below the host's state.
const LEDGER: &str = "backup-guests.json";
/// Their folders, which are not backed up with this home.
const FOLDERS: &str = "guests";
/// Guests of one home.
const MOST: usize = 32;

/// Why something about guests was not done.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// None of that name.
    #[error("no home keeps backups here under the name {0}")]
    Unknown(GuestName),
    /// There are many.
    #[error("{MOST} homes keep backups here already")]
    TooMany,
    /// Who was let in cannot be read: no home is let in, and nothing is overwritten.
    #[error("who keeps backups here cannot be read")]
    Ledger(#[source] io::Error),
    /// It could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder cannot be used.
    #[error("cannot {0} the folder of a guest")]
    Folder(&'static str, #[source] io::Error),
    /// There is no chance.
    #[error("cannot make a password")]
    Password,
}

/// One that was let in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Admitted {
    quota: u64,
    /// Of its password, which has 128 bits of chance.
    digest: String,
}

type Ledger = BTreeMap<GuestName, Admitted>;

/// The guests of this home. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Guests {
    state: PathBuf,
    known: Arc<Mutex<Known>>,
}

/// What is known of guests while the host runs.
#[derive(Debug, Default)]
struct Known {
    /// None until it was read.
    ledger: Option<Ledger>,
    /// Folders that were used.
    open: HashMap<GuestName, Arc<Shelf>>,
}

impl Guests {
    /// Those of the host with this state.
    #[must_use]
    pub fn new(state: PathBuf) -> Self {
        Self {
            state,
            known: Arc::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who was let in. Read once; when that is the first time, what former guests left is removed.
    fn ledger<'k>(&self, known: &'k mut Known) -> Result<&'k mut Ledger, GuestError> {
        let ledger = match known.ledger.take() {
            Some(ledger) => ledger,
            None => {
                let ledger = self.read()?;
                self.remove_former(&ledger);
                ledger
            }
        };
        Ok(known.ledger.insert(ledger))
    }

    fn read(&self) -> Result<Ledger, GuestError> {
        match fs::read(self.state.join(LEDGER)) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| GuestError::Ledger(io::Error::other(error))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ledger::new()),
            Err(error) => Err(GuestError::Ledger(error)),
        }
    }

    fn write(&self, ledger: &Ledger) -> Result<(), GuestError> {
        let text = serde_json::to_vec_pretty(ledger)
            .map_err(|error| GuestError::Ledger(io::Error::other(error)))?;
        Ok(write_atomic(&self.state.join(LEDGER), &text, 0o600)?)
    }

    fn folder(&self, name: &GuestName) -> PathBuf {
        self.state.join(FOLDERS).join(name.as_str())
    }

    /// Removes the folders of guests that are in the ledger no more: their removal was cut short.
    fn remove_former(&self, ledger: &Ledger) {
        let Ok(folders) = fs::read_dir(self.state.join(FOLDERS)) else {
            return;
        };
        for folder in folders.flatten() {
            let name = folder.file_name();
            if ledger.keys().any(|guest| name == guest.as_str()) {
                continue;
            }
            if let Err(error) = fs::remove_dir_all(folder.path()) {
                tracing::warn!(%error, ?name, "cannot remove the backups of a former guest");
            }
        }
    }

    /// Lets a home in, or gives one that is here another password and other bounds. Blocks.
    ///
    /// # Errors
    ///
    /// Nothing was changed.
    pub fn invite(&self, invited: &InviteGuest) -> Result<InvitedGuest, GuestError> {
        let mut known = self.known();
        let mut ledger = self.ledger(&mut known)?.clone();
        if ledger.len() >= MOST && !ledger.contains_key(&invited.name) {
            return Err(GuestError::TooMany);
        }
        let password = random::hex::<16>().map_err(|_| GuestError::Password)?;
        let admitted = Admitted {
            quota: invited.quota,
            digest: random::digest(password.expose()),
        };
        ledger.insert(invited.name.clone(), admitted);
        self.write(&ledger)?;
        known.ledger = Some(ledger);
        // What is being written with the former password comes to nothing.
        if let Some(former) = known.open.remove(&invited.name) {
            former.close();
        }
        Ok(InvitedGuest {
            path: format!("{GUESTS_PATH}{}", invited.name),
            name: invited.name.clone(),
            password,
        })
    }

    /// Those that were let in, and what they keep. Blocks.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn list(&self) -> Result<Vec<BackupGuest>, GuestError> {
        let mut known = self.known();
        let ledger = self.ledger(&mut known)?.clone();
        let told = ledger.into_iter().map(|(name, admitted)| {
            let shelf = self.shelf(&mut known, &name, &admitted)?;
            Ok(BackupGuest {
                name,
                quota: admitted.quota,
                used: shelf.used(),
                last_write: shelf.last_write(),
            })
        });
        told.collect()
    }

    /// Lets a home in no more, and removes what it kept. Blocks.
    ///
    /// # Errors
    ///
    /// There is none of that name, or its files stay until the host's next start.
    pub fn remove(&self, name: &GuestName) -> Result<(), GuestError> {
        let mut known = self.known();
        let mut ledger = self.ledger(&mut known)?.clone();
        if ledger.remove(name).is_none() {
            return Err(GuestError::Unknown(name.clone()));
        }
        self.write(&ledger)?;
        known.ledger = Some(ledger);
        if let Some(shelf) = known.open.remove(name) {
            shelf.close();
        }
        // With the lock: a guest who is let in again under this name begins with an empty folder.
        match fs::remove_dir_all(self.folder(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(GuestError::Folder("remove", error))
            }
            _ => Ok(()),
        }
    }

    /// The folder of a guest who knows the password. Blocks.
    fn enter(&self, name: &str, password: &Secret) -> Result<Option<Arc<Shelf>>, GuestError> {
        let Ok(name) = name.parse::<GuestName>() else {
            return Ok(None);
        };
        let mut known = self.known();
        let Some(admitted) = self.ledger(&mut known)?.get(&name).cloned() else {
            return Ok(None);
        };
        let digest = random::digest(password.expose());
        let is_right = bool::from(digest.as_bytes().ct_eq(admitted.digest.as_bytes()));
        match is_right {
            true => self.shelf(&mut known, &name, &admitted).map(Some),
            false => Ok(None),
        }
    }

    fn shelf(
        &self,
        known: &mut Known,
        name: &GuestName,
        admitted: &Admitted,
    ) -> Result<Arc<Shelf>, GuestError> {
        if let Some(shelf) = known.open.get(name) {
            return Ok(shelf.clone());
        }
        let folder = self.folder(name);
        let shelf = Shelf::open(&folder, admitted.quota);
        let shelf = Arc::new(shelf.map_err(|error| GuestError::Folder("open", error))?);
        known.open.insert(name.clone(), shelf.clone());
        Ok(shelf)
    }
}

/// Where guests of a host keep what they store, for its tests.
#[cfg(test)]
fn folder_of(state: &std::path::Path, name: &str) -> PathBuf {
    state.join(FOLDERS).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invited(guests: &Guests, name: &str, quota: u64) -> Secret {
        let name = name.parse().unwrap();
        guests
            .invite(&InviteGuest { name, quota })
            .unwrap()
            .password
    }

    #[test]
    fn a_guest_enters_with_the_password_until_it_is_removed() {
        let state = tempfile::tempdir().unwrap();
        let guests = Guests::new(state.path().to_owned());
        let password = invited(&guests, "anna", 1000);
        let other = invited(&guests, "bob", 1000);
        let former = guests.enter("anna", &password).unwrap().unwrap();
        for (name, wrong) in [
            ("anna", &other),
            ("carl", &password),
            ("../anna", &password),
        ] {
            assert!(guests.enter(name, wrong).unwrap().is_none(), "{name}");
        }
        // Another password takes the place of the first.
        let newer = invited(&guests, "anna", 2000);
        assert!(guests.enter("anna", &password).unwrap().is_none());
        assert!(former.reserve(1).is_err());
        let shelf = guests.enter("anna", &newer).unwrap().unwrap();
        assert_eq!(guests.list().unwrap()[0].quota, 2000);
        let text = fs::read_to_string(state.path().join(LEDGER)).unwrap();
        assert!(!text.contains(newer.expose()), "{text}");

        guests.remove(&"anna".parse().unwrap()).unwrap();
        assert!(guests.enter("anna", &newer).unwrap().is_none());
        assert!(!folder_of(state.path(), "anna").exists());
        // What was under way comes to nothing.
        assert!(shelf.reserve(1).is_err());
        assert!(guests.remove(&"anna".parse().unwrap()).is_err());
        // A ledger that cannot be read lets no home in, and is not overwritten.
        fs::write(state.path().join(LEDGER), "no json").unwrap();
        let restarted = Guests::new(state.path().to_owned());
        assert!(restarted.enter("bob", &other).is_err());
        let again = InviteGuest {
            name: "dora".parse().unwrap(),
            quota: 1,
        };
        assert!(restarted.invite(&again).is_err());
    }

    #[test]
    fn a_removal_that_the_power_cut_is_done_with_the_next_start() {
        let state = tempfile::tempdir().unwrap();
        let guests = Guests::new(state.path().to_owned());
        let bob = invited(&guests, "bob", 1000);
        assert!(guests.enter("bob", &bob).unwrap().is_some());
        // Anna is in the ledger no more, and her files were not removed.
        let anna = folder_of(state.path(), "anna");
        fs::create_dir_all(anna.join("data/00")).unwrap();
        let restarted = Guests::new(state.path().to_owned());
        assert_eq!(restarted.list().unwrap().len(), 1);
        assert!(!anna.exists() && folder_of(state.path(), "bob").exists());
        // While the ledger cannot be read, none is known, and nothing is removed.
        fs::write(state.path().join(LEDGER), "no json").unwrap();
        let restarted = Guests::new(state.path().to_owned());
        assert!(restarted.list().is_err());
        assert!(folder_of(state.path(), "bob").exists());
    }
}
