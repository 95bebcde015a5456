//! Certificate authorities that administrators added: servers of packages with a certificate of
//! theirs are trusted, beside those of the system's authorities.

use crate::error_chain::DisplayChain;
use atek_api::system::Authority;
use atek_files::{FileError, write_atomic};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use x509_cert::Certificate;
use x509_cert::der::{DecodePem as _, Encode as _, EncodePem as _, pem::LineEnding};
use x509_cert::ext::pkix::BasicConstraints;

/// The most authorities that can be added.
const MOST: usize = 16;
/// Bytes of the longest certificate, and of what is read.
const CERTIFICATE_MAX: usize = 8 << 10;

/// Why an authority was not added or removed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// It cannot be read.
    #[error(
        "that is no certificate in PEM: it begins with -----BEGIN CERTIFICATE----- and is what a web \
         server's or git host's administrator calls the CA certificate"
    )]
    Form,
    /// A private key is with it.
    #[error(
        "there is a private key in it, which the box must not have: give it the certificate alone, and \
         make a new key if that file was sent to anybody"
    )]
    PrivateKey,
    /// It is too long.
    #[error("a certificate is at most {CERTIFICATE_MAX} bytes long, and at most {MOST} are kept")]
    TooMuch,
    /// The certificate of a server, made by an authority.
    #[error(
        "{0} is the certificate of a server, and no authority: give the certificate of the authority that made it"
    )]
    NoAuthority(String),
    /// Its time is over.
    #[error("{name} ended at {until}: ask its administrator for the new one")]
    Ended {
        /// Whose it is.
        name: String,
        /// RFC 3339.
        until: String,
    },
    /// There is none with this fingerprint.
    #[error("there is no authority with the fingerprint {0}")]
    NotFound(String),
    /// The list cannot be stored.
    #[error("the list of authorities could not be stored")]
    Write(#[from] FileError),
}

/// The authorities. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authorities {
    path: PathBuf,
    kept: Arc<Mutex<Vec<Kept>>>,
}

#[derive(Debug, Clone)]
struct Kept {
    about: Authority,
    is_authority: bool,
    pem: String,
}

