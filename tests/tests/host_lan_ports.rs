//! Ports of the home's network that a person gives to an app: a device on the network of the box
//! reaches them while they are granted, and nothing else does.

use anyhow::{Context as _, ensure};
use atek_tests::host::{Host, Person, SERVICES, SOON, refusal};
use atek_tests::phone::BOX;
use atek_tests::{LanClient, Machine, Seen, wait_for};
use serde_json::{Value, json};

const APP: &str = "doorbell-node";
/// The phone, by its two addresses; and the box by the second.
const PHONE: [&str; 2] = ["192.168.77.2", "fd77::2"];
const BOX_V6: &str = "fd77::1";
/// An address of the internet, from which the phone speaks as a router would that lets it in.
const STRANGER: &str = "203.0.113.9";

/// Knocks once: prints what it was told, or the code of the error. From an address of its own,
/// where one is given.
const KNOCK: &str = r#"
const [kind, host, port, localAddress] = process.argv.slice(1)
const say = text => { console.log(text); process.exit(0) }
setTimeout(() => say("silence"), 5000)
if (kind === "tcp") {
  const socket = require("net").connect({ host, port, localAddress })
  socket.on("error", error => say(error.code))
  socket.on("data", text => say(text.toString().trim()))
} else {
  const socket = require("dgram").createSocket(host.includes(":") ? "udp6" : "udp4")
  socket.on("error", error => say(error.code))
  socket.on("message", text => say(text.toString().trim()))
  socket.bind(0, localAddress, () => socket.connect(Number(port), host, () => socket.send("ring")))
}
"#;

/// Holds one connection and makes new ones until neither works; prints when each worked last.
const STAY: &str = r#"
const net = require("net"), fs = require("fs")
const [host, port] = process.argv.slice(1)
const last = { held: 0, made: 0 }
const held = net.connect({ host, port })
held.on("data", () => { last.held = Date.now() })
held.on("error", () => {})
const again = setInterval(() => {
  if (!held.destroyed) held.write("x")
  const other = net.connect({ host, port })
  other.on("data", () => { last.made = Date.now(); other.destroy() })
  other.on("error", () => {})
  setTimeout(() => other.destroy(), 500)
  if (last.held && last.made) fs.writeFileSync("/run/staying", "")
  const quiet = Date.now() - Math.max(last.held, last.made)
  if (fs.existsSync("/run/revoked") && quiet > 1500) { console.log(JSON.stringify(last)); process.exit(0) }
}, 20)
"#;

async fn knock(phone: &Machine, words: &[&str]) -> anyhow::Result<String> {
    let said = phone
        .exec(
            ["node", "-e", KNOCK]
                .into_iter()
                .chain(words.iter().copied()),
        )
        .await?;
    Ok(said.trim().to_owned())
}

async fn allow(host: &Host, id: &str, ports: &[&str]) -> anyhow::Result<()> {
    let mut words = vec!["atek", "cfg", id];
    for port in ports {
        words.extend(["--allow", port]);
    }
    host.machine.exec(words).await?;
    host.service_is(id, "running").await.map(drop)
}

/// A box with a phone beside it, and with both kinds of addresses.
async fn home(name: &str) -> anyhow::Result<(Host, LanClient, Person)> {
    let host = Host::boot(name).await?;
    let phone = LanClient::join(&host.machine).await?;
    for (machine, address) in [(&host.machine, BOX_V6), (phone.machine(), PHONE[1])] {
        let script = format!("ip address add {address}/64 dev lan0 nodad");
        machine.shell(&script).await?;
    }
    let alice = host.person("alice", "admin").await?;
    host.install(APP, "alice").await?;
    host.service_is(APP, "running").await?;
    Ok((host, phone, alice))
}

