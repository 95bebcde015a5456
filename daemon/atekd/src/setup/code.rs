//! The claim code: the person at the box can read it, a neighbour on the network cannot. Pure,
//! but for the random bytes.

use crate::random::{self, RandomError};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// Crockford's base 32: no letter that looks like a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Symbols; 40 bits.
const LENGTH: usize = 8;

/// A claim code. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimCode([u8; LENGTH]);

impl ClaimCode {
    /// A new one.
    ///
    /// # Errors
    ///
    /// [`RandomError`].
    pub fn random() -> Result<Self, RandomError> {
        let bytes: [u8; LENGTH] = random::bytes()?;
        // 256 is a multiple of 32: every symbol is equally likely.
        Ok(Self(bytes.map(|byte| ALPHABET[usize::from(byte % 32)])))
    }

    /// Reads what a person typed: in any case, with or without the dash, O for 0, I or L for 1.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut symbols = text
            .chars()
            .filter(|c| !matches!(c, '-' | '\u{2010}'..='\u{2015}') && !c.is_whitespace())
            .map(symbol);
        let mut code = [0; LENGTH];
        for place in &mut code {
            *place = symbols.next()??;
        }
        symbols.next().is_none().then_some(Self(code))
    }

    /// Whether it is the same code; takes the same time whatever differs.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// `XXXX-XXXX`, for the box's owner only.
    #[must_use]
    pub fn shown(&self) -> String {
        let (first, second) = self.0.split_at(LENGTH / 2);
        let text = |half: &[u8]| -> String { half.iter().copied().map(char::from).collect() };
        format!("{}-{}", text(first), text(second))
    }
}

fn symbol(c: char) -> Option<u8> {
    let c = match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    };
    let byte = u8::try_from(c).ok()?;
    ALPHABET.contains(&byte).then_some(byte)
}

impl fmt::Debug for ClaimCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(text: &str) -> Option<String> {
        ClaimCode::read(text).map(|code| code.shown())
    }

    #[test]
    fn what_people_type_is_understood() {
        for (typed, expected) in [
            ("K7QX-03TB", Some("K7QX-03TB")),
            ("k7qx03tb", Some("K7QX-03TB")),
            (" k7qx – o3tb \n", Some("K7QX-03TB")),
            ("OIL0-oil0", Some("0110-0110")),
            ("K7QX-03T", None),
            ("K7QX-03TBB", None),
            ("K7QX-03TU", None),
            ("K7QX-03T!", None),
            ("", None),
            ("K7QX-03TÄ", None),
        ] {
            assert_eq!(code(typed).as_deref(), expected, "{typed:?}");
        }
    }

    #[test]
    fn two_codes_differ_and_none_is_shown_by_debug() {
        let (one, two) = (ClaimCode::random().unwrap(), ClaimCode::random().unwrap());
        assert!(!one.is(&two) && one.is(&one.clone()));
        assert!(!format!("{one:?}").contains(&one.shown()[..4]));
    }

    proptest! {
        #[test]
        fn a_code_survives_being_shown_and_typed(bytes in any::<[u8; LENGTH]>()) {
            let made = ClaimCode(bytes.map(|byte| ALPHABET[usize::from(byte % 32)]));
            let typed = made.shown().to_lowercase().replace('0', "o").replace('1', "l").replace('-', " ");
            prop_assert!(ClaimCode::read(&typed).unwrap().is(&made));
        }

        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,40}") {
            let _ = ClaimCode::read(&text);
        }
    }
}
