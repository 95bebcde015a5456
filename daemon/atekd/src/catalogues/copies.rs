//! The list of added catalogues, and their copies on disk.

use super::CatalogueError;
use crate::error_chain::DisplayChain;
use crate::packages::Packages;
use crate::spawn::Spawn;
use atek_api::catalogue::Name;
use atek_api::ids::ServiceKey;
use atek_api::package::Access;
use atek_api::source::Source;
use atek_api::spec::{PackageVersion, paths};
use atek_api::version::Release;
use atek_catalogue::folder;
use atek_catalogue::signature::PublicKey;
use atek_files::write_atomic;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A catalogue of the list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stored {
    pub(super) name: Name,
    pub(super) url: String,
    /// The public key.
    pub(super) key: String,
    copy: Copy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) checked_at: Option<String>,
    /// Why the last refresh failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
}

/// A copy on disk, kept as a package of root's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Copy {
    key: ServiceKey,
    /// The tag that was fetched.
    release: String,
    version: PackageVersion,
    serial: u64,
}

impl Stored {
    /// Where its copy is.
    pub(super) fn folder(&self) -> PathBuf {
        paths::package_version(&self.copy.key, &self.copy.version)
    }

    pub(super) fn public_key(&self) -> Option<PublicKey> {
        self.key.parse().ok()
    }
}

/// `catalogues.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct List {
    catalogues: Vec<Stored>,
    /// Copies that may be on disk and are of no use.
    unused: Vec<ServiceKey>,
}

/// The list and what works on it.
#[derive(Debug)]
pub(super) struct Copies {
    path: PathBuf,
    packages: Packages,
    spawn: Spawn,
    list: List,
}

impl Copies {
    pub(super) fn new(path: PathBuf, packages: Packages, spawn: Spawn) -> Self {
        Self {
            path,
            packages,
            spawn,
            list: List::default(),
        }
    }

    pub(super) fn stored(&self) -> &[Stored] {
        &self.list.catalogues
    }

