//! Translates a compose file (the Compose Specification) into the manifest of an app. Pure.
//!
//! What a compose file says of images, programs, data and order becomes `runtime` and `services` of
//! atek.json. All else is named line by line, with the reason: nothing is dropped in silence but
//! what has no meaning here, such as a container's name or how it is restarted.
//!
//! | module | does |
//! |---|---|
//! | [`tree`] | YAML with the line of each value |
//! | [`words`] | variables (`${NAME:-default}`), words of a command, names of images |
//! | [`service`] | one service of the file |
//! | [`app`] | which service is the app, and the whole manifest |

mod app;
mod service;
mod tree;
mod words;

pub use app::translate;

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Bytes of the longest file that is read.
pub const MAX_BYTES: usize = 256 * 1024;

/// What a person adds to the file.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The service that is the app, and that people visit; none: the one that the file shows.
    pub main: Option<String>,
    /// Values of variables, which container engines take from their environment.
    pub variables: BTreeMap<String, String>,
}

/// A manifest, and what of the file is not in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// The content of atek.json.
    pub manifest: Value,
    /// In the order of the file.
    pub left_out: Vec<LeftOut>,
}

/// Something that the file says and the manifest does not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// From 1.
    pub line: usize,
    /// Where: `services.db.privileged`.
    pub place: String,
    /// Why, and what to do.
    pub why: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.line, self.place, self.why)
    }
}

/// Why a file cannot be translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// See [`MAX_BYTES`].
    #[error("the file has {0} bytes, at most {MAX_BYTES} are read")]
    TooLarge(usize),
    /// The parser's words.
    #[error("it is not YAML: {0}")]
    Yaml(String),
    /// Another kind of value than the Compose Specification has there.
    #[error("line {line}, {place}: must be {expected}")]
    Kind {
        /// From 1.
        line: usize,
        /// Where.
        place: String,
        /// For a person.
        expected: &'static str,
    },
    /// No service.
    #[error("it has no \"services\"")]
    NoServices,
    /// Several services could be the app.
    #[error("which of its services is the app that people visit? Name it with --main: {0}")]
    Main(String),
    /// The wish names none.
    #[error("it has no service {0}")]
    NoSuchService(String),
    /// A service without which the app cannot be.
    #[error("line {line}, service {service}: {why}")]
    Service {
        /// From 1.
        line: usize,
        /// Its name.
        service: String,
        /// For a person.
        why: String,
    },
    /// What came out is no manifest: two services on one port, too many services.
    #[error("what it says cannot be an app: {0}")]
    Manifest(String),
}

#[cfg(test)]
mod tests;
