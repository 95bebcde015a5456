//! Signatures of tags and commits. Whether the key is one to trust is decided elsewhere: here it
//! is found out which key made the signature.

mod openpgp;
mod ssh;

use atek_api::signer::{Signed, Signer, SignerKind};
use git2::{Commit, Oid, Repository};

/// Bytes of the longest signature that is read.
const SIGNATURE_MAX: usize = 64 << 10;
/// Bytes of the longest tag or commit that is read for its signature.
const OBJECT_MAX: usize = 1 << 20;
/// How signatures begin (git-tag(1), gitformat-signature(5)).
const FORMATS: [(&str, SignerKind); 2] = [
    ("-----BEGIN SSH SIGNATURE-----", SignerKind::Ssh),
    ("-----BEGIN PGP SIGNATURE-----", SignerKind::Openpgp),
];

/// Why a signature says nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignatureError {
    #[error("it is too long")]
    TooLong,
    #[error("it cannot be read")]
    Unreadable,
    #[error("it is of a kind that is not known here")]
    UnknownFormat,
    #[error("it does not fit what it signs")]
    Wrong,
    #[error("its kind of key, {0}, is not supported")]
    UnsupportedKey(String),
    #[error("it was made for another purpose than git")]
    OtherPurpose,
    #[error("the tag was signed under the name {0}")]
    OtherTag(String),
    #[error(
        "its key is not in the repository's file {}",
        atek_api::package::SIGNING_KEY_FILE
    )]
    NoKey,
    #[error("its key has expired or was revoked")]
    KeyEnded,
    #[error("gpgv, which checks it, is not installed on this box")]
    NoGpgv,
    #[error("gpgv, which checks it, cannot be run: {0}")]
    Gpgv(#[source] std::io::Error),
}

/// Something that is signed, and its signature.
struct Signature<'a> {
    payload: &'a [u8],
    armored: &'a [u8],
}

/// Who signed a release: its tag or, where that is not signed, its commit. None: no one did.
pub(super) fn signer(
    repository: &Repository,
    tag: &str,
    commit: &Commit<'_>,
) -> Result<Option<Signer>, SignatureError> {
    let key = || openpgp::key_of(repository, commit);
    if let Ok(id) = repository.refname_to_id(&format!("refs/tags/{tag}"))
        && let Some(object) = tag_object(repository, id)?
        && let Some(signature) = split(&object)
    {
        let name = repository.find_tag(id).ok();
        let name = name.as_ref().and_then(|tag| tag.name().ok());
        if name != Some(tag) {
            let name = crate::text::clean_line(name.unwrap_or_default());
            return Err(SignatureError::OtherTag(name));
        }
        return verified(&signature, Signed::Tag, key).map(Some);
    }
    let Ok((armored, payload)) = repository.extract_signature(&commit.id(), None) else {
        return Ok(None);
    };
    let signature = Signature {
        payload: &payload,
        armored: &armored,
    };
    verified(&signature, Signed::Commit, key).map(Some)
}

/// The bytes of an annotated tag; none where `id` is not one.
fn tag_object(repository: &Repository, id: Oid) -> Result<Option<Vec<u8>>, SignatureError> {
    if repository.find_tag(id).is_err() {
        return Ok(None);
    }
    let odb = repository.odb().map_err(|_| SignatureError::Unreadable)?;
    let object = odb.read(id).map_err(|_| SignatureError::Unreadable)?;
    if object.data().len() > OBJECT_MAX {
        return Err(SignatureError::TooLong);
    }
    Ok(Some(object.data().to_vec()))
}

/// A tag as what is signed and the signature behind it, which begins with the last line that is
/// such a beginning, as git has it.
fn split(object: &[u8]) -> Option<Signature<'_>> {
    let begins = |at: usize| {
        let line = object.get(at..).unwrap_or_default();
        FORMATS
            .iter()
            .any(|(begin, _)| line.starts_with(begin.as_bytes()))
    };
    let is_line = |at: &usize| *at == 0 || object.get(at - 1) == Some(&b'\n');
    let at = (0..object.len())
        .rev()
        .filter(is_line)
        .find(|at| begins(*at))?;
    let (payload, armored) = object.split_at(at);
    Some(Signature { payload, armored })
}

fn verified(
    signature: &Signature<'_>,
    signed: Signed,
    key: impl FnOnce() -> Option<Vec<u8>>,
) -> Result<Signer, SignatureError> {
    if signature.armored.len() > SIGNATURE_MAX {
        return Err(SignatureError::TooLong);
    }
    let mut formats = FORMATS.iter();
    let format = formats.find(|(begin, _)| signature.armored.starts_with(begin.as_bytes()));
    let (_, kind) = *format.ok_or(SignatureError::UnknownFormat)?;
    let fingerprint = match kind {
        SignerKind::Ssh => ssh::verify(signature)?,
        SignerKind::Openpgp => openpgp::verify(signature, &key().ok_or(SignatureError::NoKey)?)?,
    };
    Ok(Signer {
        kind,
        fingerprint,
        signed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_behind_the_last_line_that_begins_one() {
        let (ssh, pgp) = (FORMATS[0].0, FORMATS[1].0);
        for (object, payload) in [
            (
                format!("tag\n\nmessage\n{ssh}\nx"),
                "tag\n\nmessage\n".to_owned(),
            ),
            (format!("a\n{pgp}\nb\n{ssh}\nx"), format!("a\n{pgp}\nb\n")),
            (format!("{pgp}\nx"), String::new()),
        ] {
            let found = split(object.as_bytes()).unwrap();
            assert_eq!(found.payload, payload.as_bytes());
            assert!(found.armored.starts_with(b"-----BEGIN "));
        }
        assert!(split(format!("not at {ssh} the start").as_bytes()).is_none());
        assert!(split(b"").is_none());
    }
}
