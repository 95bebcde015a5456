//! The places of core services: what comes with Atek, what the configuration puts in its place, and
//! which of the two runs.
//!
//! ```text
//!                    tried and kept                    does not run any more
//!   built-in runs ------------------> replacement runs ---------------------> built-in runs,
//!    ^   |  a start of the host, a look for releases                          and says why
//!    |   '--> is tried: fails                                                    |
//!    '-----------'<-------------------- a newer release, a person ---------------'
//! ```
//!
//! The two have keys of their own, and so data of their own: whatever a replacement does, the
//! built-in one finds what it left. What holds the data of the box itself is never replaced. What
//! is done to a place is in `operations/core.rs`.

use super::awake::Awake;
use super::core_service::{self, CoreService, builtin_name, id_of, plain_settings};
use super::definition::installed_version;
use super::package_folder::{self, PackageFolder};
use crate::config;
use crate::database::ServiceRecord;
use crate::error_chain::DisplayChain;
use crate::layout::Layout;
use atek_api::ids::ServiceKey;
use atek_api::manifest::Manifest;
use atek_api::services::{ServiceSettings, SourceType};
use atek_api::source::Source;
use atek_api::spec::paths;
use atek_files::{FileError, write_atomic};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What holds the data of the box: users, apps and their keys. The host would not be itself with
/// another one, nor could it go back to the one before without losing what was written since.
const NEVER_REPLACED: [&str; 2] = ["adb", "keys"];
/// The most bytes of a file that is read.
const FILE_MAX: u64 = 1 << 20;

/// The place of one core service.
#[derive(Debug)]
pub(super) struct Place {
    /// What comes with Atek; none of a service that only the configuration knows.
    built_in: Option<CoreService>,
    pub(super) replacement: Option<Replacement>,
    now: watch::Sender<CoreService>,
}

/// What the configuration puts in the place of a core service.
#[derive(Debug)]
pub(super) struct Replacement {
    pub(super) key: ServiceKey,
    pub(super) source: Source,
    /// Without a version.
    template: CoreService,
    file: PathBuf,
    stored: Mutex<Stored>,
}

/// What is remembered of a replacement: `core-services/KEY.json`, which a person can read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Stored {
    /// Its record; none: no version of it was ever kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) settings: Option<ServiceSettings>,
    /// Why the built-in service runs although a version was kept once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fell_back: Option<String>,
}

impl Place {
    fn of_built_in(service: CoreService) -> Self {
        Self {
            now: watch::Sender::new(service.clone()),
            built_in: Some(service),
            replacement: None,
        }
    }

    fn replaced(built_in: Option<CoreService>, replacement: Replacement) -> Self {
        let stored = replacement.stored();
        let first = match (&stored.settings, &stored.fell_back) {
            (Some(settings), None) => replacement.with(settings.clone()),
            (Some(_), Some(reason)) => stand_in(built_in.as_ref(), &replacement, reason),
            (None, _) => stand_in(built_in.as_ref(), &replacement, "it has not been tried yet"),
        };
        Self {
            now: watch::Sender::new(first),
            built_in,
            replacement: Some(replacement),
        }
    }

    /// What runs in this place, or should.
    pub(super) fn now(&self) -> CoreService {
        self.now.borrow().clone()
    }

    /// Tells what runs now.
    pub(super) fn set(&self, service: CoreService) {
        self.now.send_replace(service);
    }

    /// Returns when the replacement runs, or does not.
    pub(super) async fn until_replaced(&self, wanted: bool) {
        let mut now = self.now.subscribe();
        // The sender is in `self`, so this cannot fail.
        let _ = now.wait_for(|now| self.is_replacement(now) == wanted).await;
    }

    /// Whether there is a service with this key in this place.
    pub(super) fn exists(&self, key: &ServiceKey) -> bool {
        let is_known = |replacement: &Replacement| replacement.stored().settings.is_some();
        match &self.replacement {
            Some(replacement) if replacement.key == *key => is_known(replacement),
            _ => self.has(key),
        }
    }

    /// Whether a key is one of this place.
    pub(super) fn has(&self, key: &ServiceKey) -> bool {
        self.keys().any(|own| own == key)
    }

    fn keys(&self) -> impl Iterator<Item = &ServiceKey> {
        let built_in = self.built_in.iter().map(|service| &service.key);
        let replacement = self.replacement.iter();
        built_in.chain(replacement.map(|replacement| &replacement.key))
    }

