//! The keys of one user out of a backup: the host puts the state that this service had then into a
//! folder of the present one.

use super::{Keys, MAX_USERS, Ring, State, damaged, uses_file};
use crate::KeysError;
use crate::keyring::Keyring;
use crate::seed::SeedFile;
use crate::store;
use atek_api::ids::UserKey;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::path::Path;

/// In the folder of this service.
const FOLDER: &str = "from-backup";

impl Keys {
    /// Takes the keys of a user over who has none here. Returns how many; they are locked. The
    /// state of the backup is removed, whatever came of it: it has the keys of others too.
    pub(super) fn bring_back(&self, state: &mut State, user: &UserKey) -> Result<Value, KeysError> {
        let brought = self.take_over(state, user);
        remove(&self.0.folder)?;
        brought.map(|keys| json!(keys))
    }

    fn take_over(&self, state: &mut State, user: &UserKey) -> Result<usize, KeysError> {
        if state.rings.contains_key(user) {
            return Ok(0);
        }
        let folder = self.0.folder.join(FOLDER);
        let file = folder.join("users").join(format!("{user}.json"));
        let Some(mut ring) = store::read::<Keyring>(&file)? else {
            return Ok(0);
        };
        if state.rings.len() >= MAX_USERS {
            return Err(KeysError::Limit(format!("{MAX_USERS} users have keys")));
        }
        let then: Option<SeedFile> = store::read(&folder.join("seed.json"))?;
        let same_words = state.seed.as_ref().zip(then.as_ref());
        if !same_words.is_some_and(|(now, then)| now.is_of_words_of(then)) {
            ring.forget_recovery();
        }
        // The list is worth less than the keys.
        let uses = store::read(&uses_file(&folder, user)).unwrap_or_default();
        let uses: crate::consent::Uses = uses.unwrap_or_default();
        store::write(&uses_file(&self.0.folder, user), &uses)?;
        self.save_ring(user, &ring)?;
        let keys = ring.keys.len();
        state.rings.insert(user.clone(), Ring::new(ring, uses));
        tracing::info!(%user, keys, "the keys of a user were brought back from a backup");
        Ok(keys)
    }
}

/// Removes the state of a backup. None is fine.
///
/// # Errors
///
/// A failing disk.
pub(super) fn remove(folder: &Path) -> Result<(), KeysError> {
    let lent = folder.join(FOLDER);
    match std::fs::remove_dir_all(&lent) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(damaged(&lent, &error)),
        _ => Ok(()),
    }
}
