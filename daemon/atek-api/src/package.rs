//! What atekd and `atek-package` say to each other: one [`Request`] in, lines of
//! [`Event`] out, the last of them [`Event::Done`] or [`Event::Failed`].

mod access;
mod entry;
mod failure;
mod limits;
mod warning;

pub use access::{Access, InvalidToken, Reach, SourceToken};
pub use entry::{EntryError, Found, has_unusable_interpreter, program};
pub use failure::{Failure, FailureCode};
pub use limits::FetchLimits;
pub use warning::{MAX_WARNINGS, Warning, WarningCode};

use crate::manifest::Manifest;
use crate::signer::Signer;
use crate::source::Source;
use crate::spec::{Program, RelativePath};
use crate::version::{Range, Release};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The folder, in the job's staging folder, that holds the finished package.
pub const PACKAGE_FOLDER: &str = "package";

/// The file, at the top of a repository, with the armored public keys that check the OpenPGP
/// signatures of its tags. SSH signatures carry their key.
pub const SIGNING_KEY_FILE: &str = "signing-key.asc";

/// Bytes of the longest message of a tag that is passed on.
pub const MAX_NOTES: usize = 16 << 10;

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "request",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Request {
    /// Say which releases there are. Answered by [`Outcome::Releases`].
    ListTags {
        /// A git source, or a folder with a recipe.
        source: Source,
        /// How to get to it.
        #[serde(default)]
        access: Access,
        /// Only the time for the network counts.
        #[serde(default)]
        limits: FetchLimits,
    },
    /// Put a release into [`PACKAGE_FOLDER`], running nothing of it. Answered by
    /// [`Outcome::Package`].
    Fetch {
        /// A git source, or a folder with a recipe.
        source: Source,
        /// Which release: the newest that fits.
        #[serde(default)]
        wanted: Wanted,
        /// How to get to it.
        #[serde(default)]
        access: Access,
        /// Bounds of the work.
        #[serde(default)]
        limits: FetchLimits,
    },
    /// Put the newest release into [`PACKAGE_FOLDER`] as it is, without looking for an app in
    /// it: a catalogue. Answered by [`Outcome::Package`].
    FetchFiles {
        /// A git source.
        source: Source,
        /// How to get to it.
        #[serde(default)]
        access: Access,
        /// Bounds of the work.
        #[serde(default)]
        limits: FetchLimits,
    },
    /// Install and build the package that a fetch left in [`PACKAGE_FOLDER`], with its own
    /// scripts. Answered by [`Outcome::Package`].
    Build {
        /// What the fetch answered.
        package: Box<FetchedPackage>,
        /// Certificates of authorities that are trusted beside the system's, as PEM.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        certificates: String,
        /// Bounds of the work.
        #[serde(default)]
        limits: FetchLimits,
    },
    /// Put native code of an installed component into [`PACKAGE_FOLDER`], unless the package has
    /// code that this system can use. Runs nothing of the package. Answered by
    /// [`Outcome::Compiled`].
    Compile {
        /// The installed package.
        folder: PathBuf,
        /// The component in it.
        entry: RelativePath,
        /// Bounds of the work.
        #[serde(default)]
        limits: FetchLimits,
    },
}

impl Request {
    /// The source that is asked; none of a build, which reads what was fetched.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        match self {
            Self::ListTags { source, .. }
            | Self::Fetch { source, .. }
            | Self::FetchFiles { source, .. } => Some(source),
            Self::Build { .. } | Self::Compile { .. } => None,
        }
    }

    /// Certificates of authorities that are trusted beside the system's, as PEM.
    #[must_use]
    pub fn certificates(&self) -> &str {
        match self {
            Self::ListTags { access, .. }
            | Self::Fetch { access, .. }
            | Self::FetchFiles { access, .. } => &access.certificates,
            Self::Build { certificates, .. } => certificates,
            Self::Compile { .. } => "",
        }
    }

    /// The bounds of the work.
    #[must_use]
    pub fn limits(&self) -> &FetchLimits {
        match self {
            Self::ListTags { limits, .. }
            | Self::Fetch { limits, .. }
            | Self::FetchFiles { limits, .. }
            | Self::Build { limits, .. }
            | Self::Compile { limits, .. } => limits,
        }
    }
}

/// Which release to fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "by",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Wanted {
    /// The newest in a range.
    Newest {
        /// The range.
        #[serde(default)]
        range: Range,
        /// Versions that were rolled back.
        #[serde(default)]
        refused: Vec<Version>,
    },
    /// One tag, which must be a release.
    Tag {
        /// The tag.
        tag: String,
    },
}

impl Default for Wanted {
    fn default() -> Self {
        Self::Newest {
            range: Range::any(),
            refused: Vec::new(),
        }
    }
}

/// A line of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// Something moved.
    Progress(Progress),
    /// The work is done. The last line.
    Done {
        /// What came out.
        result: Outcome,
    },
    /// The work failed; the staging folder is of no use. The last line.
    Failed(Failure),
}

/// How far the work is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// For a person.
    pub message: String,
    /// 0 to 100 of this phase, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
}

/// A part of the work, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Asking the repository for its tags.
    Resolve,
    /// Getting the release's objects.
    Fetch,
    /// Writing its files.
    Checkout,
    /// `npm ci` or `npm install`.
    Install,
    /// `npm run build`.
    Build,
}

impl Phase {
    /// As in the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Fetch => "fetch",
            Self::Checkout => "checkout",
            Self::Install => "install",
            Self::Build => "build",
        }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The repository's releases, previews too, newest first.
    Releases(Vec<Release>),
    /// A package stands in [`PACKAGE_FOLDER`].
    Package(Box<FetchedPackage>),
    /// Whether code of a component stands in [`PACKAGE_FOLDER`]; else none was missing.
    Compiled(bool),
}

/// A package that was fetched, and perhaps built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchedPackage {
    /// Its tag and version.
    pub release: Release,
    /// The commit, 40 or 64 hexadecimal digits; of a recipe the SHA-256 of its files.
    pub commit: String,
    /// Its manifest, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
    /// What to execute; none before the build of a package that needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Program>,
    /// The commands that a build runs, as a person would type them, such as `npm ci`; empty
    /// where nothing is left to be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub build: Vec<String>,
    /// Bytes of all files, built ones too.
    pub bytes: u64,
    /// Number of files and folders.
    pub files: u64,
    /// The message of the tag, of one that has its own: text that its author wrote, within
    /// [`MAX_NOTES`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Who signed the release, where it has a signature that is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// What the person who installs should know. At most [`MAX_WARNINGS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

#[cfg(test)]
mod tests;