    /// The services of this place that may have data: what runs in it, and the built-in one.
    pub(super) fn services(&self) -> Vec<CoreService> {
        let now = self.now();
        let built_in = self.built_in.iter();
        let others = built_in.filter(|service| service.key != now.key).cloned();
        [now.clone()].into_iter().chain(others).collect()
    }

    /// Whether the replacement is what runs.
    pub(super) fn is_replaced(&self) -> bool {
        self.is_replacement(&self.now.borrow())
    }

    fn is_replacement(&self, service: &CoreService) -> bool {
        let replacement = self.replacement.as_ref();
        replacement.is_some_and(|replacement| replacement.key == service.key)
            && service.package.is_ok()
    }

    /// What runs while the replacement does not, and why.
    pub(super) fn stand_in(&self, reason: &str) -> CoreService {
        match &self.replacement {
            Some(replacement) => stand_in(self.built_in.as_ref(), replacement, reason),
            None => self.now(),
        }
    }
}

/// The built-in service in the place of a replacement; where there is none, the replacement that
/// cannot run.
fn stand_in(
    built_in: Option<&CoreService>,
    replacement: &Replacement,
    reason: &str,
) -> CoreService {
    let source = &replacement.source;
    match built_in {
        Some(service) => service.noted(format!("runs in the place of {source}: {reason}")),
        None => CoreService {
            package: Err(format!("{source}: {reason}")),
            ..replacement.template.clone()
        },
    }
}

impl Replacement {
    fn read(
        name: &str,
        source: Source,
        configured: &config::CoreService,
        layout: &Layout,
    ) -> Option<Self> {
        let key = layout.replacement_key(name, &source.to_string())?;
        let mut settings =
            plain_settings(id_of(configured)?, source.to_string(), source.source_type());
        settings
            .desired_version
            .clone_from(&configured.desired_version);
        let template = CoreService {
            awake: Awake::read(layout.awake(&key)),
            key: key.clone(),
            settings: Arc::new(settings),
            env: configured.config.clone().unwrap_or_default(),
            package: Err("no version of it is installed".to_owned()),
            note: None,
        };
        let file = layout.replacement(&key);
        let mut stored = read(&file);
        if let Source::Folder(folder) = &source {
            follow_folder(folder, &mut stored);
        }
        let replacement = Self {
            key,
            source,
            file,
            stored: Mutex::new(stored),
            template,
        };
        Some(replacement)
    }

    /// What is remembered of it.
    pub(super) fn stored(&self) -> Stored {
        self.lock().clone()
    }

    /// Remembers something else, durably. `change` must not ask for what is stored: it is locked.
    pub(super) fn store(&self, change: impl FnOnce(&mut Stored)) -> Result<(), FileError> {
        let mut stored = self.lock();
        let mut new = stored.clone();
        change(&mut new);
        let folder = self.file.parent().unwrap_or(&self.file);
        // Ignored: if the folder is missing, the write below reports it.
        let _ = fs::create_dir(folder);
        let text = serde_json::to_vec_pretty(&new).unwrap_or_default();
        write_atomic(&self.file, &text, 0o600)?;
        *stored = new;
        Ok(())
    }

    /// Its record as those of apps; without a version where none was kept.
    pub(super) fn record(&self) -> ServiceRecord {
        let settings = self.stored().settings;
        ServiceRecord {
            key: self.key.clone(),
            settings: settings.map_or_else(
                || ServiceSettings::clone(&self.template.settings),
                |settings| self.as_configured(settings),
            ),
        }
    }

    /// What the configuration says holds, whatever was stored.
    fn as_configured(&self, settings: ServiceSettings) -> ServiceSettings {
        let configured = &self.template.settings;
        ServiceSettings {
            id: configured.id.clone(),
            source_url: configured.source_url.clone(),
            desired_version: configured.desired_version.clone(),
            ..settings
        }
    }

    /// The record with the package of a folder, all of whose permissions are granted: who wrote
    /// the configuration may do anything.
    pub(super) fn settings_of_folder(&self, manifest: Option<Manifest>) -> ServiceSettings {
        let mut settings = self.record().settings;
        take_manifest(&mut settings, manifest);
        settings
    }

