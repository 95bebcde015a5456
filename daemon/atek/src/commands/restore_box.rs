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
    fetched(host).await?;
    started(host).await?;
    host.out.done(&format!(
        "this is the box of the backup {} now: people sign in as they did",
        begun.run
    ))
}

/// Waits until everything was fetched and the host starts again.
async fn fetched(host: &Host) -> Result<(), Failure> {
    let mut told = 0;
    loop {
        let action = "look how far the restore is";
        // The host that starts again refuses connections, or does not know of a restore any more.
        let Ok(answer) = host.call(API, "restoreStatus", [(); 0], action).await else {
            return Ok(());
        };
        let status: RestoreStatus = read("restoreStatus", &answer)?;
        if let Some(problem) = &status.problem {
            let problem = clean::line(problem);
            return Err(Failure::Usage(format!("the box is as new: {problem}")));
        }
        if !status.running {
            return Ok(());
        }
        if status.done > told {
            told = status.done;
            let all = status.total;
            host.out.note(&format!("{told} of {all} parts are here"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until the host is ready and the box has its users.
async fn started(host: &Host) -> Result<(), Failure> {
    let deadline = Instant::now() + RESTART;
    loop {
        match has_users(host).await {
            Ok(true) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Ok(_) if Instant::now() > deadline => {
                let text = "the host has not started as the restored box: journalctl -u atekd";
                return Err(Failure::Usage(text.to_owned()));
            }
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn has_users(host: &Host) -> Result<bool, Failure> {
    let action = "see the restored box start";
    let ready = host.call(INSPECT, "isReady", [(); 0], action).await?;
    // Before that it is not known who the users are.
    if !read::<bool>("isReady", &ready)? {
        return Ok(false);
    }
    let status = host.call(API, "status", [(); 0], action).await?;
    Ok(!read::<Status>("status", &status)?.needed)
}
