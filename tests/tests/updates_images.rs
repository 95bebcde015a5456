//! Container images that break, each in its own way: the image and the data before it are back.

mod images;

use anyhow::{Context as _, ensure};
use atek_tests::Machine;
use atek_tests::host::{Host, Person, SERVICES, refusal};
use atek_tests::registry::layer;
use images::{FILE, busybox, registry, site};
use serde_json::{Value, json};
use std::fs;
use std::time::Instant;

async fn call(host: &Host, method: &str, params: Value) -> anyhow::Result<Value> {
    host.system()?.call(SERVICES, method, params).await
}

/// The site's version, as a person sees it.
async fn version(host: &Host, alice: &Person) -> anyhow::Result<String> {
    let about = host.page(alice, "site", "/cgi-bin/about").await?;
    let mut lines = about.lines();
    let version = lines.find_map(|line| line.strip_prefix("version "));
    Ok(version.context("no version")?.to_owned())
}

/// A release whose program is this.
fn program(words: &[&str]) -> Value {
    let mut broken = site();
    broken["config"]["Cmd"] = json!(words);
    broken
}

/// Asks for the update, and checks that everything is as before. Returns the message.
async fn is_taken_back(
    host: &Host,
    alice: &Person,
    tag: &str,
    outcome: &str,
    says: &str,
) -> anyhow::Result<()> {
    let before = host.state_of("site").await?;
    let began = Instant::now();
    let error = refusal(call(host, "updatePackage", json!(["site"])).await);
    let took = began.elapsed();
    ensure!(error.message.contains(says), "{tag}: {}", error.message);
    host.service_is("site", "running").await?;
    let after = host.state_of("site").await?;
    ensure!(before == after, "{tag}: the data\n{before}\n{after}");
    // Its page writes a file.
    ensure!(version(host, alice).await? == "1.0.0", "{tag}: the version");
    let status = call(host, "updateStatus", json!(["site"])).await?;
    let last = &status["history"][0];
    ensure!(
        last["to"] == tag && last["outcome"] == outcome,
        "{tag}: {last}"
    );
    let refused = status["refused"].as_array().context("refused")?;
    ensure!(
        refused.iter().any(|one| one["tag"] == tag),
        "{tag} is not refused: {status}"
    );
    let back = last["downMs"].as_u64();
    ensure!(back.is_none_or(|back| back <= 10_000), "{tag}: {back:?}");
    println!(
        "| image {tag} | {outcome} | {} ms | {back:?} ms | {} |",
        took.as_millis(),
        error.message.lines().next().unwrap_or_default()
    );
    Ok(())
}

#[tokio::test]
async fn images_that_break_leave_the_image_before_with_its_data() -> anyhow::Result<()> {
    let config = json!({ "updates": { "probationSeconds": 3 } }).to_string();
    let machine = Machine::builder("updates-images");
    let host = Host::on(machine.file("/etc/atek/config.json", config, 0o644)).await?;
    let Some((registry, images)) = registry(&host)? else {
        return Ok(());
    };
    let alice = host.person("alice", "admin").await?;
    let base = busybox(&images)?;
    let push = |tag: &str, config: Value| {
        let version = layer(&[(FILE, "srv/version", tag)]);
        registry.push("site", tag, config, &[base.clone(), version])
    };
    push("1.0.0", site());
    let source = json!({ "sourceUrl": registry.source("site"), "user": "alice" });
    host.install_from(source).await?;
    host.service_is("site", "running").await?;
    host.page(&alice, "site", "/cgi-bin/count").await?;

    for (tag, config, outcome, says) in [
        (
            "1.0.1",
            program(&["sh", "-c", "echo 99 > /data/count; exit 3"]),
            "rolledBack",
            "exit code 3",
        ),
        (
            "1.0.2",
            program(&["sh", "-c", "sleep 1; echo 99 > /data/count; exit 4"]),
            "rolledBack",
            "exit code 4",
        ),
        ("1.0.3", program(&["no-such-program"]), "rolledBack", ""),
        (
            "1.0.4",
            program(&["sleep", "600"]),
            "rolledBack",
            "did not listen on port 80",
        ),
    ] {
        push(tag, config);
        is_taken_back(&host, &alice, tag, outcome, says).await?;
    }
    // For another processor, without a program, and with a layer that is not what it says.
    let mut other = site();
    other["architecture"] = json!("s390x");
    push("1.0.5", other);
    is_taken_back(&host, &alice, "1.0.5", "failed", "linux/s390x").await?;
    push("1.0.6", json!({}));
    is_taken_back(&host, &alice, "1.0.6", "failed", "names no program").await?;
    let layers = push("1.0.7", site());
    let file = registry.blob_file(&layers[1]);
    let mut content = fs::read(&file)?;
    let middle = content.len() / 2;
    *content.get_mut(middle).context("an empty layer")? ^= 1;
    fs::write(&file, content)?;
    is_taken_back(&host, &alice, "1.0.7", "failed", "its digest").await?;

    // Shown to a person, and then pushed again under the same tag.
    push("1.0.8", site());
    let plan = call(&host, "planUpdate", json!(["site"])).await?;
    ensure!(plan["to"] == "1.0.8", "{plan}");
    let mut moved = site();
    moved["config"]["Env"] = json!(["PATH=/bin", "MODE=of another image"]);
    push("1.0.8", moved);
    let says = "the tag 1.0.8 was moved";
    is_taken_back(&host, &alice, "1.0.8", "failed", says).await?;

    // And one that works is installed all the same.
    push("1.1.0", site());
    let done = call(&host, "updatePackage", json!(["site"])).await?;
    ensure!(done["installedVersion"] == "1.1.0", "{done}");
    ensure!(version(&host, &alice).await? == "1.1.0");
    let count = host.page(&alice, "site", "/cgi-bin/count").await?;
    ensure!(count.trim() == "2", "{count}");
    // Without its registry nothing is blamed.
    drop(registry);
    let error = refusal(call(&host, "updatePackage", json!(["site"])).await);
    ensure!(
        error.message.contains("cannot be reached"),
        "{}",
        error.message
    );
    ensure!(version(&host, &alice).await? == "1.1.0");
    Ok(())
}
