//! One way through a value, which hashes and shows the same: nothing is signed that is not shown.

use super::super::number::{self, Word};
use super::super::{MAX_PAYLOAD, bad};
use super::types::{Type, Types};
use crate::KeysError;
use crate::crypto::{checksummed, keccak};
use serde_json::Value;

/// Values of one payload. More than that cannot be looked through.
const MAX_VALUES: usize = 200;
/// The largest whole number that JavaScript keeps exactly.
const MAX_EXACT: u64 = (1 << 53) - 1;

/// One value, as it is shown.
pub(super) struct Leaf {
    /// Where it lies, such as `details.token`.
    pub path: String,
    pub shown: String,
    pub is: Is,
}

/// What the words of known types ask of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    Address,
    Amount,
    /// The largest number of its type, by which contracts mean "without limit".
    Unlimited,
    True,
    False,
    Other,
}

/// The values that were passed, in their order.
pub(super) struct Walk<'a> {
    types: &'a Types,
    pub leaves: Vec<Leaf>,
}

impl<'a> Walk<'a> {
    pub fn new(types: &'a Types) -> Self {
        Self {
            types,
            leaves: Vec::new(),
        }
    }

    /// `hashStruct`. Every member is there, and nothing else.
    pub fn hash_struct(
        &mut self,
        name: &str,
        value: &Value,
        path: &str,
    ) -> Result<Word, KeysError> {
        let members = self.types.members(name)?;
        let object = value.as_object().ok_or_else(|| wrong(path, "an object"))?;
        let unknown = object
            .keys()
            .find(|key| !members.iter().any(|member| member.name == **key));
        if let Some(unknown) = unknown {
            return Err(KeysError::Params(format!(
                "{path:?} has {unknown:?}, which its type has not: it would not be signed"
            )));
        }
        if members.is_empty() {
            self.show(path, "(empty)".to_owned(), Is::Other)?;
        }
        let mut encoded = self.types.hash(name).to_vec();
        for member in members {
            let path = match path {
                "" => member.name.clone(),
                path => format!("{path}.{}", member.name),
            };
            let value = object
                .get(&member.name)
                .ok_or_else(|| KeysError::Params(format!("{path:?} is missing")))?;
            encoded.extend(self.encode(&member.kind, value, &path)?);
        }
        Ok(keccak(&encoded))
    }

    /// `encodeData` of one member.
    fn encode(&mut self, kind: &Type, value: &Value, path: &str) -> Result<Word, KeysError> {
        match kind {
            Type::Struct(name) => self.hash_struct(name, value, path),
            Type::Array(inner, length) => {
                let items = value.as_array().ok_or_else(|| wrong(path, "an array"))?;
                if length.is_some_and(|length| length != items.len()) {
                    return Err(wrong(path, "an array of the length of its type"));
                }
                if items.is_empty() {
                    self.show(path, "(empty)".to_owned(), Is::Other)?;
                }
                let mut encoded = Vec::new();
                for (at, item) in items.iter().enumerate() {
                    encoded.extend(self.encode(inner, item, &format!("{path}[{at}]"))?);
                }
                Ok(keccak(&encoded))
            }
            plain => {
                let (word, shown, is) = plain_value(plain, value, path)?;
                self.show(path, shown, is)?;
                Ok(word)
            }
        }
    }

    fn show(&mut self, path: &str, shown: String, is: Is) -> Result<(), KeysError> {
        if self.leaves.len() == MAX_VALUES {
            return Err(bad(
                "the typed data has more than 200 values, which no person looks through",
            ));
        }
        let path = path.to_owned();
        self.leaves.push(Leaf { path, shown, is });
        Ok(())
    }
}

