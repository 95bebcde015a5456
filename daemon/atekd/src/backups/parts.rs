//! A look into backups, and the way back of one app or one of its files.
//!
//! Looks run beside a backup: they read only, in a unit of their own, one at a time.

use super::job::Job;
use super::{Access, BackupError, Backups, choose, runs};
use atek_api::backup::{
    Event, Manifest, Part, Request, RestoreApp, RestoreFile, RestoredApp, RestoredFile,
    RestoredFiles, Run, RunId, StoredApp, StoredDatabase, StoredFiles, StoredService,
};
use atek_api::ids::{DbId, ServiceKey, UserKey};
use std::path::Path;

impl Backups {
    /// The runs on the target, the newest first.
    ///
    /// # Errors
    ///
    /// The target cannot be read.
    pub async fn runs(&self) -> Result<Vec<Run>, BackupError> {
        let _look = self.look.lock().await;
        let mut job = self.open(&self.target()?, Access::Look).await?;
        runs(&mut job).await
    }

    /// The apps of a run, or of the last one. `name_of` tells the names of users.
    ///
    /// # Errors
    ///
    /// The target cannot be read, or there is no such run.
    pub async fn apps(
        &self,
        run: Option<&str>,
        name_of: impl Fn(&UserKey) -> Option<String>,
    ) -> Result<(RunId, Vec<StoredApp>), BackupError> {
        let (run, manifest) = self.described(run, &Part::Host).await?;
        let apps = manifest.services.iter().filter(|stored| !is_core(stored));
        let apps = apps.map(|stored| {
            let settings = stored.settings.as_deref();
            StoredApp {
                key: stored.key.clone(),
                id: stored.id.clone(),
                title: settings.and_then(|settings| settings.package.title.clone()),
                owner: settings.and_then(|settings| name_of(&settings.owning_user_key)),
                version: settings.and_then(|settings| settings.package.installed_version.clone()),
                installed: self.services.id_of(&stored.key),
                missing: self.services.missing_of(stored),
            }
        });
        Ok((run, apps.collect()))
    }

    /// A run that has a part, or the last one, with what describes it.
    pub(super) async fn described(
        &self,
        run: Option<&str>,
        part: &Part,
    ) -> Result<(RunId, Manifest), BackupError> {
        let _look = self.look.lock().await;
        let mut job = self.open(&self.target()?, Access::Look).await?;
        let run = choose(&runs(&mut job).await?, part, run)?;
        let manifest = manifest(&mut job, &run).await?;
        Ok((run, manifest))
    }

    /// The app of a run, or of the last one that has it, by its key or its id at that time.
    ///
    /// # Errors
    ///
    /// There is none.
    pub async fn stored_app(
        &self,
        run: Option<&str>,
        app: &str,
    ) -> Result<(RunId, StoredService), BackupError> {
        let _look = self.look.lock().await;
        let mut job = self.open(&self.target()?, Access::Look).await?;
        let all = runs(&mut job).await?;
        let is_wanted = |of: &&Run| of.whole && run.is_none_or(|name| of.run.to_string() == name);
        for found in all.iter().filter(is_wanted) {
            let manifest = manifest(&mut job, &found.run).await?;
            let is_it = |stored: &&StoredService| {
                !is_core(stored) && (stored.key.as_str() == app || stored.id.as_str() == app)
            };
            if let Some(stored) = manifest.services.iter().find(is_it) {
                return Ok((found.run.clone(), stored.clone()));
            }
        }
        match run {
            Some(name) if all.iter().all(|of| of.run.to_string() != name) => {
                Err(BackupError::NoRun(name.chars().take(40).collect()))
            }
            _ => Err(BackupError::NoApp(app.chars().take(60).collect())),
        }
    }

    /// The entries of a folder of an app's state in a run.
    ///
    /// # Errors
    ///
    /// There is no such run or folder.
    pub async fn files(
        &self,
        key: &ServiceKey,
        run: Option<&str>,
        path: &str,
    ) -> Result<StoredFiles, BackupError> {
        let _look = self.look.lock().await;
        let mut job = self.open(&self.target()?, Access::Look).await?;
        let part = Part::State(key.clone());
        let run = choose(&runs(&mut job).await?, &part, run)?;
        let ask = Request::Files {
            run: run.clone(),
            part,
            path: path.to_owned(),
        };
        match job.ask(&ask).await? {
            Event::Files { files, more } => Ok(StoredFiles { run, files, more }),
            _ => Err(BackupError::Malformed),
        }
    }

