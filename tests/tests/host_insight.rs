//! What the host tells about itself, the box and its apps.

use atek_tests::host::{Host, SERVICES, refusal};
use atek_tests::{Machine, Seen, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

const SYSTEM: &str = "atek.cloud/system-api";
/// Three samples, one every ten seconds, and much patience.
const SAMPLES: Duration = Duration::from_secs(150);

/// Less than a busy app gets of a processor that it shares with others, and more than an idle one
/// takes.
const BUSY_PERCENT: f64 = 4.0;

/// An app that keeps half a processor busy.
const BUSY: &str = "
require('http').createServer((_, answer) => answer.end('busy'))
  .listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
setInterval(() => { for (const end = Date.now() + 50; Date.now() < end;); }, 100)
";

/// Puts a package of these files into the machine; returns its source.
async fn package(machine: &Machine, name: &str, files: &[(&str, &str)]) -> anyhow::Result<String> {
    let folder = format!("/srv/apps/{name}");
    for (file, content) in files {
        machine.write(&format!("{folder}/{file}"), content).await?;
    }
    machine
        .exec(["chmod", "--recursive", "a+rX", "/srv/apps"])
        .await?;
    Ok(format!("file://{folder}"))
}

async fn call(host: &Host, method: &str) -> anyhow::Result<Value> {
    host.system()?.call(SYSTEM, method, json!([])).await
}

#[tokio::test]
async fn the_metrics_of_a_busy_app_show_its_work_and_to_its_owner_only() -> anyhow::Result<()> {
    let host = Host::boot("insight-metrics").await?;
    let (alice, bob) = (
        host.person("alice", "").await?,
        host.person("bob", "").await?,
    );
    let source = package(&host.machine, "busy", &[("index.js", BUSY)]).await?;
    let app = json!({ "sourceUrl": source, "id": "busy", "user": "alice" });
    host.install_from(app).await?;
    host.install("hello-node", "alice").await?;

    // How much of a processor it gets is the machine's affair; an idle one gets next to nothing.
    let seen = wait_for("samples of a busy app", SAMPLES, async || {
        let params = json!(["busy"]);
        let series = alice.client.call(SERVICES, "metrics", params).await?;
        let busy = |sample: &Value| sample["cpuPercent"].as_f64() > Some(BUSY_PERCENT);
        Ok(Seen::if_so(series, |series| {
            series["samples"]
                .as_array()
                .is_some_and(|samples| samples.last().is_some_and(busy))
        }))
    })
    .await?;
    assert_eq!(seen["intervalSec"], 10);
    let last = seen["samples"].as_array().and_then(|all| all.last());
    let last = last.cloned().unwrap_or_default();
    // It has one thread for its work, and some for its runtime's.
    assert!(last["cpuPercent"].as_f64() < Some(400.0), "{last}");
    assert!(last["tasks"].as_u64() > Some(1), "{last}");
    assert_eq!(
        last["memoryBytes"].is_u64(),
        host.machine.has_controller("memory").await?,
        "memory is a number where the kernel accounts it, and no guess elsewhere: {last}"
    );
    wait_for("a sample of an idle app", SAMPLES, async || {
        let params = json!(["hello-node"]);
        let series = alice.client.call(SERVICES, "metrics", params).await?;
        let last = series["samples"].as_array().and_then(|all| all.last());
        let last = last.cloned().unwrap_or_default();
        Ok(Seen::if_so(last, |last| {
            last["cpuPercent"].as_f64() < Some(BUSY_PERCENT) && last["cpuPercent"].is_f64()
        }))
    })
    .await?;
    let since = json!(["busy", { "since": last["time"] }]);
    let news = alice.client.call(SERVICES, "metrics", since).await?;
    let all = json!(["busy"]);
    let whole = alice.client.call(SERVICES, "metrics", all.clone()).await?;
    let count = |series: &Value| series["samples"].as_array().map_or(0, Vec::len);
    assert!(count(&news) < count(&whole), "{news}");

    let refused = refusal(bob.client.call(SERVICES, "metrics", all.clone()).await);
    assert_eq!(refused.message, "Not authorized");
    assert!(
        host.stranger()
            .call(SERVICES, "metrics", all)
            .await
            .is_err()
    );

    let history = call(&host, "history").await?;
    let busy = history["samples"].as_array().is_some_and(|samples| {
        samples
            .iter()
            .any(|sample| sample["cpuPercent"].as_f64() > Some(0.0))
    });
    assert!(busy, "{history}");
    Ok(())
}

#[tokio::test]
async fn the_box_tells_what_it_is_to_users_and_what_it_has_left_to_administrators()
-> anyhow::Result<()> {
    let host = Host::boot("insight-system").await?;
    let (alice, root) = (
        host.person("alice", "").await?,
        host.person("root", "admin").await?,
    );
    let info = alice.client.call(SYSTEM, "info", json!([])).await?;
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["arch"], std::env::consts::ARCH);
    let os = info["os"].as_str().unwrap_or_default();
    assert!(os.starts_with("Debian"), "{info}");
    let kernel = host.machine.exec(["uname", "-r"]).await?;
    assert_eq!(info["kernel"], kernel.trim());
    let address = host.machine.address()?.to_string();
    assert_eq!(info["addresses"][0], address, "{info}");
    let urls = info["urls"].as_array().cloned().unwrap_or_default();
    assert!(
        urls.contains(&json!(format!("http://{address}/"))),
        "{info}"
    );
    assert!(info["uptimeSec"].as_u64() > Some(0), "{info}");

    let left = root.client.call(SYSTEM, "resources", json!([])).await?;
    for (whole, part) in [
        ("/disk/totalBytes", "/disk/freeBytes"),
        ("/memory/totalBytes", "/memory/availableBytes"),
    ] {
        let number = |path: &str| left.pointer(path).and_then(Value::as_u64).unwrap_or(0);
        assert!(number(part) > 0 && number(part) <= number(whole), "{left}");
    }
    assert_eq!(left["disk"]["path"], "/var/lib/atek");
    assert!(left["cpus"].as_u64() > Some(0), "{left}");

    for method in [
        "resources",
        "history",
        "security",
        "reboot",
        "powerOff",
        "setName",
        "setTimezone",
    ] {
        let refused = refusal(alice.client.call(SYSTEM, method, json!([])).await);
        assert_eq!(refused.message, "Not authorized", "{method}");
    }
    assert!(
        host.stranger()
            .call(SYSTEM, "info", json!([]))
            .await
            .is_err()
    );
    Ok(())
}

