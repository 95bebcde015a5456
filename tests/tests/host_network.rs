//! The network that an app with the internet has: a link, a NAT and a firewall of its own.
//!
//! The surroundings are two homes and an internet, in network namespaces: the box's router and
//! another home's translate addresses as home routers do, and the internet has servers that say
//! from which address and port a datagram came.

use anyhow::{Context as _, ensure};
use atek_tests::host::{Host, Person, SERVICES, SOON, refusal};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};

/// Servers of the internet, at addresses of their own.
const SERVERS: [&str; 2] = ["203.0.113.1", "203.0.113.2"];
/// Where they say from where a datagram came, and accept TCP.
const PORT: u16 = 7777;
/// Where they introduce two programs to each other.
const MEET: u16 = 7778;
/// The name server of the home, and the name that it knows.
const NAMES: &str = "203.0.113.3";
const NAME: &str = "atek.example";
/// A device at home, by its two addresses.
const DEVICE: [&str; 2] = ["10.77.0.2", "2001:db8:77::2"];

/// What the servers are: Node, in the namespace `internet`.
const SERVER: &str = r#"
const net = require("net"), dgram = require("dgram");
const [addresses, port, meet, names] = JSON.parse(process.argv[1]);
net.createServer(socket => socket.end()).listen(port, "::");
for (const address of addresses) {
  const socket = dgram.createSocket("udp4");
  socket.on("message", (text, peer) => socket.send(peer.address + " " + peer.port, peer.port, peer.address));
  socket.bind(port, address);
}
const meeting = dgram.createSocket("udp4"), seen = {};
meeting.on("message", (name, peer) => {
  seen[name] = peer;
  for (const [other, at] of Object.entries(seen)) {
    if (other !== name.toString()) meeting.send("at " + at.address + " " + at.port, peer.port, peer.address);
  }
});
meeting.bind(meet, addresses[0]);
const server = dgram.createSocket("udp4");
server.on("message", (query, peer) => {
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(1, 6);
  header.writeUInt32BE(0, 8);
  const end = query.indexOf(0, 12) + 5;
  const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
  server.send(Buffer.concat([header, query.subarray(12, end), answer]), peer.port, peer.address);
});
server.bind(53, names);
"#;

/// Makes the homes and the internet; the box's default route leads to its router, and its
/// `resolv.conf` is a link, as on the card.
async fn surroundings(host: &Host) -> anyhow::Result<()> {
    let link = |one: &str, other: &str, at: &str, peer: &str, v6: &str| {
        format!(
            "ip -n {one} link add {at} type veth peer name {peer} netns {other}
             ip -n {one} address add {v6}::1/64 dev {at} nodad
             ip -n {other} address add {v6}::2/64 dev {peer} nodad
             ip -n {one} link set {at} up; ip -n {other} link set {peer} up\n"
        )
    };
    let router = |name: &str, wan: &str| {
        format!(
            "ip netns exec {name} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
             ip netns exec {name} nft 'table inet home {{ chain out {{ type nat hook postrouting priority srcnat; oifname \"{wan}\" masquerade; }}; \
               chain closed {{ type filter hook forward priority filter; iifname \"{wan}\" ct state new drop; }}; \
               chain own {{ type filter hook input priority filter; iifname \"{wan}\" ct state new drop; }}; }}'\n"
        )
    };
    let mut script = String::from(
        "set -e
         for name in router device internet other laptop; do ip netns add $name; ip -n $name link set lo up; done
         mount --bind /proc/1/ns/net /run/netns/box 2>/dev/null || { touch /run/netns/box; mount --bind /proc/1/ns/net /run/netns/box; }\n",
    );
    script += &link("box", "router", "home", "lan", "2001:db8:70");
    script += &link("box", "device", "near", "far", "2001:db8:77");
    script += &link("router", "internet", "wan", "w1", "2001:db8:71");
    script += &link("other", "internet", "wan", "w2", "2001:db8:72");
    script += &link("laptop", "other", "home", "lan", "2001:db8:73");
    script += &format!(
        "ip -n box address add 10.70.0.2/24 dev home; ip -n router address add 10.70.0.1/24 dev lan
         ip -n box address add 10.77.0.1/24 dev near; ip -n device address add 10.77.0.2/24 dev far
         ip -n router address add 203.0.113.70/26 dev wan; ip -n internet address add 203.0.113.65/26 dev w1
         ip -n other address add 203.0.113.130/26 dev wan; ip -n internet address add 203.0.113.129/26 dev w2
         ip -n laptop address add 10.70.0.2/24 dev home; ip -n other address add 10.70.0.1/24 dev lan
         for address in {} {} {NAMES}; do ip -n internet address add $address/32 dev lo; done
         ip -n internet address add 2001:db8:99::1/128 dev lo nodad
         ip netns exec internet sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
         ip -n router route add default via 203.0.113.65; ip -n other route add default via 203.0.113.129
         ip -n router route add default via 2001:db8:71::2; ip -n device route add default via 10.77.0.1
         ip -n laptop route add default via 10.70.0.1
         ip route replace default via 10.70.0.1
         ip route replace default via 2001:db8:70::2
         mkdir -p /run/systemd/resolve; echo nameserver {NAMES} > /run/systemd/resolve/stub-resolv.conf
         ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf\n",
        SERVERS[0], SERVERS[1]
    );
    script += &router("router", "wan");
    script += &router("other", "wan");
    host.machine.shell(&script).await?;
    let about = json!([SERVERS, PORT, MEET, NAMES]).to_string();
    serve(host, "internet", SERVER, &about).await?;
    for place in ["device", "box"] {
        let server = format!("require('net').createServer(s => s.end()).listen({PORT}, '::')");
        serve(host, place, &server, "").await?;
    }
    Ok(())
}

