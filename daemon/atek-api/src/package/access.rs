//! How a fetch gets to its source: what it may reach, whom it trusts, who it says it is.

use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Which computers a fetch may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// Any computer, those of the home and this one too.
    #[default]
    Anywhere,
    /// Public addresses of the internet only, whatever name stands for them.
    Internet,
}

/// How a fetch gets to its source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Access {
    /// Which computers the source may be on.
    #[serde(default)]
    pub reach: Reach,
    /// The token of a private repository, sent to the server of its https address alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SourceToken>,
    /// Certificates of authorities that are trusted beside the system's, as PEM.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub certificates: String,
}

impl Access {
    /// Without a token or further authorities.
    #[must_use]
    pub fn to(reach: Reach) -> Self {
        Self {
            reach,
            ..Self::default()
        }
    }

    /// The same for another source, which is not told the token.
    #[must_use]
    pub fn without_token(&self) -> Self {
        Self {
            token: None,
            ..self.clone()
        }
    }
}

/// Bytes of the longest access token.
const TOKEN_MAX: usize = 1_000;

/// What proves to a git server that a private repository may be read: an access token, or a name
/// and a token (`NAME:TOKEN`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Secret", into = "Secret")]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
pub struct SourceToken(Secret);

/// Why a text is no access token. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidToken;

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "an access token is at most {TOKEN_MAX} letters, digits and signs without spaces, with \
             NAME: before it where the git server asks for a name"
        )
    }
}

impl std::error::Error for InvalidToken {}

impl SourceToken {
    /// Name and password for the server. Those that take tokens take any name beside them.
    #[must_use]
    pub fn name_and_password(&self) -> (&str, &str) {
        self.0
            .expose()
            .split_once(':')
            .unwrap_or(("git", self.0.expose()))
    }
}

impl FromStr for SourceToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let text = text.trim();
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_whole = !text.starts_with(':') && !text.ends_with(':');
        if text.is_empty() || text.len() > TOKEN_MAX || !is_visible || !is_whole {
            return Err(InvalidToken);
        }
        Ok(Self(Secret::new(text)))
    }
}

impl TryFrom<Secret> for SourceToken {
    type Error = InvalidToken;

    fn try_from(text: Secret) -> Result<Self, InvalidToken> {
        text.expose().parse()
    }
}

impl From<SourceToken> for Secret {
    fn from(token: SourceToken) -> Self {
        token.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_with_or_without_a_name_and_never_shown() {
        for (text, name, password) in [
            ("ghp_hunter2", "git", "ghp_hunter2"),
            ("  hunter2\n", "git", "hunter2"),
            ("x-token-auth:hunter2", "x-token-auth", "hunter2"),
            ("ada:hunter2:b", "ada", "hunter2:b"),
        ] {
            let token: SourceToken = text.parse().unwrap();
            assert_eq!(token.name_and_password(), (name, password), "{text}");
            assert!(!format!("{token:?}").contains("hunter2"));
        }
    }

    #[test]
    fn what_could_end_a_header_or_is_no_token_is_refused_without_being_repeated() {
        let long = "x".repeat(TOKEN_MAX + 1);
        for text in [
            "",
            " ",
            ":",
            "ada:",
            ":hunter2",
            "hunter2\r\nHost: a",
            "hunter2 b",
            "hünter2",
            "hunter2\0",
            &long,
        ] {
            let error = text.parse::<SourceToken>().unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{text:?}");
            let json = serde_json::to_string(text).unwrap();
            let error = serde_json::from_str::<SourceToken>(&json).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{text:?}");
        }
    }
}
