//! Thirty power cuts at random times: first boot, setup, install, database writes.
//!
//! After each one the box must come back by itself, and what it had answered must be there.
//! `ATEK_CUTS` is how many.

use anyhow::{Context as _, ensure};
use atek_tests::emulated::{BOOT, Emulated, GATEWAY};
use atek_tests::host::{ADB, PASSWORD, SERVICES, SESSIONS, cookie_named};
use atek_tests::http::Client;
use atek_tests::{GitRemote, Seen, wait_for};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// How often a card is started before a new one is taken: first boot, setup and install are cut
/// once each.
const STARTS: u32 = 6;

/// How long the box works at most before the power is cut.
const AT_WORK: Duration = Duration::from_secs(40);
const SETUP_AND_INSTALL: Duration = Duration::from_secs(15);

const SETUP: &str = "atek.cloud/setup-api";

/// What the box has answered: it may not lose any of it.
#[derive(Debug, Default)]
struct Acknowledged {
    claimed: bool,
    database: Option<String>,
    installed: bool,
    record: u64,
}

#[tokio::test]
async fn thirty_power_cuts_lose_nothing_that_was_answered() -> anyhow::Result<()> {
    let cuts: u32 = std::env::var("ATEK_CUTS").map_or(Ok(30), |text| text.parse())?;
    let remote = GitRemote::new("hello", Ipv4Addr::LOCALHOST)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    let source = remote.url().replace("127.0.0.1", GATEWAY);
    let seed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_nanos() as u64;
    println!("the seed is {seed}");
    let mut random = Random(seed | 1);
    let mut boot = Duration::from_secs(40);
    let (mut early, mut records, mut cut) = (0, 0, 0);
    while cut < cuts {
        let mut emulated = Emulated::new("power")?;
        let mut acknowledged = Acknowledged::default();
        for start in 0..STARTS.min(cuts - cut) {
            cut += 1;
            emulated.start()?;
            let until = match Moment::of(start, &mut random) {
                Moment::Boot(part) => emulated.started + boot.mul_f64(part),
                Moment::After(time) => {
                    boot = emulated
                        .answers()
                        .await
                        .with_context(|| format!("after {start} cuts of the seed {seed}"))?;
                    Instant::now() + time
                }
            };
            let work = async {
                emulated.answers().await?;
                work(&emulated, &source, &mut acknowledged).await
            };
            if let Ok(outcome) = tokio::time::timeout_at(until.into(), work).await {
                outcome.with_context(|| format!("after {start} cuts, {acknowledged:?}"))?;
            }
            emulated.cut_power();
            let after = emulated.started.elapsed();
            early += u32::from(after < boot);
            println!(
                "cut {cut} after {:.1} s: {acknowledged:?}",
                after.as_secs_f32()
            );
        }
        records += acknowledged.record;
        is_whole(&mut emulated, &acknowledged).await?;
    }
    println!(
        "figure: {early} of {cuts} cuts came during a boot, which takes {:.0} s here; {records} records were acknowledged",
        boot.as_secs_f32()
    );
    Ok(())
}

/// When the power is cut.
enum Moment {
    /// After a part of the time that a boot takes, however long that is here.
    Boot(f64),
    /// After the box has answered, and worked for a while.
    After(Duration),
}

impl Moment {
    /// That of a card's start, counted from 0: the first boot, then setup and install, then
    /// anything.
    fn of(start: u32, random: &mut Random) -> Self {
        match (start, random.part() < 0.5) {
            (0, _) | (2.., true) => Self::Boot(random.part()),
            (1, _) => Self::After(SETUP_AND_INSTALL.mul_f64(random.part())),
            (2.., false) => Self::After(AT_WORK.mul_f64(random.part())),
        }
    }
}

/// xorshift: any spread of times will do.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn part(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as f64 / u64::MAX as f64
    }
}