/// Runs a Node program in a namespace, and waits until it listens.
async fn serve(host: &Host, place: &str, script: &str, about: &str) -> anyhow::Result<()> {
    let unit = format!("--unit=server-{place}");
    let namespace = format!("--property=NetworkNamespacePath=/run/netns/{place}");
    host.machine
        .exec([
            "systemd-run",
            &unit,
            &namespace,
            "node",
            "-e",
            script,
            about,
        ])
        .await?;
    wait_for("the server", SOON, async || {
        let listening = host
            .machine
            .exec(["ip", "netns", "exec", place, "ss", "-Hltn"])
            .await?;
        let port = format!(":{PORT} ");
        Ok(Seen::if_so(listening, |lines| lines.contains(&port)))
    })
    .await
    .map(drop)
}

/// Installs the app that does what it is told to; it is granted what it asks for.
async fn install(host: &Host, id: &str, network: Value) -> anyhow::Result<()> {
    let source = host.machine.place_app("link-node").await?;
    let folder = source.trim_start_matches("file://");
    let manifest = format!("{folder}/atek.json");
    let mut asks: Value = serde_json::from_str(&host.machine.read(&manifest).await?)?;
    asks["permissions"]["network"] = network;
    let copy = format!("/srv/{id}");
    let script = format!(
        "cp -r {folder} {copy} && cat > {copy}/atek.json <<'END'\n{asks}\nEND\nchmod -R a+rX {copy}"
    );
    host.machine.shell(&script).await?;
    host.install_from(json!({
        "sourceUrl": format!("file://{copy}"), "id": id, "user": "alice", "grant": asks["permissions"],
    }))
    .await?;
    host.service_is(id, "running").await.map(drop)
}

/// Lets the app do something.
async fn ask(host: &Host, person: &Person, id: &str, task: Value) -> anyhow::Result<Value> {
    let app = host.visit(person, id).await?;
    let answer = app.post_json("/", &task).await?;
    answer.json().with_context(|| format!("{id}: {task}"))
}

async fn reaches(
    host: &Host,
    person: &Person,
    id: &str,
    address: &str,
    port: u16,
) -> anyhow::Result<String> {
    let task = json!({ "task": "connect", "host": address, "port": port });
    let answer = ask(host, person, id, task).await?;
    Ok(answer.as_str().unwrap_or_default().to_owned())
}

