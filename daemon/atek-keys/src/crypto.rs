//! The curves: making keys, signing, verifying, encrypting. Pure, but for random bytes.

use crate::KeysError;
use atek_seed::{Secret, sealing};
use ed25519_dalek::Signer as _;
use k256::ecdsa::signature::hazmat::PrehashVerifier as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sha3::Keccak256;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Signs (RFC 8032).
    Ed25519,
    /// Signs: ECDSA, and Schnorr of BIP-340.
    Secp256k1,
    /// Encrypts.
    X25519,
}

/// What is signed, after its format was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToSign {
    /// As it is: ed25519 signs it, secp256k1 its SHA-256.
    Message(Vec<u8>),
    /// A hash that secp256k1 signs with ECDSA, so that the public key can be recovered.
    Recoverable([u8; 32]),
    /// A hash that secp256k1 signs as BIP-340 says.
    Schnorr([u8; 32]),
}

/// A signature of 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// `R || S`, or `r || s` with the lower `s`.
    pub bytes: [u8; 64],
    /// 0 or 1: which public key is recovered (ECDSA only).
    pub recovery: Option<u8>,
}

/// A new private key.
///
/// # Errors
///
/// When the kernel gives no random bytes.
pub fn generate(kind: Kind) -> Result<Secret, KeysError> {
    loop {
        let mut secret = Secret::new([0; 32]);
        getrandom::fill(secret.as_mut_slice())?;
        // Of secp256k1 one of 2^128 is no key.
        if check(kind, &secret).is_ok() {
            return Ok(secret);
        }
    }
}

/// Whether 32 bytes are a private key of this kind.
///
/// # Errors
///
/// [`KeysError::Params`].
pub fn check(kind: Kind, secret: &Secret) -> Result<(), KeysError> {
    public_key(kind, secret).map(|_| ())
}

/// The public key: 32 bytes, for secp256k1 33 (compressed).
///
/// # Errors
///
/// [`KeysError::Params`] when the secret is no private key of this kind.
pub fn public_key(kind: Kind, secret: &Secret) -> Result<Vec<u8>, KeysError> {
    Ok(match kind {
        Kind::Ed25519 => {
            let key = ed25519_dalek::SigningKey::from_bytes(secret);
            key.verifying_key().as_bytes().to_vec()
        }
        Kind::Secp256k1 => {
            let key = k256::ecdsa::SigningKey::from_slice(secret.as_slice());
            let key =
                key.map_err(|_| KeysError::Params("this is no private key of secp256k1".into()))?;
            key.verifying_key().to_sec1_point(true).as_bytes().to_vec()
        }
        Kind::X25519 => PublicKey::from(&StaticSecret::from(**secret))
            .as_bytes()
            .to_vec(),
    })
}

/// Signs.
///
/// # Errors
///
/// [`KeysError::Params`] when this kind of key does not sign that.
pub fn sign(kind: Kind, secret: &Secret, what: &ToSign) -> Result<Signature, KeysError> {
    let ecdsa = |hash: &[u8; 32]| -> Result<Signature, KeysError> {
        let key = k256::ecdsa::SigningKey::from_slice(secret.as_slice()).map_err(|_| broken())?;
        let (signature, recovery) = key.sign_prehash_recoverable(hash);
        let bytes = signature
            .to_bytes()
            .as_slice()
            .try_into()
            .map_err(|_| broken())?;
        Ok(Signature {
            bytes,
            recovery: Some(recovery.to_byte()),
        })
    };
    match (kind, what) {
        (Kind::Ed25519, ToSign::Message(message)) => {
            let key = ed25519_dalek::SigningKey::from_bytes(secret);
            Ok(Signature {
                bytes: key.sign(message).to_bytes(),
                recovery: None,
            })
        }
        (Kind::Secp256k1, ToSign::Message(message)) => ecdsa(&Sha256::digest(message).into()),
        (Kind::Secp256k1, ToSign::Recoverable(hash)) => ecdsa(hash),
        (Kind::Secp256k1, ToSign::Schnorr(hash)) => {
            let mut random = [0; 32];
            getrandom::fill(&mut random)?;
            schnorr(secret, hash, &random)
        }
        (Kind::X25519, _) => Err(KeysError::Params(
            "an x25519 key encrypts and does not sign".into(),
        )),
        (Kind::Ed25519, _) => Err(KeysError::Params(
            "this format is signed with a secp256k1 key".into(),
        )),
    }
}

