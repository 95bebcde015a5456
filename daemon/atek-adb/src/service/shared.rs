//! How far a caller may go with a database that is not theirs: by a share among users, or by a
//! permission of the app. The host writes both as records of the server database.

use super::view::View;
use crate::caller::Caller;
use crate::error::AdbError;
use crate::meta::DbMeta;
use crate::path::RecordPath;
use crate::storage::{Read, Scan};
use atek_api::grants::{Grant, Group, Level, Recipient, Share, Shared, Verdict};
use atek_api::ids::DbId;
use atek_api::permission::Permission;
use std::time::{SystemTime, UNIX_EPOCH};

const GRANTS: [&str; 2] = ["atek.cloud", "grant"];
const SHARES: [&str; 2] = ["atek.cloud", "share"];
const GROUPS: [&str; 2] = ["atek.cloud", "group"];

impl<R: Read> View<'_, R> {
    /// The level that a caller has without owning the database; none: no access by this way.
    pub(super) fn level(&self, caller: &Caller, meta: &DbMeta) -> Result<Option<Level>, AdbError> {
        let Ok(id) = meta.db_id.parse::<DbId>() else {
            return Ok(None);
        };
        let now = now();
        if caller.in_person {
            return self.level_of_user(&caller.user, &id, now);
        }
        let mut level = None;
        self.records(GRANTS, |grant: Grant| {
            let of_it = grant.service.as_str() == caller.service && grant.is_live(now);
            if let (
                true,
                Verdict::Allow,
                Permission::Database {
                    id: Some(granted),
                    write,
                },
            ) = (of_it, grant.verdict, &grant.permission)
                && *granted == id
            {
                let granted = if *write { Level::Use } else { Level::View };
                level = level.max(Some(granted));
            }
        })?;
        if level.is_none() || meta.owner_user() == Some(&caller.user) {
            return Ok(level);
        }
        // An app goes no further with another user's database than its owner does.
        Ok(level.min(self.level_of_user(&caller.user, &id, now)?))
    }

    fn level_of_user(&self, user: &str, id: &DbId, now: i64) -> Result<Option<Level>, AdbError> {
        let mut groups: Vec<(String, Level)> = Vec::new();
        let mut level = None;
        self.records(SHARES, |share: Share| {
            if share.what != Shared::Database(id.clone()) || !share.is_live(now) {
                return;
            }
            match share.with {
                Recipient::User(with) if with.as_str() == user => {
                    level = level.max(Some(share.level));
                }
                Recipient::User(_) => {}
                Recipient::Group(key) => groups.push((key, share.level)),
            }
        })?;
        if groups.is_empty() {
            return Ok(level);
        }
        self.records(GROUPS, |group: Group| {
            let is_member = group.members.iter().any(|member| member.as_str() == user);
            for (_, shared) in groups
                .iter()
                .filter(|(key, _)| is_member && *key == group.key)
            {
                level = level.max(Some(*shared));
            }
        })?;
        Ok(level)
    }

    /// Reads a table of the server database. What cannot be understood gives nothing.
    fn records<T: serde::de::DeserializeOwned>(
        &self,
        table: [&str; 2],
        mut each: impl FnMut(T),
    ) -> Result<(), AdbError> {
        let path = RecordPath::from_segments(table, self.limits())?;
        self.read()
            .scan(self.server().no, &Scan::under(&path), &mut |_, _, json| {
                if let Ok(record) = serde_json::from_slice(json) {
                    each(record);
                }
                true
            })?;
        Ok(())
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
