//! Shows a package before it is installed. Runs nothing of it.

use super::candidate::{self, Candidate};
use super::context::Operations;
use crate::jobs::Reporter;
use crate::services::error::OperationError;
use crate::services::id_allocation::WantedId;
use crate::services::retained_data::RetainedData;
use crate::services::source_tokens;
use atek_api::ids::{ServiceId, UserKey};
use atek_api::manifest::Manifest;
use atek_api::package::{Access, SourceToken, Warning};
use atek_api::permission::Permissions;
use atek_api::services::Inspected;
use atek_api::signer::Signer;
use atek_api::source::Source;
use atek_api::spec::Limits;

/// A package that is not installed.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The id that it would get.
    pub id: ServiceId,
    /// What would be installed; none for a folder.
    pub release: Option<Inspected>,
    /// Who signed it.
    pub signer: Option<Signer>,
    /// Its manifest, if it has one.
    pub manifest: Option<Manifest>,
    /// What it asks for beyond the default.
    pub asks: Permissions,
    /// The limits that it asks for beyond the default.
    pub limits: Limits,
    /// The commands that its build runs.
    pub build: Vec<String>,
    /// What is unusual about it.
    pub warnings: Vec<Warning>,
    /// Data that earlier installs of the same source left to the owner, newest first.
    pub retained_data: Vec<RetainedData>,
}

impl Operations {
    /// The token that is kept for an app of this owner from the same source; the system's, which
    /// looks at what it updates, for an app of any owner.
    fn known_token(&self, source: &Source, owner: &UserKey) -> Option<SourceToken> {
        let records = self.database.records();
        let text = source.to_string();
        let mut same = records.services().filter(|record| {
            let settings = &record.settings;
            settings.source_url == text && (owner.is_system() || settings.owning_user_key == *owner)
        });
        same.find_map(|record| source_tokens::read(self.layout.state(), &record.key, source))
    }

    /// Fetches a package and shows its manifest and what it asks for; it is kept for a while, so
    /// that an install need not fetch it again. `owner` is the user it would belong to.
    ///
    /// # Errors
    ///
    /// As installing it would give.
    pub async fn inspect(
        &self,
        source: &str,
        range: Option<&str>,
        owner: &UserKey,
        access: Access,
    ) -> Result<Inspection, OperationError> {
        let source = candidate::parse_source(source)?;
        let newest = candidate::newest(candidate::parse_range(range)?);
        let access = Access {
            token: access.token.or_else(|| self.known_token(&source, owner)),
            ..access
        };
        let found = self
            .fetch(&source, newest, access, &Reporter::unheard())
            .await?;
        let records = self.database.records();
        let id = WantedId::parse(None, &source.default_name())?
            .choose(|id| self.is_taken(&records, id))?;
        let inspection = Inspection {
            id,
            release: found.release(),
            signer: found.signer().cloned(),
            manifest: found.manifest().cloned(),
            asks: found.asks(),
            limits: found
                .manifest()
                .map(|manifest| manifest.limits.raised())
                .unwrap_or_default(),
            build: found.build_commands().to_vec(),
            warnings: found.warnings().to_vec(),
            retained_data: self.retained_of(&source, owner).await,
        };
        if let Candidate::Fetched { package, staged } = found {
            self.packages.keep_inspected(source, *package, staged);
        }
        Ok(inspection)
    }
}
