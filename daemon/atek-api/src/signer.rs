//! Who signed a release.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The most characters of a fingerprint.
const FINGERPRINT_CHARS: usize = 100;

/// The key with which a release was signed, as a fetch found it: the signature is right, and who
/// holds the key is not known. It is pinned at install, and later releases must have the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    /// The kind of key.
    pub kind: SignerKind,
    /// Its fingerprint: `SHA256:` and base64, as `ssh-keygen -l` shows it, or the hexadecimal
    /// digits of an OpenPGP key.
    pub fingerprint: String,
    /// What was signed.
    pub signed: Signed,
}

/// The kinds of keys that releases are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum SignerKind {
    /// A key of OpenSSH.
    Ssh,
    /// A key of OpenPGP.
    Openpgp,
}

/// What a signature covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Signed {
    /// The tag, with its name.
    Tag,
    /// The commit only: the same commit can be published under another tag.
    Commit,
}

/// What is wrong with the signature of a release of an app whose releases were signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignerChange {
    /// There is none that is right.
    Missing,
    /// It is signed with another key.
    Other(Signer),
    /// Only the commit is signed, and the tag was.
    Weaker,
}

impl Signer {
    /// Holds a release to the signer that is pinned; `found`: that of the release.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn check(pinned: Option<&Self>, found: Option<&Self>) -> Result<(), SignerChange> {
        match (pinned, found) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(SignerChange::Missing),
            (Some(pinned), Some(found))
                if pinned.kind != found.kind || pinned.fingerprint != found.fingerprint =>
            {
                Err(SignerChange::Other(found.clone()))
            }
            (Some(pinned), Some(found))
                if pinned.signed == Signed::Tag && found.signed == Signed::Commit =>
            {
                Err(SignerChange::Weaker)
            }
            (Some(_), Some(_)) => Ok(()),
        }
    }

    /// The same, fit to be stored and shown: a job that reads what strangers wrote names it.
    #[must_use]
    pub fn bounded(self) -> Option<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '+' | '/' | '=');
        let count = self.fingerprint.chars().count();
        let is_fit = (1..=FINGERPRINT_CHARS).contains(&count) && self.fingerprint.chars().all(fits);
        is_fit.then_some(self)
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            SignerKind::Ssh => "SSH",
            SignerKind::Openpgp => "OpenPGP",
        };
        write!(f, "the {kind} key {}", self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(kind: SignerKind, fingerprint: &str, signed: Signed) -> Signer {
        Signer {
            kind,
            fingerprint: fingerprint.to_owned(),
            signed,
        }
    }

    #[test]
    fn a_pinned_signer_must_have_signed_at_least_as_much() {
        use Signed::{Commit, Tag};
        use SignerKind::{Openpgp, Ssh};
        let a = signer(Ssh, "SHA256:a", Tag);
        let a_commit = signer(Ssh, "SHA256:a", Commit);
        let b = signer(Ssh, "SHA256:b", Tag);
        let same_text = signer(Openpgp, "SHA256:a", Tag);
        for (pinned, found, expected) in [
            (None, None, Ok(())),
            (None, Some(&b), Ok(())),
            (Some(&a), Some(&a), Ok(())),
            (Some(&a_commit), Some(&a), Ok(())),
            (Some(&a_commit), Some(&a_commit), Ok(())),
            (Some(&a), None, Err(SignerChange::Missing)),
            (Some(&a), Some(&a_commit), Err(SignerChange::Weaker)),
            (Some(&a), Some(&b), Err(SignerChange::Other(b.clone()))),
            (
                Some(&a),
                Some(&same_text),
                Err(SignerChange::Other(same_text.clone())),
            ),
        ] {
            assert_eq!(
                Signer::check(pinned, found),
                expected,
                "{pinned:?} {found:?}"
            );
        }
    }

    #[test]
    fn a_fingerprint_that_is_none_is_not_stored() {
        for (text, fits) in [
            ("SHA256:AbC+/=", true),
            ("0123ABCDEF", true),
            ("", false),
            ("a b", false),
            ("a\u{1b}[1m", false),
            (&"a".repeat(101), false),
        ] {
            let signer = signer(SignerKind::Ssh, text, Signed::Tag);
            assert_eq!(signer.bounded().is_some(), fits, "{text:?}");
        }
    }
}
