//! Registries that lie and images that attack: each is a plain error, and nothing is left.

mod images;

use anyhow::Context as _;
use atek_tests::host::{Host, refusal};
use atek_tests::registry::{Registry, layer};
use atek_tests::{HostileRemote, Hostility};
use images::{FILE, HARD, SYM, busybox, nothing_is_left, registry, site};
use serde_json::{Value, json};
use std::fs;
use tar::EntryType;

/// Why an install was refused.
async fn refused(host: &Host, source: &str) -> String {
    let params = json!({ "sourceUrl": source, "user": "system" });
    let error = refusal(host.install_from(params).await);
    eprintln!("{source}: {}", error.message);
    error.message
}

/// Exchanges a byte of a layer in the registry's own store.
fn spoil(registry: &Registry, digest: &str) -> anyhow::Result<()> {
    let file = registry.blob_file(digest);
    let mut content = fs::read(&file)?;
    let middle = content.len() / 2;
    let byte = content.get_mut(middle).context("an empty layer")?;
    *byte ^= 1;
    fs::write(&file, content)?;
    Ok(())
}

#[tokio::test]
async fn hostile_images_are_refused_and_leave_nothing() -> anyhow::Result<()> {
    let host = Host::boot("images-hostile").await?;
    let Some((registry, _)) = registry(&host)? else {
        return Ok(());
    };
    let plain = layer(&[(FILE, "entry.sh", "#!/bin/sh\n")]);
    let push = |name: &str, config: Value, entries: &[(EntryType, &str, &str)]| {
        registry.push(name, "1.0.0", config, &[plain.clone(), layer(entries)])
    };
    push("outside", site(), &[(FILE, "../../etc/cron.d/evil", "x")]);
    push("hard", site(), &[(HARD, "mine", "../../../etc/shadow")]);
    push(
        "loop",
        site(),
        &[(SYM, "a", "b"), (SYM, "b", "a"), (FILE, "a/x", "x")],
    );
    let layers = push("spoiled", site(), &[(FILE, "a", &"spoiled ".repeat(4_000))]);
    spoil(&registry, &layers[1])?;
    let mut other = site();
    other["architecture"] = json!("s390x");
    push("other", other, &[]);
    let mut wrong = site();
    wrong["rootfs"] = json!({ "type": "layers", "diff_ids": ["sha256:00", "sha256:00"] });
    push("wrong", wrong, &[]);
    push("silent", json!({}), &[]);
    let mut system = site();
    system["config"]["Volumes"] = json!({ "/usr/lib": {} });
    push("system", system, &[]);
    // More than a gigabyte in a few megabytes.
    let zeros = layer(&[(FILE, "srv/zeros", &"\0".repeat(220 << 20))]);
    registry.push("bomb", "1.0.0", site(), &[&zeros[..]; 5]);
    let nowhere: Vec<_> = (0..130)
        .map(|n| layer(&[(FILE, &format!("n/{n}"), "")]))
        .collect();
    registry.push("layers", "1.0.0", site(), &nowhere);

    for (image, words) in [
        ("outside", "whose name no package may have"),
        ("hard", "whose name no package may have"),
        ("loop", "leads in a circle"),
        ("spoiled", "not what its digest says"),
        ("other", "the image is for linux/s390x"),
        ("wrong", "not what its digest says"),
        ("silent", "names no program to start"),
        ("system", "keep data"),
        ("bomb", "the image has more than"),
        ("layers", "more than 128 layers"),
        ("missing", "does not exist"),
    ] {
        let said = refused(&host, &registry.source(image)).await;
        assert!(said.contains(words), "{image}: {said}");
    }
    nothing_is_left(&host).await
}

#[tokio::test]
async fn registries_that_stall_lie_or_redirect_are_given_up() -> anyhow::Result<()> {
    let host = Host::boot("images-registries").await?;
    let gateway = host.machine.gateway()?;
    for (hostility, words) in [
        (Hostility::Status(404), "does not exist"),
        (Hostility::Status(401), "is not public"),
        (Hostility::Status(500), "cannot be reached"),
        (Hostility::ServesAPage, ""),
        (Hostility::RedirectsInCircles, "cannot be reached"),
        (
            Hostility::Redirects("http://127.0.0.1:1/v2/".to_owned()),
            "cannot be reached",
        ),
        (Hostility::Hangs, ""),
    ] {
        let remote = HostileRemote::new(hostility.clone(), gateway)?;
        let url = url::Url::parse(&remote.url())?;
        let port = url.port().context("no port")?;
        let source = format!("oci+http://{gateway}:{port}/site:1.0.0");
        let said = refused(&host, &source).await;
        assert!(said.contains(words), "{hostility:?}: {said}");
        assert!(said.contains("site:1.0.0"), "{hostility:?}: {said}");
    }
    nothing_is_left(&host).await
}

#[tokio::test]
async fn what_an_image_must_not_have_is_not_there() -> anyhow::Result<()> {
    let host = Host::boot("images-stripped").await?;
    let Some((registry, images)) = registry(&host)? else {
        return Ok(());
    };
    let alice = host.person("alice", "admin").await?;
    // `layer` makes every file setuid.
    let mut layers = vec![busybox(&images)?];
    layers.push(layer(&[
        (FILE, "bin/su", "#!/bin/sh\n"),
        (EntryType::Block, "dev/sda", ""),
        (EntryType::Fifo, "srv/pipe", ""),
        (FILE, "etc/ld.so.preload", "/data/evil.so"),
        (FILE, "srv/gone", "x"),
        (FILE, "srv/version", "first"),
    ]));
    // Sixty layers, the last of which wins.
    for n in 0..60 {
        layers.push(layer(&[(FILE, "srv/version", &n.to_string())]));
    }
    layers.push(layer(&[
        (FILE, "srv/.wh.gone", ""),
        (HARD, "srv/hard", "srv/version"),
    ]));
    registry.push("site", "1.0.0", site(), &layers);
    let params = json!({ "sourceUrl": registry.source("site"), "id": "site", "user": "alice" });
    host.install_from(params).await?;
    host.service_is("site", "running").await?;
    let about = host.page(&alice, "site", "/cgi-bin/about").await?;
    assert!(about.contains("version 59\n"), "{about}");
    assert!(about.contains("user web\n"), "{about}");
    assert_eq!(host.page(&alice, "site", "/hard").await?, "59");
    let root = "/var/lib/atek/packages/*/current/rootfs";
    let found = host
        .machine
        .shell(&format!(
            "cd {root}; find . -perm /7000 -o -type b -o -type c -o -type p; \
             ls srv/gone etc/ld.so.preload dev/sda 2>/dev/null || :"
        ))
        .await?;
    assert_eq!(found, "");
    Ok(())
}
