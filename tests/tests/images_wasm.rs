//! WebAssembly components as apps. The component is made by tools of others, see
//! `src/components.rs`. Updates are in `soak_wasm.rs`.

mod images;

use anyhow::Context as _;
use atek_tests::host::{Host, Person, SERVICES, SOON};
use atek_tests::http::Client;
use atek_tests::{Seen, wait_for};
use http::Method;
use images::hono::{self, COMPILED, NEIGHBOUR, UNIT, call, install, page};
use images::{nothing_is_left, secure};
use serde_json::{Value, json};

async fn neighbour(host: &Host) -> anyhow::Result<()> {
    let script = "require('http').createServer((_, r) => r.end('from outside')).listen(80)";
    let network = format!(
        "ip netns add neighbour
         ip link add near type veth peer name far netns neighbour
         ip address add 10.77.0.1/24 dev near
         ip link set near up
         ip -n neighbour address add {NEIGHBOUR}/24 dev far
         ip -n neighbour link set far up
         systemd-run --unit=neighbour --property=NetworkNamespacePath=/run/netns/neighbour \
           node -e \"{script}\""
    );
    host.machine.shell(&network).await.map(drop)
}

/// What the unit's process is, by which one tells that it is the same.
async fn process(host: &Host) -> anyhow::Result<String> {
    let words = ["show", "-P", "MainPID", "-P", "NRestarts", UNIT];
    host.machine
        .exec(["systemctl"].into_iter().chain(words))
        .await
}

#[tokio::test]
async fn a_component_is_installed_used_confined_and_gone() -> anyhow::Result<()> {
    let host = Host::boot("wasm-life").await?;
    let Some(remote) = hono::hono(&host)? else {
        return Ok(());
    };
    let alice = host.person("alice", "admin").await?;
    neighbour(&host).await?;
    secure::servers(&host).await?;
    install(&host, &remote).await?;
    let app = host.visit(&alice, "hono").await?.patient(COMPILED);
    is_used(&host, &app, &alice).await?;
    is_confined(&host, &app).await?;
    bounds_hold(&host, &app).await?;
    secure::is_reached_where_it_is_right(&host, &app).await?;
    reaches_what_is_granted(&alice, &app).await?;
    call(&host, "uninstall", json!(["hono"])).await?;
    nothing_is_left(&host).await
}

