//! Locks that admit one long operation on a service at a time.

use crate::services::error::OperationError;
use atek_api::ids::{ServiceId, ServiceKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Busy = HashMap<ServiceKey, &'static str>;

/// The services that are busy, with the operation. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Locks {
    busy: Arc<Mutex<Busy>>,
}

/// The service is busy until this is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    locks: Locks,
    key: ServiceKey,
}

impl Locks {
    /// Takes the service for an operation.
    ///
    /// # Errors
    ///
    /// `Busy`, with the operation under way.
    pub(super) fn take(
        &self,
        key: &ServiceKey,
        id: &ServiceId,
        operation: &'static str,
    ) -> Result<Lock, OperationError> {
        let mut busy = self.busy();
        if let Some(operation) = busy.get(key) {
            return Err(OperationError::Busy {
                id: id.clone(),
                operation,
            });
        }
        busy.insert(key.clone(), operation);
        Ok(Lock {
            locks: self.clone(),
            key: key.clone(),
        })
    }

    /// Checks that no long operation is under way, for a short one.
    ///
    /// # Errors
    ///
    /// `Busy`, with the operation under way.
    pub(super) fn check(&self, key: &ServiceKey, id: &ServiceId) -> Result<(), OperationError> {
        match self.busy().get(key) {
            Some(operation) => Err(OperationError::Busy {
                id: id.clone(),
                operation,
            }),
            None => Ok(()),
        }
    }

    fn busy(&self) -> MutexGuard<'_, Busy> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.locks.busy().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_service_says_with_what() {
        let locks = Locks::default();
        let (key, id) = ("k1".parse().unwrap(), "rss".parse().unwrap());
        let lock = locks.take(&key, &id, "update").unwrap();
        let error = locks.take(&key, &id, "uninstall").unwrap_err();
        assert_eq!(
            error.to_string(),
            "rss is busy (update), try again when that is done"
        );
        assert!(locks.check(&"k2".parse().unwrap(), &id).is_ok());
        drop(lock);
        locks.check(&key, &id).unwrap();
    }
}