    /// The service as it runs with this record.
    pub(super) fn with(&self, settings: ServiceSettings) -> CoreService {
        let package = match &self.source {
            Source::Folder(folder) => Ok(folder.clone()),
            _ => installed_version(&settings)
                .map(|version| paths::package_version(&self.key, &version))
                .ok_or_else(|| "no version of it is installed".to_owned()),
        };
        CoreService {
            settings: Arc::new(self.as_configured(settings)),
            package,
            ..self.template.clone()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_manifest(settings: &mut ServiceSettings, manifest: Option<Manifest>) {
    settings.package.title = manifest.as_ref().and_then(|manifest| manifest.name.clone());
    settings.granted = manifest
        .as_ref()
        .map(|manifest| manifest.permissions.clone())
        .unwrap_or_default();
    settings.manifest = manifest;
}

/// A folder runs in place, as it is now.
fn follow_folder(folder: &std::path::Path, stored: &mut Stored) {
    let Some(settings) = &mut stored.settings else {
        return;
    };
    match package_folder::read(folder) {
        Ok(PackageFolder { manifest, .. }) => take_manifest(settings, manifest),
        Err(error) => stored.fell_back = Some(DisplayChain(&error).to_string()),
    }
}

fn read(file: &std::path::Path) -> Stored {
    let small = fs::metadata(file).is_ok_and(|about| about.len() <= FILE_MAX);
    let text = if small { fs::read(file).ok() } else { None };
    let Some(text) = text else {
        return Stored::default();
    };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::error!(path = %file.display(), %error, "cannot understand what was remembered of a core service");
        Stored::default()
    })
}

/// The places of the configured core services, in their order. One that cannot run is listed with
/// the reason; one that is named twice is left out. The database is there whatever the
/// configuration says.
pub(super) fn resolve(configured: &[config::CoreService], layout: &Layout) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let mut add = |service: &config::CoreService| match one(service, layout) {
        Some(place) if places.iter().any(|known| is_same(known, &place)) => {
            let id = place.now().settings.id.clone();
            tracing::error!(%id, "a core service is configured twice");
        }
        Some(place) => places.push(place),
        None => {
            let source = &service.source_url;
            tracing::error!(source, "a core service has no usable name");
        }
    };
    for service in configured {
        add(service);
    }
    let database = layout.database_key();
    if !places.iter().any(|place| place.has(&database)) {
        tracing::error!("the configuration has no database service; the built-in one runs");
        let database = config::CoreService {
            source_url: "builtin:adb".to_owned(),
            id: None,
            desired_version: None,
            config: None,
        };
        places.splice(0..0, one(&database, layout));
    }
    places
}

fn is_same(one: &Place, other: &Place) -> bool {
    other.keys().any(|key| one.has(key)) || one.now().settings.id == other.now().settings.id
}

