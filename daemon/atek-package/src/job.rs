//! The steps of a job, in their order.

use crate::certificates;
use crate::child::{self, Bounds, Line, Outputs, Watch};
use crate::error::{JobError, Stop};
use crate::git::{self, CheckedOut, GitLine};
use crate::image::{self, ImageLine, Layers, Order, Unpacked};
use crate::inspect;
use crate::npm;
use crate::own_node::{self, Engine};
use crate::plan::{self, Plan, Step};
use crate::recipe;
use crate::report::{Reporter, write_line};
use crate::text::{Excerpt, clean_line};
use crate::tree::{self, Quota};
use atek_api::image::root_folder;
use atek_api::manifest::{self, Manifest, Runtime, SidecarName};
use atek_api::package::{
    Failure, FailureCode, FetchLimits, FetchedPackage, Found, Outcome, PACKAGE_FOLDER, Progress,
    Request, Wanted, Warning, WarningCode,
};
use atek_api::source::Source;
use atek_api::spec::{RelativePath, paths};
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
    let outcome = steps(request, report);
    // A package is of no use once what asked for it is gone.
    let is_cut_short = report.is_gone() || outcome.as_ref().is_err_and(is_cut_short);
    if matches!(request, Request::Fetch { .. }) && !is_cut_short {
        Layers::forget().map_err(staging_of("remove layers"))?;
    }
    outcome
}

/// Whether the same fetch may come to its end later, and goes on with the layers that are there.
fn is_cut_short(error: &JobError) -> bool {
    match error {
        JobError::Git(failure) => {
            matches!(
                failure.code,
                FailureCode::Unreachable | FailureCode::Timeout
            )
        }
        JobError::GitChild(_) | JobError::ImageCrash(_) => true,
        _ => false,
    }
}

