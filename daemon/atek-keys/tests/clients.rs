//! The real process, whose signatures are checked by programs of others: ethers, nostr-tools, and
//! OpenSSL through Node and by its own command.

use atek_rpc::client::Client;
use http::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PASSWORD: &str = "correct horse battery staple";

/// A running key service with a folder of its own, ended with the test.
struct Service {
    child: Child,
    dir: tempfile::TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    async fn start() -> Self {
        let dir = tempfile::tempdir().expect("folder");
        let child = Command::new(env!("CARGO_BIN_EXE_atek-keys"))
            .env("STATE_DIRECTORY", dir.path())
            .env("ATEK_ASSIGNED_SOCKET_FILE", dir.path().join("app.sock"))
            .env("ATEK_ASSIGNED_SERVICE_KEY", "core.keys")
            .spawn()
            .expect("starts");
        let service = Service { child, dir };
        let until = Instant::now() + Duration::from_secs(60);
        while tokio::net::UnixStream::connect(service.socket())
            .await
            .is_err()
        {
            assert!(Instant::now() < until, "the service listens");
            tokio::task::yield_now().await;
        }
        service
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("app.sock")
    }

    fn as_(&self, user: &'static str, service: &'static str) -> Client {
        Client::unix(self.socket())
            .with_header(
                HeaderName::from_static("atek-auth-user"),
                HeaderValue::from_static(user),
            )
            .with_header(
                HeaderName::from_static("atek-auth-service"),
                HeaderValue::from_static(service),
            )
    }
}

async fn call(client: &Client, method: &str, params: Value) -> Value {
    let answer = client
        .post_as::<Value>("/_api/keys", method, (params,))
        .await;
    answer.unwrap_or_else(|error| panic!("{method}: {error:?}"))
}

/// The programs of others; none where npm's registry cannot be reached.
fn clients() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/npm/key-clients");
    if folder.join("node_modules/.package-lock.json").exists() {
        return Some(folder);
    }
    let installed = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .output();
    installed
        .is_ok_and(|it| it.status.success())
        .then_some(folder)
}

fn node(folder: &Path, script: &str, input: &Value) -> String {
    let mut child = Command::new("node")
        .arg(script)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node");
    let mut stdin = child.stdin.take().expect("input");
    stdin
        .write_all(input.to_string().as_bytes())
        .expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success(), "{script}");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn ethers_nostr_tools_and_openssl_accept_what_is_signed() {
    let Some(folder) = clients() else {
        println!("SKIPPED: the npm registry cannot be reached");
        return;
    };
    let service = Service::start().await;
    let host = service.as_("system", "system");
    call(
        &host,
        "begin",
        json!({"user": "anna", "password": PASSWORD}),
    )
    .await;
    let anna = service.as_("anna", "core.keys");
    let ed = call(&anna, "create", json!({"kind": "ed25519", "name": "ed"})).await;
    let ec = call(&anna, "create", json!({"kind": "secp256k1", "name": "ec"})).await;
    let sign = async |key: &Value, format: &str, payload: Value| {
        let params = json!({"key": key["id"], "format": format, "payload": payload});
        call(&anna, "sign", params).await
    };
    let text = "Grüße aus der Küche\n";
    let made: Value =
        serde_json::from_str(&node(&folder, "make.mjs", &json!(null))).expect("payloads");
    // Each is shown with the words that belong to it, and signed.
    let shown_and_signed = async |format: &'static str, made: &Value| {
        let mut all = Vec::new();
        for it in made.as_array().expect("payloads") {
            let params = json!({"key": ec["id"], "format": format, "payload": it[1]});
            let shown = call(&anna, "describe", params).await;
            let shown = shown["words"].as_str().expect("words").to_owned();
            let words = it[2].as_str().expect("words");
            assert!(shown.contains(words), "{}: {shown}", it[0]);
            all.push(json!([
                it[0],
                it[1],
                sign(&ec, format, it[1].clone()).await
            ]));
        }
        all
    };
    let transactions = shown_and_signed("ethereum-transaction", &made["transactions"]).await;
    let typed = shown_and_signed("ethereum-typed-data", &made["typed"]).await;
    let event = json!({"kind": 1, "created_at": 1_700_000_000, "tags": [["t", "ä\n\"\\\u{1}\u{2028}"]],
        "content": "Grüße \u{1f600}\t\u{8}\u{7f}</script>"});
    let seen = json!({
        "text": text,
        "address": ec["ethereumAddress"],
        "ed25519": sign(&ed, "text", json!(text)).await,
        "ecdsa": sign(&ec, "text", json!(text)).await,
        "nostr": sign(&ec, "nostr-event", event).await,
        "personal": sign(&ec, "ethereum-message", json!(text)).await,
        "transactions": transactions,
        "typed": typed,
    });
    let held = node(&folder, "verify.mjs", &seen);
    print!("{held}");
    assert_eq!(held.matches("held: ").count(), 12, "{held}");
    openssl(&service, &seen, text);
}

