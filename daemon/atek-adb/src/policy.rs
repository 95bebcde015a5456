//! Who may do what to a database: pure decisions over a caller and a metadata record.
//!
//! | | read records | write records | change or delete the database |
//! |---|---|---|---|
//! | the host (`system`/`system`), an administrator in person | yes | yes | yes |
//! | the owning user, through the owning service or in person | yes | yes | yes |
//! | another user, as far as the database is shared | view | use | manage: change only |
//! | an app with a permission for it | read | write | no |
//! | another service of the owning user | public | no | no |
//! | any other caller | public | no | no |
//! | the hypercore service | public, replicated, copies | copies | copies |
//!
//! A copy of another home's database is written by the hypercore service alone; its owner can read
//! and delete it.
//!
//! A service lists its own databases only; the owning user in person lists all of theirs. Databases
//! are private unless their owner makes them public.
//!
//! Only the host reaches the server database. Only the host and administrators reach a database
//! without a metadata record.

use crate::caller::Caller;
use crate::meta::DbMeta;
use atek_api::grants::Level;

/// What a caller is, beyond its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The two headers.
    pub caller: &'a Caller,
    /// The user record has the role `admin`. Counts in person only: an app is never an
    /// administrator.
    pub admin_role: bool,
    /// ADB's own service key: a database owned by it was made by a user in person.
    pub own_key: &'a str,
    /// How far the caller may go with the database in question without owning it.
    pub shared: Option<Level>,
}

/// Why metadata may not be changed. The texts are the original's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The database belongs to another user.
    #[error("Can't configure a database owned by a different user")]
    OtherUser,
    /// The database belongs to another service of the same user.
    #[error("Can't configure a database owned by a different service")]
    OtherService,
    /// A database may not be given away.
    #[error("Can't change the owning user of a database")]
    ChangesUser,
    /// The new owning service is unknown.
    #[error(
        "Invalid owning service: {0}. Key does not map to any known services. Has the owning service been deleted?"
    )]
    UnknownService(String),
    /// The new owning service is another user's.
    #[error("Can't configure a database to be owned by a service owned by another user")]
    OtherUsersService,
    /// Only administrators list other users' databases.
    #[error("Cannot enumerate databases owned by another user")]
    Enumerate,
    /// Only administrators set quotas.
    #[error("Only an administrator can change the quota of a database")]
    Quota,
    /// A copy of another home's database is what the hypercore service makes of it.
    #[error("Only the hypercore service makes and changes copies of other homes' databases")]
    Copies,
}

