//! The browser's harness finds what it is there to find.

use atek_tests::browser::BrowserStory;
use atek_tests::host::Host;

#[tokio::test]
async fn a_page_with_a_fault_fails_its_story() -> anyhow::Result<()> {
    let host = Host::boot("web-faults").await?;
    BrowserStory::new(host).run("faults").await
}
