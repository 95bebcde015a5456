//! People and their apps, in a browser before a booted host. The stories are in
//! `tests/web/scenarios/`.

use atek_tests::Machine;
use atek_tests::browser::BrowserStory;
use atek_tests::host::Host;
use serde_json::json;

#[tokio::test]
async fn a_box_is_set_up_and_an_app_installed_with_the_keyboard_alone() -> anyhow::Result<()> {
    let host = Host::boot("web-install").await?;
    BrowserStory::new(host)
        .with_remote("hello")?
        .run("install")
        .await
}

#[tokio::test]
async fn a_person_looks_after_an_app() -> anyhow::Result<()> {
    let host = Host::boot("web-app").await?;
    BrowserStory::new(host)
        .with_remote("hello")?
        .run("app")
        .await
}

#[tokio::test]
async fn an_app_that_does_not_run_says_why_at_its_own_address_until_it_does() -> anyhow::Result<()>
{
    let host = Host::boot("web-standing").await?;
    BrowserStory::new(host).run("standing").await
}

/// All four variants in both languages are `soak_pages.rs`.
#[tokio::test]
async fn every_page_fits_a_phone_in_german_and_is_accessible() -> anyhow::Result<()> {
    let host = Host::boot("web-pages").await?;
    BrowserStory::new(host).run("pages").await
}

#[tokio::test]
async fn a_person_decides_about_updates_and_sees_what_came_of_them() -> anyhow::Result<()> {
    // The configuration names a home that is not there: the built-in one runs, and says so.
    let core = json!([
        { "sourceUrl": "builtin:adb" },
        { "sourceUrl": "file:///srv/no-such-home", "id": "core.lonestar" },
        { "sourceUrl": "builtin:keys" },
        { "sourceUrl": "builtin:hypercore" },
    ]);
    let updates = json!({ "probationSeconds": 4 });
    let config = json!({ "coreServices": core, "updates": updates }).to_string();
    let machine = Machine::builder("web-updates").file("/etc/atek/config.json", config, 0o644);
    let host = Host::on(machine).await?;
    BrowserStory::new(host)
        .with_remote("hello")?
        .with_remote("records")?
        .run("updates")
        .await
}

#[tokio::test]
async fn a_hostile_app_gets_nothing_that_is_not_its_own() -> anyhow::Result<()> {
    let host = Host::boot("web-hostile").await?;
    BrowserStory::new(host)
        .with_remote("evil")?
        .run("hostile")
        .await
}

#[tokio::test]
async fn an_app_read_what_the_one_before_had_left_in_the_browser() -> anyhow::Result<()> {
    let host = Host::boot("web-former").await?;
    BrowserStory::new(host).run("former_app").await
}

#[tokio::test]
async fn the_bundles_are_small_and_the_launcher_is_measured() -> anyhow::Result<()> {
    let host = Host::boot("web-speed").await?;
    BrowserStory::new(host).run("speed").await
}

#[tokio::test]
async fn data_that_was_kept_is_offered_when_the_app_is_installed_again() -> anyhow::Result<()> {
    let host = Host::boot("web-retained").await?;
    BrowserStory::new(host)
        .with_remote("hello")?
        .run("retained")
        .await
}

#[tokio::test]
async fn a_person_without_apps_finds_one_in_the_catalogue() -> anyhow::Result<()> {
    let host = Host::boot("web-catalogue").await?;
    BrowserStory::new(host).run("catalogue").await
}

#[tokio::test]
async fn a_person_picks_what_an_app_asks_for() -> anyhow::Result<()> {
    let host = Host::boot("web-powerbox").await?;
    BrowserStory::new(host)
        .with_remote("greeter")?
        .run("powerbox")
        .await
}

#[tokio::test]
async fn an_app_asks_and_people_decide_share_and_take_back() -> anyhow::Result<()> {
    let host = Host::boot("web-grants").await?;
    BrowserStory::new(host).run("grants").await
}
