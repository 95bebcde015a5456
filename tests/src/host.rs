//! [`Host`]: a machine on which Atek runs, in the words of a test.

use crate::http::{Client, RpcError};
use crate::{Builder, Machine, Seen, paths, wait_for};
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::time::Duration;

/// The host APIs.
pub const SERVICES: &str = "atek.cloud/services-api";
/// See [`SERVICES`].
pub const USERS: &str = "atek.cloud/users-api";
/// See [`SERVICES`].
pub const SESSIONS: &str = "atek.cloud/user-sessions-api";
/// See [`SERVICES`].
pub const INSPECT: &str = "atek.cloud/inspect-api";
/// See [`SERVICES`].
pub const SETUP: &str = "atek.cloud/setup-api";
/// The database.
pub const ADB: &str = "atek.cloud/adb-api";

/// Every person's password.
pub const PASSWORD: &str = "correct horse battery staple";

/// How long a host may take from power to `isReady`, and an app to do what it should: some fifty
/// times what they take, for a machine that has much else to do.
pub const SOON: Duration = Duration::from_secs(60);

/// Seconds of a wait for guessers that outlasts the next lines of a test.
const LONG: u64 = 6;

/// A booted Atek that is ready.
#[derive(Debug)]
pub struct Host {
    /// The machine it runs on.
    pub machine: Machine,
}

/// A user with a browser session.
#[derive(Debug, Clone)]
pub struct Person {
    /// The user's key.
    pub key: String,
    /// The session cookie's value.
    pub cookie: String,
    /// A client of the main domain that sends the cookie.
    pub client: Client,
}

impl Host {
    /// Boots a machine with Atek and waits until it is ready. A new version of an app is on
    /// probation for two seconds.
    ///
    /// # Errors
    ///
    /// When it is not ready in time; the message says what the journal says last.
    pub async fn boot(name: &str) -> anyhow::Result<Self> {
        let config = json!({ "updates": { "probationSeconds": 2 } }).to_string();
        Self::on(Machine::builder(name).file("/etc/atek/config.json", config, 0o644)).await
    }

    /// The same on a machine with wishes of its own.
    ///
    /// # Errors
    ///
    /// As [`Host::boot`].
    pub async fn on(builder: Builder) -> anyhow::Result<Self> {
        let host = Self {
            machine: builder.install_atek().boot().await?,
        };
        host.ready().await?;
        Ok(host)
    }

    /// Waits until the host says that it is ready.
    ///
    /// # Errors
    ///
    /// As [`Host::boot`].
    pub async fn ready(&self) -> anyhow::Result<()> {
        let ready = wait_for("isReady", SOON, async || {
            let answer = self.system()?.call(INSPECT, "isReady", json!([])).await?;
            Ok(Seen::if_so(answer, |answer| *answer == Value::Bool(true)))
        });
        if let Err(error) = ready.await {
            let journal = self
                .machine
                .journal("atekd.service")
                .await
                .unwrap_or_default();
            bail!("{error:#}; the journal of atekd says:\n{journal}");
        }
        // Its pages and calls are answered before the last core service runs.
        wait_for("the core services", SOON, async || {
            let said = self.machine.shell("cat /run/atek/host-state || :").await?;
            Ok(Seen::if_so(said, |said| said.trim() == "ready"))
        })
        .await
        .map(drop)
    }

    /// A client that acts as the host itself, through the control socket.
    ///
    /// # Errors
    ///
    /// When the machine is off.
    pub fn system(&self) -> anyhow::Result<Client> {
        self.machine.http_unix("/run/atek/control.sock")
    }

    /// A client of the public port that has no session.
    #[must_use]
    pub fn stranger(&self) -> Client {
        self.machine.http()
    }

