//! A WebAssembly component over updates, and on another Atek than that which compiled it. Each
//! release is compiled, which takes half a minute.

mod images;

use atek_tests::host::{Host, refusal};
use atek_tests::http::Client;
use atek_tests::{Seen, wait_for};
use images::hono::{self, COMPILED, UNIT, call, install, page};
use serde_json::json;

/// A release that is no component is refused, a good one keeps the data, and both ways lead back.
#[tokio::test]
async fn a_component_is_updated_and_rolled_back() -> anyhow::Result<()> {
    let host = Host::boot("wasm-updates").await?;
    let Some(remote) = hono::hono(&host)? else {
        return Ok(());
    };
    let alice = host.person("alice", "admin").await?;
    install(&host, &remote).await?;
    let app = host.visit(&alice, "hono").await?.patient(COMPILED);
    assert_eq!(page(&app, "/count").await?, "1");
    remote.write("version", "1.1.0")?.tag("v1.1.0")?;
    call(&host, "checkForPackageUpdates", json!(["hono"])).await?;
    let done = call(&host, "updatePackage", json!(["hono"])).await?;
    assert_eq!(done["installedVersion"], "v1.1.0", "{done}");
    assert_eq!(page(&app, "/").await?, "version 1.1.0, request 1");
    assert_eq!(page(&app, "/count").await?, "2");
    let module = b"\0asm\x01\0\0\0";
    remote.write("app.wasm", module)?.tag("v1.2.0")?;
    call(&host, "checkForPackageUpdates", json!(["hono"])).await?;
    let error = refusal(call(&host, "updatePackage", json!(["hono"])).await);
    assert!(error.message.contains("core module"), "{}", error.message);
    assert_eq!(page(&app, "/count").await?, "3");
    let back = ["atek", "rollback", "hono", "--yes"];
    let done = host.machine.exec_within(COMPILED, back, b"").await?;
    anyhow::ensure!(done.status.success(), "{done:?}");
    assert_eq!(page(&app, "/").await?, "version 1.0.0, request 1");
    assert_eq!(page(&app, "/count").await?, "2");

    is_compiled_again(&host, &app).await
}

/// Where code lies after an update of Atek with another wasmtime: that of the other one.
const PLANT: &str = "cd /var/lib/atek/packages/*/current/.atek-wasm
    for file in *.cwasm; do mv $file ${file%-*}-0123456789abcdef.cwasm; done";

/// After an update of Atek with another wasmtime a job compiles the component, and its unit does
/// not: it starts as fast as before.
async fn is_compiled_again(host: &Host, app: &Client) -> anyhow::Result<()> {
    let code = "cd /var/lib/atek/packages/*/current/.atek-wasm && stat -c '%u %a %n' *";
    let before = host.machine.shell(code).await?;
    let stop = ["systemctl", "stop", "atekd", UNIT];
    host.machine.exec(stop).await?;
    host.machine.shell(PLANT).await?;
    assert_ne!(host.machine.shell(code).await?, before);
    host.machine.exec(["systemctl", "start", "atekd"]).await?;
    host.ready().await?;
    wait_for("the app to run", COMPILED, async || {
        let service = host.service("hono").await?;
        Ok(Seen::if_so(service, |service| {
            service["state"] == "running"
        }))
    })
    .await?;
    assert_eq!(page(app, "/count").await?, "3");
    assert_eq!(host.machine.shell(code).await?, before);
    let log = host.machine.journal(UNIT).await?;
    assert!(!log.contains("compiled the component in"), "{log}");
    Ok(())
}
