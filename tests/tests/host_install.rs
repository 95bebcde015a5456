//! From a source to a service and back: nothing half-done is ever left.

use atek_tests::git_remote::GitRemote;
use atek_tests::host::{Host, SERVICES, SOON, refusal};
use atek_tests::{HostileRemote, Hostility, Seen, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn call(host: &Host, method: &str, params: Value) -> anyhow::Result<Value> {
    host.system()?.call(SERVICES, method, params).await
}

async fn install(host: &Host, remote: &GitRemote, more: Value) -> anyhow::Result<Value> {
    let mut params = json!({ "sourceUrl": remote.url(), "user": "system" });
    if let (Some(params), Some(more)) = (params.as_object_mut(), more.as_object()) {
        params.extend(more.clone());
    }
    host.install_from(params).await
}

/// What the machine holds of services, beside the core's: packages, staging, units, tokens,
/// records.
async fn everything(host: &Host) -> anyhow::Result<BTreeSet<String>> {
    let script = "
        cd /var/lib/atek && for p in packages/* packages/*/versions/* staging/*; do [ -e $p ] && echo $p; done
        ls -1d /var/lib/atek/uninstalls/* /var/lib/atek/updates/* 2>/dev/null || :
        ls -1d /var/lib/private/atek-app-* | grep -v 'core[.]' || :
        ls -1d /run/atek/tokens/* /run/atek/host/* /run/atek/credentials/* | grep -v 'core[.]' || :
        systemctl list-units --all --no-legend --plain 'atek-app-*' 'atek-package-*' | cut -d' ' -f1 | grep -v 'core[.]' || :
    ";
    let found = host.machine.shell(script).await?;
    let mut all: BTreeSet<String> = found.lines().map(ToOwned::to_owned).collect();
    let list = call(host, "list", json!([])).await?;
    for service in list["services"].as_array().into_iter().flatten() {
        let id = service["settings"]["id"].as_str().unwrap_or_default();
        if !id.starts_with("core.") {
            all.insert(format!("record {id}"));
        }
    }
    Ok(all)
}

/// Waits until nothing is left: what happens after an answer may take a moment.
async fn nothing_is_left(host: &Host) -> anyhow::Result<()> {
    wait_for("nothing to be left", SOON, async || {
        Ok(Seen::if_so(everything(host).await?, BTreeSet::is_empty))
    })
    .await
    .map(drop)
}

async fn version(host: &Host) -> anyhow::Result<Value> {
    let api = "example.test/hello";
    host.system()?.call(api, "version", json!([])).await
}

/// A healthy new box counts nothing as broken; what is unusual about a folder is said as of a
/// release, and an app that fails is installed with the end of its log in sight.
#[tokio::test]
async fn a_new_box_is_well_and_a_folder_that_lacks_something_is_warned_of() -> anyhow::Result<()> {
    let host = Host::boot("install-folder").await?;
    let healthy = host.machine.exec(["atek", "status"]).await?;
    assert!(healthy.contains("Atek is running: "), "{healthy}");
    for word in ["unavailable", "failed", "restarting"] {
        assert!(!healthy.contains(word), "{word}: {healthy}");
    }
    let files = r#"mkdir /srv/odd && cd /srv/odd && echo 'require("left-pad")' >index.js
        echo '{ "dependencies": { "left-pad": "1" } }' >package.json
        echo '{ "name": "Odd", "icon": "icon.png", "permisions": {} }' >atek.json"#;
    host.machine.shell(files).await?;
    let script = "code=0; atek install /srv/odd 2>&1 || code=$?; echo code $code";
    let said = host.machine.shell(script).await?;
    for part in [
        "\"permissions\" may be meant",
        "the icon icon.png, which atek.json names, is not there",
        "package.json names dependencies (left-pad) and there is no folder node_modules",
        "the last lines of its log (atek logs odd):",
        "Cannot find module 'left-pad'",
        "code 4",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    Ok(())
}

#[tokio::test]
async fn the_newest_release_is_installed_and_an_uninstall_leaves_nothing() -> anyhow::Result<()> {
    let host = Host::boot("install-git").await?;
    let remote = GitRemote::new("hello", host.machine.gateway()?)?;
    remote
        .tag_app("v1.0.0", "hello-node")?
        .tag_app("v1.2.0", "hello-node")?
        .tag_app("v2.0.0-rc.1", "hello-node")?;
    let info = install(&host, &remote, json!({})).await?;
    assert_eq!(info["state"], "running", "{info}");
    assert_eq!(info["settings"]["id"], "hello");
    assert_eq!(info["settings"]["package"]["installedVersion"], "v1.2.0");
    assert_eq!(version(&host).await?, "v1.2.0");
    call(&host, "uninstall", json!(["hello"])).await?;
    nothing_is_left(&host).await
}

#[tokio::test]
async fn the_same_source_twice_is_two_services_with_their_own_state() -> anyhow::Result<()> {
    let host = Host::boot("install-twice").await?;
    let remote = GitRemote::new("hello", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    let first = install(&host, &remote, json!({})).await?;
    let second = install(&host, &remote, json!({})).await?;
    assert_eq!(second["settings"]["id"], "hello-2");
    assert_ne!(first["key"], second["key"]);
    let taken = refusal(install(&host, &remote, json!({ "id": "hello" })).await);
    assert_eq!(taken.message, "App already exists under the ID: hello");
    call(&host, "uninstall", json!(["hello"])).await?;
    assert_eq!(host.service("hello-2").await?["state"], "running");
    Ok(())
}

#[tokio::test]
async fn an_install_that_fails_says_why_and_leaves_nothing() -> anyhow::Result<()> {
    let host = Host::boot("install-fails").await?;
    let gateway = host.machine.gateway()?;
    let untagged = GitRemote::new("untagged", gateway)?;
    untagged.write("index.js", "")?.commit("one")?.publish()?;
    let empty = GitRemote::new("empty", gateway)?;
    empty.write("README", "")?.commit("one")?.tag("v1.0.0")?;
    let broken = GitRemote::new("broken", gateway)?;
    broken
        .write("index.js", "")?
        .write("atek.json", "{ \"frame\": 1 }")?
        .commit("one")?
        .tag("v1.0.0")?;
    let good = GitRemote::new("good", gateway)?;
    good.tag_app("v1.0.0", "hello-node")?;
    for (remote, more, part) in [
        (
            &untagged,
            json!({}),
            "No release (git tag) has been set for",
        ),
        (
            &empty,
            json!({}),
            "neither package.json \"main\" nor /index.js could be found",
        ),
        (&broken, json!({}), "atek.json, line 1"),
        (
            &good,
            json!({ "desiredVersion": "^7" }),
            "matches the desired version of ^7",
        ),
        (
            &good,
            json!({ "desiredVersion": "soon" }),
            "not a version range",
        ),
        (&good, json!({ "id": "core.adb" }), "a service id must be"),
        (&good, json!({ "id": "../../evil" }), "a service id must be"),
        (
            &good,
            json!({ "config": { "ATEK_HOST_PORT": "1" } }),
            "ATEK_",
        ),
    ] {
        let error = refusal(install(&host, remote, more).await);
        assert!(error.message.contains(part), "{part}: {}", error.message);
    }
    for (hostility, part) in [
        (
            Hostility::Status(404),
            "Failed to install app. Is it a Git repo?",
        ),
        (
            Hostility::ServesAPage,
            "Failed to install app. Is it a Git repo?",
        ),
    ] {
        let remote = HostileRemote::new(hostility.clone(), gateway)?;
        let params = json!({ "sourceUrl": remote.url(), "user": "system" });
        let error = refusal(host.install_from(params).await);
        assert!(
            error.message.contains(part),
            "{hostility:?}: {}",
            error.message
        );
    }
    for source in [
        "file:///etc",
        "file:///var/lib/atek",
        "file:///nonexistent",
        "nonsense",
    ] {
        refusal(
            host.install_from(json!({ "sourceUrl": source, "user": "system" }))
                .await,
        );
    }
    nothing_is_left(&host).await
}

#[tokio::test]
async fn an_update_is_found_installed_and_kept() -> anyhow::Result<()> {
    let host = Host::boot("install-update").await?;
    let remote = GitRemote::new("hello", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    install(&host, &remote, json!({ "desiredVersion": "^1" })).await?;
    let check = call(&host, "checkForPackageUpdates", json!(["hello"])).await?;
    assert_eq!(check["hasUpdate"], false, "{check}");
    remote
        .tag_app("v1.1.0", "hello-node")?
        .tag_app("v2.0.0", "hello-node")?;
    let check = call(&host, "checkForPackageUpdates", json!(["hello"])).await?;
    let expected =
        json!({ "hasUpdate": true, "installedVersion": "v1.0.0", "latestVersion": "v1.1.0" });
    assert_eq!(check, expected);
    let done = call(&host, "updatePackage", json!(["hello"])).await?;
    assert_eq!(
        done,
        json!({ "installedVersion": "v1.1.0", "oldVersion": "v1.0.0" })
    );
    assert_eq!(version(&host).await?, "v1.1.0");
    let current = host
        .machine
        .shell("readlink /var/lib/atek/packages/*/current")
        .await?;
    assert!(current.trim().ends_with("v1.1.0"), "{current}");
    // Again: there is nothing newer in the range.
    let again = call(&host, "updatePackage", json!(["hello"])).await?;
    assert_eq!(again["installedVersion"], again["oldVersion"]);
    Ok(())
}

#[tokio::test]
async fn an_update_that_does_not_come_up_is_undone_and_says_so() -> anyhow::Result<()> {
    let host = Host::boot("install-rollback").await?;
    let remote = GitRemote::new("hello", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    install(&host, &remote, json!({})).await?;
    remote.tag_app("v1.1.0", "crash-loop")?;
    let error = refusal(call(&host, "updatePackage", json!(["hello"])).await);
    for part in ["v1.1.0 does not run", "exit code 3", "v1.0.0 was put back"] {
        assert!(error.message.contains(part), "{}", error.message);
    }
    host.service_is("hello", "running").await?;
    assert_eq!(version(&host).await?, "v1.0.0");
    let service = host.service("hello").await?;
    assert_eq!(service["settings"]["package"]["installedVersion"], "v1.0.0");
    let versions = host
        .machine
        .shell("ls /var/lib/atek/packages/*/versions")
        .await?;
    assert_eq!(versions.trim(), "v1.0.0");
    Ok(())
}

#[tokio::test]
async fn data_that_is_kept_outlives_the_service() -> anyhow::Result<()> {
    let host = Host::boot("install-keep").await?;
    let remote = GitRemote::new("hello", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    install(&host, &remote, json!({})).await?;
    let api = "example.test/hello";
    host.system()?
        .call(api, "put", json!(["note", "kept"]))
        .await?;
    call(&host, "uninstall", json!(["hello", true])).await?;
    let note = host
        .machine
        .shell("cat /var/lib/private/atek-app-*/note")
        .await?;
    assert_eq!(note, "kept");
    // Also over a restart, which removes what has no record.
    host.machine
        .exec(["systemctl", "restart", "atekd.service"])
        .await?;
    host.ready().await?;
    let note = host
        .machine
        .shell("cat /var/lib/private/atek-app-*/note")
        .await?;
    assert_eq!(note, "kept");
    Ok(())
}

/// Lets atekd end at a place, and returns when it did.
async fn with_fault(host: &Host, tag: &str) -> anyhow::Result<()> {
    let script = format!(
        "mkdir -p /run/systemd/system/atekd.service.d
         printf '[Service]\\nEnvironment=ATEK_FAULT={tag}:kill\\n' > /run/systemd/system/atekd.service.d/fault.conf
         systemctl daemon-reload && systemctl restart atekd.service"
    );
    host.machine.shell(&script).await?;
    host.ready().await
}

/// Lets atekd live again.
async fn without_fault(host: &Host) -> anyhow::Result<()> {
    let script = "rm -rf /run/systemd/system/atekd.service.d
         systemctl daemon-reload && systemctl restart atekd.service";
    host.machine.shell(script).await?;
    host.ready().await
}

#[tokio::test]
async fn a_crash_at_any_step_of_install_and_uninstall_leaves_a_whole_service_or_none()
-> anyhow::Result<()> {
    let host = Host::boot("install-crash").await?;
    let remote = GitRemote::new("hello", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    for tag in ["install.ready", "install.committed", "install.stored"] {
        with_fault(&host, tag).await?;
        let outcome = install(&host, &remote, json!({})).await;
        assert!(outcome.is_err(), "{tag}: atekd did not end");
        without_fault(&host).await?;
        if tag == "install.stored" {
            host.service_is("hello", "running").await?;
            call(&host, "uninstall", json!(["hello"])).await?;
        }
        nothing_is_left(&host).await?;
    }
    for tag in ["uninstall.begun", "uninstall.deleted", "uninstall.removed"] {
        without_fault(&host).await?;
        install(&host, &remote, json!({})).await?;
        with_fault(&host, tag).await?;
        let outcome = call(&host, "uninstall", json!(["hello"])).await;
        assert!(outcome.is_err(), "{tag}: atekd did not end");
        without_fault(&host).await?;
        if tag == "uninstall.begun" {
            host.service_is("hello", "running").await?;
            call(&host, "uninstall", json!(["hello"])).await?;
        }
        nothing_is_left(&host).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_crash_at_any_step_of_an_update_leaves_a_version_that_runs() -> anyhow::Result<()> {
    let host = Host::boot("install-update-crash").await?;
    let remote = GitRemote::new("hello", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    install(&host, &remote, json!({})).await?;
    remote.tag_app("v1.1.0", "hello-node")?;
    for (tag, expected) in [
        ("update.ready", "v1.0.0"),
        ("update.committed", "v1.0.0"),
        ("update.stopped", "v1.0.0"),
        ("update.saved", "v1.0.0"),
        ("update.started", "v1.0.0"),
        ("update.tried", "v1.0.0"),
        ("update.stored", "v1.1.0"),
    ] {
        with_fault(&host, tag).await?;
        // By its name: one that was interrupted twice is not tried again by itself.
        let named = json!(["hello", { "to": "v1.1.0" }]);
        let outcome = call(&host, "updatePackage", named).await;
        assert!(outcome.is_err(), "{tag}: atekd did not end");
        without_fault(&host).await?;
        host.service_is("hello", "running").await?;
        wait_for("the version", SOON, async || {
            Ok(Seen::if_so(version(&host).await?, |version| {
                version == expected
            }))
        })
        .await?;
        wait_for("nothing to be left of the update", SOON, async || {
            let script = "ls /var/lib/atek/updates /var/lib/atek/staging 2>/dev/null || :";
            let left = host.machine.shell(script).await?;
            Ok(Seen::if_so(left, |left| {
                !left.contains(".json") && !left.contains("build")
            }))
        })
        .await?;
        let versions = host
            .machine
            .shell("ls /var/lib/atek/packages/*/versions")
            .await?;
        assert!(versions.contains(expected), "{tag}: {versions}");
    }
    Ok(())
}

#[tokio::test]
async fn what_was_shown_is_what_is_installed_though_its_tag_was_moved() -> anyhow::Result<()> {
    let host = Host::boot("install-shown").await?;
    let remote = GitRemote::new("hello", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    let shown = call(&host, "inspect", json!([{ "sourceUrl": remote.url() }])).await?;
    let inspected = json!({ "version": shown["version"], "commit": shown["commit"] });
    let agreed = json!({ "inspected": inspected });

    // The same tag with something else in it, between the look and the word.
    let head = remote.git(["rev-parse", "HEAD"])?;
    assert_eq!(shown["commit"], head.trim());
    remote
        .write("VERSION", "something else")?
        .commit("moved")?
        .git(["tag", "--force", "--annotate", "--message", "m", "v1.0.0"])?;
    remote.publish()?;

    // What was fetched for the look is installed.
    let info = install(&host, &remote, agreed.clone()).await?;
    assert_eq!(info["state"], "running", "{info}");
    assert_eq!(version(&host).await?, "v1.0.0");
    call(&host, "uninstall", json!(["hello"])).await?;
    nothing_is_left(&host).await?;

    // It is gone, and what the tag names now was not shown.
    let moved = refusal(install(&host, &remote, agreed).await);
    assert!(
        moved
            .message
            .contains("v1.0.0 is not what was shown any more"),
        "{}",
        moved.message
    );
    nothing_is_left(&host).await?;
    let seen_now = remote.git(["rev-parse", "HEAD"])?;
    let again = json!({ "inspected": { "version": "v1.0.0", "commit": seen_now.trim() } });
    install(&host, &remote, again).await?;
    assert_eq!(version(&host).await?, "something else");
    Ok(())
}

/// The manifest of the plain app, with some keys of the test's own.
fn manifest(more: Value) -> String {
    let mut manifest = json!({
        "name": "Hello",
        "exports": [{ "api": "example.test/hello", "path": "/_api/hello" }],
    });
    if let (Some(manifest), Some(more)) = (manifest.as_object_mut(), more.as_object()) {
        manifest.extend(more.clone());
    }
    manifest.to_string()
}

async fn property(host: &Host, unit: &str, name: &str) -> anyhow::Result<String> {
    let words = ["systemctl", "show", "--value", "--property", name, unit];
    Ok(host.machine.exec(words).await?.trim().to_owned())
}

#[tokio::test]
async fn a_build_that_rewrote_its_manifest_got_exports_a_port_and_limits_that_were_not_shown()
-> anyhow::Result<()> {
    let host = Host::boot("install-rewritten").await?;
    let remote = GitRemote::new("hello", host.machine.gateway()?)?;
    let rewritten = manifest(json!({
        "exports": [
            { "api": "example.test/hello", "path": "/_api/hello" },
            { "api": "example.test/stolen", "path": "/_api/hello" },
        ],
        "limits": { "tasksMax": 17, "memoryMax": 64 << 20 },
        "permissions": { "network": { "direct": { "lan": true } } },
    }));
    let build = "cp rewritten.json atek.json";
    remote
        .tag_app("v0.9.0", "hello-node")?
        .write("rewritten.json", rewritten)?
        .write(
            "package.json",
            json!({ "name": "hello", "scripts": { "build": build } }).to_string(),
        )?
        .tag("v1.0.0")?;
    let info = install(&host, &remote, json!({})).await?;
    let key = info["key"].as_str().unwrap_or_default();
    let path = format!("/var/lib/atek/packages/{key}/versions/v1.0.0/atek.json");
    let written = host.machine.read(&path).await?;
    assert!(written.contains("stolen"), "the build did not do it");

    assert_eq!(version(&host).await?, "v0.9.0", "the app runs");
    let system = host.system()?;
    let stolen = system.call("example.test/stolen", "hello", json!([]));
    refusal(stolen.await);
    let settings = call(&host, "get", json!(["hello"])).await?["settings"].clone();
    let manifest = &settings["manifest"];
    assert_eq!(manifest["exports"].as_array().map(Vec::len), Some(2));
    assert!(!manifest.to_string().contains("stolen"), "{manifest}");
    assert!(manifest.get("permissions").is_none(), "{manifest}");
    let tasks = property(&host, "atek-app-hello.service", "TasksMax").await?;
    assert_eq!(tasks, "128");
    let warnings = settings["package"]["warnings"].to_string();
    assert!(warnings.contains("manifest-changed"), "{warnings}");
    Ok(())
}

#[tokio::test]
async fn an_app_gets_higher_limits_only_with_a_yes() -> anyhow::Result<()> {
    const MIB: u64 = 1 << 20;
    let host = Host::boot("install-limits").await?;
    let remote = GitRemote::new("hello", host.machine.gateway()?)?;
    let asks = json!({ "memoryMax": 768 * MIB, "tasksMax": 200, "cpuWeight": 10_000 });
    remote
        .tag_app("v0.9.0", "hello-node")?
        .write("atek.json", manifest(json!({ "limits": asks })))?
        .tag("v1.0.0")?;
    let unit = async || -> anyhow::Result<[String; 3]> {
        let unit = "atek-app-hello.service";
        Ok([
            property(&host, unit, "MemoryMax").await?,
            property(&host, unit, "TasksMax").await?,
            property(&host, unit, "CPUWeight").await?,
        ])
    };
    let shown = call(&host, "inspect", json!([{ "sourceUrl": remote.url() }])).await?;
    // The weight is cut to the most that an app can ask for.
    let wanted = json!({ "memoryMax": 768 * MIB, "tasksMax": 200, "cpuWeight": 1_000 });
    assert_eq!(shown["limits"], wanted);
    assert_eq!(shown["limitsInWords"].as_array().map(Vec::len), Some(3));

    install(&host, &remote, json!({})).await?;
    let usual = [(512 * MIB).to_string(), "128".to_owned(), "100".to_owned()];
    assert_eq!(unit().await?, usual, "no person agreed to more");
    call(&host, "uninstall", json!(["hello"])).await?;

    // An ordinary user does not agree for the box.
    let bob = host.person("bob", "").await?;
    let own = json!([{ "sourceUrl": remote.url(), "limits": wanted }]);
    let error = refusal(bob.client.call(SERVICES, "install", own).await);
    println!("{error:?}");
    assert!(!error.message.contains("address"), "{error:?}");

    install(&host, &remote, json!({ "limits": wanted })).await?;
    let agreed = [(768 * MIB).to_string(), "200".to_owned(), "1000".to_owned()];
    assert_eq!(unit().await?, agreed);

    let more = json!({ "memoryMax": 1024 * MIB, "tasksMax": 200, "cpuWeight": 10_000 });
    remote
        .write("atek.json", manifest(json!({ "limits": more })))?
        .tag("v1.1.0")?;
    let update = async |options: Value| {
        let system = host.system()?;
        system
            .call(SERVICES, "updatePackage", json!(["hello", options]))
            .await
    };
    let error = refusal(update(json!({})).await);
    let growth = json!({ "memoryMax": 1024 * MIB });
    assert_eq!(error.data["limits"], growth, "{error:?}");
    assert_eq!(unit().await?, agreed, "the old version runs on");
    update(json!({ "limits": growth })).await?;
    let raised = (1024 * MIB).to_string();
    assert_eq!(unit().await?, [&raised, "200", "1000"]);
    Ok(())
}