/// BIP-340's signature of a hash, with its auxiliary random bytes.
fn schnorr(secret: &Secret, hash: &[u8; 32], random: &[u8; 32]) -> Result<Signature, KeysError> {
    let key = k256::schnorr::SigningKey::from_slice(secret.as_slice()).map_err(|_| broken())?;
    let signature = key.sign_raw(hash, random).map_err(|_| broken())?;
    Ok(Signature {
        bytes: signature.to_bytes(),
        recovery: None,
    })
}

/// Whether a signature is good. Malformed keys and signatures are not.
#[must_use]
pub fn verify(kind: Kind, public: &[u8], what: &ToSign, signature: &[u8]) -> bool {
    let ecdsa = |hash: &[u8]| {
        let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(public);
        let signature = k256::ecdsa::Signature::from_slice(signature);
        matches!((key, signature), (Ok(key), Ok(signature)) if key.verify_prehash(hash, &signature).is_ok())
    };
    match (kind, what) {
        (Kind::Ed25519, ToSign::Message(message)) => {
            let key = public
                .try_into()
                .ok()
                .and_then(|bytes| ed25519_dalek::VerifyingKey::from_bytes(bytes).ok());
            let signature = ed25519_dalek::Signature::from_slice(signature).ok();
            key.zip(signature)
                .is_some_and(|(key, signature)| key.verify_strict(message, &signature).is_ok())
        }
        (Kind::Secp256k1, ToSign::Message(message)) => ecdsa(&Sha256::digest(message)),
        (Kind::Secp256k1, ToSign::Recoverable(hash)) => ecdsa(hash),
        (Kind::Secp256k1, ToSign::Schnorr(hash)) => {
            let key = public
                .get(public.len().saturating_sub(32)..)
                .and_then(|x| k256::schnorr::VerifyingKey::from_slice(x).ok());
            let signature = signature
                .try_into()
                .ok()
                .and_then(|bytes| k256::schnorr::Signature::from_bytes(bytes).ok());
            key.zip(signature)
                .is_some_and(|(key, signature)| key.verify_raw(hash, &signature).is_ok())
        }
        _ => false,
    }
}

/// Encrypts for who has the private key of `public` (x25519): an ephemeral key and what
/// [`sealing::lock`] makes with SHA-256 of a label, the shared secret and both public keys.
///
/// # Errors
///
/// [`KeysError::Params`] for a public key that is none.
pub fn encrypt(public: &[u8], context: &[u8], plain: &[u8]) -> Result<Vec<u8>, KeysError> {
    let public: [u8; 32] = public
        .try_into()
        .map_err(|_| KeysError::Params("an x25519 public key has 32 bytes".into()))?;
    let ephemeral = StaticSecret::from(*generate(Kind::X25519)?);
    let sender = PublicKey::from(&ephemeral);
    let key = shared(&ephemeral, &public, sender.as_bytes(), &public)?;
    let mut message = sender.as_bytes().to_vec();
    message.extend(sealing::lock(&key, context, plain)?);
    Ok(message)
}

/// Decrypts what [`encrypt`] made.
///
/// # Errors
///
/// [`KeysError::Refused`] for what was not encrypted for this key, or was changed.
pub fn decrypt(
    secret: &Secret,
    context: &[u8],
    message: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let refused =
        || KeysError::Refused("this was not encrypted for this key, or was changed".into());
    let (sender, locked) = message.split_at_checked(32).ok_or_else(refused)?;
    let sender: [u8; 32] = sender.try_into().map_err(|_| refused())?;
    let secret = StaticSecret::from(**secret);
    let own = PublicKey::from(&secret);
    let key = shared(&secret, &sender, &sender, own.as_bytes()).map_err(|_| refused())?;
    sealing::unlock(&key, context, locked).map_err(|_| refused())
}

