//! What the system lacks, as a person reads it: on the test machine, whole and with each need taken
//! away.
//!
//! A need is taken away by a mount in a mount namespace of the one command, so the machine itself
//! keeps it.

use anyhow::ensure;
use atek_tests::Seen;
use atek_tests::host::{Host, SOON};
use atek_tests::wait_for;
use serde_json::Value;

/// A need, what takes it away, and the words about it: label, problem, advice.
struct Loss {
    need: &'static str,
    script: &'static str,
    label: &'static str,
    problem: &'static str,
    advice: &'static str,
}

/// Puts an empty device in the place of a file.
const HIDE: &str = "hide() { mount --bind /dev/null \"$1\"; }; \
    say() { mount -t tmpfs none /mnt; cat >/mnt/file; chmod 755 /mnt/file; mount --bind /mnt/file \"$1\"; }; ";

const LOSSES: &[Loss] = &[
    Loss {
        need: "systemd",
        script: "printf '#!/bin/sh\\nexit 1\\n' | say /usr/bin/systemctl",
        label: "limited",
        problem: "systemd does not answer",
        advice: "Install systemd 252 or newer.",
    },
    Loss {
        need: "systemd",
        script: "printf '#!/bin/sh\\necho systemd 251; echo +SECCOMP\\n' | say /usr/bin/systemctl",
        label: "missing",
        problem: "systemd 251 is too old",
        advice: "Install systemd 252 or newer.",
    },
    Loss {
        need: "systemd-seccomp",
        script: "printf '#!/bin/sh\\necho systemd 257; echo -SECCOMP\\n' | say /usr/bin/systemctl",
        label: "missing",
        problem: "systemd was built without seccomp",
        advice: "Buildroot: BR2_PACKAGE_LIBSECCOMP=y",
    },
    Loss {
        need: "seccomp",
        script: "mount -t tmpfs none /proc/sys/kernel/seccomp",
        label: "missing",
        problem: "the kernel has no seccomp filters",
        advice: "CONFIG_SECCOMP_FILTER=y",
    },
    Loss {
        need: "network-modules",
        // The machine may have no such folder, so one is laid over /usr/lib.
        script: "mount -t tmpfs none /mnt && mkdir -p /mnt/upper/modules/$(uname -r) /mnt/work && \
                 echo kernel/drivers/net/veth.ko >/mnt/upper/modules/$(uname -r)/modules.builtin && \
                 mount -t overlay -o lowerdir=/usr/lib,upperdir=/mnt/upper,workdir=/mnt/work none /usr/lib",
        label: "limited",
        problem: "the kernel lacks nf_tables, nft_chain_nat",
        advice: "Use a kernel with veth and nftables",
    },
    Loss {
        need: "cgroup2",
        script: "mount -t tmpfs none /sys/fs/cgroup",
        label: "missing",
        problem: "control groups of version 2 are not mounted",
        advice: "Remove systemd.unified_cgroup_hierarchy=0",
    },
    Loss {
        need: "controllers",
        script: "echo cpuset io | say /sys/fs/cgroup/cgroup.controllers",
        label: "limited",
        problem: "apps have no limits of cpu, memory, pids",
        advice: "add cgroup_enable=memory to the kernel's command line",
    },
    Loss {
        need: "d-bus",
        script: "mount -t tmpfs none /run/dbus",
        label: "missing",
        problem: "the system bus of D-Bus does not run",
        advice: "Install dbus, and start dbus.socket.",
    },
    Loss {
        need: "launcher",
        script: "hide /usr/share/dbus-1/system.d/cloud.atek.Spawn1.conf",
        label: "missing",
        problem: "D-Bus does not know the launcher",
        advice: "Install the files of units/dbus-1",
    },
    Loss {
        need: "users",
        script: "grep -v ^atek-build: /etc/passwd | say /etc/passwd",
        label: "missing",
        problem: "users or groups are missing: atek-build",
        advice: "Run systemd-sysusers",
    },
    Loss {
        need: "programs",
        script: "hide /usr/lib/atek/atek-sandbox",
        label: "missing",
        problem: "programs are missing: /usr/lib/atek/atek-sandbox",
        advice: "Install Atek and the packages of image/packages.list again.",
    },
    Loss {
        need: "tools",
        script: "hide /usr/bin/journalctl",
        label: "limited",
        problem: "programs are missing: /usr/bin/journalctl",
        advice: "Install Atek and the packages of image/packages.list again.",
    },
    Loss {
        need: "certificates",
        script: "hide /etc/ssl/certs/ca-certificates.crt",
        label: "limited",
        problem: "there are no certificates of authorities",
        advice: "Install ca-certificates.",
    },
    Loss {
        need: "time-zones",
        script: "mount -t tmpfs none /usr/share/zoneinfo",
        label: "limited",
        problem: "there are no time zones",
        advice: "Install tzdata.",
    },
];

