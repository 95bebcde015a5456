//! Locks a secret with a password: Argon2id makes the key, XChaCha20-Poly1305 seals.
//!
//! # Format (version 1)
//!
//! ```text
//! offset  bytes  what
//!      0      4  "ATKS"
//!      4      1  version, 1
//!      5      4  Argon2id memory in KiB, big-endian
//!      9      4  Argon2id passes, big-endian
//!     13     16  salt
//!     29     24  nonce
//!     53      n  ciphertext and tag (n = length of the secret + 16)
//! ```
//!
//! The first 53 bytes and the caller's `context` are authenticated: a seal that was made for one
//! purpose or user does not open as another's, and its parameters cannot be changed. Parameters
//! are checked before any work is done, so that a damaged file costs no memory.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::Secret;
use crate::words::NoRandomness;

const MAGIC: &[u8; 4] = b"ATKS";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 53;
const TAG_BYTES: usize = 16;

/// Largest secret that is sealed, in bytes.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// How much work a guess of the password costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Cost {
    /// What new seals get: 64 MiB, 3 passes; about a second on a Raspberry Pi 4.
    pub const DEFAULT: Cost = Cost {
        memory_kib: 64 * 1024,
        passes: 3,
    };
    /// The least that a seal may have, as OWASP recommends: 19 MiB, 2 passes.
    const LEAST: Cost = Cost {
        memory_kib: 19 * 1024,
        passes: 2,
    };
    /// The most that is worked through for a file.
    const MOST: Cost = Cost {
        memory_kib: 256 * 1024,
        passes: 10,
    };

    fn is_admitted(self) -> bool {
        (Cost::LEAST.memory_kib..=Cost::MOST.memory_kib).contains(&self.memory_kib)
            && (Cost::LEAST.passes..=Cost::MOST.passes).contains(&self.passes)
    }
}

/// Why a secret was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("cannot seal a secret of {0} bytes: {MAX_SECRET_BYTES} at most")]
    TooLarge(usize),
    #[error("cannot seal with {0:?}: too little or too much work")]
    Cost(Cost),
    #[error("cannot seal a secret")]
    Random(#[from] NoRandomness),
}

/// Why a seal does not open. A wrong password and a changed seal look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("this is no sealed secret, or one that was cut off")]
    Form,
    #[error("the seal has version {0}; this version of Atek reads {VERSION}")]
    Version(u8),
    #[error("the seal asks for {0:?}: too little or too much work")]
    Cost(Cost),
    #[error("the password is wrong, or the seal was changed")]
    Refused,
}

/// Seals `secret` with `password`. `context` says what for, and is needed to open it.
pub fn seal(
    password: &[u8],
    context: &[u8],
    secret: &[u8],
    cost: Cost,
) -> Result<Vec<u8>, SealError> {
    if secret.len() > MAX_SECRET_BYTES {
        return Err(SealError::TooLarge(secret.len()));
    }
    if !cost.is_admitted() {
        return Err(SealError::Cost(cost));
    }
    let mut sealed = Vec::with_capacity(HEADER_BYTES + secret.len() + TAG_BYTES);
    sealed.extend_from_slice(MAGIC);
    sealed.push(VERSION);
    sealed.extend_from_slice(&cost.memory_kib.to_be_bytes());
    sealed.extend_from_slice(&cost.passes.to_be_bytes());
    let mut random = [0u8; 40];
    getrandom::fill(&mut random).map_err(NoRandomness::from)?;
    sealed.extend_from_slice(&random);
    let key = stretch(password, &random[..16], cost).map_err(|()| SealError::Cost(cost))?;
    let aad = associated(&sealed, context);
    let payload = Payload {
        msg: secret,
        aad: &aad,
    };
    let ciphertext = XChaCha20Poly1305::new(&(*key).into())
        .encrypt(&nonce(&random[16..]), payload)
        .map_err(|_| SealError::TooLarge(secret.len()))?;
    sealed.extend_from_slice(&ciphertext);
    Ok(sealed)
}

/// Opens what [`seal`] made with the same password and context.
pub fn open(
    password: &[u8],
    context: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let header = sealed.get(..HEADER_BYTES).ok_or(OpenError::Form)?;
    if &header[..4] != MAGIC || sealed.len() > HEADER_BYTES + MAX_SECRET_BYTES + TAG_BYTES {
        return Err(OpenError::Form);
    }
    if header[4] != VERSION {
        return Err(OpenError::Version(header[4]));
    }
    let number = |at: usize| {
        let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
        u32::from_be_bytes(bytes)
    };
    let cost = Cost {
        memory_kib: number(5),
        passes: number(9),
    };
    if !cost.is_admitted() {
        return Err(OpenError::Cost(cost));
    }
    let key = stretch(password, &header[13..29], cost).map_err(|()| OpenError::Cost(cost))?;
    let aad = associated(header, context);
    let payload = Payload {
        msg: &sealed[HEADER_BYTES..],
        aad: &aad,
    };
    XChaCha20Poly1305::new(&(*key).into())
        .decrypt(&nonce(&header[29..]), payload)
        .map(Zeroizing::new)
        .map_err(|_| OpenError::Refused)
}

