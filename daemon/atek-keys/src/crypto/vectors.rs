//! The vectors of BIP-340 (its own file of them) and of RFC 7748.

use super::*;

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let bytes = hex::decode(text).expect("hex");
    bytes.try_into().expect("so many bytes")
}

#[test]
fn the_vectors_of_bip_340_hold() {
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../vectors/bip340.json")).expect("vectors");
    let (mut signed, mut good, mut bad) = (0, 0, 0);
    for vector in &vectors {
        let text = |field: &str| vector[field].as_str().unwrap_or_default();
        let public = hex::decode(text("public")).expect("hex");
        let signature = hex::decode(text("signature")).expect("hex");
        let message = hex::decode(text("message")).expect("hex");
        let Ok(hash) = <[u8; 32]>::try_from(message) else {
            // The key service signs hashes only.
            continue;
        };
        let what = ToSign::Schnorr(hash);
        let expected = vector["good"] == true;
        let found = verify(Kind::Secp256k1, &public, &what, &signature);
        assert_eq!(found, expected, "{vector}");
        match expected {
            true => good += 1,
            false => bad += 1,
        }
        if vector["secret"].is_string() {
            let secret = Secret::new(bytes(text("secret")));
            let made = schnorr(&secret, &hash, &bytes(text("random"))).expect("signed");
            assert_eq!(made.bytes.as_slice(), signature, "{vector}");
            let key = public_key(Kind::Secp256k1, &secret).expect("key");
            assert_eq!(key[1..], public, "{vector}");
            signed += 1;
        }
    }
    assert_eq!((signed, good, bad), (4, 5, 10));
}

/// Section 5.2: a scalar, a coordinate, their product.
#[test]
fn the_products_of_rfc_7748_hold() {
    let product = |scalar: [u8; 32], point: [u8; 32]| {
        let product = StaticSecret::from(scalar).diffie_hellman(&PublicKey::from(point));
        *product.as_bytes()
    };
    for (scalar, point, expected) in [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ] {
        assert_eq!(hex::encode(product(bytes(scalar), bytes(point))), expected);
    }
    let mut nine = [0; 32];
    nine[0] = 9;
    let (mut scalar, mut point) = (nine, nine);
    for round in 1..=1_000 {
        (scalar, point) = (product(scalar, point), scalar);
        let expected = match round {
            1 => "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079",
            1_000 => "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51",
            _ => continue,
        };
        assert_eq!(hex::encode(scalar), expected, "after {round} rounds");
    }
}

/// Section 6.1: two people with their keys, and what both come to.
#[test]
fn the_exchange_of_rfc_7748_holds() {
    let alice = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
    let bob = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
    let of_alice = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    let of_bob = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
    for (secret, expected) in [(alice, of_alice), (bob, of_bob)] {
        let public = public_key(Kind::X25519, &Secret::new(bytes(secret))).expect("key");
        assert_eq!(hex::encode(public), expected);
    }
    // The key of a message is a hash of the RFC's shared secret and both public keys.
    let mut hash = Sha256::new();
    hash.update(b"atek.cloud/keys/box/v1");
    hash.update(bytes::<32>(
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    ));
    hash.update(bytes::<32>(of_alice));
    hash.update(bytes::<32>(of_bob));
    let expected: [u8; 32] = hash.finalize().into();
    for (own, their) in [(alice, of_bob), (bob, of_alice)] {
        let own = StaticSecret::from(bytes(own));
        let key = shared(&own, &bytes(their), &bytes(of_alice), &bytes(of_bob)).expect("key");
        assert_eq!(*key, expected);
    }
}
