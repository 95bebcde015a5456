//! The life of services, as their owner and the machine's administrator see it.

use atek_tests::Machine;
use atek_tests::host::{Host, SERVICES, SOON, refusal};
use atek_tests::{Seen, skip, wait_for};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// So many calls at least at the edge of sleep, and so many of them on either side.
const CALLS: u32 = 15;
/// See [`CALLS`].
const SOME: u32 = 3;

/// For everybody: the tests here are not about users.
const EVERYBODY: &str = "system";

async fn call(host: &Host, method: &str, params: Value) -> anyhow::Result<Value> {
    host.system()?.call(SERVICES, method, params).await
}

async fn systemctl(machine: &Machine, words: &[&str]) -> anyhow::Result<String> {
    let all: Vec<&str> = std::iter::once("systemctl")
        .chain(words.iter().copied())
        .collect();
    machine.exec(all).await
}

/// What the app says through the gateway.
async fn hello(host: &Host) -> anyhow::Result<Value> {
    let api = "example.test/hello";
    host.system()?.call(api, "hello", json!(["you"])).await
}

#[tokio::test]
async fn a_native_and_a_node_app_start_answer_stop_and_start_again() -> anyhow::Result<()> {
    let host = Host::boot("services-basic").await?;
    for app in ["native-echo", "hello-node"] {
        let info = host.install(app, EVERYBODY).await?;
        assert_eq!(info["status"], "active", "{info}");
        assert_eq!(info["state"], "running", "{info}");
        let status = call(&host, "status", json!([app])).await?;
        assert_eq!(status["unit"], format!("atek-app-{app}.service"));
        assert_eq!(status["pid"], host.pid(app).await?);

        call(&host, "stop", json!([app])).await?;
        let stopped = host.service(app).await?;
        assert_eq!(stopped["state"], "stopped", "{stopped}");
        assert_eq!(stopped["settings"]["stopped"], true);
        let unit = format!("atek-app-{app}.service");
        let left = systemctl(
            &host.machine,
            &["list-units", "--all", "--no-legend", &unit],
        )
        .await?;
        assert_eq!(left.trim(), "");

        call(&host, "start", json!([app])).await?;
        assert_eq!(host.service(app).await?["state"], "running");
    }
    Ok(())
}

