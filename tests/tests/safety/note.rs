//! A box with an app that keeps a note, and a disk for its backups.

use atek_tests::host::Host;
use serde_json::{Value, json};

pub const HELLO: &str = "example.test/hello";

/// A box with an app that keeps a note, and a disk at /mnt/disk.
pub async fn box_with_note(name: &str) -> anyhow::Result<Host> {
    let host = Host::boot(name).await?;
    host.person("bob", "").await?;
    let source = host.machine.place_app("hello-node").await?;
    let params = json!({ "sourceUrl": source, "id": "hello-node", "user": "bob" });
    host.install_from(params).await?;
    put(&host, "precious").await?;
    host.machine
        .shell("mkdir -p /mnt/disk && echo mine > /mnt/disk/other")
        .await?;
    Ok(host)
}

pub async fn put(host: &Host, text: &str) -> anyhow::Result<()> {
    let note = json!(["note", text]);
    host.system()?.call(HELLO, "put", note).await.map(drop)
}

pub async fn note(host: &Host) -> anyhow::Result<Value> {
    host.system()?.call(HELLO, "get", json!(["note"])).await
}
