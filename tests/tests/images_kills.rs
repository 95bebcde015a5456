//! Pulls that end in the middle: nothing of them is ever run, and the layers that were there are
//! not fetched again.

mod images;

use anyhow::{Context as _, ensure};
use atek_tests::counting_registry::CountingRegistry;
use atek_tests::host::{Host, SERVICES, SOON};
use atek_tests::registry::layer;
use atek_tests::{Machine, Seen, wait_for};
use images::ends::{End, end, job_is_gone, noise};
use images::{FILE, busybox, nothing_is_left, registry, site};
use serde_json::{Value, json};

/// Bytes of a layer.
const LAYER: usize = 400_000;

#[tokio::test]
async fn a_pull_that_is_killed_or_loses_its_power_runs_nothing_and_goes_on_where_it_was()
-> anyhow::Result<()> {
    let mut host = Host::on(Machine::builder("images-kills").persistent()).await?;
    let Some((registry, images)) = registry(&host)? else {
        return Ok(());
    };
    host.person("alice", "admin").await?;
    let base = busybox(&images)?;
    let counting = CountingRegistry::before(&registry, host.machine.gateway()?)?;
    for (n, how) in [End::Job, End::Host, End::Power].into_iter().enumerate() {
        let name = format!("site-{n}");
        let seeds = (0..5).map(|layer| 10 * n as u64 + layer);
        let mut layers: Vec<_> = seeds
            .map(|seed| layer(&[(FILE, &format!("srv/{seed}"), &noise(seed, LAYER))]))
            .collect();
        layers.insert(0, base.clone());
        layers.push(layer(&[(FILE, "srv/version", &name)]));
        let digests = registry.push(&name, "1.0.0", site(), &layers);
        let params = json!([{ "sourceUrl": counting.source(&name), "id": name, "user": "alice" }]);

        counting.hold(&digests[3]);
        let client = host.system()?;
        let install = client.call(SERVICES, "install", params.clone());
        let ended = async {
            let file = digests[3].replace(':', "-");
            let size =
                format!("stat -c %s /var/lib/atek/staging/layers/{file} 2>/dev/null || echo 0");
            wait_for("the fourth layer to be half there", SOON, async || {
                let bytes: usize = host.machine.shell(&size).await?.trim().parse()?;
                Ok(Seen::if_so(bytes, |bytes| {
                    counting.is_held() && *bytes > LAYER / 8
                }))
            })
            .await?;
            end(&mut host, how).await
        };
        let (installed, ended) = tokio::join!(install, ended);
        ended?;
        host.ready().await?;
        job_is_gone(&host).await?;
        ensure!(installed.is_err(), "{how:?}: {installed:?}");
        counting.release();
        is_not_there(&host, &name)
            .await
            .with_context(|| format!("{how:?}"))?;

        let again = host.system()?;
        again.call(SERVICES, "install", params).await?;
        host.service_is(&name, "running").await?;
        let asked: Vec<_> = digests
            .iter()
            .map(|digest| counting.asked(digest))
            .collect();
        eprintln!("{how:?}: from which byte each layer was asked for: {asked:?}");
        for complete in asked.iter().skip(1).take(2) {
            ensure!(*complete == [0], "{how:?}: {asked:?}");
        }
        // The half one goes on where it was.
        let half = &asked[3];
        ensure!(half.len() >= 2 && half[0] == 0, "{how:?}: {asked:?}");
        ensure!(
            half.last() > Some(&(LAYER as u64 / 8)),
            "{how:?}: {asked:?}"
        );
        for later in &asked[4..] {
            ensure!(*later == [0], "{how:?}: {asked:?}");
        }
        again.call(SERVICES, "uninstall", json!([name])).await?;
        nothing_is_left(&host)
            .await
            .with_context(|| format!("{how:?}"))?;
    }
    Ok(())
}

/// Of the image there is no record, no package and no unit.
async fn is_not_there(host: &Host, name: &str) -> anyhow::Result<()> {
    let list: Value = host.system()?.call(SERVICES, "list", json!([])).await?;
    let services = list["services"].as_array().context("services")?;
    ensure!(
        services.iter().all(|it| it["settings"]["id"] != name),
        "{list}"
    );
    let found = format!(
        "find /var/lib/atek/packages -name rootfs; systemctl list-units --all --no-legend 'atek-app-{name}*'"
    );
    let found = host.machine.shell(&found).await?;
    ensure!(found.is_empty(), "{found}");
    Ok(())
}
