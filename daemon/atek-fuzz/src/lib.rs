//! Hostile inputs for tests: mutations of good inputs, the same in every run.
//!
//! A test whose name holds `fuzz` calls [`run`]. It makes `ATEK_FUZZ_INPUTS` inputs (by default so
//! few that it takes a second), from the seed `ATEK_FUZZ_SEED` (by default 1), and prints what the
//! suite `soak` adds up. No feedback from the code under test steers it: it needs no instrumented
//! build.

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Inputs of one test, unless `ATEK_FUZZ_INPUTS` says otherwise.
const INPUTS: u64 = 2_000;
/// Bytes of one input, at most.
const LONGEST: usize = 16 << 10;
/// Memory that may be kept after all inputs, in KiB: more is a leak.
const KEPT_KIB: u64 = 64 << 10;

/// Texts that parsers treat specially.
const TOKENS: [&[u8]; 28] = [
    b"\0",
    b"\n",
    b"\r\n",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b";",
    b"=",
    b"/",
    b"../",
    b"%00",
    b"%2e",
    b"%n",
    b"$(x)",
    b"`x`",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"1e999",
    b"-0",
    b"18446744073709551616",
    b"null",
    b"\xe2\x80\xae",
];

/// Calls `check` with mutations of `seeds`, into which `tokens` and some general ones are inserted.
///
/// `check` returns whether the input was accepted; a run that accepts all or none of its inputs
/// does not test much, which the printed line shows.
///
/// # Panics
///
/// When `check` panics: the input is printed before. When the process keeps more memory than before
/// by much.
#[allow(clippy::print_stdout, reason = "the suite reads it")]
pub fn run(name: &str, seeds: &[&[u8]], tokens: &[&[u8]], mut check: impl FnMut(&[u8]) -> bool) {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let inputs = setting("ATEK_FUZZ_INPUTS").unwrap_or(INPUTS);
    let mut random = Random::new(name, setting("ATEK_FUZZ_SEED").unwrap_or(1));
    let before = resident_kib();
    let mut accepted = 0_u64;
    for _ in 0..inputs {
        let input = mutation(&mut random, seeds, tokens);
        match catch_unwind(AssertUnwindSafe(|| check(&input))) {
            Ok(is_accepted) => accepted += u64::from(is_accepted),
            Err(panic) => {
                println!("{name} failed with {:?}", String::from_utf8_lossy(&input));
                println!("as bytes: {input:?}");
                resume_unwind(panic);
            }
        }
    }
    let after = resident_kib();
    println!(
        "fuzz {name}: {inputs} inputs, {accepted} accepted, {before} KiB before, {after} KiB after"
    );
    assert!(
        after.saturating_sub(before) <= KEPT_KIB,
        "{name}: the memory grew from {before} KiB to {after} KiB"
    );
}

/// One seed, changed in one to eight places.
fn mutation(random: &mut Random, seeds: &[&[u8]], tokens: &[&[u8]]) -> Vec<u8> {
    let mut input = seeds
        .get(random.below(seeds.len()))
        .map_or_else(Vec::new, |seed| seed.to_vec());
    for _ in 0..random.below(8) + 1 {
        let at = random.below(input.len() + 1);
        match random.below(9) {
            0 => input.truncate(at),
            1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            2 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = random.next() as u8;
                }
            }
            3 => {
                let end = (at + random.below(16)).min(input.len());
                input.drain(at..end);
            }
            4 => {
                // The same part many times: nesting, long names, many fields.
                let end = (at + 1 + random.below(32)).min(input.len());
                let part = input[at..end].to_vec();
                let times = 1 << random.below(8);
                input.splice(end..end, part.repeat(times));
            }
            5 => {
                // A part of another seed.
                if let Some(other) = seeds.get(random.below(seeds.len())) {
                    let from = random.below(other.len() + 1);
                    let to = (from + random.below(64)).min(other.len());
                    input.splice(at..at, other[from..to].iter().copied());
                }
            }
            6 | 7 => {
                let own = random.below(2) == 0 && !tokens.is_empty();
                let list = if own { tokens } else { &TOKENS };
                if let Some(token) = list.get(random.below(list.len())) {
                    input.splice(at..at, token.iter().copied());
                }
            }
            _ => {
                let count = random.below(8);
                let bytes: Vec<u8> = (0..count).map(|_| random.next() as u8).collect();
                input.splice(at..at, bytes);
            }
        }
        input.truncate(LONGEST);
    }
    input
}

/// The memory of this process that is in use, in KiB; 0 where it cannot be read.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok())
        .unwrap_or(0)
}

/// A xorshift generator (Marsaglia 2003): the inputs need to be many and repeatable, not
/// unpredictable.
struct Random(u64);

impl Random {
    fn new(name: &str, seed: u64) -> Self {
        let mixed = name
            .bytes()
            .fold(seed ^ 0x9e37_79b9_7f4a_7c15, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Self(mixed.max(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`; 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_the_same_in_every_run_and_differ_from_each_other() {
        let make = |seed| {
            let mut random = Random::new("x", seed);
            (0..500)
                .map(|_| mutation(&mut random, &[b"{\"a\":1}"], &[]))
                .collect::<Vec<_>>()
        };
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
        let distinct: std::collections::HashSet<_> = make(1).into_iter().collect();
        assert!(distinct.len() > 400, "{}", distinct.len());
    }

    #[test]
    #[should_panic(expected = "broken by a brace")]
    fn a_panic_of_the_code_under_test_fails_the_run() {
        run("positive control", &[b"{}"], &[], |input| {
            assert!(input.len() < 20, "broken by a brace");
            true
        });
    }
}
