//! Releases that break, each in its own way: the version and the data before it are back.

use anyhow::{Context as _, ensure};
use atek_tests::git_remote::GitRemote;
use atek_tests::host::{Host, SERVICES, SOON, refusal};
use atek_tests::{HostileRemote, Hostility, Machine, Seen, wait_for};
use serde_json::{Value, json};
use std::time::Instant;

const RECORDS: &str = "example.test/records";

/// How long the way back may take after the failure was found, in milliseconds. It takes half a
/// second; a release that must be killed gets three more.
const BACK_MS: u64 = 10_000;

async fn call(host: &Host, method: &str, params: Value) -> anyhow::Result<Value> {
    host.system()?.call(SERVICES, method, params).await
}

async fn records(host: &Host, method: &str, params: Value) -> anyhow::Result<Value> {
    host.system()?.call(RECORDS, method, params).await
}

/// Boots a host whose new versions are on probation for some seconds.
async fn boot(name: &str, probation: u64) -> anyhow::Result<Host> {
    let config = json!({ "updates": { "probationSeconds": probation } }).to_string();
    Host::on(Machine::builder(name).file("/etc/atek/config.json", config, 0o644)).await
}

/// A host with the app `records` 1.0.0, which has data.
async fn with_records(name: &str, probation: u64) -> anyhow::Result<(Host, GitRemote)> {
    let host = boot(name, probation).await?;
    let remote = GitRemote::new("records", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "records-node")?;
    let source = json!({ "sourceUrl": remote.url(), "user": "system" });
    host.install_from(source).await?;
    host.service_is("records", "running").await?;
    for text in ["one", "two", "three"] {
        records(&host, "add", json!([text])).await?;
    }
    Ok((host, remote))
}

/// What of a release is broken.
struct Breakage {
    name: &'static str,
    /// `break.js` of the fixture app.
    script: &'static str,
    /// Other files: path and content.
    files: &'static [(&'static str, &'static str)],
    /// What the message says.
    says: &'static str,
}

const fn script(name: &'static str, script: &'static str, says: &'static str) -> Breakage {
    Breakage {
        name,
        script,
        files: &[],
        says,
    }
}

const fn files(
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    says: &'static str,
) -> Breakage {
    Breakage {
        name,
        script: "",
        files,
        says,
    }
}

