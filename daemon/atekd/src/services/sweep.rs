//! What a crash left: finished where the deciding step was made, undone where it was not.
//!
//! Nothing here is needed after an orderly end. A failure is logged and tried again at the
//! next start.

use super::definition;
use super::intent::{self, Give, Install, Uninstall, Update};
use super::{Inner, give, kept, uninstall, update};
use crate::chain::Chain;
use crate::spawn::SpawnError;
use atek_api::ids::ServiceKey;
use atek_api::spec::PackageVersion;
use std::sync::Arc;

pub(super) async fn sweep(inner: &Arc<Inner>) {
    logged("an unfinished package job", inner.packages.clear().await);
    stray_units(inner).await;
    uninstalls(inner).await;
    intent::prepare(inner.layout.state());
    installs(inner).await;
    kept::sweep(inner);
    gives(inner).await;
    run_files(inner).await;
    updates(inner).await;
}

/// Units of services that were removed or renamed.
async fn stray_units(inner: &Inner) {
    for id in inner.supervisor.strays().await {
        tracing::info!(%id, "stopping a unit that belongs to no service");
        let stopped = inner.spawn.stop_service(&id).await;
        logged("a stray unit", stopped);
        logged("a stray unit", inner.spawn.reset_failed(&id).await);
    }
}

async fn uninstalls(inner: &Inner) {
    let state = inner.layout.state();
    for (key, intent) in intent::all::<Uninstall>(state) {
        match intent {
            Some(Uninstall { keep_data }) if !exists(inner, &key) => {
                tracing::info!(%key, "finishing an uninstall");
                logged(
                    "an uninstalled service",
                    uninstall::remove_files(inner, &key, None, keep_data).await,
                );
            }
            // Its record is there: nothing was decided.
            _ => intent::end::<Uninstall>(state, &key),
        }
    }
}

/// Packages whose record was never stored. Only those whose install is known to have been
/// cut off: a record that is missing for another reason must not cost a package.
async fn installs(inner: &Inner) {
    let state = inner.layout.state();
    for (key, _) in intent::all::<Install>(state) {
        if exists(inner, &key) {
            intent::end::<Install>(state, &key);
            continue;
        }
        tracing::info!(%key, "undoing an unfinished install");
        let removed = inner.spawn.remove_package(&key).await;
        if removed.is_ok() {
            intent::end::<Install>(state, &key);
        }
        logged("an unfinished install", removed);
    }
}

/// Apps that were handed over, and their databases not yet: before any of them starts.
async fn gives(inner: &Inner) {
    let state = inner.layout.state();
    for (from, intent) in intent::all::<Give>(state) {
        let Some(intent) = intent.filter(|intent| give::has_heir(inner, intent)) else {
            tracing::error!(user = %from, "cannot tell who gets what this user had");
            intent::end::<Give>(state, &from);
            continue;
        };
        tracing::info!(%from, to = %intent.to, "finishing to hand over");
        if let Err(error) = give::hand_over(inner, &from, &intent).await {
            let error = Chain(&error);
            tracing::error!(%from, to = %intent.to, %error, "could not be handed over");
        }
    }
}

/// Tokens, sockets and kept listeners of services that are gone.
async fn run_files(inner: &Inner) {
    for key in inner.attach.known() {
        if !exists(inner, &key) {
            inner.attach.close(&key).await;
        }
    }
}

async fn updates(inner: &Arc<Inner>) {
    let state = inner.layout.state();
    for (key, intent) in intent::all::<Update>(state) {
        let records = inner.database.records();
        let record = records.service(key.as_str());
        let to: Option<PackageVersion> = intent.and_then(|intent| intent.to.parse().ok());
        let (Some(record), Some(to)) = (record, to) else {
            intent::end::<Update>(state, &key);
            continue;
        };
        if definition::installed(&record.settings).as_ref() == Some(&to) {
            tracing::info!(%key, %to, "finishing an update");
            update::tidy_up(inner, &key, &to, None).await;
            continue;
        }
        tracing::info!(%key, %to, "undoing an unfinished update");
        let lock = inner.locks.take(&key, &record.settings.id, "update");
        let inner = inner.clone();
        // It waits until the old version runs; the others are not to wait for that.
        tokio::spawn(async move {
            let _lock = lock;
            update::go_back(&inner, &key, &to).await;
        });
    }
}

fn exists(inner: &Inner, key: &ServiceKey) -> bool {
    inner.core.iter().any(|core| core.key == *key)
        || inner.database.records().service(key.as_str()).is_some()
}

fn logged(what: &str, outcome: Result<(), SpawnError>) {
    if let Err(error) = outcome {
        tracing::warn!(what, error = %Chain(&error), "could not be swept");
    }
}
