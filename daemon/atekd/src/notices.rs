//! What administrators are told about backups and disks: by the light on the board, and by mail.
//! Pages ask for themselves.

use crate::backups::Backups;
use crate::mail::{Mail, Notice};
use atek_api::backup::BackupStatus;
use atek_api::system::{StorageProblem, StorageTrouble};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(60);
/// A look that takes longer is one at a disk that does not answer.
const STUCK: Duration = Duration::from_secs(45);

/// Looks for what is wrong now and then, and tells it. `show` is told whether there is anything.
/// Never ends.
pub async fn keep(backups: &Backups, mail: &Mail, show: impl Fn(bool)) {
    let mut shown = None;
    let mut look = None;
    loop {
        // One that is stuck is waited for: each holds a thread.
        let running = look.get_or_insert_with(|| begin(backups));
        let found = match tokio::time::timeout(STUCK, running).await {
            Ok(found) => {
                look = None;
                found.unwrap_or_default()
            }
            Err(_) => vec![stuck()],
        };
        let is_wrong = !found.is_empty();
        if shown != Some(is_wrong) {
            shown = Some(is_wrong);
            show(is_wrong);
        }
        mail.tell(&found).await;
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = mail.changed() => {}
            () = backups.ended() => {}
        }
    }
}

fn begin(backups: &Backups) -> JoinHandle<Vec<Notice>> {
    let backups = backups.clone();
    tokio::task::spawn_blocking(move || {
        let storage = backups.storage_problems();
        notices(&backups.status(), &storage)
    })
}

fn stuck() -> Notice {
    Notice {
        key: "storage stuck".into(),
        title: "a disk does not answer".into(),
        text: "Looking at the disks takes very long: one of them, or the one with the backups, may be failing. Unplug and plug in the disk of the backups; make a backup if that still works.".into(),
    }
}

/// What is wrong, each with the key by which it is known again.
fn notices(backups: &BackupStatus, storage: &[StorageProblem]) -> Vec<Notice> {
    let mut found = Vec::new();
    let mut add = |key: String, title: String, text: String| {
        found.push(Notice { key, title, text });
    };
    let target = match &backups.settings.target {
        Some(target) => format!("Backups are kept in {target}."),
        None => String::new(),
    };
    let last = match &backups.last_good {
        Some(time) => format!("The last good one is of {time}."),
        None => "There is no good one yet.".to_owned(),
    };
    if let Some(problem) = &backups.problem {
        let text = format!("{problem}\n{last} {target}");
        add("backup-failed".into(), "a backup went wrong".into(), text);
    }
    if backups.missed {
        let text = format!(
            "Two backups in a row are missing. {last} {target}\nIs the disk plugged in, or the server there? atek backup now makes one at once."
        );
        add("backup-missed".into(), "backups are missing".into(), text);
    }
    for problem in storage {
        let kind = match problem.kind {
            StorageTrouble::ReadOnly => "can only be read",
            StorageTrouble::NoWrites => "cannot be written",
            StorageTrouble::Errors => "has errors",
            StorageTrouble::Worn => "is worn out",
            StorageTrouble::Gone => "is not there",
        };
        let disk = &problem.disk;
        // Numbers in its text change; it is the same notice.
        let key = format!("storage {:?} {disk}", problem.kind);
        add(key, format!("{disk} {kind}"), problem.text.clone());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_by_a_key_that_stays_the_same_while_it_holds() {
        assert_eq!(notices(&BackupStatus::default(), &[]), []);
        let backups = BackupStatus {
            problem: Some("the disk is full".into()),
            missed: true,
            last_good: Some("2026-11-30T08:00:00Z".into()),
            ..BackupStatus::default()
        };
        let fails = |count: u32| StorageProblem {
            kind: StorageTrouble::Errors,
            disk: "sda".into(),
            text: format!("{count} reads or writes have failed"),
        };
        let found = notices(&backups, &[fails(30)]);
        let keys: Vec<&str> = found.iter().map(|notice| notice.key.as_str()).collect();
        assert_eq!(
            keys,
            ["backup-failed", "backup-missed", "storage Errors sda"]
        );
        assert!(found[0].text.contains("the disk is full"), "{found:?}");
        assert!(found[1].text.contains("2026-11-30T08:00:00Z"), "{found:?}");
        let later = notices(&backups, &[fails(31)]);
        assert_eq!(later[2].key, found[2].key);
    }
}
