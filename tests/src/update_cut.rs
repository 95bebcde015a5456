//! Cuts of an emulated box's power in the middle of an update: at the moment at which the journal
//! of the update, on its card, names a stage.
//!
//! A program on the box follows the journal, and stops the host (SIGSTOP) as soon as the stage is
//! there. Then the emulator is killed. So the moment is the same however slow the emulator is, and
//! what the host began at that stage (the launcher's copies, the new version) may be half done.

use crate::emulated::{BOOT, Emulated};
use crate::host::SERVICES;
use crate::http::Client;
use crate::wait::{Seen, wait_for};
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

/// When the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// While the package step fetches and builds: nothing is written down yet.
    Preparing,
    /// When the journal names this stage.
    Stage(&'static str),
    /// When the record names the new version and the journal is still there.
    Kept,
}

impl Moment {
    fn word(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Stage(stage) => stage,
            Self::Kept => "kept",
        }
    }
}

/// Follows the journal and stops the host: `FILE MOMENT PID WORDS…`; the words begin the update.
const FOLLOW: &str = r#"
const fs = require('fs')
const { spawn } = require('child_process')
const [moment, host, ...words] = process.argv.slice(2)
const state = '/var/lib/atek'
const names = (folder) => {
  try {
    return fs.readdirSync(`${state}/${folder}`)
  } catch {
    return []
  }
}
const all = (folder) => names(folder).filter((name) => name.endsWith('.json')).flatMap((name) => {
  try {
    return [JSON.parse(fs.readFileSync(`${state}/${folder}/${name}`))]
  } catch {
    return []
  }
})
const last = () => all('update-history').map(({ history }) => history?.[0]?.at).join()
const before = last()
const moments = {
  preparing: () => names('staging').length > jobs && all('updates').length === 0,
  kept: () => all('updates').length > 0 && last() !== before
}
const jobs = names('staging').length
const isThere = moments[moment] ?? (() => all('updates').some(({ stage }) => stage === moment))
const look = () => {
  if (!isThere()) return follow()
  process.kill(Number(host), 'SIGSTOP')
  update.kill('SIGKILL')
  console.log(JSON.stringify({ journal: all('updates'), isThere: isThere() }))
  process.exit(0)
}
const followed = new Set()
const follow = () => {
  for (const folder of ['', 'staging', 'updates', 'update-history']) {
    if (followed.has(folder) || !fs.existsSync(`${state}/${folder}`)) continue
    followed.add(folder)
    fs.watch(`${state}/${folder}`, look)
    look()
  }
}
follow()
const update = spawn('atek', words, { stdio: 'inherit' })
update.on('exit', (code) => {
  console.error(`the update ended (${code}) before it was ${moment}`)
  process.exit(1)
})
"#;

/// Begins an update of `id` to `tag`, and cuts the power at `moment`.
///
/// # Errors
///
/// When the update ends without having come there.
pub async fn cut_at(
    emulated: &mut Emulated,
    id: &str,
    tag: &str,
    moment: Moment,
) -> anyhow::Result<()> {
    let word = moment.word();
    let script = format!(
        "cat >/run/follow.cjs <<'END'\n{FOLLOW}\nEND\n\
         node /run/follow.cjs {word} $(systemctl show -P MainPID atekd.service) update {id} --to {tag} --yes"
    );
    let told = emulated.exec(&script).await;
    let told = told.with_context(|| format!("the update was not cut off ({word})"))?;
    emulated.cut_power();
    let line = told.lines().last().unwrap_or_default();
    let seen: Value = serde_json::from_str(line).with_context(|| format!("it said {told}"))?;
    ensure!(seen["isThere"] == true, "{word}: the host went on: {seen}");
    println!("cut while {word}: {}", seen["journal"]);
    Ok(())
}

/// Waits on a box that was started again until no update is under way and the app runs. Returns
/// the version that answers, which is the installed one.
///
/// # Errors
///
/// When the app does not run, or not as the installed version.
pub async fn version_after(
    emulated: &Emulated,
    owner: &Client,
    id: &str,
    api: &str,
) -> anyhow::Result<String> {
    wait_for("the update to be over", BOOT, async || {
        let left = emulated
            .exec("ls /var/lib/atek/updates 2>/dev/null || true")
            .await?;
        Ok(Seen::if_so(left, |left| !left.contains(".json")))
    })
    .await?;
    let service = wait_for(&format!("{id} to be running"), BOOT, async || {
        let service = owner.call(SERVICES, "get", json!([id])).await?;
        if service["state"] == "failed" {
            owner.call(SERVICES, "start", json!([id])).await?;
        }
        Ok(Seen::if_so(service, |service| {
            service["state"] == "running"
        }))
    })
    .await?;
    let installed = &service["settings"]["package"]["installedVersion"];
    let runs = owner.call(api, "version", json!([])).await?;
    ensure!(
        runs == *installed,
        "{runs} runs and {installed} is installed"
    );
    runs.as_str().map(str::to_owned).context("no version")
}
