//! Looking at a package before it is installed, and installing then what was looked at.

use super::install::{self, Ready};
use super::names::Wanted;
use super::{Inner, InstallError};
use crate::jobs::Reporter;
use atek_api::ids::ServiceId;
use atek_api::manifest::Manifest;
use atek_api::package::{self, Warning};
use atek_api::permission::Permissions;
use atek_api::services::Inspected;
use atek_api::source::Source;

/// A package that is not installed.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The id that it would get.
    pub id: ServiceId,
    /// What would be installed; none for a folder.
    pub release: Option<Inspected>,
    /// Its manifest, if it has one.
    pub manifest: Option<Manifest>,
    /// What it asks for beyond the default.
    pub asks: Permissions,
    /// The commands that its build runs.
    pub build: Vec<String>,
    /// What is unusual about it.
    pub warnings: Vec<Warning>,
}

pub(super) async fn inspect(
    inner: &Inner,
    source: &str,
    range: Option<&str>,
) -> Result<Inspection, InstallError> {
    let source = install::parse_source(source)?;
    let newest = package::Wanted::Newest {
        range: install::parse_range(range)?,
        refused: Vec::new(),
    };
    let ready = install::make_ready(inner, &source, newest, &Reporter::unheard()).await?;
    let records = inner.database.records();
    let id = Wanted::parse(None, &source.default_name())?
        .choose(|id| install::is_taken(inner, &records, id))?;
    let inspection = Inspection {
        id,
        release: ready.release(),
        manifest: ready.manifest().cloned(),
        asks: ready.asks(),
        build: ready.build().to_vec(),
        warnings: ready.warnings().to_vec(),
    };
    if let Ready::Built { package, staged } = ready {
        inner.packages.keep_shown(source, *package, staged);
    }
    Ok(inspection)
}

/// Exactly what was shown, which may still be there.
pub(super) async fn shown(
    inner: &Inner,
    source: &Source,
    shown: &Inspected,
    progress: &Reporter,
) -> Result<Ready, InstallError> {
    if let Some((package, staged)) = inner.packages.take_shown(source, shown) {
        let package = Box::new(package);
        return Ok(Ready::Built { package, staged });
    }
    let tag = package::Wanted::Tag {
        tag: shown.version.clone(),
    };
    let ready = install::make_ready(inner, source, tag, progress).await?;
    match ready.release() {
        Some(release) if release != *shown => Err(InstallError::Moved {
            tag: release.version,
            shown: abbreviated(&shown.commit),
            now: abbreviated(&release.commit),
        }),
        // A folder runs in place, as it is.
        Some(_) | None => Ok(ready),
    }
}

/// As much of a commit as people compare.
fn abbreviated(commit: &str) -> String {
    let digits = commit.chars().filter(char::is_ascii_hexdigit);
    digits.take(10).collect()
}
