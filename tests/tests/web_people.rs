//! People with a browser before a booted host. The stories are in `tests/web/scenarios/`.

use atek_tests::Machine;
use atek_tests::browser::{BrowserStory, FIREFOX};
use atek_tests::host::Host;
use atek_tests::plugged::DiskImage;

#[tokio::test]
async fn the_first_person_sets_the_box_up_in_spite_of_a_power_cut() -> anyhow::Result<()> {
    let host = Host::on(Machine::builder("web-first").persistent()).await?;
    BrowserStory::new(host).run("first_boot").await
}

#[tokio::test]
async fn a_person_signs_in_and_who_guesses_does_not() -> anyhow::Result<()> {
    let host = Host::boot("web-sign-in").await?;
    BrowserStory::new(host).run("sign_in").await
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_with_the_box_at_hand() -> anyhow::Result<()> {
    let config = r#"{ "passwordMinLength": 11 }"#;
    let machine = Machine::builder("web-reset").file("/etc/atek/config.json", config, 0o644);
    let host = Host::on(machine).await?;
    BrowserStory::new(host).run("reset").await
}

#[tokio::test]
async fn an_administrator_adds_and_deletes_people_who_do_not_see_one_another() -> anyhow::Result<()>
{
    let host = Host::boot("web-users").await?;
    BrowserStory::new(host).run("users").await
}

#[tokio::test]
async fn a_person_looks_after_their_password_and_devices() -> anyhow::Result<()> {
    let host = Host::boot("web-account").await?;
    BrowserStory::new(host).run("account").await
}

#[tokio::test]
async fn a_person_looks_into_databases_and_mends_them() -> anyhow::Result<()> {
    let host = Host::boot("web-databases").await?;
    BrowserStory::new(host).run("databases").await
}

#[tokio::test]
async fn an_administrator_looks_after_the_box() -> anyhow::Result<()> {
    let host = Host::boot("web-system").await?;
    BrowserStory::new(host).run("system").await
}

#[tokio::test]
async fn an_administrator_restarts_the_box_from_its_page() -> anyhow::Result<()> {
    let host = Host::on(Machine::builder("web-restart").persistent()).await?;
    BrowserStory::new(host).run("restart").await
}

#[tokio::test]
async fn an_administrator_makes_the_box_a_new_one_from_its_page() -> anyhow::Result<()> {
    let host = Host::on(Machine::builder("web-factory-reset").persistent()).await?;
    BrowserStory::new(host).run("factory_reset").await
}

#[tokio::test]
async fn an_administrator_is_asked_before_data_move_to_a_disk() -> anyhow::Result<()> {
    let host = Host::on(Machine::builder("web-move").file("/usr/lib/atek/etc.keep", "", 0o644));
    let host = host.await?;
    // Larger than what the disk of this machine holds; only its first page is written.
    let disk = DiskImage::make(
        "swap",
        1 << 40,
        "mkswap -q -L HOLIDAY $F || mkswap -L HOLIDAY $F",
    )?;
    let Some(disk) = disk else {
        return Ok(());
    };
    let Some(_plugged) = disk.plug(&host.machine, false).await? else {
        return Ok(());
    };
    // The id of a disk changes with what is on it: the story compares it.
    BrowserStory::new(host).run("move").await
}

#[tokio::test]
async fn a_person_answers_at_home_what_apps_ask_to_sign() -> anyhow::Result<()> {
    let host = Host::boot("web-key-requests").await?;
    BrowserStory::new(host).run("key_requests").await
}

#[tokio::test]
async fn recovery_words_that_were_put_off_are_asked_for_until_they_are_confirmed()
-> anyhow::Result<()> {
    let host = Host::boot("web-words").await?;
    BrowserStory::new(host).run("words").await
}

#[tokio::test]
async fn every_page_fits_every_screen_in_both_languages_and_holds_still_if_asked()
-> anyhow::Result<()> {
    let host = Host::boot("web-sizes").await?;
    BrowserStory::new(host).run("sizes").await
}

#[tokio::test]
async fn a_sign_out_leaves_nothing_in_firefox_either() -> anyhow::Result<()> {
    if !std::path::Path::new(FIREFOX).exists() {
        atek_tests::skip("firefox-esr is not installed");
        return Ok(());
    }
    let host = Host::boot("web-firefox").await?;
    BrowserStory::new(host).run("firefox").await
}