/// OpenSSL's own command checks the ed25519 signature.
fn openssl(service: &Service, seen: &Value, text: &str) {
    let decode = |value: &Value| hex::decode(value.as_str().expect("hex")).expect("hex");
    let file = |name: &str, content: &[u8]| {
        let path = service.dir.path().join(name);
        std::fs::write(&path, content).expect("file");
        path
    };
    let mut spki = hex::decode("302a300506032b6570032100").expect("hex");
    spki.extend(decode(&seen["ed25519"]["publicKey"]));
    let key = file("key.der", &spki);
    let signature = file("signature", &decode(&seen["ed25519"]["signature"]));
    for (content, good) in [(text, true), ("another text", false)] {
        let message = file("message", content.as_bytes());
        let output = Command::new("openssl")
            .args([
                "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin", "-inkey",
            ])
            .arg(&key)
            .arg("-sigfile")
            .arg(&signature)
            .arg("-in")
            .arg(message)
            .output()
            .expect("openssl");
        assert_eq!(output.status.success(), good, "{output:?}");
    }
}

/// Nothing that is written outside of a request is believed, and a killed service loses nothing
/// that it had answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_has_every_key_that_it_answered_for() {
    let mut service = Service::start().await;
    let host = service.as_("system", "system");
    call(
        &host,
        "begin",
        json!({"user": "anna", "password": PASSWORD}),
    )
    .await;
    let anna = service.as_("anna", "core.keys");
    let stranger = Client::unix(service.socket());
    let refused = stranger
        .post_as::<Value>("/_api/keys", "list", (json!({}),))
        .await;
    assert!(refused.is_err());
    let mut made = Vec::new();
    for round in 0..10 {
        let name = format!("key {round}");
        let key = call(&anna, "create", json!({"kind": "ed25519", "name": name})).await;
        made.push(key["publicKey"].clone());
        service.child.kill().expect("killed");
        service.child.wait().expect("ended");
        let dir = service.dir.path().to_owned();
        service.child = Command::new(env!("CARGO_BIN_EXE_atek-keys"))
            .env("STATE_DIRECTORY", &dir)
            .env("ATEK_ASSIGNED_SOCKET_FILE", dir.join("app.sock"))
            .env("ATEK_ASSIGNED_SERVICE_KEY", "core.keys")
            .spawn()
            .expect("starts");
        let until = Instant::now() + Duration::from_secs(60);
        while tokio::net::UnixStream::connect(dir.join("app.sock"))
            .await
            .is_err()
        {
            assert!(Instant::now() < until, "the service listens again");
            tokio::task::yield_now().await;
        }
        let listed = call(&anna, "list", json!({})).await;
        assert_eq!(listed["locked"], true);
        let publics: Vec<_> = listed["keys"]
            .as_array()
            .expect("keys")
            .iter()
            .map(|key| key["publicKey"].clone())
            .collect();
        assert_eq!(publics, made);
        call(
            &host,
            "signedIn",
            json!({"user": "anna", "password": PASSWORD}),
        )
        .await;
    }
}
