//! Which commands install and build a package, from its package.json and lockfiles.

use crate::error::JobError;
use crate::own_node;
use crate::text::clean_line;
use atek_api::manifest::{Manifest, Runtime};
use atek_api::package::{FailureCode, FetchLimits, Phase, Warning, WarningCode};
use atek_api::spec::{RelativePath, paths};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A command of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Fetches a Node of the package's own: the npm package that holds it. Always first.
    Node(String),
    /// Installs the dependencies.
    Install(Installer),
    /// The package's own script. Its words may call pnpm or yarn, where that is what installs the
    /// package: the npm package that holds it.
    Build(Option<String>),
    /// Makes native code of a WebAssembly component, always last.
    Compile(RelativePath),
    /// Makes it once more, for a package that was installed by another Atek.
    CompileAgain {
        /// The component.
        component: PathBuf,
        /// The code that the package has; nothing is made where it is good.
        had: PathBuf,
    },
}

/// The last step of a package whose app is a component.
pub(crate) fn compile(manifest: Option<&Manifest>) -> Option<Step> {
    match &manifest?.runtime {
        Runtime::Wasm { entry, .. } => Some(Step::Compile(entry.clone())),
        Runtime::Native { .. } | Runtime::Node { .. } | Runtime::Image { .. } => None,
    }
}

/// What installs the dependencies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Installer {
    /// `npm ci`: exactly what the lockfile says.
    NpmLocked,
    /// `npm install`, without a lockfile.
    Npm,
    /// pnpm or yarn by its lockfile; npm fetches the version that is asked for.
    Other {
        /// The npm package that holds it, with its version: `pnpm@9`.
        package: String,
        /// The command and its arguments.
        command: &'static [&'static str],
    },
}

impl Step {
    /// As a person would type it.
    pub(crate) fn command(&self) -> String {
        match self {
            Self::Install(Installer::NpmLocked) => "npm ci".to_owned(),
            Self::Node(package) => format!("npm install {package}"),
            Self::Install(Installer::Npm) => "npm install".to_owned(),
            Self::Install(Installer::Other { command, .. }) => command.join(" "),
            Self::Build(_) => "npm run build".to_owned(),
            Self::Compile(component) => format!("atek-wasm compile {component}"),
            Self::CompileAgain { component, .. } => {
                format!("atek-wasm compile {}", component.display())
            }
        }
    }