    /// Sees to it that the box has an administrator, so that its pages do not all lead to setup.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    pub async fn claimed(&self) -> anyhow::Result<()> {
        let users = self.system()?.call(USERS, "list", json!([])).await?;
        let users = users["users"].as_array().context("users are a list")?;
        if !users.iter().any(|user| user["role"] == "admin") {
            let owner = json!([{ "username": "owner", "password": PASSWORD, "role": "admin" }]);
            self.system()?.call(USERS, "create", owner).await?;
        }
        Ok(())
    }

    /// Makes a user and signs them in. The first one who is no administrator comes to a
    /// [claimed](Host::claimed) box.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    pub async fn person(&self, name: &str, role: &str) -> anyhow::Result<Person> {
        if role != "admin" {
            self.claimed().await?;
        }
        let user = json!([{ "username": name, "password": PASSWORD, "role": role }]);
        let user = self.system()?.call(USERS, "create", user).await?;
        let key = user["key"]
            .as_str()
            .context("a user without a key")?
            .to_owned();
        let cookie = self.sign_in(name, PASSWORD).await?;
        let client = self
            .stranger()
            .header("cookie", &format!("session={cookie}"));
        Ok(Person {
            key,
            cookie,
            client,
        })
    }

    /// Signs a user in; returns the cookie's value.
    ///
    /// # Errors
    ///
    /// When the host refuses ([`RpcError`]), or sets no cookie.
    pub async fn sign_in(&self, name: &str, password: &str) -> anyhow::Result<String> {
        let request = json!({
            "jsonrpc": "2.0", "id": 1, "method": "login",
            "params": [{ "username": name, "password": password }],
        });
        let path = format!("/_atek/gateway?api={SESSIONS}");
        let response = self.stranger().post_json(&path, &request).await?;
        let answer = response.json()?;
        if let Ok(error) = serde_json::from_value::<RpcError>(answer["error"].clone()) {
            return Err(error.into());
        }
        cookie_named("session", response.header("set-cookie"))
    }

    /// Installs a fixture app from a folder, for a user (`system`: for everybody), under its own
    /// name.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    pub async fn install(&self, app: &str, user: &str) -> anyhow::Result<Value> {
        let source = self.machine.place_app(app).await?;
        self.install_from(json!({ "sourceUrl": source, "id": app, "user": user }))
            .await
    }

    /// Installs with parameters of the test's own.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    pub async fn install_from(&self, params: Value) -> anyhow::Result<Value> {
        self.system()?
            .call(SERVICES, "install", json!([params]))
            .await
    }

    /// A service as `get` shows it.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    pub async fn service(&self, id: &str) -> anyhow::Result<Value> {
        self.system()?.call(SERVICES, "get", json!([id])).await
    }

    /// Waits until a service is in this state.
    ///
    /// # Errors
    ///
    /// When it is not in time; the message has the last state and reason.
    pub async fn service_is(&self, id: &str, state: &str) -> anyhow::Result<Value> {
        wait_for(&format!("{id} to be {state}"), SOON, async || {
            Ok(Seen::if_so(self.service(id).await?, |service| {
                service["state"] == state
            }))
        })
        .await
    }

    /// Every file of a service's state: kind, mode, owner, links, time, size and content.
    ///
    /// # Errors
    ///
    /// When there is no such service, or its files cannot be read.
    pub async fn state_of(&self, id: &str) -> anyhow::Result<String> {
        let service = self.service(id).await?;
        let key = service["key"].as_str().context("a key")?;
        let script = format!(
            "cd /var/lib/private/atek-app-{key}
             find . -printf '%p %y %m %U %G %n %T@ %s %l\\n' | sort
             find . -type f -print0 | sort -z | xargs -0 --no-run-if-empty sha256sum"
        );
        self.machine.shell(&script).await
    }

    /// Opens an app's page as a browser would, through the bind flow; returns a client with the
    /// app's own cookie.
    ///
    /// # Errors
    ///
    /// When a step of the flow is not what a browser could follow.
    pub async fn visit(&self, person: &Person, id: &str) -> anyhow::Result<Client> {
        let cookie = self.visit_cookie(person, id).await?;
        let app = self.stranger().host(&format!("{id}.localhost"));
        Ok(app.header("cookie", &format!("atek-session={cookie}")))
    }

    /// The cookie that [`Host::visit`] gets for the app's subdomain.
    ///
    /// # Errors
    ///
    /// As [`Host::visit`].
    pub async fn visit_cookie(&self, person: &Person, id: &str) -> anyhow::Result<String> {
        app_cookie(&self.stranger(), &person.client, id).await
    }

    /// An app's page, seen by a person.
    ///
    /// # Errors
    ///
    /// When it is not shown.
    pub async fn page(&self, person: &Person, id: &str, path: &str) -> anyhow::Result<String> {
        let response = self.visit(person, id).await?.get(path).await?;
        if response.status != 200 {
            bail!(
                "{id}{path} answered with status {}: {}",
                response.status,
                response.text()
            );
        }
        Ok(response.text())
    }

    /// The main process of a service's unit.
    ///
    /// # Errors
    ///
    /// When the unit has none.
    pub async fn pid(&self, id: &str) -> anyhow::Result<u32> {
        let unit = format!("atek-app-{id}.service");
        let shown = self
            .machine
            .exec(["systemctl", "show", "-P", "MainPID", &unit])
            .await?;
        match shown.trim().parse() {
            Ok(0) | Err(_) => bail!("{unit} has no process"),
            Ok(pid) => Ok(pid),
        }
    }
}