/// Those that end or can be seen to fail within seconds.
const QUICK: [Breakage; 21] = [
    script("crashes at once", "process.exit(3)", "exit code 3"),
    script("throws at its start", "throw new Error('no such luck')", "exit code 1"),
    script(
        "crashes two seconds later",
        "exports.later = () => setTimeout(() => process.exit(9), 2000)",
        "exit code 9",
    ),
    script(
        "crashes with real data only",
        "exports.start = ({ data }) => {
           if (JSON.parse(require('fs').readFileSync(data)).records.length > 2) process.exit(4)
         }",
        "exit code 4",
    ),
    script(
        "answers 500",
        "exports.answer = (_, response) => { response.statusCode = 500; response.end(); return true }",
        "answers its page with 500",
    ),
    script(
        "uses all its memory",
        "require('v8').setFlagsFromString('--max-old-space-size=40')
         exports.later = () => setTimeout(() => {
           const all = []
           for (;;) all.push(new Array(1e5).fill(all.length).map((n) => ({ n })))
         }, 500)",
        // Whether it ends or stops answering first, a busy machine decides.
        "does not run",
    ),
    script("has a syntax error", "const = newer syntax", "exit code 1"),
    script(
        "needs a newer Node",
        "if (+process.versions.node.split('.')[0] < 99) throw new Error('needs Node 99')",
        "exit code 1",
    ),
    script(
        "rejects a promise",
        "exports.later = () => setTimeout(() => Promise.reject(new Error('late')), 500)",
        "exit code 1",
    ),
    script(
        "ends without a word",
        "exports.later = () => setTimeout(() => process.exit(0), 1000)",
        "ended by itself",
    ),
    script(
        "kills itself",
        "exports.later = () => setTimeout(() => process.kill(process.pid, 'SIGSEGV'), 500)",
        "signal",
    ),
    script(
        "deletes its data",
        "exports.start = ({ state }) => {
           for (const name of require('fs').readdirSync(state))
             require('fs').rmSync(`${state}/${name}`, { recursive: true })
           process.exit(5)
         }",
        "exit code 5",
    ),
    script(
        "migrates its data and crashes",
        "exports.start = ({ data }) => {
           const fs = require('fs')
           fs.writeFileSync(data, JSON.stringify({ schema: 2, rows: {} }))
           fs.renameSync(data, `${data}.v2`)
         }
         exports.later = () => setTimeout(() => process.exit(6), 1000)",
        "exit code 6",
    ),
    script(
        "exchanges its folders for links and takes all modes away",
        "exports.start = ({ state }) => {
           const fs = require('fs')
           fs.rmSync(`${state}/deep`, { recursive: true })
           fs.symlinkSync('/etc', `${state}/deep`)
           fs.chmodSync(`${state}/records.json`, 0)
           process.exit(7)
         }",
        "exit code 7",
    ),
    script(
        "removes its socket",
        "exports.later = ({ socket }) => setTimeout(() => require('fs').unlinkSync(socket), 1000)",
        "did not listen",
    ),
    script(
        "fails and does not end when it is told to",
        "process.on('SIGTERM', () => {})
         exports.answer = (_, response) => { response.statusCode = 503; response.end(); return true }",
        "answers its page with 503",
    ),
    files("has a manifest that is no JSON", &[("atek.json", "{ \"name\": ")], "atek.json"),
    files(
        "has a manifest with an impossible value",
        &[("atek.json", "{ \"name\": \"Records\", \"port\": 99999 }")],
        "atek.json",
    ),
    files(
        "has no program",
        &[("atek.json", "{ \"name\": \"Records\", \"runtime\": \"native\", \"entry\": \"bin/none\" }")],
        "",
    ),
    files(
        "cannot be built",
        &[(
            "package.json",
            "{ \"name\": \"records\", \"version\": \"1.0.0\", \"main\": \"index.js\", \
               \"scripts\": { \"build\": \"echo cannot build this >&2; exit 1\" } }",
        )],
        "",
    ),
    files(
        "asks for a program that does not exist in its build",
        &[(
            "package.json",
            "{ \"name\": \"records\", \"version\": \"1.0.0\", \"main\": \"index.js\", \
               \"scripts\": { \"build\": \"no-such-compiler --all\" } }",
        )],
        "",
    ),
];

/// Publishes a release, tries it, and checks that everything is as before.
async fn is_taken_back(
    host: &Host,
    remote: &GitRemote,
    tag: &str,
    breakage: &Breakage,
) -> anyhow::Result<()> {
    let before = host.state_of("records").await?;
    atek_tests::apps::stage("records-node", &remote.work())?;
    remote.write("VERSION", tag)?;
    if !breakage.script.is_empty() {
        remote.write("break.js", breakage.script)?;
    }
    for (path, content) in breakage.files {
        remote.write(path, content)?;
    }
    remote.tag(tag)?;
    let began = Instant::now();
    let error = refusal(call(host, "updatePackage", json!(["records"])).await);
    let took = began.elapsed();
    let name = breakage.name;
    ensure!(
        error.message.contains(breakage.says),
        "{name}: {}",
        error.message
    );
    host.service_is("records", "running").await?;
    ensure!(
        records(host, "version", json!([])).await? == "v1.0.0",
        "{name}: the version"
    );
    ensure!(
        records(host, "all", json!([])).await? == json!(["one", "two", "three"]),
        "{name}: the records"
    );
    let after = host.state_of("records").await?;
    ensure!(
        before == after,
        "{name}: the data is not what it was\n{before}\n{after}"
    );
    let status = status(host, "records").await?;
    let last = &status["history"][0];
    ensure!(last["to"] == tag, "{name}: {last}");
    let refused = status["refused"].as_array().context("refused")?;
    ensure!(
        refused.iter().any(|refused| refused["tag"] == tag),
        "{name}: is not refused"
    );
    let back = last["downMs"].as_u64();
    ensure!(
        back.is_none_or(|back| back <= BACK_MS),
        "{name}: back after {back:?} ms"
    );
    let left = host
        .machine
        .shell("ls /var/lib/atek/updates /var/lib/atek/packages/*/versions")
        .await?;
    ensure!(
        !left.contains(tag) && !left.contains(".json"),
        "{name}: left over: {left}"
    );
    println!(
        "| {name} | {} | {} ms | {back:?} ms | {} |",
        last["outcome"].as_str().unwrap_or_default(),
        took.as_millis(),
        error.message.lines().next().unwrap_or_default()
    );
    Ok(())
}