    /// Puts the state of an app and its databases back as a run has them, or the last one that has
    /// the app. Databases that it got since stay.
    ///
    /// # Errors
    ///
    /// There is no such run, or it cannot be restored; the state is as it was.
    pub async fn restore(
        &self,
        key: &ServiceKey,
        id: &str,
        run: Option<&str>,
    ) -> Result<RestoredFiles, BackupError> {
        let _turn = self.take("restore")?;
        if !self.services.is_app(key, id) {
            return Err(BackupError::NotAnApp(id.to_owned()));
        }
        let (run, manifest) = self.described(run, &Part::State(key.clone())).await?;
        let databases: Vec<DbId> = databases_of(&manifest, key)
            .map(|db| db.id.clone())
            .collect();
        let count = databases.len();
        self.with_databases_of(&run, count > 0, async {
            self.fetch_state(key, id, Some(&run.to_string()), None)
                .await?;
            Ok(self.services.put_restored(key, databases).await?)
        })
        .await?;
        tracing::info!(%key, %run, databases = count, "an app was restored from a backup");
        Ok(RestoredFiles {
            run,
            databases: count,
        })
    }

    /// Does `work` while ADB has its own state as a run has it, if that is needed.
    async fn with_databases_of<T>(
        &self,
        run: &RunId,
        needed: bool,
        work: impl Future<Output = Result<T, BackupError>>,
    ) -> Result<T, BackupError> {
        if !needed {
            return work.await;
        }
        self.fetch_databases(run).await?;
        let done = work.await;
        self.end_databases().await;
        done
    }

    /// Puts one file or folder of an app back, or beside the present one.
    ///
    /// # Errors
    ///
    /// There is no such run or file, or it cannot be restored; the files are as they were.
    pub async fn restore_file(
        &self,
        key: &ServiceKey,
        wanted: RestoreFile,
    ) -> Result<RestoredFile, BackupError> {
        let _turn = self.take("restore")?;
        let (id, path) = (&wanted.id, &wanted.path);
        let run = self
            .fetch_state(key, id, wanted.run.as_deref(), Some(&wanted))
            .await?;
        let name = Path::new(path.as_str()).file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        let put_as = match wanted.beside {
            true => name_beside(&name, &run),
            false => name.into_owned(),
        };
        let parent = Path::new(path.as_str()).parent().unwrap_or(Path::new(""));
        let put = parent.join(&put_as).to_string_lossy().into_owned();
        self.services
            .put_restored_path(key, path.clone(), put_as)
            .await?;
        tracing::info!(%key, %run, "a file of an app was restored from a backup");
        Ok(RestoredFile { run, path: put })
    }

    /// Restores the state of an app, or one path of it, beside the present one.
    async fn fetch_state(
        &self,
        key: &ServiceKey,
        id: &str,
        run: Option<&str>,
        only: Option<&RestoreFile>,
    ) -> Result<RunId, BackupError> {
        if !self.services.is_app(key, id) {
            return Err(BackupError::NotAnApp(id.to_owned()));
        }
        let states = std::slice::from_ref(key);
        let access = Access::Restore {
            states,
            packages: false,
        };
        let mut job = self.open(&self.target()?, access).await?;
        let part = Part::State(key.clone());
        let run = choose(&runs(&mut job).await?, &part, run)?;
        let path = only.map(|only| only.path.clone());
        restore(&mut job, &run, part, None, path).await?;
        Ok(run)
    }

    /// Makes an app of a backup: one that is not installed any more, or a copy with an id of its
    /// own. It gets its databases: of one that is not installed any more those that are gone, of a
    /// copy new ones. `owner` gets it where its own is gone.
    ///
    /// # Errors
    ///
    /// There is no such app, or it cannot be made; nothing of it is left.
    pub async fn restore_app(
        &self,
        wanted: RestoreApp,
        owner: UserKey,
    ) -> Result<RestoredApp, BackupError> {
        let _turn = self.take("restore")?;
        self.make_app(wanted, owner).await
    }

