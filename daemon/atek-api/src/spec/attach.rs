//! What a starting service says to atekd, with its listeners attached.
//!
//! One message on a new connection to [`super::paths::ATTACH_SOCKET`]: the length of
//! the JSON text in four big-endian bytes, then the text; the IPv4 listener and,
//! where there is IPv6, the IPv6 one, then with [`AttachRequest::connector`] the channel
//! come with its first byte (`SCM_RIGHTS`, in that order). atekd answers with one byte:
//! [`AttachRequest::ACCEPTED`], or [`AttachRequest::REFUSED`], which is final. A connection that
//! ends without an answer means that atekd went away; the service tries again.

use crate::ids::ServiceKey;
use crate::secret::Secret;
use serde::{Deserialize, Serialize};

/// The largest JSON text of an attach message, in bytes.
pub const MAX_ATTACH_BYTES: usize = 4096;

/// The message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachRequest {
    /// Who says to be starting.
    pub key: ServiceKey,
    /// Proves it.
    pub token: Secret,
    /// TCP port of the listeners.
    pub port: u16,
    /// Whether the last descriptor is a Unix stream socket: the channel by which atekd gets
    /// sockets to connect to the program's TCP port.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub connector: bool,
}

/// Why an attach message is refused.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// Larger than [`MAX_ATTACH_BYTES`].
    #[error("the attach message says it has {0} bytes, more than {MAX_ATTACH_BYTES}")]
    TooLarge(usize),
    /// Not an [`AttachRequest`].
    #[error("the attach message is malformed")]
    Malformed(#[source] serde_json::Error),
}

impl AttachRequest {
    /// atekd's answer when the listeners are in use.
    pub const ACCEPTED: u8 = b'k';
    /// atekd's answer when it does not want them.
    pub const REFUSED: u8 = b'n';

    /// The bytes to send.
    ///
    /// # Errors
    ///
    /// [`AttachError`] if a token is absurdly long.
    pub fn encode(&self) -> Result<Vec<u8>, AttachError> {
        let text = serde_json::to_vec(self).map_err(AttachError::Malformed)?;
        let length = Self::checked_length(text.len())?;
        Ok([&length.to_be_bytes()[..], &text].concat())
    }

    /// The length of the text that follows the first four bytes.
    ///
    /// # Errors
    ///
    /// [`AttachError::TooLarge`].
    pub fn text_length(prefix: [u8; 4]) -> Result<usize, AttachError> {
        let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
        Self::checked_length(length).map(|_| length)
    }

    /// Parses the text.
    ///
    /// # Errors
    ///
    /// [`AttachError::Malformed`]. It does not show the text, which has a token.
    pub fn decode(text: &[u8]) -> Result<Self, AttachError> {
        serde_json::from_slice(text).map_err(AttachError::Malformed)
    }

    fn checked_length(length: usize) -> Result<u32, AttachError> {
        u32::try_from(length)
            .ok()
            .filter(|_| length <= MAX_ATTACH_BYTES)
            .ok_or(AttachError::TooLarge(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_as_it_was_sent() {
        let request = AttachRequest {
            key: "k1".parse().unwrap(),
            token: Secret::new("s3cret"),
            port: 4000,
            connector: false,
        };
        let bytes = request.encode().unwrap();
        let (prefix, text) = bytes.split_first_chunk::<4>().unwrap();
        assert_eq!(AttachRequest::text_length(*prefix).unwrap(), text.len());
        assert_eq!(AttachRequest::decode(text).unwrap(), request);
        let expected = r#"{"key":"k1","token":"s3cret","port":4000}"#;
        assert_eq!(text, expected.as_bytes());
    }

    #[test]
    fn a_large_or_malformed_message_is_refused_without_showing_it() {
        assert!(AttachRequest::text_length([0, 1, 0, 0]).is_err());
        assert!(AttachRequest::text_length([255; 4]).is_err());
        let refusal = AttachRequest::decode(br#"{"token":"s3cret","key":"k","port":1,"more":1}"#);
        let refusal = format!("{:?}", refusal.unwrap_err());
        assert!(!refusal.contains("s3cret"), "{refusal}");
    }
}
