//! One-time tokens that carry a session from the main domain to a service's subdomain. Pure.
//!
//! A token works only in the browser that began the flow, which a nonce in a cookie tells:
//! else a link with an attacker's token would sign the person who opens it in as the attacker,
//! in his account without knowing.

use crate::database::SessionId;
use atek_api::ids::ServiceKey;
pub use atek_host_model::bind::NonceHash;
use std::collections::HashMap;

/// A redirect takes seconds.
const LIFE_SECS: i64 = 60;
/// Over all users; the oldest are dropped.
const MAX_TOKENS: usize = 10_000;

/// The tokens that were issued and not yet used. Kept in memory only, as hashes.
#[derive(Debug, Default)]
pub struct BindTokens {
    live: HashMap<SessionId, Token>,
}

/// What a token stands for.
#[derive(Debug, Clone)]
pub struct Binding {
    /// The session that it carries.
    pub session: SessionId,
    /// The only service that it works for.
    pub service: ServiceKey,
    /// The only browser that it works in.
    pub nonce: NonceHash,
}

#[derive(Debug)]
struct Token {
    binding: Binding,
    expires_unix: i64,
}

impl BindTokens {
    /// Remembers a token.
    pub fn issue(&mut self, token: &str, binding: Binding, now_unix: i64) {
        self.live.retain(|_, token| token.expires_unix > now_unix);
        if self.live.len() >= MAX_TOKENS {
            self.live.clear();
        }
        let expires_unix = now_unix + LIFE_SECS;
        self.live.insert(
            SessionId::of_cookie(token),
            Token {
                binding,
                expires_unix,
            },
        );
    }

    /// The session that the token carries, once, only to the service it was made for, and only
    /// to a browser that shows its nonce among `nonces`.
    pub fn redeem(
        &mut self,
        token: &str,
        service: &ServiceKey,
        nonces: &[NonceHash],
        now_unix: i64,
    ) -> Option<SessionId> {
        let token = self.live.remove(&SessionId::of_cookie(token))?;
        let Binding {
            session,
            service: its_own,
            nonce,
        } = token.binding;
        let is_meant = its_own == *service && nonces.contains(&nonce);
        (is_meant && token.expires_unix > now_unix).then_some(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_works_once_for_its_service_in_its_browser_and_for_a_minute() {
        let rss: ServiceKey = "rss".parse().unwrap();
        let other: ServiceKey = "other".parse().unwrap();
        let (own, foreign) = (NonceHash::of("own"), NonceHash::of("foreign"));
        let binding = Binding {
            session: SessionId::of_cookie("cookie"),
            service: rss.clone(),
            nonce: own.clone(),
        };
        let mut tokens = BindTokens::default();
        for (service, nonces, at, works) in [
            (&rss, vec![own.clone()], 59, true),
            (&rss, vec![foreign.clone(), own.clone()], 59, true),
            (&rss, vec![foreign], 1, false),
            (&rss, vec![], 1, false),
            (&other, vec![own.clone()], 1, false),
            (&rss, vec![own.clone()], 60, false),
        ] {
            tokens.issue("t", binding.clone(), 0);
            assert_eq!(
                tokens.redeem("t", service, &nonces, at).is_some(),
                works,
                "{service} at {at} with {nonces:?}"
            );
            let again = tokens.redeem("t", &rss, std::slice::from_ref(&own), at);
            assert!(again.is_none(), "used twice");
        }
    }
}
