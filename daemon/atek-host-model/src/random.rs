//! Secrets from the system's random generator, and names for them.

use atek_api::secret::Secret;
use sha2::{Digest as _, Sha256};

/// The system's random generator failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot get random bytes from the system")]
pub struct RandomError(#[source] getrandom::Error);

/// `N` random bytes.
///
/// # Errors
///
/// [`RandomError`], on a kernel that has none to give.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(RandomError)?;
    Ok(bytes)
}

/// `N` random bytes in hexadecimal.
///
/// # Errors
///
/// As [`fn@bytes`].
pub fn hex<const N: usize>() -> Result<Secret, RandomError> {
    Ok(Secret::new(hex::encode(bytes::<N>()?)))
}

/// Names a secret of this module without giving it away: its SHA-256, hexadecimal.
#[must_use]
pub fn digest(secret: &str) -> String {
    const_hex::encode(Sha256::digest(secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sha_256_in_hexadecimal() {
        // FIPS 180-4, example of one block.
        assert_eq!(
            digest("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
