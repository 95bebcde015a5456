//! Numbers of up to 256 bits: read from decimal or hexadecimal digits, shown as decimal ones.

/// 256 bits, the highest byte first.
pub(super) type Word = [u8; 32];

/// A number without a sign: decimal digits, or hexadecimal ones after `0x`. None for anything else,
/// and for what has more than 256 bits.
pub(super) fn parse(text: &str) -> Option<Word> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    if digits.is_empty() || digits.len() > 78 {
        return None;
    }
    let mut word = [0; 32];
    for c in digits.chars() {
        let mut carry = c.to_digit(radix)?;
        for byte in word.iter_mut().rev() {
            carry += u32::from(*byte) * radix;
            *byte = u8::try_from(carry & 0xff).ok()?;
            carry >>= 8;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(word)
}

/// How many bits a number needs; 0 for zero.
pub(super) fn bits(word: &Word) -> usize {
    let zeros = word.iter().take_while(|byte| **byte == 0).count();
    word.get(zeros).map_or(0, |byte| {
        8 * (32 - zeros) - usize::try_from(byte.leading_zeros()).unwrap_or(8)
    })
}

/// The two's complement of a number.
pub(super) fn negated(word: &Word) -> Word {
    let mut carry = true;
    let mut negative = word.map(|byte| !byte);
    for byte in negative.iter_mut().rev() {
        (*byte, carry) = byte.overflowing_add(u8::from(carry));
    }
    negative
}

/// A number as decimal digits, of which `places` follow the point.
pub(super) fn decimal(bytes: &[u8], places: usize) -> String {
    let mut digits = vec![0u8];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) * 256;
            *digit = u8::try_from(carry % 10).unwrap_or_default();
            carry /= 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).unwrap_or_default());
            carry /= 10;
        }
    }
    while digits.len() <= places {
        digits.push(0);
    }
    while digits.len() > places + 1 && digits.last() == Some(&0) {
        digits.pop();
    }
    let text: String = digits
        .iter()
        .rev()
        .map(|digit| char::from(b'0' + digit))
        .collect();
    let (whole, part) = text.split_at(text.len() - places);
    match part.trim_end_matches('0') {
        "" => whole.to_owned(),
        part => format!("{whole}.{part}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: &str =
        "115792089237316195423570985008687907853269984665640564039457584007913129639935";

    #[test]
    fn numbers_are_exact() {
        for (bytes, places, expected) in [
            (vec![], 18, "0"),
            (vec![1], 18, "0.000000000000000001"),
            (vec![0x0d, 0xe0, 0xb6, 0xb3, 0xa7, 0x64, 0, 0], 18, "1"),
            (vec![0x01, 0x00], 0, "256"),
            (vec![0, 0, 10], 0, "10"),
            (vec![0, 100], 0, "100"),
        ] {
            assert_eq!(decimal(&bytes, places), expected);
        }
        assert_eq!(decimal(&[0xff; 32], 0), MOST);
    }

    #[test]
    fn digits_are_read_up_to_256_bits() {
        assert_eq!(parse(MOST), Some([0xff; 32]));
        assert_eq!(parse(&format!("0x{}", "f".repeat(64))), Some([0xff; 32]));
        let one_more =
            "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        for other in [
            one_more, "", "0x", "-1", "+1", " 1", "1.0", "1e3", "0xg", "0b1",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
        assert_eq!(bits(&[0; 32]), 0);
        assert_eq!(parse("256").map(|word| bits(&word)), Some(9));
        assert_eq!(negated(&parse("1").expect("a number")), [0xff; 32]);
        assert_eq!(negated(&[0; 32]), [0; 32]);
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_is_read_again(word: [u8; 32]) {
            proptest::prop_assert_eq!(parse(&decimal(&word, 0)), Some(word));
            let hexadecimal = format!("0x{}", hex::encode(word));
            proptest::prop_assert_eq!(parse(&hexadecimal), Some(word));
        }
    }
}
