//! Container images as apps: from a registry to an uninstall that leaves nothing.

mod images;

use anyhow::ensure;
use atek_tests::host::{Host, SERVICES, refusal};
use atek_tests::registry::layer;
use images::{FILE, busybox, nothing_is_left, registry, site};
use serde_json::{Value, json};

async fn call(host: &Host, method: &str, params: Value) -> anyhow::Result<Value> {
    host.system()?.call(SERVICES, method, params).await
}

/// It listens on port 80, on which the machine listens too, and for that nothing of the machine was
/// changed: the setting is its own network's, in which there is nothing but a loopback.
async fn has_every_port_of_its_own_network(host: &Host) -> anyhow::Result<()> {
    let setting = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    ensure!(host.machine.read(setting).await?.trim() == "1024");
    let pid = host.pid("site").await?;
    let inside = format!(
        "nsenter --target {pid} --net sh -c 'cat {setting}; ip -oneline address; ss -Hltn'"
    );
    let said = host.machine.shell(&inside).await?;
    let mut lines = said.lines();
    ensure!(lines.next() == Some("0"), "{said}");
    let (addresses, listeners): (Vec<&str>, Vec<&str>) =
        lines.partition(|line| line.contains("inet"));
    ensure!(addresses.iter().all(|line| line.contains(" lo ")), "{said}");
    ensure!(listeners.iter().any(|line| line.contains(":80 ")), "{said}");
    // What answers at that port of the machine is the host, and not the app.
    let answer = host.machine.http().get("/_atek/login/").await?;
    ensure!(answer.status == 200, "{}", answer.status);
    // A user of the machine cannot listen there.
    let bind = "setpriv --reuid 65534 --clear-groups node -e \"require('net').createServer() \
                .on('error', error => console.log(error.code)).listen(79)\"";
    let said = host.machine.shell(bind).await?;
    ensure!(said.trim() == "EACCES", "{said}");
    Ok(())
}

#[tokio::test]
async fn an_image_is_installed_used_updated_rolled_back_and_gone() -> anyhow::Result<()> {
    let host = Host::boot("images-life").await?;
    let Some((registry, images)) = registry(&host)? else {
        return Ok(());
    };
    let alice = host.person("alice", "admin").await?;
    let base = busybox(&images)?;
    let push = |tag: &str, config: Value| {
        let version = layer(&[(FILE, "srv/version", tag)]);
        registry.push("site", tag, config, &[base.clone(), version]);
    };
    push("1.0.0", site());
    let source = registry.source("site");
    let install = ["atek", "install", &source, "--yes", "--user", "alice"];
    let said = host.machine.exec(install).await?;
    assert!(said.contains("installed site (Site) 1.0.0"), "{said}");
    host.service_is("site", "running").await?;

    // What the image says of its program, and what it may write.
    let about = host.page(&alice, "site", "/cgi-bin/about").await?;
    for line in ["in /opt/app", "mode of the image", "version 1.0.0"] {
        assert!(about.contains(&format!("{line}\n")), "{line}: {about}");
    }
    let written: Vec<_> = about
        .lines()
        .filter_map(|line| line.strip_prefix("writes "))
        .collect();
    assert_eq!(written, ["/data", "/tmp", "/var/tmp"], "{about}");
    // It is a transient unit as any app's, and no container engine.
    let unit = "atek-app-site.service";
    let shown = |name: &'static str| async {
        let words = ["systemctl", "show", "-P", name, unit];
        anyhow::Ok(host.machine.exec(words).await?.trim().to_owned())
    };
    assert!(shown("RootDirectory").await?.ends_with("/rootfs"));
    for (name, expected) in [
        ("DynamicUser", "yes"),
        ("PrivateNetwork", "yes"),
        ("PrivateUsers", "yes"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("CapabilityBoundingSet", ""),
    ] {
        assert_eq!(shown(name).await?, expected, "{name}");
    }
    has_every_port_of_its_own_network(&host).await?;

    // Its data outlives a restart, an update and a kill.
    let count = async || host.page(&alice, "site", "/cgi-bin/count").await;
    assert_eq!(count().await?.trim(), "1");
    call(&host, "restart", json!(["site"])).await?;
    host.service_is("site", "running").await?;
    assert_eq!(count().await?.trim(), "2");
    push("1.1.0", site());
    let check = call(&host, "checkForPackageUpdates", json!(["site"])).await?;
    assert_eq!(check["latestVersion"], "1.1.0", "{check}");
    let done = call(&host, "updatePackage", json!(["site"])).await?;
    assert_eq!(done["installedVersion"], "1.1.0", "{done}");
    let about = host.page(&alice, "site", "/cgi-bin/about").await?;
    assert!(about.contains("version 1.1.0\n"), "{about}");
    assert_eq!(count().await?.trim(), "3");

    // One that does not run is undone, with its data.
    let mut broken = site();
    broken["config"]["Cmd"] = json!(["sh", "-c", "echo 99 > /data/count; exit 3"]);
    push("1.2.0", broken);
    let error = refusal(call(&host, "updatePackage", json!(["site"])).await);
    for part in ["1.2.0 does not run", "exit code 3", "1.1.0 was put back"] {
        assert!(error.message.contains(part), "{}", error.message);
    }
    host.service_is("site", "running").await?;
    assert_eq!(count().await?.trim(), "4");
    // And a person can go back, to the data of before the update.
    host.machine
        .exec(["atek", "rollback", "site", "--yes"])
        .await?;
    let about = host.page(&alice, "site", "/cgi-bin/about").await?;
    assert!(about.contains("version 1.0.0\n"), "{about}");
    assert_eq!(count().await?.trim(), "3");

    call(&host, "uninstall", json!(["site"])).await?;
    nothing_is_left(&host).await
}
