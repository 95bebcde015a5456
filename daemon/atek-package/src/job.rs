//! The steps of a job, in their order.

use crate::child::{self, Bounds, Line, Outputs, Watch};
use crate::error::{JobError, Stop};
use crate::git::{self, CheckedOut, GitLine};
use crate::inspect;
use crate::npm;
use crate::plan::{self, Plan, Step};
use crate::recipe;
use crate::report::{Reporter, write_line};
use crate::text::{Excerpt, clean_line};
use crate::tree::{self, Quota};
use atek_api::manifest::{self, Manifest};
use atek_api::package::{
    FetchLimits, FetchedPackage, Outcome, PACKAGE_FOLDER, Request, Wanted, Warning, WarningCode,
};
use atek_api::source::Source;
use atek_api::version::Release;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Does what `request` asks for, in the current folder.
pub(crate) fn run<W: Write>(
    request: &Request,
    report: &mut Reporter<W>,
) -> Result<Outcome, JobError> {
    let staging = std::env::current_dir().map_err(staging_of("find the staging folder"))?;
    make_home(&staging, request)?;
    child::adopt_orphans().map_err(staging_of("adopt processes"))?;
    if let Request::Build { package, limits } = request {
        return build((**package).clone(), &staging, limits, report);
    }
    match request {
        Request::ListTags {
            source: Source::RecipeFolder(folder),
            ..
        } => Ok(Outcome::Releases(vec![recipe::release(folder)?])),
        Request::Fetch {
            source: Source::RecipeFolder(_),
            ..
        } => {
            let checked_out = recipe::fetch(request, &staging, report)?;
            inspect(checked_out, &staging, request.limits())
        }
        Request::FetchFiles { source, limits } => {
            let newest = Request::Fetch {
                source: source.clone(),
                wanted: Wanted::default(),
                reach: Default::default(),
                limits: *limits,
            };
            let checked_out = check_out(&newest, &staging, report)?;
            describe_files(checked_out, &staging, limits)
        }
        Request::ListTags { .. } => {
            let fetched = run_git(request, &staging, report);
            child::end_orphans();
            match fetched? {
                GitResult::Releases(releases) => Ok(Outcome::Releases(releases)),
                GitResult::CheckedOut(_) => Err(JobError::GitCrash("no releases".to_owned())),
            }
        }
        _ => {
            let checked_out = check_out(request, &staging, report)?;
            inspect(checked_out, &staging, request.limits())
        }
    }
}

/// Fetches a release of a git repository into the package's folder.
pub(crate) fn check_out<W: Write>(
    request: &Request,
    staging: &Path,
    report: &mut Reporter<W>,
) -> Result<CheckedOut, JobError> {
    let fetched = run_git(request, staging, report);
    child::end_orphans();
    match fetched? {
        GitResult::CheckedOut(checked_out) => {
            // The files are written; the objects are of no more use.
            remove_if_there(&staging.join(git::OBJECTS_FOLDER))?;
            Ok(checked_out)
        }
        GitResult::Releases(_) => Err(JobError::GitCrash("no package".to_owned())),
    }
}

/// What there is to say of files that are no app.
fn describe_files(
    checked_out: CheckedOut,
    staging: &Path,
    limits: &FetchLimits,
) -> Result<Outcome, JobError> {
    let usage = tree::check(&staging.join(PACKAGE_FOLDER), quota(limits))?;
    Ok(Outcome::Package(Box::new(FetchedPackage {
        release: checked_out.release,
        commit: checked_out.commit,
        manifest: None,
        program: None,
        build: Vec::new(),
        bytes: usage.bytes,
        files: usage.files,
        notes: checked_out.notes,
        signer: checked_out.signer,
        warnings: checked_out.warnings,
    })))
}

pub(crate) fn staging_of(doing: &'static str) -> impl Fn(std::io::Error) -> JobError {
    move |source| JobError::Staging { doing, source }
}