impl Authorities {
    /// Reads the list at `path`. What cannot be understood is left out, and the journal says so.
    #[must_use]
    pub fn read(path: PathBuf) -> Self {
        let kept = match fs::read_to_string(&path) {
            Ok(text) => parse(&text).unwrap_or_else(|error| {
                tracing::error!(path = %path.display(), error = %DisplayChain(&error), "cannot understand the authorities that were added");
                Vec::new()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot read the authorities that were added");
                Vec::new()
            }
        };
        Self {
            path,
            kept: Arc::new(Mutex::new(kept)),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was added.
    #[must_use]
    pub fn list(&self) -> Vec<Authority> {
        self.kept().iter().map(|kept| kept.about.clone()).collect()
    }

    /// All certificates, as PEM; empty without any.
    #[must_use]
    pub fn pem(&self) -> String {
        self.kept().iter().map(|kept| kept.pem.as_str()).collect()
    }

    /// Trusts the authorities of a PEM file from now on.
    ///
    /// # Errors
    ///
    /// Nothing was added.
    pub fn add(&self, text: &str) -> Result<Vec<Authority>, AuthorityError> {
        if text.contains("PRIVATE KEY-----") {
            return Err(AuthorityError::PrivateKey);
        }
        let new = parse(text)?;
        for one in &new {
            check(one)?;
        }
        let mut kept = self.kept();
        let mut all = kept.clone();
        for one in &new {
            all.retain(|other| other.about.fingerprint != one.about.fingerprint);
            all.push(one.clone());
        }
        if all.len() > MOST {
            return Err(AuthorityError::TooMuch);
        }
        self.store(&all)?;
        *kept = all;
        Ok(new.into_iter().map(|one| one.about).collect())
    }

    /// Trusts an authority no more.
    ///
    /// # Errors
    ///
    /// There is none, or the list could not be stored.
    pub fn remove(&self, fingerprint: &str) -> Result<(), AuthorityError> {
        let wanted = fingerprint.trim().to_ascii_lowercase();
        let mut kept = self.kept();
        let mut all = kept.clone();
        all.retain(|one| one.about.fingerprint != wanted);
        if all.len() == kept.len() {
            let shown = wanted.chars().filter(char::is_ascii_hexdigit).take(64);
            return Err(AuthorityError::NotFound(shown.collect()));
        }
        self.store(&all)?;
        *kept = all;
        Ok(())
    }

    fn store(&self, all: &[Kept]) -> Result<(), FileError> {
        let text: String = all.iter().map(|kept| kept.pem.as_str()).collect();
        write_atomic(&self.path, text.as_bytes(), 0o600)
    }
}

/// The certificates of a PEM file.
fn parse(text: &str) -> Result<Vec<Kept>, AuthorityError> {
    if text.len() > MOST * CERTIFICATE_MAX {
        return Err(AuthorityError::TooMuch);
    }
    // What tools write before and between them is no part of it.
    let blocks = text.split_inclusive("-----END CERTIFICATE-----");
    let blocks = blocks.filter_map(|block| block.find("-----BEGIN ").map(|at| &block[at..]));
    let all: Result<Vec<_>, _> = blocks.map(read).collect();
    let all = all?;
    if all.is_empty() {
        return Err(AuthorityError::Form);
    }
    Ok(all)
}

fn read(block: &str) -> Result<Kept, AuthorityError> {
    let certificate = Certificate::from_pem(block.trim()).map_err(|_| AuthorityError::Form)?;
    let der = certificate.to_der().map_err(|_| AuthorityError::Form)?;
    if der.len() > CERTIFICATE_MAX {
        return Err(AuthorityError::TooMuch);
    }
    let body = certificate.tbs_certificate();
    let is_authority = match body.get_extension::<BasicConstraints>() {
        Ok(Some((_, constraints))) => constraints.ca,
        Ok(None) => false,
        Err(_) => return Err(AuthorityError::Form),
    };
    let ends = body.validity().not_after.to_unix_duration();
    Ok(Kept {
        about: Authority {
            name: named(&body.subject().to_string()),
            fingerprint: hex::encode(Sha256::digest(&der)),
            until: time(ends),
        },
        // A server may be its own authority.
        is_authority: is_authority || body.subject() == body.issuer(),
        pem: certificate
            .to_pem(LineEnding::LF)
            .map_err(|_| AuthorityError::Form)?,
    })
}

/// A name that a certificate has, for a person.
fn named(name: &str) -> String {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
    if shown.is_empty() {
        "a certificate without a name".to_owned()
    } else {
        shown
    }
}

fn time(since_epoch: Duration) -> String {
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds)
        .unwrap_or(Timestamp::MAX)
        .to_string()
}

fn check(one: &Kept) -> Result<(), AuthorityError> {
    let about = &one.about;
    if !one.is_authority {
        return Err(AuthorityError::NoAuthority(about.name.clone()));
    }
    let until: Option<Timestamp> = about.until.parse().ok();
    if until.is_some_and(|until| until < Timestamp::now()) {
        return Err(AuthorityError::Ended {
            name: about.name.clone(),
            until: about.until.clone(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use x509_cert::der::Decode as _;

    /// Runs openssl, the tool of those who have an authority of their own.
    fn openssl(folder: &std::path::Path, words: &str) {
        let done = Command::new("openssl")
            .args(words.split_whitespace())
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    /// `ca.pem`, its key, and `server.pem` that it signed.
    fn made() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(
            folder.path(),
            &format!("req -x509 {key} -keyout ca.key -out ca.pem -days 30 -subj /CN=House"),
        );
        openssl(
            folder.path(),
            &format!("req {key} -keyout server.key -out server.csr -subj /CN=git.house"),
        );
        openssl(
            folder.path(),
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -out server.pem -days 30",
        );
        folder
    }

    /// The certificate with another year. Its signature is wrong, and is not looked at.
    fn ended(pem: &str) -> String {
        let mut der = Certificate::from_pem(pem).unwrap().to_der().unwrap();
        let is_time = |at: &usize| der.get(*at..*at + 2) == Some(&[0x17, 13]);
        let times: Vec<_> = (0..der.len()).filter(is_time).collect();
        assert_eq!(times.len(), 2, "the begin and the end");
        for at in times {
            der[at + 2..at + 4].copy_from_slice(b"20");
        }
        let old = Certificate::from_der(&der).unwrap();
        old.to_pem(LineEnding::LF).unwrap()
    }

    #[test]
    fn an_authority_is_added_once_found_again_and_removed_by_its_fingerprint() {
        let (folder, state) = (made(), tempfile::tempdir().unwrap());
        let path = state.path().join("authorities.pem");
        let pem = fs::read_to_string(folder.path().join("ca.pem")).unwrap();
        let authorities = Authorities::read(path.clone());
        assert_eq!(authorities.pem(), "");
        // What openssl and mail programs write around it is no part of it.
        let around = format!(
            "Issuer: CN=House\r\n{}\nBag Attributes\n",
            pem.replace('\n', "\r\n")
        );
        let added = authorities.add(&around).unwrap();
        authorities.add(&pem).unwrap();
        assert_eq!(authorities.list(), added);
        assert_eq!(added[0].name, "CN=House");
        assert_eq!(authorities.pem(), pem);
        let again = Authorities::read(path.clone());
        assert_eq!(again.list(), added);
        again.remove(&added[0].fingerprint.to_uppercase()).unwrap();
        assert!(again.remove(&added[0].fingerprint).is_err());
        assert_eq!(Authorities::read(path).pem(), "");
    }

    #[test]
    fn what_is_no_authority_is_refused_and_leaves_the_list_as_it_is() {
        let (folder, state) = (made(), tempfile::tempdir().unwrap());
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let (ca, server, key) = (read("ca.pem"), read("server.pem"), read("ca.key"));
        let authorities = Authorities::read(state.path().join("authorities.pem"));
        let cut = &ca[..ca.len() / 2];
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, part) in [
            ("", "no certificate"),
            ("hello", "no certificate"),
            (cut, "no certificate"),
            (nonsense, "no certificate"),
            (&server, "certificate of a server"),
            (&format!("{ca}{server}"), "certificate of a server"),
            (&format!("{ca}{key}"), "private key"),
            (&"x".repeat(MOST * CERTIFICATE_MAX + 1), "at most"),
        ] {
            let error = authorities.add(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text:.40}: {error}");
        }
        let error = authorities.add(&ended(&ca)).unwrap_err();
        assert!(error.to_string().contains("ended at 2020-"), "{error}");
        assert!(authorities.list().is_empty());
    }
}
