//! Every page of the web home in both languages, on a phone and a desktop, light and dark. The
//! pictures are in `out/web/all_pages/`.

use atek_tests::browser::BrowserStory;
use atek_tests::host::Host;

#[tokio::test]
async fn every_page_is_accessible_and_fits_in_every_language_size_and_colour() -> anyhow::Result<()>
{
    let host = Host::boot("soak-pages").await?;
    BrowserStory::new(host).run("all_pages").await
}
