//! Protocol daemons and a wallet of Debian as apps, unchanged: an app of another person speaks to
//! each through the gateway under a grant, and devices at home by a port that was granted. Their
//! own clients are the proof.

mod images;

use anyhow::{Context as _, ensure};
use atek_tests::host::{Host, Person};
use atek_tests::http::Client;
use atek_tests::phone::BOX;
use atek_tests::{GitRemote, LanClient, Seen, npm, wait_for};
use images::{nothing_is_left, registry, trust};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

const PERMISSIONS: &str = "atek.cloud/permissions-api";
/// The app that speaks to the daemons; it is bob's, and they are alice's.
const PORTER: &str = "porter";
/// For the work of real daemons on a busy machine: keys made, files exchanged, blocks found.
const LONG: Duration = Duration::from_secs(180);

/// A box with a daemon of alice's, an app of bob's, and a phone on its network.
struct Home {
    host: Host,
    phone: LanClient,
    alice: Person,
    bob: Person,
    daemon: &'static str,
    /// The daemon's key.
    key: String,
    porter: Client,
}

impl Home {
    /// `manifest` makes the daemon's atek.json of its image. None, and a skip, where tools are
    /// missing.
    async fn with(
        daemon: &'static str,
        manifest: impl FnOnce(String) -> Value,
    ) -> anyhow::Result<Option<Self>> {
        let Some(folder) = npm::installed("daemons-app")? else {
            return Ok(None);
        };
        let host = Host::boot(&format!("daemons-{daemon}")).await?;
        let Some((registry, images)) = registry(&host)? else {
            return Ok(None);
        };
        let phone = LanClient::join(&host.machine).await?;
        let alice = host.person("alice", "admin").await?;
        let bob = host.person("bob", "").await?;
        images.push(daemon, &registry, "1.0.0")?;
        let encrypted = registry.encrypted();
        trust(&host, &encrypted).await?;
        let image = format!("{}/{daemon}:1.0.0", encrypted.address());
        let remote = GitRemote::new(daemon, host.machine.gateway()?)?;
        remote
            .write("atek.json", manifest(image).to_string())?
            .tag("v1.0.0")?;
        install(&host, &remote.url(), "alice").await?;
        host.machine.copy_in(&folder, "/srv/apps/porter").await?;
        let readable = ["chmod", "--recursive", "a+rX", "/srv/apps"];
        host.machine.exec(readable).await?;
        install(&host, "/srv/apps/porter", "bob").await?;
        let service = host.service_is(daemon, "running").await?;
        host.service_is(PORTER, "running").await?;
        let key = service["key"].as_str().context("a key")?.to_owned();
        let porter = host.visit(&bob, PORTER).await?.patient(LONG);
        Ok(Some(Self {
            host,
            phone,
            alice,
            bob,
            daemon,
            key,
            porter,
        }))
    }

    /// What the porter is answered: `{status, body}`, or `{error}`.
    async fn porter(&self, path: &str, question: Value) -> anyhow::Result<Value> {
        self.porter.post_json(path, &question).await?.json()
    }

    /// Lets bob use the daemon, and his porter call its API; the number of this permission.
    async fn grant(&self, api: &str) -> anyhow::Result<Value> {
        let share = json!([{ "service": self.daemon, "user": "bob", "level": "use" }]);
        let alice = &self.alice.client;
        alice.call(PERMISSIONS, "share", share).await?;
        let permission = format!("provider:{api}={}", self.key);
        let grant = json!([{ "service": PORTER, "permission": permission }]);
        let given = self.bob.client.call(PERMISSIONS, "grant", grant).await?;
        Ok(given["id"].clone())
    }

    async fn revoke(&self, grant: Value) -> anyhow::Result<()> {
        let bob = &self.bob.client;
        bob.call(PERMISSIONS, "revoke", json!([grant])).await?;
        Ok(())
    }

    /// Gives or takes (`--allow`, `--deny`) a port of the home's network.
    async fn port(&self, word: &str, port: &str) -> anyhow::Result<()> {
        let words = ["atek", "cfg", self.daemon, word, port];
        self.host.machine.exec(words).await?;
        self.host.service_is(self.daemon, "running").await.map(drop)
    }

