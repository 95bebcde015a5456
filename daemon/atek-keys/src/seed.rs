//! The box's master seed as it is kept: sealed by the passwords of those who hold it.
//!
//! What a boot without a person needs (the password of backups, hypercore's key) lies beside it in
//! the open. Until the words were confirmed they can be shown again with the password; after that
//! only the seed is kept, from which the words cannot be made.

use crate::KeysError;
use crate::crypto::{self, Kind};
use atek_api::ids::UserKey;
use atek_seed::sealing::{self, Cost, OpenError};
use atek_seed::{MasterSeed, RecoveryWords, Secret};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// `seed.json`.
#[derive(Clone, Serialize, Deserialize)]
pub struct SeedFile {
    version: u8,
    /// Whether two of the words were typed.
    confirmed: bool,
    /// The x25519 public key of the words, to which every keyring is encrypted; hexadecimal.
    recovery: String,
    /// What a boot without a person needs.
    unattended: Unattended,
    /// Sealed words (32 bytes) or seed (64 bytes) for each holder; hexadecimal.
    holders: BTreeMap<String, String>,
}

/// What can be read without a password.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unattended {
    /// Of backups.
    pub backup_password: String,
    /// The primary key of hypercore; hexadecimal.
    pub hypercore: String,
}

/// An opened seed.
pub enum Opened {
    /// The words were not confirmed yet.
    Words(RecoveryWords),
    /// They were.
    Seed(MasterSeed),
}

impl Opened {
    /// The seed.
    #[must_use]
    pub fn seed(&self) -> MasterSeed {
        match self {
            Opened::Words(words) => words.seed(),
            Opened::Seed(seed) => MasterSeed::from_bytes(*seed.as_bytes()),
        }
    }
}

impl SeedFile {
    /// A new seed, sealed by the password of its first holder.
    ///
    /// # Errors
    ///
    /// When the kernel gives no random bytes.
    pub fn begin(
        user: &UserKey,
        password: &str,
        cost: Cost,
    ) -> Result<(Self, RecoveryWords), KeysError> {
        let words = RecoveryWords::generate().map_err(sealing::SealError::from)?;
        let seed = words.seed();
        let mut file = Self {
            version: 1,
            confirmed: false,
            recovery: recovery_of(&seed)?,
            unattended: Unattended {
                backup_password: seed.backup_password().to_string(),
                hypercore: hex::encode(*seed.hypercore_seed()),
            },
            holders: BTreeMap::new(),
        };
        file.put(user, password, words.entropy().as_slice(), cost)?;
        Ok((file, words))
    }

    /// Opens the seed with a holder's password.
    ///
    /// # Errors
    ///
    /// [`KeysError::WrongPassword`], also for who holds none.
    pub fn open(&self, user: &UserKey, password: &str) -> Result<Opened, KeysError> {
        let sealed = self
            .holders
            .get(user.as_str())
            .ok_or(KeysError::WrongPassword)?;
        let secret = open(password, &context(user), sealed)?;
        if let Ok(entropy) = <[u8; 32]>::try_from(secret.as_slice()) {
            return Ok(Opened::Words(RecoveryWords::from_entropy(&entropy)));
        }
        let seed = <[u8; 64]>::try_from(secret.as_slice());
        seed.map(|bytes| Opened::Seed(MasterSeed::from_bytes(bytes)))
            .map_err(|_| damaged())
    }

    /// Seals the seed, or the words while they are not confirmed, by a password.
    ///
    /// # Errors
    ///
    /// When the kernel gives no random bytes.
    pub fn seal(
        &mut self,
        user: &UserKey,
        password: &str,
        opened: &Opened,
        cost: Cost,
    ) -> Result<(), KeysError> {
        match opened {
            Opened::Words(words) if !self.confirmed => {
                self.put(user, password, words.entropy().as_slice(), cost)
            }
            opened => self.put(user, password, opened.seed().as_bytes(), cost),
        }
    }