    /// The program that does it.
    pub(crate) fn program(&self) -> &'static str {
        match self {
            Self::Node(_) | Self::Install(_) | Self::Build(_) => "npm",
            Self::Compile(_) | Self::CompileAgain { .. } => paths::WASM,
        }
    }

    /// The arguments of the program.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let with = |package: &str, command: &[&str]| {
            let package = format!("--package={package}");
            let before = ["exec", "--yes", &package, "--"];
            words(&[&before[..], command].concat())
        };
        match self {
            Self::Node(package) => words(&[
                "install",
                "--prefix",
                own_node::PREFIX,
                "--no-save",
                "--no-package-lock",
                "--ignore-scripts",
                package,
            ]),
            Self::Install(Installer::NpmLocked) => words(&["ci"]),
            Self::Install(Installer::Npm) => words(&["install", "--no-package-lock"]),
            Self::Install(Installer::Other { package, command }) => with(package, command),
            Self::Build(None) => words(&["run", "build"]),
            Self::Build(Some(package)) => with(package, &["npm", "run", "build"]),
            Self::Compile(component) => words(&["compile", component.as_str(), paths::COMPILED]),
            Self::CompileAgain { component, had } => {
                let unless = format!("--unless={}", had.display());
                words(&["compile", &unless, &component.to_string_lossy(), "."])
            }
        }
    }

    pub(crate) fn failure_code(&self) -> FailureCode {
        match self {
            Self::Node(_) | Self::Install(_) => FailureCode::NpmFailed,
            Self::Build(_) | Self::Compile(_) | Self::CompileAgain { .. } => {
                FailureCode::BuildFailed
            }
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self {
            Self::Node(_) | Self::Install(_) => Phase::Install,
            Self::Build(_) | Self::Compile(_) | Self::CompileAgain { .. } => Phase::Build,
        }
    }

    pub(crate) fn time(&self, limits: &FetchLimits) -> Duration {
        Duration::from_secs(match self {
            Self::Node(_) | Self::Install(_) => limits.install_secs,
            Self::Build(_) | Self::Compile(_) | Self::CompileAgain { .. } => limits.build_secs,
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
    package_manager: Option<String>,
    engines: Option<serde_json::Value>,
}

/// What has to be done for a package.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) warnings: Vec<Warning>,
    /// The versions of Node that package.json asks for.
    pub(crate) node: Option<String>,
}

/// Reads package.json; nothing is to be done without one. `lockfile` gives the start of a
/// file of the package, or none where it has no such file.
pub(crate) fn plan(
    package_json: Option<&[u8]>,
    lockfile: impl Fn(&str) -> Option<Vec<u8>>,
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
    if let Some(installer) = locked_installer(&package, &lockfile) {
        plan.steps.push(Step::Install(installer));
    } else if package.needs_install() || lockfile("binding.gyp").is_some() {
        plan.steps.push(Step::Install(Installer::Npm));
        if package.has_dependencies() {
            let of_bun = ["bun.lock", "bun.lockb"]
                .iter()
                .find(|name| lockfile(name).is_some());
            let what = match of_bun {
                Some(name) => format!("the lockfile {name} of bun is not read"),
                None => "the package has no lockfile".to_owned(),
            };
            plan.warnings.push(Warning::new(
                WarningCode::NoLockfile,
                format!("{what}, so each install may get other versions of its dependencies"),
            ));
        }
    }
    if package.scripts.contains_key("build") {
        let manager = match plan.steps.first() {
            Some(Step::Install(Installer::Other { package, .. })) => Some(package.clone()),
            _ => None,
        };
        plan.steps.push(Step::Build(manager));
    }
    let node = package
        .engines
        .as_ref()
        .and_then(|engines| engines.get("node"));
    plan.node = node.and_then(|node| node.as_str()).map(str::to_owned);
    Ok(plan)
}

/// What installs by the lockfile of a package, if it has one that is read.
fn locked_installer(
    package: &PackageJson,
    lockfile: &impl Fn(&str) -> Option<Vec<u8>>,
) -> Option<Installer> {
    let manager = package.package_manager.as_deref().unwrap_or_default();
    let (manager, version) = manager.split_once('@').unwrap_or((manager, ""));
    // Behind the sign stands a hash of the package, which npm's registry has as well.
    let version = version.split('+').next().unwrap_or_default();
    let version = Some(version).filter(|version| {
        version.starts_with(|c: char| c.is_ascii_digit())
            && version
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b))
    });
    let of_npm = ["package-lock.json", "npm-shrinkwrap.json"]
        .iter()
        .any(|name| lockfile(name).is_some());
    if of_npm && !matches!(manager, "pnpm" | "yarn") {
        return Some(Installer::NpmLocked);
    }
    if let Some(lock) = lockfile("pnpm-lock.yaml") {
        let version = version
            .filter(|_| manager == "pnpm")
            .unwrap_or_else(|| pnpm_of(&lock));
        return Some(Installer::Other {
            package: format!("pnpm@{version}"),
            command: &["pnpm", "install", "--frozen-lockfile"],
        });
    }
    if let Some(lock) = lockfile("yarn.lock") {
        let is_classic = String::from_utf8_lossy(&lock).contains("# yarn lockfile v1");
        let version = version.filter(|_| manager == "yarn");
        return Some(
            if is_classic && version.is_none_or(|v| v.starts_with('1')) {
                Installer::Other {
                    package: format!("yarn@{}", version.unwrap_or("1.22.22")),
                    command: &["yarn", "install", "--frozen-lockfile", "--non-interactive"],
                }
            } else {
                Installer::Other {
                    package: format!("@yarnpkg/cli-dist@{}", version.unwrap_or("4")),
                    command: &["yarn", "install", "--immutable"],
                }
            },
        );
    }
    of_npm.then_some(Installer::NpmLocked)
}

