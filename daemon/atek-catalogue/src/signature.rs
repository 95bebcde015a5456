//! The signature of an index, as `minisign` writes it: Ed25519 over the file's BLAKE2b-512.

use minisign_verify::{PublicKey as Minisign, Signature};
use std::fmt;
use std::str::FromStr;

/// The public key of a catalogue: the second line of `minisign.pub`, 56 characters of base64.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    text: String,
    key: Minisign,
}

/// Why an index is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The text of the key.
    #[error(
        "the key is not one of minisign: it is the line of 56 characters in the file minisign.pub, beginning with RW"
    )]
    Key,
    /// The signature's file.
    #[error("index.json.minisig is not a signature of minisign")]
    Form,
    /// Another key, or another content.
    #[error("the signature of index.json is not one of the key that was given for this catalogue")]
    Wrong,
}

impl FromStr for PublicKey {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let text = text.trim().to_owned();
        let key = Minisign::from_base64(&text).map_err(|_| SignatureError::Key)?;
        Ok(Self { text, key })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.text)
    }
}

/// Checks the signature of an index.
///
/// # Errors
///
/// [`SignatureError`]; the index must not be used.
pub fn verify(index: &[u8], signature: &str, key: &PublicKey) -> Result<(), SignatureError> {
    let signature = Signature::decode(signature).map_err(|_| SignatureError::Form)?;
    // Signatures that are not of the hash are those of old versions.
    key.key
        .verify(index, &signature, false)
        .map_err(|_| SignatureError::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with minisign for these tests; the secret key was thrown away.
    const KEY: &str = include_str!("../tests/minisign.pub.txt");
    const SIGNATURE: &str = include_str!("../tests/index.json.minisig");
    const SIGNED: &[u8] = b"{\"format\":1}\n";

    #[test]
    fn only_the_signed_content_with_the_signatures_key_is_believed() {
        let key: PublicKey = KEY.parse().unwrap();
        assert_eq!(verify(SIGNED, SIGNATURE, &key), Ok(()));
        assert_eq!(
            verify(b"{\"format\":2}\n", SIGNATURE, &key),
            Err(SignatureError::Wrong)
        );
        assert_eq!(verify(b"", SIGNATURE, &key), Err(SignatureError::Wrong));
        assert_eq!(verify(SIGNED, "", &key), Err(SignatureError::Form));
        let comment = SIGNATURE.replace("trusted comment: ", "trusted comment: not ");
        assert!(
            verify(SIGNED, &comment, &key).is_err(),
            "the comment is signed, too"
        );
        // Another key: one bit of its last byte differs.
        let mut other = KEY.trim().to_owned();
        let last = other.pop().unwrap();
        other.push(if last == 'A' { 'E' } else { 'A' });
        if let Ok(other) = other.parse() {
            assert!(verify(SIGNED, SIGNATURE, &other).is_err());
        }
        for bad in ["", "RW", "not base64 !", &KEY.trim()[..40]] {
            assert_eq!(
                bad.parse::<PublicKey>(),
                Err(SignatureError::Key),
                "{bad:?}"
            );
        }
    }
}
