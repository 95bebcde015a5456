//! The box behind a reverse proxy that speaks HTTPS: nginx, as people set one up.

use anyhow::{Context as _, ensure};
use atek_tests::host::{Host, PASSWORD, SESSIONS};
use atek_tests::{Machine, Seen, skip, wait_for};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};

const NGINX: &str = "/usr/sbin/nginx";
/// How long nginx may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);

/// An nginx that ends TLS for `home.test` and its subdomains.
struct Proxy {
    folder: TempDir,
    port: u16,
    _process: Child,
}

impl Proxy {
    async fn start(to: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        run(Command::new("openssl").current_dir(folder.path()).args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=home.test",
            "-addext",
            "subjectAltName=DNS:home.test,DNS:*.home.test",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ]))
        .await?;
        // The settings that Atek's documentation asks for.
        let config = format!(
            "pid nginx.pid; error_log stderr; events {{}}
             http {{
               access_log off;
               client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
               uwsgi_temp_path uwsgi; scgi_temp_path scgi;
               server {{
                 listen 127.0.0.1:{port} ssl;
                 ssl_certificate cert.pem; ssl_certificate_key key.pem;
                 location / {{
                   proxy_pass http://{to};
                   proxy_http_version 1.1;
                   proxy_set_header Host $http_host;
                   proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                   proxy_set_header X-Forwarded-Proto $scheme;
                 }}
               }}
             }}"
        );
        std::fs::write(folder.path().join("nginx.conf"), config)?;
        let process = Command::new(NGINX)
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-g", "daemon off; master_process off;"])
            .kill_on_drop(true)
            .spawn()?;
        wait_for("nginx to listen", START, async || {
            let connected = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
            Ok(Seen::if_so(connected.is_ok(), |open| *open))
        })
        .await?;
        Ok(Self {
            folder,
            port,
            _process: process,
        })
    }

    fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.port)
    }

    /// What curl prints for a request from an address of the loopback network: every head of the
    /// answers, and the last body. Cookies are kept by address.
    async fn curl(&self, from: &str, args: &[&str]) -> anyhow::Result<String> {
        let jar = self.folder.path().join(format!("cookies-{from}"));
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-i", "--max-time", "60", "--interface", from])
            .arg("--cacert")
            .arg(self.folder.path().join("cert.pem"))
            .arg("--cookie")
            .arg(&jar)
            .arg("--cookie-jar")
            .arg(&jar);
        for host in ["home.test", "hello-node.home.test"] {
            let to = format!("{host}:{}:127.0.0.1", self.port);
            curl.args(["--resolve", &to]);
        }
        run(curl.args(args)).await
    }

    /// Calls the sessions API as a page of the box does.
    async fn call(&self, from: &str, method: &str, params: Value) -> anyhow::Result<String> {
        let url = self.url("home.test", &format!("/_atek/gateway?api={SESSIONS}"));
        let origin = format!("origin: {}", self.url("home.test", ""));
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let kind = "content-type: application/json";
        self.curl(
            from,
            &["-H", kind, "-H", &origin, "-d", &body.to_string(), &url],
        )
        .await
    }

    async fn sign_in(&self, from: &str, password: &str) -> anyhow::Result<String> {
        let params = json!([{ "username": "alice", "password": password }]);
        self.call(from, "login", params).await
    }
}

async fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {errors}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn behind_nginx_with_tls_a_person_signs_in_opens_an_app_and_is_told_from_a_guesser()
-> anyhow::Result<()> {
    if !Path::new(NGINX).exists() {
        skip("nginx is not installed");
        return Ok(());
    }
    let machine = Machine::builder("tls-proxy");
    // The proxy is the machine on the other side of the box's network.
    let config = r#"{"domain": "home.test", "trustedProxies": ["198.18.0.0/15"]}"#;
    let host = Host::on(machine.file("/etc/atek/config.json", config, 0o644)).await?;
    host.person("alice", "admin").await?;
    host.install("hello-node", "alice").await?;
    let proxy = Proxy::start(&host.machine.address()?.to_string()).await?;
    let (home, mallory) = ("127.0.0.5", "127.0.0.6");

    let main = proxy.curl(home, &[&proxy.url("home.test", "/")]).await?;
    assert!(main.contains("\r\nlocation: /_atek/login\r\n"), "{main}");
    let signed_in = proxy.sign_in(home, PASSWORD).await?;
    assert!(signed_in.contains("HttpOnly; SameSite=Lax"), "{signed_in}");
    assert!(signed_in.contains("; Secure\r\n"), "{signed_in}");

    // The app's site: to the main domain for a token, back, and in; all of it over HTTPS.
    let app = proxy.url("hello-node.home.test", "/");
    let page = proxy.curl(home, &["-L", &app]).await?;
    assert!(!page.contains("http://"), "{page}");
    let last = page.rsplit("HTTP/1.1 ").next().context("no answer")?;
    assert!(last.starts_with("200"), "{page}");
    assert!(page.contains("\r\nlocation: https://"), "{page}");

    // Who is who: the list of sessions has the browser's address, and a guesser at the same proxy
    // does not slow down the owner.
    let sessions = proxy.call(home, "listSessions", json!([])).await?;
    assert!(
        sessions.contains(&format!(r#""address":"{home}""#)),
        "{sessions}"
    );
    wait_for("the guesser to be held up", START, async || {
        let guess = proxy.sign_in(mallory, "a guess").await?;
        Ok(Seen::if_so(guess, |answer| {
            answer.contains("retryAfterSecs")
        }))
    })
    .await?;
    let again = proxy.sign_in(home, PASSWORD).await?;
    assert!(again.contains(r#""isActive":true"#), "{again}");
    Ok(())
}