/// Pages, variables and state, as a program on Node has them.
async fn is_used(host: &Host, app: &Client, alice: &Person) -> anyhow::Result<()> {
    // Each request has an instance of its own.
    for _ in 0..2 {
        assert_eq!(page(app, "/").await?, "version 1.0.0, request 1");
    }
    assert_eq!(page(app, "/folders").await?, r#"["/state","/app"]"#);
    let variables: Value = serde_json::from_str(&page(app, "/env").await?)?;
    let key = host.service("hono").await?["key"].clone();
    assert_eq!(variables["ATEK_ASSIGNED_SERVICE_KEY"], key);
    assert_eq!(variables["STATE_DIRECTORY"], "/state");
    assert_eq!(variables.get("PATH"), None);
    let sent = "ä".repeat(500_000);
    let answer = app.send(Method::POST, "/echo", sent.clone()).await?;
    assert_eq!(
        (answer.status, answer.header("x-visitor")),
        (201, &*alice.key)
    );
    assert!(answer.text() == sent, "the body came back changed");

    for expected in ["1", "2"] {
        assert_eq!(page(app, "/count").await?, expected);
    }
    call(host, "restart", json!(["hono"])).await?;
    host.service_is("hono", "running").await?;
    assert_eq!(page(app, "/count").await?, "3");
    let log = host.machine.journal(UNIT).await?;
    assert!(log.contains("counted to 3"), "{log}");
    // It was compiled when it was installed, and not again.
    assert!(!log.contains("compiled the component"), "{log}");
    Ok(())
}

/// What a component can reach, and what its process could.
async fn is_confined(host: &Host, app: &Client) -> anyhow::Result<()> {
    let attempts: Value = serde_json::from_str(&page(app, "/attempts").await?)?;
    for (what, outcome) in attempts.as_object().context("no object")? {
        let outcome = outcome.as_str().unwrap_or_default();
        let refused = ["not-permitted", "read-only", "access", "no-entry"];
        assert!(refused.contains(&outcome), "{what}: {outcome}");
    }
    // The folder of native code has what the job compiled, and nothing of the package.
    let key = host.service("hono").await?["key"].clone();
    let folder = format!(
        "/var/lib/atek/packages/{}/current/.atek-wasm",
        key.as_str().unwrap_or("")
    );
    let found = host
        .machine
        .exec(["find", &folder, "-printf", "%u %m %f\n"])
        .await?;
    let lines: Vec<_> = found.lines().collect();
    assert_eq!(lines.len(), 2, "{found}");
    assert!(
        lines[1].starts_with("root 644 ") && lines[1].ends_with(".cwasm"),
        "{found}"
    );

    for (name, expected) in [
        ("DynamicUser", "yes"),
        ("PrivateNetwork", "yes"),
        ("PrivateUsers", "yes"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("CapabilityBoundingSet", ""),
    ] {
        let shown = host
            .machine
            .exec(["systemctl", "show", "-P", name, UNIT])
            .await?;
        assert_eq!(shown.trim(), expected, "{name}");
    }
    let pid = host.pid("hono").await?;
    let status = host.machine.read(&format!("/proc/{pid}/status")).await?;
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    // One filter more than a Node app has: it cannot make memory executable any more.
    let maps = host.machine.read(&format!("/proc/{pid}/maps")).await?;
    let both = maps.lines().find(|line| line.contains(" rwx"));
    assert_eq!(both, None);
    assert!(maps.contains(".cwasm"), "{maps}");
    Ok(())
}

/// An endless loop, and components that take all they can, end; the unit and other requests go on.
async fn bounds_hold(host: &Host, app: &Client) -> anyhow::Result<()> {
    let before = process(host).await?;
    let others = async {
        for _ in 0..20 {
            assert_eq!(page(app, "/").await?, "version 1.0.0, request 1");
        }
        anyhow::Ok(())
    };
    let get = async |path: &str| anyhow::Ok(app.get(path).await?.status);
    let (first, second, bomb, again, handles, served) = tokio::join!(
        get("/loop"),
        get("/loop"),
        get("/bomb"),
        get("/bomb"),
        get("/handles"),
        others
    );
    served?;
    for ended in [first, second, bomb, again, handles] {
        assert_eq!(ended?, 500);
    }
    assert_eq!(page(app, "/").await?, "version 1.0.0, request 1");
    assert_eq!(process(host).await?, before);
    let log = host.machine.journal(UNIT).await?;
    assert!(log.contains("it computed for longer than 10 s"), "{log}");
    Ok(())
}

/// Requests outside are refused, granted, and refused again; the host's API answers.
async fn reaches_what_is_granted(alice: &Person, app: &Client) -> anyhow::Result<()> {
    let outside = format!("/fetch?url=http://{NEIGHBOUR}/");
    let answer = page(app, &outside).await?;
    assert_eq!(answer, "200 from outside");
    let other = page(app, "/fetch?url=http://10.77.0.1/").await?;
    assert!(other.starts_with("403 "), "{other}");
    let nothing = json!(["hono", { "grant": {} }]);
    alice.client.call(SERVICES, "configure", nothing).await?;
    wait_for("the way to be closed", SOON, async || {
        let answer = page(app, &outside).await.unwrap_or_default();
        Ok(Seen::if_so(answer, |answer| {
            answer.starts_with("refused: ") || answer.starts_with("403 ")
        }))
    })
    .await?;
    let closed = secure::fetch(app, secure::GOOD).await?;
    assert!(closed.starts_with("refused: "), "{closed}");
    // Without a word of the component, the host knows which app calls.
    let called = page(app, "/call?api=atek.cloud/user-sessions-api&method=whoami").await?;
    assert!(called.starts_with("200 "), "{called}");
    assert!(called.contains(r#""username":"alice""#), "{called}");
    Ok(())
}
