//! Words for signatures that let others spend: a token's permit (EIP-2612, and that of DAI), and
//! those of Permit2.

use super::walk::{Is, Leaf};

/// The words, where the type and its values are those of a known allowance. `contract` is the
/// domain in words.
pub(super) fn words(primary: &str, leaves: &[Leaf], contract: &str) -> Option<String> {
    let spender = shown(leaves, "spender", Is::Address)?;
    match primary {
        "Permit" => {
            let amount = match leaf(leaves, "allowed").map(|leaf| leaf.is) {
                Some(Is::True) => "an unlimited amount".to_owned(),
                Some(Is::False) => "nothing any more".to_owned(),
                _ => amount(leaf(leaves, "value")?)?,
            };
            Some(format!(
                "let {spender} spend {amount} of the token {contract}"
            ))
        }
        "PermitSingle" => one(leaves, "details", spender, contract),
        "PermitTransferFrom" | "PermitWitnessTransferFrom" => {
            one(leaves, "permitted", spender, contract)
        }
        "PermitBatch" | "PermitBatchTransferFrom" => {
            let amounts = leaves.iter().filter(|leaf| leaf.path.ends_with("].amount"));
            let mut amounts = amounts.map(|leaf| leaf.is);
            let words = match amounts.any(|is| is == Is::Unlimited) {
                true => "unlimited amounts",
                false => "the amounts below",
            };
            Some(format!(
                "let {spender} spend {words} of several tokens, by {contract}"
            ))
        }
        _ => None,
    }
}

/// An allowance of one token, whose parts lie in `part`.
fn one(leaves: &[Leaf], part: &str, spender: &str, contract: &str) -> Option<String> {
    let token = shown(leaves, &format!("{part}.token"), Is::Address)?;
    let amount = amount(leaf(leaves, &format!("{part}.amount"))?)?;
    Some(format!(
        "let {spender} spend {amount} of the token {token}, by {contract}"
    ))
}

fn amount(leaf: &Leaf) -> Option<String> {
    match leaf.is {
        Is::Unlimited => Some("an unlimited amount".to_owned()),
        Is::Amount => Some(format!("{} units", leaf.shown)),
        _ => None,
    }
}

fn leaf<'a>(leaves: &'a [Leaf], path: &str) -> Option<&'a Leaf> {
    leaves.iter().find(|leaf| leaf.path == path)
}

fn shown<'a>(leaves: &'a [Leaf], path: &str, is: Is) -> Option<&'a str> {
    let leaf = leaf(leaves, path).filter(|leaf| leaf.is == is)?;
    Some(&leaf.shown)
}
