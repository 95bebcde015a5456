//! Catalogues: the one that came with the system, and those that administrators added.
//!
//! An added catalogue is fetched by a package job, given to root like a package, and only then
//! verified: what is checked is what is used. A copy that is not right is removed, and the copy
//! before it stays. The list of catalogues is one file, which names every copy before it is made,
//! so that a power cut leaves none behind.
//!
//! ```text
//!  fetch job -> packages/catalogue-X/versions/V -> signature, rules, hashes -> the list names it
//!                                                \-> wrong: removed, the old copy stays
//! ```

mod copies;
mod schedule;

use crate::error_chain::DisplayChain;
use crate::layout::Layout;
use crate::packages::{PackageError, Packages};
use crate::spawn::{Spawn, SpawnError};
use atek_api::catalogue::{AddParams, CatalogueInfo, Index, Name, RecipeInfo, SearchParams};
use atek_api::source::{InvalidSource, Source};
use atek_api::spec::paths;
use atek_catalogue::folder::{self, FolderError};
use atek_catalogue::search::{self, Found};
use atek_catalogue::signature::{PublicKey, SignatureError};
use atek_files::FileError;
use copies::{Copies, Stored};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};

/// The name of the catalogue that came with the system.
const SHIPPED: &str = "atek";
/// The most catalogues that can be added.
const MOST: usize = 20;