/// Makes a new home folder for the children, for a build in place of that of the fetch.
fn make_home(staging: &Path, request: &Request) -> Result<(), JobError> {
    let home = staging.join(npm::HOME_FOLDER);
    let cannot = staging_of("make a home folder");
    if let Request::Build { .. } = request {
        remove_if_there(&home)?;
    }
    fs::create_dir(&home).map_err(&cannot)?;
    fs::create_dir(home.join("tmp")).map_err(&cannot)?;
    let config = match request {
        // Git refuses a repository that belongs to another user, as every repository
        // on this machine does for the user who builds. It opens no other one here.
        Request::ListTags { source, .. }
        | Request::Fetch { source, .. }
        | Request::FetchFiles { source, .. }
            if matches!(source, Source::GitFolder(_)) =>
        {
            "[safe]\n\tdirectory = *\n".to_owned()
        }
        Request::ListTags { .. } | Request::Fetch { .. } | Request::FetchFiles { .. } => {
            return Ok(());
        }
        Request::Build { .. } => npm::git_config(),
    };
    fs::write(home.join(".gitconfig"), config).map_err(&cannot)
}

fn remove_if_there(folder: &Path) -> Result<(), JobError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(staging_of("remove a folder")),
    }
}

enum GitResult {
    Releases(Vec<Release>),
    CheckedOut(CheckedOut),
}

fn run_git<W: Write>(
    request: &Request,
    staging: &Path,
    report: &mut Reporter<W>,
) -> Result<GitResult, JobError> {
    let limits = request.limits();
    let mut input = Vec::new();
    write_line(&mut input, request).map_err(staging_of("write a request"))?;
    // Not the path of this program, which an upgrade may have replaced.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg(git::ARGUMENT)
        .env_clear()
        .envs(
            GIT_PASSED_ON
                .iter()
                .filter_map(|name| Some((*name, std::env::var_os(name)?))),
        )
        .env("HOME", staging.join(npm::HOME_FOLDER));
    let bounds = Bounds {
        deadline: Duration::from_secs(limits.fetch_secs),
        stall: Some(Duration::from_secs(limits.stall_secs)),
    };
    let mut watch = GitWatcher {
        report,
        last: None,
        noise: Excerpt::default(),
    };
    let status = child::run(&mut command, &input, Outputs::Apart, bounds, &mut watch)
        .map_err(JobError::GitChild)?;
    match watch.last {
        Some(GitLine::Releases(releases)) => Ok(GitResult::Releases(releases)),
        Some(GitLine::CheckedOut(checked_out)) => Ok(GitResult::CheckedOut(checked_out)),
        Some(GitLine::Failed(failure)) => Err(JobError::Git(failure)),
        Some(GitLine::Progress(_)) | None => {
            Err(JobError::GitCrash(format!("{status}{}", watch.noise)))
        }
    }
}

/// What the `git` child gets of our environment: how this machine reaches the network.
const GIT_PASSED_ON: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

struct GitWatcher<'w, W> {
    report: &'w mut Reporter<W>,
    last: Option<GitLine>,
    noise: Excerpt,
}

impl<W: Write> Watch for GitWatcher<'_, W> {
    type Stop = Stop;

    fn on_line(&mut self, line: Line) -> Result<(), Stop> {
        match line {
            Line::Out(bytes) => match serde_json::from_slice(&bytes) {
                Ok(GitLine::Progress(progress)) => self.report.progress(progress),
                Ok(last) => self.last = Some(last),
                Err(_) => self.noise.push(&String::from_utf8_lossy(&bytes)),
            },
            Line::Err(bytes) => {
                let text = clean_line(&String::from_utf8_lossy(&bytes));
                let _ = writeln!(std::io::stderr(), "{text}");
                self.noise.push(&text);
            }
        }
        Ok(())
    }

    fn on_tick(&mut self) -> Result<(), Stop> {
        if self.report.is_gone() {
            Err(Stop::Abandoned)
        } else {
            Ok(())
        }
    }
}

