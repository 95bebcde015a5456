//! The way of apps without a network to the hosts that were granted to them by name.

use anyhow::Context as _;
use atek_tests::host::{Host, Person, SERVICES, SOON, refusal};
use atek_tests::{GitRemote, Seen, wait_for};
use serde_json::{Value, json};
use tokio::process::Command;

/// A neighbour on a network of the machine's, with two TLS servers, where what is posted comes
/// back, and two of plain HTTP, which say what they saw.
const NEIGHBOUR: &str = "10.77.0.2";
const GRANTED: u16 = 443;
const OTHER: u16 = 8443;
const PLAIN: u16 = 80;
const OTHER_PLAIN: u16 = 8080;

/// Starts the neighbour; returns the certificates of its servers, which they signed themselves.
async fn neighbour(host: &Host) -> anyhow::Result<(String, String)> {
    let network = format!(
        "ip netns add neighbour
         ip link add near type veth peer name far netns neighbour
         ip address add 10.77.0.1/24 dev near
         ip link set near up
         ip -n neighbour address add {NEIGHBOUR}/24 dev far
         ip -n neighbour link set far up"
    );
    host.machine.shell(&network).await?;
    let granted = server(host, GRANTED).await?;
    let other = server(host, OTHER).await?;
    for port in [PLAIN, OTHER_PLAIN] {
        let script = format!(
            "require('http').createServer(async (request, response) => {{
               let bytes = 0
               for await (const chunk of request) bytes += chunk.length
               const {{ method, url, headers }} = request
               response.setHeader('keep-alive', 'timeout=5')
               response.end(JSON.stringify({{ method, url, headers, bytes }}))
             }}).listen({port})"
        );
        in_the_neighbour(host, &format!("plain-{port}"), &script).await?;
    }
    wait_for("the servers", SOON, async || {
        let listening = host
            .machine
            .exec(["ip", "netns", "exec", "neighbour", "ss", "-Hltn"])
            .await?;
        Ok(Seen::if_so(listening, |lines| lines.lines().count() == 4))
    })
    .await?;
    Ok((granted, other))
}

async fn server(host: &Host, port: u16) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=test"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .arg("-addext")
        .arg(format!("subjectAltName=IP:{NEIGHBOUR}"))
        .current_dir(folder.path())
        .output()
        .await
        .context("cannot run openssl")?;
    anyhow::ensure!(made.status.success(), "openssl: {made:?}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name));
    let (key, certificate) = (read("key.pem")?, read("certificate.pem")?);
    let script = format!(
        "const [key, cert] = [{key:?}, {certificate:?}]
         const back = (request, response) => request.pipe(response)
         require('https').createServer({{ key, cert }}, back).listen({port})"
    );
    in_the_neighbour(host, &format!("tls-{port}"), &script).await?;
    Ok(certificate)
}

/// Runs a script of Node as a unit in the neighbour's network.
async fn in_the_neighbour(host: &Host, unit: &str, script: &str) -> anyhow::Result<()> {
    let unit = format!("--unit={unit}");
    let place = "--property=NetworkNamespacePath=/run/netns/neighbour";
    host.machine
        .exec(["systemd-run", &unit, place, "node", "-e", script])
        .await
        .map(drop)
}

#[tokio::test]
async fn tls_goes_through_the_host_to_a_granted_host_and_to_no_other() -> anyhow::Result<()> {
    let host = Host::boot("egress-tls").await?;
    let alice = host.person("alice", "admin").await?;
    let (certificate, other_certificate) = neighbour(&host).await?;
    let asks = json!({ "network": { "hosts": [format!("{NEIGHBOUR}:{GRANTED}")] } });
    let remote = GitRemote::new("caller", host.machine.gateway()?)?;
    let manifest = json!({ "name": "Caller", "permissions": asks });
    remote.tag_app("v0.9.0", "caller-node")?;
    remote
        .write("atek.json", manifest.to_string())?
        .tag("v1.0.0")?;
    host.install_from(json!({ "sourceUrl": remote.url(), "user": "alice", "grant": asks }))
        .await?;

    let through = async |port: u16, trusted: &str| {
        let trusted: String = url::form_urlencoded::byte_serialize(trusted.as_bytes()).collect();
        let path = format!("/tunnel?to={NEIGHBOUR}:{port}&ca={trusted}");
        let answer = host.page(&alice, "caller", &path).await?;
        anyhow::Ok(serde_json::from_str::<Value>(&answer)?)
    };
    // End to end: the app verifies the server, and a megabyte comes back as it went.
    assert_eq!(
        through(GRANTED, &certificate).await?,
        json!({ "status": 200, "authorized": true, "protocol": "TLSv1.3", "same": true })
    );
    // The host is no man in the middle: whom the app trusts is its own affair.
    let distrusted = through(GRANTED, &other_certificate).await?;
    assert_eq!(distrusted["error"], "DEPTH_ZERO_SELF_SIGNED_CERT");
    let refused = json!({ "refused": 403 });
    assert_eq!(through(OTHER, &other_certificate).await?, refused);

    let nothing = json!(["caller", { "grant": {} }]);
    alice.client.call(SERVICES, "configure", nothing).await?;
    // It restarts, and a page of one that goes down may not come.
    wait_for("the way to be closed", SOON, async || {
        let answer = through(GRANTED, &certificate).await.unwrap_or_default();
        Ok(Seen::if_so(answer, |answer| *answer == refused))
    })
    .await
    .map(drop)
}