/// Why a catalogue was not added, refreshed or removed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The address cannot be a repository.
    #[error(transparent)]
    Source(#[from] InvalidSource),
    /// A folder, or a recipe.
    #[error("a catalogue is a git repository: give its https:// address")]
    NotGit,
    /// The key cannot be one.
    #[error(transparent)]
    Key(#[from] SignatureError),
    /// The name is in use.
    #[error("there is a catalogue {0} already; give this one another name")]
    Taken(Name),
    /// There are enough.
    #[error("there are {MOST} catalogues already; remove one first")]
    TooMany,
    /// No name could be made of the address.
    #[error("give the catalogue a name of a-z, 0-9 and '-' that begins with a letter")]
    NoName,
    /// There is no such catalogue.
    #[error("there is no catalogue {0}")]
    NotFound(Name),
    /// It belongs to the system.
    #[error("the catalogue {0} is part of Atek and is updated with it")]
    Shipped(Name),
    /// It cannot be fetched.
    #[error("the catalogue could not be fetched")]
    Fetch(#[from] PackageError),
    /// Its release has a name that no folder has.
    #[error("the catalogue's release {0:?} has a name that cannot be used")]
    Release(String),
    /// It cannot be put in place.
    #[error("the catalogue could not be put in place")]
    Place(#[from] SpawnError),
    /// It is not what it should be.
    #[error("the catalogue was fetched and is not used")]
    Refused(#[from] FolderError),
    /// It is older than the copy that the box has.
    #[error(
        "the catalogue was fetched and is not used: its serial is {new}, and the box has {old} already. Someone may offer an old copy in place of the current one"
    )]
    Old {
        /// What was fetched.
        new: u64,
        /// What is in use.
        old: u64,
    },
    /// The list cannot be stored.
    #[error("the list of catalogues could not be stored")]
    Write(#[from] FileError),
    /// The random generator failed, or the host stops.
    #[error("the work on the catalogue was broken off")]
    Aborted,
}

/// A catalogue in use.
#[derive(Debug, Clone)]
struct Loaded {
    info: CatalogueInfo,
    folder: PathBuf,
    index: Arc<Index>,
}

/// The catalogues. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalogues {
    /// What is in use, in the order of rank; none until it was read.
    loaded: Arc<watch::Sender<Option<Arc<Vec<Loaded>>>>>,
    /// The list on disk; held while one is changed.
    copies: Arc<Mutex<Copies>>,
}

impl Catalogues {
    /// Nothing is read before [`Catalogues::load`].
    #[must_use]
    pub fn new(layout: &Layout, packages: Packages, spawn: Spawn) -> Self {
        Self {
            loaded: Arc::new(watch::Sender::new(None)),
            copies: Arc::new(Mutex::new(Copies::new(
                layout.catalogues(),
                packages,
                spawn,
            ))),
        }
    }

    /// Reads the catalogues that the box has. A broken one is left out, and the journal says why.
    pub async fn load(&self) {
        let mut copies = self.copies.lock().await;
        copies.read();
        copies.sweep().await;
        self.publish(&copies).await;
    }

    /// Verifies what the list names, and puts it in place of what was in use.
    async fn publish(&self, copies: &Copies) {
        let stored = copies.stored().to_vec();
        let before = self.now();
        let loaded = tokio::task::spawn_blocking(move || {
            let shipped = shipped().into_iter();
            let added = stored.iter().filter_map(|stored| loaded(stored, &before));
            shipped.chain(added).collect::<Vec<_>>()
        });
        if let Ok(loaded) = loaded.await {
            self.loaded.send_replace(Some(Arc::new(loaded)));
        }
    }

    fn now(&self) -> Arc<Vec<Loaded>> {
        self.loaded.borrow().clone().unwrap_or_default()
    }

    /// Waits until they were read, soon after the start of the host.
    pub async fn ready(&self) {
        // The sender is in `self`, so this cannot fail.
        let _ = self.loaded.subscribe().wait_for(Option::is_some).await;
    }

    /// All catalogues, the system's own first.
    #[must_use]
    pub fn list(&self) -> Vec<CatalogueInfo> {
        self.now().iter().map(|it| it.info.clone()).collect()
    }

    /// The recipes that fit, best first.
    #[must_use]
    pub fn search(&self, params: &SearchParams) -> Vec<RecipeInfo> {
        let loaded = self.now();
        let indexes = loaded.iter().map(|it| (&it.info.name, &*it.index));
        let found = search::search(indexes, params);
        found.into_iter().map(shown).collect()
    }

    /// The folder of a recipe.
    #[must_use]
    pub fn recipe(&self, catalogue: &Name, recipe: &Name) -> Option<PathBuf> {
        let loaded = self.now();
        let found = loaded.iter().find(|it| it.info.name == *catalogue)?;
        found.index.recipes.get(recipe)?;
        Some(found.folder.join(folder::RECIPES).join(recipe.as_str()))
    }

    /// A picture that a recipe names: its content and media type.
    pub async fn picture(
        &self,
        catalogue: &str,
        recipe: &str,
        path: &str,
    ) -> Option<(Vec<u8>, &'static str)> {
        let recipe: Name = recipe.parse().ok()?;
        let folder = {
            let loaded = self.now();
            let found = loaded
                .iter()
                .find(|it| it.info.name.as_str() == catalogue)?;
            let about = &found.index.recipes.get(&recipe)?.recipe;
            let mut pictures = about.icon.iter().chain(&about.screenshots);
            pictures
                .any(|picture| picture == path)
                .then(|| found.folder.clone())?
        };
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || folder::picture(&folder, &recipe, &path));
        read.await.ok().flatten()
    }

    /// Fetches a catalogue and keeps it from then on.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`]; nothing was added.
    pub async fn add(&self, params: AddParams) -> Result<CatalogueInfo, CatalogueError> {
        let source: Source = params.url.parse()?;
        if !matches!(source, Source::Git(_) | Source::GitFolder(_)) {
            return Err(CatalogueError::NotGit);
        }
        let key: PublicKey = params.key.parse()?;
        let proposed = || {
            source
                .default_name()
                .parse()
                .map_err(|_| CatalogueError::NoName)
        };
        let name = params.name.map_or_else(proposed, Ok)?;
        let mut copies = self.copies.lock().await;
        if name.as_str() == SHIPPED || copies.stored().iter().any(|it| it.name == name) {
            return Err(CatalogueError::Taken(name));
        }
        if copies.stored().len() >= MOST {
            return Err(CatalogueError::TooMany);
        }
        copies.add(name.clone(), source.to_string(), key).await?;
        self.publish(&copies).await;
        self.info(&name)
    }

    /// Fetches a catalogue again.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`]; the copy that the box has stays in use.
    pub async fn refresh(&self, name: &Name) -> Result<CatalogueInfo, CatalogueError> {
        if name.as_str() == SHIPPED {
            return Err(CatalogueError::Shipped(name.clone()));
        }
        let mut copies = self.copies.lock().await;
        let refreshed = copies.refresh(name).await;
        // A failure is shown in the list, too.
        self.publish(&copies).await;
        refreshed?;
        self.info(name)
    }

    /// Removes a catalogue.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`].
    pub async fn remove(&self, name: &Name) -> Result<(), CatalogueError> {
        if name.as_str() == SHIPPED {
            return Err(CatalogueError::Shipped(name.clone()));
        }
        let mut copies = self.copies.lock().await;
        copies.remove(name).await?;
        self.publish(&copies).await;
        Ok(())
    }

    fn info(&self, name: &Name) -> Result<CatalogueInfo, CatalogueError> {
        let found = self.list().into_iter().find(|it| it.name == *name);
        found.ok_or_else(|| CatalogueError::NotFound(name.clone()))
    }

    /// Refreshes the added catalogues from time to time. Never ends.
    pub async fn keep_fresh(&self) {
        let mut failures = 0;
        loop {
            tokio::time::sleep(schedule::pause(failures, schedule::random_share())).await;
            let names: Vec<Name> = {
                let copies = self.copies.lock().await;
                copies.stored().iter().map(|it| it.name.clone()).collect()
            };
            let mut failed = false;
            for name in names {
                if let Err(error) = self.refresh(&name).await {
                    tracing::warn!(%name, error = %DisplayChain(&error), "a catalogue was not refreshed; the copy before is in use");
                    failed = true;
                }
                // Installs of people go first.
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            failures = if failed { failures + 1 } else { 0 };
        }
    }
}

fn shipped() -> Option<Loaded> {
    let folder = Path::new(paths::CATALOGUE);
    if !folder.exists() {
        return None;
    }
    let index = match folder::verify(folder, None) {
        Ok(index) => index,
        Err(error) => {
            tracing::error!(error = %DisplayChain(&error), "the catalogue of the system cannot be used");
            return None;
        }
    };
    Some(Loaded {
        info: CatalogueInfo {
            name: SHIPPED.parse().ok()?,
            title: index.title.clone(),
            url: None,
            key: None,
            serial: index.serial,
            recipes: index.recipes.len(),
            checked_at: None,
            problem: None,
        },
        folder: folder.to_owned(),
        index: Arc::new(index),
    })
}

/// A copy that the list names; the one that was verified before, if it is the same.
fn loaded(stored: &Stored, before: &[Loaded]) -> Option<Loaded> {
    let folder = stored.folder();
    let known = before.iter().find(|it| it.folder == folder);
    let index = match known {
        Some(known) => known.index.clone(),
        None => match folder::verify(&folder, Some(&stored.public_key()?)) {
            Ok(index) => Arc::new(index),
            Err(error) => {
                let name = &stored.name;
                tracing::error!(%name, error = %DisplayChain(&error), "a catalogue cannot be used");
                return None;
            }
        },
    };
    Some(Loaded {
        info: CatalogueInfo {
            name: stored.name.clone(),
            title: index.title.clone(),
            url: Some(stored.url.clone()),
            key: Some(stored.key.clone()),
            serial: index.serial,
            recipes: index.recipes.len(),
            checked_at: stored.checked_at.clone(),
            problem: stored.problem.clone(),
        },
        folder,
        index,
    })
}

fn shown((catalogue, name, entry): Found<'_>) -> RecipeInfo {
    let recipe = &entry.recipe;
    let path = |picture: &String| format!("/_atek/catalogue/{catalogue}/{name}/{picture}");
    RecipeInfo {
        source_url: format!("catalogue:{catalogue}/{name}"),
        catalogue: catalogue.clone(),
        name: name.clone(),
        title: recipe.title.clone(),
        summary: recipe.summary.clone(),
        categories: recipe.categories.clone(),
        version: recipe.version.clone(),
        homepage: recipe.homepage.clone(),
        license: recipe.license.clone(),
        permissions: entry.permissions.clone(),
        icon: recipe.icon.as_ref().map(path),
        screenshots: recipe.screenshots.iter().map(path).collect(),
        tested: recipe.tested.clone(),
    }
}
