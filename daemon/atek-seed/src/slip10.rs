//! SLIP-10 for ed25519: a tree of private keys, all steps hardened.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::Secret;

/// The bit of a hardened step; ed25519 has no others.
const HARDENED: u32 = 1 << 31;

/// A private key and its chain code. `Debug` does not show them.
pub struct Node {
    key: Secret,
    chain: Secret,
}

impl Node {
    /// The root of the tree of `seed`.
    pub fn master(seed: &[u8]) -> Self {
        Self::hash(b"ed25519 seed", &[seed])
    }

    /// The child at the hardened step `index`'; an index is taken without its highest bit.
    pub fn child(&self, index: u32) -> Self {
        let step = (index | HARDENED).to_be_bytes();
        Self::hash(self.chain.as_slice(), &[&[0], self.key.as_slice(), &step])
    }

    /// The private key, in RFC 8032's sense (the seed of an ed25519 key pair).
    pub fn private_key(&self) -> Secret {
        self.key.clone()
    }

    fn hash(key: &[u8], data: &[&[u8]]) -> Self {
        let mut mac = match Hmac::<Sha512>::new_from_slice(key) {
            Ok(mac) => mac,
            Err(error) => unreachable!("HMAC takes keys of any length: {error}"),
        };
        data.iter().for_each(|part| mac.update(part));
        let out: Zeroizing<[u8; 64]> = Zeroizing::new(mac.finalize().into_bytes().into());
        let mut node = Node {
            key: Zeroizing::new([0; 32]),
            chain: Zeroizing::new([0; 32]),
        };
        node.key.copy_from_slice(&out[..32]);
        node.chain.copy_from_slice(&out[32..]);
        node
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Node(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    #[test]
    fn the_vectors_of_slip_10_hold() {
        let vectors: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../vectors/slip10-ed25519.json")).expect("vectors");
        assert_eq!(vectors.len(), 9);
        for vector in vectors {
            let text = |field: &str| vector[field].as_str().expect("text").to_owned();
            let mut node = Node::master(&hex::decode(text("seed")).expect("hex"));
            for index in vector["path"].as_array().expect("path") {
                node = node.child(
                    index
                        .as_u64()
                        .and_then(|i| u32::try_from(i).ok())
                        .expect("u32"),
                );
            }
            assert_eq!(hex::encode(*node.chain), text("chain"));
            assert_eq!(hex::encode(*node.private_key()), text("private"));
            let public = SigningKey::from_bytes(&node.private_key()).verifying_key();
            assert_eq!(hex::encode(public.as_bytes()), text("public"));
        }
    }

    /// The keys are used as RFC 8032 says (tests 1 to 3 of its section 7.1).
    #[test]
    fn the_vectors_of_rfc_8032_hold() {
        use ed25519_dalek::Signer as _;
        for (private, public, message, signature) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
        ] {
            let bytes = hex::decode(private)
                .expect("hex")
                .try_into()
                .expect("32 bytes");
            let key = SigningKey::from_bytes(&bytes);
            assert_eq!(hex::encode(key.verifying_key().as_bytes()), public);
            let signed = key.sign(&hex::decode(message).expect("hex"));
            assert_eq!(hex::encode(signed.to_bytes()), signature);
        }
    }
}
