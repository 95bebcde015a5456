//! Handing everything that a user owns over to another one.
//!
//! ```text
//!  stop what runs | intent -> records name the new owner -> databases, kept data -> intent
//!  ended | start what ran
//! ```
//!
//! The services are down in between: one that ran for the old owner while its database
//! belongs to the new one already would find none, and make a new one. What is cut off is
//! finished at the next start of the host, or before the user is decided about again.

use super::handle::Wish;
use super::intent::{self, Give};
use super::requests;
use super::state::Life;
use super::{GiveError, Inner, fault, kept};
use atek_api::ids::{ServiceKey, UserKey};
use std::sync::Arc;

pub(super) async fn give(inner: &Arc<Inner>, from: UserKey, to: UserKey) -> Result<(), GiveError> {
    finish(inner, &from).await?;
    let services = {
        let records = inner.database.records();
        let all = records.services();
        all.filter(|record| record.settings.owning_user_key == from)
            .map(|record| record.key.clone())
            .collect()
    };
    run(inner, from, Give { to, services }).await
}

/// Finishes what an interruption left of handing over a user's things.
pub(super) async fn finish(inner: &Arc<Inner>, from: &UserKey) -> Result<(), GiveError> {
    inner.tidy().await;
    match intent::one::<Give>(inner.layout.state(), from) {
        Some(give) if has_heir(inner, &give) => run(inner, from.clone(), give).await,
        Some(_) | None => Ok(()),
    }
}

/// Whether the one who gets it is still there.
pub(super) fn has_heir(inner: &Inner, give: &Give) -> bool {
    give.to.is_system() || inner.database.records().user(give.to.as_str()).is_some()
}

async fn run(inner: &Arc<Inner>, from: UserKey, give: Give) -> Result<(), GiveError> {
    // All of them, before anything happens to one.
    let mut locks = Vec::new();
    for key in &give.services {
        let records = inner.database.records();
        if let Some(record) = records.service(key.as_str()) {
            locks.push(inner.locks.take(key, &record.settings.id, "configure")?);
        }
    }
    let inner = inner.clone();
    // Once begun it is finished, whether or not somebody still listens.
    let rest = tokio::spawn(async move {
        let _locks = locks;
        let mut down = Vec::new();
        let given = match stop(&inner, &give, &mut down).await {
            Ok(()) => hand_over(&inner, &from, &give).await,
            Err(error) => Err(error),
        };
        for key in down {
            // How it goes is in its state; whose it is does not depend on that.
            let _ = inner.supervisor.start(&key, Wish::Start).await;
        }
        given
    });
    rest.await
        .unwrap_or(Err(GiveError::Refused(super::ShuttingDown.into())))
}

async fn stop(inner: &Inner, give: &Give, down: &mut Vec<ServiceKey>) -> Result<(), GiveError> {
    let records = inner.database.records();
    let there = give.services.iter();
    for key in there.filter(|key| records.service(key.as_str()).is_some()) {
        let life = inner.supervisor.look(key).await?.life;
        if matches!(
            life,
            Life::Starting { .. } | Life::Running { .. } | Life::Restarting { .. }
        ) {
            inner.supervisor.stop(key).await?;
            down.push(key.clone());
        }
    }
    Ok(())
}

/// The deciding steps; the services must be down. Each may be repeated.
pub(super) async fn hand_over(inner: &Inner, from: &UserKey, give: &Give) -> Result<(), GiveError> {
    fault::point("give.stopped");
    intent::begin(inner.layout.state(), from, give)?;
    fault::point("give.begun");
    for key in &give.services {
        let to = give.to.clone();
        let change = requests::change(inner, key, move |settings| {
            settings.owning_user_key = to;
        });
        change.await?;
    }
    fault::point("give.stored");
    inner.database.give_databases(from, &give.to).await?;
    kept::give(inner, from, &give.to).await?;
    intent::end::<Give>(inner.layout.state(), from);
    Ok(())
}
