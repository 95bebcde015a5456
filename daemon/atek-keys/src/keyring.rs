//! The keys of one user and of their apps, as they are kept: each encrypted with the keyring's key,
//! which is sealed by the user's password and encrypted for the recovery words.

use crate::KeysError;
use crate::crypto::{self, Kind};
use crate::describe::Meaning;
use crate::seed;
use atek_api::ids::{ServiceKey, UserKey};
use atek_seed::sealing::{self, Cost};
use atek_seed::{MasterSeed, Secret};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Keys of one user and their apps.
pub const MAX_KEYS: usize = 256;
/// Keys of one app.
pub const MAX_APP_KEYS: usize = 16;
/// Standing permissions of one user's keys.
pub const MAX_GRANTS: usize = 256;
/// Characters of a key's name.
const MAX_NAME: usize = 64;

/// Where a key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Random bytes of the kernel.
    Made,
    /// Of the recovery words: it comes back with them.
    Derived,
    /// Of a person.
    Imported,
}

/// A key as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredKey {
    /// Names it; never used again.
    pub id: String,
    /// What its person calls it.
    pub name: String,
    /// See [`Kind`].
    pub kind: Kind,
    /// The app that made it for itself; none for a person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<ServiceKey>,
    /// See [`Origin`].
    pub origin: Origin,
    /// Hexadecimal.
    pub public: String,
    /// Seconds since 1970.
    pub created: u64,
    secret: String,
}

/// A standing permission: one app, one key, one kind of thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Names it.
    pub id: String,
    /// Who may.
    pub app: ServiceKey,
    /// With which key.
    pub key: String,
    /// What. None: decrypt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<Meaning>,
    /// Seconds since 1970; none: until it is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// `users/USER.json`.
#[derive(Serialize, Deserialize)]
pub struct Keyring {
    version: u8,
    sealed: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recovery: Option<String>,
    /// In the order in which they were made.
    pub keys: Vec<StoredKey>,
    /// Those that are over are removed at the next change.
    pub grants: Vec<Grant>,
}

impl Keyring {
    /// An empty keyring and its key.
    ///
    /// # Errors
    ///
    /// When the kernel gives no random bytes.
    pub fn new(user: &UserKey, password: &str, cost: Cost) -> Result<(Self, Secret), KeysError> {
        let key = crypto::generate(Kind::X25519)?;
        let mut ring = Self {
            version: 1,
            sealed: String::new(),
            recovery: None,
            keys: Vec::new(),
            grants: Vec::new(),
        };
        ring.seal(user, password, &key, cost)?;
        Ok((ring, key))
    }

    /// Forgets what opens it with recovery words: they are of another box. The next sign-in
    /// encrypts it for those of this one.
    pub fn forget_recovery(&mut self) {
        self.recovery = None;
    }

    /// Seals the keyring's key by a password.
    ///
    /// # Errors
    ///
    /// When the kernel gives no random bytes.
    pub fn seal(
        &mut self,
        user: &UserKey,
        password: &str,
        key: &Secret,
        cost: Cost,
    ) -> Result<(), KeysError> {
        let sealed = sealing::seal(password.as_bytes(), &context(user), key.as_slice(), cost)?;
        self.sealed = hex::encode(sealed);
        Ok(())
    }

    /// Opens the keyring's key.
    ///
    /// # Errors
    ///
    /// [`KeysError::WrongPassword`].
    pub fn open(&self, user: &UserKey, password: &str) -> Result<Secret, KeysError> {
        let key = seed::open(password, &context(user), &self.sealed)?;
        let key: [u8; 32] = key
            .as_slice()
            .try_into()
            .map_err(|_| KeysError::WrongPassword)?;
        Ok(Secret::new(key))
    }

    /// Opens the keyring's key with the words.
    ///
    /// # Errors
    ///
    /// [`KeysError::Refused`] where it was never encrypted for them.
    pub fn open_with_words(&self, user: &UserKey, seed: &MasterSeed) -> Result<Secret, KeysError> {
        let encrypted = self.recovery.as_ref();
        let encrypted = encrypted.ok_or_else(|| {
            KeysError::Refused(
                "these keys are older than the recovery words and open with the old password only"
                    .into(),
            )
        })?;
        seed::decrypt_with_words(seed, user, encrypted)
    }

    /// Whether the words open it.
    #[must_use]
    pub fn has_recovery(&self) -> bool {
        self.recovery.is_some()
    }