/// The version of pnpm that writes such a lockfile.
fn pnpm_of(lock: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(lock);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("lockfileVersion:"));
    match line.map(|version| version.trim().trim_matches(['\'', '"'])) {
        Some("5.4") => "7",
        Some("6.0" | "6.1") => "8",
        _ => "9",
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// package.json, other files with their content, commands, warnings.
    type Row = (
        Option<&'static str>,
        &'static [(&'static str, &'static str)],
        &'static [&'static str],
        usize,
    );

    fn planned(json: Option<&str>, files: &[(&str, &str)]) -> Result<Plan, JobError> {
        plan(json.map(str::as_bytes), |name| {
            let file = files.iter().find(|(file, _)| *file == name);
            file.map(|(_, content)| content.as_bytes().to_vec())
        })
    }

    #[test]
    fn the_steps_follow_from_package_json_and_the_lockfile() {
        const NPM: (&str, &str) = ("package-lock.json", "{}");
        const PNPM: (&str, &str) = ("pnpm-lock.yaml", "lockfileVersion: '6.0'\n");
        const YARN: (&str, &str) = ("yarn.lock", "# yarn lockfile v1\n");
        let table: [Row; 15] = [
            (None, &[NPM], &[], 0),
            (Some("{}"), &[], &[], 0),
            (Some("{}"), &[NPM], &["ci"], 0),
            (Some("{}"), &[("npm-shrinkwrap.json", "{}")], &["ci"], 0),
            (
                Some(r#"{"dependencies":{"a":"1"}}"#),
                &[],
                &["install --no-package-lock"],
                1,
            ),
            (
                Some(r#"{"devDependencies":{"a":"1"},"scripts":{"build":"x"}}"#),
                &[],
                &["install --no-package-lock", "run build"],
                1,
            ),
            (
                Some(r#"{"scripts":{"build":"x","start":"y"}}"#),
                &[],
                &["run build"],
                0,
            ),
            (
                Some(r#"{"scripts":{"postinstall":"x"}}"#),
                &[],
                &["install --no-package-lock"],
                0,
            ),
            (
                Some("{}"),
                &[("binding.gyp", "")],
                &["install --no-package-lock"],
                0,
            ),
            (
                Some("{}"),
                &[PNPM],
                &["exec --yes --package=pnpm@8 -- pnpm install --frozen-lockfile"],
                0,
            ),
            (
                Some(r#"{"scripts":{"build":"pnpm run all"}}"#),
                &[PNPM],
                &[
                    "exec --yes --package=pnpm@8 -- pnpm install --frozen-lockfile",
                    "exec --yes --package=pnpm@8 -- npm run build",
                ],
                0,
            ),
            (
                Some(r#"{"packageManager":"pnpm@9.1.0+sha512.aa"}"#),
                &[PNPM, NPM],
                &["exec --yes --package=pnpm@9.1.0 -- pnpm install --frozen-lockfile"],
                0,
            ),
            (
                Some("{}"),
                &[YARN],
                &[
                    "exec --yes --package=yarn@1.22.22 -- yarn install --frozen-lockfile --non-interactive",
                ],
                0,
            ),
            (
                Some(r#"{"packageManager":"yarn@4.2.2"}"#),
                &[("yarn.lock", "__metadata:\n")],
                &["exec --yes --package=@yarnpkg/cli-dist@4.2.2 -- yarn install --immutable"],
                0,
            ),
            (
                Some(r#"{"dependencies":{"a":"1"},"packageManager":"pnpm@;x"}"#),
                &[("bun.lock", "")],
                &["install --no-package-lock"],
                1,
            ),
        ];
        for (json, files, commands, warnings) in table {
            let plan = planned(json, files).unwrap();
            let found: Vec<_> = plan
                .steps
                .iter()
                .map(|step| step.arguments().join(" "))
                .collect();
            assert_eq!(found, commands, "{json:?} {files:?}");
            assert_eq!(plan.warnings.len(), warnings, "{json:?}");
        }
        for bad in ["", "[]", "{", r#"{"scripts":1}"#] {
            let error = planned(Some(bad), &[]).unwrap_err();
            assert!(
                error.to_string().starts_with("package.json is wrong: "),
                "{bad}"
            );
        }
    }

    #[test]
    fn engines_are_read_where_they_say_something_about_node() {
        for (json, expected) in [
            (r#"{"engines":{"node":">=22"}}"#, Some(">=22")),
            (r#"{"engines":{"npm":"10"}}"#, None),
            (r#"{"engines":["node"]}"#, None),
            ("{}", None),
        ] {
            assert_eq!(planned(Some(json), &[]).unwrap().node.as_deref(), expected);
        }
    }
}
