//! Sign-in, sessions and users.

use anyhow::Context as _;
use atek_tests::host::{
    ADB, Host, PASSWORD, SERVICES, SESSIONS, USERS, cookie_named, held_up, refusal,
};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a script that guesses may take: many times what it does.
const PATIENCE: Duration = Duration::from_secs(400);

/// So many passwords are checked one after the other.
const SIGN_INS: u32 = 12;

fn login(name: &str, password: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "login", "params": [{ "username": name, "password": password }] })
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down_and_tells_nothing() -> anyhow::Result<()> {
    let host = Host::boot("guesses").await?;
    host.person("alice", "").await?;
    let path = format!("/_atek/gateway?api={SESSIONS}");
    let unknown = host
        .stranger()
        .post_json(&path, &login("nobody", "guess"))
        .await?
        .json()?;
    let wrong = host
        .stranger()
        .post_json(&path, &login("alice", "guess"))
        .await?
        .json()?;
    assert_eq!(unknown["error"], wrong["error"]);
    assert_eq!(
        wrong["error"]["message"],
        "Username or password was incorrect"
    );

    let guess = || {
        let stranger = host.stranger();
        let params = login("alice", "guess")["params"].clone();
        async move { stranger.call(SESSIONS, "login", params).await }
    };
    let last = held_up(async || guess().await).await?;
    let message = &last.message;
    assert!(message.starts_with("too many wrong passwords"), "{last:?}");
    // Not even the right one helps while the wait lasts.
    let right = host
        .stranger()
        .post_json(&path, &login("alice", PASSWORD))
        .await?
        .json()?;
    assert_eq!(right["error"]["code"], -32005, "{right}");
    Ok(())
}

/// What the scripts below sign in with: `login(address, password, cookie)`.
const LOGIN: &str = r#"
const http = require('http');
const login = (localAddress, password, cookie) => new Promise((resolve, reject) => {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'login', params: [{ username: 'alice', password }] });
  const request = http.request({
    host: '127.0.0.1', port: 80, localAddress, method: 'POST', agent: false,
    path: '/_atek/gateway?api=atek.cloud/user-sessions-api',
    headers: { 'content-type': 'application/json', host: 'localhost', ...(cookie && { cookie }) },
  }, (response) => {
    let text = '';
    response.on('data', (part) => { text += part; });
    response.on('end', () => resolve({ ...JSON.parse(text), set: response.headers['set-cookie'] ?? [] }));
  });
  request.on('error', reject);
  request.end(body);
});
"#;

