//! SSH signatures of git (PROTOCOL.sshsig of OpenSSH): they carry their public key.

use super::{Signature, SignatureError};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Rsa;
use openssl::sign::Verifier;
use ssh_key::public::{EcdsaPublicKey, KeyData};
use ssh_key::{Algorithm, HashAlg, Mpint, SshSig};

/// What git signs for.
const NAMESPACE: &str = "git";
/// Bits below which an RSA key is refused, as OpenSSH does by default.
const RSA_BITS_MIN: u32 = 2048;

/// The fingerprint of the key with which this was signed.
pub(super) fn verify(signature: &Signature<'_>) -> Result<String, SignatureError> {
    let found = SshSig::from_pem(signature.armored).map_err(|_| SignatureError::Unreadable)?;
    if found.namespace() != NAMESPACE {
        return Err(SignatureError::OtherPurpose);
    }
    let signed = SshSig::signed_data(NAMESPACE, found.hash_alg(), signature.payload)
        .map_err(|_| SignatureError::Unreadable)?;
    match is_right(&found, &signed) {
        Ok(Some(true)) => Ok(found.public_key().fingerprint(HashAlg::Sha256).to_string()),
        // OpenSSL calls some wrong signatures an error.
        Ok(Some(false)) | Err(_) => Err(SignatureError::Wrong),
        Ok(None) => {
            let kind = found.public_key().algorithm().as_str().to_owned();
            Err(SignatureError::UnsupportedKey(kind))
        }
    }
}

/// Whether the signature fits; none for a kind of key that is not supported.
fn is_right(found: &SshSig, signed: &[u8]) -> Result<Option<bool>, ErrorStack> {
    let signature = found.signature();
    match found.public_key() {
        KeyData::Ed25519(key) => {
            let key = PKey::public_key_from_raw_bytes(&key.0, Id::ED25519)?;
            let mut verifier = Verifier::new_without_digest(&key)?;
            verifier
                .verify_oneshot(signature.as_bytes(), signed)
                .map(Some)
        }
        KeyData::Rsa(key) => {
            let number =
                |mpint: &Mpint| BigNum::from_slice(mpint.as_positive_bytes().unwrap_or_default());
            let key = PKey::from_rsa(Rsa::from_public_components(
                number(&key.n)?,
                number(&key.e)?,
            )?)?;
            if key.bits() < RSA_BITS_MIN {
                return Ok(None);
            }
            // SHA-1, which SSH once meant by `ssh-rsa`, is not among them.
            let digest = match signature.algorithm() {
                Algorithm::Rsa {
                    hash: Some(HashAlg::Sha256),
                } => MessageDigest::sha256(),
                Algorithm::Rsa {
                    hash: Some(HashAlg::Sha512),
                } => MessageDigest::sha512(),
                _ => return Ok(None),
            };
            let mut verifier = Verifier::new(digest, &key)?;
            verifier
                .verify_oneshot(signature.as_bytes(), signed)
                .map(Some)
        }
        KeyData::Ecdsa(key) => ecdsa(key, signature.as_bytes(), signed).map(Some),
        _ => Ok(None),
    }
}

fn ecdsa(key: &EcdsaPublicKey, signature: &[u8], signed: &[u8]) -> Result<bool, ErrorStack> {
    let (curve, digest) = match key {
        EcdsaPublicKey::NistP256(_) => (Nid::X9_62_PRIME256V1, MessageDigest::sha256()),
        EcdsaPublicKey::NistP384(_) => (Nid::SECP384R1, MessageDigest::sha384()),
        EcdsaPublicKey::NistP521(_) => (Nid::SECP521R1, MessageDigest::sha512()),
    };
    let group = EcGroup::from_curve_name(curve)?;
    let mut context = openssl::bn::BigNumContext::new()?;
    let point = EcPoint::from_bytes(&group, key.as_sec1_bytes(), &mut context)?;
    let key: PKey<Public> = PKey::from_ec_key(EcKey::from_public_key(&group, &point)?)?;
    // Two numbers of SSH; OpenSSL wants them in ASN.1.
    let Some((r, rest)) = field(signature) else {
        return Ok(false);
    };
    let Some((s, [])) = field(rest) else {
        return Ok(false);
    };
    let (r, s) = (BigNum::from_slice(r)?, BigNum::from_slice(s)?);
    let signature = EcdsaSig::from_private_components(r, s)?.to_der()?;
    let mut verifier = Verifier::new(digest, &key)?;
    verifier.verify_oneshot(&signature, signed)
}

/// The first field of a message of SSH (RFC 4251, 5), and what is behind it.
fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}