fn steps<W: Write>(request: &Request, report: &mut Reporter<W>) -> Result<Outcome, JobError> {
    let staging = std::env::current_dir().map_err(staging_of("find the staging folder"))?;
    make_home(&staging, request)?;
    certificates::write(&staging, request.certificates())
        .map_err(staging_of("write the certificates"))?;
    child::adopt_orphans().map_err(staging_of("adopt processes"))?;
    if let Request::Build {
        package, limits, ..
    } = request
    {
        return build((**package).clone(), &staging, limits, report);
    }
    if let Request::Compile {
        folder,
        entry,
        limits,
    } = request
    {
        return compile_again((folder, entry), &staging, limits, report);
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
        Request::FetchFiles {
            source,
            access,
            limits,
        } => {
            let newest = Request::Fetch {
                source: source.clone(),
                wanted: Wanted::default(),
                access: access.clone(),
                limits: *limits,
            };
            let checked_out = check_out(&newest, &staging, report)?;
            describe_files(checked_out, &staging, limits)
        }
        Request::ListTags {
            source: Source::Image { .. },
            ..
        } => match run_image(request, None, None, &staging, report)? {
            ImageResult::Releases(releases) => Ok(Outcome::Releases(releases)),
            ImageResult::Unpacked(_) => Err(JobError::ImageCrash("no releases".to_owned())),
        },
        Request::Fetch {
            source: Source::Image { .. },
            ..
        } => fetch_image(request, &staging, report),
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
            match inspect(checked_out, &staging, request.limits())? {
                Outcome::Package(package) => {
                    let package = with_image(*package, request, &staging, report)?;
                    let package = with_sidecars(package, request, &staging, report)?;
                    Ok(Outcome::Package(Box::new(package)))
                }
                other @ (Outcome::Releases(_) | Outcome::Compiled(_)) => Ok(other),
            }
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

/// Makes the package of an image that has no repository: its manifest is what the image says.
fn fetch_image<W: Write>(
    request: &Request,
    staging: &Path,
    report: &mut Reporter<W>,
) -> Result<Outcome, JobError> {
    let ImageResult::Unpacked(unpacked) = run_image(request, None, None, staging, report)? else {
        return Err(JobError::ImageCrash("no image".to_owned()));
    };
    let release = unpacked.release.clone().ok_or_else(|| {
        JobError::Git(Failure {
            code: FailureCode::NoRelease,
            message: format!(
                "{} has no tag that is a version such as 1.2.3: name one that is",
                unpacked.image
            ),
        })
    })?;
    let digest = unpacked.image.digest().unwrap_or_default();
    let package = FetchedPackage {
        release,
        commit: digest.trim_start_matches("sha256:").to_owned(),
        manifest: None,
        program: None,
        build: Vec::new(),
        bytes: 0,
        files: 0,
        notes: None,
        signer: None,
        warnings: Vec::new(),
    };
    let package = described(package, *unpacked, staging, request.limits())?;
    Ok(Outcome::Package(Box::new(package)))
}

/// The package of a repository, completed by the image that its manifest names, if it names one.
fn with_image<W: Write>(
    package: FetchedPackage,
    request: &Request,
    staging: &Path,
    report: &mut Reporter<W>,
) -> Result<FetchedPackage, JobError> {
    let wish = package.manifest.clone().unwrap_or_default();
    match fetch_named(&wish, None, request, request.limits(), staging, report)? {
        Some(unpacked) => described(package, unpacked, staging, request.limits()),
        None => Ok(package),
    }
}

/// Fetches the image that a manifest names, into the package; none if it names none.
fn fetch_named<W: Write>(
    wish: &Manifest,
    sidecar: Option<&SidecarName>,
    request: &Request,
    limits: &FetchLimits,
    staging: &Path,
    report: &mut Reporter<W>,
) -> Result<Option<Unpacked>, JobError> {
    let (Runtime::Image { runtime }, Request::Fetch { access, .. }) = (&wish.runtime, request)
    else {
        return Ok(None);
    };
    remove_if_there(&staging.join(PACKAGE_FOLDER).join(root_folder(sidecar)))?;
    let below = Request::Fetch {
        source: Source::Image {
            image: runtime.image.clone(),
            plain: false,
        },
        wanted: Wanted::default(),
        access: access.without_token(),
        limits: *limits,
    };
    match run_image(&below, Some(wish), sidecar, staging, report)? {
        ImageResult::Unpacked(unpacked) => Ok(Some(*unpacked)),
        ImageResult::Releases(_) => Err(JobError::ImageCrash("no image".to_owned())),
    }
}

/// The package with the images of its sidecars, each in a folder beside the app's own files.
fn with_sidecars<W: Write>(
    package: FetchedPackage,
    request: &Request,
    staging: &Path,
    report: &mut Reporter<W>,
) -> Result<FetchedPackage, JobError> {
    let Some(mut manifest) = package.manifest.clone() else {
        return Ok(package);
    };
    let mut warnings = package.warnings.clone();
    // All of them together may have what one package may have.
    let mut left = *request.limits();
    left.package_bytes = left.package_bytes.saturating_sub(package.bytes);
    left.package_files = left.package_files.saturating_sub(package.files);
    for (name, sidecar) in &mut manifest.services {
        let wish = sidecar.as_manifest();
        let fetched = fetch_named(&wish, Some(name), request, &left, staging, report)?;
        let Some(unpacked) = fetched else { continue };
        left.package_bytes = left.package_bytes.saturating_sub(unpacked.bytes);
        left.package_files = left.package_files.saturating_sub(unpacked.files);
        let completed = unpacked.manifest(Some(&wish)).map_err(JobError::Git)?;
        sidecar.complete(completed);
        warnings.extend(left_out(&unpacked));
    }
    if package.manifest.as_ref() == Some(&manifest) {
        return Ok(package);
    }
    // As it will be read again: two images may listen on one port.
    let text = serde_json::to_vec(&manifest)
        .map_err(|error| staging_of("write the manifest")(error.into()))?;
    let manifest = Manifest::parse(&text)?;
    keep(&manifest, staging)?;
    let usage = tree::check(&staging.join(PACKAGE_FOLDER), quota(request.limits()))?;
    Ok(FetchedPackage {
        manifest: Some(manifest),
        bytes: usage.bytes,
        files: usage.files,
        warnings,
        ..package
    })
}

/// Warns of what an image has and its package has not.
fn left_out(unpacked: &Unpacked) -> Option<Warning> {
    (unpacked.left_out > 0).then(|| {
        Warning::new(
            WarningCode::LeftOut,
            format!(
                "{} devices and pipes of the image were left out",
                unpacked.left_out
            ),
        )
    })
}

/// Writes the manifest into the package, which a roll-back reads.
fn keep(manifest: &Manifest, staging: &Path) -> Result<(), JobError> {
    let failed = staging_of("write the manifest");
    let text = serde_json::to_vec(manifest).map_err(|error| failed(error.into()))?;
    // Of a repository the name is taken, and could be a link.
    let aside = staging.join(manifest::FILE_NAME);
    let path = staging.join(PACKAGE_FOLDER).join(manifest::FILE_NAME);
    fs::write(&aside, text)
        .and_then(|()| fs::rename(&aside, &path))
        .map_err(failed)
}

/// A package whose image stands in its folder.
fn described(
    package: FetchedPackage,
    unpacked: Unpacked,
    staging: &Path,
    limits: &FetchLimits,
) -> Result<FetchedPackage, JobError> {
    let wish = package.manifest.as_ref();
    let manifest = unpacked.manifest(wish).map_err(JobError::Git)?;
    keep(&manifest, staging)?;
    let usage = tree::check(&staging.join(PACKAGE_FOLDER), quota(limits))?;
    let program = atek_api::package::program(Some(&manifest), None, |_| Found::Nothing)?;
    let mut warnings = package.warnings;
    warnings.extend(left_out(&unpacked));
    Ok(FetchedPackage {
        manifest: Some(manifest),
        program: Some(program),
        bytes: usage.bytes,
        files: usage.files,
        warnings,
        ..package
    })
}

enum ImageResult {
    Releases(Vec<Release>),
    Unpacked(Box<Unpacked>),
}

/// Runs the `image` child. `wish` is the manifest that names the image, of a sidecar or of the app.
fn run_image<W: Write>(
    request: &Request,
    wish: Option<&Manifest>,
    sidecar: Option<&SidecarName>,
    staging: &Path,
    report: &mut Reporter<W>,
) -> Result<ImageResult, JobError> {
    let order = Order {
        request: request.clone(),
        wish: wish.cloned(),
        sidecar: sidecar.cloned(),
    };
    let (last, how) = run_child(
        image::ARGUMENT,
        &order,
        request,
        staging,
        report,
        |it| match it {
            ImageLine::Progress(progress) => Ok(progress),
            other => Err(other),
        },
    )?;
    child::end_orphans();
    match last {
        Some(ImageLine::Releases(releases)) => Ok(ImageResult::Releases(releases)),
        Some(ImageLine::Unpacked(unpacked)) => Ok(ImageResult::Unpacked(unpacked)),
        Some(ImageLine::Failed(failure)) => Err(JobError::Git(failure)),
        Some(ImageLine::Progress(_)) | None => Err(JobError::ImageCrash(how)),
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
        Request::Compile { .. } => return Ok(()),
        Request::Build { .. } => npm::git_config(),
    };
    fs::write(home.join(".gitconfig"), config).map_err(&cannot)
}

/// Removes a file, a link or a folder.
fn remove_any(path: &Path) -> std::io::Result<()> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(about) if about.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    }
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
    let (last, how) = run_child(
        git::ARGUMENT,
        request,
        request,
        staging,
        report,
        |line| match line {
            GitLine::Progress(progress) => Ok(progress),
            other => Err(other),
        },
    )?;
    match last {
        Some(GitLine::Releases(releases)) => Ok(GitResult::Releases(releases)),
        Some(GitLine::CheckedOut(checked_out)) => Ok(GitResult::CheckedOut(*checked_out)),
        Some(GitLine::Failed(failure)) => Err(JobError::Git(failure)),
        Some(GitLine::Progress(_)) | None => Err(JobError::GitCrash(how)),
    }
}

