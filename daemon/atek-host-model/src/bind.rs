//! The nonce that ties a one-time token to the browser that began the flow.

use crate::random;

/// Names the nonce of a browser's cookie in URLs, which do not give it away: its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonceHash(String);

impl NonceHash {
    /// Of the nonce with this text.
    #[must_use]
    pub fn of(nonce: &str) -> Self {
        Self(random::digest(nonce))
    }

    /// Reads what [`NonceHash::as_str`] gave.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 64 && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_a_nonce_is_read_as_one() {
        let hash = NonceHash::of("nonce");
        assert_eq!(NonceHash::parse(hash.as_str()), Some(hash.clone()));
        let upper = hash.as_str().to_uppercase();
        for other in ["", "0", upper.as_str(), &hash.as_str()[1..]] {
            assert_eq!(NonceHash::parse(other), None, "{other}");
        }
    }
}