/// Guesses until the host holds the guesser up for longer than the next lines of a test take; its
/// refusal.
///
/// The first waits are of a second or two, and may be over before the next line.
///
/// # Errors
///
/// When `guess` succeeds, or is not held up for that long after a while.
pub async fn held_up(
    mut guess: impl AsyncFnMut() -> anyhow::Result<Value>,
) -> anyhow::Result<RpcError> {
    wait_for("a long wait for guessers", SOON, async || {
        let refused = refusal(guess().await);
        Ok(Seen::if_so(refused, |refused| {
            refused.code == -32005 && refused.data["retryAfterSecs"].as_u64() >= Some(LONG)
        }))
    })
    .await
}

/// The cookie of an app's subdomain, as a browser gets it: `stranger` is a client of the box
/// without a session, `person` one with it.
///
/// # Errors
///
/// When a step is answered otherwise.
pub async fn app_cookie(stranger: &Client, person: &Client, id: &str) -> anyhow::Result<String> {
    let app = stranger.clone().host(&format!("{id}.localhost"));
    let to_bind = app.get("/").await?;
    let bind = path_of(to_bind.header("location"), "localhost")?;
    let nonce = cookie_named("atek-bind", to_bind.header("set-cookie"))?;
    let to_app = person.get(&bind).await?;
    let entry = path_of(to_app.header("location"), &format!("{id}.localhost"))?;
    let app = app.header("cookie", &format!("atek-bind={nonce}"));
    let entered = app.get(&entry).await?;
    cookie_named("atek-session", entered.header("set-cookie"))
}

/// The path of a URL on one host and its port.
///
/// # Errors
///
/// When the URL leads elsewhere.
pub fn path_of(location: &str, host: &str) -> anyhow::Result<String> {
    let url = url::Url::parse(location).with_context(|| format!("not a URL: {location:?}"))?;
    if url.host_str() != Some(host) {
        bail!("{location} does not lead to {host}");
    }
    Ok(url[url::Position::BeforePath..url::Position::AfterQuery].to_owned())
}

/// The value of a cookie in a `Set-Cookie` header.
///
/// # Errors
///
/// When it is not set there.
pub fn cookie_named(name: &str, header: &str) -> anyhow::Result<String> {
    let pair = header.split(';').next().unwrap_or_default();
    match pair.split_once('=') {
        Some((found, value)) if found == name && !value.is_empty() => Ok(value.to_owned()),
        _ => bail!("no cookie {name} in {header:?}"),
    }
}

/// The error object of a call that must fail.
///
/// # Panics
///
/// When it did not fail, or not with an error object.
#[track_caller]
pub fn refusal(outcome: anyhow::Result<Value>) -> RpcError {
    match outcome {
        Ok(result) => panic!("the call was expected to fail, and gave {result}"),
        Err(error) => match error.downcast::<RpcError>() {
            Ok(error) => error,
            Err(error) => panic!("the call failed, but not with an error object: {error:#}"),
        },
    }
}

/// The repository's folder of the original's npm clients, installed there; `None` (and a skip is
/// recorded) where the npm registry cannot be reached.
#[must_use]
pub fn original_clients() -> Option<std::path::PathBuf> {
    let folder = paths::repository().join("tests/npm/original-clients");
    if folder.join("node_modules/.package-lock.json").exists() {
        return Some(folder);
    }
    let installed = std::process::Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .output();
    match installed {
        Ok(output) if output.status.success() => Some(folder),
        _ => None,
    }
}