/// Lets the same program do something in a namespace, outside of the host.
async fn outside(host: &Host, place: &str, task: &Value) -> anyhow::Result<String> {
    let source = host.machine.place_app("link-node").await?;
    let program = format!("{}/index.js", source.trim_start_matches("file://"));
    let task = task.to_string();
    let command = ["ip", "netns", "exec", place, "node", &program, &task];
    host.machine.exec(command).await
}

/// Links of the machine to the networks of apps.
async fn links(host: &Host) -> anyhow::Result<Vec<String>> {
    let script = "ip -o link show | sed -n 's/^[0-9]*: \\(atek-[0-9]*\\)[@:].*/\\1/p'";
    let listed = host.machine.shell(script).await?;
    Ok(listed.lines().map(str::to_owned).collect())
}

#[tokio::test]
async fn an_app_with_the_internet_has_a_network_of_its_own() -> anyhow::Result<()> {
    let host = Host::boot("network").await?;
    let alice = host.person("alice", "admin").await?;
    surroundings(&host).await?;
    install(&host, "net", json!("direct")).await?;
    install(&host, "home", json!({ "direct": { "lan": true } })).await?;

    let possible = "possible".to_owned();
    let inside = ask(&host, &alice, "net", json!({ "task": "interfaces" })).await?;
    ensure!(inside == json!(["lo", "eth0"]), "{inside}");
    for app in ["net", "home"] {
        for server in ["203.0.113.1", "2001:db8:99::1"] {
            let found = reaches(&host, &alice, app, server, PORT).await?;
            ensure!(found == possible, "{app} reaches {server}: {found}");
        }
        // The home's name server answers, and for the app it has one address.
        let name = json!({ "task": "resolve", "name": NAME });
        let found = ask(&host, &alice, app, name).await?;
        ensure!(found == json!(["192.0.2.7"]), "{app}: {found}");
        // The port that the machine's own server has is free here, and so is the other app's.
        let listening = ask(
            &host,
            &alice,
            app,
            json!({ "task": "listen", "port": PORT }),
        )
        .await?;
        ensure!(listening == possible, "{app}: {listening}");
    }
    // The whole of what is private, whether the machine is on it or not.
    for address in ["192.168.200.7", "172.20.0.1", "fd00:1234::1"] {
        let net = reaches(&host, &alice, "net", address, PORT).await?;
        ensure!(net == "EHOSTUNREACH", "{address}: {net}");
    }
    // What is at home, by the permission; the positive control is the machine itself.
    for device in DEVICE {
        let task = json!({ "task": "connect", "host": device, "port": PORT });
        let control = outside(&host, "box", &task).await?;
        ensure!(control.trim() == "\"possible\"", "{device}: {control}");
        // And it is said at once: a program that waited for an answer would wait for minutes.
        let net = reaches(&host, &alice, "net", device, PORT).await?;
        ensure!(net == "EHOSTUNREACH", "{device}: {net}");
        let home = reaches(&host, &alice, "home", device, PORT).await?;
        ensure!(home == possible, "{device}: {home}");
    }
    without_the_routes_it_is_closed(&host, &alice).await?;
    // The machine and the other app, by every address, are neither's.
    for address in [
        "10.70.0.2",
        "10.77.0.1",
        "2001:db8:70::1",
        "2001:db8:77::1",
        "169.254.0.1",
    ] {
        let task = json!({ "task": "connect", "host": address, "port": PORT });
        let control = outside(&host, "box", &task).await?;
        ensure!(control.trim() == "\"possible\"", "{address}: {control}");
        for app in ["net", "home"] {
            let found = reaches(&host, &alice, app, address, PORT).await?;
            ensure!(found != possible, "{app} reaches the machine at {address}");
        }
    }
    apart(&host, &alice).await?;
    a_network_that_appears_is_closed(&host, &alice).await
}

