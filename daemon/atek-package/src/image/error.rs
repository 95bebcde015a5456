//! What can go wrong with an image, and how people are told.

use crate::text::{clean_line, size};
use atek_api::package::{Failure, FailureCode};
use atek_api::version::{NoChoice, explain_tags};
use oci_client::errors::OciDistributionError;
use std::io;

/// Why an image could not be found, fetched or unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    #[error("the source is no container image")]
    NoImage,
    #[error("a registry without encryption is for administrators only: write oci:// for https")]
    PlainHttp,
    #[error("cannot start the connection to the registry")]
    Start(#[source] io::Error),
    /// The host that leads into the home or to this machine.
    #[error("{0} has no public address")]
    PrivateAddress(String),
    #[error("an access token is sent over https alone")]
    TokenOverHttp,
    #[error("the registry does not take the access token")]
    TokenRefused,
    /// The host that an access token would have been sent to, or an image fetched from.
    #[error("{0} is not encrypted")]
    Unencrypted(String),
    #[error("cannot {doing}")]
    Registry {
        doing: &'static str,
        #[source]
        source: Box<OciDistributionError>,
    },
    #[error("the registry did not answer in time")]
    Stalled,
    #[error("{0}")]
    NoRelease(NoChoice, Vec<String>),
    #[error("this version was rolled back before")]
    Refused,
    #[error("{0} is not what its digest says: the registry sent something else")]
    Digest(String),
    #[error("the image has more than {} of layers", size(*.0))]
    TooManyBytes(u64),
    #[error("the image has more than {0} layers")]
    TooManyLayers(usize),
    #[error("the image has more than {} of files", size(*.0))]
    Bytes(u64),
    #[error("the image has more than {0} files")]
    Files(u64),
    #[error("the image's layers are compressed as {0}, which cannot be read: only gzip can")]
    Compression(String),
    #[error("the configuration of the image is wrong: {0}")]
    Config(String),
    #[error("the image is for {image}, and this machine is {machine}")]
    Platform { image: String, machine: String },
    #[error("the image names no program to start")]
    NoProgram,
    #[error("the image has the file {0:?}, whose name no package may have")]
    Name(String),
    #[error("the image's folder {0:?} leads in a circle, or is a file")]
    Folder(String),
    #[error("the image's link {0:?} leads to nothing that it has")]
    HardLink(String),
    #[error("a layer of the image is damaged")]
    Damaged(#[source] io::Error),
    #[error("the folder {0:?}, which is to keep data, is none that an image may keep data in")]
    Volume(String),
    #[error("cannot {doing}")]
    Write {
        doing: &'static str,
        #[source]
        source: io::Error,
    },
}

impl ImageError {
    pub(super) fn write(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Write { doing, source }
    }

    pub(super) fn call(doing: &'static str) -> impl Fn(nix::Error) -> Self {
        move |error| Self::Write {
            doing,
            source: error.into(),
        }
    }

    /// As the installer is told.
    pub(super) fn failure(&self, source: &str) -> Failure {
        use FailureCode as Code;
        let (code, message) = match self {
            Self::NoImage => (Code::BadRequest, self.to_string()),
            Self::PlainHttp => (Code::PrivateAddress, self.to_string()),
            Self::PrivateAddress(host) => (
                Code::PrivateAddress,
                format!(
                    "{source} cannot be installed by you: {host} is in the home network or on \
                     this machine, and only an administrator may install from there"
                ),
            ),
            Self::TokenOverHttp => (
                Code::BadRequest,
                format!(
                    "{source} is not asked with an access token: it would be sent so that others \
                     can read it; write oci:// for https"
                ),
            ),
            Self::TokenRefused => (
                Code::TokenRefused,
                format!(
                    "{source} does not take the access token: it may have ended, or may not read \
                     this image. Make a new one at the registry, and give it"
                ),
            ),
            Self::Unencrypted(host) => (
                Code::Redirected,
                format!(
                    "{source} leads to {host} without encryption, which is not asked: install \
                     from a registry that is encrypted throughout"
                ),
            ),
            Self::Start(error) | Self::Write { source: error, .. } => {
                (Code::Internal, format!("{self}: {error}"))
            }
            Self::Registry { source: error, .. } => registry_failure(error, source),
            Self::Stalled => (Code::Timeout, format!("{source}: {self}")),
            Self::NoRelease(why, tags) => {
                let code = match why {
                    NoChoice::NoRelease => Code::NoRelease,
                    NoChoice::NoMatch => Code::NoMatchingRelease,
                    NoChoice::AllRefused => Code::Refused,
                };
                (code, format!("{source}: {why}{}", explain_tags(tags)))
            }
            Self::Refused => (Code::Refused, format!("{source}: {self}")),
            Self::Digest(_) | Self::Damaged(_) => {
                (Code::BrokenRepository, format!("{source}: {self}"))
            }
            Self::TooManyBytes(_) | Self::TooManyLayers(_) | Self::Bytes(_) | Self::Files(_) => {
                (Code::TooBig, format!("{source}: {self}"))
            }
            Self::Compression(_) | Self::Config(_) | Self::Platform { .. } => {
                (Code::BrokenRepository, format!("{source}: {self}"))
            }
            Self::NoProgram => (
                Code::NoEntry,
                format!("{source}: {self}; name one as \"args\" in atek.json"),
            ),
            Self::Name(_) | Self::Folder(_) | Self::HardLink(_) | Self::Volume(_) => {
                (Code::BadPath, format!("{source}: {self}"))
            }
        };
        Failure {
            code,
            message: clean_line(&message),
        }
    }
}

fn registry_failure(error: &OciDistributionError, source: &str) -> (FailureCode, String) {
    use OciDistributionError as Oci;
    let chain = {
        let mut text = error.to_string();
        let mut next = std::error::Error::source(error);
        while let Some(inner) = next {
            text = format!("{text}: {inner}");
            next = inner.source();
        }
        text
    };
    match error {
        Oci::UnauthorizedError { .. } | Oci::AuthenticationFailure(_) => (
            FailureCode::RepositoryNotFound,
            format!(
                "{source} does not exist or is not public; a private one is read with an access token"
            ),
        ),
        Oci::ImageManifestNotFoundError(_) | Oci::RegistryError { .. } => (
            FailureCode::RepositoryNotFound,
            format!("{source} does not exist in this registry: {chain}"),
        ),
        Oci::ServerError { code: 404, .. } => (
            FailureCode::RepositoryNotFound,
            format!("{source} does not exist in this registry"),
        ),
        Oci::RequestError(_) if chain.contains("certificate") => (
            FailureCode::Certificate,
            format!("the identity of {source} cannot be verified: {chain}"),
        ),
        Oci::RequestError(_) | Oci::IoError(_) | Oci::ServerError { .. } => (
            FailureCode::Unreachable,
            format!("{source} cannot be reached: {chain}"),
        ),
        Oci::DigestError(_) => (
            FailureCode::BrokenRepository,
            format!("{source} is not what its digest says: the registry sent something else"),
        ),
        _ => (
            FailureCode::BrokenRepository,
            format!("{source} has no image that can be used: {chain}"),
        ),
    }
}