#[tokio::test]
async fn a_device_at_home_reaches_a_port_while_it_is_granted_and_the_internet_never()
-> anyhow::Result<()> {
    let (host, phone, alice) = home("lan-ports").await?;
    let (phone, here) = (phone.machine(), BOX.to_string());
    let refused = "ECONNREFUSED";
    assert_eq!(knock(phone, &["tcp", &here, "7000"]).await?, refused);
    assert_eq!(knock(phone, &["udp", &here, "53"]).await?, refused);
    let asks = host.machine.exec(["atek", "get", APP]).await?;
    ensure!(asks.contains("port tcp/7000"), "{asks}");

    allow(&host, APP, &["tcp/7000", "udp/53"]).await?;
    assert_eq!(host.page(&alice, APP, "/bell").await?, "listens");
    // Who knocks is not hidden from it, also behind the translation of addresses.
    let mapped = format!("::ffff:{}", PHONE[0]);
    for (to, from) in [(here.as_str(), mapped.as_str()), (BOX_V6, PHONE[1])] {
        assert_eq!(knock(phone, &["tcp", to, "7000"]).await?, from);
        assert_eq!(knock(phone, &["udp", to, "53"]).await?, from);
    }
    // It has no other port, and no way out.
    assert_eq!(knock(phone, &["tcp", &here, "7001"]).await?, refused);
    let outside = "require('net').createServer(s => s.end()).listen(9000)";
    phone
        .exec(["systemd-run", "--unit=outside", "node", "-e", outside])
        .await?;
    wait_for("the phone to listen", SOON, async || {
        let said = knock(&host.machine, &["tcp", PHONE[0], "9000"]).await?;
        Ok(Seen::if_so(said, |said| said != refused))
    })
    .await?;
    for address in PHONE {
        let path = format!("/reach?host={address}&port=9000");
        let said = host.page(&alice, APP, &path).await?;
        ensure!(
            ["EACCES", "EHOSTUNREACH", "ENETUNREACH"].contains(&said.as_str()),
            "{said}"
        );
    }
    // What comes from the internet gets no answer, although the box is reached.
    phone
        .shell(&format!("ip address add {STRANGER}/32 dev lan0"))
        .await?;
    host.machine
        .shell(&format!("ip route replace default via {}", PHONE[0]))
        .await?;
    let from_outside = ["tcp", here.as_str(), "7000", STRANGER];
    assert_eq!(knock(phone, &from_outside).await?, refused);
    assert_eq!(knock(phone, &["tcp", &here, "7000"]).await?, mapped);
    // It comes back with the app, after a kill and with a new start of the host.
    host.machine
        .exec(["systemctl", "kill", "-s", "KILL", "atek-app-doorbell-node"])
        .await?;
    let comes_back = async || {
        wait_for("the port to come back", SOON, async || {
            let said = knock(phone, &["tcp", &here, "7000"]).await?;
            Ok(Seen::if_so(said, |said| *said == mapped))
        })
        .await
    };
    comes_back().await?;
    // By an administrator, who knows nothing of ports.
    host.machine
        .exec(["systemctl", "restart", "atek-app-doorbell-node"])
        .await?;
    comes_back().await?;
    host.machine
        .exec(["systemctl", "restart", "atekd.service"])
        .await?;
    host.ready().await?;
    assert_eq!(knock(phone, &["tcp", &here, "7000"]).await?, mapped);

    host.machine
        .exec(["atek", "uninstall", APP, "--yes"])
        .await?;
    assert_eq!(knock(phone, &["tcp", &here, "7000"]).await?, refused);
    let rules = host
        .machine
        .exec(["nft", "list", "map", "inet", "atek", "ports4"]);
    let rules = rules.await?;
    ensure!(!rules.contains("elements"), "{rules}");
    Ok(())
}

#[tokio::test]
async fn a_port_that_is_taken_back_is_closed_before_the_app_is_told_to_stop() -> anyhow::Result<()>
{
    let (host, phone, _alice) = home("lan-ports-revoked").await?;
    let phone = phone.machine();
    allow(&host, APP, &["tcp/7000"]).await?;
    let here = BOX.to_string();
    let stay = phone.exec(["node", "-e", STAY, &here, "7000"]);
    let revoke = async {
        wait_for("the phone to be connected", SOON, async || {
            let there = phone.shell("test -e /run/staying && echo yes || :").await?;
            Ok(Seen::if_so(there, |there| there.trim() == "yes"))
        })
        .await?;
        let began = host.machine.exec(["date", "+%s%3N"]).await?;
        host.machine
            .exec(["atek", "cfg", APP, "--deny", "tcp/7000"])
            .await?;
        phone.exec(["touch", "/run/revoked"]).await?;
        Ok(began)
    };
    let (last, began): (String, String) = tokio::try_join!(stay, revoke)?;
    let last: Value = serde_json::from_str(&last)?;
    let key = host.service(APP).await?["key"].clone();
    let key = key.as_str().context("a service without a key")?;
    let told = format!("/var/lib/private/atek-app-{key}/told");
    let told: i64 = host.machine.read(&told).await?.trim().parse()?;
    let began: i64 = began.trim().parse()?;
    for kind in ["held", "made"] {
        let last = last[kind].as_i64().context("no time")?;
        println!(
            "a connection that was {kind} worked until {} ms after the request",
            last - began
        );
        // One clock for all machines of a test. It went on listening for two seconds.
        ensure!(last <= told, "{kind}: worked {} ms after that", last - told);
    }
    Ok(())
}

