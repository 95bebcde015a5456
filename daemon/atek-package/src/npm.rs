//! Runs the steps of a build: npm installs a package's dependencies and builds it.

use crate::certificates;
use crate::child::{self, Bounds, Line, Outputs, Watch};
use crate::error::{JobError, Stop};
use crate::memory::Memory;
use crate::plan::{Installer, Step};
use crate::report::Reporter;
use crate::text::{Excerpt, clean_line};
use crate::tool::ToolFinder;
use crate::tree::{Quota, measure};
use atek_api::package::{FetchLimits, Progress};
use atek_api::spec::paths;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// The home folder of npm and of everything it runs; its cache is there, too.
pub(crate) const HOME_FOLDER: &str = "home";
/// Where programs are looked for.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What an administrator sets for npm on this machine (npmrc(5)), such as another registry.
const GLOBAL_NPMRC: &str = "/usr/etc/npmrc";
/// What is handed on from our own environment: how this machine reaches the network.
const PASSED_ON: [&str; 6] = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_registry",
    "TZ",
    "LANG",
];
/// Variables that name the proxy of this machine. Programs differ in which case they read.
const PROXIES: [(&str, &str); 3] = [
    ("http_proxy", "HTTP_PROXY"),
    ("https_proxy", "HTTPS_PROXY"),
    ("no_proxy", "NO_PROXY"),
];
/// Git hosts that serve over https what lockfiles and manifests of packages name over ssh, for
/// which a build has no key.
const GIT_HOSTS: [&str; 4] = ["github.com", "gitlab.com", "codeberg.org", "bitbucket.org"];
/// Bytes of the largest package.json.
const PACKAGE_JSON_MAX: u64 = 1024 * 1024;
/// Of the time between two looks at the folder's size, at most a tenth is spent looking.
const LOOK_SHARE: u32 = 10;
/// The shortest time between two looks.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// A small file of the package, or `None` if there is none.
pub(crate) fn read_small(path: &Path, max: u64) -> std::io::Result<Option<Vec<u8>>> {
    use std::io::Read as _;
    // Only a regular file is opened: a build may have left a pipe there.
    if !path.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(max)
        .read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The package's package.json.
pub(crate) fn read_package_json(package: &Path) -> std::io::Result<Option<Vec<u8>>> {
    read_small(&package.join("package.json"), PACKAGE_JSON_MAX)
}

/// Runs one step in the folder `package` of the staging folder `staging`.
pub(crate) fn run<W: Write>(
    step: &Step,
    staging: &Path,
    package: &Path,
    limits: &FetchLimits,
    report: &mut Reporter<W>,
) -> Result<(), JobError> {
    let mut watch = Watcher {
        step,
        staging,
        package,
        limits,
        report,
        excerpt: Excerpt::default(),
        tools: ToolFinder::default(),
        look_at: Instant::now() + LOOK_PAUSE,
    };
    watch.tell(&step.command());
    let bounds = Bounds {
        deadline: step.time(limits),
        stall: None,
    };
    let memory = Memory::own();
    let before = memory.counts();
    let result = child::run(
        &mut command(step, staging, package),
        b"",
        Outputs::Together,
        bounds,
        &mut watch,
    );
    let output = watch.excerpt.to_string();
    let missing = watch.tools.missing();
    let step = step.clone();
    match result {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(match memory.want_since(before) {
            Some(want) => JobError::StepMemory { step, want, output },
            None => match missing {
                Some(tool) => JobError::StepTool { step, tool, output },
                None => JobError::Step {
                    step,
                    how: how(status),
                    output,
                },
            },
        }),
        Err(source) => Err(JobError::StepChild {
            step,
            output,
            source,
        }),
    }
}

/// The settings of git for dependencies that are repositories.
pub(crate) fn git_config() -> String {
    GIT_HOSTS
        .iter()
        .map(|host| {
            format!(
                "[url \"https://{host}/\"]\n\tinsteadOf = ssh://git@{host}/\n\tinsteadOf = git@{host}:\n"
            )
        })
        .collect()
}

/// The proxy variables, in both cases, and those that make Node heed them.
fn proxies() -> Vec<(&'static str, OsString)> {
    let mut variables = Vec::new();
    for (lower, upper) in PROXIES {
        let Some(value) = std::env::var_os(lower).or_else(|| std::env::var_os(upper)) else {
            continue;
        };
        variables.extend([(lower, value.clone()), (upper, value)]);
    }
    if !variables.is_empty() {
        variables.push(("NODE_USE_ENV_PROXY", "1".into()));
    }
    variables
}

fn command(step: &Step, staging: &Path, package: &Path) -> Command {
    let home = staging.join(HOME_FOLDER);
    let mut command = Command::new(step.program());
    command
        .args(step.arguments())
        .current_dir(package)
        .env_clear()
        .envs(
            PASSED_ON
                .iter()
                .filter_map(|name| Some((*name, std::env::var_os(name)?))),
        )
        .env("PATH", path(package))
        .env("HOME", &home)
        .env("TMPDIR", home.join("tmp"))
        .envs(proxies())
        .envs(certificates::variables(staging))
        .env("npm_config_cache", home.join("npm-cache"))
        // npm looks for it beside the Node that runs it, which may be the package's own.
        .env("npm_config_globalconfig", GLOBAL_NPMRC)
        // As variables, because what npm itself starts takes them as well.
        .env("npm_config_audit", "false")
        .env("npm_config_fund", "false")
        .env("npm_config_update_notifier", "false")
        .env("npm_config_progress", "false")
        .env("npm_config_color", "false")
        .env("YARN_NODE_LINKER", "node-modules")
        .env("YARN_ENABLE_TELEMETRY", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("CI", "true");
    if let Step::Install(Installer::Other { .. }) = step {
        // No hard links into pnpm's store: every file of the package is its own.
        command.env("npm_config_package_import_method", "copy");
    }
    command
}

/// Where programs are looked for: the package's own Node, if it has one, is the first.
fn path(package: &Path) -> String {
    let own = package.join(paths::OWN_NODE);
    match own.parent() {
        Some(folder) if own.is_file() => format!("{}:{PATH}", folder.display()),
        _ => PATH.to_owned(),
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        // What the kernel sends to a process that is over its memory, where it does not count them.
        (None, Some(9)) => "killed, perhaps for want of memory".to_owned(),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown end".to_owned(),
    }
}

struct Watcher<'w, W> {
    step: &'w Step,
    staging: &'w Path,
    package: &'w Path,
    limits: &'w FetchLimits,
    report: &'w mut Reporter<W>,
    excerpt: Excerpt,
    tools: ToolFinder,
    look_at: Instant,
}

impl<W: Write> Watcher<'_, W> {
    fn tell(&mut self, message: &str) {
        let message = message.to_owned();
        self.report.progress(Progress {
            phase: self.step.phase(),
            message,
            percent: None,
        });
    }

    fn look(&self) -> Result<(), Stop> {
        let quota = Quota {
            bytes: self.limits.package_bytes,
            files: self.limits.package_files,
        };
        measure(self.package, quota).map_err(Stop::Tree)?;
        // npm's cache holds everything once more, packed.
        let twice = Quota {
            bytes: quota.bytes.saturating_mul(2),
            files: quota.files.saturating_mul(2),
        };
        measure(&self.staging.join(HOME_FOLDER), twice).map_err(Stop::Tree)?;
        Ok(())
    }
}

impl<W: Write> Watch for Watcher<'_, W> {
    type Stop = Stop;

    fn on_line(&mut self, line: Line) -> Result<(), Stop> {
        let (Line::Out(bytes) | Line::Err(bytes)) = line;
        let text = clean_line(&String::from_utf8_lossy(&bytes));
        // For the journal. A journal that is gone is not the package's fault.
        let _ = writeln!(std::io::stderr(), "{text}");
        self.tools.push(&text);
        self.excerpt.push(&text);
        if !text.trim().is_empty() {
            self.tell(&text);
        }
        Ok(())
    }

    fn on_tick(&mut self) -> Result<(), Stop> {
        if self.report.is_gone() {
            return Err(Stop::Abandoned);
        }
        let before = Instant::now();
        if before >= self.look_at {
            self.look()?;
            self.look_at = Instant::now() + LOOK_PAUSE.max(before.elapsed() * LOOK_SHARE);
        }
        Ok(())
    }
}