#[tokio::test]
async fn each_need_that_is_taken_away_is_named_with_what_to_do() -> anyhow::Result<()> {
    let host = Host::boot("system").await?;
    let machine = &host.machine;
    let whole = machine.exec(["atek", "check-system", "--json"]).await?;
    let whole: Value = serde_json::from_str(&whole)?;
    let misses: Vec<&Value> = whole["missing"].as_array().into_iter().flatten().collect();
    // The outer machine may keep controllers for itself.
    ensure!(
        misses.iter().all(|miss| miss["need"] == "controllers"),
        "the machine lacks something: {whole}"
    );
    for loss in LOSSES {
        let script = format!("{HIDE}{} && exec atek check-system", loss.script);
        let said = machine
            .try_exec(["unshare", "--mount", "sh", "-ec", &script])
            .await?;
        let (text, need) = (&said.stdout, loss.need);
        let mut lines = text.lines().skip_while(|line| !line.contains(loss.problem));
        let (line, advice) = (lines.next(), lines.next().unwrap_or_default());
        ensure!(
            line.is_some_and(|line| line.starts_with(loss.label)),
            "{need} is not said to be {}: {text}{}",
            loss.label,
            said.stderr
        );
        ensure!(advice.contains(loss.advice), "{need}: {text}");
        ensure!(
            said.status.success() == (loss.label == "limited"),
            "{need} ends with {}: {text}",
            said.status
        );
    }
    // Every need that the program knows, but Landlock, which is the kernel's answer to a call.
    let known = whole["met"].as_array().into_iter().flatten();
    for need in known.chain(misses.iter().map(|miss| &miss["need"])) {
        let tried = LOSSES.iter().any(|loss| *need == loss.need);
        ensure!(tried || need == "landlock", "{need} was not taken away");
    }
    Ok(())
}

#[tokio::test]
async fn a_kernel_without_landlock_is_named() -> anyhow::Result<()> {
    let host = Host::boot("landlock").await?;
    // As a kernel without it answers.
    let said = host
        .machine
        .try_exec([
            "systemd-run",
            "--wait",
            "--pipe",
            "--quiet",
            "--property=SystemCallFilter=~landlock_create_ruleset",
            "--property=SystemCallErrorNumber=ENOSYS",
            "unshare",
            "--mount",
            "sh",
            "-ec",
            "mount -t tmpfs none /mnt && echo capability,yama >/mnt/lsm && \
             mount --bind /mnt /sys/kernel/security && exec atek check-system",
        ])
        .await?;
    ensure!(
        !said.status.success()
            && said
                .stdout
                .contains("Landlock is not among the kernel's security modules")
            && said.stdout.contains("CONFIG_SECURITY_LANDLOCK=y"),
        "{}{}",
        said.stdout,
        said.stderr
    );
    Ok(())
}

#[tokio::test]
async fn a_machine_on_which_nothing_can_start_says_so_on_page_screen_and_in_the_journal()
-> anyhow::Result<()> {
    const POLICY: &str = "/usr/share/dbus-1/system.d/cloud.atek.Spawn1.conf";
    const PROBLEM: &str = "D-Bus does not know the launcher cloud.atek.Spawn1";
    const ADVICE: &str = "Install the files of units/dbus-1";
    let host = Host::boot("unusable").await?;
    let machine = &host.machine;
    machine
        .shell(&format!(
            "mount --bind /dev/null {POLICY}; systemctl restart atekd.service"
        ))
        .await?;
    let page = machine.http().get("/").await?;
    let text = String::from_utf8_lossy(&page.body).into_owned();
    assert_eq!(page.status, 503, "{text}");
    ensure!(text.contains(PROBLEM) && text.contains(ADVICE), "{text}");
    let journal = machine.journal("atekd.service").await?;
    ensure!(
        journal.contains(PROBLEM) && journal.contains(ADVICE),
        "{journal}"
    );
    // One that still runs from the boot has looked before.
    machine
        .exec(["systemctl", "restart", "atek-claim.service"])
        .await?;
    wait_for("the screen to say what is missing", SOON, async || {
        let screen = machine.read("/run/issue.d/50-atek.issue").await?;
        Ok(Seen::if_so(screen, |screen| {
            screen.contains(PROBLEM) && screen.contains(ADVICE)
        }))
    })
    .await?;

    machine
        .shell(&format!("umount {POLICY}; systemctl restart atekd.service"))
        .await?;
    host.ready().await
}