#[tokio::test]
async fn a_port_leads_to_one_app_and_only_those_give_it_who_may_open_the_home() -> anyhow::Result<()>
{
    let (host, _phone, alice) = home("lan-ports-taken").await?;
    allow(&host, APP, &["tcp/7000"]).await?;
    let bob = host.person("bob", "").await?;
    let second =
        json!({ "sourceUrl": format!("file:///srv/apps/{APP}"), "id": "second", "user": "bob" });
    host.install_from(second.clone()).await?;
    host.service_is("second", "running").await?;
    let give = |person: &Person, id: &str, port: &str| {
        let params = json!([id, { "grant": { "listen": [port] } }]);
        let client = person.client.clone();
        async move { client.call(SERVICES, "configure", params).await }
    };
    refusal(give(&bob, "second", "tcp/7005").await);
    let taken = refusal(give(&alice, "second", "tcp/7000").await).message;
    ensure!(
        taken.contains("tcp/7000") && taken.contains(&format!("in use by {APP}")),
        "{taken}"
    );
    let mut third = second;
    third["id"] = json!("third");
    third["grant"] = json!({ "listen": ["tcp/7000"] });
    let system = host.system()?;
    let taken = refusal(system.call(SERVICES, "install", json!([third])).await).message;
    ensure!(taken.contains(&format!("in use by {APP}")), "{taken}");
    // One of the box, and what runs there without Atek.
    ensure!(give(&alice, "second", "tcp/80").await.is_err());
    let listen = "require('net').createServer().listen(7002)";
    host.machine
        .exec(["systemd-run", "--unit=other", "node", "-e", listen])
        .await?;
    wait_for("another program to listen", SOON, async || {
        let table = host.machine.exec(["ss", "-Hltn", "sport = :7002"]).await?;
        Ok(Seen::if_so(table, |table| !table.trim().is_empty()))
    })
    .await?;
    let taken = refusal(give(&alice, "second", "tcp/7002").await).message;
    ensure!(taken.contains("in use by this box itself"), "{taken}");
    // Where it came first, the app does not start, and says why.
    host.machine.exec(["systemctl", "stop", "other"]).await?;
    give(&alice, "second", "tcp/7002").await?;
    host.machine.exec(["atek", "stop", "second"]).await?;
    host.machine
        .exec(["systemd-run", "--unit=other", "node", "-e", listen])
        .await?;
    wait_for("another program to listen", SOON, async || {
        let table = host.machine.exec(["ss", "-Hltn", "sport = :7002"]).await?;
        Ok(Seen::if_so(table, |table| !table.trim().is_empty()))
    })
    .await?;
    let start = system.call(SERVICES, "start", json!(["second"])).await;
    let why = refusal(start).message;
    ensure!(
        why.contains("tcp/7002") && why.contains("this box itself"),
        "{why}"
    );
    Ok(())
}

#[tokio::test]
async fn an_app_with_the_internet_and_a_port_at_home_still_reaches_no_device_at_home()
-> anyhow::Result<()> {
    let (host, phone, alice) = home("lan-ports-direct").await?;
    let (phone, here) = (phone.machine(), BOX.to_string());
    // The phone is the router as well, and has an address of the internet.
    phone
        .shell(&format!("ip address add {STRANGER}/32 dev lan0"))
        .await?;
    host.machine
        .shell(&format!("ip route replace default via {}", PHONE[0]))
        .await?;
    let outside = "require('net').createServer(s => s.end()).listen(9000)";
    phone
        .exec(["systemd-run", "--unit=outside", "node", "-e", outside])
        .await?;
    allow(&host, APP, &["internet", "tcp/7000"]).await?;
    let reach = async |address: &str| {
        let path = format!("/reach?host={address}&port=9000");
        host.page(&alice, APP, &path).await
    };
    let reached = wait_for("the internet to be reached", SOON, async || {
        let said = reach(STRANGER).await?;
        Ok(Seen::if_so(said, |said| said == "connected"))
    });
    reached.await?;
    for address in PHONE {
        let said = reach(address).await?;
        ensure!(
            ["EACCES", "EPERM", "EHOSTUNREACH", "ENETUNREACH"].contains(&said.as_str()),
            "{address}: {said}"
        );
    }
    let mapped = format!("::ffff:{}", PHONE[0]);
    assert_eq!(knock(phone, &["tcp", &here, "7000"]).await?, mapped);
    Ok(())
}