async fn status(host: &Host, id: &str) -> anyhow::Result<Value> {
    let all = call(host, "updates", json!([])).await?;
    let all = all["updates"].as_array().context("a list")?;
    let found = all.iter().find(|status| status["id"] == id);
    Ok(found.context("the app has no updates")?.clone())
}

async fn all_are_taken_back(name: &str, part: &[Breakage]) -> anyhow::Result<()> {
    let (host, remote) = with_records(name, 4).await?;
    for (nth, breakage) in (1..).zip(part) {
        is_taken_back(&host, &remote, &format!("v1.0.{nth}"), breakage).await?;
    }
    // And a release that works is installed all the same.
    remote.tag_app("v1.1.0", "records-node")?;
    let done = call(&host, "updatePackage", json!(["records"])).await?;
    ensure!(done["installedVersion"] == "v1.1.0", "{done}");
    ensure!(records(&host, "version", json!([])).await? == "v1.1.0");
    ensure!(records(&host, "all", json!([])).await? == json!(["one", "two", "three"]));
    Ok(())
}

#[tokio::test]
async fn releases_that_crash_leave_the_old_version_with_its_data() -> anyhow::Result<()> {
    all_are_taken_back("updates-crash", &QUICK[..11]).await
}

#[tokio::test]
async fn releases_that_spoil_data_or_cannot_be_built_leave_the_old_version() -> anyhow::Result<()> {
    all_are_taken_back("updates-spoil", &QUICK[11..]).await
}

#[tokio::test]
async fn releases_that_hang_or_crash_late_are_found_out() -> anyhow::Result<()> {
    let (host, remote) = with_records("updates-late", 24).await?;
    for (nth, breakage) in (1..).zip(&[
        script(
            "crashes twenty seconds later",
            "exports.later = () => setTimeout(() => process.exit(8), 20000)",
            "exit code 8",
        ),
        script(
            "hangs",
            "exports.later = () => setTimeout(() => { for (;;); }, 500)",
            "does not answer its page",
        ),
        script(
            "never listens",
            "exports.listen = () => setInterval(() => {}, 1000)",
            "did not listen on its socket",
        ),
    ]) {
        is_taken_back(&host, &remote, &format!("v1.0.{nth}"), breakage).await?;
    }
    Ok(())
}

/// A manifest with a health check.
const HEALTHCHECK: &[(&str, &str)] = &[(
    "atek.json",
    "{ \"name\": \"Records\", \"healthcheck\": \"/healthz\", \
       \"exports\": [{ \"api\": \"example.test/records\", \"path\": \"/_api/records\" }] }",
)];

#[tokio::test]
async fn a_health_check_decides_where_there_is_one() -> anyhow::Result<()> {
    let (host, remote) = with_records("updates-health", 4).await?;
    let breakage = Breakage {
        name: "becomes unhealthy",
        script: "let asked = 0
             exports.answer = (request, response) => {
               if (request.url !== '/healthz') return false
               response.statusCode = ++asked > 2 ? 500 : 200
               response.end()
               return true
             }",
        files: HEALTHCHECK,
        says: "answered its health check /healthz with 500",
    };
    is_taken_back(&host, &remote, "v1.0.1", &breakage).await
}

/// A command that does not end is ended, and counts as a failure.
#[tokio::test]
async fn a_health_check_that_hangs_is_ended_and_the_version_taken_back() -> anyhow::Result<()> {
    let (host, remote) = with_records("updates-hanging-check", 4).await?;
    let breakage = Breakage {
        name: "has a health check that hangs",
        script: "",
        files: &[
            ("atek.json", COMMAND),
            ("check.js", "setInterval(() => {}, 1000)"),
        ],
        says: "its health check (node check.js",
    };
    is_taken_back(&host, &remote, "v1.0.1", &breakage).await?;
    // Nothing of it is left running.
    let left = host.machine.shell("pgrep -f '[c]heck.js' || :").await?;
    ensure!(left.trim().is_empty(), "{left}");
    Ok(())
}

