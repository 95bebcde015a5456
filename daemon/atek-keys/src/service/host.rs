//! What the host itself asks for: it passes on passwords that people type, and never a key.

use super::{DONE, Keys, Params, Ring, State, now};
use crate::KeysError;
use crate::caller::Caller;
use crate::consent::Uses;
use crate::keyring::Keyring;
use crate::seed::{Opened, SeedFile};
use atek_api::ids::UserKey;
use atek_api::users::{KeysAfter, PasswordSet};
use atek_seed::RecoveryWords;
use serde_json::{Value, json};

impl Keys {
    pub(super) fn host_method(
        &self,
        caller: &Caller,
        method: &str,
        params: &Params,
    ) -> Result<Value, KeysError> {
        if *caller != Caller::System {
            return Err(KeysError::NotAuthorized);
        }
        let state = &mut *self.state();
        if method == "unattended" {
            let seed = state.seed.as_ref().ok_or_else(no_seed)?;
            return Ok(json!(seed.unattended()));
        }
        if method == "checkWords" {
            words_of(state, params)?;
            return Ok(DONE);
        }
        let user: UserKey = params.get("user")?;
        match method {
            "begin" => self.begin(state, &user, &params.text("password")?),
            "signedIn" => self.signed_in(state, &user, &params.text("password")?),
            "passwordChanged" => {
                self.reseal(state, &user, &params.text("old")?, &params.text("new")?)
            }
            "bringBack" => self.bring_back(state, &user),
            "passwordSet" => self.password_set(state, &user, params),
            "recover" => {
                let words = words_of(state, params)?;
                self.recover(state, &user, &words, &params.text("password")?)
            }
            _ => self.delete(state, &user),
        }
    }

    /// Makes the seed of the box, once.
    fn begin(&self, state: &mut State, user: &UserKey, password: &str) -> Result<Value, KeysError> {
        if state.seed.is_none() {
            let (seed, _) = SeedFile::begin(user, password, self.0.cost)?;
            self.save_seed(&seed)?;
            state.seed = Some(seed);
        }
        self.signed_in(state, user, password)
    }

    /// Opens the user's keyring, which is made when there is none.
    fn signed_in(
        &self,
        state: &mut State,
        user: &UserKey,
        password: &str,
    ) -> Result<Value, KeysError> {
        let State { seed, rings } = state;
        if !rings.contains_key(user) {
            if rings.len() >= super::MAX_USERS {
                return Err(KeysError::Limit(format!(
                    "{} users have keys",
                    super::MAX_USERS
                )));
            }
            let (ring, key) = Keyring::new(user, password, self.0.cost)?;
            let mut ring = Ring::new(ring, Uses::default());
            ring.open = Some(key);
            self.save_ring(user, &ring.ring)?;
            rings.insert(user.clone(), ring);
        }
        let ring = state.rings.get_mut(user).ok_or(KeysError::Locked)?;
        if ring.open.is_none() {
            ring.unlock(user, password)?;
        }
        if let (Some(seed), Some(key), false) = (seed, &ring.open, ring.ring.has_recovery()) {
            ring.ring.set_recovery(seed.encrypt_for_words(user, key)?);
            self.save_ring(user, &ring.ring)?;
        }
        Ok(DONE)
    }

    /// Seals by a new password what the old one opens.
    pub(super) fn reseal(
        &self,
        state: &mut State,
        user: &UserKey,
        old: &str,
        new: &str,
    ) -> Result<Value, KeysError> {
        let ring = state.ring(user)?;
        let key = ring.unlock(user, old)?;
        ring.ring.seal(user, new, &key, self.0.cost)?;
        self.save_ring(user, &ring.ring)?;
        if let Some(seed) = state.seed.as_mut().filter(|seed| seed.is_holder(user)) {
            let opened = seed.open(user, old)?;
            seed.seal(user, new, &opened, self.0.cost)?;
            self.save_seed(seed)?;
        }
        Ok(DONE)
    }

    /// Another person set a password for the user. With the help of a holder of the seed, who types
    /// their own password, the new one opens the user's keys. Without it they are locked: who set
    /// the password could sign in as the user, and they are not theirs.
    fn password_set(
        &self,
        state: &mut State,
        user: &UserKey,
        params: &Params,
    ) -> Result<Value, KeysError> {
        let Some(helper) = params.get::<Option<UserKey>>("helper")? else {
            let Some(ring) = state.rings.get_mut(user) else {
                return Ok(keys_are(KeysAfter::None));
            };
            ring.open = None;
            return Ok(keys_are(KeysAfter::Locked));
        };
        let opened = self.open_seed(state, &helper, &params.text("helperPassword")?)?;
        let new = params.text("new")?;
        let State { seed, rings } = state;
        let mut after = KeysAfter::None;
        if let Some(ring) = rings.get_mut(user) {
            ring.guesses = Default::default();
            ring.open = None;
            after = KeysAfter::Locked;
            // Keys that are older than the words open with the old password only, and stay.
            if let Ok(key) = ring.ring.open_with_words(user, &opened.seed()) {
                ring.ring.seal(user, &new, &key, self.0.cost)?;
                self.save_ring(user, &ring.ring)?;
                ring.open = Some(key);
                after = KeysAfter::Opened;
            }
        }
        if let Some(seed) = seed.as_mut().filter(|seed| seed.is_holder(user)) {
            seed.seal(user, &new, &opened, self.0.cost)?;
            self.save_seed(seed)?;
        }
        tracing::info!(%user, %helper, ?after, "a password was set with an administrator's help");
        Ok(keys_are(after))
    }

    /// Seals by a new password what the words open. Who has the words holds the seed.
    pub(super) fn recover(
        &self,
        state: &mut State,
        user: &UserKey,
        words: &RecoveryWords,
        password: &str,
    ) -> Result<Value, KeysError> {
        let State { seed, rings } = state;
        let file = seed.as_mut().ok_or_else(no_seed)?;
        let opened = Opened::Seed(words.seed());
        file.seal(user, password, &opened, self.0.cost)?;
        self.save_seed(file)?;
        if let Some(ring) = rings.get_mut(user) {
            ring.guesses = Default::default();
            // Keys that are older than the words open with the old password only, and stay.
            if let Ok(key) = ring.ring.open_with_words(user, &words.seed()) {
                ring.ring.seal(user, password, &key, self.0.cost)?;
                self.save_ring(user, &ring.ring)?;
                ring.open = Some(key);
            }
        }
        tracing::info!(%user, at = now(), "keys were opened with the recovery words");
        Ok(DONE)
    }

    /// Removes a user's keys for good.
    fn delete(&self, state: &mut State, user: &UserKey) -> Result<Value, KeysError> {
        for file in [self.ring_file(user), super::uses_file(&self.0.folder, user)] {
            atek_files::remove(&file)?;
        }
        atek_files::sync_folder_of(&self.ring_file(user))?;
        state.rings.remove(user);
        Ok(DONE)
    }
}

fn keys_are(keys: KeysAfter) -> Value {
    json!(PasswordSet { keys })
}

/// The words in the parameters, if they are those of this box.
pub(super) fn words_of(state: &State, params: &Params) -> Result<RecoveryWords, KeysError> {
    let text = zeroize::Zeroizing::new(params.text("words")?);
    let words =
        RecoveryWords::parse(&text).map_err(|error| KeysError::Params(error.to_string()))?;
    state.seed.as_ref().ok_or_else(no_seed)?.check(&words)?;
    Ok(words)
}

pub(super) fn no_seed() -> KeysError {
    KeysError::Refused(
        "this box has no recovery words yet: they are made when an administrator signs in".into(),
    )
}
