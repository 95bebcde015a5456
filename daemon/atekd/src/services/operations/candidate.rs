//! A package that may be installed: found in a folder, or fetched and not yet built.

use super::context::Operations;
use crate::jobs::Reporter;
use crate::packages::Staged;
use crate::services::definition;
use crate::services::error::OperationError;
use crate::services::package_folder::{self, FolderError};
use crate::system;
use atek_api::ids::{ServiceId, ServiceKey, UserKey};
use atek_api::manifest::Manifest;
use atek_api::package::{Access, FetchedPackage, Wanted, Warning};
use atek_api::permission::Permissions;
use atek_api::services::Inspected;
use atek_api::signer::Signer;
use atek_api::source::Source;
use atek_api::spec::{Package, PackageVersion, SpecError};
use atek_api::version::{Range, Release};
use std::path::PathBuf;

/// Free bytes without which nothing is fetched.
const MIN_FREE_BYTES: u64 = 64 << 20;

/// A package that may be installed.
#[derive(Debug)]
pub(super) enum Candidate {
    /// A folder of this machine, which runs in place.
    Folder {
        /// Its manifest, if it has one.
        manifest: Option<Box<Manifest>>,
        /// What is unusual about it.
        warnings: Vec<Warning>,
    },
    /// A release in the job's staging folder.
    Fetched {
        /// What the job found.
        package: Box<FetchedPackage>,
        /// The folder.
        staged: Staged,
    },
}

impl Candidate {
    pub(super) fn manifest(&self) -> Option<&Manifest> {
        match self {
            Self::Folder { manifest, .. } => manifest.as_deref(),
            Self::Fetched { package, .. } => package.manifest.as_ref(),
        }
    }

    /// The commands that the build will run.
    pub(super) fn build_commands(&self) -> &[String] {
        match self {
            Self::Folder { .. } => &[],
            Self::Fetched { package, .. } => &package.build,
        }
    }

    /// What is unusual about the package.
    pub(super) fn warnings(&self) -> &[Warning] {
        match self {
            Self::Folder { warnings, .. } => warnings,
            Self::Fetched { package, .. } => &package.warnings,
        }
    }

    /// Its tag and commit; none of a folder.
    pub(super) fn release(&self) -> Option<Inspected> {
        match self {
            Self::Folder { .. } => None,
            Self::Fetched { package, .. } => Some(Inspected {
                version: package.release.tag.clone(),
                commit: package.commit.clone(),
            }),
        }
    }

    /// Who signed it; none of a folder.
    pub(super) fn signer(&self) -> Option<&Signer> {
        match self {
            Self::Folder { .. } => None,
            Self::Fetched { package, .. } => package.signer.as_ref(),
        }
    }

    /// The permissions that it asks for.
    pub(super) fn asks(&self) -> Permissions {
        self.manifest()
            .map(|manifest| manifest.permissions.clone())
            .unwrap_or_default()
    }
}

impl Operations {
    /// Reads a folder, or fetches a release; runs nothing of it.
    pub(super) async fn fetch(
        &self,
        source: &Source,
        wanted: Wanted,
        access: Access,
        progress: &Reporter,
    ) -> Result<Candidate, OperationError> {
        match source {
            Source::Folder(path) => {
                let (manifest, warnings) = read_folder(path.clone()).await?;
                Ok(Candidate::Folder {
                    manifest: manifest.map(Box::new),
                    warnings,
                })
            }
            Source::Recipe { .. }
            | Source::Git(_)
            | Source::GitFolder(_)
            | Source::RecipeFolder(_)
            | Source::Image { .. } => {
                let source = &self.located(source).await?;
                if access.token.is_some() && !takes_token(source) {
                    return Err(no_token());
                }
                // A build on a full disk fails after minutes, in words of npm's.
                if system::room(self.layout.state()) < MIN_FREE_BYTES {
                    return Err(OperationError::DiskFull);
                }
                let fetched = self.packages.fetch(source, wanted, access, progress);
                let (package, staged) = fetched.await?;
                let package = Box::new(package);
                Ok(Candidate::Fetched { package, staged })
            }
        }
    }