/// A command of the app's own, as the app: it sees the app's data, and nothing of the host's.
const CHECK: &str = "
    const fs = require('fs')
    const sees = (path) => {
      try {
        fs.readdirSync(path)
        return true
      } catch {
        return false
      }
    }
    const state = process.env.HOME
    const marks = `${state}/checked`
    if (!fs.existsSync(marks)) {
      const cgroup = fs.readFileSync('/proc/self/cgroup', 'utf8').trim()
      const host = ['/var/lib/atek', '/var/lib/private', '/root'].filter(sees)
      fs.writeFileSync(marks, JSON.stringify({ user: process.getuid(), cgroup, host }))
    }
    const { records } = JSON.parse(fs.readFileSync(`${state}/records.json`))
    process.exit(records.includes('bad') ? 5 : 0)
";

/// A manifest whose health check is that command.
const COMMAND: &str = "{ \"name\": \"Records\", \"healthcheck\": { \"command\": [\"node\", \"check.js\"] }, \
    \"exports\": [{ \"api\": \"example.test/records\", \"path\": \"/_api/records\" }] }";

#[tokio::test]
async fn a_health_check_may_be_a_command_in_the_apps_own_sandbox() -> anyhow::Result<()> {
    let (host, remote) = with_records("updates-command", 4).await?;
    // It spoils its data two seconds after it listens; its page and socket tell nothing of that.
    let breakage = Breakage {
        name: "spoils its data and answers on",
        script: "exports.later = ({ data }) => setTimeout(() => {
               const fs = require('fs')
               const all = JSON.parse(fs.readFileSync(data))
               fs.writeFileSync(data, JSON.stringify({ ...all, records: ['bad'] }))
             }, 2000)",
        files: &[("atek.json", COMMAND), ("check.js", CHECK)],
        says: "failed its health check (node check.js: exit code 5)",
    };
    is_taken_back(&host, &remote, "v1.0.1", &breakage).await?;
    remote.tag_app("v1.1.0", "records-node")?;
    remote
        .write("atek.json", COMMAND)?
        .write("check.js", CHECK)?
        .tag("v1.1.1")?;
    let done = call(&host, "updatePackage", json!(["records"])).await?;
    ensure!(done["installedVersion"] == "v1.1.1", "{done}");
    let pid = host.pid("records").await?;
    let script = format!("awk '/^Uid:/ {{ print $2 }}' /proc/{pid}/status; cat /proc/{pid}/cgroup");
    let told = host.machine.shell(&script).await?;
    let (user, cgroup) = told.trim().split_once('\n').context("two lines")?;
    let key = host.service("records").await?["key"].clone();
    let key = key.as_str().context("a key")?;
    let marks = format!("/var/lib/private/atek-app-{key}/checked");
    let marks: Value = serde_json::from_str(&host.machine.read(&marks).await?)?;
    ensure!(marks["cgroup"] == cgroup, "{marks} {cgroup}");
    ensure!(
        marks["user"].as_u64() == user.parse().ok(),
        "{marks} {user}"
    );
    ensure!(marks["host"] == json!([]), "{marks}");
    Ok(())
}

/// The revision of what there is to say about updates, once it is not `since` any more.
async fn changed(host: &Host, since: Option<u64>) -> anyhow::Result<Option<u64>> {
    let waiting = host.system()?.patient(SOON);
    let answer = waiting
        .call(SERVICES, "updatesChanged", json!([since]))
        .await?;
    Ok(Some(answer["revision"].as_u64().context("a revision")?))
}