/// Six addresses guess at alice with four connections each, for as long as she signs in from new
/// addresses; prints what became of either.
const SIX_GUESSERS: &str = r#"
const [password, signIns] = [process.argv[1], Number(process.argv[2])];
let [over, tried] = [false, 0];
const guess = async (address) => {
  while (!over) {
    const { error } = await login(address, 'guess');
    if (error.message === 'Username or password was incorrect') tried += 1;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
(async () => {
  const guessers = [];
  for (const n of [2, 3, 4, 5, 6, 7]) {
    for (let connection = 0; connection < 4; connection += 1) guessers.push(guess(`127.0.0.${n}`));
  }
  // 20 guesses at a name are free; after four more it takes one in ten seconds.
  while (tried < 24) await new Promise((resolve) => setTimeout(resolve, 100));
  let [signedIn, slowest] = [0, 0];
  for (let n = 1; n <= signIns; n += 1) {
    const begun = Date.now();
    const { result } = await login(`127.0.1.${n}`, password);
    if (result?.isActive) signedIn += 1;
    slowest = Math.max(slowest, Date.now() - begun);
  }
  over = true;
  console.log(JSON.stringify({ signedIn, slowest, tried }));
  process.exit(0);
})();
"#;

/// Runs a script that begins with [`LOGIN`] on the machine; what it prints, as JSON.
async fn run_script(host: &Host, script: &str, arguments: &[&str]) -> anyhow::Result<Value> {
    let whole = format!("{LOGIN}{script}");
    let words = [&["node", "-e", whole.as_str()], arguments].concat();
    let output = host.machine.exec_within(PATIENCE, words, b"").await?;
    let report = serde_json::from_str(&output.stdout)
        .with_context(|| format!("{}{}", output.stdout, output.stderr))?;
    println!("{report}");
    Ok(report)
}

/// Alice signs in, then guessers at her address guess, and she signs in again: with the cookie of
/// her device, with one that was forged, and without.
const GUESSERS_AT_HOME: &str = r#"
const [password] = process.argv.slice(1);
const address = '127.0.0.2';
let [over, wait] = [false, 0];
const guess = async () => {
  while (!over) {
    const { error } = await login(address, 'guess');
    wait = Math.max(wait, error.data?.retryAfterSecs ?? 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
(async () => {
  const first = await login(address, password);
  const device = first.set.map((text) => text.split(';')[0]).find((pair) => pair.startsWith('atek-device-'));
  for (let connection = 0; connection < 8; connection += 1) guess();
  // Then the address waits for much longer than an attempt is held.
  while (wait < 20) await new Promise((resolve) => setTimeout(resolve, 50));
  const outcome = ({ result, error }) => (result?.isActive ? 'in' : error.code);
  const forged = device.slice(0, -1) + (device.endsWith('0') ? '1' : '0');
  const began = Date.now();
  const known = outcome(await login(address, password, device));
  const took = Date.now() - began;
  const others = [];
  for (const cookie of [forged, undefined, forged, undefined]) others.push(outcome(await login(address, password, cookie)));
  over = true;
  console.log(JSON.stringify({ known, took, others, attributes: first.set.find((text) => text.startsWith('atek-device-')).split('; ').slice(1) }));
  process.exit(0);
})();
"#;

#[tokio::test]
async fn the_owner_signs_in_from_a_known_device_while_guessers_share_the_address()
-> anyhow::Result<()> {
    let host = Host::boot("guessers-at-home").await?;
    host.claimed().await?;
    let user = json!([{ "username": "alice", "password": PASSWORD }]);
    host.system()?.call(USERS, "create", user).await?;
    let report = run_script(&host, GUESSERS_AT_HOME, &[PASSWORD]).await?;
    assert_eq!(report["known"], "in", "{report}");
    // The control: without the cookie the guessers do keep her out. One attempt may be lucky, and
    // come when the address may try again.
    let others = report["others"].as_array().into_iter().flatten();
    let refused = others.filter(|outcome| **outcome == -32005).count();
    assert!(refused >= 2, "{report}");
    let attributes = report["attributes"].to_string();
    for wanted in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(attributes.contains(wanted), "{attributes}");
    }
    Ok(())
}

#[tokio::test]
async fn the_owner_signs_in_from_new_devices_while_six_addresses_guess() -> anyhow::Result<()> {
    let host = Host::boot("six-guessers").await?;
    host.claimed().await?;
    let user = json!([{ "username": "alice", "password": PASSWORD }]);
    host.system()?.call(USERS, "create", user).await?;
    let sign_ins = 5;
    let count = sign_ins.to_string();
    // Each sign-in may wait its turn for ten seconds.
    let report = run_script(&host, SIX_GUESSERS, &[PASSWORD, &count]).await?;
    assert_eq!(report["signedIn"], sign_ins, "{report}");
    // 5 free guesses of each address, and few more.
    assert!(report["tried"].as_u64() < Some(100), "{report}");
    Ok(())
}

#[tokio::test]
async fn of_64_guesses_at_once_few_are_tried() -> anyhow::Result<()> {
    let host = Host::boot("64-guesses").await?;
    host.person("alice", "").await?;
    let guesses = (0..64).map(|_| {
        let params = login("alice", "guess")["params"].clone();
        let stranger = host.stranger();
        async move { refusal(stranger.call(SESSIONS, "login", params).await) }
    });
    let answers = futures_util::future::join_all(guesses).await;
    let tried = answers.iter().filter(|error| error.code == -32003).count();
    assert!((1..=8).contains(&tried), "{tried} of 64 were tried");
    Ok(())
}

#[tokio::test]
async fn short_passwords_are_refused_and_people_change_their_own() -> anyhow::Result<()> {
    let host = Host::boot("own-password").await?;
    let short = json!([{ "username": "carol", "password": "abc" }]);
    refusal(host.system()?.call(USERS, "create", short).await);

    let alice = host.person("alice", "").await?;
    let elsewhere = host.sign_in("alice", PASSWORD).await?;
    let elsewhere = host
        .stranger()
        .header("cookie", &format!("session={elsewhere}"));
    let wrong = json!([alice.key, { "old": "not it at all", "new": "a new password" }]);
    refusal(alice.client.call(USERS, "setPassword", wrong).await);
    let right = json!([alice.key, { "old": PASSWORD, "new": "a new password" }]);
    alice.client.call(USERS, "setPassword", right).await?;

    assert_eq!(
        alice.client.call(SESSIONS, "whoami", json!([])).await?["isActive"],
        true
    );
    assert_eq!(
        elsewhere.call(SESSIONS, "whoami", json!([])).await?["isActive"],
        false
    );
    host.sign_in("alice", "a new password").await?;
    assert!(host.sign_in("alice", PASSWORD).await.is_err());
    Ok(())
}

#[tokio::test]
async fn the_login_page_leads_nowhere_else_and_nobody_gets_cors() -> anyhow::Result<()> {
    let host = Host::boot("login-redirect").await?;
    let alice = host.person("alice", "").await?;
    host.install("hello-node", "alice").await?;
    // The bind flow leads to no other host, whatever the path says.
    for path in [
        "http://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "https:evil.example",
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        let bind = format!("/_atek/bind-session?service=hello-node&path={encoded}");
        let response = alice.client.get(&bind).await?;
        let location = response.header("location");
        assert!(
            response.status == 400 || location.starts_with("http://hello-node.localhost"),
            "{path} led to {location}"
        );
    }
    let foreign = alice.client.clone().header("origin", "http://evil.example");
    let response = foreign.get("/").await?;
    assert_eq!(response.header("access-control-allow-origin"), "");
    let path = format!("/_atek/gateway?api={SERVICES}");
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "list", "params": [] });
    let response = foreign.post_json(&path, &call).await?;
    assert_eq!(
        response.status,
        403,
        "a foreign page made a call: {}",
        response.text()
    );
    Ok(())
}

#[tokio::test]
async fn a_deleted_users_cookie_is_worth_nothing_and_harms_nothing() -> anyhow::Result<()> {
    let host = Host::boot("deleted-user").await?;
    let bob = host.person("bob", "").await?;
    host.system()?
        .call(USERS, "delete", json!([bob.key]))
        .await?;
    for path in ["/", "/_atek/login/", "/_atek/gateway"] {
        bob.client.get(path).await?;
    }
    assert_eq!(
        bob.client.call(SESSIONS, "whoami", json!([])).await?["isActive"],
        false
    );
    assert!(host.sign_in("bob", PASSWORD).await.is_err());
    host.ready().await
}

#[tokio::test]
async fn eleven_thousand_calls_of_one_cookie_do_no_harm() -> anyhow::Result<()> {
    let host = Host::boot("many-calls").await?;
    let alice = host.person("alice", "").await?;
    for _ in 0..110 {
        let calls = (0..100).map(|_| alice.client.call(SESSIONS, "whoami", json!([])));
        for answer in futures_util::future::try_join_all(calls.collect::<Vec<_>>()).await? {
            assert_eq!(answer["username"], "alice");
        }
    }
    host.ready().await
}

#[tokio::test]
async fn a_deleted_user_leaves_no_session_service_or_database() -> anyhow::Result<()> {
    let host = Host::boot("nothing-left").await?;
    let bob = host.person("bob", "").await?;
    let app = host.install("hello-node", "bob").await?;
    let db = bob
        .client
        .call(ADB, "dbCreate", json!([{ "access": "public" }]))
        .await?;
    let put = json!([db["dbId"], "notes/1", { "text": "hi" }]);
    bob.client.call(ADB, "recordPut", put).await?;

    host.system()?
        .call(
            USERS,
            "delete",
            json!([bob.key, { "services": "uninstall" }]),
        )
        .await?;
    assert_eq!(
        refusal(host.service("hello-node").await).message,
        "Not authorized"
    );
    let get = json!([db["dbId"], "notes/1"]);
    refusal(host.system()?.call(ADB, "recordGet", get).await);
    let key = app["key"].as_str().unwrap_or_default();
    let state = host
        .machine
        .try_exec(["test", "-e", &format!("/var/lib/private/atek-app-{key}")])
        .await?;
    assert!(!state.status.success(), "the app's state is still there");
    wait_for("the unit to be gone", atek_tests::host::SOON, async || {
        let units = host
            .machine
            .exec([
                "systemctl",
                "list-units",
                "--all",
                "--no-legend",
                "atek-app-hello*",
            ])
            .await?;
        Ok(Seen::if_so(units, |units| units.trim().is_empty()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_sign_in_does_not_hold_up_anybody_else() -> anyhow::Result<()> {
    let host = Host::boot("slow-hash").await?;
    let alice = host.person("alice", "").await?;
    // As the host itself: it is not held up for guessing.
    let system = host.system()?;
    let mut answered = 0;
    tokio::select! {
        outcome = async {
            for n in 0..SIGN_INS {
                let params = login(&format!("user{n}"), "guess")["params"].clone();
                refusal(system.call(SESSIONS, "login", params).await);
            }
            anyhow::Ok(())
        } => outcome?,
        outcome = async {
            loop {
                alice.client.call(SESSIONS, "whoami", json!([])).await?;
                answered += 1;
            }
            #[allow(unreachable_code)]
            anyhow::Ok(())
        } => outcome?,
    }
    println!("{answered} calls were answered while {SIGN_INS} passwords were checked");
    // One each at most, if each had to wait for a password.
    assert!(
        answered > SIGN_INS,
        "only {answered} calls were answered while {SIGN_INS} passwords were checked"
    );
    Ok(())
}

#[tokio::test]
async fn the_last_administrator_cannot_be_lost() -> anyhow::Result<()> {
    let host = Host::boot("last-admin").await?;
    let alice = host.person("alice", "admin").await?;
    refusal(alice.client.call(USERS, "delete", json!([alice.key])).await);
    refusal(
        alice
            .client
            .call(USERS, "update", json!([alice.key, { "role": "" }]))
            .await,
    );
    host.person("bob", "admin").await?;
    alice
        .client
        .call(USERS, "update", json!([alice.key, { "role": "" }]))
        .await?;
    refusal(alice.client.call(USERS, "list", json!([])).await);
    Ok(())
}

#[tokio::test]
async fn sessions_are_listed_revoked_and_survive_a_reboot() -> anyhow::Result<()> {
    let machine = atek_tests::Machine::builder("sessions").persistent();
    let mut host = Host::on(machine).await?;
    let alice = host.person("alice", "").await?;
    let phone = host.sign_in("alice", PASSWORD).await?;
    host.machine.reboot().await?;
    host.ready().await?;
    // The machine may have another address now.
    let client = host
        .stranger()
        .header("cookie", &format!("session={}", alice.cookie));
    let list = client.call(SESSIONS, "listSessions", json!([])).await?;
    let sessions = list["sessions"].as_array().cloned().unwrap_or_default();
    assert_eq!(sessions.len(), 2, "{list}");
    let other = sessions
        .iter()
        .find(|session| session["isCurrent"] == false)
        .cloned()
        .unwrap_or_default();
    client
        .call(SESSIONS, "revokeSession", json!([other["handle"]]))
        .await?;
    let phone = host
        .stranger()
        .header("cookie", &format!("session={phone}"));
    assert_eq!(
        phone.call(SESSIONS, "whoami", json!([])).await?["isActive"],
        false
    );
    assert_eq!(
        client.call(SESSIONS, "whoami", json!([])).await?["isActive"],
        true
    );
    Ok(())
}

#[tokio::test]
async fn signing_out_signs_out_of_every_app_too() -> anyhow::Result<()> {
    let host = Host::boot("sign-out").await?;
    let alice = host.person("alice", "").await?;
    host.install("hello-node", "alice").await?;
    let app = host.visit(&alice, "hello-node").await?;
    assert_eq!(app.get("/version").await?.status, 200);
    alice.client.call(SESSIONS, "logout", json!([])).await?;
    assert_eq!(app.get("/version").await?.status, 302);
    Ok(())
}

#[tokio::test]
async fn a_person_sees_where_they_are_signed_in_and_signs_out_everywhere_else() -> anyhow::Result<()>
{
    let host = Host::boot("signed-in-where").await?;
    let alice = host.person("alice", "admin").await?;
    let phone = "Mozilla/5.0 (Android 15; Mobile; rv:141.0) Gecko/141.0 Firefox/141.0";
    let path = format!("/_atek/gateway?api={SESSIONS}");
    let from_phone = host.stranger().header("user-agent", phone);
    let response = from_phone
        .post_json(&path, &login("alice", PASSWORD))
        .await?;
    let cookie = cookie_named("session", response.header("set-cookie"))?;
    let from_phone = from_phone.header("cookie", &format!("session={cookie}"));
    host.install("hello-node", "alice").await?;
    let app = host.visit(&alice, "hello-node").await?;

    let list = alice
        .client
        .call(SESSIONS, "listSessions", json!([]))
        .await?;
    let sessions = list["sessions"].as_array().cloned().unwrap_or_default();
    assert_eq!(sessions.len(), 2, "{list}");
    let other = sessions
        .iter()
        .find(|session| session["isCurrent"] == false);
    let other = other.cloned().unwrap_or_default();
    assert_eq!(other["device"], "Firefox on Android");
    assert_eq!(other["userAgent"], phone);
    let gateway = host.machine.gateway()?.to_string();
    assert_eq!(other["address"], gateway.as_str());
    for time in ["createdAt", "lastSeenAt"] {
        let time = other[time].as_str().unwrap_or_default();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    }
    assert!(!list.to_string().contains(&cookie), "a cookie is shown");

    alice
        .client
        .call(SESSIONS, "revokeOtherSessions", json!([]))
        .await?;
    let who = from_phone.call(SESSIONS, "whoami", json!([])).await?;
    assert_eq!(who["isActive"], false);
    assert_eq!(
        app.get("/version").await?.status,
        200,
        "the own app session"
    );
    let who = alice.client.call(SESSIONS, "whoami", json!([])).await?;
    assert_eq!(who["isActive"], true);
    Ok(())
}

#[tokio::test]
async fn a_reset_by_an_administrator_ends_the_users_sessions_and_their_sockets()
-> anyhow::Result<()> {
    let host = Host::boot("password-reset").await?;
    let alice = host.person("alice", "admin").await?;
    let bob = host.person("bob", "").await?;
    host.install("hello-node", "bob").await?;
    let app = host.visit(&bob, "hello-node").await?;
    let mut socket = app.websocket("/").await?;
    let first = futures_util::StreamExt::next(&mut socket).await;
    assert!(first.is_some_and(|message| message.is_ok()));

    let reset = json!([bob.key, { "new": "a password that was reset" }]);
    alice.client.call(USERS, "setPassword", reset).await?;
    let ended = tokio::time::timeout(atek_tests::host::SOON, async {
        while let Some(Ok(_)) = futures_util::StreamExt::next(&mut socket).await {}
    });
    ended.await?;
    let who = bob.client.call(SESSIONS, "whoami", json!([])).await?;
    assert_eq!(who["isActive"], false);
    assert_ne!(app.get("/version").await?.status, 200);
    host.sign_in("bob", "a password that was reset").await?;
    Ok(())
}

#[tokio::test]
async fn whoever_finds_an_open_session_cannot_guess_its_password() -> anyhow::Result<()> {
    let host = Host::boot("open-session").await?;
    let alice = host.person("alice", "admin").await?;
    let guess = json!([alice.key, { "old": "guess", "new": "a new password" }]);
    let guessed = async || alice.client.call(USERS, "setPassword", guess.clone()).await;
    let last = held_up(guessed).await?;
    assert_eq!(last.code, -32005, "{last:?}");
    Ok(())
}
