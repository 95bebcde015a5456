//! Three hundred kills during backups and restores of a booted box.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

#[path = "safety/backup.rs"]
mod backup;
#[path = "safety/box_kills.rs"]
mod box_kills;
#[path = "safety/kills.rs"]
mod kills;
#[path = "safety/note.rs"]
mod note;
#[path = "safety/server_box.rs"]
mod server_box;
#[allow(dead_code, reason = "the cuts of lines are made by `safety_servers`")]
#[path = "safety/servers.rs"]
mod servers;
#[allow(dead_code, reason = "only its numbers by chance are used here")]
#[path = "safety/tree.rs"]
mod tree;

#[tokio::test]
async fn three_hundred_kills_of_backups_and_restores_lose_nothing() -> anyhow::Result<()> {
    kills::survive("soak-kills", 300).await
}

#[tokio::test]
async fn a_kill_at_each_step_of_the_restore_of_a_box_leaves_it_new_or_whole() -> anyhow::Result<()>
{
    box_kills::survive("soak-box", &box_kills::MOMENTS).await
}

#[tokio::test]
async fn a_box_keeps_its_backups_on_a_rest_server() -> anyhow::Result<()> {
    server_box::used("rest", servers::Server::rest).await
}
