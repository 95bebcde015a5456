//! Hostile things to sign, and hostile sealed files.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

use atek_keys::crypto::{Kind, ToSign};
use atek_keys::describe::{Format, MAX_PAYLOAD, Meaning, read};
use atek_seed::{RecoveryWords, Secret, sealing};
use serde_json::{Value, json};

/// A public key of secp256k1, whose x is 2.
const PUBLIC: [u8; 33] = {
    let mut key = [0; 33];
    key[0] = 2;
    key[32] = 2;
    key
};

/// What was read never shows characters that are not seen, and is bounded.
fn check(format: Format, payload: &Value) -> bool {
    let Ok(read) = read(format, payload, Kind::Secp256k1, &PUBLIC) else {
        return false;
    };
    let shown = &read.description;
    assert!(shown.words.len() < 4_000, "{}", shown.words.len());
    assert!(shown.fields.len() <= 210);
    for text in shown
        .fields
        .iter()
        .map(|field| &field.value)
        .chain([&shown.words])
    {
        let hidden = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        assert!(!text.contains(hidden) && !text.contains(['\u{202e}', '\u{200b}', '\u{2066}']));
        assert!(text.chars().count() < 30_000);
    }
    match format {
        // Bytes and texts never become what Ethereum or Nostr accept.
        Format::Text | Format::Bytes => assert!(matches!(read.to_sign, ToSign::Message(_))),
        Format::NostrEvent => assert!(matches!(read.to_sign, ToSign::Schnorr(_))),
        _ => assert!(matches!(read.to_sign, ToSign::Recoverable(_))),
    }
    if format == Format::EthereumTypedData {
        assert_eq!(shown.meaning, Meaning::EthereumTypedData);
    }
    if format == Format::EthereumTransaction {
        assert_eq!(shown.meaning, Meaning::EthereumTransaction);
    }
    true
}

#[test]
fn fuzz_ethereum_transactions() {
    let seed = |text: &str| hex::decode(text).unwrap();
    let seeds = [
        seed(
            "ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080",
        ),
        seed(
            "02e98221058001058252089435353535353535353535353535353535353535358803782dace9d9000080c0",
        ),
        seed("ce8001830dbba08080826000058080"),
    ];
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    let tokens: [&[u8]; 5] = [
        b"\xf8\xff",
        b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x80\x80",
        b"\xc0",
        b"\x81\x00",
    ];
    atek_fuzz::run("ethereum transactions", &seeds, &tokens, |input| {
        check(Format::EthereumTransaction, &json!(hex::encode(input)))
    });
}

#[test]
fn fuzz_nostr_events_and_texts() {
    let seeds: [&[u8]; 3] = [
        br#"{"kind":1,"content":"hi","tags":[["e","x"]],"created_at":1}"#,
        br#"{"kind":22242,"content":"","tags":[["relay","wss://x"]],"created_at":1700000000}"#,
        b"example.org wants you to sign in with your Ethereum account:\n0x00\n",
    ];
    let tokens: [&[u8]; 5] = [b"\xe2\x80\xae", b"\\u202e", b"[[", b"\"kind\":", b"\0"];
    atek_fuzz::run("nostr events and texts", &seeds, &tokens, |input| {
        let text = String::from_utf8_lossy(input);
        let event = serde_json::from_slice::<Value>(input).unwrap_or(Value::Null);
        let mut was_read = check(Format::NostrEvent, &event);
        for format in [Format::Text, Format::EthereumMessage] {
            was_read |= check(format, &json!(text));
        }
        was_read | check(Format::Bytes, &json!(hex::encode(input))) && input.len() <= MAX_PAYLOAD
    });
}

#[test]
fn fuzz_typed_data() {
    let seeds: [&[u8]; 2] = [
        br#"{"types":{"EIP712Domain":[{"name":"chainId","type":"uint256"}],"A":[{"name":"b","type":"B[]"},{"name":"n","type":"int8"}],"B":[{"name":"t","type":"string"}]},"primaryType":"A","domain":{"chainId":1},"message":{"b":[{"t":"x"}],"n":-1}}"#,
        br#"{"types":{"EIP712Domain":[],"Permit":[{"name":"spender","type":"address"},{"name":"value","type":"uint256"},{"name":"d","type":"bytes4"}]},"primaryType":"Permit","domain":{},"message":{"spender":"0x1111111111111111111111111111111111111111","value":"0x10","d":"0x01020304"}}"#,
    ];
    let tokens: [&[u8]; 8] = [
        b"[]",
        b"[2]",
        b"\"A\"",
        b"\"type\":\"B\"",
        b"uint8",
        b"null",
        b"1e9",
        b"\xe2\x80\xae",
    ];
    atek_fuzz::run("typed data", &seeds, &tokens, |input| {
        let text = String::from_utf8_lossy(input);
        check(Format::EthereumTypedData, &json!(text))
    });
}

#[test]
fn fuzz_locked_secrets_and_words() {
    let key = Secret::new([7; 32]);
    let locked = sealing::lock(&key, b"c", b"secret").unwrap();
    let words = RecoveryWords::from_entropy(&[3; 32]);
    let words = words.words().collect::<Vec<_>>().join(" ");
    let seeds: [&[u8]; 2] = [&locked, words.as_bytes()];
    let tokens: [&[u8]; 3] = [b"abandon ", b"ATKS\x01", b"1."];
    atek_fuzz::run("locked secrets and words", &seeds, &tokens, |input| {
        if input != locked {
            assert!(sealing::unlock(&key, b"c", input).is_err());
        }
        let read = std::str::from_utf8(input).map(RecoveryWords::parse);
        matches!(read, Ok(Ok(_)))
    });
}
