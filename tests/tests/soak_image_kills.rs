//! An image that is killed, or loses its power, at every step from the list of its tags to the
//! installed package: what runs afterwards is whole, or nothing is there and the next install
//! works. The short form, with layers that are not fetched again, is `images_kills.rs`.
//!
//! `ATEK_SOAK_STEPS=unpacked,installed` shortens it for a look.

mod images;

use anyhow::{Context as _, ensure};
use atek_tests::counting_registry::CountingRegistry;
use atek_tests::debian_images::DebianImages;
use atek_tests::host::{Host, SERVICES, SOON};
use atek_tests::registry::{Registry, layer};
use atek_tests::{Machine, Seen, skip, wait_for};
use images::ends::{End, end, job_is_gone, noise};
use images::{FILE, busybox, nothing_is_left, site};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// Files of each of two layers, which take some time to unpack.
const FILES: usize = 1_000;

/// When the pull ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// While this is half there: the tags, the manifest, the configuration, the first large layer.
    Tags,
    Manifest,
    Configuration,
    Layer,
    /// As soon as there is, in the folder of the job: a file of the first large layer, one of the
    /// second, the manifest that is written last.
    Unpacking,
    UnpackingMore,
    Unpacked,
    /// As soon as it is one of the installed packages.
    Installed,
}

const STEPS: [Step; 8] = [
    Step::Tags,
    Step::Manifest,
    Step::Configuration,
    Step::Layer,
    Step::Unpacking,
    Step::UnpackingMore,
    Step::Unpacked,
    Step::Installed,
];

impl Step {
    /// What the registry holds back.
    fn held(self, configuration: &str, layers: &[String]) -> Option<String> {
        match self {
            Self::Tags => Some("list".to_owned()),
            Self::Manifest => Some("1.0.0".to_owned()),
            Self::Configuration => Some(configuration.to_owned()),
            Self::Layer => layers.get(1).cloned(),
            _ => None,
        }
    }

    /// What there is when it is time.
    fn sign(self) -> Option<&'static str> {
        match self {
            Self::Unpacking => Some("staging/*/package/rootfs/srv/files/1/0"),
            Self::UnpackingMore => Some("staging/*/package/rootfs/srv/files/2/0"),
            Self::Unpacked => Some("staging/*/package/atek.json"),
            Self::Installed => Some("packages/*/versions/*/rootfs"),
            _ => None,
        }
    }

    async fn reached(self, host: &Host, counting: &CountingRegistry) -> anyhow::Result<()> {
        if let Some(sign) = self.sign() {
            // A loop in the machine: the moment is short.
            let words = ["timeout", "60", "sh", "-c"];
            let script = format!("until ls /var/lib/atek/{sign} >/dev/null 2>&1; do :; done");
            let all = words.into_iter().chain([script.as_str()]);
            return host.machine.exec(all).await.map(drop);
        }
        wait_for("the registry to hold back", SOON, async || {
            Ok(Seen::if_so(counting.is_held(), |held| *held))
        })
        .await
        .map(drop)
    }
}

/// A web server that starts only as a whole, and says so otherwise.
fn image() -> Value {
    let mut config = site();
    let count = format!(
        "n=0; for f in /srv/files/*/*; do n=$((n + 1)); done; \
         [ $n = {} ] || {{ echo HALF; exit 1; }}; exec httpd -f -p 80 -h /srv",
        2 * FILES
    );
    config["config"]["Cmd"] = json!(["sh", "-c", count]);
    config
}

/// Files of the first or the second large layer.
fn files(which: usize, seed: u64) -> Vec<u8> {
    let names: Vec<String> = (0..FILES)
        .map(|n| format!("srv/files/{which}/{n}"))
        .collect();
    let contents: Vec<String> = (0..FILES as u64).map(|n| noise(seed + n, 64)).collect();
    let entries: Vec<_> = names
        .iter()
        .zip(&contents)
        .map(|(name, content)| (FILE, name.as_str(), content.as_str()))
        .collect();
    layer(&entries)
}

/// Whether the record of the app is there.
async fn is_known(host: &Host, name: &str) -> anyhow::Result<bool> {
    let list: Value = host.system()?.call(SERVICES, "list", json!([])).await?;
    let services = list["services"].as_array().context("services")?;
    Ok(services.iter().any(|it| it["settings"]["id"] == name))
}