    /// A program of the daemon's image on the phone: the image's files with `/srv/phone` of the box
    /// as their `/tmp`, in the phone's network.
    fn on_phone(&self, words: &str) -> anyhow::Result<Command> {
        const SCRIPT: &str = "
            mkdir -p /srv/phone
            mount --bind /srv/phone \"$0/tmp\"
            mount --rbind /dev \"$0/dev\"
            exec chroot \"$0\" sh -c \"$1\"";
        let root = format!("/var/lib/atek/packages/{}/current/rootfs", self.key);
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.host.machine.pid()?))
            .arg(format!(
                "--net=/proc/{}/ns/net",
                self.phone.machine().pid()?
            ))
            .args(["--mount", "--wdns=/", "unshare", "--mount", "sh", "-euc"])
            .args([SCRIPT, &root, &format!("exec {words}")])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/tmp")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Ok(command)
    }

    /// What such a program prints, also where it fails.
    async fn says_on_phone(&self, words: &str) -> anyhow::Result<String> {
        let output = self.on_phone(words)?.output();
        let output = tokio::time::timeout(LONG, output).await??;
        let said = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&said).trim().to_owned())
    }

    async fn uninstall(&self) -> anyhow::Result<()> {
        for id in [PORTER, self.daemon] {
            let words = ["atek", "uninstall", id, "--yes"];
            self.host.machine.exec(words).await?;
        }
        nothing_is_left(&self.host).await
    }
}

/// With all that it asks for.
async fn install(host: &Host, source: &str, user: &str) -> anyhow::Result<()> {
    let words = ["atek", "install", source, "--yes", "--user", user];
    let done = host.machine.exec_within(LONG, words, b"").await?;
    ensure!(done.status.success(), "{source}: {}", done.stderr);
    Ok(())
}

#[tokio::test]
async fn a_sensor_at_home_and_an_app_meet_at_mosquitto_where_both_are_allowed() -> anyhow::Result<()>
{
    const API: &str = "mqtt.org/broker";
    let home = Home::with("mosquitto", |image| {
        json!({
            "name": "Mosquitto", "port": 9001, "runtime": { "kind": "oci", "image": image },
            "exports": [{ "api": API, "path": "/mqtt", "transport": "proxy" }],
            "permissions": { "listen": ["tcp/1883"] },
        })
    });
    let Some(home) = home.await? else {
        return Ok(());
    };
    let sensor = format!("mosquitto_pub -h {BOX} -q 1 -r -t home/door -m");
    let said = home.says_on_phone(&format!("{sensor} open")).await?;
    ensure!(said.is_empty(), "{said}");
    // The app hears what the sensor said before, once it may.
    let hear = json!({ "api": API, "topic": "home/door" });
    let refused = home.porter("/mqtt", hear.clone()).await?;
    ensure!(refused["error"].is_string(), "{refused}");
    let grant = home.grant(API).await?;
    let heard = home.porter("/mqtt", hear.clone()).await?;
    ensure!(heard == json!({ "heard": "home/door open" }), "{heard}");
    // And a device at home what the app says.
    let say = json!({ "api": API, "topic": "home/lamp", "text": "on" });
    let heard = home.porter("/mqtt", say).await?;
    ensure!(heard == json!({ "heard": "home/lamp on" }), "{heard}");
    let lamp = format!("mosquitto_sub -h {BOX} -t home/lamp -C 1 -W 60");
    ensure!(home.says_on_phone(&lamp).await? == "on");

    home.revoke(grant).await?;
    let refused = home.porter("/mqtt", hear).await?;
    ensure!(refused["error"].is_string(), "{refused}");
    home.port("--deny", "tcp/1883").await?;
    let said = home.says_on_phone(&format!("{sensor} shut")).await?;
    ensure!(said.contains("Connection refused"), "{said}");
    home.port("--allow", "tcp/1883").await?;
    ensure!(home.says_on_phone(&lamp).await? == "on");
    home.uninstall().await
}