/// The box comes back, with everything that it has answered, and nothing has failed.
async fn is_whole(emulated: &mut Emulated, acknowledged: &Acknowledged) -> anyhow::Result<()> {
    emulated.start()?;
    emulated.answers().await?;
    if acknowledged.claimed {
        verify(emulated, acknowledged).await?;
    }
    emulated.lets_in().await?;
    let failed = emulated
        .exec(
            "systemctl is-system-running --wait >/dev/null; systemctl --failed --no-legend --plain",
        )
        .await?;
    ensure!(failed.trim().is_empty(), "failed units: {failed}");
    Ok(())
}

/// Goes on from what was acknowledged, until the power is cut.
async fn work(
    emulated: &Emulated,
    source: &str,
    acknowledged: &mut Acknowledged,
) -> anyhow::Result<()> {
    let status = emulated.http().call(SETUP, "status", json!([])).await?;
    if status["needed"] == true {
        ensure!(!acknowledged.claimed, "the box forgot its owner");
        claim(emulated).await?;
    }
    acknowledged.claimed = true;
    let owner = verify(emulated, acknowledged).await?;
    if acknowledged.database.is_none() {
        let made = owner
            .call(ADB, "dbCreate", json!([{ "access": "private" }]))
            .await?;
        acknowledged.database = Some(
            made["dbId"]
                .as_str()
                .context("a database without an id")?
                .to_owned(),
        );
    }
    if !acknowledged.installed {
        let wish = json!([{ "sourceUrl": source, "id": "hello" }]);
        // Answered by an earlier start, or not: an install may have been finished after the cut.
        if owner.call(SERVICES, "get", json!(["hello"])).await.is_err() {
            owner.call(SERVICES, "install", wish).await?;
        }
        acknowledged.installed = true;
    }
    loop {
        let next = acknowledged.record + 1;
        let put = json!([acknowledged.database, format!("n/{next}"), { "number": next }]);
        owner.call(ADB, "recordPut", put).await?;
        acknowledged.record = next;
    }
}

async fn claim(emulated: &Emulated) -> anyhow::Result<()> {
    let code = wait_for("the claim code", BOOT, async || {
        let code = emulated.claim_code()?;
        let is_it = emulated
            .http()
            .call(SETUP, "checkClaim", json!([code]))
            .await;
        Ok(match is_it {
            Ok(_) => Seen::Wanted(code),
            Err(error) => Seen::other(format!("{code}: {error:#}")),
        })
    })
    .await?;
    let wish = json!({ "code": code, "name": "atek", "username": "owner", "password": PASSWORD, "timezone": "UTC" });
    emulated
        .http()
        .call(SETUP, "complete", json!([wish]))
        .await
        .map(drop)
}

/// Signs in and looks for everything that was acknowledged.
async fn verify(emulated: &Emulated, acknowledged: &Acknowledged) -> anyhow::Result<Client> {
    let request = json!({
        "jsonrpc": "2.0", "id": 1, "method": "login", "params": [{ "username": "owner", "password": PASSWORD }],
    });
    let response = emulated
        .http()
        .post_json(&format!("/_atek/gateway?api={SESSIONS}"), &request)
        .await?;
    let cookie = cookie_named("session", response.header("set-cookie"))?;
    let owner = emulated
        .http()
        .header("cookie", &format!("session={cookie}"));
    if acknowledged.installed {
        owner
            .call(SERVICES, "get", json!(["hello"]))
            .await
            .context("the app is gone")?;
    }
    if let (Some(database), 1..) = (&acknowledged.database, acknowledged.record) {
        for number in [1, acknowledged.record / 2 + 1, acknowledged.record] {
            let path = format!("n/{number}");
            let found: Value = owner
                .call(ADB, "recordGet", json!([database, path]))
                .await?;
            ensure!(
                found["value"]["number"] == number,
                "record {number} of {} is {found}",
                acknowledged.record
            );
        }
    }
    Ok(owner)
}