#[tokio::test]
async fn plain_http_goes_through_the_host_to_a_granted_host_and_to_no_other() -> anyhow::Result<()>
{
    let host = Host::boot("egress-plain").await?;
    let alice = host.person("alice", "admin").await?;
    neighbour(&host).await?;
    // An app of the time before permissions: it asks for none, and is granted one later.
    let remote = GitRemote::new("caller", host.machine.gateway()?)?;
    remote.tag_app("v0.9.0", "caller-node")?;
    remote.write("atek.json", "{}")?.tag("v1.0.0")?;
    host.install_from(json!({ "sourceUrl": remote.url(), "user": "alice" }))
        .await?;
    let plain = async |to: &str| {
        let answer = host
            .page(&alice, "caller", &format!("/plain?to={to}"))
            .await?;
        anyhow::Ok(serde_json::from_str::<Value>(&answer)?)
    };
    let refused = json!({ "refused": 403 });
    assert_eq!(plain(NEIGHBOUR).await?, refused);
    let grant = json!({ "grant": { "network": { "hosts": [NEIGHBOUR] } } });
    let changes = json!(["caller", grant]);
    alice.client.call(SERVICES, "configure", changes).await?;
    host.service_is("caller", "running").await?;
    let seen = plain(NEIGHBOUR).await?;
    for (field, expected) in [
        ("/method", json!("POST")),
        ("/url", json!("/echo?x=1")),
        ("/bytes", json!(1 << 20)),
        ("/headers/host", json!(NEIGHBOUR)),
        ("/headers/authorization", json!("Bearer theirs")),
        ("/headers/via", json!("1.1 atek")),
    ] {
        assert_eq!(seen.pointer(field), Some(&expected), "{field}: {seen}");
    }
    // Nothing of the box: no key, no address, no password for its proxy.
    let headers = seen["headers"].as_object().context("no headers")?;
    for name in headers.keys() {
        let is_own = name.starts_with("atek") || name.starts_with("proxy-");
        assert!(!is_own && !name.starts_with("x-forwarded"), "{name}");
    }
    assert_eq!(plain(&format!("{NEIGHBOUR}:{OTHER_PLAIN}")).await?, refused);
    assert_eq!(plain("10.77.0.1").await?, refused);
    Ok(())
}

const PERMISSIONS: &str = "atek.cloud/permissions-api";

/// The rows of the audit log that a person may see.
async fn audit(person: &Person, params: Value) -> anyhow::Result<Vec<Value>> {
    let answer = person
        .client
        .call(PERMISSIONS, "audit", json!([params]))
        .await?;
    Ok(answer["rows"].as_array().cloned().unwrap_or_default())
}

fn row<'a>(rows: &'a [Value], wanted: &Value) -> anyhow::Result<&'a Value> {
    let is_it = |row: &&Value| {
        let mut fields = wanted.as_object().into_iter().flatten();
        fields.all(|(name, value)| row[name] == *value)
    };
    let found = rows.iter().find(is_it);
    found.with_context(|| format!("no row {wanted} in {rows:#?}"))
}

