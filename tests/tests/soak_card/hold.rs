//! Holds a program of an emulated box's start at a moment of its work, so that the power can be cut
//! there however slow the emulator is.
//!
//! A unit, which the kernel's command line brings, runs a script that lies in the box's `/var`. The
//! script freezes the control group of the program as soon as the moment is there, and says so on
//! the screen.

use anyhow::Context as _;
use atek_tests::emulated::{BOOT, Emulated};
use atek_tests::{Seen, wait_for};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Where the script is on the box. Neither a factory reset nor a move removes it.
pub const SCRIPT: &str = "/var/test-hold";

/// `hold` and `free` are of the control group `$group`. After `free` the program gets as long as
/// the shell takes to start a process. `held` and `over` do not return.
const COMMON: &str = r#"
hold() {
  echo 1 > "$group/cgroup.freeze" || return 1
  until grep -q 'frozen 1' "$group/cgroup.events"; do [ -e "$group" ] || return 1; done
}
free() { echo 0 > "$group/cgroup.freeze"; (:); }
held() { echo "HELD $*" > /dev/console; exec sleep infinity; }
over() { echo "OVER $*" > /dev/console; exit; }
"#;

/// Puts the script onto a box that runs. At a start it is run with `before`, which is waited for,
/// and then with the words of [`at`].
pub async fn put(emulated: &Emulated, unit: &str, script: &str) -> anyhow::Result<()> {
    let put = format!(
        "cat >{SCRIPT} <<'END'\ngroup=/sys/fs/cgroup/system.slice/{unit}\n{COMMON}\n{script}\nEND\nsync"
    );
    emulated.exec(&put).await.map(drop)
}

/// Has the script run from the next start on, from before `unit` begins.
pub fn at(emulated: &mut Emulated, unit: &str, words: &str) -> anyhow::Result<()> {
    let text = format!(
        "[Unit]\nDefaultDependencies=no\nBefore={unit}\n[Service]\n\
         ExecStartPre=/bin/sh {SCRIPT} before\nExecStart=/bin/sh {SCRIPT} {words}\n"
    );
    emulated.append = format!(
        "systemd.wants=test-hold.service \
         systemd.set_credential_binary=systemd.extra-unit.test-hold.service:{}",
        base64(&text)?
    );
    Ok(())
}

/// Starts the box, and waits until the script says that the moment is there: its words. `None`: the
/// moment did not come.
pub async fn start(emulated: &mut Emulated) -> anyhow::Result<Option<String>> {
    emulated.start()?;
    let said = wait_for("the moment", BOOT, async || {
        let said = emulated.screen();
        let line = said.lines().find_map(|line| {
            let at = line.find("HELD ").or_else(|| line.find("OVER "))?;
            line.get(at..)
        });
        Ok(match line {
            Some(line) => Seen::Wanted(line.trim_end().to_owned()),
            None if !emulated.is_on()? => Seen::Wanted("OVER the machine is off".to_owned()),
            None => Seen::other(said.lines().last()),
        })
    })
    .await?;
    Ok(said.strip_prefix("HELD ").map(str::to_owned))
}

fn base64(text: &str) -> anyhow::Result<String> {
    let mut encoder = Command::new("base64")
        .arg("--wrap=0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start base64")?;
    let mut input = encoder.stdin.take().context("base64 has no input")?;
    input.write_all(text.as_bytes())?;
    drop(input);
    let encoded = encoder.wait_with_output()?;
    String::from_utf8(encoded.stdout).context("base64 is no text")
}
