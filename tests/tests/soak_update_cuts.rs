//! The card in an emulated machine whose power goes at every state that the journal of an update
//! names: afterwards the old version or the new one runs whole, with its data.

use anyhow::{Context as _, ensure};
use atek_tests::emulated::Emulated;
use atek_tests::http::Client;
use atek_tests::update_cut::{Moment, cut_at, version_after};
use atek_tests::{GitRemote, apps};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

const RECORDS: &str = "example.test/records";
const VERSIONS: [&str; 2] = ["v1.0.0", "v1.1.0"];
const BROKEN: &str = "v1.2.0";

/// When the power goes, and whether the new version is the installed one then.
const MOMENTS: [(Moment, bool); 5] = [
    (Moment::Preparing, false),
    (Moment::Stage("installing"), false),
    (Moment::Stage("saving"), false),
    (Moment::Stage("trying"), false),
    (Moment::Kept, true),
];

/// Spoils its data and ends.
const SPOILS: &str =
    "require('fs').writeFileSync(`${process.env.HOME}/records.json`, '{}'); process.exit(3)";

/// Everything in the folder of the app's data: names, kinds, modes and digests.
async fn state(emulated: &Emulated) -> anyhow::Result<String> {
    const LIST: &str = "
        cd $(ls -d /var/lib/private/atek-app-* | grep -v core) || exit 1
        for file in $(find . | sort); do
          if [ -L $file ]; then echo $file to $(readlink $file)
          elif [ -f $file ]; then echo $file $(ls -l $file | cut -c1-10) $(sha256sum <$file)
          else echo $file $(ls -ld $file | cut -c1-10)
          fi
        done";
    // More than one folder is too many words for `cd`.
    emulated.exec(LIST).await
}

async fn records(owner: &Client) -> anyhow::Result<Value> {
    owner.call(RECORDS, "all", json!([])).await
}

/// After a cut: the version that is expected, its data byte by byte, and no unit that failed.
async fn is_whole(
    emulated: &mut Emulated,
    owner: &Client,
    expected: &str,
    data: &str,
) -> anyhow::Result<()> {
    emulated.start()?;
    emulated.answers().await?;
    emulated.lets_in().await?;
    let version = version_after(emulated, owner, "records", RECORDS).await?;
    ensure!(version == expected, "{version} runs, not {expected}");
    ensure!(records(owner).await? == json!(["precious"]), "its records");
    let now = state(emulated).await?;
    ensure!(now == data, "its data was\n{data}\nand is\n{now}");
    let left = emulated
        .exec("ls /var/lib/atek/packages/*/versions /var/lib/atek/staging; systemctl --failed --no-legend --plain")
        .await?;
    println!("{version} runs whole; versions and jobs: {left:?}");
    ensure!(!left.contains("failed"), "units failed: {left}");
    Ok(())
}

#[tokio::test]
async fn the_emulators_power_goes_at_every_state_of_an_update_and_one_version_is_whole()
-> anyhow::Result<()> {
    let mut emulated = Emulated::new("update-cuts")?;
    emulated.start()?;
    emulated.answers().await?;
    let owner = emulated.claim().await?;
    emulated.lets_in().await?;
    let remote = GitRemote::new("records", Ipv4Addr::LOCALHOST)?;
    remote.tag_app(VERSIONS[0], "records-node")?;
    emulated.install(&owner, &remote, "records").await?;
    owner.call(RECORDS, "add", json!(["precious"])).await?;
    remote.tag_app(VERSIONS[1], "records-node")?;
    let data = state(&emulated).await?;
    println!("{data}");

    let mut runs = VERSIONS[0];
    for (moment, is_new) in MOMENTS {
        let to = if runs == VERSIONS[0] {
            VERSIONS[1]
        } else {
            VERSIONS[0]
        };
        cut_at(&mut emulated, "records", to, moment).await?;
        let expected = if is_new { to } else { runs };
        let whole = is_whole(&mut emulated, &owner, expected, &data).await;
        whole.with_context(|| format!("cut while {moment:?}"))?;
        runs = expected;
    }

    apps::stage("records-node", &remote.work())?;
    remote
        .write("break.js", SPOILS)?
        .write("VERSION", BROKEN)?
        .tag(BROKEN)?;
    let undoing = Moment::Stage("rollingBack");
    cut_at(&mut emulated, "records", BROKEN, undoing).await?;
    let whole = is_whole(&mut emulated, &owner, runs, &data).await;
    whole.context("cut while it was taken back")
}