#[tokio::test]
async fn an_app_without_network_is_locked_in_and_one_with_network_says_so() -> anyhow::Result<()> {
    let host = Host::boot("insight-security").await?;
    host.install("hello-node", "system").await?;
    let manifest = r#"{"name": "Feeds", "permissions": {"network": "direct"}}"#;
    let files = [("index.js", BUSY), ("atek.json", manifest)];
    let source = package(&host.machine, "feeds", &files).await?;
    let grant = json!({ "network": "direct" });
    host.install_from(json!({ "sourceUrl": source, "id": "feeds", "grant": grant }))
        .await?;

    let report = call(&host, "security").await?;
    let of = |unit: &str| {
        let units = report["units"].as_array().cloned().unwrap_or_default();
        let found = units.into_iter().find(|row| row["unit"] == unit);
        found.unwrap_or_else(|| panic!("{unit} is not in {report}"))
    };
    let hello = of("atek-app-hello-node.service");
    assert!(hello["exposure"].as_f64() <= Some(0.8), "{hello}");
    assert!(hello["exposure"].as_f64() > Some(0.0), "{hello}");
    assert_eq!(
        (&hello["id"], &hello["title"]),
        (&json!("hello-node"), &json!("Hello"))
    );
    assert!(
        hello["words"]
            .as_str()
            .is_some_and(|words| words.starts_with("locked in")),
        "{hello}"
    );
    let feeds = of("atek-app-feeds.service");
    assert!(
        feeds["exposure"].as_f64() >= hello["exposure"].as_f64(),
        "{feeds}"
    );
    assert!(
        feeds["words"]
            .as_str()
            .is_some_and(|words| words.contains("can use the internet")),
        "{feeds}"
    );
    assert_eq!(of("atekd.service")["id"], Value::Null);
    assert!(of("atek-app-core.adb.service")["exposure"].as_f64() <= Some(0.8));

    // The second look is at what is known: a stopped one is gone, the others are the same.
    host.system()?
        .call(SERVICES, "stop", json!(["feeds"]))
        .await?;
    let again = call(&host, "security").await?.to_string();
    assert!(!again.contains("atek-app-feeds"), "{again}");
    assert!(again.contains(&hello.to_string()), "{again}");
    Ok(())
}

