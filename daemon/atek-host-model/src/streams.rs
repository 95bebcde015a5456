//! What the gateway passes on from services as it is: log lines, job events, icons.

use atek_api::services::LogOptions;
use bytes::Bytes;
use futures_util::stream::BoxStream;

/// JSON lines, each with its `\n`.
pub type Lines = BoxStream<'static, Bytes>;

/// A request for log lines.
#[derive(Debug, Clone)]
pub struct LogQuery {
    /// The service's id.
    pub service: String,
    /// Which lines.
    pub options: LogOptions,
    /// Whether to go on with new lines as they come.
    pub follow: bool,
}

/// A picture.
#[derive(Debug, Clone)]
pub struct Icon {
    /// The file.
    pub content: Bytes,
    /// Its media type.
    pub kind: &'static str,
}

/// Why there are no lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The caller may not, or there is no such thing: one answer for both.
    NotAuthorized,
    /// A parameter is wrong; the text says which and how.
    BadRequest(String),
    /// The source of the lines cannot be read now; the text says why.
    Unavailable(String),
}
