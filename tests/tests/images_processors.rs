//! Images and components for several processors: the box takes what it can run. On the emulated
//! card, whose processor is another one, the same is shown by `soak_card_images.rs`.

mod images;

use atek_tests::host::{Host, refusal};
use atek_tests::registry::{Registry, machine};
use atek_tests::{GitRemote, components, skip};
use images::{PROCESSORS, nothing_is_left, push_for};
use serde_json::json;

#[tokio::test]
async fn of_an_image_for_two_processors_the_one_for_this_box_runs() -> anyhow::Result<()> {
    let host = Host::boot("images-processors").await?;
    let Some(registry) = Registry::start_at(host.machine.gateway()?) else {
        skip("docker-registry is not installed");
        return Ok(());
    };
    if !push_for(&PROCESSORS, &registry, "1.0.0")? {
        skip("mmdebstrap is not installed");
        return Ok(());
    }
    let alice = host.person("alice", "admin").await?;
    let source = registry.source("site");
    let params = json!({ "sourceUrl": source, "id": "site", "user": "alice" });
    host.install_from(params.clone()).await?;
    host.service_is("site", "running").await?;
    let about = host.page(&alice, "site", "/cgi-bin/about").await?;
    let processor = format!("processor {}\n", std::env::consts::ARCH);
    assert!(about.contains(&processor), "{about}");
    let uninstall = ["atek", "uninstall", "site", "--yes"];
    host.machine.exec(uninstall).await?;

    // One that is for another processor alone is refused in a sentence.
    let other = PROCESSORS.into_iter().find(|it| *it != machine());
    let other = other.unwrap_or_default();
    push_for(&[other], &registry, "2.0.0")?;
    let error = refusal(host.install_from(params).await);
    for part in [format!("linux/{}", machine()), format!("linux/{other}")] {
        assert!(error.message.contains(&part), "{}", error.message);
    }
    nothing_is_left(&host).await
}

#[tokio::test]
async fn a_component_is_compiled_for_the_processor_of_the_box() -> anyhow::Result<()> {
    let host = Host::boot("wasm-processors").await?;
    let Some(component) = components::small()? else {
        skip("npm is not installed");
        return Ok(());
    };
    let alice = host.person("alice", "admin").await?;
    let remote = GitRemote::new("small", host.machine.gateway()?)?;
    images::small(&remote, component)?;
    let install = ["atek", "install", &remote.url(), "--yes", "--user", "alice"];
    host.machine.exec(install).await?;
    host.service_is("small", "running").await?;
    let page = host.page(&alice, "small", "/").await?;
    assert_eq!(page, images::SMALL_PAGE);
    let code = host.machine.shell(images::CODE_OF_COMPONENTS).await?;
    assert_eq!(code.trim(), images::elf(std::env::consts::ARCH));
    host.machine
        .exec(["atek", "uninstall", "small", "--yes"])
        .await?;
    nothing_is_left(&host).await
}