#[tokio::test]
async fn an_icon_is_shown_to_who_may_see_the_app_and_a_hostile_one_to_nobody() -> anyhow::Result<()>
{
    let host = Host::boot("insight-icon").await?;
    let (alice, bob) = (
        host.person("alice", "").await?,
        host.person("bob", "").await?,
    );
    host.install("hello-node", "alice").await?;
    let icon = alice.client.get("/_atek/icon/hello-node").await?;
    assert_eq!(
        (icon.status, icon.header("content-type")),
        (200, "image/svg+xml")
    );
    assert!(icon.header("content-security-policy").contains("sandbox"));
    assert_eq!(bob.client.get("/_atek/icon/hello-node").await?.status, 404);
    assert_eq!(
        host.stranger().get("/_atek/icon/hello-node").await?.status,
        401
    );

    let evil =
        "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(2)</script></svg>";
    let huge = format!("{evil}{}", " ".repeat(300_000));
    for (name, icon, status) in [
        ("script", "evil.svg", 200),
        ("passwd", "passwd.svg", 404),
        ("within", "up/passwd", 404),
        ("huge", "huge.svg", 404),
        ("text", "index.js", 404),
    ] {
        let manifest = json!({ "icon": icon }).to_string();
        let files = [
            ("index.js", BUSY),
            ("atek.json", manifest.as_str()),
            ("evil.svg", evil),
            ("huge.svg", huge.as_str()),
        ];
        let source = package(&host.machine, name, &files).await?;
        let folder = format!("/srv/apps/{name}");
        let links = format!("ln -s /etc/passwd {folder}/passwd.svg && ln -s /etc {folder}/up");
        host.machine.shell(&links).await?;
        let app = json!({ "sourceUrl": source, "id": name, "user": "alice" });
        host.install_from(app).await?;
        let shown = alice.client.get(&format!("/_atek/icon/{name}")).await?;
        assert_eq!(shown.status, status, "{name}: {}", shown.text());
        assert!(!shown.text().contains("root:"), "{name}");
        if status == 200 {
            let policy = shown.header("content-security-policy");
            assert!(
                policy.contains("default-src 'none'") && policy.ends_with("sandbox"),
                "{policy}"
            );
            assert_eq!(shown.header("x-content-type-options"), "nosniff");
        }
    }
    let outside = json!({ "icon": "../../../etc/passwd" }).to_string();
    let files = [("index.js", BUSY), ("atek.json", outside.as_str())];
    let source = package(&host.machine, "outside", &files).await?;
    let refused = refusal(host.install_from(json!({ "sourceUrl": source })).await);
    assert!(
        refused
            .message
            .contains("/icon: must be the path of a picture"),
        "{}",
        refused.message
    );
    Ok(())
}

#[tokio::test]
async fn an_administrator_names_the_box_and_sets_its_time_zone() -> anyhow::Result<()> {
    let host = Host::boot("insight-name").await?;
    let root = host.person("root", "admin").await?;
    for (method, wrong) in [("setName", "no spaces"), ("setTimezone", "Mars/Olympus")] {
        let refused = refusal(root.client.call(SYSTEM, method, json!([wrong])).await);
        assert!(refused.data["field"].is_string(), "{method}: {refused:?}");
    }
    let zone = json!(["Europe/Berlin"]);
    if host
        .machine
        .read("/usr/share/zoneinfo/Europe/Berlin")
        .await
        .is_ok()
    {
        root.client.call(SYSTEM, "setTimezone", zone).await?;
        let link = host.machine.exec(["readlink", "/etc/localtime"]).await?;
        assert!(link.trim().ends_with("Europe/Berlin"), "{link}");
        assert_eq!(call(&host, "info").await?["timezone"], "Europe/Berlin");
    }
    root.client
        .call(SYSTEM, "setName", json!(["Attic"]))
        .await?;
    let name = host.machine.exec(["cat", "/etc/hostname"]).await?;
    assert_eq!(name.trim(), "attic");
    let info = call(&host, "info").await?;
    assert_eq!(info["name"], "attic");
    assert_eq!(info["urls"][0], "http://attic.local/", "{info}");
    Ok(())
}

#[tokio::test]
async fn an_administrator_turns_the_box_off_from_the_web() -> anyhow::Result<()> {
    let host = Host::boot("insight-power").await?;
    let root = host.person("root", "admin").await?;
    let pid = host.machine.pid()?;
    root.client.call(SYSTEM, "powerOff", json!([])).await?;
    // systemd gives a unit that does not stop 90 s.
    wait_for("the machine to end", Duration::from_secs(150), async || {
        let there = std::path::Path::new(&format!("/proc/{pid}/root/run/atek")).exists();
        Ok(Seen::if_so(there, |there| !there))
    })
    .await?;
    Ok(())
}
