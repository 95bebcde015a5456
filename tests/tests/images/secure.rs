//! TLS of a component: a neighbour's servers, of whose authority the box's system knows.

use super::hono::{NEIGHBOUR, UNIT, page};
use super::*;
use anyhow::{Context as _, ensure};
use atek_tests::http::Client;
use std::process::Command;

/// Its certificate is for the neighbour's address, of an authority that the system trusts.
pub const GOOD: u16 = 443;
/// Of the same authority, for another address.
pub const OTHER_NAME: u16 = 8443;
/// Of the same authority, and expired.
pub const EXPIRED: u16 = 8444;
/// Of no authority.
pub const UNKNOWN: u16 = 8445;
/// As good as the first, and granted to no app.
pub const NOT_GRANTED: u16 = 8446;

/// The certificate of each server.
const SERVERS: [(u16, &str); 5] = [
    (GOOD, "good"),
    (OTHER_NAME, "other"),
    (EXPIRED, "expired"),
    (UNKNOWN, "unknown"),
    (NOT_GRANTED, "good"),
];

/// Makes an authority, the servers' key, and their certificates, for the address `$0`.
const CERTIFICATES: &str = r#"
    new="openssl req -x509 -nodes -days 2 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    $new -subj "/CN=Test authority" -keyout ca.key -out ca.pem
    $new -subj /CN=unknown -addext "subjectAltName=IP:$0" -keyout server.key -out unknown.pem
    openssl req -new -subj /CN=server -key server.key -out server.csr
    sign() {
      echo "subjectAltName=IP:$2" > names
      openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -days "$3" -out "$1.pem"
    }
    sign good "$0" 2
    sign other 10.77.0.9 2
    sign expired "$0" -1"#;

/// Answers with what a server saw of the request.
const SERVE: &str = "
    const { readFileSync } = require('fs')
    const read = (name) => readFileSync('/srv/tls/' + name)
    const answer = ({ url, headers, socket }, response) =>
      response.end([url, headers.host, headers.authorization ?? 'no token', socket.getProtocol()].join(' '))
    for (const [port, name] of JSON.parse(process.argv[1])) {
      require('https').createServer({ key: read('server.key'), cert: read(name + '.pem') }, answer).listen(port)
    }";

/// Starts the servers in the neighbour's network, and has the system trust their authority.
pub async fn servers(host: &Host) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("tls").tempdir()?;
    let made = Command::new("sh")
        .args(["-euc", CERTIFICATES, NEIGHBOUR])
        .current_dir(folder.path())
        .output()
        .context("cannot run openssl")?;
    ensure!(made.status.success(), "openssl: {made:?}");
    host.machine.copy_in(folder.path(), "/srv/tls").await?;
    let trust = "cat /srv/tls/ca.pem >> /etc/ssl/certs/ca-certificates.crt";
    host.machine.shell(trust).await?;
    let place = "--property=NetworkNamespacePath=/run/netns/neighbour";
    let list = json!(SERVERS).to_string();
    let node = ["--", "node", "-e", SERVE, &list];
    let words = ["systemd-run", "--unit=secure", place];
    host.machine.exec(words.into_iter().chain(node)).await?;
    wait_for("the servers", SOON, async || {
        let listening = host
            .machine
            .exec(["ip", "netns", "exec", "neighbour", "ss", "-Hltn"])
            .await?;
        Ok(Seen::if_so(listening, |lines| {
            SERVERS
                .iter()
                .all(|(port, _)| lines.contains(&format!(":{port} ")))
        }))
    })
    .await
    .map(drop)
}

/// What a component is answered by a server.
pub async fn fetch(app: &Client, port: u16) -> anyhow::Result<String> {
    page(app, &format!("/fetch?url=https://{NEIGHBOUR}:{port}/x")).await
}

/// The component reaches the server that it was granted and whose certificate is right, and no
/// other.
pub async fn is_reached_where_it_is_right(host: &Host, app: &Client) -> anyhow::Result<()> {
    let answer = fetch(app, GOOD).await?;
    assert_eq!(answer, format!("200 /x {NEIGHBOUR} no token TLSv1.3"));
    // The host lets it through to these, so it is the component's side that refuses them.
    for (port, why) in [
        (OTHER_NAME, "IP address mismatch"),
        (EXPIRED, "certificate has expired"),
        (UNKNOWN, "self-signed certificate"),
    ] {
        let answer = fetch(app, port).await?;
        assert!(answer.starts_with("refused: "), "{port}: {answer}");
        let log = host.machine.journal(UNIT).await?;
        let said = log
            .lines()
            .any(|line| line.contains(&format!("no TLS with {NEIGHBOUR}")) && line.contains(why));
        assert!(said, "{port}: not {why}: {log}");
    }
    let answer = fetch(app, NOT_GRANTED).await?;
    assert!(answer.starts_with("refused: "), "{answer}");
    let log = host
        .machine
        .exec(["atek", "audit", "--app", "hono"])
        .await?;
    let refused = format!("{NEIGHBOUR}:{NOT_GRANTED}");
    let said = |line: &str| line.contains(&refused) && line.contains("refused");
    assert!(log.lines().any(said), "{log}");
    Ok(())
}