    /// Keeps what [`seed::SeedFile::encrypt_for_words`] made.
    pub fn set_recovery(&mut self, encrypted: String) {
        self.recovery = Some(encrypted);
    }

    /// Adds a key.
    ///
    /// # Errors
    ///
    /// [`KeysError::Limit`], [`KeysError::Params`].
    pub fn add(
        &mut self,
        ring: &Secret,
        name: &str,
        (kind, secret): (Kind, &Secret),
        origin: Origin,
        app: Option<&ServiceKey>,
        now: u64,
    ) -> Result<&StoredKey, KeysError> {
        let name = checked_name(name)?;
        let of_app = self.keys.iter().filter(|key| key.app.as_ref() == app);
        if app.is_some() && of_app.count() >= MAX_APP_KEYS {
            return Err(KeysError::Limit(format!("an app has {MAX_APP_KEYS} keys")));
        }
        if self.keys.len() >= MAX_KEYS {
            return Err(KeysError::Limit(format!("a user has {MAX_KEYS} keys")));
        }
        let public = hex::encode(crypto::public_key(kind, secret)?);
        if self
            .keys
            .iter()
            .any(|key| key.public == public && key.kind == kind)
        {
            return Err(KeysError::Refused("this key is there already".into()));
        }
        let id = new_id()?;
        let locked = sealing::lock(ring, id.as_bytes(), secret.as_slice())?;
        self.keys.push(StoredKey {
            id,
            name,
            kind,
            app: app.cloned(),
            origin,
            public,
            created: now,
            secret: hex::encode(locked),
        });
        self.keys.last().ok_or(KeysError::NoKey)
    }

    /// A private key.
    ///
    /// # Errors
    ///
    /// [`KeysError::Damaged`] when it was changed on the disk.
    pub fn secret(&self, ring: &Secret, key: &StoredKey) -> Result<Secret, KeysError> {
        let damaged = || KeysError::Damaged {
            path: format!("the key {}", key.id),
            problem: "it is damaged".into(),
        };
        let locked = hex::decode(&key.secret).map_err(|_| damaged())?;
        let secret = sealing::unlock(ring, key.id.as_bytes(), &locked).map_err(|_| damaged())?;
        let secret: [u8; 32] = secret.as_slice().try_into().map_err(|_| damaged())?;
        Ok(Secret::new(secret))
    }

    /// The grant that covers a use.
    #[must_use]
    pub fn granted(&self, app: &ServiceKey, key: &str, meaning: Option<Meaning>, now: u64) -> bool {
        self.grants.iter().any(|grant| {
            grant.app == *app
                && grant.key == key
                && grant.meaning == meaning
                && grant.until.is_none_or(|until| now < until)
        })
    }

    /// Whether an app may know of a key.
    #[must_use]
    pub fn knows(&self, app: &ServiceKey, key: &StoredKey, now: u64) -> bool {
        let live = |grant: &&Grant| grant.until.is_none_or(|until| now < until);
        key.app.as_ref() == Some(app)
            || self
                .grants
                .iter()
                .filter(live)
                .any(|grant| grant.app == *app && grant.key == key.id)
    }

    /// Adds a grant in place of one for the same, and removes those that are over.
    ///
    /// # Errors
    ///
    /// [`KeysError::Limit`].
    pub fn grant(&mut self, grant: Grant, now: u64) -> Result<(), KeysError> {
        self.grants.retain(|old| {
            let same = old.app == grant.app && old.key == grant.key && old.meaning == grant.meaning;
            !same && old.until.is_none_or(|until| now < until)
        });
        if self.grants.len() >= MAX_GRANTS {
            return Err(KeysError::Limit(format!(
                "a user's keys have {MAX_GRANTS} permissions"
            )));
        }
        self.grants.push(grant);
        Ok(())
    }
}

/// A new name for a key, request or grant: 16 hexadecimal digits.
///
/// # Errors
///
/// When the kernel gives no random bytes.
pub fn new_id() -> Result<String, KeysError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

fn checked_name(name: &str) -> Result<String, KeysError> {
    let name = name.trim();
    let fits = !name.is_empty()
        && name.chars().count() <= MAX_NAME
        && crate::describe::is_readable_line(name);
    match fits {
        true => Ok(name.to_owned()),
        false => Err(KeysError::Params(format!(
            "a key's name has 1 to {MAX_NAME} characters that can be seen"
        ))),
    }
}

fn context(user: &UserKey) -> Vec<u8> {
    [b"keyring/", user.as_str().as_bytes()].concat()
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredKey({})", self.id)
    }
}
