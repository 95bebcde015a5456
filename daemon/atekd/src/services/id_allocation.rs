//! Chooses keys and ids of new services.

use super::error::OperationError;
use crate::random::{self, RandomError};
use atek_api::autokey::auto_key;
use atek_api::ids::{ServiceId, ServiceKey};
use std::time::{SystemTime, UNIX_EPOCH};

/// Makes a key that was never used. It sorts by time; its random end keeps two apart when the
/// clock was set back, since what was stored under an old key must stay with that.
pub(super) fn new_key() -> Result<ServiceKey, RandomError> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let end = random::hex::<4>()?;
    let key = format!("{}-{}", auto_key(millis, 0), end.expose()).parse();
    Ok(key.unwrap_or_else(|_| unreachable!("hexadecimal digits and a dash are a key")))
}

/// The id that a person asked for, or a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WantedId {
    Exactly(ServiceId),
    Like(ServiceId),
}

impl WantedId {
    pub(super) fn parse(explicit: Option<&str>, name: &str) -> Result<Self, OperationError> {
        match explicit {
            Some(text) => Ok(Self::Exactly(ServiceId::for_user_service(text)?)),
            None => Ok(Self::Like(ServiceId::derive(name))),
        }
    }

    /// The id, given those that are taken.
    pub(super) fn choose(
        &self,
        taken: impl Fn(&ServiceId) -> bool,
    ) -> Result<ServiceId, OperationError> {
        match self {
            Self::Exactly(id) if taken(id) => Err(OperationError::IdTaken(id.to_string())),
            Self::Exactly(id) => Ok(id.clone()),
            Self::Like(id) => Ok(id.first_free(taken)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_within_a_millisecond() {
        let keys: std::collections::HashSet<_> = (0..100).map(|_| new_key().unwrap()).collect();
        assert_eq!(keys.len(), 100);
    }

    #[test]
    fn a_second_install_gets_the_next_id_and_an_explicit_one_is_refused() {
        let taken = |id: &ServiceId| matches!(id.as_str(), "rss" | "rss-2");
        let choose =
            |explicit: Option<&str>| WantedId::parse(explicit, "rss").unwrap().choose(taken);
        assert_eq!(choose(None).unwrap().as_str(), "rss-3");
        let error = choose(Some("rss")).unwrap_err();
        assert_eq!(error.to_string(), "App already exists under the ID: rss");
        assert_eq!(choose(Some("news")).unwrap().as_str(), "news");
        for bad in ["core.adb", "system", "../x", ""] {
            assert!(WantedId::parse(Some(bad), "rss").is_err(), "{bad:?}");
        }
    }
}