/// A page follows an update without asking again and again.
#[tokio::test]
async fn what_is_new_about_updates_arrives_without_polling() -> anyhow::Result<()> {
    let (host, remote) = with_records("updates-events", 3).await?;
    let first = changed(&host, None).await?;
    let decided = json!(["records", { "delayHours": 5 }]);
    call(&host, "setUpdates", decided).await?;
    let mut revision = changed(&host, first).await?;
    ensure!(revision != first, "a decision is not told");
    remote.tag_app("v1.0.1", "records-node")?;
    let system = host.system()?.patient(SOON);
    let update = tokio::spawn(async move {
        system
            .call(SERVICES, "updatePackage", json!(["records"]))
            .await
    });
    let mut stages: Vec<String> = Vec::new();
    let mut asked = 0;
    loop {
        revision = changed(&host, revision).await?;
        asked += 1;
        ensure!(asked < 40, "asked {asked} times, {stages:?}");
        let status = call(&host, "updateStatus", json!(["records"])).await?;
        let stage = status["underWay"]["stage"].as_str();
        match stage {
            Some(stage) if stages.last().is_none_or(|last| last != stage) => {
                ensure!(status["underWay"]["to"] == "v1.0.1", "{status}");
                stages.push(stage.to_owned());
            }
            None if status["installedVersion"] == "v1.0.1" => break,
            _ => {}
        }
    }
    update.await??;
    let mut order = ["installing", "saving", "trying"].into_iter();
    ensure!(
        stages.iter().all(|stage| order.any(|next| next == stage))
            && stages.contains(&"trying".to_owned()),
        "{stages:?}"
    );
    Ok(())
}