/// Runs this program as the child that `argument` makes of it; its last line, and how it ended.
fn run_child<W: Write, L: serde::de::DeserializeOwned>(
    argument: &str,
    input: &impl serde::Serialize,
    request: &Request,
    staging: &Path,
    report: &mut Reporter<W>,
    sort: fn(L) -> Result<Progress, L>,
) -> Result<(Option<L>, String), JobError> {
    let limits = request.limits();
    let mut line = Vec::new();
    write_line(&mut line, input).map_err(staging_of("write a request"))?;
    // Not the path of this program, which an upgrade may have replaced.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg(argument)
        .env_clear()
        .envs(
            GIT_PASSED_ON
                .iter()
                .filter_map(|name| Some((*name, std::env::var_os(name)?))),
        )
        .env("HOME", staging.join(npm::HOME_FOLDER))
        .envs(certificates::variables(staging));
    let bounds = Bounds {
        deadline: Duration::from_secs(limits.fetch_secs),
        stall: Some(Duration::from_secs(limits.stall_secs)),
    };
    let mut watch = ChildWatcher {
        report,
        last: None,
        noise: Excerpt::default(),
        sort,
    };
    let status = child::run(&mut command, &line, Outputs::Apart, bounds, &mut watch)
        .map_err(JobError::GitChild)?;
    Ok((watch.last, format!("{status}{}", watch.noise)))
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

struct ChildWatcher<'w, W, L> {
    report: &'w mut Reporter<W>,
    last: Option<L>,
    noise: Excerpt,
    /// Tells progress from the last line.
    sort: fn(L) -> Result<Progress, L>,
}