    /// Reads the list. One that cannot be read is set aside: the catalogues can be added again.
    pub(super) fn read(&mut self) {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                tracing::error!(%error, "cannot read the list of catalogues");
                return;
            }
        };
        match serde_json::from_slice(&text) {
            Ok(list) => self.list = list,
            Err(error) => {
                tracing::error!(%error, "cannot understand catalogues.json; it is now catalogues.json.broken");
                let _ = std::fs::rename(&self.path, self.path.with_extension("json.broken"));
            }
        }
    }

    fn save(&self) -> Result<(), CatalogueError> {
        let text = serde_json::to_vec_pretty(&self.list).map_err(|_| CatalogueError::Aborted)?;
        Ok(write_atomic(&self.path, &text, 0o600)?)
    }

    /// Removes copies that are of no use.
    pub(super) async fn sweep(&mut self) {
        if self.list.unused.is_empty() {
            return;
        }
        let in_use: Vec<_> = self.list.catalogues.iter().map(|it| &it.copy.key).collect();
        let unused = self.list.unused.iter().filter(|key| !in_use.contains(key));
        let mut left = Vec::new();
        for key in unused {
            if let Err(error) = self.spawn.remove_package(key).await {
                tracing::warn!(error = %DisplayChain(&error), "left a copy of a catalogue for later");
                left.push(key.clone());
            }
        }
        self.list.unused = left;
        if let Err(error) = self.save() {
            tracing::warn!(error = %DisplayChain(&error), "cannot store the list of catalogues");
        }
    }

    /// Fetches a new catalogue and puts it on the list.
    pub(super) async fn add(
        &mut self,
        name: Name,
        url: String,
        key: PublicKey,
    ) -> Result<(), CatalogueError> {
        let fetched = self.fetch(&url, &key, 0).await;
        if let Ok(copy) = &fetched {
            self.list.catalogues.push(Stored {
                name,
                url,
                key: key.to_string(),
                copy: copy.clone(),
                checked_at: Some(jiff::Timestamp::now().to_string()),
                problem: None,
            });
            self.keep(&copy.key);
            self.save()?;
        }
        self.sweep().await;
        fetched.map(drop)
    }

    /// Fetches a catalogue of the list again, if it has another release.
    pub(super) async fn refresh(&mut self, name: &Name) -> Result<(), CatalogueError> {
        let missing = || CatalogueError::NotFound(name.clone());
        let at = self.list.catalogues.iter().position(|it| it.name == *name);
        let at = at.ok_or_else(missing)?;
        let before = self.list.catalogues[at].clone();
        let refreshed = self.newer(&before).await;
        let stored = &mut self.list.catalogues[at];
        match &refreshed {
            Ok(newer) => {
                stored.checked_at = Some(jiff::Timestamp::now().to_string());
                stored.problem = None;
                if let Some(copy) = newer {
                    stored.copy = copy.clone();
                    self.list.unused.push(before.copy.key);
                    self.keep(&copy.key);
                }
            }
            Err(error) => stored.problem = Some(DisplayChain(error).to_string()),
        }
        self.save()?;
        self.sweep().await;
        refreshed.map(drop)
    }

    /// A copy of the newest release, if that is another than the one there is.
    async fn newer(&mut self, stored: &Stored) -> Result<Option<Copy>, CatalogueError> {
        let source: Source = stored.url.parse()?;
        let key: PublicKey = stored.key.parse()?;
        let releases = self.packages.releases(&source, Access::default()).await?;
        let newest = releases
            .iter()
            .find(|release| release.version.pre.is_empty());
        if newest.is_some_and(|newest| newest.tag == stored.copy.release) {
            return Ok(None);
        }
        self.fetch(&stored.url, &key, stored.copy.serial)
            .await
            .map(Some)
    }

    /// Fetches and verifies a copy. It is named as unused before it is there.
    async fn fetch(
        &mut self,
        url: &str,
        key: &PublicKey,
        least: u64,
    ) -> Result<Copy, CatalogueError> {
        let source: Source = url.parse()?;
        let (package, staged) = self.packages.fetch_files(&source).await?;
        let release = package.release.tag;
        let version: PackageVersion = Release::folder_name(&release)
            .parse()
            .map_err(|_| CatalogueError::Release(release.clone()))?;
        let end = crate::random::hex::<8>().map_err(|_| CatalogueError::Aborted)?;
        let copy_key: ServiceKey = format!("{}{}", paths::CATALOGUE_KEY, end.expose())
            .parse()
            .map_err(|_| CatalogueError::Aborted)?;
        self.list.unused.push(copy_key.clone());
        self.save()?;
        staged.commit(&copy_key, &version).await?;
        let folder = paths::package_version(&copy_key, &version);
        let key = key.clone();
        let verified = tokio::task::spawn_blocking(move || folder::verify(&folder, Some(&key)));
        let index = verified.await.map_err(|_| CatalogueError::Aborted)??;
        if index.serial < least {
            return Err(CatalogueError::Old {
                new: index.serial,
                old: least,
            });
        }
        Ok(Copy {
            key: copy_key,
            release,
            version,
            serial: index.serial,
        })
    }

    /// Takes a copy off the list of unused ones.
    fn keep(&mut self, key: &ServiceKey) {
        self.list.unused.retain(|unused| unused != key);
    }

    /// Takes a catalogue off the list and removes its copy.
    pub(super) async fn remove(&mut self, name: &Name) -> Result<(), CatalogueError> {
        let missing = || CatalogueError::NotFound(name.clone());
        let at = self.list.catalogues.iter().position(|it| it.name == *name);
        let removed = self.list.catalogues.remove(at.ok_or_else(missing)?);
        self.list.unused.push(removed.copy.key);
        self.save()?;
        self.sweep().await;
        Ok(())
    }
}
