//! Two hundred kills in the middle of updates.

mod updating;

#[tokio::test]
async fn two_hundred_kills_of_updates_leave_one_version_whole() -> anyhow::Result<()> {
    updating::survive("soak-updates", 200).await
}
