//! The secrets that are derived from the master seed, by the tree in this crate's documentation.

use std::fmt;

use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::slip10::Node;

/// Separates this tree from any other use of the same words.
const SALT: &[u8] = b"atek.cloud/seed/v1";

/// "ATEK": the first step of identity keys.
const PURPOSE: u32 = u32::from_be_bytes(*b"ATEK");

/// A secret of 32 bytes, wiped when dropped.
pub type Secret = Zeroizing<[u8; 32]>;

/// The root of the tree: the 64 bytes that BIP-39 makes of the words. `Debug` does not show it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MasterSeed([u8; 64]);

impl MasterSeed {
    /// A seed that was kept (opened by [`crate::sealing::open`]).
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        MasterSeed(bytes)
    }

    /// The seed, to be sealed.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// The password of backups: 64 lower-case hexadecimal digits.
    pub fn backup_password(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.hkdf(&[b"backup-password"]).as_slice()))
    }

    /// The primary key of the hypercore service.
    pub fn hypercore_seed(&self) -> Secret {
        self.hkdf(&[b"hypercore"])
    }

    /// The private key of the box's certificate authority.
    pub fn local_ca_seed(&self) -> Secret {
        self.hkdf(&[b"local-ca"])
    }

    /// The ed25519 private key (RFC 8032 seed) of the user with the key `user`; `generation` is 0
    /// until the identity is replaced, and less than 2^31.
    pub fn identity_seed(&self, user: &str, generation: u32) -> Secret {
        let root = self.hkdf(&[b"identity-root"]);
        let digest = Sha256::digest(user.as_bytes());
        let steps = digest.chunks_exact(4).take(4).map(|word| {
            let word = word.try_into().map(u32::from_be_bytes);
            word.unwrap_or_else(|_| unreachable!("chunks are of 4 bytes"))
        });
        let mut node = Node::master(root.as_slice()).child(PURPOSE);
        for step in steps {
            node = node.child(step);
        }
        node.child(generation).private_key()
    }

    /// The x25519 private key with which the words open the keys of every user.
    pub fn recovery_key(&self) -> Secret {
        self.hkdf(&[b"recovery"])
    }

    /// A secret that belongs to the service with the key `service`, of this name.
    pub fn app_seed(&self, service: &str, name: &str) -> Secret {
        self.hkdf(&[b"app/", service.as_bytes(), b"/", name.as_bytes()])
    }

    fn hkdf(&self, info: &[&[u8]]) -> Secret {
        let mut out = Zeroizing::new([0u8; 32]);
        let expanded =
            Hkdf::<Sha256>::new(Some(SALT), &self.0).expand_multi_info(info, out.as_mut_slice());
        match expanded {
            Ok(()) => out,
            Err(error) => unreachable!("32 bytes are less than HKDF's limit: {error}"),
        }
    }
}

impl fmt::Debug for MasterSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterSeed(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecoveryWords;

    fn seed() -> MasterSeed {
        RecoveryWords::from_entropy(&[7; 32]).seed()
    }

    /// HKDF written out with HMAC, so that the tree is checked against its definition.
    fn by_definition(seed: &MasterSeed, info: &[u8]) -> String {
        use hmac::{Hmac, KeyInit, Mac};
        let mac = |key: &[u8], data: &[&[u8]]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
            data.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes()
        };
        let prk = mac(SALT, &[seed.as_bytes()]);
        hex::encode(mac(&prk, &[info, &[1]]))
    }

    #[test]
    fn secrets_are_those_of_the_documented_tree() {
        let seed = seed();
        assert_eq!(
            *seed.backup_password(),
            by_definition(&seed, b"backup-password")
        );
        assert_eq!(
            hex::encode(*seed.hypercore_seed()),
            by_definition(&seed, b"hypercore")
        );
        assert_eq!(
            hex::encode(*seed.local_ca_seed()),
            by_definition(&seed, b"local-ca")
        );
        assert_eq!(
            hex::encode(*seed.app_seed("k1", "a/b")),
            by_definition(&seed, b"app/k1/a/b")
        );
    }

    /// Fails when anything in the tree changes: a box could then not open its own backups.
    #[test]
    fn the_tree_never_changes() {
        let seed = RecoveryWords::from_entropy(&[0; 32]).seed();
        let all = [
            seed.backup_password().to_string(),
            hex::encode(*seed.hypercore_seed()),
            hex::encode(*seed.local_ca_seed()),
            hex::encode(*seed.identity_seed("u-anna", 0)),
            hex::encode(*seed.app_seed("s-notes", "sign")),
        ];
        let digest = hex::encode(Sha256::digest(all.join("\n")));
        assert_eq!(
            digest,
            "9f702237eb25810d4e6589215a76d768a91fb2e6816c01fbb0c247d41cc08938"
        );
    }

    #[test]
    fn secrets_differ_by_kind_user_generation_app_and_name() {
        let seed = seed();
        let all = [
            hex::encode(*seed.hypercore_seed()),
            hex::encode(*seed.local_ca_seed()),
            seed.backup_password().to_string(),
            hex::encode(*seed.identity_seed("anna", 0)),
            hex::encode(*seed.identity_seed("anna", 1)),
            hex::encode(*seed.identity_seed("bob", 0)),
            hex::encode(*seed.app_seed("anna", "x")),
            hex::encode(*seed.app_seed("bob", "x")),
            hex::encode(*seed.app_seed("anna", "y")),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", seed()), "MasterSeed(secret)");
    }
}