impl<W: Write, L: serde::de::DeserializeOwned> Watch for ChildWatcher<'_, W, L> {
    type Stop = Stop;

    fn on_line(&mut self, line: Line) -> Result<(), Stop> {
        match line {
            Line::Out(bytes) => match serde_json::from_slice(&bytes).map(self.sort) {
                Ok(Ok(progress)) => self.report.progress(progress),
                Ok(Err(last)) => self.last = Some(last),
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
    let plan = plan(&package, manifest.as_ref(), package_json.as_deref())?;
    let mut warnings = checked_out.warnings;
    warnings.extend(plan.warnings);
    warnings.extend(inspect::misspelt_keys(&package)?);
    let compile = plan::compile(manifest.as_ref());
    let program = if plan.steps.is_empty() {
        warnings.extend(inspect::icon(&package, manifest.as_ref()));
        let program = inspect::find_program(&package, manifest.as_ref(), package_json.as_deref());
        Some(program?)
    } else {
        None
    };
    let build: Vec<Step> = plan.steps.into_iter().chain(compile).collect();
    Ok(Outcome::Package(Box::new(FetchedPackage {
        release: checked_out.release,
        commit: checked_out.commit,
        manifest,
        program,
        build: build.iter().map(Step::command).collect(),
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
    // What the package has in this place is no Node of ours.
    let own_node = package.join(paths::OWN_NODE);
    remove_any(own_node.parent().unwrap_or(&own_node))
        .map_err(staging_of("make room for a Node of the package's own"))?;
    let manifest = fetched.manifest.as_ref();
    for step in plan(&package, manifest, package_json.as_deref())?.steps {
        let ended = npm::run(&step, staging, &package, limits, report);
        child::end_orphans();
        ended?;
        if let Step::Node(_) = step {
            own_node::take(&package).map_err(staging_of("take a Node of the package's own"))?;
        }
    }
    // Nothing of the package runs from here on, and what it has in this place is no code of ours.
    if let Some(step) = plan::compile(fetched.manifest.as_ref()) {
        let compiled = package.join(paths::COMPILED);
        remove_any(&compiled)
            .and_then(|()| fs::create_dir(&compiled))
            .map_err(staging_of("make a folder for the compiled component"))?;
        // The component is read below, so no link may lead out.
        tree::check(&package, quota(limits))?;
        npm::run(&step, staging, &package, limits, report)?;
        child::end_orphans();
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

/// Makes native code of an installed component where it has none for this system. Runs nothing of
/// the package.
fn compile_again<W: Write>(
    (folder, entry): (&Path, &RelativePath),
    staging: &Path,
    limits: &FetchLimits,
    report: &mut Reporter<W>,
) -> Result<Outcome, JobError> {
    let made = staging.join(PACKAGE_FOLDER);
    fs::create_dir(&made).map_err(staging_of("make a folder for the compiled component"))?;
    let step = Step::CompileAgain {
        component: folder.join(entry.as_str()),
        had: folder.join(paths::COMPILED),
    };
    npm::run(&step, staging, &made, limits, report)?;
    child::end_orphans();
    Ok(Outcome::Compiled(
        tree::check(&made, quota(limits))?.files > 0,
    ))
}

fn quota(limits: &FetchLimits) -> Quota {
    Quota {
        bytes: limits.package_bytes,
        files: limits.package_files,
    }
}

/// Bytes of a lockfile that tell which program wrote it.
const LOCKFILE_START: u64 = 512;

fn plan(
    package: &Path,
    manifest: Option<&Manifest>,
    package_json: Option<&[u8]>,
) -> Result<Plan, JobError> {
    let mut plan = plan::plan(package_json, |name| {
        npm::read_small(&package.join(name), LOCKFILE_START)
            .ok()
            .flatten()
    })?;
    let is_node = manifest.is_none_or(|manifest| matches!(manifest.runtime, Runtime::Node { .. }));
    if let Some(wanted) = plan.node.as_deref().filter(|_| is_node) {
        let installed = own_node::installed();
        let engine = own_node::engine(Some(wanted), installed.as_ref());
        plan.warnings
            .extend(own_node::warning(&engine, Some(wanted), installed.as_ref()));
        if let Engine::Own(version) = &engine
            && let Some(package) = own_node::npm_package(version)
        {
            plan.steps.insert(0, Step::Node(package));
        }
    }
    Ok(plan)
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
