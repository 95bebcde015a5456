//! The types of EIP-712: their spelling, what they may be, and the hash of each struct type.

use super::super::bad;
use crate::KeysError;
use crate::crypto::keccak;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Struct types of one payload.
const MAX_TYPES: usize = 64;
/// Members of one struct type.
const MAX_MEMBERS: usize = 64;
/// Characters of the name of a type or member.
const MAX_NAME: usize = 64;
/// How deep structs and arrays lie in one another.
const MAX_DEPTH: usize = 16;

/// A member as it is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Declared {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

/// A member of a struct type.
pub(super) struct Member {
    pub name: String,
    pub kind: Type,
}

/// What a value may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Address,
    Text,
    Bytes,
    /// 1 to 32 bytes.
    FixedBytes(usize),
    /// 8 to 256 bits.
    Uint(usize),
    /// 8 to 256 bits.
    Int(usize),
    Struct(String),
    /// With its length where the type says one.
    Array(Box<Type>, Option<usize>),
}

/// The struct types of a payload. None lies in itself.
pub(super) struct Types {
    structs: BTreeMap<String, Vec<Member>>,
    hashes: BTreeMap<String, [u8; 32]>,
}

impl Types {
    /// # Errors
    ///
    /// [`KeysError::Params`]: too many, names that are none, unknown types, types in themselves.
    pub fn read(declared: &BTreeMap<String, Vec<Declared>>) -> Result<Self, KeysError> {
        if declared.len() > MAX_TYPES {
            return Err(bad("the typed data has more than 64 types"));
        }
        let mut structs = BTreeMap::new();
        for (name, members) in declared {
            if !is_name(name) || is_reserved(name) {
                return Err(bad("a type of the typed data has a name that is none"));
            }
            structs.insert(name.clone(), read_members(members, declared)?);
        }
        let mut types = Self {
            structs,
            hashes: BTreeMap::new(),
        };
        for name in declared.keys() {
            types.depth_of(name, MAX_DEPTH)?;
            let hash = keccak(types.spelled(name).as_bytes());
            types.hashes.insert(name.clone(), hash);
        }
        Ok(types)
    }

    /// The members of a struct type.
    pub fn members(&self, name: &str) -> Result<&[Member], KeysError> {
        let members = self.structs.get(name).map(Vec::as_slice);
        members.ok_or_else(|| KeysError::Params(format!("the typed data has no type {name:?}")))
    }

    /// The hash of a struct type: `typeHash`.
    pub fn hash(&self, name: &str) -> [u8; 32] {
        self.hashes.get(name).copied().unwrap_or_default()
    }

    /// `encodeType`: the type, and those in it by their names' order.
    fn spelled(&self, name: &str) -> String {
        let mut inner = BTreeSet::new();
        self.collect(name, &mut inner);
        inner.remove(name);
        let all = std::iter::once(name).chain(inner);
        let one = |name: &str| {
            let members = self.structs.get(name).map_or(&[][..], Vec::as_slice);
            let members: Vec<_> = members
                .iter()
                .map(|member| format!("{} {}", member.kind.spelled(), member.name))
                .collect();
            format!("{name}({})", members.join(","))
        };
        all.map(one).collect()
    }

    fn collect<'a>(&'a self, name: &'a str, found: &mut BTreeSet<&'a str>) {
        if !found.insert(name) {
            return;
        }
        for member in self.structs.get(name).map_or(&[][..], Vec::as_slice) {
            if let Type::Struct(inner) = member.kind.innermost() {
                self.collect(inner, found);
            }
        }
    }

    /// Refuses types that lie in themselves, or too deep. What was found is not asked again, as the
    /// ways through the types may be more than their number.
    fn depth_of(&self, name: &str, most: usize) -> Result<(), KeysError> {
        let mut level = BTreeSet::from([name]);
        for _ in 0..most {
            let members = level.iter().filter_map(|name| self.structs.get(*name));
            let inner = members
                .flatten()
                .filter_map(|member| match member.kind.innermost() {
                    Type::Struct(inner) => Some(inner.as_str()),
                    _ => None,
                });
            level = inner.collect();
        }
        match level.is_empty() {
            true => Ok(()),
            false => Err(bad(
                "a type of the typed data contains itself, or types 16 deep",
            )),
        }
    }
}