/// Remotes that are gone, slow or hostile stop nothing and refuse no release.
#[tokio::test]
async fn a_remote_that_fails_stops_nothing() -> anyhow::Result<()> {
    let (host, remote) = with_records("updates-remote", 2).await?;
    remote.tag_app("v1.0.1", "records-node")?;
    let before = host.state_of("records").await?;
    let pid = host.pid("records").await?;
    let gateway = host.machine.gateway()?;
    let hostile = [
        (Hostility::Hangs, "did not answer for 30 s"),
        (Hostility::Trickles, "did not answer for 30 s"),
        (Hostility::Status(500), "cannot be reached"),
        (Hostility::Status(404), "does not exist or is not public"),
        (Hostility::Garbles, "sends damaged data"),
        (Hostility::ServesAPage, "not as a git repository"),
        (Hostility::RedirectsInCircles, "leads elsewhere"),
    ];
    let mut sources = Vec::new();
    let mut servers = Vec::new();
    for (hostility, says) in hostile {
        let server = HostileRemote::new(hostility, gateway)?;
        sources.push((server.url(), says));
        servers.push(server);
    }
    // Nothing listens; and an address that no router knows (RFC 5737).
    sources.push((
        format!("http://{gateway}:9/records.git"),
        "cannot be reached",
    ));
    sources.push((
        "http://192.0.2.1/records.git".to_owned(),
        "did not answer for 30 s",
    ));
    let mut wrong = Vec::new();
    for (url, says) in sources {
        let source = json!(["records", { "sourceUrl": url }]);
        call(&host, "configure", source).await?;
        let error = refusal(call(&host, "updatePackage", json!(["records"])).await);
        println!("| {url} | {} |", error.message);
        if !error.message.contains(says) {
            wrong.push(format!("{}, not {says}", error.message));
        }
        // Nothing was stopped, changed or blamed on a release.
        ensure!(host.pid("records").await? == pid, "{url}: it was restarted");
        let all = records(&host, "all", json!([])).await?;
        ensure!(all == json!(["one", "two", "three"]), "{url}: {all}");
        let status = status(&host, "records").await?;
        ensure!(status["refused"] == json!([]), "{url}: {status}");
        ensure!(status["installedVersion"] == "v1.0.0", "{url}: {status}");
        ensure!(host.state_of("records").await? == before, "{url}: its data");
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    for server in &servers {
        ensure!(server.requests() > 0, "{} was never asked", server.url());
    }
    // With its own remote again, it is updated as if nothing had been.
    let source = json!(["records", { "sourceUrl": remote.url() }]);
    call(&host, "configure", source).await?;
    let done = call(&host, "updatePackage", json!(["records"])).await?;
    ensure!(done["installedVersion"] == "v1.0.1", "{done}");
    Ok(())
}

/// What a tag named when it was seen is what it must name.
#[tokio::test]
async fn a_tag_that_moves_or_goes_or_asks_for_more_is_not_installed() -> anyhow::Result<()> {
    let (host, remote) = with_records("updates-tags", 2).await?;
    // Shown to a person, then moved.
    remote.tag_app("v1.0.1", "records-node")?;
    let plan = call(&host, "planUpdate", json!(["records"])).await?;
    ensure!(
        plan["to"] == "v1.0.1" && plan["notes"] == "v1.0.1",
        "{plan}"
    );
    remote
        .write("index.js", "process.exit(1)")?
        .commit("other")?;
    remote.git([
        "tag",
        "--force",
        "--annotate",
        "--message",
        "other",
        "v1.0.1",
    ])?;
    remote.publish()?;
    let error = refusal(call(&host, "updatePackage", json!(["records"])).await);
    ensure!(
        error.message.contains("the tag v1.0.1 was moved"),
        "{}",
        error.message
    );
    ensure!(error.data["reason"] == "moved", "{error:?}");
    let refused = status(&host, "records").await?["refused"].clone();
    ensure!(refused[0]["tag"] == "v1.0.1", "{refused}");
    // Deleted: there is nothing newer any more.
    remote.tag_app("v1.0.2", "records-node")?;
    remote.git(["tag", "--delete", "v1.0.2"])?;
    remote.publish()?;
    let named = call(
        &host,
        "updatePackage",
        json!(["records", { "to": "v1.0.2" }]),
    )
    .await;
    ensure!(refusal(named).message.contains("v1.0.2"));
    // Asks for more: refused until it is granted, and not blamed for it.
    remote.tag_app("v1.0.3", "records-node")?;
    let manifest = "{ \"name\": \"Records\", \"permissions\": { \"network\": { \"hosts\": [\"example.org\"] } },
        \"exports\": [{ \"api\": \"example.test/records\", \"path\": \"/_api/records\" }] }";
    remote.write("atek.json", manifest)?.tag("v1.0.4")?;
    let error = refusal(call(&host, "updatePackage", json!(["records"])).await);
    ensure!(
        error.message.contains("asks for more permissions"),
        "{}",
        error.message
    );
    let status = status(&host, "records").await?;
    let refused = status["refused"].as_array().context("refused")?;
    ensure!(
        !refused.iter().any(|refused| refused["tag"] == "v1.0.4"),
        "{status}"
    );
    ensure!(records(&host, "version", json!([])).await? == "v1.0.0");
    Ok(())
}

/// The way back after the fact, and copies of data that a person asks for.
#[tokio::test]
async fn a_person_goes_back_to_the_version_before_and_to_a_snapshot() -> anyhow::Result<()> {
    let (host, remote) = with_records("updates-back", 2).await?;
    let before = host.state_of("records").await?;
    remote.tag_app("v1.1.0", "records-node")?;
    call(&host, "updatePackage", json!(["records"])).await?;
    records(&host, "add", json!(["four"])).await?;
    let job = call(&host, "startRollback", json!(["records", false])).await?;
    ensure!(job["job"].is_string(), "{job}");
    wait_for("the version before", SOON, async || {
        let status = status(&host, "records").await?;
        Ok(Seen::if_so(status, |status| {
            status["history"][0]["outcome"] == "wentBack"
        }))
    })
    .await?;
    host.service_is("records", "running").await?;
    ensure!(records(&host, "version", json!([])).await? == "v1.0.0");
    ensure!(
        host.state_of("records").await? == before,
        "the data of that time"
    );
    // It is not offered again.
    let check = call(&host, "checkForPackageUpdates", json!(["records"])).await?;
    ensure!(check["hasUpdate"] == false, "{check}");

    let snapshot = call(&host, "createSnapshot", json!(["records"])).await?;
    records(&host, "add", json!(["five"])).await?;
    let name = snapshot["name"].clone();
    call(&host, "restoreSnapshot", json!(["records", name])).await?;
    ensure!(records(&host, "all", json!([])).await? == json!(["one", "two", "three"]));
    call(&host, "removeSnapshot", json!(["records", name])).await?;
    let error = refusal(call(&host, "restoreSnapshot", json!(["records", name])).await);
    ensure!(
        error.message.contains("has no snapshot"),
        "{}",
        error.message
    );
    for _ in 0..5 {
        call(&host, "createSnapshot", json!(["records"])).await?;
    }
    let error = refusal(call(&host, "createSnapshot", json!(["records"])).await);
    ensure!(
        error.message.contains("has 5 snapshots already"),
        "{}",
        error.message
    );
    // An uninstall leaves none of it.
    call(&host, "uninstall", json!(["records"])).await?;
    let left = host
        .machine
        .shell("find /var/lib/private/atek-snapshots /var/lib/atek/update-history -mindepth 2")
        .await?;
    ensure!(left.is_empty(), "{left}");
    Ok(())
}
