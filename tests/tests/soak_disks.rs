//! Disks of more than forty kinds, plugged into a booted box.

#[path = "safety/strangers.rs"]
mod strangers;

#[tokio::test]
async fn disks_of_more_than_forty_kinds_stay_as_they_are() -> anyhow::Result<()> {
    let kinds = strangers::all();
    assert!(kinds.len() > 60, "{}", kinds.len());
    strangers::stay_as_they_are("soak-disks", kinds).await
}
