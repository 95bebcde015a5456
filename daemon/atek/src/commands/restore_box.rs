//! `atek restore --box`: a new box becomes the one of a backup.

use crate::ask;
use crate::cli::server::Server;
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::clean;
use atek_api::backup::BackupNameError;
use atek_api::setup::{API, RestoreBegun, RestoreBox, RestoreStatus, Status};
use std::time::{Duration, Instant};

const INSPECT: &str = "atek.cloud/inspect-api";
/// The pause between two looks at how far it is.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the host may take to start as the other box.
const RESTART: Duration = Duration::from_secs(600);

pub(super) async fn run(
    host: &Host,
    from: &str,
    server: &Server,
    run: Option<&str>,
) -> Result<(), Failure> {
    let run = run.map(str::parse).transpose();
    let run = run.map_err(|error: BackupNameError| Failure::Usage(error.to_string()))?;
    let target = super::backup_disks::target(host, from, server).await?;
    let mut wanted = RestoreBox {
        code: String::new(),
        words: ask::password("Recovery words, or the password of the backups: ")?,
        server_password: super::backup_server::password(&target, server)?,
        target,
        run,
    };
    let action = "restore the box";
    let mut answer = host.call(API, "restoreBox", (&wanted,), action).await;
    if let Err(refused) = &answer
        && let Some(target) = super::backup_server::agreed(&wanted.target, refused).await?
    {
        wanted.target = target;
        answer = host.call(API, "restoreBox", (&wanted,), action).await;
    }
    let answer = answer?;
    let begun: RestoreBegun = read("restoreBox", &answer)?;
    host.out.note(&format!(
        "restoring the backup {} with {} apps; this takes as long as copying it",
        begun.run, begun.apps
    ));
    follow(host).await?;
    host.out.done(&format!(
        "this is the box of the backup {} now: people sign in as they did",
        begun.run
    ))
}

/// What can be seen of a restore that has begun.
enum Seen {
    /// It goes on.
    Fetching(RestoreStatus),
    /// Nothing was restored, perhaps because of this.
    AsNew(Option<String>),
    /// The box has its users.
    Restored,
}

/// Waits until the box is the one of the backup, or as new.
async fn follow(host: &Host) -> Result<(), Failure> {
    let mut told = 0;
    let mut unseen = None;
    loop {
        match look(host).await {
            Ok(Seen::Restored) => return Ok(()),
            Ok(Seen::AsNew(problem)) => {
                let problem = problem.as_deref().map(clean::line);
                let problem = problem.unwrap_or("the host was ended in the middle".into());
                let text = format!("the box is as new: {problem}; the same command tries again");
                return Err(Failure::Usage(text));
            }
            Ok(Seen::Fetching(status)) => {
                unseen = None;
                if status.done > told {
                    told = status.done;
                    let all = status.total;
                    host.out.note(&format!("{told} of {all} parts are here"));
                }
            }
            // It starts again.
            Err(error) => {
                if unseen.get_or_insert_with(Instant::now).elapsed() > RESTART {
                    return Err(error);
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Looks once. The order counts: a host that restores says so until its end, and the next one,
/// which knows nothing of it, is ready when it knows the users of the restored box.
async fn look(host: &Host) -> Result<Seen, Failure> {
    let action = "look how far the restore is";
    let answer = host.call(API, "restoreStatus", [(); 0], action).await?;
    let restore: RestoreStatus = read("restoreStatus", &answer)?;
    if restore.problem.is_some() {
        return Ok(Seen::AsNew(restore.problem));
    }
    if restore.running {
        return Ok(Seen::Fetching(restore));
    }
    let action = "see the restored box start";
    host.call(INSPECT, "isReady", [(); 0], action).await?;
    let status = host.call(API, "status", [(); 0], action).await?;
    match read::<Status>("status", &status)?.needed {
        true => Ok(Seen::AsNew(None)),
        false => Ok(Seen::Restored),
    }
}
