//! The client of Holesail, as npm has it and as phones have it in an app, opens a box as a paired
//! device. Here it knows the nodes of the test, and has Node's module for datagrams; else it is
//! unchanged.

use anyhow::{Context as _, ensure};
use atek_tests::host::SOON;
use atek_tests::http::Client;
use atek_tests::neighbourhood::{BOOTSTRAP, Nat, Neighbourhood, home, sign_in};
use atek_tests::{Seen, paths, wait_for};
use serde_json::json;

const HYPERCORE: &str = "atek.cloud/hypercore-api";
const CLIENT: &str = "holesail-client@2.3.0";

#[tokio::test]
async fn the_client_of_holesail_opens_a_box_until_its_device_is_removed() -> anyhow::Result<()> {
    let mut net = Neighbourhood::new().await?;
    let host = home("holesail").await?;
    net.home(&host.machine, Nat::Friendly).await?;
    net.computer("phone", Nat::Friendly).await?;
    let alice = host.person("alice", "admin").await?;
    let label = json!([{ "label": "Phone" }]);
    let device = alice.client.call(HYPERCORE, "pairDevice", label).await?;
    let link = device["link"].as_str().context("no link")?;
    let key = link.strip_prefix("hs://s000").context("no private key")?;

    let installed = net.folder().join("installed");
    let npm = tokio::process::Command::new("npm")
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--silent", "--prefix"])
        .arg(&installed)
        .arg(CLIENT)
        .status()
        .await?;
    ensure!(npm.success(), "npm cannot install {CLIENT}");
    let socket = net.folder().join("phone.sock");
    let script = paths::repository().join("tests/homes/holesail.mjs");
    let arguments = [
        script.into_os_string(),
        installed.into_os_string(),
        socket.clone().into_os_string(),
        BOOTSTRAP.into(),
    ];
    let said = net
        .run("phone", &arguments, &[("HOLESAIL_KEY", key)])
        .await?;
    ensure!(said == "open 127.0.0.1:8989", "{said}");

    let phone = Client::unix(socket).host("localhost:8989");
    let front = phone.get("/").await?;
    ensure!(
        front.header("location").contains("/_atek/login"),
        "{front:?}"
    );
    let person = sign_in(&phone, &alice, "alice").await?;
    ensure!(person.client.get("/").await?.status == 200);
    let devices = alice.client.call(HYPERCORE, "devices", json!([])).await?;
    ensure!(devices[0]["outBytes"].as_u64() > Some(0), "{devices}");

    let id = json!([device["id"]]);
    alice.client.call(HYPERCORE, "unpairDevice", id).await?;
    wait_for("the phone to be cut off", SOON, async || {
        let answer = person.client.get("/").await.map(|answer| answer.status);
        Ok(Seen::if_so(answer.ok(), Option::is_none))
    })
    .await
    .map(drop)
}
