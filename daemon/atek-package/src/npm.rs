//! Installs a Node package's dependencies and builds it.

use crate::child::{self, Bounds, Line, Outputs, Watch};
use crate::error::{JobError, Stop};
use crate::memory::Memory;
use crate::report::Reporter;
use crate::text::{Excerpt, clean_line};
use crate::tree::{Quota, measure};
use atek_api::package::{FailureCode, FetchLimits, Phase, Progress, Warning, WarningCode};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// The home folder of npm and of everything it runs; its cache is there, too.
pub(crate) const HOME_FOLDER: &str = "home";
/// Where programs are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What is handed on from our own environment: how this machine reaches the network.
const PASSED_ON: [&str; 12] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_registry",
    "TZ",
    "LANG",
];
/// Bytes of the largest package.json.
const PACKAGE_JSON_MAX: u64 = 1024 * 1024;
/// Of the time between two looks at the folder's size, at most a tenth is spent looking.
const LOOK_SHARE: u32 = 10;
/// The shortest time between two looks.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// A run of npm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// With a lockfile: exactly what it says.
    CleanInstall,
    Install,
    Build,
}

impl Step {
    /// As a person would type it.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::CleanInstall => "npm ci",
            Self::Install => "npm install",
            Self::Build => "npm run build",
        }
    }

    pub(crate) fn failure_code(self) -> FailureCode {
        match self {
            Self::CleanInstall | Self::Install => FailureCode::NpmFailed,
            Self::Build => FailureCode::BuildFailed,
        }
    }

    fn phase(self) -> Phase {
        match self {
            Self::CleanInstall | Self::Install => Phase::Install,
            Self::Build => Phase::Build,
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::CleanInstall => &["ci"],
            Self::Install => &["install", "--no-package-lock"],
            Self::Build => &["run", "build"],
        }
    }

    fn time(self, limits: &FetchLimits) -> Duration {
        Duration::from_secs(match self {
            Self::CleanInstall | Self::Install => limits.install_secs,
            Self::Build => limits.build_secs,
        })
    }
}

/// The part of package.json that decides which steps there are.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PackageJson {
    scripts: BTreeMap<String, serde_json::Value>,
    dependencies: BTreeMap<String, serde_json::Value>,
    dev_dependencies: BTreeMap<String, serde_json::Value>,
    optional_dependencies: BTreeMap<String, serde_json::Value>,
    peer_dependencies: BTreeMap<String, serde_json::Value>,
    workspaces: Option<serde_json::Value>,
}

/// What has to be done for a package.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) warnings: Vec<Warning>,
}

/// Reads package.json; nothing is to be done without one.
pub(crate) fn plan(
    package_json: Option<&[u8]>,
    has: impl Fn(&str) -> bool,
) -> Result<Plan, JobError> {
    let Some(bytes) = package_json else {
        return Ok(Plan::default());
    };
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Through a map, because serde would also take a list for the struct.
    let package: PackageJson = serde_json::from_slice::<serde_json::Map<_, _>>(text)
        .and_then(|map| serde_json::from_value(map.into()))
        .map_err(|error| JobError::PackageJson(clean_line(&error.to_string())))?;
    let mut plan = Plan::default();
    if has("package-lock.json") || has("npm-shrinkwrap.json") {
        plan.steps.push(Step::CleanInstall);
    } else if package.needs_install() || has("binding.gyp") {
        plan.steps.push(Step::Install);
        if package.has_dependencies() {
            plan.warnings.push(Warning::new(
                WarningCode::NoLockfile,
                "the package has no lockfile, so each install may get other versions of its dependencies",
            ));
        }
    }
    if package.scripts.contains_key("build") {
        plan.steps.push(Step::Build);
    }
    Ok(plan)
}

impl PackageJson {
    fn has_dependencies(&self) -> bool {
        !(self.dependencies.is_empty()
            && self.dev_dependencies.is_empty()
            && self.optional_dependencies.is_empty()
            && self.peer_dependencies.is_empty())
    }

    /// npm takes a second even when it has nothing to do, on a Raspberry Pi several.
    fn needs_install(&self) -> bool {
        const SCRIPTS: [&str; 6] = [
            "preinstall",
            "install",
            "postinstall",
            "prepublish",
            "preprepare",
            "prepare",
        ];
        self.has_dependencies()
            || self.workspaces.is_some()
            || SCRIPTS
                .iter()
                .any(|script| self.scripts.contains_key(*script))
    }
}

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
    step: Step,
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
        look_at: Instant::now() + LOOK_PAUSE,
    };
    watch.tell(step.command());
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
    match result {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(match memory.want_since(before) {
            Some(want) => JobError::StepMemory { step, want, output },
            None => JobError::Step {
                step,
                how: how(status),
                output,
            },
        }),
        Err(source) => Err(JobError::StepChild {
            step,
            output,
            source,
        }),
    }
}

fn command(step: Step, staging: &Path, package: &Path) -> Command {
    let home = staging.join(HOME_FOLDER);
    let mut command = Command::new("npm");
    command
        .args(step.arguments())
        .args([
            "--no-audit",
            "--no-fund",
            "--no-update-notifier",
            "--no-progress",
            "--color=false",
        ])
        .current_dir(package)
        .env_clear()
        .envs(
            PASSED_ON
                .iter()
                .filter_map(|name| Some((*name, std::env::var_os(name)?))),
        )
        .env("PATH", PATH)
        .env("HOME", &home)
        .env("TMPDIR", home.join("tmp"))
        .env("npm_config_cache", home.join("npm-cache"))
        .env("CI", "true");
    command
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
    step: Step,
    staging: &'w Path,
    package: &'w Path,
    limits: &'w FetchLimits,
    report: &'w mut Reporter<W>,
    excerpt: Excerpt,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// package.json, other files, steps, warnings.
    type Row = (
        Option<&'static str>,
        &'static [&'static str],
        &'static [Step],
        usize,
    );

    #[test]
    fn the_steps_follow_from_package_json_and_the_lockfile() {
        use Step::{Build, CleanInstall, Install};
        let table: [Row; 9] = [
            (None, &["package-lock.json"], &[], 0),
            (Some("{}"), &[], &[], 0),
            (Some("{}"), &["package-lock.json"], &[CleanInstall], 0),
            (Some("{}"), &["npm-shrinkwrap.json"], &[CleanInstall], 0),
            (Some(r#"{"dependencies":{"a":"1"}}"#), &[], &[Install], 1),
            (
                Some(r#"{"devDependencies":{"a":"1"},"scripts":{"build":"x"}}"#),
                &[],
                &[Install, Build],
                1,
            ),
            (
                Some(r#"{"scripts":{"build":"x","start":"y"}}"#),
                &[],
                &[Build],
                0,
            ),
            (
                Some(r#"{"scripts":{"postinstall":"x"}}"#),
                &[],
                &[Install],
                0,
            ),
            (Some("{}"), &["binding.gyp"], &[Install], 0),
        ];
        for (json, files, steps, warnings) in table {
            let plan = plan(json.map(str::as_bytes), |name| files.contains(&name)).unwrap();
            assert_eq!(plan.steps, steps, "{json:?} {files:?}");
            assert_eq!(plan.warnings.len(), warnings, "{json:?}");
        }
        for bad in ["", "[]", "{", r#"{"scripts":1}"#] {
            let error = plan(Some(bad.as_bytes()), |_| false).unwrap_err();
            assert!(
                error.to_string().starts_with("package.json is wrong: "),
                "{bad}"
            );
        }
    }
}
