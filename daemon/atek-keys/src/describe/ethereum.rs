//! Ethereum transactions (EIP-155, EIP-1559) and messages (EIP-191), read strictly.

use super::number::decimal;
use super::{Description, Field, Meaning, Read, bad};
use crate::KeysError;
use crate::crypto::{ToSign, checksummed, keccak};
use alloy_rlp::Header;

/// Names of chains; others are shown by their number.
const CHAINS: [(u64, &str); 8] = [
    (1, "Ethereum"),
    (10, "Optimism"),
    (56, "BNB Chain"),
    (100, "Gnosis"),
    (137, "Polygon"),
    (8453, "Base"),
    (42161, "Arbitrum"),
    (11155111, "Sepolia (test)"),
];

/// What a transaction does.
struct Transaction<'a> {
    chain: u64,
    nonce: u64,
    /// Empty: a contract is made.
    to: &'a [u8],
    value: &'a [u8],
    data: &'a [u8],
    /// Wei for one unit of gas, at most.
    price: &'a [u8],
    gas: u64,
    has_access_list: bool,
}

/// An unsigned transaction.
pub(super) fn transaction(bytes: &[u8]) -> Result<Read, KeysError> {
    let transaction = match bytes.first() {
        Some(2) => fee_market(&bytes[1..]),
        Some(0xc0..) => legacy(bytes),
        _ => None,
    };
    let transaction = transaction.ok_or_else(|| {
        bad("the payload is no unsigned Ethereum transaction with a chain (EIP-155 or EIP-1559)")
    })?;
    Ok(Read {
        description: describe(&transaction),
        to_sign: ToSign::Recoverable(keccak(bytes)),
        event: None,
    })
}

/// EIP-155: nonce, price, gas, to, value, data, chain, 0, 0.
fn legacy(bytes: &[u8]) -> Option<Transaction<'_>> {
    let items = items(bytes)?;
    let [nonce, price, gas, to, value, data, chain, zero, also_zero] = items.as_slice() else {
        return None;
    };
    if !zero.string()?.is_empty() || !also_zero.string()?.is_empty() {
        return None;
    }
    Some(Transaction {
        chain: chain.small()?,
        nonce: nonce.small()?,
        to: to.address()?,
        value: value.number()?,
        data: data.string()?,
        price: price.number()?,
        gas: gas.small()?,
        has_access_list: false,
    })
}

/// EIP-1559: chain, nonce, tip, price, gas, to, value, data, access list.
fn fee_market(bytes: &[u8]) -> Option<Transaction<'_>> {
    let items = items(bytes)?;
    let [chain, nonce, tip, price, gas, to, value, data, access] = items.as_slice() else {
        return None;
    };
    tip.number()?;
    Some(Transaction {
        chain: chain.small()?,
        nonce: nonce.small()?,
        to: to.address()?,
        value: value.number()?,
        data: data.string()?,
        price: price.number()?,
        gas: gas.small()?,
        has_access_list: !access.list()?.is_empty(),
    })
}

/// An item of a list: its payload, and whether it is a list itself.
struct Item<'a> {
    is_list: bool,
    payload: &'a [u8],
}

impl<'a> Item<'a> {
    fn string(&self) -> Option<&'a [u8]> {
        (!self.is_list).then_some(self.payload)
    }

    fn list(&self) -> Option<&'a [u8]> {
        self.is_list.then_some(self.payload)
    }

    /// A number of at most 256 bits, without zeros in front.
    fn number(&self) -> Option<&'a [u8]> {
        let bytes = self.string()?;
        (bytes.len() <= 32 && bytes.first() != Some(&0)).then_some(bytes)
    }

    fn small(&self) -> Option<u64> {
        let bytes = self.number().filter(|bytes| bytes.len() <= 8)?;
        Some(
            bytes
                .iter()
                .fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
        )
    }

    fn address(&self) -> Option<&'a [u8]> {
        self.string().filter(|bytes| matches!(bytes.len(), 0 | 20))
    }
}

/// The items of one list that fills `bytes`. More than a transaction has is refused.
fn items(mut bytes: &[u8]) -> Option<Vec<Item<'_>>> {
    let header = Header::decode(&mut bytes).ok()?;
    if !header.list || header.payload_length != bytes.len() {
        return None;
    }
    let mut items = Vec::new();
    while !bytes.is_empty() {
        if items.len() == 16 {
            return None;
        }
        let header = Header::decode(&mut bytes).ok()?;
        let (payload, rest) = bytes.split_at_checked(header.payload_length)?;
        items.push(Item {
            is_list: header.list,
            payload,
        });
        bytes = rest;
    }
    Some(items)
}

/// What people call a chain.
pub(super) fn chain_name(chain: u64) -> String {
    let known = CHAINS.iter().find(|(id, _)| *id == chain);
    known.map_or_else(|| format!("chain {chain}"), |(_, name)| (*name).to_owned())
}

fn describe(transaction: &Transaction<'_>) -> Description {
    let chain = chain_name(transaction.chain);
    let to = match transaction.to {
        [] => "a new contract".to_owned(),
        address => checksummed(address),
    };
    let amount = decimal(transaction.value, 18);
    let call = call_of(transaction.data);
    let words = match (transaction.to.is_empty(), transaction.data.is_empty()) {
        (true, _) => format!("make a contract on {chain} and give it {amount}"),
        (false, true) => format!("send {amount} on {chain} to {to}"),
        (false, false) => {
            format!("call the contract {to} on {chain} ({call}) and send it {amount}")
        }
    };
    let mut fields = vec![
        Field::new("chain", chain),
        Field::new("to", to),
        Field::new("amount", amount),
        Field::new("fee", format!("{} at most", fee(transaction))),
        Field::new("nonce", transaction.nonce.to_string()),
    ];
    if !transaction.data.is_empty() {
        fields.push(Field::new("call", call));
        fields.push(Field::new("data", hex::encode(transaction.data)));
    }
    if transaction.has_access_list {
        fields.push(Field::new("access-list", "yes"));
    }
    Description {
        meaning: Meaning::EthereumTransaction,
        words,
        fields,
    }
}

