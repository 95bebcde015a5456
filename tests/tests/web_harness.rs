//! The browser's harness finds what it is there to find.

use atek_tests::browser::Stage;
use atek_tests::host::Host;

#[tokio::test]
async fn a_page_with_a_fault_fails_its_story() -> anyhow::Result<()> {
    let host = Host::boot("web-faults").await?;
    Stage::new(host).play("faults").await
}
