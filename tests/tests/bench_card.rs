//! What the card costs: times of a boot, memory, and what is written to it while the box is idle.
//!
//! Prints figures; fails only when something cannot be measured. Run with `./tests/run bench`.
//! `ATEK_IDLE_SECONDS` is how long the box is idle (600).

use anyhow::Context as _;
use atek_tests::emulated::{BOOT, Emulated};
use atek_tests::{Seen, wait_for};
use std::collections::BTreeMap;

/// A file system is made ready in the background after the first boot, and that is no idle writing.
const SETTLED: &str =
    "systemctl is-system-running --wait >/dev/null; pgrep -x ext4lazyinit || echo settled";

#[tokio::test]
async fn an_idle_box() -> anyhow::Result<()> {
    let idle: u64 = std::env::var("ATEK_IDLE_SECONDS").map_or(Ok(600), |text| text.parse())?;
    let mut emulated = Emulated::new("idle")?;
    for start in ["first", "second"] {
        emulated.start()?;
        let page = emulated.answers().await?;
        emulated.lets_in().await?;
        times(&emulated, start, page.as_secs_f64()).await?;
        if start == "first" {
            emulated.claim().await?;
            wait_for("the file system to be made ready", BOOT, async || {
                let said = emulated.exec(SETTLED).await?;
                Ok(Seen::if_so(said, |said| said.trim() == "settled"))
            })
            .await?;
            emulated.exec("systemctl poweroff --no-block").await?;
            wait_for("the box to go off", BOOT, async || {
                Ok(Seen::if_so(emulated.is_on()?, |on| !on))
            })
            .await?;
        }
    }
    emulated
        .exec("systemctl is-system-running --wait || true")
        .await?;
    println!(
        "figure: memory\n{}",
        emulated
            .exec("grep -e Mem /proc/meminfo; for it in /proc/[0-9]*; do sed -n 's/^Name:\\t//p; s/^VmRSS:\\t//p' $it/status 2>/dev/null | paste -s -; done")
            .await?
    );
    writes(&emulated, idle).await
}

/// When the setup page was there and when `multi-user.target` was, on one clock: since power-on.
async fn times(emulated: &Emulated, start: &str, page: f64) -> anyhow::Result<()> {
    let said = emulated
        .exec(
            "systemctl is-system-running --wait >/dev/null; cut -d' ' -f1 /proc/uptime; \
             systemctl show -P ActiveEnterTimestampMonotonic multi-user.target atekd.service; \
             systemd-analyze; systemctl get-default",
        )
        .await?;
    let since = emulated.started.elapsed().as_secs_f64();
    let words: Vec<&str> = said.split_whitespace().collect();
    let number = |index: usize| -> anyhow::Result<f64> {
        let word = words
            .get(index)
            .with_context(|| format!("too few: {said}"))?;
        word.parse().with_context(|| format!("no number: {said}"))
    };
    // The kernel's clock begins when it does; before that the emulator loads it.
    let before = since - number(0)?;
    println!(
        "figure: {start} boot: page after {page:.1} s, multi-user.target after {:.1} s, atekd ready after {:.1} s\n{said}",
        before + number(1)? / 1e6,
        before + number(2)? / 1e6
    );
    Ok(())
}

/// What is written in `idle` seconds: by the card's own count, and by whom.
async fn writes(emulated: &Emulated, idle: u64) -> anyhow::Result<()> {
    // Two counts of one script; nothing is asked of the box in between. Each line of /proc/PID/io
    // is in bytes.
    let count = "grep ' vda' /proc/diskstats; for p in /proc/[0-9]*; do echo io $(cat $p/comm) ${p#/proc/} \
                 $(grep ^write_bytes $p/io); done 2>/dev/null";
    let said = emulated
        .exec(&format!(
            "sync; {count}; touch /run/idle; since=$(date +%s); sleep {idle}; sync; echo then; {count}; echo files; \
             find /var -xdev -newer /run/idle -type f -printf '%s %p\n'; \
             echo logged; journalctl --no-pager -o short-monotonic --since=@$since"
        ))
        .await?;
    let (before, rest) = said.split_once("then\n").context("no second count")?;
    let (after, files) = rest.split_once("files\n").context("no files")?;
    let (before, after) = (counts(before), counts(after));
    let mut grown: Vec<(u64, &String)> = after
        .iter()
        .map(|(what, bytes)| (bytes - before.get(what).copied().unwrap_or_default(), what))
        .filter(|(bytes, _)| *bytes > 0)
        .collect();
    grown.sort_by(|a, b| b.cmp(a));
    println!("figure: written to the card in {idle} idle seconds");
    for (bytes, what) in grown {
        println!("  {:>8.1} KiB {what}", bytes as f64 / 1024.0);
    }
    println!("files that changed, and what was logged:\n{files}");
    Ok(())
}

/// Bytes written by each disk, partition and process.
fn counts(text: &str) -> BTreeMap<String, u64> {
    let of = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["io", command, pid, _, bytes] => {
                Some((format!("{command} ({pid})"), bytes.parse().ok()?))
            }
            // Documentation/admin-guide/iostats.rst: field 7 is sectors written, of 512 bytes.
            [_, _, name, ..] if name.starts_with("vda") => {
                Some((name.to_owned(), words.get(9)?.parse::<u64>().ok()? * 512))
            }
            _ => None,
        }
    };
    text.lines().filter_map(of).collect()
}