    /// The source as a package job takes it: a recipe's folder in place of its name.
    pub(super) async fn located(&self, source: &Source) -> Result<Source, OperationError> {
        let Source::Recipe { catalogue, recipe } = source else {
            return Ok(source.clone());
        };
        self.catalogues.ready().await;
        let folder = self.catalogues.recipe(catalogue, recipe);
        let missing = || {
            OperationError::Source(format!(
                "the catalogue {catalogue} has no app {recipe}; `atek search` shows what there is"
            ))
        };
        folder.map(Source::RecipeFolder).ok_or_else(missing)
    }

    /// Exactly what an inspection showed, which may still be there.
    pub(super) async fn fetch_inspected(
        &self,
        source: &Source,
        shown: &Inspected,
        access: Access,
        progress: &Reporter,
    ) -> Result<Candidate, OperationError> {
        if let Some((package, staged)) = self.packages.take_inspected(source, shown) {
            let package = Box::new(package);
            return Ok(Candidate::Fetched { package, staged });
        }
        let tag = Wanted::Tag {
            tag: shown.version.clone(),
        };
        let candidate = self.fetch(source, tag, access, progress).await?;
        match candidate.release() {
            Some(release) if release != *shown => Err(OperationError::Moved {
                tag: release.version,
                shown: abbreviated(&shown.commit),
                now: abbreviated(&release.commit),
            }),
            // A folder runs in place, as it is.
            Some(_) | None => Ok(candidate),
        }
    }

    /// Builds what was fetched. Runs code of the package, so only after consent.
    pub(super) async fn build(
        &self,
        candidate: Candidate,
        progress: &Reporter,
    ) -> Result<Candidate, OperationError> {
        match candidate {
            Candidate::Folder { .. } => Ok(candidate),
            Candidate::Fetched { package, staged } => {
                let (package, staged) = self.packages.build(*package, staged, progress).await?;
                let package = Box::new(package);
                Ok(Candidate::Fetched { package, staged })
            }
        }
    }
}

/// Whether an access token can be given for the source.
pub(super) fn takes_token(source: &Source) -> bool {
    match source {
        Source::Git(url) => url.scheme() == "https",
        Source::Image { plain, .. } => !plain,
        Source::Folder(_)
        | Source::GitFolder(_)
        | Source::Recipe { .. }
        | Source::RecipeFolder(_) => false,
    }
}

pub(super) fn no_token() -> OperationError {
    OperationError::Source(
        "an access token is for a private git repository with an https:// address, or a private \
         image (oci://): leave it out, or give that address"
            .to_owned(),
    )
}

pub(super) fn parse_source(text: &str) -> Result<Source, OperationError> {
    text.parse::<Source>()
        .map_err(|error| OperationError::Source(error.to_string()))
}

pub(super) fn parse_range(text: Option<&str>) -> Result<Range, OperationError> {
    let text = text.unwrap_or_default();
    text.parse()
        .map_err(|_| OperationError::Range(text.to_owned()))
}

/// The newest release of a range.
pub(super) fn newest(range: Range) -> Wanted {
    let refused = Vec::new();
    Wanted::Newest { range, refused }
}

/// The installed tag as the name of its folder.
pub(super) fn version_of(package: &FetchedPackage) -> Result<PackageVersion, SpecError> {
    Release::folder_name(&package.release.tag).parse()
}

/// Reads the manifest of a folder that could run, and what is unusual about it; one that could not
/// run is refused now, not when it is started.
pub(super) async fn read_folder(
    path: PathBuf,
) -> Result<(Option<Manifest>, Vec<Warning>), OperationError> {
    let read = tokio::task::spawn_blocking(move || {
        let found = package_folder::read(&path)?;
        let warnings = package_folder::warnings(&found)?;
        let package = Package::in_place(found.folder, found.modules);
        let key: ServiceKey = "probe"
            .parse()
            .unwrap_or_else(|_| unreachable!("a constant that is a key"));
        let id = ServiceId::derive("probe");
        definition::plain_spec(id, key, UserKey::system(), package, found.program).validate()?;
        Ok::<_, FolderError>((found.manifest, warnings))
    });
    Ok(read.await.map_err(|_| OperationError::ShuttingDown)??)
}

/// As much of a commit as people compare.
pub(super) fn abbreviated(commit: &str) -> String {
    let digits = commit.chars().filter(char::is_ascii_hexdigit);
    digits.take(10).collect()
}
