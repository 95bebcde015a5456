//! Why a package could not be fetched or built.

use serde::{Deserialize, Serialize};

/// A failure as it goes to the person who installs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// For programs.
    pub code: FailureCode,
    /// For people: what is wrong and what to do. May have several lines, the later ones
    /// from npm. No password or token, no control characters but line breaks.
    pub message: String,
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCode {
    /// The request itself is wrong.
    BadRequest,
    /// The host name has no address, or no server answers there.
    Unreachable,
    /// The host has an address in the home or on this machine, which the person may not use.
    PrivateAddress,
    /// The host's certificate is not trusted.
    Certificate,
    /// There is no such repository, or it is not public.
    RepositoryNotFound,
    /// The server does not take the access token that was given.
    TokenRefused,
    /// Something answers, but not git.
    NotARepository,
    /// The host sent us to another one.
    Redirected,
    /// The repository's data is damaged.
    BrokenRepository,
    /// No tag names a version.
    NoRelease,
    /// No release is in the wanted range.
    NoMatchingRelease,
    /// The wanted releases were rolled back before.
    Refused,
    /// The tag does not lead to a commit.
    TagNotACommit,
    /// More bytes or files than admitted.
    TooBig,
    /// It took too long.
    Timeout,
    /// A path or link leaves the package, or has a name that no package may have.
    BadPath,
    /// npm could not install the dependencies.
    NpmFailed,
    /// `npm run build` failed.
    BuildFailed,
    /// The package needs a tool for its build that this machine does not have.
    MissingTool,
    /// `atek.json` or package.json is wrong.
    BadManifest,
    /// The file to execute is not there, or not executable.
    NoEntry,
    /// This machine has no room for it.
    DiskFull,
    /// This machine failed, or has no npm.
    Internal,
}

impl FailureCode {
    /// As in the protocol, e.g. `no-release`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::Unreachable => "unreachable",
            Self::PrivateAddress => "private-address",
            Self::Certificate => "certificate",
            Self::RepositoryNotFound => "repository-not-found",
            Self::TokenRefused => "token-refused",
            Self::NotARepository => "not-a-repository",
            Self::Redirected => "redirected",
            Self::BrokenRepository => "broken-repository",
            Self::NoRelease => "no-release",
            Self::NoMatchingRelease => "no-matching-release",
            Self::Refused => "refused",
            Self::TagNotACommit => "tag-not-a-commit",
            Self::TooBig => "too-big",
            Self::Timeout => "timeout",
            Self::BadPath => "bad-path",
            Self::NpmFailed => "npm-failed",
            Self::BuildFailed => "build-failed",
            Self::MissingTool => "missing-tool",
            Self::BadManifest => "bad-manifest",
            Self::NoEntry => "no-entry",
            Self::DiskFull => "disk-full",
            Self::Internal => "internal",
        }
    }

    /// Whether trying again later may help without anybody changing anything.
    #[must_use]
    pub fn is_temporary(self) -> bool {
        match self {
            Self::Unreachable | Self::Timeout | Self::DiskFull | Self::Internal => true,
            Self::BadRequest
            | Self::PrivateAddress
            | Self::Certificate
            | Self::RepositoryNotFound
            | Self::TokenRefused
            | Self::NotARepository
            | Self::Redirected
            | Self::BrokenRepository
            | Self::NoRelease
            | Self::NoMatchingRelease
            | Self::Refused
            | Self::TagNotACommit
            | Self::TooBig
            | Self::BadPath
            | Self::NpmFailed
            | Self::BuildFailed
            | Self::MissingTool
            | Self::BadManifest
            | Self::NoEntry => false,
        }
    }
}
