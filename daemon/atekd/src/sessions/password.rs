//! Password hashing: argon2id (RFC 9106), a few at a time.

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use atek_api::secret::Secret;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// OWASP's second choice for argon2id: 19 MiB, two passes, one lane. About 100 ms
/// on a Raspberry Pi 4; more memory would hurt on a box with 1 GiB.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Hashes computed at once: guessing must not starve the box of memory.
const AT_ONCE: usize = 2;

/// A hash could not be computed or read.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The system's random generator failed, or a parameter is out of range.
    #[error("cannot hash the password: {0}")]
    Hash(String),
    /// The thread that hashes was cancelled.
    #[error("the host is shutting down")]
    ShuttingDown,
}

/// Hashes and checks passwords on threads of their own.
#[derive(Debug, Clone)]
pub struct Passwords {
    slots: Arc<Semaphore>,
    /// Checked when there is no such user, so that it takes as long.
    decoy: Secret,
}

fn argon2() -> Argon2<'static> {
    // The parameters are constants within the limits of RFC 9106.
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

impl Passwords {
    /// A hasher. The decoy is hashed here, once.
    ///
    /// # Errors
    ///
    /// [`HashError::Hash`].
    pub fn new() -> Result<Self, HashError> {
        // Only its parameters matter: nobody can know a password for it.
        let decoy = hash_now(&Secret::new("\0 no such user"))?;
        Ok(Self {
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            decoy,
        })
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    ///
    /// [`HashError`].
    pub async fn hash(&self, password: Secret) -> Result<Secret, HashError> {
        self.on_a_thread(move || hash_now(&password)).await?
    }

    /// Whether a password fits a hash; without a hash it never does, and takes as long.
    ///
    /// # Errors
    ///
    /// [`HashError`].
    pub async fn verify(&self, password: Secret, hash: Option<Secret>) -> Result<bool, HashError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        let fits = self
            .on_a_thread(move || {
                PasswordHash::new(hash.expose()).is_ok_and(|hash| {
                    argon2()
                        .verify_password(password.expose().as_bytes(), &hash)
                        .is_ok()
                })
            })
            .await?;
        Ok(known && fits)
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let _slot = self
            .slots
            .acquire()
            .await
            .map_err(|_| HashError::ShuttingDown)?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| HashError::ShuttingDown)
    }
}

fn hash_now(password: &Secret) -> Result<Secret, HashError> {
    argon2()
        .hash_password(password.expose().as_bytes())
        .map(|hash| Secret::new(hash.to_string()))
        .map_err(|error| HashError::Hash(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash(Secret::new("correct horse")).await.unwrap();
        assert!(
            hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            hash.expose()
        );
        assert!(
            passwords
                .verify(Secret::new("correct horse"), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .verify(Secret::new("wrong"), Some(hash))
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .verify(Secret::new("\0 no such user"), None)
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn an_unknown_user_takes_as_long_as_a_wrong_password() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash(Secret::new("correct horse")).await.unwrap();
        // What else the machine does only ever makes one slower: the fastest of many come together. Without
        // a password's work the unknown user would be a thousand times faster, however often it is tried.
        let mut fastest = [std::time::Duration::MAX; 2];
        for _ in 0..100 {
            for (place, hash) in [(0, Some(hash.clone())), (1, None)] {
                let begun = std::time::Instant::now();
                let fits = passwords.verify(Secret::new("wrong"), hash).await.unwrap();
                assert!(!fits);
                fastest[place] = fastest[place].min(begun.elapsed());
            }
            let [known, unknown] = fastest;
            if unknown * 2 > known && known * 2 > unknown {
                return;
            }
        }
        panic!("{fastest:?} tell names apart");
    }
}
