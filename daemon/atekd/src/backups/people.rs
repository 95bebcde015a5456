//! The way back of one database, and of one user with apps and databases.

use super::parts::{is_core, manifest, restore};
use super::{Access, BackupError, Backups, choose, runs};
use crate::error_chain::DisplayChain;
use atek_api::backup::{
    Manifest, Part, RestoreApp, RestoreDatabase, RestoreUser, RestoredDatabase, RestoredUser,
    RunId, StoredDatabase, StoredPeople, StoredUser,
};
use atek_api::ids::ServiceKey;
use std::collections::HashSet;

impl Backups {
    /// The users and databases of a run, or of the last one, and which of them are gone.
    ///
    /// # Errors
    ///
    /// The target cannot be read, or there is no such run.
    pub async fn people(&self, run: Option<&str>) -> Result<StoredPeople, BackupError> {
        let (run, manifest) = self.described(run, &Part::Host).await?;
        let (databases, users) = self.services.people().await?;
        let here: HashSet<String> = databases
            .into_iter()
            .map(|database| database.id.to_string())
            .chain(users.into_iter().map(|user| user.key.to_string()))
            .collect();
        let stored = manifest
            .databases
            .iter()
            .map(|database| database.id.to_string())
            .chain(manifest.users.iter().map(|user| user.key.to_string()));
        let gone = stored.filter(|key| !here.contains(key)).collect();
        Ok(StoredPeople {
            run,
            users: manifest.users,
            databases: manifest.databases,
            gone,
        })
    }

    /// The run with this name, or the newest, in whose description something is found.
    async fn find<T>(
        &self,
        run: Option<&str>,
        what: &str,
        find: impl Fn(&Manifest) -> Option<T>,
    ) -> Result<(RunId, Manifest, T), BackupError> {
        let _look = self.look.lock().await;
        let mut job = self.open(&self.target()?, Access::Look).await?;
        let all = runs(&mut job).await?;
        if run.is_some() {
            choose(&all, &Part::Host, run)?;
        }
        let is_wanted = |name: &RunId| run.is_none_or(|run| name.to_string() == run);
        for found in all.iter().filter(|of| of.whole && is_wanted(&of.run)) {
            let manifest = manifest(&mut job, &found.run).await?;
            if let Some(it) = find(&manifest) {
                return Ok((found.run.clone(), manifest, it));
            }
        }
        Err(BackupError::NotThere(what.chars().take(80).collect()))
    }

    /// Makes a database what a run has of it, or the last one that has it; with `copy` a new one.
    ///
    /// # Errors
    ///
    /// There is no such run or database; the present one is as it was.
    pub async fn restore_database(
        &self,
        wanted: RestoreDatabase,
    ) -> Result<RestoredDatabase, BackupError> {
        let _turn = self.take("restore")?;
        let id = &wanted.database;
        let of = |manifest: &Manifest| {
            let mut all = manifest.databases.iter();
            all.find(|stored| stored.id == *id).cloned()
        };
        let what = format!("database {id}");
        let (run, _, stored) = self.find(wanted.run.as_deref(), &what, of).await?;
        self.fetch_databases(&run).await?;
        let restored = self.services.restore_database(&stored, wanted.copy).await;
        self.end_databases().await;
        let (database, records) = restored?;
        tracing::info!(%run, %database, records, "a database was restored from a backup");
        Ok(RestoredDatabase {
            run,
            database,
            records,
        })
    }

    /// Brings a user back as a run has them, or the last one that has them: the record, the keys,
    /// the databases and the apps that are not here any more. What is here stays as it is.
    ///
    /// # Errors
    ///
    /// There is no such run or user, or the name is another's now. What could not be brought back
    /// beyond the record is told.
    pub async fn restore_user(&self, wanted: RestoreUser) -> Result<RestoredUser, BackupError> {
        let _turn = self.take("restore")?;
        let is_it =
            |user: &&StoredUser| user.key.as_str() == wanted.user || user.username == wanted.user;
        let of = |manifest: &Manifest| manifest.users.iter().find(is_it).cloned();
        let what = format!("user {}", wanted.user);
        let (run, manifest, user) = self.find(wanted.run.as_deref(), &what, of).await?;
        let (here, _) = self.services.people().await?;
        let is_gone = |stored: &&StoredDatabase| {
            stored.owner.as_ref() == Some(&user.key) && here.iter().all(|db| db.id != stored.id)
        };
        self.fetch_databases(&run).await?;
        let made = self.services.restore_user(&user.key).await;
        let mut back = RestoredUser {
            run: run.clone(),
            username: String::new(),
            apps: Vec::new(),
            databases: 0,
            keys: 0,
            problems: Vec::new(),
        };
        // Before the apps, which would make new ones.
        if made.is_ok() {
            for stored in manifest.databases.iter().filter(is_gone) {
                match self.services.restore_database(stored, false).await {
                    Ok(_) => back.databases += 1,
                    Err(error) => back.problems.push(DisplayChain(&error).to_string()),
                }
            }
        }
        self.end_databases().await;
        back.username = made?;
        match self.bring_keys(&run, &user).await {
            Ok(keys) => back.keys = keys,
            Err(error) => {
                let text = DisplayChain(&error).to_string();
                back.problems.push(format!("keys: {text}"));
            }
        }
        for stored in manifest.services.iter().filter(|stored| !is_core(stored)) {
            let owner = stored.settings.as_ref();
            let is_theirs = owner.is_some_and(|of| of.owning_user_key == user.key);
            if !is_theirs || self.services.id_of(&stored.key).is_some() {
                continue;
            }
            let app = RestoreApp {
                app: stored.key.to_string(),
                id: None,
                run: Some(run.to_string()),
            };
            match self.make_app(app, user.key.clone()).await {
                Ok(made) => back.apps.push(made.id),
                Err(error) => {
                    let text = DisplayChain(&error).to_string();
                    back.problems.push(format!("{}: {text}", stored.id));
                }
            }
        }
        tracing::info!(%run, user = %user.key, "a user was restored from a backup");
        Ok(back)
    }

    /// Brings the keys of a user back who has none here. They are locked until the user signs in.
    async fn bring_keys(&self, run: &RunId, user: &StoredUser) -> Result<usize, BackupError> {
        self.restore_state(run, self.services.keys_key()).await?;
        self.services.lend_keys().await?;
        Ok(self.keys.bring_back(&user.key).await?)
    }

    /// Puts the state of a core service, as a run has it, beside the one in use.
    async fn restore_state(&self, run: &RunId, key: ServiceKey) -> Result<(), BackupError> {
        let access = Access::Restore {
            states: std::slice::from_ref(&key),
            packages: false,
        };
        let mut job = self.open(&self.target()?, access).await?;
        restore(&mut job, run, Part::State(key.clone()), None, None).await?;
        Ok(())
    }

    /// Has ADB look into its own state as a run has it.
    pub(super) async fn fetch_databases(&self, run: &RunId) -> Result<(), BackupError> {
        self.restore_state(run, self.services.database_key())
            .await?;
        Ok(self.services.lend_databases().await?)
    }

    pub(super) async fn end_databases(&self) {
        if let Err(error) = self.services.take_databases_away().await {
            let error = DisplayChain(&error);
            tracing::warn!(%error, "databases of a backup are left until the database starts again");
        }
    }
}
