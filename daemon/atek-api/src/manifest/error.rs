//! What can be wrong with a manifest.

use crate::image::{InvalidImage, InvalidSignal};
use crate::manifest::{InvalidApiId, InvalidSidecarName, SidecarName};
use crate::permission::InvalidHostPattern;
use crate::spec::SpecError;
use std::fmt;

/// A manifest is present and wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("atek.json, {place}: {problem}")]
pub struct ManifestError {
    /// Where.
    pub place: Position,
    /// What.
    pub problem: Problem,
}

/// A place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// A JSON pointer (RFC 6901), such as `/exports/0/api`; empty for the whole file.
    pub pointer: String,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)?;
        if !self.pointer.is_empty() {
            write!(f, ", {}", self.pointer)?;
        }
        Ok(())
    }
}

/// What is wrong there. The texts complete "line 3, column 5: …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// More than [`super::MAX_BYTES`].
    #[error("the file has {bytes} bytes, at most {max} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// [`super::MAX_BYTES`].
        max: usize,
    },
    /// Not UTF-8.
    #[error("the file is not UTF-8 text")]
    NotUtf8,
    /// Not JSON; the parser's words.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// The same key again.
    #[error("the key {0:?} stands twice in this object")]
    RepeatedKey(String),
    /// Another JSON type.
    #[error("must be {expected}, not {found}")]
    Type {
        /// Such as `a text`.
        expected: &'static str,
        /// Such as `a number`.
        found: &'static str,
    },
    /// A required key is not there.
    #[error("the key {0:?} is missing")]
    Missing(&'static str),
    /// A key that must not be there: permissions and limits are closed objects.
    #[error("unknown key {found:?}; known are {known}")]
    UnknownKey {
        /// The key, shortened.
        found: String,
        /// A list for people.
        known: &'static str,
    },
    /// None of the admitted words.
    #[error("must be {expected}, not {found:?}")]
    Word {
        /// A list for people.
        expected: &'static str,
        /// The text, shortened.
        found: String,
    },
    /// A text out of bounds.
    #[error("must have at most {max} characters, not {found}")]
    Length {
        /// Characters admitted.
        max: usize,
        /// Characters found.
        found: usize,
    },
    /// A list or map out of bounds.
    #[error("must have at most {max} entries, not {found}")]
    TooMany {
        /// Entries admitted.
        max: usize,
        /// Entries found.
        found: usize,
    },
    /// A line break, an escape, or a character that hides or reorders text.
    #[error("the character U+{:04X} is not allowed in a text", u32::from(*.0))]
    Character(char),
    /// See [`super::ApiId`].
    #[error(transparent)]
    Api(InvalidApiId),
    /// See [`crate::permission::DevicePath`].
    #[error(transparent)]
    Device(crate::permission::InvalidDevice),
    /// See [`crate::permission::LanPort`].
    #[error(transparent)]
    LanPort(crate::permission::InvalidLanPort),
    /// See [`crate::permission::FolderName`].
    #[error(transparent)]
    Folder(crate::permission::InvalidFolder),
    /// A folder that is listed already.
    #[error("this folder is listed twice")]
    FolderTwice,
    /// See [`super::Export::path`].
    #[error(
        "must be a path such as /_api/feeds: it starts with '/', has no '..' and no '//', and only printable ASCII without spaces, '?', '#' and '\\'"
    )]
    ExportPath,
    /// Two exports that no call could tell apart.
    #[error("the same API, transport and metadata as /exports/{0}")]
    DuplicateExport(usize),
    /// See [`super::Export::metadata`].
    #[error(
        "metadata names have 1 to 40 letters, digits, '.', '_' and '-', and are not api, path, service or transport"
    )]
    MetadataName,
    /// A path that leaves the package, or is none.
    #[error("must be a path inside the package, such as bin/app")]
    Entry,
    /// An icon's path that leaves the package, or is none.
    #[error("must be the path of a picture inside the package, such as icon.svg")]
    Icon,
    /// A native program without a file.
    #[error("a native app needs \"entry\", the path of its executable file in the package")]
    NativeEntry,
    /// A WebAssembly app without a file.
    #[error("a wasm app needs \"entry\", the path of its component in the package")]
    WasmEntry,
    /// A component as a further process.
    #[error("a component answers HTTP requests to the app: it cannot be one of its services")]
    WasmSidecar,
    /// See [`crate::spec::AppPort`].
    #[error("must be a number from 1 to 65535, or \"auto\"")]
    Port,
    /// See [`SidecarName`].
    #[error("{0}")]
    SidecarName(InvalidSidecarName),
    /// A process that there is not.
    #[error("there is no service {0} to wait for")]
    NoSidecar(SidecarName),
    /// Two that wait for each other, or one for itself.
    #[error("the service {0} waits for itself, or it and others wait for each other")]
    SidecarCircle(SidecarName),
    /// They listen in one network namespace.
    #[error("the port {0} is another's already: the processes of an app share one network")]
    PortTwice(u16),
    /// See [`super::Sidecar::port`].
    #[error("must be a number from 1 to 65535")]
    SidecarPort,
    /// Given as an object and beside it.
    #[error("\"entry\" and \"args\" stand either in \"runtime\" or beside it")]
    RuntimeTwice,
    /// Two kinds of one thing.
    #[error(
        "\"args\" are all words of the program, and \"command\" those behind the image's own: one of both"
    )]
    ArgsAndCommand,
    /// See [`crate::image::ImageName`].
    #[error(transparent)]
    Image(InvalidImage),
    /// See [`crate::image::is_image_folder`] and [`crate::image::is_volume`].
    #[error(
        "must be the absolute path of a folder of the image that is none of the system's own, such as /data, without \"..\", blanks, ':', '%', '$', '\\' and quotes"
    )]
    ImageFolder,
    /// See [`crate::image::is_user_name`].
    #[error("the name of the program's user has a-z, 0-9, '_' and '-', and is not root")]
    ImageUser,
    /// See [`crate::image::StopSignal`].
    #[error("{0}")]
    StopSignal(InvalidSignal),
    /// See [`crate::spec::is_config_name`].
    #[error("the names of variables have A-Z, 0-9 and _, and do not start with ATEK_")]
    Variable,
    /// Too long in sum, or with control characters.
    #[error(
        "at most 64 arguments of 8192 bytes together, without control characters but line ends and tabs"
    )]
    Arguments,
    /// See [`super::Healthcheck::Command`].
    #[error("must name a program and its arguments, such as [\"node\", \"check.js\"]")]
    HealthCommand,
    /// See [`super::BeforeBackup`].
    #[error("must be from 1 to {0} seconds")]
    Seconds(u16),
    /// See [`crate::permission::HostPattern`].
    #[error(transparent)]
    Host(InvalidHostPattern),
    /// `hosts` with nothing in it.
    #[error("must name at least one host; leave \"network\" out for no network")]
    NoHosts,
    /// See [`crate::spec::Limits::validate`].
    #[error(transparent)]
    Limits(SpecError),
}
