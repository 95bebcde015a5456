//! Password hashing: argon2id (RFC 9106), a few at a time.

use crate::random;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use atek_api::secret::Secret;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

/// OWASP's second choice for argon2id: 19 MiB, two passes, one lane. About 100 ms
/// on a Raspberry Pi 4; more memory would hurt on a box with 1 GiB.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Hashes computed at once: guessing must not starve the box of memory.
const AT_ONCE: usize = 2;
/// Address space that is taken for one hash, in blocks of 1 KiB. glibc maps blocks of memory
/// larger than 32 MiB on their own and unmaps them when they are freed; smaller ones it may keep
/// in its heap, which left the daemon 19 MiB larger for good. Only what is used becomes resident.
const MAPPED_BLOCKS: usize = 33 * 1024;
const SALT_BYTES: usize = 16;

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

/// The parameters of new hashes: constants within the limits of RFC 9106.
fn own_params() -> Params {
    Params::new(MEMORY_KIB, PASSES, 1, None).unwrap_or_default()
}

/// Computes a hash in memory that is given back afterwards.
fn compute(params: Params, password: &[u8], salt: &[u8]) -> Result<Vec<u8>, argon2::Error> {
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let blocks = params.block_count();
    let mut memory: Vec<Block> = Vec::with_capacity(blocks.max(MAPPED_BLOCKS));
    memory.resize(blocks, Block::default());
    let mut hash = vec![0; length];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
        password,
        salt,
        &mut hash,
        &mut memory,
    )?;
    Ok(hash)
}

/// Whether a password fits the PHC string of an argon2id hash.
fn fits(password: &Secret, hash: &Secret) -> bool {
    let parsed = || -> Option<bool> {
        let hash = PasswordHash::new(hash.expose()).ok()?;
        if hash.algorithm != Algorithm::Argon2id.ident() {
            return None;
        }
        let (params, salt) = (Params::try_from(&hash).ok()?, hash.salt?);
        let computed = compute(params, password.expose().as_bytes(), salt.as_ref()).ok()?;
        Some(computed.ct_eq(hash.hash?.as_bytes()).into())
    };
    parsed().unwrap_or(false)
}

impl Passwords {
    /// A hasher. The decoy is hashed here, once.
    ///
    /// # Errors
    ///
    /// [`HashError::Hash`].
    pub fn new() -> Result<Self, HashError> {
        // Only its parameters matter: no password that is accepted has this hash.
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
        let fits = self.on_a_thread(move || fits(&password, &hash)).await?;
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
    let failed = |error: &dyn std::fmt::Display| HashError::Hash(error.to_string());
    let params = own_params();
    let salt: [u8; SALT_BYTES] = random::bytes().map_err(|e| failed(&e))?;
    let hash = compute(params.clone(), password.expose().as_bytes(), &salt);
    let hash = hash.map_err(|e| failed(&e))?;
    let phc = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|e| failed(&e))?,
        salt: Some(Salt::new(&salt).map_err(|e| failed(&e))?),
        hash: Some(Output::new(&hash).map_err(|e| failed(&e))?),
    };
    Ok(Secret::new(phc.to_string()))
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
        // What else the machine does only ever makes one slower: the fastest of many come together.
        // Without a password's work the unknown user would be a thousand times faster,
        // however often it is tried.
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

    /// Kilobytes of this process that are resident.
    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn hashing_gives_its_memory_back() {
        let passwords = Passwords::new().unwrap();
        let before = resident();
        for _ in 0..10 {
            let both = (0..2).map(|_| passwords.hash(Secret::new("correct horse")));
            futures_util::future::join_all(both).await;
        }
        let after = resident();
        assert!(
            after < before + 4 * 1024,
            "{before} kB before, {after} kB after: {MEMORY_KIB} kB a hash"
        );
    }

    #[test]
    fn hashes_of_the_crates_own_functions_are_understood_and_the_other_way_round() {
        use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, own_params());
        let theirs = argon2.hash_password(b"correct horse").unwrap().to_string();
        assert!(fits(
            &Secret::new("correct horse"),
            &Secret::new(theirs.clone())
        ));
        assert!(!fits(&Secret::new("wrong"), &Secret::new(theirs)));
        let ours = hash_now(&Secret::new("correct horse")).unwrap();
        let ours = PasswordHash::new(ours.expose()).unwrap();
        argon2.verify_password(b"correct horse", &ours).unwrap();
        for broken in [
            "",
            "(deleted)",
            "$argon2id$v=19$m=19456,t=2,p=1$",
            "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
        ] {
            assert!(!fits(&Secret::new(""), &Secret::new(broken)), "{broken}");
        }
    }
}
