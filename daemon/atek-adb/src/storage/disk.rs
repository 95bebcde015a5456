//! The disk under the file: how much room it has, for whom, and opening the file on it.

use super::{OperationContext as _, StorageError};
use crate::limits::Limits;
use redb::{Builder, Database};
use std::path::{Path, PathBuf};

/// Name of the file.
const FILE: &str = "adb.redb";

/// On whose account something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QuotaAccount {
    /// Apps and people: what lies above [`Limits::reserve_bytes`].
    #[default]
    Everybody,
    /// The host: also the reserve, so that people can sign in to a full disk and take the app away
    /// that filled it.
    Host,
}

/// Where the file is, and how much room there must be.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    cache_bytes: usize,
    reserve_bytes: u64,
}

impl Disk {
    pub(super) fn new(folder: &Path, cache_bytes: usize, limits: &Limits) -> Self {
        Self {
            folder: folder.to_owned(),
            cache_bytes,
            reserve_bytes: limits.reserve_bytes,
        }
    }

    /// Opens or makes the file.
    pub(super) fn open(&self) -> Result<Database, StorageError> {
        let mut builder = Builder::new();
        builder
            .set_cache_size(self.cache_bytes)
            .set_repair_callback(|session| {
                tracing::info!(
                    percent = (session.progress() * 100.0) as u32,
                    "repairing the file after a crash"
                );
            })
            .create(self.folder.join(FILE))
            .doing("open the file")
    }

    /// Bytes that apps and people may still write. What the file system keeps back does not count:
    /// only the host uses it.
    pub(super) fn room(&self) -> u64 {
        // Without an answer the file system decides.
        nix::sys::statvfs::statvfs(&self.folder).map_or(u64::MAX, |stat| {
            let free = stat.blocks_available() * stat.fragment_size();
            free.saturating_sub(self.reserve_bytes)
        })
    }
}

/// The room that one commit may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    left: u64,
    purse: QuotaAccount,
}

impl Room {
    /// What a write of so many bytes takes at least, because pages are copied.
    const PAGE: u64 = 4096;

    pub(super) fn new(left: u64) -> Self {
        Self {
            left,
            purse: QuotaAccount::Everybody,
        }
    }

    /// Who pays from now on.
    pub(super) fn pay_from(&mut self, purse: QuotaAccount) {
        self.purse = purse;
    }

    /// Takes room for `bytes`. Returns whether there was enough.
    pub(super) fn take(&mut self, bytes: u64) -> bool {
        let cost = bytes.saturating_add(Self::PAGE);
        match (self.purse, self.left.checked_sub(cost)) {
            (QuotaAccount::Host, left) => {
                self.left = left.unwrap_or(0);
                true
            }
            (QuotaAccount::Everybody, Some(left)) => {
                self.left = left;
                true
            }
            (QuotaAccount::Everybody, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_room_only_the_host_writes() {
        let mut room = Room::new(0);
        assert!(!room.take(0));
        room.pay_from(QuotaAccount::Host);
        assert!(room.take(1 << 20));
        room.pay_from(QuotaAccount::Everybody);
        assert!(!room.take(0));
    }

    proptest! {
        #[test]
        fn one_commit_of_everybodys_takes_no_more_than_there_is(
            room in 0..1_u64 << 40,
            writes in prop::collection::vec(0..1_u64 << 36, 0..64),
        ) {
            let mut commit = Room::new(room);
            let taken: u64 = writes.iter().filter(|bytes| commit.take(**bytes)).sum();
            prop_assert!(taken <= room);
        }

        #[test]
        fn what_the_host_takes_is_not_there_for_the_others(
            room in 0..1_u64 << 40,
            host in 0..1_u64 << 40,
            others in 0..1_u64 << 40,
        ) {
            let mut commit = Room::new(room);
            commit.pay_from(QuotaAccount::Host);
            prop_assert!(commit.take(host));
            commit.pay_from(QuotaAccount::Everybody);
            if commit.take(others) {
                prop_assert!(host + others <= room);
            }
        }
    }
}