/// The syncthing of the phone, and what is asked of its own API there.
const ON_PHONE: &str = "env STGUIAPIKEY=phone STGUIADDRESS=127.0.0.1:8384 STNOUPGRADE=1 \
     syncthing serve --home=/tmp/syncthing --no-browser > /tmp/log 2>&1";

async fn ask_phone(home: &Home, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    const ASK: &str = "
        const [method, path, body] = process.argv.slice(1)
        const options = { method, headers: { 'X-API-Key': 'phone' }, body: method === 'GET' ? undefined : body }
        fetch('http://127.0.0.1:8384' + path, options)
          .then(async answer => { const text = await answer.text(); if (!answer.ok) throw new Error(text); console.log(text || 'null') })";
    let words = ["node", "-e", ASK, method, path, &body.to_string()];
    let said = home.phone.machine().exec(words).await?;
    serde_json::from_str(&said).with_context(|| format!("{path}: {said}"))
}

/// What bob's app asks the box's syncthing.
async fn ask_box(home: &Home, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    let mut question = json!({
        "path": format!("/_atek/gateway{path}{}api={SYNCTHING}", if path.contains('?') { "&" } else { "?" }),
        "method": method, "headers": { "X-API-Key": "box" },
    });
    if method != "GET" {
        question["body"] = body.to_string().into();
        question["headers"]["content-type"] = "application/json".into();
    }
    home.porter("/ask", question).await
}

const SYNCTHING: &str = "syncthing.net/rest";

/// The same, where it must succeed.
async fn box_says(home: &Home, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    let answer = ask_box(home, method, path, body).await?;
    ensure!(answer["status"] == 200, "{path}: {answer}");
    let text = answer["body"].as_str().unwrap_or_default();
    Ok(serde_json::from_str(text).unwrap_or(Value::Null))
}

#[tokio::test]
async fn syncthing_is_set_up_by_an_app_and_exchanges_files_with_a_phone_while_its_port_is_open()
-> anyhow::Result<()> {
    let home = Home::with("syncthing", |image| {
        json!({
            "name": "Syncthing", "port": 8384,
            "runtime": { "kind": "oci", "image": image, "env": { "STGUIAPIKEY": "box" } },
            "exports": [{ "api": SYNCTHING, "transport": "proxy" }],
            "permissions": { "listen": ["tcp/22000"] },
        })
    });
    let Some(home) = home.await? else {
        return Ok(());
    };
    let nothing = Value::Null;
    let refused = ask_box(&home, "GET", "/rest/system/status", &nothing).await?;
    ensure!(refused["status"] == 404, "{refused}");
    home.grant(SYNCTHING).await?;
    let status = box_says(&home, "GET", "/rest/system/status", &nothing).await?;
    let on_box = status["myID"].as_str().context("an id")?.to_owned();

    home.port("--deny", "tcp/22000").await?;
    let _phone = home.on_phone(ON_PHONE)?.spawn()?;
    let on_phone = wait_for("the phone's syncthing", LONG, async || {
        let status = ask_phone(&home, "GET", "/rest/system/status", &nothing).await;
        Ok(Seen::if_so(status.unwrap_or_default(), |it| {
            it["myID"].is_string()
        }))
    })
    .await?;
    let on_phone = on_phone["myID"].as_str().context("an id")?.to_owned();
    let both = json!([{ "deviceID": on_box }, { "deviceID": on_phone }]);
    let folder =
        |path: &str| json!({ "id": "notes", "path": path, "devices": both, "fsWatcherDelayS": 1 });
    let of_phone = json!({ "deviceID": on_phone, "addresses": ["dynamic"] });
    box_says(&home, "POST", "/rest/config/devices", &of_phone).await?;
    let notes = folder("/var/syncthing/notes");
    box_says(&home, "POST", "/rest/config/folders", &notes).await?;
    let often = json!({ "reconnectIntervalS": 5 });
    ask_phone(&home, "PATCH", "/rest/config/options", &often).await?;
    let address = format!("tcp://{BOX}:22000");
    let of_box = json!({ "deviceID": on_box, "addresses": [address] });
    ask_phone(&home, "POST", "/rest/config/devices", &of_box).await?;
    ask_phone(&home, "POST", "/rest/config/folders", &folder("/tmp/notes")).await?;
    let write = "echo 'milk and bread' > /srv/phone/notes/list.txt";
    home.host.machine.shell(write).await?;
    is_synchronised(&home, &on_box).await?;
    home.uninstall().await
}

