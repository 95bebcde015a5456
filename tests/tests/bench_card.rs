//! What the card costs: times of a boot, memory, and what is written to it while the box is idle.
//!
//! Prints figures; fails only when something cannot be measured. Run with `./tests/run bench`.
//! `ATEK_IDLE_SECONDS` is how long the box is idle (600).

use anyhow::Context as _;
use atek_tests::emulated::{BOOT, Emulated};
use atek_tests::{Seen, wait_for, wear};

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
            wear::settle(&emulated).await?;
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
    println!("figure: {}", wear::while_idle(&emulated, idle).await?);
    Ok(())
}

/// When the setup page was there and when `multi-user.target` was, on one clock: since power-on.
async fn times(emulated: &Emulated, start: &str, page: f64) -> anyhow::Result<()> {
    let said = emulated
        .exec(
            "systemctl is-system-running --wait >/dev/null; cut -d' ' -f1 /proc/uptime; \
             systemctl show -P ActiveEnterTimestampMonotonic multi-user.target atekd.service; \
             systemd-analyze; systemctl get-default; \
             systemd-analyze critical-chain --no-pager multi-user.target atekd.service; \
             systemd-analyze blame --no-pager | head -n 15; \
             journalctl -b -o short-monotonic --no-pager | grep -m 1 -e 'the host answers its pages'",
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
