//! First boot: the box gets its owner.

use atek_tests::host::{
    Host, PASSWORD, SESSIONS, SETUP, SOON, USERS, cookie_named, held_up, refusal,
};
use atek_tests::{Machine, Seen, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

/// Where atekd keeps the code, and where it shows it.
const KEPT: &str = "/var/lib/atek/claim-code";
const SHOWN: &str = "/run/atek/claim-code";

/// The code as the console and the card show it.
async fn shown_code(host: &Host) -> anyhow::Result<String> {
    let code = wait_for("the claim code", SOON, async || {
        let shown = host.machine.try_exec(["cat", SHOWN]).await?;
        Ok(Seen::if_so(shown.stdout, |code| code.len() == 10))
    });
    Ok(code.await?.trim().to_owned())
}

fn wish(code: &str, name: &str) -> Value {
    json!({
        "code": code,
        "name": name,
        "username": "alice",
        "password": PASSWORD,
        "timezone": "Europe/Berlin",
    })
}

/// A client as a browser is: it wants pages.
fn browser(host: &Host) -> atek_tests::http::Client {
    host.stranger().header("accept", "text/html")
}

async fn needed(host: &Host) -> anyhow::Result<bool> {
    let status = host.stranger().call(SETUP, "status", json!([])).await?;
    Ok(status["needed"] == true)
}

#[tokio::test]
async fn a_new_box_is_set_up_from_the_first_page_to_being_signed_in_at_home() -> anyhow::Result<()>
{
    let host = Host::boot("first-boot").await?;
    let address = host.machine.address()?.to_string();
    for name in ["localhost", "first-boot.local", &address, "rss.localhost"] {
        let page = browser(&host).host(name).get("/").await?;
        assert_eq!(page.status, 302, "{name}");
        assert!(page.header("location").ends_with("/_atek/setup/"), "{name}");
    }
    assert_eq!(browser(&host).get("/_atek/setup/").await?.status, 200);
    let status = host.stranger().call(SETUP, "status", json!([])).await?;
    assert_eq!(status["needed"], true);
    assert_eq!(status["name"], "first-boot");
    assert_eq!(status["problems"], json!([]));

    let code = shown_code(&host).await?;
    let told = host.machine.exec(["atek", "claim"]).await?;
    assert!(told.contains(&code), "{told}");
    let typed = code.to_lowercase().replace('-', " ");
    let stranger = host.stranger();
    let right = stranger.call(SETUP, "checkClaim", json!([typed])).await?;
    assert_eq!(right, true);

    let request = json!({
        "jsonrpc": "2.0", "id": 1, "method": "complete", "params": [wish(&code, "attic")],
    });
    let path = format!("/_atek/gateway?api={SETUP}");
    let response = host.stranger().post_json(&path, &request).await?;
    let answer = response.json()?;
    assert_eq!(
        answer["result"],
        json!({ "isActive": true, "username": "alice" }),
        "{answer}"
    );
    let cookie = cookie_named("session", response.header("set-cookie"))?;

    // At home, signed in, under the new name, in the chosen time zone.
    let alice = browser(&host).header("cookie", &format!("session={cookie}"));
    let home = alice.clone().host("attic.local").get("/").await?;
    assert_eq!(home.status, 200, "{}", home.text());
    let who = alice.call(SESSIONS, "whoami", json!([])).await?;
    assert_eq!(who["username"], "alice");
    alice.call(USERS, "list", json!([])).await?;
    let name = host.machine.exec(["hostnamectl", "hostname"]).await?;
    assert_eq!(name.trim(), "attic");
    let zone = host.machine.exec(["readlink", "/etc/localtime"]).await?;
    assert!(zone.trim().ends_with("/Europe/Berlin"), "{zone}");

    // The second visitor gets no setup page, and the code is worth nothing.
    assert_eq!(
        host.stranger().call(SETUP, "status", json!([])).await?,
        json!({ "needed": false })
    );
    let setup = browser(&host).get("/_atek/setup/").await?;
    assert_eq!((setup.status, setup.header("location")), (302, "/"));
    let page = browser(&host).get("/").await?;
    assert!(page.header("location").contains("/_atek/login"), "{page:?}");
    let mut second = wish(&code, "mallory");
    second["username"] = "mallory".into();
    let error = refusal(
        host.stranger()
            .call(SETUP, "complete", json!([second]))
            .await,
    );
    assert!(error.message.contains("set up already"), "{error:?}");
    wait_for("the code's files to be gone", SOON, async || {
        let left = host
            .machine
            .try_exec(["sh", "-c", &format!("ls {KEPT} {SHOWN} 2>/dev/null")])
            .await?;
        Ok(Seen::if_so(left.stdout, |left| left.is_empty()))
    })
    .await?;
    let told = host.machine.exec(["atek", "claim"]).await?;
    assert!(told.contains("nothing to claim"), "{told}");
    Ok(())
}

#[tokio::test]
async fn strangers_cannot_guess_the_code_or_read_it() -> anyhow::Result<()> {
    let host = Host::boot("claim-guess").await?;
    let code = shown_code(&host).await?;
    for file in [KEPT, SHOWN] {
        let mode = host.machine.exec(["stat", "-c", "%a %U", file]).await?;
        assert_eq!(mode.trim(), "600 atek", "{file}");
    }
    refusal(host.stranger().call(SETUP, "claim", json!([])).await);
    let status = host.stranger().call(SETUP, "status", json!([])).await?;
    assert!(!status.to_string().contains(&code));
    let wrong = json!(["0000-0000"]);
    let guess = async || {
        host.stranger()
            .call(SETUP, "checkClaim", wrong.clone())
            .await
    };
    held_up(guess).await?;
    // Not even the right one helps while the wait lasts, whichever method is asked.
    let right = json!([wish(&code, "attic")]);
    let error = refusal(host.stranger().call(SETUP, "complete", right.clone()).await);
    assert_eq!(error.code, -32005, "{error:?}");
    assert!(needed(&host).await?);
    // The box itself is not held up.
    let done = host.system()?.call(SETUP, "complete", right).await?;
    assert_eq!(done["username"], "alice");
    let journal = host.machine.journal("atekd.service").await?;
    assert!(!journal.contains(&code), "the code is in the journal");
    Ok(())
}

/// Six addresses type wrong codes, each on four connections, while the owner sets the box up from
/// an address of their own; prints how many were typed and what became of the owner.
const WRONG_CODES: &str = r#"
const http = require('http');
const [wish] = process.argv.slice(1);
const call = (localAddress, method, params) => new Promise((resolve, reject) => {
  const request = http.request({
    host: '127.0.0.1', port: 80, localAddress, method: 'POST', agent: false,
    path: '/_atek/gateway?api=atek.cloud/setup-api',
    headers: { 'content-type': 'application/json', host: 'localhost' },
  }, (response) => {
    let text = '';
    response.on('data', (part) => { text += part; });
    response.on('end', () => resolve(JSON.parse(text)));
  });
  request.on('error', reject);
  request.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
});
let [over, typed, tried] = [false, 0, 0];
const guess = async (address) => {
  while (!over) {
    const code = String(typed).padStart(8, '0');
    typed += 1;
    const { error } = await call(address, 'checkClaim', [`${code.slice(0, 4)}-${code.slice(4)}`]);
    if (error?.code !== -32005) tried += 1;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
(async () => {
  const began = Date.now();
  for (const n of [2, 3, 4, 5, 6, 7]) {
    for (let connection = 0; connection < 4; connection += 1) guess(`127.0.0.${n}`);
  }
  while (typed < 600) await new Promise((resolve) => setTimeout(resolve, 50));
  const minutes = (Date.now() - began) / 60000;
  const asked = Date.now();
  // Once the box has an owner, every code is answered at once, with that.
  const counted = tried;
  const { result, error } = await call('127.0.1.1', 'complete', [JSON.parse(wish)]);
  const report = { typed, tried: counted, perMinute: Math.round(600 / minutes), took: Date.now() - asked, result, error };
  over = true;
  console.log(JSON.stringify(report));
  process.exit(0);
})();
"#;

#[tokio::test]
async fn six_hundred_wrong_codes_do_not_keep_the_owner_out() -> anyhow::Result<()> {
    let host = Host::boot("600-codes").await?;
    let code = shown_code(&host).await?;
    let wish = wish(&code, "attic").to_string();
    let script = ["node", "-e", WRONG_CODES, &wish];
    let patience = Duration::from_secs(400);
    let output = host.machine.exec_within(patience, script, b"").await?;
    println!("{}{}", output.stdout, output.stderr);
    let report: Value = serde_json::from_str(&output.stdout)?;
    assert_eq!(report["result"]["username"], "alice", "{report}");
    // 5 free ones of each address, and few more.
    assert!(report["tried"].as_u64() < Some(100), "{report}");
    assert!(!needed(&host).await?);
    Ok(())
}

#[tokio::test]
async fn a_wrong_field_is_named_and_nothing_is_changed() -> anyhow::Result<()> {
    let host = Host::boot("claim-fields").await?;
    let code = shown_code(&host).await?;
    for (field, value) in [
        ("name", json!("my box")),
        ("username", json!("al")),
        ("username", json!("system")),
        ("password", json!("short")),
        ("timezone", json!("Europe/Atlantis")),
        ("timezone", json!("../../etc/passwd")),
    ] {
        let mut wish = wish(&code, "attic");
        wish[field] = value.clone();
        let error = refusal(host.stranger().call(SETUP, "complete", json!([wish])).await);
        assert_eq!(
            (error.code, &error.data["field"]),
            (-32001, &json!(field)),
            "{value}: {error:?}"
        );
        assert_eq!(error.data["message"], error.message);
    }
    let name = host
        .machine
        .exec(["cat", "/proc/sys/kernel/hostname"])
        .await?;
    assert_eq!(name.trim(), "claim-fields");
    assert!(needed(&host).await?);
    // Setup is not used up by mistakes.
    let done = json!([wish(&code, "attic")]);
    host.stranger().call(SETUP, "complete", done).await?;
    Ok(())
}

#[tokio::test]
async fn a_box_without_the_services_of_its_name_and_zone_is_set_up_all_the_same()
-> anyhow::Result<()> {
    let host = Host::boot("claim-bare").await?;
    let masked = ["systemd-hostnamed.service", "systemd-timedated.service"];
    for unit in masked {
        host.machine
            .exec(["systemctl", "mask", "--now", unit])
            .await?;
    }
    let code = shown_code(&host).await?;
    let wish = json!([wish(&code, "attic")]);
    let done = host.stranger().call(SETUP, "complete", wish).await?;
    let problems = done["problems"].as_array().cloned().unwrap_or_default();
    assert_eq!(problems.len(), 2, "{done}");
    for (problem, part) in problems
        .iter()
        .zip(["cannot set the name", "cannot set the time zone"])
    {
        let problem = problem.as_str().unwrap_or_default();
        assert!(problem.starts_with(part), "{problem}");
    }
    host.sign_in("alice", PASSWORD).await?;
    Ok(())
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_with_the_code_that_the_screen_shows() -> anyhow::Result<()>
{
    let host = Host::boot("password-reset").await?;
    let alice = host.person("alice", "admin").await?;
    host.install("hello-node", "alice").await?;
    let pending = async || {
        let status = host
            .stranger()
            .call(SETUP, "resetStatus", json!([]))
            .await?;
        anyhow::Ok(status["pending"].clone())
    };
    let reset = async |code: &str, password: &str| {
        let params = json!([{ "code": code, "password": password }]);
        host.stranger().call(SETUP, "resetPassword", params).await
    };
    assert_eq!(pending().await?, false);
    refusal(reset("0000-0000", "another horse battery").await);

    // As atek-firstboot does when it finds atek-reset.txt on the card.
    let request = r#"{ "user": null, "requested_at": "2026-11-28T12:00:00Z" }"#;
    host.machine
        .write("/var/lib/atek/password-reset", request)
        .await?;
    host.machine
        .shell("chown atek:atek /var/lib/atek/password-reset; chmod 600 /var/lib/atek/password-reset; systemctl restart atekd.service")
        .await?;
    host.ready().await?;
    let code = wait_for("the code on the screen", SOON, async || {
        let shown = host
            .machine
            .try_exec(["cat", "/run/atek/claim-code"])
            .await?;
        Ok(Seen::if_so(shown.stdout.trim().to_owned(), |code| {
            !code.is_empty()
        }))
    })
    .await?;
    assert_eq!(pending().await?, true);
    let wrong = refusal(reset("0000-0000", "another horse battery").await);
    assert_eq!(wrong.data["field"], "code", "{wrong:?}");
    let weak = refusal(reset(&code, "password1").await);
    assert_eq!(weak.data["field"], "password", "{weak:?}");
    let done = reset(&code, "another horse battery").await?;
    assert_eq!(done["username"], "alice");

    // The old sessions and the old password are worth nothing; the data is there.
    assert_eq!(
        alice.client.call(SESSIONS, "whoami", json!([])).await?["isActive"],
        false
    );
    assert!(host.sign_in("alice", PASSWORD).await.is_err());
    host.sign_in("alice", "another horse battery").await?;
    assert_eq!(host.service("hello-node").await?["state"], "running");
    // The code works once, and the request is gone.
    refusal(reset(&code, "a third horse battery").await);
    assert_eq!(pending().await?, false);
    let left = host
        .machine
        .shell("ls /var/lib/atek /run/atek | grep -c 'password-reset\\|claim-code' || true")
        .await?;
    assert_eq!(left.trim(), "0");
    Ok(())
}

#[tokio::test]
async fn the_code_survives_a_power_cut_and_so_does_the_owner() -> anyhow::Result<()> {
    let mut host = Host::on(Machine::builder("claim-power").persistent()).await?;
    let code = shown_code(&host).await?;
    host.machine.reboot().await?;
    host.ready().await?;
    assert_eq!(shown_code(&host).await?, code, "a reboot changed the code");
    let wish = json!([wish(&code, "claim-power")]);
    host.stranger().call(SETUP, "complete", wish).await?;
    host.machine.reboot().await?;
    host.ready().await?;
    assert!(!needed(&host).await?);
    host.sign_in("alice", PASSWORD).await?;
    wait_for("the code to be gone", SOON, async || {
        let kept = host.machine.try_exec(["cat", KEPT]).await?;
        Ok(Seen::if_so(kept.stdout, |kept| kept.is_empty()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_kill_at_any_step_leaves_setup_needed_or_done() -> anyhow::Result<()> {
    let host = Host::boot("claim-kill").await?;
    let code = shown_code(&host).await?;
    let mut done = 0;
    // Hashing alone takes longer than the first of these; the last one is not cut off.
    let moments = [0, 5, 20, 40, 80, 120, 160, 200, 300, 500, 1000, 3000].map(Some);
    for millis in moments.into_iter().chain([None]) {
        let stranger = host.stranger();
        let complete = stranger.call(SETUP, "complete", json!([wish(&code, "attic")]));
        // The answer, or the kill, whichever is first: both are states to come back from.
        let _ = match millis {
            Some(millis) => tokio::time::timeout(Duration::from_millis(millis), complete).await,
            None => Ok(complete.await),
        };
        let kill = ["systemctl", "kill", "-s", "KILL", "atekd.service"];
        host.machine.exec(kill).await?;
        host.ready().await?;
        if needed(&host).await? {
            assert_eq!(done, 0, "the owner was lost after {millis:?} ms");
            assert_eq!(shown_code(&host).await?, code, "after {millis:?} ms");
            assert!(host.sign_in("alice", PASSWORD).await.is_err());
        } else {
            done += 1;
            host.sign_in("alice", PASSWORD).await?;
            let users = host.system()?.call(USERS, "list", json!([])).await?;
            assert_eq!(users["users"].as_array().map(Vec::len), Some(1), "{users}");
        }
    }
    assert!(done > 0, "no attempt came through");
    Ok(())
}

#[tokio::test]
async fn an_administrator_from_the_command_line_ends_setup_too() -> anyhow::Result<()> {
    let host = Host::boot("claim-cli").await?;
    shown_code(&host).await?;
    let status = host.machine.exec(["atek", "status"]).await?;
    assert!(
        status.contains("This box has no administrator yet"),
        "{status}"
    );
    let words = ["atek", "mkuser", "bob", "--password-stdin"];
    let input = format!("{PASSWORD}\n");
    let made = host
        .machine
        .exec_within(SOON, words, input.as_bytes())
        .await?;
    assert!(made.status.success(), "{}", made.stderr);
    assert!(needed(&host).await?, "an ordinary user is no owner");
    host.sign_in("bob", PASSWORD).await?;
    let words = ["atek", "mkuser", "alice", "--admin", "--password-stdin"];
    let made = host
        .machine
        .exec_within(SOON, words, input.as_bytes())
        .await?;
    assert!(made.status.success(), "{}", made.stderr);
    assert!(!needed(&host).await?);
    let status = host.machine.exec(["atek", "status"]).await?;
    assert!(!status.contains("administrator"), "{status}");
    Ok(())
}