/// Describes the package that was checked out, without running anything of it.
fn inspect(
    checked_out: CheckedOut,
    staging: &Path,
    limits: &FetchLimits,
) -> Result<Outcome, JobError> {
    let package = staging.join(PACKAGE_FOLDER);
    let usage = tree::check(&package, quota(limits))?;
    let manifest = read_manifest(&package)?;
    let package_json = read_package_json(&package)?;
    let plan = plan(&package, package_json.as_deref())?;
    let mut warnings = checked_out.warnings;
    warnings.extend(plan.warnings);
    warnings.extend(inspect::misspelt_keys(&package)?);
    warnings.extend(inspect::engine(plan.node.as_deref()));
    let program = if plan.steps.is_empty() {
        warnings.extend(inspect::icon(&package, manifest.as_ref()));
        let program = inspect::find_program(&package, manifest.as_ref(), package_json.as_deref());
        Some(program?)
    } else {
        None
    };
    Ok(Outcome::Package(Box::new(FetchedPackage {
        release: checked_out.release,
        commit: checked_out.commit,
        manifest,
        program,
        build: plan.steps.iter().map(Step::command).collect(),
        bytes: usage.bytes,
        files: usage.files,
        notes: checked_out.notes,
        signer: checked_out.signer,
        warnings,
    })))
}

/// Installs the dependencies of a fetched package and builds it.
fn build<W: Write>(
    fetched: FetchedPackage,
    staging: &Path,
    limits: &FetchLimits,
    report: &mut Reporter<W>,
) -> Result<Outcome, JobError> {
    let package = staging.join(PACKAGE_FOLDER);
    let package_json = read_package_json(&package)?;
    for step in plan(&package, package_json.as_deref())?.steps {
        let ended = npm::run(&step, staging, &package, limits, report);
        child::end_orphans();
        ended?;
    }
    let usage = tree::check(&package, quota(limits))?;
    // A person agreed to the manifest that was fetched; what a build makes of the file is void.
    let manifest = fetched.manifest;
    let package_json = read_package_json(&package)?;
    let program = inspect::find_program(&package, manifest.as_ref(), package_json.as_deref())?;
    let mut warnings = fetched.warnings;
    if read_manifest(&package).ok() != Some(manifest.clone()) {
        warnings.push(Warning::new(
            WarningCode::ManifestChanged,
            "its build has changed atek.json, which has no effect: exports, port, permissions and \
             limits are those that were shown before the build",
        ));
    }
    warnings.extend(inspect::icon(&package, manifest.as_ref()));
    Ok(Outcome::Package(Box::new(FetchedPackage {
        manifest,
        program: Some(program),
        build: Vec::new(),
        bytes: usage.bytes,
        files: usage.files,
        warnings,
        notes: fetched.notes,
        signer: fetched.signer,
        release: fetched.release,
        commit: fetched.commit,
    })))
}

fn quota(limits: &FetchLimits) -> Quota {
    Quota {
        bytes: limits.package_bytes,
        files: limits.package_files,
    }
}

/// Bytes of a lockfile that tell which program wrote it.
const LOCKFILE_START: u64 = 512;

fn plan(package: &Path, package_json: Option<&[u8]>) -> Result<Plan, JobError> {
    plan::plan(package_json, |name| {
        npm::read_small(&package.join(name), LOCKFILE_START)
            .ok()
            .flatten()
    })
}

fn read_package_json(package: &Path) -> Result<Option<Vec<u8>>, JobError> {
    npm::read_package_json(package).map_err(staging_of("read package.json"))
}

fn read_manifest(package: &Path) -> Result<Option<Manifest>, JobError> {
    let bytes = read_manifest_bytes(package)?;
    Ok(bytes.map(|bytes| Manifest::parse(&bytes)).transpose()?)
}

pub(crate) fn read_manifest_bytes(package: &Path) -> Result<Option<Vec<u8>>, JobError> {
    // One byte more than is admitted, so that a longer file is refused and not cut.
    npm::read_small(
        &package.join(manifest::FILE_NAME),
        manifest::MAX_BYTES as u64 + 1,
    )
    .map_err(staging_of("read atek.json"))
}
