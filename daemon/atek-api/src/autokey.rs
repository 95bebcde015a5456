//! Record keys that sort by the time they were made.
//!
//! The original's clients make them from `Date.now()` with a lexicographic
//! integer encoding, and print the bytes in hexadecimal: `ff080d10490f8060`.
//! Records of both hosts must sort together, so the encoding is the same.

/// The key for one moment, in milliseconds since 1970, and a counter that tells
/// apart keys of the same millisecond (0 for the first).
///
/// The encoding of the `lexicographic-integer` npm package for numbers of
/// 32 bits and more: a byte 251 + width class, then the big-endian rest.
#[must_use]
pub fn auto_key(unix_millis: u64, nth: u32) -> String {
    let mut key = hex::encode(pack(unix_millis));
    if nth > 0 {
        use std::fmt::Write as _;
        let _ = write!(key, ".{nth:02}");
    }
    key
}

fn pack(n: u64) -> Vec<u8> {
    const MAX: u64 = 251;
    let rest = n.wrapping_sub(MAX);
    match n {
        _ if n < MAX => vec![n as u8],
        _ if rest < 1 << 8 => vec![251, rest as u8],
        _ if rest < 1 << 16 => tagged(252, rest, 2),
        _ if rest < 1 << 24 => tagged(253, rest, 3),
        _ if rest < 1 << 32 => tagged(254, rest, 4),
        // Wider: 255, how far the top bit lies above bit 32, then the number
        // shifted so that its top bit is bit 43, in six bytes.
        _ => {
            let above = u64::from(rest.ilog2()) - 32;
            let shifted = if above <= 11 {
                rest << (11 - above)
            } else {
                rest >> (above - 11)
            };
            let mut bytes = vec![255, above as u8];
            bytes.extend_from_slice(&shifted.to_be_bytes()[2..]);
            bytes
        }
    }
}

fn tagged(tag: u8, rest: u64, width: usize) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&rest.to_be_bytes()[8 - width..]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_equal_those_of_the_original_clients() {
        for (n, expected) in [
            (0, "00"),
            (250, "fa"),
            (251, "fb00"),
            (507, "fc0100"),
            (70_000, "fd011075"),
            (4_294_967_547, "ff00080000000000"),
            (1_631_000_000_000, "ff080bddf967a828"),
            (1_700_000_000_000, "ff080c5e7f2b3828"),
            (1_700_000_000_001, "ff080c5e7f2b3830"),
            (1_795_000_000_123, "ff080d0f72b2ec00"),
        ] {
            assert_eq!(auto_key(n, 0), expected);
        }
        assert_eq!(auto_key(1_700_000_000_000, 1), "ff080c5e7f2b3828.01");
    }

    proptest! {
        #[test]
        fn keys_sort_by_time(a in 0u64..1 << 44, b in 0u64..1 << 44) {
            prop_assert_eq!(a.cmp(&b), auto_key(a, 0).cmp(&auto_key(b, 0)));
        }
    }
}
