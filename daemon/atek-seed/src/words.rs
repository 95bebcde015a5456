//! Recovery words: 24 English words of BIP-39, the last of which holds a checksum.

use std::fmt;

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

use crate::MasterSeed;

/// How many words there are. Fewer are refused: they would be of another program.
pub const WORD_COUNT: usize = 24;

/// Longest text that is looked at, in bytes; 24 words of 8 letters take 215.
const MAX_TEXT_BYTES: usize = 1024;

/// Why a text is not the recovery words. No variant repeats the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    #[error("recovery words are {WORD_COUNT} words; these are {0}")]
    Count(usize),
    #[error("word {0} is not one of the list of recovery words")]
    Unknown(usize),
    #[error("the words do not belong together: one is wrong, or the order is")]
    Checksum,
}

/// The kernel gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the kernel gives no random bytes: {0}")]
pub struct NoRandomness(#[from] getrandom::Error);

/// 24 recovery words, wiped from memory when dropped. `Debug` does not show them.
pub struct RecoveryWords(Mnemonic);

impl RecoveryWords {
    /// New words from 256 random bits of the kernel.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut entropy = Zeroizing::new([0u8; 32]);
        getrandom::fill(entropy.as_mut_slice())?;
        Ok(Self::from_entropy(&entropy))
    }

    /// The words that encode `entropy`.
    pub fn from_entropy(entropy: &[u8; 32]) -> Self {
        match Mnemonic::from_entropy(entropy) {
            Ok(mnemonic) => RecoveryWords(mnemonic),
            Err(error) => unreachable!("32 bytes are a length of BIP-39: {error}"),
        }
    }

    /// Reads words as people type them: any case, any white space, numbers such as `3.` between.
    pub fn parse(text: &str) -> Result<Self, WordsError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(WordsError::Count(text.split_whitespace().count()));
        }
        let words: Vec<Zeroizing<String>> = text
            .split(|c: char| c.is_whitespace() || c == ',')
            .map(|word| word.trim_matches(|c: char| c.is_ascii_digit() || c == '.'))
            .filter(|word| !word.is_empty())
            .map(|word| Zeroizing::new(word.to_lowercase()))
            .collect();
        if words.len() != WORD_COUNT {
            return Err(WordsError::Count(words.len()));
        }
        if let Some(at) = words.iter().position(|word| !is_word(word)) {
            return Err(WordsError::Unknown(at + 1));
        }
        let mut line = Zeroizing::new(String::with_capacity(MAX_TEXT_BYTES));
        for word in &words {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        Mnemonic::parse_in_normalized(Language::English, &line)
            .map(RecoveryWords)
            .map_err(|_| WordsError::Checksum)
    }

    /// The words in order.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.words()
    }

    /// The 256 bits that the words encode.
    pub fn entropy(&self) -> Zeroizing<[u8; 32]> {
        let (padded, _) = self.0.to_entropy_array();
        let padded = Zeroizing::new(padded);
        let mut entropy = Zeroizing::new([0u8; 32]);
        entropy.copy_from_slice(&padded[..32]);
        entropy
    }

    /// The root of everything that is derived from the words.
    pub fn seed(&self) -> MasterSeed {
        MasterSeed::from_bytes(self.0.to_seed_normalized(""))
    }
}

impl fmt::Debug for RecoveryWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryWords(secret)")
    }
}

/// Whether `word` is in the English list of BIP-39. Lower case only.
pub fn is_word(word: &str) -> bool {
    Language::English.find_word(word).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that everyone knows, of BIP-39's test vectors.
    const KNOWN: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon \
        abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
        abandon abandon abandon art";

    #[test]
    fn the_vectors_of_bip_39_hold() {
        let vectors: Vec<std::collections::BTreeMap<String, String>> =
            serde_json::from_str(include_str!("../vectors/bip39.json")).expect("vectors");
        let mut whole = 0;
        for vector in vectors {
            let entropy = hex::decode(&vector["entropy"]).expect("hex");
            let mnemonic = Mnemonic::from_entropy(&entropy).expect("length");
            assert_eq!(mnemonic.to_string(), vector["words"]);
            assert_eq!(
                hex::encode(mnemonic.to_seed_normalized("TREZOR")),
                vector["seed"]
            );
            if let Ok(entropy) = <[u8; 32]>::try_from(entropy.as_slice()) {
                whole += 1;
                let ours = RecoveryWords::parse(&vector["words"]).expect("24 words");
                assert_eq!(*ours.entropy(), entropy);
                let words: Vec<_> = ours.words().collect();
                assert_eq!(words.join(" "), vector["words"]);
            }
        }
        assert!(whole >= 8, "{whole} vectors of 24 words");
    }

    #[test]
    fn the_seed_has_no_passphrase() {
        let seed = RecoveryWords::parse(KNOWN).expect("words").seed();
        assert!(hex::encode(seed.as_bytes()).starts_with("408b285c123836004f4b8842c89324c1"));
    }

    #[test]
    fn words_are_read_as_people_type_them() {
        let numbered: String = KNOWN
            .split(' ')
            .enumerate()
            .map(|(i, word)| format!("{}. {}\r\n", i + 1, word.to_uppercase()))
            .collect();
        let words = RecoveryWords::parse(&numbered).expect("numbered");
        assert_eq!(*words.entropy(), [0; 32]);
    }

    #[test]
    fn what_is_wrong_is_named_and_not_repeated() {
        for (text, error) in [
            ("", WordsError::Count(0)),
            ("abandon art", WordsError::Count(2)),
            (
                &KNOWN.replacen("abandon", "secretword", 1),
                WordsError::Unknown(1),
            ),
            (&KNOWN.replace("art", "ability"), WordsError::Checksum),
            (&"abandon ".repeat(1000), WordsError::Count(1000)),
            (&"ä".repeat(2000), WordsError::Count(1)),
        ] {
            let got = RecoveryWords::parse(text).expect_err("refused");
            assert_eq!(got, error);
            assert!(!got.to_string().contains("secretword"));
        }
    }

    #[test]
    fn two_boxes_have_different_words() {
        let (one, other) = (RecoveryWords::generate(), RecoveryWords::generate());
        assert_ne!(
            *one.expect("random").entropy(),
            *other.expect("random").entropy()
        );
    }

    proptest::proptest! {
        #[test]
        fn every_entropy_comes_back_from_its_words(entropy: [u8; 32]) {
            let words: Vec<_> = RecoveryWords::from_entropy(&entropy).words().collect();
            let back = RecoveryWords::parse(&words.join(" ")).expect("own words");
            proptest::prop_assert_eq!(*back.entropy(), entropy);
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = RecoveryWords::parse(&text);
        }
    }
}
