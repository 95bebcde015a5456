//! Pulls that end before their time.

use super::*;

/// How a pull ends before its time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// kill -9 of what fetches.
    Job,
    /// kill -9 of the host.
    Host,
    /// The box loses its power.
    Power,
}

/// A content of its own for each seed, which no compression makes smaller.
pub fn noise(seed: u64, bytes: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::with_capacity(bytes);
    while text.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push_str(&format!("{state:016x}"));
    }
    text
}

/// Ends what fetches, the host or the box, which is on again afterwards.
pub async fn end(host: &mut Host, how: End) -> anyhow::Result<()> {
    let kill = |unit: &'static str| ["systemctl", "kill", "--signal=KILL", unit];
    match how {
        End::Job => host
            .machine
            .exec(kill("atek-package-build.service"))
            .await
            .map(drop),
        End::Host => host.machine.exec(kill("atekd.service")).await.map(drop),
        End::Power => {
            host.machine.cut_power().await?;
            host.machine.power_on().await
        }
    }
}

/// Waits until nothing fetches any more.
pub async fn job_is_gone(host: &Host) -> anyhow::Result<()> {
    let asked = "systemctl is-active atek-package-build.service || :";
    wait_for("the job to be gone", SOON, async || {
        let state = host.machine.shell(asked).await?;
        Ok(Seen::if_so(state, |state| {
            ["inactive", "failed"].contains(&state.trim())
        }))
    })
    .await
    .map(drop)
}