impl Type {
    /// The type of the elements of an array of any number of dimensions.
    fn innermost(&self) -> &Type {
        match self {
            Type::Array(inner, _) => inner.innermost(),
            other => other,
        }
    }

    /// As the hash has it.
    fn spelled(&self) -> String {
        match self {
            Type::Bool => "bool".to_owned(),
            Type::Address => "address".to_owned(),
            Type::Text => "string".to_owned(),
            Type::Bytes => "bytes".to_owned(),
            Type::FixedBytes(bytes) => format!("bytes{bytes}"),
            Type::Uint(bits) => format!("uint{bits}"),
            Type::Int(bits) => format!("int{bits}"),
            Type::Struct(name) => name.clone(),
            Type::Array(inner, None) => format!("{}[]", inner.spelled()),
            Type::Array(inner, Some(length)) => format!("{}[{length}]", inner.spelled()),
        }
    }
}

fn read_members(
    members: &[Declared],
    declared: &BTreeMap<String, Vec<Declared>>,
) -> Result<Vec<Member>, KeysError> {
    if members.len() > MAX_MEMBERS {
        return Err(bad("a type of the typed data has more than 64 members"));
    }
    let mut names = BTreeSet::new();
    let read = members.iter().map(|member| {
        if !is_name(&member.name) || !names.insert(&member.name) {
            return Err(bad(
                "a member of the typed data has a name that is none, or twice there",
            ));
        }
        let kind = read_type(&member.kind, declared, 4).ok_or_else(|| {
            let name = &member.name;
            KeysError::Params(format!("the member {name:?} has a type that is not known"))
        })?;
        let name = member.name.clone();
        Ok(Member { name, kind })
    });
    read.collect()
}

/// Reads a type's name, with at most `dimensions` of arrays.
fn read_type(
    text: &str,
    declared: &BTreeMap<String, Vec<Declared>>,
    dimensions: usize,
) -> Option<Type> {
    if let Some(rest) = text.strip_suffix(']') {
        let (inner, length) = rest.rsplit_once('[')?;
        let length = match length {
            "" => None,
            digits => Some(size(digits).filter(|length| *length <= 1_000)?),
        };
        let inner = read_type(inner, declared, dimensions.checked_sub(1)?)?;
        return Some(Type::Array(Box::new(inner), length));
    }
    if declared.contains_key(text) {
        return Some(Type::Struct(text.to_owned()));
    }
    let bits = |digits| size(digits).filter(|bits| bits % 8 == 0 && (8..=256).contains(bits));
    match text {
        "bool" => Some(Type::Bool),
        "address" => Some(Type::Address),
        "string" => Some(Type::Text),
        "bytes" => Some(Type::Bytes),
        _ => {
            if let Some(digits) = text.strip_prefix("bytes") {
                let bytes = size(digits).filter(|bytes| (1..=32).contains(bytes))?;
                return Some(Type::FixedBytes(bytes));
            }
            if let Some(digits) = text.strip_prefix("uint") {
                return bits(digits).map(Type::Uint);
            }
            bits(text.strip_prefix("int")?).map(Type::Int)
        }
    }
}

/// A number as Solidity spells it: no sign, no zeros in front.
fn size(digits: &str) -> Option<usize> {
    let plain = digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|_| plain)?;
    (!digits.starts_with('0')).then_some(number)
}

fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '$');
    text.len() <= MAX_NAME
        && text.starts_with(is_letter)
        && text.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

/// Names that are no struct's: those of the types that are built in, also where the number is none.
fn is_reserved(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    matches!(
        stem,
        "bool" | "address" | "string" | "bytes" | "uint" | "int"
    )
}
