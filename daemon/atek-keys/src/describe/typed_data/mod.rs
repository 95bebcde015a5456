//! Typed data of Ethereum (EIP-712), as `eth_signTypedData_v4` takes it: read strictly, hashed
//! here, and shown value for value.

mod allowance;
#[cfg(test)]
mod tests;
mod types;
mod walk;

use super::ethereum::chain_name;
use super::{Description, Field, MAX_PAYLOAD, Meaning, Read, bad, text};
use crate::KeysError;
use crate::crypto::{ToSign, checksummed, keccak};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use types::{Declared, Type, Types};
use walk::Walk;

/// The type of the domain.
const DOMAIN: &str = "EIP712Domain";

/// What is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Payload {
    types: BTreeMap<String, Vec<Declared>>,
    primary_type: String,
    domain: Value,
    message: Value,
}

/// For which contract a signature holds. What is not said is not checked by anything.
struct Domain {
    name: Option<String>,
    version: Option<String>,
    chain: Option<String>,
    contract: Option<String>,
    salt: Option<String>,
}

pub(super) fn typed_data(payload: &Value) -> Result<Read, KeysError> {
    let payload = read(payload)?;
    let types = Types::read(&payload.types)?;
    if payload.primary_type == DOMAIN {
        return Err(bad("the typed data has no message but its domain"));
    }
    let domain = Domain::read(&types, &payload.domain)?;
    let separator = Walk::new(&types).hash_struct(DOMAIN, &payload.domain, "domain")?;
    let mut walk = Walk::new(&types);
    let hash = walk.hash_struct(&payload.primary_type, &payload.message, "")?;
    let to_sign = keccak(&[b"\x19\x01".as_slice(), &separator, &hash].concat());
    let primary = &payload.primary_type;
    let allowed = allowance::words(primary, &walk.leaves, &domain.in_words());
    let words = allowed.unwrap_or_else(|| {
        format!(
            "sign {primary} for {}: it may allow anything there, also a payment",
            domain.in_words()
        )
    });
    let mut fields = domain.fields();
    fields.push(Field::new("type", primary));
    let values = walk.leaves.iter();
    // Names of the payload begin with this one, so that none is taken for those above.
    fields.extend(values.map(|leaf| Field::new(&format!("message.{}", leaf.path), &leaf.shown)));
    Ok(Read {
        description: Description {
            meaning: Meaning::EthereumTypedData,
            words,
            fields,
        },
        to_sign: ToSign::Recoverable(to_sign),
        event: None,
    })
}

/// The parts of an object, or of the text in JSON that wallets take.
fn read(payload: &Value) -> Result<Payload, KeysError> {
    let no_typed_data = |error| KeysError::Params(format!("the payload is no typed data: {error}"));
    let long = |length: usize| match length <= MAX_PAYLOAD {
        true => Ok(()),
        false => Err(bad("the payload is longer than 64 KiB")),
    };
    match payload {
        Value::String(text) => {
            long(text.len())?;
            serde_json::from_str(text).map_err(no_typed_data)
        }
        other => {
            long(other.to_string().len())?;
            Payload::deserialize(other).map_err(no_typed_data)
        }
    }
}

impl Domain {
    /// The members that EIP-712 names, of the types that it names; their values are checked by
    /// their types when the domain is hashed.
    fn read(types: &Types, domain: &Value) -> Result<Self, KeysError> {
        for member in types.members(DOMAIN)? {
            let fits = match member.name.as_str() {
                "name" | "version" => member.kind == Type::Text,
                "chainId" => member.kind == Type::Uint(256),
                "verifyingContract" => member.kind == Type::Address,
                "salt" => member.kind == Type::FixedBytes(32),
                _ => false,
            };
            if !fits {
                return Err(bad(
                    "the domain of the typed data has members that are not of EIP-712",
                ));
            }
        }
        let plain = |name: &str| domain[name].as_str().map(str::to_owned);
        Ok(Self {
            name: plain("name"),
            version: plain("version"),
            chain: chain_of(domain)?,
            contract: contract_of(domain)?,
            salt: plain("salt"),
        })
    }

    fn in_words(&self) -> String {
        let name = text::visible(self.name.as_deref().unwrap_or("an unnamed contract"), 100);
        let contract = self.contract.as_deref().unwrap_or("no contract said");
        let chain = self.chain.as_deref().unwrap_or("any chain");
        format!("{name} ({contract} on {chain})")
    }

    fn fields(&self) -> Vec<Field> {
        let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "any".to_owned());
        let mut fields = vec![
            Field::new("domain", said(&self.name)),
            Field::new("chain", said(&self.chain)),
            Field::new("contract", said(&self.contract)),
        ];
        let more = [("version", &self.version), ("salt", &self.salt)];
        for (name, value) in more {
            fields.extend(value.as_ref().map(|value| Field::new(name, value)));
        }
        fields
    }
}

fn chain_of(domain: &Value) -> Result<Option<String>, KeysError> {
    let Some(chain) = domain.get("chainId") else {
        return Ok(None);
    };
    let word = walk::unsigned(chain, 256);
    let word = word.ok_or_else(|| bad("the chain of the typed data is no number"))?;
    let (high, low) = word.split_at(24);
    let small = <[u8; 8]>::try_from(low).map(u64::from_be_bytes);
    Ok(Some(match small {
        Ok(small) if high.iter().all(|byte| *byte == 0) => chain_name(small),
        _ => format!("chain {}", super::number::decimal(&word, 0)),
    }))
}

fn contract_of(domain: &Value) -> Result<Option<String>, KeysError> {
    let Some(contract) = domain.get("verifyingContract") else {
        return Ok(None);
    };
    let address = walk::address(contract);
    let address = address.ok_or_else(|| bad("the contract of the typed data is none"))?;
    Ok(Some(checksummed(&address)))
}