/// The routes are no wall, they only answer at once: without them the unit's control group drops
/// what goes there.
async fn without_the_routes_it_is_closed(host: &Host, alice: &Person) -> anyhow::Result<()> {
    let flush = "pid=$(systemctl show -P MainPID atek-app-net.service)
        for family in -4 -6; do nsenter --target $pid --net ip $family route flush type unreachable; done
        nsenter --target $pid --net sh -c 'ip -4 route; ip -6 route'";
    let left = host.machine.shell(flush).await?;
    ensure!(
        !left.contains("unreachable 192.168") && !left.contains("unreachable fc00"),
        "{left}"
    );
    for device in DEVICE {
        let net = reaches(host, alice, "net", device, PORT).await?;
        ensure!(net == "ETIMEDOUT", "{device}: {net}");
    }
    Ok(())
}

/// No app is reached by another one, by the machine or from the home.
async fn apart(host: &Host, alice: &Person) -> anyhow::Result<()> {
    for family in ["198.19.0.", "fd6b:1c2e:93a7::"] {
        let mut own = 0;
        for slot in 1..=2 {
            let address = format!("{family}{slot}");
            let net = reaches(host, alice, "net", &address, PORT).await?;
            ensure!(net != "possible", "net reaches {address}");
            let home = reaches(host, alice, "home", &address, PORT).await?;
            own += usize::from(home == "possible");
            let task = json!({ "task": "connect", "host": address, "port": PORT });
            for place in ["box", "device"] {
                let found = outside(host, place, &task).await?;
                ensure!(!found.contains("possible"), "{place} reaches {address}");
            }
        }
        // The control: of the two addresses one is the app's own, and answers.
        ensure!(own == 1, "{own} addresses of {family} answer");
    }
    Ok(())
}

/// A provider gives a new prefix: devices by it are closed with their route, also while atekd is
/// away.
async fn a_network_that_appears_is_closed(host: &Host, alice: &Person) -> anyhow::Result<()> {
    let new = "2001:db8:78::2";
    host.machine
        .shell(
            "ip -n device address add 2001:db8:78::2/64 dev far nodad
             ip route add 2001:db8:78::/64 dev near",
        )
        .await?;
    let rules = host
        .machine
        .exec([
            "systemctl",
            "show",
            "-P",
            "IPAddressDeny",
            "atek-app-home.service",
        ])
        .await?;
    ensure!(rules.trim().is_empty(), "the control: {rules}");
    let home = reaches(host, alice, "home", new, PORT).await?;
    ensure!(home == "possible", "{new}: {home}");
    // The machine has a route and no address there, so only the firewall can know.
    let net = reaches(host, alice, "net", new, PORT).await?;
    ensure!(net != "possible", "{new} is reached");
    Ok(())
}

#[tokio::test]
async fn a_udp_socket_has_one_port_outside_and_two_homes_find_each_other() -> anyhow::Result<()> {
    let host = Host::boot("punch").await?;
    let alice = host.person("alice", "admin").await?;
    surroundings(&host).await?;
    for app in ["one", "two"] {
        install(&host, app, json!("direct")).await?;
    }
    // Two apps choose the same port; each has one of its own outside, for all servers.
    let to: Vec<Value> = SERVERS
        .iter()
        .map(|host| json!({ "host": host, "port": PORT }))
        .collect();
    let mut ports = Vec::new();
    for app in ["one", "two"] {
        let task = json!({ "task": "ask", "from": 49737, "to": to });
        let answers = ask(&host, &alice, app, task).await?;
        let answers: Vec<&str> = answers
            .as_array()
            .context("no answers")?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        ensure!(
            answers.len() == 2 && answers[0] == answers[1],
            "{answers:?}"
        );
        ensure!(answers[0].starts_with("203.0.113.70 "), "{answers:?}");
        ports.push(answers[0].to_owned());
    }
    ensure!(ports[0] != ports[1], "{ports:?}");

    // A program in another home, behind a router of its own, and the app: neither was open.
    let task = |name: &str| {
        json!({
            "task": "punch", "from": 49737, "name": name,
            "meet": { "host": SERVERS[0], "port": MEET },
        })
    };
    let laptop = task("laptop");
    let (app, laptop) = tokio::join!(
        ask(&host, &alice, "one", task("app")),
        outside(&host, "laptop", &laptop)
    );
    let (app, laptop) = (app?, laptop?);
    ensure!(
        app == json!("open") && laptop.trim() == "\"open\"",
        "app: {app}, laptop: {laptop}"
    );
    Ok(())
}

