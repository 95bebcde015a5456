//! Three hundred kills during backups and restores of a booted box.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

#[path = "safety/kills.rs"]
mod kills;
#[path = "safety/note.rs"]
mod note;
#[allow(dead_code, reason = "only its numbers by chance are used here")]
#[path = "safety/tree.rs"]
mod tree;

#[tokio::test]
async fn three_hundred_kills_of_backups_and_restores_lose_nothing() -> anyhow::Result<()> {
    kills::survive("soak-kills", 300).await
}