/// Nothing comes while the port is closed; once it is open the file of the phone does.
async fn is_synchronised(home: &Home, on_box: &str) -> anyhow::Result<()> {
    let nothing = Value::Null;
    let tried = wait_for("the phone to have tried", LONG, async || {
        let status = ask_phone(home, "GET", "/rest/system/status", &nothing).await?;
        let dials = status["lastDialStatus"].as_object().cloned();
        let of_box = dials
            .unwrap_or_default()
            .into_iter()
            .find(|(to, _)| to.contains("22000"));
        Ok(Seen::if_so(of_box, Option::is_some))
    })
    .await?;
    let (_, dial) = tried.context("it tried")?;
    ensure!(
        dial["error"]
            .as_str()
            .is_some_and(|it| it.contains("refused")),
        "{dial}"
    );
    home.port("--allow", "tcp/22000").await?;
    let file = format!(
        "/var/lib/private/atek-app-{}/volumes/0/notes/list.txt",
        home.key
    );
    wait_for("the file of the phone", LONG, async || {
        let read = format!("cat {file} 2>/dev/null || :");
        let text = home.host.machine.shell(&read).await?;
        Ok(Seen::if_so(text, |text| text == "milk and bread\n"))
    })
    .await?;
    let known = ask_phone(home, "GET", "/rest/system/connections", &nothing).await?;
    ensure!(known["connections"][on_box]["connected"] == true, "{known}");
    // The app sees it, too.
    let path = "/rest/db/file?folder=notes&file=list.txt";
    let found = box_says(home, "GET", path, &nothing).await?;
    ensure!(found["local"]["name"] == "list.txt", "{found}");
    Ok(())
}

const WALLET: &str = "getmonero.org/wallet";

/// What bob's app is answered by the wallet: `{result}` or `{error}`.
async fn wallet(home: &Home, method: &str, params: Value) -> anyhow::Result<Value> {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let question = json!({
        "path": format!("/_atek/gateway?api={WALLET}"), "method": "POST",
        "headers": { "content-type": "application/json" }, "body": call.to_string(),
    });
    let answer = home.porter("/ask", question).await?;
    let body = answer["body"]
        .as_str()
        .with_context(|| answer.to_string())?;
    serde_json::from_str(body).with_context(|| body.to_owned())
}

/// The same, where it must succeed: the result.
async fn wallet_says(home: &Home, method: &str, params: Value) -> anyhow::Result<Value> {
    let answer = wallet(home, method, params).await?;
    ensure!(answer["result"].is_object(), "{method}: {answer}");
    Ok(answer["result"].clone())
}

/// Lets the wallet's own node find blocks for an address, as its operator; the height after it.
async fn find_blocks(home: &Home, count: u32, address: &str) -> anyhow::Result<Value> {
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "generateblocks",
        "params": { "amount_of_blocks": count, "wallet_address": address },
    });
    let ask = "fetch('http://127.0.0.1:18081/json_rpc', { method: 'POST', body: process.argv[1], \
               headers: { 'content-type': 'application/json' } }).then(answer => answer.text()).then(console.log)";
    let net = format!("--target={}", home.host.pid(home.daemon).await?);
    let body = call.to_string();
    let words = ["nsenter", &net, "--net", "node", "-e", ask, &body];
    let said = home.host.machine.exec_within(LONG, words, b"").await?;
    let answer: Value = serde_json::from_str(&said.stdout).context(said.stderr)?;
    ensure!(answer["result"]["height"].is_u64(), "{answer}");
    Ok(answer["result"]["height"].clone())
}