/// What is hashed of a value that has no parts, and how it is shown.
fn plain_value(kind: &Type, value: &Value, path: &str) -> Result<(Word, String, Is), KeysError> {
    match kind {
        Type::Bool => {
            let is = value
                .as_bool()
                .ok_or_else(|| wrong(path, "true or false"))?;
            let mut word = [0; 32];
            word[31] = u8::from(is);
            Ok((word, is.to_string(), if is { Is::True } else { Is::False }))
        }
        Type::Address => {
            let address = address(value).ok_or_else(|| wrong(path, "an address"))?;
            let mut word = [0; 32];
            word[12..].copy_from_slice(&address);
            Ok((word, checksummed(&address), Is::Address))
        }
        Type::Text => {
            let text = value.as_str().ok_or_else(|| wrong(path, "a text"))?;
            let shown = if text.is_empty() { "(empty)" } else { text };
            Ok((keccak(text.as_bytes()), shown.to_owned(), Is::Other))
        }
        Type::Bytes => {
            let bytes = bytes(value).ok_or_else(|| wrong(path, "hexadecimal after 0x"))?;
            let shown = format!("0x{}", hex::encode(&bytes));
            Ok((keccak(&bytes), shown, Is::Other))
        }
        Type::FixedBytes(length) => {
            let bytes = bytes(value).filter(|bytes| bytes.len() == *length);
            let bytes = bytes.ok_or_else(|| wrong(path, "hexadecimal of its type's length"))?;
            let mut word = [0; 32];
            word[..*length].copy_from_slice(&bytes);
            Ok((word, format!("0x{}", hex::encode(&bytes)), Is::Other))
        }
        Type::Uint(bits) => {
            let word = unsigned(value, *bits);
            let word = word.ok_or_else(|| wrong(path, "a whole number of its type"))?;
            let shown = number::decimal(&word, 0);
            match *bits >= 64 && is_largest(&word, *bits) {
                true => Ok((word, format!("{shown} (unlimited)"), Is::Unlimited)),
                false => Ok((word, shown, Is::Amount)),
            }
        }
        Type::Int(bits) => {
            let (word, shown) =
                signed(value, *bits).ok_or_else(|| wrong(path, "a whole number of its type"))?;
            Ok((word, shown, Is::Other))
        }
        // Those have parts.
        Type::Struct(_) | Type::Array(..) => Err(wrong(path, "a value without parts")),
    }
}

/// An address of 20 bytes. With letters of both cases it has to be spelled as EIP-55 says.
pub(super) fn address(value: &Value) -> Option<[u8; 20]> {
    let text = value.as_str()?;
    let address: [u8; 20] = bytes(value)?.try_into().ok()?;
    let digits = text.strip_prefix("0x")?;
    let has = |is: fn(&u8) -> bool| digits.as_bytes().iter().any(is);
    let mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    (!mixed || checksummed(&address) == text).then_some(address)
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    let digits = value.as_str()?.strip_prefix("0x")?;
    if digits.len() > 2 * MAX_PAYLOAD {
        return None;
    }
    hex::decode(digits).ok()
}

/// A number of JSON or its digits: JSON's own only where every reader takes it for the same number.
fn digits(value: &Value) -> Option<(bool, Word)> {
    let text = match value {
        Value::Number(number) => {
            let size = number
                .as_u64()
                .or_else(|| number.as_i64().map(i64::unsigned_abs))?;
            if size > MAX_EXACT {
                return None;
            }
            number.to_string()
        }
        Value::String(text) => text.clone(),
        _ => return None,
    };
    match text.strip_prefix('-') {
        Some(digits) => Some((true, number::parse(digits)?)),
        None => Some((false, number::parse(&text)?)),
    }
}

pub(super) fn unsigned(value: &Value, bits: usize) -> Option<Word> {
    let (negative, word) = digits(value)?;
    (!negative && number::bits(&word) <= bits).then_some(word)
}

fn signed(value: &Value, bits: usize) -> Option<(Word, String)> {
    let (negative, word) = digits(value)?;
    let shown = number::decimal(&word, 0);
    if !negative {
        return (number::bits(&word) < bits).then_some((word, shown));
    }
    // One more number is below zero than above: the power of two itself.
    let ones: u32 = word.iter().map(|byte| byte.count_ones()).sum();
    let fits = number::bits(&word) < bits || (number::bits(&word) == bits && ones == 1);
    fits.then(|| (number::negated(&word), format!("-{shown}")))
}

fn is_largest(word: &Word, bits: usize) -> bool {
    let ones: u32 = word.iter().map(|byte| byte.count_ones()).sum();
    usize::try_from(ones) == Ok(bits)
}

fn wrong(path: &str, wanted: &str) -> KeysError {
    KeysError::Params(format!("{path:?} is not {wanted}"))
}
