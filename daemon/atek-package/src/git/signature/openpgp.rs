//! OpenPGP signatures. They name their key and do not carry it, so the repository must have it in
//! [`SIGNING_KEY_FILE`]; that a later release has the same key is what its fingerprint tells.
//!
//! `gpgv` checks them: a program that is a part of GnuPG and only verifies, against the keys that
//! it is given.

use super::{Signature, SignatureError};
use atek_api::package::SIGNING_KEY_FILE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use git2::{Commit, Repository};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Bytes of the largest file of keys.
const KEYS_MAX: usize = 256 << 10;
/// Keys in it, at most.
const BLOCKS_MAX: usize = 32;
const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// The public keys of a release, as gpgv takes them; none where there are none.
pub(super) fn key_of(repository: &Repository, commit: &Commit<'_>) -> Option<Vec<u8>> {
    let tree = commit.tree().ok()?;
    let entry = tree.get_name(SIGNING_KEY_FILE)?;
    let (size, _) = repository.odb().ok()?.read_header(entry.id()).ok()?;
    if size > KEYS_MAX {
        return None;
    }
    let blob = repository.find_blob(entry.id()).ok()?;
    let keys = dearmored(&String::from_utf8_lossy(blob.content()));
    (!keys.is_empty()).then_some(keys)
}

/// The bytes of all armored keys (RFC 9580, 6.2), one after the other, which is a keyring.
fn dearmored(text: &str) -> Vec<u8> {
    let mut keys = Vec::new();
    for block in text.split(BEGIN).skip(1).take(BLOCKS_MAX) {
        let Some((block, _)) = block.split_once(END) else {
            continue;
        };
        // Headers end with an empty line; the checksum begins with `=` on a line of its own.
        let lines: Vec<&str> = block.lines().map(str::trim).collect();
        let body = lines.iter().skip(1).skip_while(|line| !line.is_empty());
        let body: String = body
            .filter(|line| !line.starts_with('='))
            .copied()
            .collect();
        keys.extend(STANDARD.decode(body).unwrap_or_default());
    }
    keys
}

/// The fingerprint of the primary key with which this was signed.
pub(super) fn verify(signature: &Signature<'_>, keys: &[u8]) -> Result<String, SignatureError> {
    let scratch = Scratch::new().map_err(SignatureError::Gpgv)?;
    let file = |name: &str, content: &[u8]| {
        let path = scratch.0.join(name);
        fs::write(&path, content).map(|()| path)
    };
    let [keyring, signed, payload] = [
        file("keys.gpg", keys),
        file("signature.asc", signature.armored),
        file("payload", signature.payload),
    ];
    let output = Command::new("gpgv")
        .args(["--status-fd", "1", "--homedir"])
        .arg(&scratch.0)
        .arg("--keyring")
        .arg(keyring.map_err(SignatureError::Gpgv)?)
        .arg(signed.map_err(SignatureError::Gpgv)?)
        .arg(payload.map_err(SignatureError::Gpgv)?)
        .env_clear()
        .env("PATH", crate::npm::PATH)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match output {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(SignatureError::NoGpgv),
        Err(error) => Err(SignatureError::Gpgv(error)),
        Ok(output) => judged(
            &String::from_utf8_lossy(&output.stdout),
            output.status.success(),
        ),
    }
}

/// What gpgv's status lines say (doc/DETAILS of GnuPG).
fn judged(status: &str, succeeded: bool) -> Result<String, SignatureError> {
    let lines = status
        .lines()
        .filter_map(|line| line.strip_prefix("[GNUPG:] "))
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let (mut good, mut valid) = (0, Vec::new());
    for words in lines {
        match words.first().copied() {
            Some("GOODSIG") => good += 1,
            // The fingerprint of the primary key is the tenth argument; a signature by it, and
            // not by a part of it, may leave it out.
            Some("VALIDSIG") => valid.push(words.get(10).or(words.get(1)).copied()),
            Some("NO_PUBKEY") => return Err(SignatureError::NoKey),
            Some("EXPKEYSIG" | "REVKEYSIG" | "EXPSIG") => return Err(SignatureError::KeyEnded),
            _ => {}
        }
    }
    // One signature, by one key: with several it would not be clear whose counts.
    match valid.as_slice() {
        [Some(fingerprint)] if succeeded && good == 1 => Ok((*fingerprint).to_owned()),
        _ => Err(SignatureError::Wrong),
    }
}

/// A folder for gpgv, beside the objects; gone with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let folder = std::env::current_dir()?.join("gpgv");
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove(folder: &Path) {
    // What is left goes with the staging folder.
    let _ = fs::remove_dir_all(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_out_of_their_armor() {
        let armored = |body: &str| format!("{BEGIN}\nComment: x\n\n{body}\n=abcd\n{END}\n");
        assert_eq!(dearmored(&armored("aGVsbG8=")), b"hello");
        let two = format!("text\n{}{}", armored("aGVs\nbG8="), armored("IQ=="));
        assert_eq!(dearmored(&two), b"hello!");
        for nothing in ["", BEGIN, "no key", &armored("not base64")] {
            assert_eq!(dearmored(nothing), b"", "{nothing}");
        }
    }

    #[test]
    fn only_one_good_signature_by_one_key_counts() {
        const GOOD: &str = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG AB name\n\
                            [GNUPG:] VALIDSIG SUB 2026-01-01 1 0 4 0 22 8 00 PRIMARY\n";
        assert_eq!(judged(GOOD, true).unwrap(), "PRIMARY");
        let error = |status: &str| judged(status, true).unwrap_err().to_string();
        assert!(error(&format!("{GOOD}{GOOD}")).contains("does not fit"));
        assert!(error("[GNUPG:] BADSIG AB name\n").contains("does not fit"));
        assert!(error("[GNUPG:] ERRSIG AB\n[GNUPG:] NO_PUBKEY AB\n").contains("is not in"));
        assert!(error("[GNUPG:] EXPKEYSIG AB name\n").contains("expired"));
        assert!(judged(GOOD, false).is_err());
        assert!(error("GOODSIG AB\nVALIDSIG SUB\n").contains("does not fit"));
    }
}