/// What the call data begins with, for the calls with which most is lost.
fn call_of(data: &[u8]) -> String {
    let argument = |at: usize| data.get(4 + 32 * at..36 + 32 * at);
    let address = |at: usize| {
        let word = argument(at).filter(|word| word[..12].iter().all(|byte| *byte == 0));
        word.map_or_else(
            || "an unreadable address".to_owned(),
            |word| checksummed(&word[12..]),
        )
    };
    let number = |at: usize| argument(at).map_or_else(|| "?".to_owned(), |word| decimal(word, 0));
    match data.get(..4) {
        Some([0xa9, 0x05, 0x9c, 0xbb]) => {
            format!("transfer {} units of a token to {}", number(1), address(0))
        }
        Some([0x23, 0xb8, 0x72, 0xdd]) => {
            format!(
                "transfer {} of a token from {} to {}",
                number(2),
                address(0),
                address(1)
            )
        }
        Some([0x09, 0x5e, 0xa7, 0xb3]) => {
            format!("let {} spend {} units of a token", address(0), number(1))
        }
        Some([0xa2, 0x2c, 0xb4, 0x65]) => {
            format!("let {} move all your tokens of a collection", address(0))
        }
        Some(selector) => format!("unknown function 0x{}", hex::encode(selector)),
        None => "unknown data".to_owned(),
    }
}

fn fee(transaction: &Transaction<'_>) -> String {
    // Price times gas, in base 256, lowest digit first.
    let mut product = vec![0u8; 40];
    for (i, a) in transaction.price.iter().rev().enumerate() {
        let mut carry = 0u32;
        for (j, b) in transaction.gas.to_le_bytes().iter().enumerate() {
            let sum = u32::from(*a) * u32::from(*b) + u32::from(product[i + j]) + carry;
            product[i + j] = u8::try_from(sum & 0xff).unwrap_or(u8::MAX);
            carry = sum >> 8;
        }
        // The place was not written to by earlier rounds.
        if let Some(place) = product.get_mut(i + 8) {
            *place = u8::try_from(carry).unwrap_or(u8::MAX);
        }
    }
    product.reverse();
    decimal(&product, 18)
}

/// A text that is signed with EIP-191's prefix.
pub(super) fn message(text: &str) -> Result<Read, KeysError> {
    let mut read = super::text::text(text);
    let prefixed = [
        b"\x19Ethereum Signed Message:\n",
        text.len().to_string().as_bytes(),
        text.as_bytes(),
    ]
    .concat();
    read.to_sign = ToSign::Recoverable(keccak(&prefixed));
    if let Some((_, account)) = super::text::login(text) {
        read.description.fields.push(Field::new("account", account));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of EIP-155.
    const EXAMPLE: &str = "ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080";

    #[test]
    fn the_example_of_eip_155_is_signed_as_it_says() {
        let read = transaction(&hex::decode(EXAMPLE).expect("hex")).expect("reads");
        assert_eq!(
            read.description.words,
            "send 1 on Ethereum to 0x3535353535353535353535353535353535353535"
        );
        let fee = read
            .description
            .fields
            .iter()
            .find(|field| field.name == "fee");
        assert_eq!(fee.expect("fee").value, "0.00042 at most");
        let ToSign::Recoverable(hash) = &read.to_sign else {
            panic!("ECDSA");
        };
        assert_eq!(
            hex::encode(hash),
            "daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53"
        );
        let key = atek_seed::Secret::new([0x46; 32]);
        let signed = crate::crypto::sign(crate::crypto::Kind::Secp256k1, &key, &read.to_sign);
        let signed = signed.expect("signed");
        assert_eq!(
            hex::encode(signed.bytes),
            "28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276\
             67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
        );
        // v = 37 = 35 + 2 * chain + recovery
        assert_eq!(signed.recovery, Some(0));
    }

    #[test]
    fn no_cut_and_no_addition_is_a_transaction() {
        let whole = hex::decode(EXAMPLE).expect("hex");
        for length in 0..whole.len() {
            assert!(transaction(&whole[..length]).is_err(), "{length}");
        }
        assert!(transaction(&[whole.as_slice(), &[0]].concat()).is_err());
        // Without a chain it would hold on every one (before EIP-155).
        let plain = hex::decode(
            "e9098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080",
        );
        assert!(transaction(&plain.expect("hex")).is_err());
    }

    #[test]
    fn calls_with_which_most_is_lost_have_words() {
        let mut data = hex::decode("095ea7b3").expect("hex");
        data.extend([0; 12]);
        data.extend([0x11; 20]);
        data.extend([0xff; 32]);
        let words = call_of(&data);
        assert!(
            words.starts_with("let 0x1111111111111111111111111111111111111111 spend 1157920892"),
            "{words}"
        );
        assert_eq!(call_of(&[1, 2, 3, 4]), "unknown function 0x01020304");
        assert_eq!(call_of(&[1]), "unknown data");
        assert!(call_of(&data[..40]).contains('?'));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = transaction(&bytes);
            let _ = transaction(&[&[2][..], &bytes].concat());
            let _ = call_of(&bytes);
        }
    }
}