/// Bytes that [`lock`] adds.
pub const LOCK_BYTES: usize = 24 + TAG_BYTES;

/// Encrypts `secret` with a key that needs no stretching: nonce, then ciphertext and tag.
/// `context` says what for, and is needed to open it.
pub fn lock(key: &Secret, context: &[u8], secret: &[u8]) -> Result<Vec<u8>, SealError> {
    if secret.len() > MAX_SECRET_BYTES {
        return Err(SealError::TooLarge(secret.len()));
    }
    let mut locked = vec![0u8; 24];
    getrandom::fill(&mut locked).map_err(NoRandomness::from)?;
    let payload = Payload {
        msg: secret,
        aad: context,
    };
    let ciphertext = XChaCha20Poly1305::new(&(**key).into())
        .encrypt(&nonce(&locked), payload)
        .map_err(|_| SealError::TooLarge(secret.len()))?;
    locked.extend_from_slice(&ciphertext);
    Ok(locked)
}

/// Decrypts what [`lock`] made with the same key and context.
pub fn unlock(
    key: &Secret,
    context: &[u8],
    locked: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    if !(LOCK_BYTES..=MAX_SECRET_BYTES + LOCK_BYTES).contains(&locked.len()) {
        return Err(OpenError::Form);
    }
    let payload = Payload {
        msg: &locked[24..],
        aad: context,
    };
    XChaCha20Poly1305::new(&(**key).into())
        .decrypt(&nonce(&locked[..24]), payload)
        .map(Zeroizing::new)
        .map_err(|_| OpenError::Refused)
}

fn stretch(password: &[u8], salt: &[u8], cost: Cost) -> Result<Secret, ()> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, Some(32)).map_err(|_| ())?;
    let mut key = Zeroizing::new([0u8; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password, salt, key.as_mut_slice())
        .map_err(|_| ())?;
    Ok(key)
}

fn associated(header: &[u8], context: &[u8]) -> Vec<u8> {
    [header, context].concat()
}

fn nonce(bytes: &[u8]) -> XNonce {
    let mut nonce = XNonce::default();
    nonce.copy_from_slice(bytes);
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Vec<u8> {
        seal(b"pass", b"user anna", b"the secret", Cost::LEAST).expect("sealed")
    }

    #[test]
    fn a_seal_opens_with_its_password_and_context_only() {
        let sealed = sealed();
        let opened = open(b"pass", b"user anna", &sealed).expect("opens");
        assert_eq!(opened.as_slice(), b"the secret");
        for (password, context) in [("Pass", "user anna"), ("pass", "user bob"), ("", "")] {
            let opened = open(password.as_bytes(), context.as_bytes(), &sealed);
            assert_eq!(opened.err(), Some(OpenError::Refused));
        }
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_refused() {
        let sealed = sealed();
        for at in 0..sealed.len() {
            // A changed cost within the limits is worked through: one bit each is enough here.
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(b"pass", b"user anna", &changed).is_err(), "byte {at}");
        }
        for length in [0, 4, 52, 53, 60, sealed.len() - 1] {
            assert!(
                open(b"pass", b"user anna", &sealed[..length]).is_err(),
                "{length}"
            );
        }
    }

    #[test]
    fn a_seal_cannot_ask_for_endless_work() {
        for (memory_kib, passes) in [(u32::MAX, 2), (19 * 1024, u32::MAX), (0, 0), (8, 1)] {
            let mut changed = sealed();
            changed[5..9].copy_from_slice(&memory_kib.to_be_bytes());
            changed[9..13].copy_from_slice(&passes.to_be_bytes());
            let error = open(b"pass", b"user anna", &changed).expect_err("refused");
            assert!(matches!(error, OpenError::Cost(_)), "{error}");
        }
    }

    #[test]
    fn what_is_locked_opens_with_its_key_and_context_only() {
        let (key, other) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let locked = lock(&key, b"a", b"secret").expect("locked");
        assert_eq!(
            unlock(&key, b"a", &locked).expect("opens").as_slice(),
            b"secret"
        );
        assert_eq!(unlock(&other, b"a", &locked), Err(OpenError::Refused));
        assert_eq!(unlock(&key, b"b", &locked), Err(OpenError::Refused));
        for at in 0..locked.len() {
            let mut changed = locked.clone();
            changed[at] ^= 1;
            assert_eq!(unlock(&key, b"a", &changed), Err(OpenError::Refused));
            assert!(unlock(&key, b"a", &locked[..at]).is_err());
        }
    }

    #[test]
    fn the_same_secret_is_sealed_differently_each_time() {
        assert_ne!(sealed(), sealed());
        assert!(!sealed().windows(10).any(|window| window == b"the secret"));
    }
}
