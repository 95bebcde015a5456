//! What is to be signed: read strictly, shown in words, and turned into what the curve signs. Pure.
//!
//! What cannot be read in its format is refused, and what has no format says so. A text or bytes
//! that would mean something in another format are shown as that.

mod ethereum;
mod nostr;
mod number;
mod text;
mod typed_data;

use crate::KeysError;
use crate::crypto::{Kind, ToSign};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of the longest thing that is signed.
pub const MAX_PAYLOAD: usize = 64 * 1024;
/// Characters of one value that is shown; the rest is named by its length.
const MAX_SHOWN: usize = 2_000;

/// How a payload is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Hexadecimal, unsigned: RLP of EIP-155, or EIP-1559.
    EthereumTransaction,
    /// A text, signed as EIP-191 says (`personal_sign`).
    EthereumMessage,
    /// What `eth_signTypedData_v4` takes (EIP-712): an object, or the same as a text in JSON.
    EthereumTypedData,
    /// An object with `kind`, `content`, `tags`, `created_at` (NIP-01).
    NostrEvent,
    /// A text in UTF-8.
    Text,
    /// Hexadecimal, of no known format.
    Bytes,
}

/// What a payload turned out to be. The pages have words for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meaning {
    /// Sends money, or calls a contract.
    EthereumTransaction,
    /// Allows a contract something (EIP-712): it may be a payment.
    EthereumTypedData,
    /// Signs in at a site (EIP-4361, NIP-42, NIP-98).
    Login,
    /// A message that others can check.
    Message,
    /// A public message or action on Nostr.
    NostrEvent,
    /// Nothing that this box can read: it may be anything, also a payment.
    Unknown,
}

/// One thing that is shown, such as `to` and an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name; the pages have words for each.
    pub name: String,
    /// Its value, without characters that are not seen.
    pub value: String,
}

impl Field {
    fn new(name: &str, value: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            value: text::visible(&value.into(), MAX_SHOWN),
        }
    }
}

/// A payload in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// See [`Meaning`].
    pub meaning: Meaning,
    /// A sentence that completes "this app wants to".
    pub words: String,
    /// The parts, in the order in which they are shown.
    pub fields: Vec<Field>,
}

/// A payload that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// In words.
    pub description: Description,
    /// For the curve.
    pub to_sign: ToSign,
    /// A Nostr event without its signature, as the result shows it.
    pub event: Option<Value>,
}

/// Reads a payload. `public` is the public key that will sign.
///
/// # Errors
///
/// [`KeysError::Params`]: what is not of its format, too long, or not for this kind of key.
pub fn read(format: Format, payload: &Value, kind: Kind, public: &[u8]) -> Result<Read, KeysError> {
    let needs = |wanted: Kind| match kind == wanted {
        true => Ok(()),
        false => Err(bad("this format is signed with a secp256k1 key")),
    };
    match format {
        Format::EthereumTransaction => {
            needs(Kind::Secp256k1)?;
            ethereum::transaction(&from_hex(payload)?)
        }
        Format::EthereumMessage => {
            needs(Kind::Secp256k1)?;
            ethereum::message(of_text(payload)?)
        }
        Format::EthereumTypedData => {
            needs(Kind::Secp256k1)?;
            typed_data::typed_data(payload)
        }
        Format::NostrEvent => {
            needs(Kind::Secp256k1)?;
            nostr::event(payload, public)
        }
        Format::Text => Ok(text::text(of_text(payload)?)),
        Format::Bytes => {
            let bytes = from_hex(payload)?;
            if let Ok(text) = std::str::from_utf8(&bytes)
                && text::is_readable(text)
            {
                return Ok(text::text(text));
            }
            Ok(unknown(bytes))
        }
    }
}

fn unknown(bytes: Vec<u8>) -> Read {
    let description = Description {
        meaning: Meaning::Unknown,
        words: format!(
            "sign {} bytes that this box cannot read: they may mean anything, also a payment or a contract",
            bytes.len()
        ),
        fields: vec![Field::new("bytes", hex::encode(&bytes))],
    };
    Read {
        description,
        to_sign: ToSign::Message(bytes),
        event: None,
    }
}

fn of_text(payload: &Value) -> Result<&str, KeysError> {
    let text = payload
        .as_str()
        .ok_or_else(|| bad("the payload is no text"))?;
    match text.len() <= MAX_PAYLOAD {
        true => Ok(text),
        false => Err(bad("the payload is longer than 64 KiB")),
    }
}

/// Reads hexadecimal digits, with or without `0x`.
fn from_hex(payload: &Value) -> Result<Vec<u8>, KeysError> {
    let text = payload
        .as_str()
        .ok_or_else(|| bad("the payload is no text"))?;
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() > 2 * MAX_PAYLOAD {
        return Err(bad("the payload is longer than 64 KiB"));
    }
    hex::decode(digits).map_err(|_| bad("the payload is not hexadecimal"))
}

fn bad(problem: &str) -> KeysError {
    KeysError::Params(problem.to_owned())
}

/// Whether a name can be read and is one line.
pub(crate) fn is_readable_line(text: &str) -> bool {
    text::is_readable(text) && !text.contains(['\n', '\t'])
}
