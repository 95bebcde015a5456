//! Container images and a WebAssembly component on the card, whose processor is emulated: the same
//! image and the same file as on this machine's processor (`images_processors.rs`), in the form for
//! the card's.
//!
//! `console.log` of `out/emulated/images` has what its screen showed.

mod images;

use anyhow::ensure;
use atek_tests::emulated::{BOOT, Emulated, GATEWAY};
use atek_tests::host::{SERVICES, app_cookie, refusal};
use atek_tests::http::Client;
use atek_tests::{GitRemote, Seen, components, skip, wait_for};
use images::{PROCESSORS, push_for, registry_for};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// What the apps of this test may leave nothing of.
const LEFT: &str = "cd /var/lib/atek
    for found in packages/*/versions/*/rootfs packages/*/current/rootfs packages/*/current/.atek-wasm staging/*/* updates/*; do
      [ ! -e $found ] || echo $found
    done
    ls -1d /var/lib/private/atek-app-* 2>/dev/null | grep -v 'core[.]' || :
    systemctl list-units --all --no-legend --plain 'atek-app-site*' 'atek-app-small*' 'atek-package-*' | cut -d' ' -f1";

async fn page(emulated: &Emulated, owner: &Client, id: &str, path: &str) -> anyhow::Result<String> {
    let cookie = app_cookie(&emulated.http(), owner, id).await?;
    let app = emulated.http().host(&format!("{id}.localhost"));
    let app = app.header("cookie", &format!("atek-session={cookie}"));
    let answer = app.get(path).await?;
    ensure!(answer.status == 200, "{id}{path}: {}", answer.text());
    Ok(answer.text())
}

/// The page of the image, with the data that it keeps.
async fn is(emulated: &Emulated, owner: &Client, version: &str, count: &str) -> anyhow::Result<()> {
    let about = page(emulated, owner, "site", "/cgi-bin/about").await?;
    for line in ["processor aarch64", "user web", version] {
        ensure!(about.contains(&format!("{line}\n")), "{line}: {about}");
    }
    let counted = page(emulated, owner, "site", "/cgi-bin/count").await?;
    ensure!(counted.trim() == count, "{counted} and not {count}");
    Ok(())
}

async fn runs(owner: &Client, id: &str) -> anyhow::Result<()> {
    wait_for(&format!("{id} to be running"), BOOT, async || {
        let service = owner.call(SERVICES, "get", json!([id])).await?;
        Ok(Seen::if_so(service, |service| {
            service["state"] == "running"
        }))
    })
    .await
    .map(drop)
}

#[tokio::test]
async fn an_image_and_a_component_are_used_updated_and_gone_on_the_cards_processor()
-> anyhow::Result<()> {
    let Some(registry) = registry_for(&PROCESSORS)? else {
        return Ok(());
    };
    let mut emulated = Emulated::new("images")?;
    emulated.start()?;
    emulated.answers().await?;
    emulated.lets_in().await?;
    let owner = emulated.claim().await?;
    let call = async |method: &str, params: Value| owner.call(SERVICES, method, params).await;

    let source = registry.source("site").replace("127.0.0.1", GATEWAY);
    let wish = json!([{ "sourceUrl": source, "id": "site" }]);
    call("install", wish.clone()).await?;
    runs(&owner, "site").await?;
    is(&emulated, &owner, "version 1.0.0", "1").await?;

    push_for(&PROCESSORS, &registry, "1.1.0")?;
    let done = call("updatePackage", json!(["site"])).await?;
    ensure!(done["installedVersion"] == "1.1.0", "{done}");
    is(&emulated, &owner, "version 1.1.0", "2").await?;

    // It outlives a power cut, and one that is for another processor is none for it. The program
    // does not wait until what it writes is on the card.
    emulated.exec("sync").await?;
    emulated.cut_power();
    emulated.start()?;
    emulated.answers().await?;
    runs(&owner, "site").await?;
    is(&emulated, &owner, "version 1.1.0", "3").await?;
    emulated.exec("atek rollback site --yes").await?;
    runs(&owner, "site").await?;
    is(&emulated, &owner, "version 1.0.0", "2").await?;
    push_for(&["amd64"], &registry, "2.0.0")?;
    let error = refusal(call("updatePackage", json!(["site"])).await);
    ensure!(error.message.contains("linux/arm64"), "{}", error.message);
    is(&emulated, &owner, "version 1.0.0", "3").await?;
    call("uninstall", json!(["site"])).await?;

    has_a_component(&emulated, &owner).await?;
    let left = emulated.exec(LEFT).await?;
    ensure!(left.trim().is_empty(), "{left}");
    Ok(())
}

/// The file that this machine's processor runs, too.
async fn has_a_component(emulated: &Emulated, owner: &Client) -> anyhow::Result<()> {
    let Some(component) = components::small()? else {
        skip("npm is not installed");
        return Ok(());
    };
    let remote = GitRemote::new("small", Ipv4Addr::LOCALHOST)?;
    images::small(&remote, component)?;
    emulated.install(owner, &remote, "small").await?;
    let said = page(emulated, owner, "small", "/").await?;
    ensure!(said == images::SMALL_PAGE, "{said}");
    let code = emulated.exec(images::CODE_OF_COMPONENTS).await?;
    ensure!(code.trim() == images::elf("aarch64"), "{code}");
    owner
        .call(SERVICES, "uninstall", json!(["small"]))
        .await
        .map(drop)
}