#[tokio::test]
async fn a_service_that_fails_is_started_again_and_the_reason_is_shown() -> anyhow::Result<()> {
    let host = Host::boot("services-fail").await?;
    let info = host.install("crash-loop", EVERYBODY).await?;
    assert_ne!(info["state"], "running", "{info}");
    let seen = wait_for("a reason", SOON, async || {
        let service = host.service("crash-loop").await?;
        let reason = service["reason"].as_str().unwrap_or_default().to_owned();
        Ok(Seen::if_so(reason, |reason| reason.contains("exit code 3")))
    });
    seen.await?;
    let restarts = wait_for("a restart", SOON, async || {
        let status = call(&host, "status", json!(["crash-loop"])).await?;
        Ok(Seen::if_so(status, |status| {
            status["restarts"].as_u64() > Some(1)
        }))
    });
    assert_eq!(restarts.await?["lastExit"], "exit code 3");
    // A person who asks is told at the first failure.
    let error = refusal(call(&host, "start", json!(["crash-loop"])).await);
    assert!(error.message.contains("exit code 3"), "{}", error.message);
    // A stop ends the attempts.
    call(&host, "stop", json!(["crash-loop"])).await?;
    assert_eq!(host.service("crash-loop").await?["state"], "stopped");
    assert!(host.pid("crash-loop").await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_process_that_is_killed_is_replaced_and_calls_go_on() -> anyhow::Result<()> {
    let host = Host::boot("services-killed").await?;
    host.install("hello-node", EVERYBODY).await?;
    let before = host.pid("hello-node").await?;
    let unit = "atek-app-hello-node.service";
    systemctl(
        &host.machine,
        &["kill", "--kill-whom=main", "--signal=SEGV", unit],
    )
    .await?;
    wait_for("another process", SOON, async || {
        let pid = host.pid("hello-node").await?;
        Ok(Seen::if_so(pid, |pid| *pid != before))
    })
    .await?;
    host.service_is("hello-node", "running").await?;
    assert_eq!(hello(&host).await?, "hello you");
    Ok(())
}

#[tokio::test]
async fn an_app_that_never_listens_is_stopped_after_the_deadline_and_says_so() -> anyhow::Result<()>
{
    let host = Host::boot("services-silent").await?;
    let source = host.machine.place_app("never-listens").await?;
    let began = Instant::now();
    let params = json!([{ "sourceUrl": source, "user": EVERYBODY }]);
    call(&host, "startInstall", params).await?;
    host.service_is("never-listens", "starting").await?;
    let failed = wait_for("the failure", Duration::from_secs(120), async || {
        let service = host.service("never-listens").await?;
        Ok(Seen::if_so(service, |service| service["state"] == "failed"))
    })
    .await?;
    assert!(began.elapsed() >= Duration::from_secs(29), "{failed}");
    assert_eq!(
        failed["reason"], "did not listen on its socket within 30 s",
        "{failed}"
    );
    // It is said to have failed as systemd is asked to stop it.
    wait_for("its end", Duration::from_secs(15), async || {
        let has_ended = host.pid("never-listens").await.is_err();
        Ok(Seen::if_so(has_ended, |has_ended| *has_ended))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn an_app_that_ignores_sigterm_is_stopped_all_the_same() -> anyhow::Result<()> {
    let host = Host::boot("services-stubborn").await?;
    host.install("ignores-sigterm", EVERYBODY).await?;
    let began = Instant::now();
    call(&host, "stop", json!(["ignores-sigterm"])).await?;
    // After ten seconds it is killed; systemd itself would wait for ninety.
    println!("stopped after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(60));
    assert!(host.pid("ignores-sigterm").await.is_err());
    assert_eq!(host.service("ignores-sigterm").await?["state"], "stopped");
    Ok(())
}

#[tokio::test]
async fn a_memory_hog_is_killed_at_its_limit_and_the_reason_names_it() -> anyhow::Result<()> {
    let host = Host::boot("services-memory").await?;
    if !host.machine.has_controller("memory").await? {
        skip("the outer machine gives no memory controller");
        return Ok(());
    }
    let alice = host.person("alice", "").await?;
    host.install("memory-hog", EVERYBODY).await?;
    let page = host.visit(&alice, "memory-hog").await?.get("/hog").await?;
    assert_ne!(page.status, 200, "it got what it took: {}", page.text());
    // Of the process before, also when the next one runs already.
    let reason = wait_for("the reason", SOON, async || {
        let status = call(&host, "status", json!(["memory-hog"])).await?;
        Ok(Seen::if_so(status["lastExit"].to_string(), |reason| {
            reason.contains("out of memory (limit")
        }))
    });
    reason.await?;
    Ok(())
}

#[tokio::test]
async fn what_an_administrator_does_with_systemctl_is_shown_and_followed() -> anyhow::Result<()> {
    let host = Host::boot("services-admin").await?;
    host.install("hello-node", EVERYBODY).await?;
    let before = host.pid("hello-node").await?;
    systemctl(&host.machine, &["restart", "atek-app-hello-node.service"]).await?;
    assert_ne!(host.pid("hello-node").await?, before);
    // atekd may have this news later than we.
    wait_for("the new process's answer", SOON, async || {
        Ok(Seen::if_so(hello(&host).await?, |answer| {
            answer == "hello you"
        }))
    })
    .await?;
    host.service_is("hello-node", "running").await?;

    systemctl(&host.machine, &["stop", "atek-app-hello-node.service"]).await?;
    let stopped = host.service_is("hello-node", "stopped").await?;
    assert_eq!(
        stopped["reason"], "stopped by the administrator",
        "{stopped}"
    );
    // It is not fought: nothing starts it behind the administrator's back …
    assert!(host.pid("hello-node").await.is_err());
    // … and what the person wants is unchanged.
    assert_eq!(stopped["settings"].get("stopped"), None);

    systemctl(&host.machine, &["start", "atek@hello-node.service"]).await?;
    assert_eq!(host.service("hello-node").await?["state"], "running");
    Ok(())
}

#[tokio::test]
async fn a_new_id_takes_effect_at_once_and_the_state_goes_with_the_service() -> anyhow::Result<()> {
    let host = Host::boot("services-rename").await?;
    host.install("hello-node", EVERYBODY).await?;
    let api = "example.test/hello";
    let system = host.system()?;
    system.call(api, "put", json!(["note", "kept"])).await?;
    let change = json!(["hello-node", { "id": "greeter", "config": { "word": "hi" } }]);
    call(&host, "configure", change).await?;
    let renamed = host.service("greeter").await?;
    assert_eq!(renamed["state"], "running", "{renamed}");
    assert!(host.pid("greeter").await.is_ok());
    assert!(host.pid("hello-node").await.is_err());
    refusal(host.service("hello-node").await);
    assert_eq!(system.call(api, "get", json!(["note"])).await?, "kept");

    host.install("hello-node", EVERYBODY).await?;
    let taken = refusal(
        call(
            &host,
            "configure",
            json!(["hello-node", { "id": "greeter" }]),
        )
        .await,
    );
    assert_eq!(taken.message, "App already exists under the ID: greeter");
    Ok(())
}

#[tokio::test]
async fn limits_of_a_service_reach_its_unit() -> anyhow::Result<()> {
    let host = Host::boot("services-limits").await?;
    host.install("native-echo", EVERYBODY).await?;
    let limits = json!({ "limits": { "memoryMax": 67_108_864, "tasksMax": 17, "cpuQuota": 50 } });
    call(&host, "configure", json!(["native-echo", limits])).await?;
    let unit = "atek-app-native-echo.service";
    let properties = [
        "-p",
        "MemoryMax",
        "-p",
        "TasksMax",
        "-p",
        "CPUQuotaPerSecUSec",
    ];
    let words: Vec<&str> = ["show", unit].into_iter().chain(properties).collect();
    let shown = systemctl(&host.machine, &words).await?;
    for line in [
        "MemoryMax=67108864",
        "TasksMax=17",
        "CPUQuotaPerSecUSec=500ms",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    let status = call(&host, "status", json!(["native-echo"])).await?;
    assert_eq!(status["limits"]["tasksMax"], 17);
    let bad = json!(["native-echo", { "limits": { "memoryMax": 1 } }]);
    assert!(
        refusal(call(&host, "configure", bad).await)
            .message
            .contains("memoryMax")
    );
    Ok(())
}

#[tokio::test]
async fn the_log_has_the_apps_lines_and_what_systemd_says() -> anyhow::Result<()> {
    let host = Host::boot("services-log").await?;
    host.install("hello-node", EVERYBODY).await?;
    let page = wait_for("the log", SOON, async || {
        let page = call(&host, "logs", json!(["hello-node"])).await?;
        Ok(Seen::if_so(page, |page| {
            page.to_string().contains("hello listens")
        }))
    })
    .await?;
    assert!(page.to_string().contains("Started"), "{page}");
    let cursor = page["cursor"].clone();
    call(&host, "stop", json!(["hello-node"])).await?;
    let after = wait_for("what came after the cursor", SOON, async || {
        let options = json!(["hello-node", { "cursor": cursor }]);
        let page = call(&host, "logs", options).await?;
        Ok(Seen::if_so(page, |page| {
            page.to_string().contains("told to stop")
        }))
    })
    .await?;
    assert!(!after.to_string().contains("hello listens"), "{after}");
    let newest = call(&host, "logs", json!(["hello-node", { "lines": 1 }])).await?;
    assert_eq!(newest["entries"].as_array().map(Vec::len), Some(1));
    let errors = call(&host, "logs", json!(["hello-node", { "level": "err" }])).await?;
    assert_eq!(errors["entries"], json!([]));
    // The token never reaches a log.
    let secret = host.machine.shell("cat /run/atek/tokens/*").await?;
    let journal = host
        .machine
        .exec(["journalctl", "--no-pager", "-o", "export"])
        .await?;
    for token in secret.split_whitespace() {
        assert!(!journal.contains(token));
    }
    Ok(())
}

#[tokio::test]
async fn an_app_that_may_sleep_is_started_by_the_first_call() -> anyhow::Result<()> {
    let host = Host::boot("services-sleep").await?;
    let source = host.machine.place_app("native-echo").await?;
    let manifest = json!({
        "runtime": "native", "entry": "native-echo", "sleep": true,
        "exports": [{ "api": "example.test/native-echo" }],
    });
    let path = "/srv/apps/native-echo/atek.json";
    host.machine.write(path, manifest.to_string()).await?;
    host.install_from(json!({ "sourceUrl": source, "user": EVERYBODY }))
        .await?;
    // As after a reboot: it does not run, and was not stopped.
    let script = "systemctl stop atek-app-native-echo.service; systemctl restart atekd.service";
    host.machine.shell(script).await?;
    host.ready().await?;
    host.service_is("native-echo", "sleeping").await?;
    assert!(host.pid("native-echo").await.is_err());

    let api = "example.test/native-echo";
    let began = Instant::now();
    host.system()?.call(api, "echo", json!(["awake"])).await?;
    println!("woken and answered in {:?}", began.elapsed());
    assert_eq!(host.service("native-echo").await?["state"], "running");
    assert!(host.pid("native-echo").await.is_ok());
    // One that a person stopped is not woken by a call.
    call(&host, "stop", json!(["native-echo"])).await?;
    refusal(host.system()?.call(api, "echo", json!(["awake"])).await);
    assert!(host.pid("native-echo").await.is_err());
    Ok(())
}

#[tokio::test]
async fn an_idle_app_that_may_sleep_is_put_to_sleep_and_no_call_is_ever_cut_off()
-> anyhow::Result<()> {
    let config = json!({ "sleepAfterSeconds": 1 }).to_string();
    let builder = Machine::builder("services-idle").file("/etc/atek/config.json", config, 0o644);
    let host = Host::on(builder).await?;
    let source = host.machine.place_app("native-echo").await?;
    let manifest = json!({
        "runtime": "native", "entry": "native-echo", "sleep": true,
        "exports": [{ "api": "example.test/native-echo" }],
    });
    let path = "/srv/apps/native-echo/atek.json";
    host.machine.write(path, manifest.to_string()).await?;
    host.install_from(json!({ "sourceUrl": source, "user": EVERYBODY }))
        .await?;
    host.install("hello-node", EVERYBODY).await?;
    host.service_is("native-echo", "sleeping").await?;
    assert!(host.pid("native-echo").await.is_err());

    // Calls that come just when it is about to fall asleep: each keeps it awake or wakes it. How
    // long that takes is not ours to know: a call that found it asleep came late, one that
    // found it awake came early.
    let api = "example.test/native-echo";
    let began = Instant::now();
    let mut pause = Duration::from_millis(1_500);
    let (mut calls, mut woken) = (0, 0);
    while calls < CALLS || woken < SOME || calls - woken < SOME {
        let last = format!("{calls} calls, {woken} of them woke the app, pause {pause:?}");
        anyhow::ensure!(began.elapsed() < Duration::from_secs(180), "{last}");
        tokio::time::sleep(pause).await;
        let asleep = host.service("native-echo").await?["state"] != "running";
        let answer = host.system()?.call(api, "echo", json!([calls])).await;
        anyhow::ensure!(answer.is_ok(), "{last}: {answer:?}");
        calls += 1;
        woken += u32::from(asleep);
        let step = Duration::from_millis(137);
        pause = if asleep {
            pause.saturating_sub(step)
        } else {
            pause + step
        };
    }
    println!("{calls} calls answered, {woken} of them woke the app, the last after {pause:?}");
    // One that does not say that it may sleep is left alone.
    assert_eq!(host.service("hello-node").await?["state"], "running");
    Ok(())
}