    /// Forgets the words and keeps the seed: they were confirmed.
    ///
    /// # Errors
    ///
    /// When the kernel gives no random bytes.
    pub fn confirm(
        &mut self,
        user: &UserKey,
        password: &str,
        opened: &Opened,
        cost: Cost,
    ) -> Result<(), KeysError> {
        self.confirmed = true;
        // Others who hold the words are asked for their password once more by an administrator.
        self.holders.retain(|holder, _| holder == user.as_str());
        self.seal(user, password, opened, cost)
    }

    /// Whether these are the words of this box.
    ///
    /// # Errors
    ///
    /// [`KeysError::WrongWords`].
    pub fn check(&self, words: &RecoveryWords) -> Result<(), KeysError> {
        match recovery_of(&words.seed())? == self.recovery {
            true => Ok(()),
            false => Err(KeysError::WrongWords),
        }
    }

    /// Whether both are made of the same words.
    #[must_use]
    pub fn is_of_words_of(&self, other: &Self) -> bool {
        self.recovery == other.recovery
    }

    /// Whether the words were confirmed.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Whether the user's password opens the seed.
    #[must_use]
    pub fn is_holder(&self, user: &UserKey) -> bool {
        self.holders.contains_key(user.as_str())
    }

    /// What a boot without a person needs.
    #[must_use]
    pub fn unattended(&self) -> &Unattended {
        &self.unattended
    }

    /// Encrypts a keyring's key for the words.
    ///
    /// # Errors
    ///
    /// When the kernel gives no random bytes.
    pub fn encrypt_for_words(&self, user: &UserKey, key: &Secret) -> Result<String, KeysError> {
        let public = hex::decode(&self.recovery).map_err(|_| damaged())?;
        let encrypted = crypto::encrypt(&public, &context(user), key.as_slice())?;
        Ok(hex::encode(encrypted))
    }

    fn put(
        &mut self,
        user: &UserKey,
        password: &str,
        secret: &[u8],
        cost: Cost,
    ) -> Result<(), KeysError> {
        let sealed = sealing::seal(password.as_bytes(), &context(user), secret, cost)?;
        self.holders
            .insert(user.as_str().to_owned(), hex::encode(sealed));
        Ok(())
    }
}

/// Decrypts a keyring's key with the words' seed.
///
/// # Errors
///
/// [`KeysError::Refused`] for one that was encrypted for other words.
pub fn decrypt_with_words(
    seed: &MasterSeed,
    user: &UserKey,
    encrypted: &str,
) -> Result<Secret, KeysError> {
    let encrypted = hex::decode(encrypted).map_err(|_| damaged())?;
    let key = crypto::decrypt(&seed.recovery_key(), &context(user), &encrypted)?;
    let key: [u8; 32] = key.as_slice().try_into().map_err(|_| damaged())?;
    Ok(Secret::new(key))
}

/// Opens hexadecimal of [`sealing::seal`].
pub(crate) fn open(
    password: &str,
    context: &[u8],
    sealed: &str,
) -> Result<zeroize::Zeroizing<Vec<u8>>, KeysError> {
    let sealed = hex::decode(sealed).map_err(|_| damaged())?;
    sealing::open(password.as_bytes(), context, &sealed).map_err(|error| match error {
        OpenError::Refused => KeysError::WrongPassword,
        _ => damaged(),
    })
}

fn context(user: &UserKey) -> Vec<u8> {
    [b"seed/", user.as_str().as_bytes()].concat()
}

fn recovery_of(seed: &MasterSeed) -> Result<String, KeysError> {
    Ok(hex::encode(crypto::public_key(
        Kind::X25519,
        &seed.recovery_key(),
    )?))
}

fn damaged() -> KeysError {
    KeysError::Damaged {
        path: "the sealed seed or keyring".into(),
        problem: "it is damaged".into(),
    }
}

impl fmt::Debug for SeedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeedFile(secret)")
    }
}

impl fmt::Debug for Unattended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unattended(secret)")
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(secret)")
    }
}
