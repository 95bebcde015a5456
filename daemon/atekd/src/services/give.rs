//! Handing everything that a user owns over to another one.
//!
//! ```text
//!  stop what runs | records name the new owner -> databases, kept data -> start what ran
//! ```
//!
//! The services are down in between: one that ran for the old owner while its database
//! belongs to the new one already would find none, and make a new one. It may be repeated
//! after an interruption.

use super::handle::Wish;
use super::requests;
use super::state::Life;
use super::{GiveError, Inner, fault, kept};
use atek_api::ids::{ServiceId, ServiceKey, UserKey};
use std::sync::Arc;

pub(super) async fn give(inner: &Arc<Inner>, from: UserKey, to: UserKey) -> Result<(), GiveError> {
    inner.tidy().await;
    let owned: Vec<(ServiceKey, ServiceId)> = {
        let records = inner.database.records();
        let all = records.services();
        all.filter(|record| record.settings.owning_user_key == from)
            .map(|record| (record.key.clone(), record.settings.id.clone()))
            .collect()
    };
    // All of them, before anything happens to one.
    let locks: Vec<_> = owned
        .iter()
        .map(|(key, id)| inner.locks.take(key, id, "configure"))
        .collect::<Result<_, _>>()?;
    let inner = inner.clone();
    // Once begun it is finished, whether or not somebody still listens.
    let rest = tokio::spawn(async move {
        let _locks = locks;
        let mut down = Vec::new();
        let given = hand_over(&inner, &owned, &from, &to, &mut down).await;
        for key in down {
            // How it goes is in its state; whose it is does not depend on that.
            let _ = inner.supervisor.start(&key, Wish::Start).await;
        }
        given
    });
    rest.await
        .unwrap_or(Err(GiveError::Refused(super::ShuttingDown.into())))
}

async fn hand_over(
    inner: &Inner,
    owned: &[(ServiceKey, ServiceId)],
    from: &UserKey,
    to: &UserKey,
    down: &mut Vec<ServiceKey>,
) -> Result<(), GiveError> {
    for (key, _) in owned {
        let life = inner.supervisor.look(key).await?.life;
        if matches!(
            life,
            Life::Starting { .. } | Life::Running { .. } | Life::Restarting { .. }
        ) {
            inner.supervisor.stop(key).await?;
            down.push(key.clone());
        }
    }
    fault::point("give.stopped");
    for (key, _) in owned {
        let to = to.clone();
        let change = requests::change(inner, key, move |settings| {
            settings.owning_user_key = to;
        });
        change.await?;
    }
    fault::point("give.stored");
    inner.database.give_databases(from, to).await?;
    kept::give(inner, from, to).await?;
    Ok(())
}