#[tokio::test]
async fn a_monero_wallet_with_a_node_of_its_own_is_paid_and_pays_for_an_app_that_may()
-> anyhow::Result<()> {
    let home = Home::with("monero", |image| {
        let common = ["--non-interactive", "--rpc-ssl=disabled"];
        let node = [
            "--data-dir=/monero",
            "--regtest",
            "--keep-fakechain",
            "--offline",
            "--fixed-difficulty=1",
        ];
        let wallet = [
            "monero-wallet-rpc",
            "--wallet-dir=/monero",
            "--log-file=/monero/wallet.log",
            "--rpc-bind-port=18083",
            "--disable-rpc-login",
            "--daemon-address=127.0.0.1:18081",
            "--daemon-ssl=disabled",
            "--trusted-daemon",
            "--allow-mismatched-daemon-version",
        ];
        let of = |own: &[&str]| -> Vec<String> {
            own.iter().chain(&common).map(ToString::to_string).collect()
        };
        json!({
            "name": "Monero", "port": 18083,
            "runtime": { "kind": "oci", "image": image, "args": of(&wallet) },
            "services": { "node": {
                "runtime": { "kind": "oci", "image": image, "command": of(&node) }, "port": 18081,
            } },
            "exports": [{ "api": WALLET, "path": "/json_rpc" }],
            "limits": { "memoryMax": 1_073_741_824 },
        })
    });
    let Some(home) = home.await? else {
        return Ok(());
    };
    let refused = wallet(&home, "get_version", json!({})).await?;
    ensure!(refused["error"]["code"] == -32601, "{refused}");
    let message = refused["error"]["message"].as_str().unwrap_or_default();
    ensure!(message.starts_with("No service available"), "{refused}");
    home.grant(WALLET).await?;
    let made = json!({ "filename": "savings", "password": "x", "language": "English" });
    wallet_says(&home, "create_wallet", made).await?;
    let own = wallet_says(&home, "get_address", json!({ "account_index": 0 })).await?;
    let own = own["address"].as_str().context("an address")?.to_owned();
    // So many that the first can be spent, among others to hide behind.
    find_blocks(&home, 90, &own).await?;
    is_paid(&home, &own).await?;

    // It has no port outside, and cannot get one.
    let reach = format!(
        "timeout 5 sh -c 'for port in 18080 18081 18083; do \
         (exec 3<>/dev/tcp/{BOX}/$port) 2>/dev/null && echo $port; done; :'"
    );
    let reach = home.phone.machine().exec(["bash", "-c", &reach]).await?;
    ensure!(reach.is_empty(), "{reach}");
    home.uninstall().await
}

/// The wallet has what was found, pays some of it into another account, and has that after a
/// restart.
async fn is_paid(home: &Home, own: &str) -> anyhow::Result<()> {
    let balance = async |account: u32| {
        wallet_says(home, "refresh", json!({})).await?;
        wallet_says(home, "get_balance", json!({ "account_index": account })).await
    };
    let found = balance(0).await?;
    ensure!(found["unlocked_balance"].as_u64() > Some(0), "{found}");
    let other = wallet_says(home, "create_account", json!({ "label": "rent" })).await?;
    let amount = 1_000_000_000_000_u64;
    let pay = json!({ "destinations": [{ "amount": amount, "address": other["address"] }] });
    let paid = wallet_says(home, "transfer", pay).await?;
    ensure!(paid["amount"] == amount, "{paid}");
    find_blocks(home, 11, own).await?;
    let arrived = balance(1).await?;
    ensure!(arrived["unlocked_balance"] == amount, "{arrived}");

    wallet_says(home, "close_wallet", json!({})).await?;
    home.host
        .machine
        .exec(["atek", "restart", "monero"])
        .await?;
    home.host.service_is("monero", "running").await?;
    let open = json!({ "filename": "savings", "password": "x" });
    wallet_says(home, "open_wallet", open).await?;
    let kept = balance(1).await?;
    ensure!(kept["unlocked_balance"] == amount, "{kept}");
    Ok(())
}