fn one(configured: &config::CoreService, layout: &Layout) -> Option<Place> {
    if let Some(name) = builtin_name(&configured.source_url) {
        return core_service::built_in(name, configured, layout).map(Place::of_built_in);
    }
    let id = id_of(configured)?;
    let name = match id.as_str().trim_start_matches("core.") {
        // What the original calls it.
        "hyper" | "hyper-daemon" => "hypercore",
        name => name,
    };
    let built_in = if layout.core_package(name).exists() || NEVER_REPLACED.contains(&name) {
        let in_its_place = config::CoreService {
            source_url: format!("builtin:{name}"),
            id: Some(id.clone()),
            ..configured.clone()
        };
        core_service::built_in(name, &in_its_place, layout)
    } else {
        None
    };
    let asked = &configured.source_url;
    let refused = |reason: &str| match &built_in {
        Some(service) => {
            tracing::error!(source = asked, reason, "the built-in core service runs");
            let note = format!("runs in the place of {asked}: {reason}");
            Some(Place::of_built_in(service.noted(note)))
        }
        None => {
            tracing::error!(source = asked, reason, "a core service cannot run");
            let key = layout.core_key(name)?;
            let settings = plain_settings(id_of(configured)?, asked.clone(), SourceType::File);
            Some(Place::of_built_in(CoreService {
                awake: Awake::read(layout.awake(&key)),
                key,
                settings: Arc::new(settings),
                env: Default::default(),
                package: Err(reason.to_owned()),
                note: None,
            }))
        }
    };
    if NEVER_REPLACED.contains(&name) {
        return refused("it holds the data of this box, so it is always the one of Atek");
    }
    match asked.parse::<Source>() {
        Ok(source @ (Source::Folder(_) | Source::Git(_) | Source::GitFolder(_))) => {
            let replacement = Replacement::read(name, source, configured, layout)?;
            Some(Place::replaced(built_in, replacement))
        }
        Ok(_) => refused("a core service comes from a folder or from a git repository"),
        Err(error) => refused(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::DEFAULT_STATE;

    fn configured(source: &str, id: Option<&str>) -> config::CoreService {
        config::CoreService {
            source_url: source.to_owned(),
            id: id.map(|id| id.parse().unwrap()),
            desired_version: None,
            config: None,
        }
    }

    fn place(source: &str, id: Option<&str>, layout: &Layout) -> Place {
        let mut places = resolve(&[configured(source, id)], layout);
        places.pop().unwrap()
    }

    fn resolved(source: &str, id: Option<&str>) -> CoreService {
        place(source, id, &Layout::new(DEFAULT_STATE)).now()
    }

    #[test]
    fn the_originals_core_services_are_the_built_in_ones_under_their_configured_ids() {
        let adb = "https://github.com/atek-cloud/adb";
        let hyper = "https://github.com/atek-cloud/hyper-daemon";
        for (source, id, key, shown, unit) in [
            ("builtin:adb", None, "core.adb", "core.adb", "core.adb"),
            (
                "builtin:hypercore",
                None,
                "core.hypercore",
                "core.hypercore",
                "core.hypercore",
            ),
            (adb, None, "core.adb", "core.adb", "core.adb"),
            (adb, Some("adb"), "core.adb", "adb", "core.adb"),
            (
                hyper,
                None,
                "core.hypercore",
                "core.hyper-daemon",
                "core.hyper-daemon",
            ),
        ] {
            let core = resolved(source, id);
            assert_eq!(core.key.as_str(), key, "{source}");
            assert_eq!(core.settings.id.as_str(), shown, "{source}");
            assert_eq!(core.unit_id().as_str(), unit, "{source}");
            assert_eq!(core.settings.source_url, source);
        }
    }

    #[test]
    fn what_cannot_run_is_listed_with_the_reason() {
        for (source, id, reason) in [
            ("builtin:hypercore", None, "not part of this version"),
            (
                "https://example.org/thing",
                None,
                "it has not been tried yet",
            ),
            (
                "oci://example.org/thing:1",
                Some("core.thing"),
                "a folder or from a git",
            ),
            ("nonsense", None, "the source must be"),
            (
                "builtin:../../etc",
                None,
                "can be installed from, not builtin",
            ),
        ] {
            let core = resolved(source, id);
            let told = core.package.unwrap_err();
            assert!(told.contains(reason), "{source}: {told}");
        }
        let thing = resolved("https://example.org/thing.git", None);
        assert_eq!(thing.settings.id.as_str(), "core.thing");
        assert!(thing.key.as_str().starts_with("core.thing-"));
    }

    #[test]
    fn the_database_and_the_keys_are_always_those_of_atek() {
        let layout = Layout::new(DEFAULT_STATE);
        for (id, key) in [("core.adb", "core.adb"), ("core.keys", "core.keys")] {
            let place = place("file:///srv/mine", Some(id), &layout);
            let now = place.now();
            assert_eq!(now.key.as_str(), key);
            assert!(place.replacement.is_none());
            let note = now.note.unwrap();
            assert!(note.contains("file:///srv/mine"), "{note}");
        }
        let without = resolve(&[configured("builtin:lonestar", None)], &layout);
        let keys: Vec<_> = without.iter().map(|place| place.now().key).collect();
        assert_eq!(keys[0].as_str(), "core.adb");
        let twice = [
            configured("builtin:adb", None),
            configured("builtin:adb", None),
        ];
        assert_eq!(resolve(&twice, &layout).len(), 1);
    }

    #[test]
    fn a_replacement_is_remembered_and_a_damaged_file_is_nothing() {
        let state = tempfile::tempdir().unwrap();
        let app = tempfile::tempdir().unwrap();
        let layout = Layout::new(state.path());
        let source = format!("file://{}", app.path().display());
        let at_start = || place(&source, Some("core.thing"), &layout);
        let first = at_start();
        assert!(!first.is_replaced());
        let replacement = first.replacement.as_ref().unwrap();
        let settings = replacement.settings_of_folder(None);
        replacement
            .store(|stored| stored.settings = Some(settings))
            .unwrap();
        // It is a folder without a program.
        let reason = at_start().now().package.unwrap_err();
        assert!(reason.contains("neither package.json"), "{reason}");
        fs::write(app.path().join("index.js"), "").unwrap();
        fs::write(app.path().join("atek.json"), r#"{"name":"Mine"}"#).unwrap();
        let again = at_start();
        assert!(again.is_replaced());
        assert_eq!(again.now().settings.package.title.as_deref(), Some("Mine"));
        again
            .replacement
            .as_ref()
            .unwrap()
            .store(|stored| stored.fell_back = Some("exit code 3".to_owned()))
            .unwrap();
        let reason = at_start().now().package.unwrap_err();
        assert!(reason.ends_with("exit code 3"), "{reason}");
        fs::write(&replacement.file, "half").unwrap();
        assert!(!at_start().is_replaced());
    }
}
