//! Keeps two calls from working on one service, or on one job, at the same time.

use crate::error::Error;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is in use. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leases(Arc<Mutex<HashSet<String>>>);

/// The use of one name, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    leases: Leases,
    name: String,
}

impl Leases {
    /// Takes a name, e.g. of a service's key.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] while another call has it.
    pub(crate) fn take(&self, name: impl Into<String>) -> Result<Lease, Error> {
        let name = name.into();
        if self.names().insert(name.clone()) {
            Ok(Lease {
                leases: self.clone(),
                name,
            })
        } else {
            Err(Error::Busy(format!("another call works on {name}")))
        }
    }

    fn names(&self) -> MutexGuard<'_, HashSet<String>> {
        // A panic elsewhere leaves a set that is still a set.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.names().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_starts_of_one_key_at_once_both_ran() {
        let leases = Leases::default();
        let first = leases.take("k1").unwrap();
        assert!(matches!(leases.clone().take("k1"), Err(Error::Busy(_))));
        let other = leases.take("k2").unwrap();
        drop(first);
        leases.take("k1").unwrap();
        drop(other);
        assert!(leases.names().is_empty());
    }
}