fn shared(
    own: &StaticSecret,
    their: &[u8; 32],
    sender: &[u8; 32],
    to: &[u8; 32],
) -> Result<Secret, KeysError> {
    let shared = own.diffie_hellman(&PublicKey::from(*their));
    if !shared.was_contributory() {
        return Err(KeysError::Params(
            "this is no public key to encrypt for".into(),
        ));
    }
    // Both keys are hashed, so that no other pair comes to the same key.
    let mut hash = Sha256::new();
    hash.update(b"atek.cloud/keys/box/v1");
    hash.update(shared.as_bytes());
    hash.update(sender);
    hash.update(to);
    Ok(Secret::new(hash.finalize().into()))
}

/// The Ethereum address of a public key, in EIP-55's mixed case.
#[must_use]
pub fn ethereum_address(public: &[u8]) -> Option<String> {
    let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(public).ok()?;
    let point = key.to_sec1_point(false);
    let hash = Keccak256::digest(&point.as_bytes()[1..]);
    Some(checksummed(&hash[12..]))
}

/// An address in EIP-55's mixed case.
#[must_use]
pub fn checksummed(address: &[u8]) -> String {
    let text = hex::encode(address);
    let hash = Keccak256::digest(text.as_bytes());
    let letters = text.chars().enumerate().map(|(at, c)| {
        let nibble = hash
            .get(at / 2)
            .map_or(0, |byte| if at % 2 == 0 { byte >> 4 } else { byte & 15 });
        if nibble >= 8 {
            c.to_ascii_uppercase()
        } else {
            c
        }
    });
    format!("0x{}", letters.collect::<String>())
}

/// Keccak-256.
#[must_use]
pub fn keccak(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

fn broken() -> KeysError {
    KeysError::Refused("the key cannot be used".into())
}

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(
            hex::decode(text)
                .expect("hex")
                .try_into()
                .expect("32 bytes"),
        )
    }

    /// EIP-155's example and the addresses of EIP-55.
    #[test]
    fn ethereum_addresses_are_those_of_the_standards() {
        let key = secret("4646464646464646464646464646464646464646464646464646464646464646");
        let public = public_key(Kind::Secp256k1, &key).expect("key");
        assert_eq!(
            ethereum_address(&public).expect("address"),
            "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"
        );
        for address in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        ] {
            let bytes = hex::decode(address[2..].to_lowercase()).expect("hex");
            assert_eq!(checksummed(&bytes), address);
        }
    }

    #[test]
    fn a_signature_holds_for_its_message_and_key_only() {
        for kind in [Kind::Ed25519, Kind::Secp256k1] {
            let (one, other) = (generate(kind).expect("key"), generate(kind).expect("key"));
            let public = |key| public_key(kind, key).expect("key");
            let mut cases = vec![ToSign::Message(b"text".to_vec())];
            if kind == Kind::Secp256k1 {
                cases.extend([ToSign::Recoverable([7; 32]), ToSign::Schnorr([7; 32])]);
            }
            for what in cases {
                let signature = sign(kind, &one, &what).expect("signed").bytes;
                assert!(verify(kind, &public(&one), &what, &signature), "{what:?}");
                assert!(!verify(kind, &public(&other), &what, &signature));
                assert!(!verify(
                    kind,
                    &public(&one),
                    &ToSign::Message(b"Text".to_vec()),
                    &signature
                ));
                for cut in [0, 1, 63] {
                    assert!(!verify(kind, &public(&one), &what, &signature[..cut]));
                    assert!(!verify(
                        kind,
                        &public(&one)[..cut.min(30)],
                        &what,
                        &signature
                    ));
                }
            }
        }
    }

    #[test]
    fn what_is_encrypted_is_read_with_its_key_and_context_only() {
        let (one, other) = (
            generate(Kind::X25519).expect("key"),
            generate(Kind::X25519).expect("key"),
        );
        let public = public_key(Kind::X25519, &one).expect("key");
        let message = encrypt(&public, b"c", b"hello").expect("encrypted");
        assert_eq!(
            decrypt(&one, b"c", &message).expect("reads").as_slice(),
            b"hello"
        );
        assert!(decrypt(&other, b"c", &message).is_err());
        assert!(decrypt(&one, b"d", &message).is_err());
        for at in 0..message.len() {
            let mut changed = message.clone();
            changed[at] ^= 1;
            assert!(decrypt(&one, b"c", &changed).is_err());
            assert!(decrypt(&one, b"c", &message[..at]).is_err());
        }
        // A key with which every shared secret is zero.
        assert!(encrypt(&[0; 32], b"c", b"hello").is_err());
    }
}