impl Standing<'_> {
    /// The host, or an administrator in person.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.caller.is_system() || (self.caller.in_person && self.admin_role)
    }

    fn owns(&self, meta: &DbMeta) -> bool {
        meta.owner_user() == Some(&self.caller.user)
            && (self.caller.in_person || meta.owner_service() == Some(&self.caller.service))
    }

    fn is_shared(&self, level: Level) -> bool {
        self.shared.is_some_and(|shared| shared >= level)
    }

    /// Whether the caller may read the records of the database with this metadata.
    #[must_use]
    pub fn may_read(&self, meta: Option<&DbMeta>) -> bool {
        self.is_admin()
            || meta.is_some_and(|meta| {
                let replicates = meta.replicated || meta.follows.is_some();
                meta.is_public()
                    || self.owns(meta)
                    || self.is_shared(Level::View)
                    || (self.caller.is_replicator() && replicates)
            })
    }

    /// Whether a list for the caller shows the database with this metadata.
    #[must_use]
    pub fn may_list(&self, meta: &DbMeta) -> bool {
        self.is_admin() || self.owns(meta)
    }

    /// Whether the caller chooses the alias of a database that another service will own. An app
    /// does not: the other service would take the database for its own when it looks the alias
    /// up.
    #[must_use]
    pub fn may_name_for_others(&self) -> bool {
        self.is_admin() || self.caller.in_person
    }

    /// Whether the caller may write the records of the database with this metadata.
    #[must_use]
    pub fn may_write(&self, meta: Option<&DbMeta>) -> bool {
        match meta {
            Some(meta) if meta.follows.is_some() => self.caller.is_replicator(),
            Some(meta) => self.is_admin() || self.owns(meta) || self.is_shared(Level::Use),
            None => self.is_admin(),
        }
    }

    /// Whether the caller may make (`old` is `None`), change, or delete (`new` is `None`) metadata.
    ///
    /// `owner_of` tells which user a service belongs to; `None` for an unknown service.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn may_configure<E: From<Denied>>(
        &self,
        old: Option<&DbMeta>,
        new: Option<&DbMeta>,
        owner_of: impl FnOnce(&str) -> Result<Option<String>, E>,
    ) -> Result<(), E> {
        let follows = |meta: Option<&DbMeta>| meta.and_then(|meta| meta.follows.clone());
        if self.caller.is_replicator() {
            // It makes, changes and deletes copies, for any owner, and nothing else.
            let is_copy = follows(old).is_some() || (old.is_none() && follows(new).is_some());
            let keeps_owner = old.zip(new).is_none_or(|(old, new)| old.owner == new.owner);
            return if is_copy && keeps_owner {
                Ok(())
            } else {
                Err(Denied::Copies.into())
            };
        }
        if new.is_some() && follows(old) != follows(new) {
            return Err(Denied::Copies.into());
        }
        if self.is_admin() {
            return Ok(());
        }
        if let (Some(old), Some(new)) = (old, new)
            && self.is_shared(Level::Manage)
            && old.owner == new.owner
            && old.quota == new.quota
        {
            return Ok(());
        }
        if let Some(old) = old {
            if old.owner_user() != Some(&self.caller.user) {
                return Err(Denied::OtherUser.into());
            }
            if !self.owns(old) {
                return Err(Denied::OtherService.into());
            }
        }
        let Some(new) = new else { return Ok(()) };
        if new.owner_user() != Some(&self.caller.user) {
            return Err(Denied::ChangesUser.into());
        }
        let quota_before = old.and_then(|old| old.quota);
        if new.quota != quota_before {
            return Err(Denied::Quota.into());
        }
        let service = new.owner_service();
        let unchanged = old.is_some_and(|old| old.owner_service() == service);
        let own = service == Some(self.own_key) || service == Some(&self.caller.service);
        if unchanged || own {
            return Ok(());
        }
        let name = service.unwrap_or("undefined");
        match owner_of(name)? {
            None => Err(Denied::UnknownService(name.to_owned()).into()),
            Some(user) if user != self.caller.user => Err(Denied::OtherUsersService.into()),
            Some(_) => Ok(()),
        }
    }

    /// Whether the caller may ask for the databases of `user`; [`Standing::may_list`] says which it
    /// sees.
    ///
    /// # Errors
    ///
    /// [`Denied::Enumerate`] for another user's databases.
    pub fn may_enumerate(&self, user: &str) -> Result<(), Denied> {
        if self.is_admin() || self.caller.user == user {
            Ok(())
        } else {
            Err(Denied::Enumerate)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Owner;

    const ADB: &str = "adb";

    fn meta(user: &str, service: &str, access: &str) -> DbMeta {
        DbMeta {
            owner: Some(Owner {
                user_key: Some(user.into()),
                service_key: Some(service.into()),
            }),
            access: Some(access.into()),
            ..DbMeta::default()
        }
    }

    fn caller(user: &str, service: &str) -> Caller {
        Caller {
            user: user.into(),
            service: service.into(),
            in_person: service == ADB && user != "system",
        }
    }

    #[test]
    fn the_hypercore_service_reads_what_is_shared_and_writes_copies_only() {
        let private = meta("bob", "notes", "private");
        let shared = DbMeta {
            replicated: true,
            ..private.clone()
        };
        let copy = DbMeta {
            follows: Some("ab".repeat(32)),
            ..private.clone()
        };
        let other_copy = DbMeta {
            owner: meta("eve", "notes", "private").owner,
            ..copy.clone()
        };
        fn standing(caller: &Caller, admin_role: bool) -> Standing<'_> {
            Standing {
                caller,
                admin_role,
                own_key: ADB,
                shared: None,
            }
        }
        // (user, service, administrator, database, may read, may write)
        for (user, service, admin_role, db, read, write) in [
            ("system", "core.hypercore", false, &private, false, false),
            ("system", "core.hypercore", false, &shared, true, false),
            ("system", "core.hypercore", false, &copy, true, true),
            ("system", "core.hypercore-0a1b", false, &copy, true, true),
            ("system", "core.hypercorex", false, &copy, false, false),
            ("bob", "core.hypercore", false, &copy, false, false),
            ("bob", "notes", false, &copy, true, false),
            ("bob", ADB, true, &copy, true, false),
            ("eve", "notes", false, &copy, false, false),
        ] {
            let caller = caller(user, service);
            let standing = standing(&caller, admin_role);
            assert_eq!(standing.may_read(Some(db)), read, "{user}/{service}");
            assert_eq!(standing.may_write(Some(db)), write, "{user}/{service}");
        }
        // (user, service, administrator, before, after, may)
        for (user, service, admin_role, old, new, may) in [
            ("system", "core.hypercore", false, None, Some(&copy), true),
            (
                "system",
                "core.hypercore",
                false,
                None,
                Some(&private),
                false,
            ),
            (
                "system",
                "core.hypercore",
                false,
                Some(&copy),
                Some(&private),
                true,
            ),
            (
                "system",
                "core.hypercore",
                false,
                Some(&copy),
                Some(&other_copy),
                false,
            ),
            ("system", "core.hypercore", false, Some(&copy), None, true),
            (
                "system",
                "core.hypercore",
                false,
                Some(&shared),
                Some(&private),
                false,
            ),
            (
                "system",
                "core.hypercore",
                false,
                Some(&shared),
                None,
                false,
            ),
            ("bob", "notes", false, None, Some(&copy), false),
            ("bob", "notes", false, Some(&copy), Some(&private), false),
            ("bob", ADB, true, Some(&private), Some(&copy), false),
            ("bob", "notes", false, Some(&private), Some(&shared), true),
            ("bob", "notes", false, Some(&copy), None, true),
            ("eve", "notes", false, Some(&copy), None, false),
        ] {
            let caller = caller(user, service);
            let done = standing(&caller, admin_role)
                .may_configure::<Denied>(old, new, |_| Ok(Some(user.to_owned())));
            assert_eq!(done.is_ok(), may, "{user}/{service}: {done:?}");
        }
    }

    #[test]
    fn reading_never_implies_writing() {
        let private = meta("bob", "notes", "private");
        let public = meta("bob", "notes", "public");
        let by_hand = meta("bob", ADB, "private");
        // (user, service, admin role, database, may read, may write)
        for (user, service, admin_role, db, read, write) in [
            ("bob", "notes", false, Some(&private), true, true),
            ("bob", ADB, false, Some(&private), true, true),
            ("bob", "other", false, Some(&private), false, false),
            ("bob", "other", false, Some(&by_hand), false, false),
            ("bob", ADB, false, Some(&by_hand), true, true),
            ("bob", "other", false, Some(&public), true, false),
            ("eve", "notes", false, Some(&private), false, false),
            ("eve", ADB, false, Some(&private), false, false),
            ("eve", ADB, false, Some(&public), true, false),
            ("eve", ADB, true, Some(&private), true, true),
            ("eve", "other", true, Some(&private), false, false),
            ("system", "system", false, Some(&private), true, true),
            ("system", "core", true, Some(&private), false, false),
            ("system", ADB, false, Some(&private), false, false),
            ("bob", "notes", false, None, false, false),
            ("system", "system", false, None, true, true),
        ] {
            let caller = caller(user, service);
            let standing = Standing {
                caller: &caller,
                admin_role,
                own_key: ADB,
                shared: None,
            };
            assert_eq!(
                (standing.may_read(db), standing.may_write(db)),
                (read, write),
                "{user}/{service} admin role {admin_role} on {db:?}"
            );
        }
    }

    #[test]
    fn metadata_is_the_owners_and_stays_with_the_owning_user() {
        let mine = meta("bob", "notes", "private");
        let quota = DbMeta {
            quota: Some(crate::limits::Limits::default().quota),
            ..mine.clone()
        };
        let owners = |service: &str| {
            Ok::<_, Denied>(match service {
                "notes" | "photos" => Some("bob".to_owned()),
                "theirs" => Some("eve".to_owned()),
                _ => None,
            })
        };
        // (user, service, old, new, expected)
        for (user, service, old, new, expected) in [
            ("bob", "notes", None, Some(mine.clone()), Ok(())),
            ("bob", "notes", Some(&mine), None, Ok(())),
            ("bob", ADB, Some(&mine), None, Ok(())),
            (
                "bob",
                "photos",
                Some(&mine),
                None,
                Err(Denied::OtherService),
            ),
            ("eve", "notes", Some(&mine), None, Err(Denied::OtherUser)),
            (
                "bob",
                "notes",
                Some(&mine),
                Some(meta("eve", "notes", "private")),
                Err(Denied::ChangesUser),
            ),
            (
                "bob",
                "notes",
                Some(&mine),
                Some(meta("bob", "photos", "private")),
                Ok(()),
            ),
            (
                "bob",
                "notes",
                Some(&mine),
                Some(meta("bob", ADB, "private")),
                Ok(()),
            ),
            (
                "bob",
                "notes",
                Some(&mine),
                Some(meta("bob", "theirs", "private")),
                Err(Denied::OtherUsersService),
            ),
            (
                "bob",
                "notes",
                Some(&mine),
                Some(meta("bob", "gone", "private")),
                Err(Denied::UnknownService("gone".into())),
            ),
            (
                "bob",
                "notes",
                Some(&mine),
                Some(quota.clone()),
                Err(Denied::Quota),
            ),
            (
                "bob",
                "notes",
                None,
                Some(quota.clone()),
                Err(Denied::Quota),
            ),
            ("bob", "notes", Some(&quota), Some(quota.clone()), Ok(())),
            (
                "system",
                "system",
                Some(&mine),
                Some(meta("eve", "gone", "private")),
                Ok(()),
            ),
        ] {
            let caller = caller(user, service);
            let standing = Standing {
                caller: &caller,
                admin_role: false,
                own_key: ADB,
                shared: None,
            };
            assert_eq!(
                standing.may_configure(old, new.as_ref(), owners),
                expected,
                "{user}/{service} {old:?} {new:?}"
            );
        }
    }
}
