//! `atekd run --configDir DIR --port N`, as the original's tooling starts a host.

use atek_tests::git_remote::GitRemote;
use atek_tests::host::{ADB, Host, INSPECT, SERVICES, SOON};
use atek_tests::http::Client;
use atek_tests::{Machine, Seen, wait_for};
use serde_json::{Value, json};

const FOLDER: &str = "/srv/other-host";
const PORT: u16 = 4000;
const UNITS: &str = "atekd.socket atekd-control.socket atekd-attach.socket atekd.service";

/// A host that was started by hand on a machine whose own host is stopped.
struct ByHand<'a> {
    machine: &'a Machine,
    client: Client,
    token: String,
}

impl<'a> ByHand<'a> {
    async fn start(machine: &'a Machine) -> anyhow::Result<Self> {
        let config = json!({
            "coreServices": [
                { "id": "core.hyper", "sourceUrl": "https://github.com/atek-cloud/hyper-daemon" },
                { "id": "core.adb", "sourceUrl": "https://github.com/atek-cloud/adb" },
            ],
            "defaultMainService": "",
            "allowFileInstall": "any",
        });
        machine
            .shell(&format!("systemctl stop {UNITS}; mkdir -p {FOLDER}"))
            .await?;
        let path = format!("{FOLDER}/config.json");
        if machine.read(&path).await.is_err() {
            machine.write(&path, config.to_string()).await?;
        }
        // As a person does: in the background of a shell of root's.
        let run = format!(
            "systemd-run --quiet --unit=by-hand -p StandardOutput=file:/run/by-hand.out -p StandardError=journal \
             /usr/lib/atek/atekd run --configDir {FOLDER} --port {PORT}"
        );
        machine.shell(&run).await?;
        let client = machine.http_on(PORT);
        let token = wait_for("the host by hand is ready", SOON, async || {
            let text = machine.read(&path).await?;
            let config: Value = serde_json::from_str(&text)?;
            let Some(token) = config["systemAuthTokens"][0].as_str() else {
                return Ok(Seen::Other("there is no token yet".to_owned()));
            };
            let client = client.clone().bearer(token);
            let answer = client.call(INSPECT, "isReady", json!([])).await?;
            Ok(match answer {
                Value::Bool(true) => Seen::Wanted(token.to_owned()),
                other => Seen::other(other),
            })
        })
        .await?;
        Ok(Self {
            machine,
            client,
            token,
        })
    }

    async fn call(&self, api: &str, method: &str, params: Value) -> anyhow::Result<Value> {
        self.client
            .clone()
            .bearer(&self.token)
            .call(api, method, params)
            .await
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.machine
            .shell("systemctl stop by-hand.service && ! systemctl is-failed by-hand.service")
            .await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_host_in_another_folder_has_a_state_of_its_own_and_costs_the_box_none_of_its()
-> anyhow::Result<()> {
    let host = Host::boot("by-hand").await?;
    let machine = &host.machine;
    let remote = GitRemote::new("hello", machine.gateway()?)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    host.install_from(json!({ "sourceUrl": remote.url(), "user": "system" }))
        .await?;

    // While the box's own host runs, a second one says what to do and ends.
    let script = format!("/usr/lib/atek/atekd run --configDir {FOLDER} --port {PORT} 2>&1 || :");
    let refused = machine.shell(&script).await?;
    assert!(
        refused.contains("systemctl stop atekd.service"),
        "{refused}"
    );

    let other = ByHand::start(machine).await?;
    let said = machine.read("/run/by-hand.out").await?;
    assert_eq!(
        said.trim(),
        format!("Application server listening at http://localhost:{PORT}")
    );
    // It shows the core services as configured, and nothing of the box's.
    let list = other.call(SERVICES, "list", json!([])).await?;
    assert_eq!(ids(&list), ["core.adb", "core.hyper"]);
    let config = other.call(INSPECT, "getConfig", json!([])).await?;
    assert_eq!(
        config["coreServices"][1]["sourceUrl"],
        "https://github.com/atek-cloud/adb"
    );
    let db = config["serverDbId"].clone();
    let described = other.call(ADB, "dbDescribe", json!([db])).await?;
    assert_eq!(described["dbId"], db);
    // An app of its own, and everything again after a stop.
    let source = machine.place_app("native-echo").await?;
    let params = json!([{ "sourceUrl": source }]);
    other.call(SERVICES, "install", params).await?;
    other
        .call("example.test/native-echo", "echo", json!([1]))
        .await?;
    let owner = machine
        .shell(&format!("stat -c '%U %a' {FOLDER}/config.json"))
        .await?;
    assert_eq!(owner.trim(), "atek 600");
    other.stop().await?;
    let other = ByHand::start(machine).await?;
    let list = other.call(SERVICES, "list", json!([])).await?;
    assert_eq!(ids(&list), ["core.adb", "core.hyper", "native-echo"]);
    other.stop().await?;

    // The box's own host finds everything as it was.
    machine.shell(&format!("systemctl start {UNITS}")).await?;
    host.ready().await?;
    host.service_is("hello", "running").await?;
    let system = host.system()?;
    let version = system.call("example.test/hello", "version", json!([]));
    assert_eq!(version.await?, "v1.0.0");
    Ok(())
}

fn ids(list: &Value) -> Vec<&str> {
    let services = list["services"].as_array().into_iter().flatten();
    services
        .filter_map(|service| service["settings"]["id"].as_str())
        .collect()
}