#[tokio::test]
async fn the_audit_log_says_what_an_app_reached_called_and_was_refused() -> anyhow::Result<()> {
    let host = Host::boot("egress-audit").await?;
    let alice = host.person("alice", "admin").await?;
    let bob = host.person("bob", "").await?;
    let carol = host.person("carol", "").await?;
    neighbour(&host).await?;
    let remote = GitRemote::new("caller", host.machine.gateway()?)?;
    remote.tag_app("v0.9.0", "caller-node")?;
    remote.write("atek.json", "{}")?.tag("v1.0.0")?;
    host.install_from(json!({ "sourceUrl": remote.url(), "user": "bob" }))
        .await?;
    let granted = format!("host:{NEIGHBOUR}:{PLAIN}");
    let grant = json!([{ "service": "caller", "permission": granted }]);
    alice.client.call(PERMISSIONS, "grant", grant).await?;
    host.service_is("caller", "running").await?;

    // A real app: a megabyte to the host that it was granted, one try for another.
    let page = async |path: &str| host.page(&bob, "caller", path).await;
    page(&format!("/plain?to={NEIGHBOUR}")).await?;
    page(&format!("/plain?to={NEIGHBOUR}:{OTHER_PLAIN}")).await?;
    page("/call?api=atek.cloud/users-api&method=list").await?;
    let reached = format!("{NEIGHBOUR}:{PLAIN}");
    let rows = audit(&bob, json!({})).await?;
    let of_app = json!({ "caller": "app", "who": "caller", "owner": "bob", "app": "caller" });
    for (wanted, least) in [
        (
            json!({ "kind": "host", "what": reached, "outcome": "done" }),
            1 << 20,
        ),
        (
            json!({ "kind": "host", "what": format!("{NEIGHBOUR}:{OTHER_PLAIN}"), "outcome": "refused", "count": 1 }),
            0,
        ),
        (
            json!({ "kind": "call", "what": "atek.cloud/users-api", "method": "list", "outcome": "refused" }),
            0,
        ),
    ] {
        let row = row(&rows, &wanted)?;
        for (name, value) in of_app.as_object().into_iter().flatten() {
            assert_eq!(row[name], *value, "{name} of {row}");
        }
        assert!(
            row["sent"].as_u64().is_some_and(|sent| sent >= least),
            "{row}"
        );
    }
    let given = row(&rows, &json!({ "kind": "permission", "what": granted }))?;
    assert_eq!(
        (&given["outcome"], &given["who"]),
        (&json!("given"), &json!("alice"))
    );
    assert_eq!(given["about"], "caller");

    // Others see nothing of it, and the app does not read what is written about it.
    assert!(
        audit(&carol, json!({}))
            .await?
            .iter()
            .all(|row| row["owner"] == "carol")
    );
    let read = page("/call?api=atek.cloud/permissions-api&method=audit").await?;
    assert!(read.contains("Not authorized"), "{read}");
    refusal(
        carol
            .client
            .call(
                PERMISSIONS,
                "audit",
                json!([{ "app": "caller", "since": "yesterday" }]),
            )
            .await,
    );

    // The grant says how often it was used.
    let list = bob.client.call(PERMISSIONS, "list", json!([])).await?;
    let used = &list["grants"][0]["used"];
    assert!(used["count"].as_u64().is_some_and(|n| n >= 1), "{list}");

    // "Block this host": refused from then on, although it is granted.
    let block = json!([{ "service": "caller", "permission": granted, "verdict": "deny" }]);
    bob.client.call(PERMISSIONS, "grant", block).await?;
    wait_for("the host to be blocked", SOON, async || {
        let answer = page(&format!("/plain?to={NEIGHBOUR}"))
            .await
            .unwrap_or_default();
        Ok(Seen::if_so(answer, |answer| answer.contains("403")))
    })
    .await?;
    let refused = audit(&bob, json!({ "refused": true, "search": NEIGHBOUR })).await?;
    row(&refused, &json!({ "what": reached, "outcome": "refused" }))?;
    assert!(refused.iter().all(|row| row["outcome"] == "refused"));

    // All of it is there after a power cut of the host's own process and a restart: decisions at
    // once, counts when it is told to stop.
    host.machine.exec(["systemctl", "restart", "atekd"]).await?;
    host.ready().await?;
    let shown = host
        .machine
        .exec(["atek", "audit", "--app", "caller", "--since", "1h"])
        .await?;
    for part in [&*reached, "refused", "denied", "given", "alice", "1 MB"] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let json = host
        .machine
        .exec(["atek", "audit", "--refused", "--json"])
        .await?;
    let rows: Value = serde_json::from_str(&json)?;
    row(
        rows["rows"].as_array().context("rows")?,
        &json!({ "what": reached }),
    )?;
    Ok(())
}