#[tokio::test]
async fn a_link_goes_with_its_app_however_it_ends() -> anyhow::Result<()> {
    let host = Host::boot("links").await?;
    host.person("alice", "admin").await?;
    ensure!(links(&host).await?.is_empty());
    for app in ["one", "two"] {
        install(&host, app, json!("direct")).await?;
    }
    let both = links(&host).await?;
    ensure!(both.len() == 2, "{both:?}");
    // Killed, each is started again, with one link.
    let before = [host.pid("one").await?, host.pid("two").await?];
    host.machine
        .shell(&format!(
            "kill -9 {}; systemctl kill -s KILL atek-app-two",
            before[0]
        ))
        .await?;
    wait_for("two new processes and two links", SOON, async || {
        let now = [host.pid("one").await.ok(), host.pid("two").await.ok()];
        let new = now
            .iter()
            .zip(before)
            .all(|(now, before)| now.is_some_and(|now| now != before));
        let links = links(&host).await?;
        Ok(Seen::if_so((now, links), |(_, links)| {
            new && links.len() == 2
        }))
    })
    .await?;
    // Ended at any step of its start, it leaves nothing.
    for step in 0..12 {
        host.machine
            .shell(&format!(
                "systemctl restart --no-block atek-app-one; sleep 0.0{step}; systemctl kill -s KILL atek-app-one || :"
            ))
            .await?;
    }
    host.system()?
        .call(SERVICES, "stop", json!(["one"]))
        .await?;
    // A start that follows at once finds nothing of the last one in its way.
    host.system()?
        .call(SERVICES, "start", json!(["two"]))
        .await?;
    host.service_is("two", "running").await?;
    let of_two = "grep -lx atek-app-two.service /sys/class/net/*/ifalias || :";
    let link = host.machine.shell(of_two).await?;
    ensure!(link.lines().count() == 1, "{link}");
    host.system()?
        .call(SERVICES, "stop", json!(["two"]))
        .await?;
    let left = host.machine.shell(of_two).await?;
    ensure!(left.is_empty(), "{left}");
    let units = [
        "systemctl",
        "list-units",
        "--all",
        "--plain",
        "atek-net-two.service",
    ];
    let units = host.machine.exec(units).await?;
    ensure!(!units.contains("atek-net-two"), "{units}");
    wait_for("the links to go", SOON, async || {
        Ok(Seen::if_so(links(&host).await?, |links| links.is_empty()))
    })
    .await?;
    let routes = host.machine.exec(["ip", "route"]).await?;
    ensure!(!routes.contains("atek-"), "{routes}");
    Ok(())
}

#[tokio::test]
async fn without_the_firewall_no_app_with_the_internet_starts() -> anyhow::Result<()> {
    let host = Host::boot("no-firewall").await?;
    host.person("alice", "admin").await?;
    install(&host, "net", json!("direct")).await?;
    let rules = host
        .machine
        .exec(["nft", "list", "table", "inet", "atek"])
        .await?;
    ensure!(rules.contains("fib daddr"), "{rules}");
    let program = "/usr/lib/atek/atek-network";
    host.machine
        .shell(&format!(
            "systemctl stop atek-app-net atek-network; mount --bind /bin/false {program}"
        ))
        .await?;
    host.service_is("net", "stopped").await?;
    let refused = host.system()?.call(SERVICES, "start", json!(["net"])).await;
    let refused = refusal(refused).message;
    ensure!(
        refused.contains("its network was not made ready"),
        "{refused}"
    );
    ensure!(links(&host).await?.is_empty());
    host.machine.shell(&format!("umount {program}")).await?;
    host.system()?
        .call(SERVICES, "start", json!(["net"]))
        .await?;
    host.service_is("net", "running").await?;
    Ok(())
}
