//! Start, stop, restart, and a close look: what a person asks of a service that exists.

use super::definition::Definition;
use super::folder;
use super::handle::Wish;
use super::{Inner, Refused, StartError, StopError, show};
use crate::chain::Chain;
use crate::database::{Change, DatabaseError, ServiceRecord};
use atek_api::ids::ServiceKey;
use atek_api::services::{ServiceSettings, ServiceStatus, SourceType};
use atek_api::source::Source;

pub(super) async fn start(inner: &Inner, key: &ServiceKey) -> Result<(), StartError> {
    ask_to_run(inner, key, Wish::Start).await
}

pub(super) async fn restart(inner: &Inner, key: &ServiceKey) -> Result<(), StartError> {
    ask_to_run(inner, key, Wish::Restart).await
}

async fn ask_to_run(inner: &Inner, key: &ServiceKey, wish: Wish) -> Result<(), StartError> {
    let look = inner.supervisor.look(key).await?;
    inner.locks.check(key, &look.definition.settings.id)?;
    if look.definition.core.is_none() {
        remember(inner, key, false).await?;
        refresh(inner, &look.definition).await?;
    }
    inner.supervisor.start(key, wish).await
}

pub(super) async fn stop(inner: &Inner, key: &ServiceKey) -> Result<(), StopError> {
    let look = inner.supervisor.look(key).await?;
    inner.locks.check(key, &look.definition.settings.id)?;
    if look.definition.core.is_none() {
        remember(inner, key, true).await?;
    }
    inner.supervisor.stop(key).await
}

/// Stores whether the service is to stay stopped.
async fn remember(inner: &Inner, key: &ServiceKey, stopped: bool) -> Result<(), DatabaseError> {
    change(inner, key, move |settings| settings.stopped = stopped).await
}

/// Changes a record; one that is gone meanwhile is left alone.
pub(super) async fn change(
    inner: &Inner,
    key: &ServiceKey,
    change: impl FnOnce(&mut ServiceSettings) + Send + 'static,
) -> Result<(), DatabaseError> {
    let key = key.clone();
    inner
        .database
        .update(move |records| {
            let changes = records.service(key.as_str()).and_then(|record| {
                let mut settings = record.settings.clone();
                change(&mut settings);
                let record = ServiceRecord {
                    key,
                    settings: settings.clone(),
                };
                let is_new = records.service(record.key.as_str())?.settings != settings;
                is_new.then(|| vec![Change::PutService(Box::new(record))])
            });
            Ok::<_, DatabaseError>(((), changes.unwrap_or_default()))
        })
        .await
}

/// A package that runs in place may have another manifest than when it was installed.
async fn refresh(inner: &Inner, definition: &Definition) -> Result<(), StartError> {
    let settings = &definition.settings;
    if settings.package.source_type != SourceType::File {
        return Ok(());
    }
    let Ok(Source::Folder(path)) = settings.source_url.parse() else {
        return Ok(());
    };
    let looked = tokio::task::spawn_blocking(move || folder::look(&path)).await;
    let Ok(looked) = looked else { return Ok(()) };
    let manifest = looked
        .map_err(|error| StartError::Failed {
            id: settings.id.clone(),
            reason: Chain(&error).to_string(),
        })?
        .manifest;
    if manifest == settings.manifest {
        return Ok(());
    }
    change(inner, &definition.key, |settings| {
        settings.package.title = manifest.as_ref().and_then(|manifest| manifest.name.clone());
        settings.manifest = manifest;
    })
    .await?;
    Ok(())
}

pub(super) async fn status(inner: &Inner, key: &ServiceKey) -> Result<ServiceStatus, Refused> {
    let look = inner.supervisor.look(key).await?;
    let definition = &look.definition;
    let unit = definition.unit_id().unit();
    let limits = definition.effective_limits();
    let usage = inner.systemd.usage(&unit).await.unwrap_or_else(|error| {
        tracing::warn!(%key, error = %Chain(&error), "cannot tell what a service uses");
        Default::default()
    });
    let (state, reason) = show::life(&look.life, &limits);
    let view = look.view.as_ref();
    let since = view.and_then(|view| i64::try_from(view.since_usec).ok());
    let since = since
        .filter(|usec| *usec > 0)
        .and_then(|usec| jiff::Timestamp::from_microsecond(usec).ok());
    Ok(ServiceStatus {
        id: definition.settings.id.clone(),
        key: key.clone(),
        unit,
        state,
        reason,
        since: since.map(|since| since.to_string()),
        pid: view.and_then(|view| view.pid),
        memory_bytes: usage.memory_bytes,
        cpu_usec: usage.cpu_usec,
        restarts: view.map_or(0, |view| view.restarts),
        last_exit: look.last_exit.map(|exit| show::exit(exit, &limits)),
        limits,
        version: definition.settings.package.installed_version.clone(),
    })
}