/// It runs, as a whole, and never ran otherwise.
async fn is_whole(host: &Host, name: &str) -> anyhow::Result<()> {
    host.service_is(name, "running").await?;
    let count = "find /var/lib/atek/packages/*/versions/*/rootfs/srv/files -type f | wc -l";
    let files = host.machine.shell(count).await?;
    ensure!(files.trim() == (2 * FILES).to_string(), "{files}");
    let journal = host.machine.journal(&format!("atek-app-{name}")).await?;
    ensure!(!journal.contains("HALF"), "{journal}");
    Ok(())
}

#[tokio::test]
async fn a_pull_that_ends_at_any_step_leaves_the_whole_image_or_nothing() -> anyhow::Result<()> {
    let mut host = Host::on(Machine::builder("image-kills").persistent()).await?;
    // At every address: a machine that was off may come back with another one on its link.
    let everywhere = Ipv4Addr::UNSPECIFIED;
    let registry = Registry::start_at(everywhere);
    let (Some(registry), Some(images)) = (registry, DebianImages::get()?) else {
        skip("docker-registry, umoci, skopeo or mmdebstrap is not installed");
        return Ok(());
    };
    host.person("alice", "admin").await?;
    let base = busybox(&images)?;
    let counting = CountingRegistry::before(&registry, everywhere)?;
    let mut table = String::new();
    let chosen = std::env::var("ATEK_SOAK_STEPS").ok();
    let is_chosen = |step: Step| {
        let name = format!("{step:?}").to_lowercase();
        let all = chosen.as_ref();
        all.is_none_or(|all| all.split(',').any(|it| it == name))
    };
    let steps = STEPS.into_iter().filter(|step| is_chosen(*step));
    for (n, step) in steps.enumerate() {
        let seed = 1_000_000 * (n as u64 + 1);
        let layers = [base.clone(), files(1, seed), files(2, seed + 500_000)];
        for how in [End::Job, End::Host, End::Power] {
            if matches!(step, Step::Unpacked | Step::Installed) && how == End::Job {
                // The job is at its end.
                continue;
            }
            let name = format!("{step:?}-{how:?}").to_lowercase();
            let layers = registry.push(&name, "1.0.0", image(), &layers);
            let configuration = registry.configuration(&name, "1.0.0");
            if let Some(held) = step.held(&configuration, &layers) {
                counting.hold(&held);
            }
            let params = |host: &Host| {
                let source = counting.source_at(host.machine.gateway()?, &name);
                anyhow::Ok(json!([{ "sourceUrl": source, "id": name, "user": "alice" }]))
            };
            let client = host.system()?;
            let install = client.call(SERVICES, "install", params(&host)?);
            let ended = async {
                step.reached(&host, &counting).await?;
                end(&mut host, how).await
            };
            let (installed, ended) = tokio::join!(install, ended);
            ended.with_context(|| name.clone())?;
            counting.release();
            host.ready().await?;
            job_is_gone(&host).await?;
            let whole = is_known(&host, &name).await?;
            if whole {
                is_whole(&host, &name).await.with_context(|| name.clone())?;
            } else {
                ensure!(installed.is_err(), "{name}: {installed:?}");
                let params = params(&host)?;
                host.system()?.call(SERVICES, "install", params).await?;
                is_whole(&host, &name).await.with_context(|| name.clone())?;
            }
            let outcome = if whole { "whole" } else { "nothing" };
            eprintln!("{name}: {outcome}");
            writeln!(table, "{name}: {outcome}")?;
            let gone = json!([name]);
            host.system()?.call(SERVICES, "uninstall", gone).await?;
            nothing_is_left(&host).await.with_context(|| name.clone())?;
        }
    }
    println!("{table}");
    // Before its manifest was written, it was never an app.
    let early = |line: &&str| !line.starts_with("unpacked-") && !line.starts_with("installed-");
    let half = table.lines().filter(early);
    ensure!(
        half.clone().all(|line| line.ends_with("nothing")),
        "{table}"
    );
    Ok(())
}