    /// The same within a turn.
    pub(super) async fn make_app(
        &self,
        wanted: RestoreApp,
        owner: UserKey,
    ) -> Result<RestoredApp, BackupError> {
        let (run, stored) = self.stored_app(wanted.run.as_deref(), &wanted.app).await?;
        let (_, manifest) = self.described(Some(&run.to_string()), &Part::Host).await?;
        let databases: Vec<_> = databases_of(&manifest, &stored.key).cloned().collect();
        let present = self.services.id_of(&stored.key);
        if let (Some(present), None) = (present, &wanted.id) {
            return Err(BackupError::IsInstalled(present));
        }
        let plan = self
            .services
            .plan_back(&stored, wanted.id.as_deref(), owner);
        let app = plan.await?;
        let key = app.key.clone();
        let is_copy = key != stored.key;
        self.services.begin_back(&app, is_copy)?;
        let mut added = Vec::new();
        let made = async {
            let make_databases = async {
                let made = self.services.make_databases(&app, is_copy, &databases);
                Ok(made.await?)
            };
            added = self
                .with_databases_of(&run, !databases.is_empty(), make_databases)
                .await?;
            let access = Access::Restore {
                states: std::slice::from_ref(&key),
                packages: app.version.is_some(),
            };
            let mut job = self.open(&self.target()?, access).await?;
            let part = Part::State(stored.key.clone());
            restore(&mut job, &run, part, Some(&key), None).await?;
            if let Some(version) = &app.version {
                let part = Part::Package(stored.key.clone(), version.clone());
                restore(&mut job, &run, part, Some(&key), None).await?;
            }
            drop(job);
            Ok(self.services.bring_back(app).await?)
        };
        let made: Result<_, BackupError> = made.await;
        if made.is_err() {
            self.services.drop_back(&key).await;
            self.services.drop_databases(&added).await;
        }
        let left = self.spawn.drop_restored().await;
        let id = made?;
        left?;
        let databases = added.len();
        tracing::info!(%key, %run, %id, databases, "an app was made from a backup");
        Ok(RestoredApp { run, id, databases })
    }
}

/// The databases of an app in a run.
fn databases_of<'a>(
    manifest: &'a Manifest,
    key: &'a ServiceKey,
) -> impl Iterator<Item = &'a StoredDatabase> {
    let all = manifest.databases.iter();
    all.filter(move |stored| stored.service.as_ref() == Some(key))
}

pub(super) fn is_core(stored: &StoredService) -> bool {
    stored.key.as_str().starts_with("core.")
}

/// The name of a file that is put beside the present one; not longer than file systems take.
fn name_beside(name: &str, run: &RunId) -> String {
    let end = format!(".{run}");
    let mut kept = name.len().min(255 - end.len());
    while !name.is_char_boundary(kept) {
        kept -= 1;
    }
    format!("{}{end}", &name[..kept])
}

pub(super) async fn manifest(job: &mut Job, run: &RunId) -> Result<Manifest, BackupError> {
    let ask = Request::Manifest { run: run.clone() };
    let Event::Manifest { manifest } = job.ask(&ask).await? else {
        return Err(BackupError::Malformed);
    };
    serde_json::from_value(manifest).map_err(|_| BackupError::Malformed)
}

pub(super) async fn restore(
    job: &mut Job,
    run: &RunId,
    part: Part,
    into: Option<&ServiceKey>,
    path: Option<atek_api::spec::RelativePath>,
) -> Result<(), BackupError> {
    let request = Request::Restore {
        run: run.clone(),
        part,
        into: into.cloned(),
        path,
    };
    match job.ask(&request).await? {
        Event::Restored { .. } => Ok(()),
        _ => Err(BackupError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beside_the_present_one_is_named_by_its_backup() {
        let run = RunId::at(0);
        assert_eq!(name_beside("note.md", &run), "note.md.19700101T000000Z");
        let long = name_beside(&"ü".repeat(127), &run);
        assert!(
            long.len() <= 255 && long.ends_with(".19700101T000000Z"),
            "{long}"
        );
    }
}
