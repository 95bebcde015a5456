//! One-time tokens that carry a session from the main domain to a service's subdomain. Pure.

use crate::database::SessionId;
use atek_api::ids::ServiceKey;
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

#[derive(Debug)]
struct Token {
    session: SessionId,
    service: ServiceKey,
    expires_unix: i64,
}

impl BindTokens {
    /// Remembers a token for one session and one service.
    pub fn issue(&mut self, token: &str, session: SessionId, service: ServiceKey, now_unix: i64) {
        self.live.retain(|_, token| token.expires_unix > now_unix);
        if self.live.len() >= MAX_TOKENS {
            self.live.clear();
        }
        let expires_unix = now_unix + LIFE_SECS;
        self.live.insert(
            SessionId::of_cookie(token),
            Token {
                session,
                service,
                expires_unix,
            },
        );
    }

    /// The session that the token carries, once, and only to the service it was made for.
    pub fn redeem(
        &mut self,
        token: &str,
        service: &ServiceKey,
        now_unix: i64,
    ) -> Option<SessionId> {
        let token = self.live.remove(&SessionId::of_cookie(token))?;
        (token.service == *service && token.expires_unix > now_unix).then_some(token.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_works_once_for_its_service_and_for_a_minute() {
        let rss: ServiceKey = "rss".parse().unwrap();
        let other: ServiceKey = "other".parse().unwrap();
        let session = SessionId::of_cookie("cookie");
        let mut tokens = BindTokens::default();
        for (service, at, works) in [(&rss, 59, true), (&other, 1, false), (&rss, 60, false)] {
            tokens.issue("t", session.clone(), rss.clone(), 0);
            assert_eq!(
                tokens.redeem("t", service, at).is_some(),
                works,
                "{service} at {at}"
            );
            assert!(tokens.redeem("t", &rss, at).is_none(), "used twice");
        }
    }
}
