//! Kills during backups and restores of a booted box, a few; `./tests/run soak` makes 300.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

#[path = "safety/backup.rs"]
mod backup;
#[path = "safety/box_kills.rs"]
mod box_kills;
#[path = "safety/kills.rs"]
mod kills;
#[path = "safety/note.rs"]
mod note;
#[allow(dead_code, reason = "only its numbers by chance are used here")]
#[path = "safety/tree.rs"]
mod tree;

#[tokio::test]
async fn a_kill_at_any_moment_of_a_backup_or_restore_loses_nothing() -> anyhow::Result<()> {
    let kills = std::env::var("ATEK_KILLS").map_or(Ok(6), |text| text.parse())?;
    kills::survive("kills", kills).await
}

#[tokio::test]
async fn a_box_that_is_killed_while_it_is_restored_says_whether_it_is_new_or_whole()
-> anyhow::Result<()> {
    // One before the deciding step and one after it; `soak_backups` has all.
    let [_, state, _, decided, ..] = box_kills::MOMENTS;
    box_kills::survive("kills-box", &[state, decided]).await
}
