//! The `git` child: asks a repository for its tags, fetches one and writes its files.
//!
//! The only part that parses what a repository sends. It runs as a process of its
//! own, with a bound on its memory, so that the worst it can do is to end.

pub(crate) mod bridge;
mod checkout;
mod error;
mod handshake;
mod remote;
mod repository;
mod signature;

use crate::read_request;
use crate::report::write_line;
use crate::text::size;
use atek_api::package::{
    Access, Failure, FailureCode, FetchLimits, PACKAGE_FOLDER, Phase, Progress, Request, Wanted,
    Warning, WarningCode,
};
use atek_api::signer::Signer;
use atek_api::source::Source;
use atek_api::version::{NoChoice, Release, choose, releases};
use error::GitError;
pub(crate) use error::tree_failure;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use remote::Tags;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The argument that makes this program the `git` child.
pub(crate) const ARGUMENT: &str = "git";
/// Where fetched objects are kept, until the files are written.
pub(crate) const OBJECTS_FOLDER: &str = "git";

/// Address space of the child. libgit2 inflates single objects and delta bases in
/// memory; a pack that needs more than this is not a package.
const MEMORY_MAX: u64 = 1536 * 1024 * 1024;
/// The most tags of a repository that are looked at.
const TAGS_MAX: usize = 20_000;
/// How often the child tells that it lives.
const BEAT: Duration = Duration::from_millis(100);

/// A line of the child's output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum GitLine {
    Progress(Progress),
    /// The answer to [`Request::ListTags`].
    Releases(Vec<Release>),
    /// The answer to [`Request::Fetch`].
    CheckedOut(Box<CheckedOut>),
    Failed(Failure),
}

/// A release whose files were written.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CheckedOut {
    pub(crate) release: Release,
    pub(crate) commit: String,
    /// The tag's own message.
    #[serde(default)]
    pub(crate) notes: Option<String>,
    /// Who signed it, where the signature is right.
    #[serde(default)]
    pub(crate) signer: Option<Signer>,
    pub(crate) warnings: Vec<Warning>,
}

/// The child's whole life.
pub(crate) fn main() -> ExitCode {
    // Not left alone when the parent is killed.
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    let last = read_request::<Request>().and_then(|request| {
        confine(request.limits())?;
        answer(&request).map_err(|error| error.failure(&shown(request.source())))
    });
    let last = last.unwrap_or_else(GitLine::Failed);
    match write_line(std::io::stdout(), &last) {
        Ok(()) if !matches!(last, GitLine::Failed(_)) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

pub(crate) fn confine(limits: &FetchLimits) -> Result<(), Failure> {
    let file_max = limits
        .fetch_bytes
        .max(limits.package_bytes)
        .saturating_add(1 << 20);
    let bound = |what, max: u64| {
        // The unit may have set a narrower bound, which only root could widen.
        let (_, hard) = getrlimit(what).unwrap_or((max, max));
        let max = max.min(hard);
        setrlimit(what, max, max).map_err(|error| Failure {
            code: FailureCode::Internal,
            message: format!("cannot bound the resources of the fetch: {error}"),
        })
    };
    bound(Resource::RLIMIT_AS, MEMORY_MAX)?;
    bound(Resource::RLIMIT_FSIZE, file_max)?;
    bound(Resource::RLIMIT_CORE, 0)?;
    // libgit2 would keep up to 256 MB of objects, each of which is needed once.
    git2::opts::enable_caching(false);
    Ok(())
}

/// The source as a message names it.
pub(crate) fn shown(source: Option<&Source>) -> String {
    source.map_or_else(|| "the package".to_owned(), ToString::to_string)
}

fn answer(request: &Request) -> Result<GitLine, GitError> {
    let mut pulse = Heartbeat::default();
    match request {
        Request::Build { .. } | Request::Compile { .. } | Request::FetchFiles { .. } => {
            Err(GitError::NotGit)
        }
        Request::ListTags { source, access, .. } => {
            let tags = tags(source, access, &mut pulse)?;
            Ok(GitLine::Releases(newest_first(&tags.names)))
        }
        Request::Fetch {
            source,
            wanted,
            access,
            limits,
        } => {
            let tags = tags(source, access, &mut pulse)?;
            let release = choice(&tags.names, wanted)?;
            pulse.say(Phase::Resolve, format!("found {}", release.tag), Some(100));
            let repository = match source {
                Source::GitFolder(folder) => repository::open(folder)?,
                Source::Git(_)
                | Source::Folder(_)
                | Source::Recipe { .. }
                | Source::RecipeFolder(_)
                | Source::Image { .. } => remote::fetch(
                    &tags,
                    &release.tag,
                    limits,
                    Path::new(OBJECTS_FOLDER),
                    &mut pulse,
                )?,
            };
            let commit = repository::commit_of_tag(&repository, &release.tag)?;
            let target = Path::new(PACKAGE_FOLDER);
            let mut warnings = checkout::write(&repository, &commit, target, limits, &mut pulse)?;
            let signer = signature::signer(&repository, &release.tag, &commit);
            let signer = signer.unwrap_or_else(|error| {
                warnings.push(unproven(&release.tag, &error));
                None
            });
            Ok(GitLine::CheckedOut(Box::new(CheckedOut {
                signer,
                notes: repository::message_of_tag(&repository, &release.tag),
                release,
                commit: commit.id().to_string(),
                warnings,
            })))
        }
    }
}

fn unproven(tag: &str, error: &signature::SignatureError) -> Warning {
    let message = format!("the signature of {tag} proves nothing: {error}");
    Warning::new(WarningCode::Signature, message)
}

fn tags(source: &Source, access: &Access, pulse: &mut Heartbeat) -> Result<Tags, GitError> {
    pulse.say(Phase::Resolve, "asking for releases".to_owned(), None);
    let tags = match source {
        Source::Git(url) => remote::tags(url, access)?,
        Source::GitFolder(folder) => Tags {
            url: String::new(),
            bridge: None,
            token: None,
            names: repository::tags(&repository::open(folder)?)?,
        },
        Source::Folder(_)
        | Source::Recipe { .. }
        | Source::RecipeFolder(_)
        | Source::Image { .. } => {
            return Err(GitError::NotGit);
        }
    };
    if tags.names.len() > TAGS_MAX {
        return Err(GitError::TooManyTags(TAGS_MAX));
    }
    Ok(tags)
}

fn choice(tags: &[String], wanted: &Wanted) -> Result<Release, GitError> {
    match wanted {
        Wanted::Tag { tag } => {
            let release = Release::from_tag(tag).filter(|release| tags.contains(&release.tag));
            release.ok_or_else(|| no_match(crate::text::clean_line(tag), tags))
        }
        Wanted::Newest { range, refused } => {
            choose(tags.iter().map(String::as_str), range, refused).map_err(|why| match why {
                NoChoice::NoRelease => GitError::NoRelease(tags.to_vec()),
                NoChoice::NoMatch => no_match(range.to_string(), tags),
                NoChoice::AllRefused => GitError::Refused,
            })
        }
    }
}

fn newest_first(tags: &[String]) -> Vec<Release> {
    let mut releases = releases(tags.iter().map(String::as_str));
    releases.sort_by(|a, b| b.cmp(a));
    releases
}

fn no_match(wanted: String, tags: &[String]) -> GitError {
    const NAMED: usize = 3;
    let newest = newest_first(tags).into_iter().take(NAMED);
    GitError::NoMatch(wanted, newest.map(|release| release.tag).collect())
}

/// Tells the parent that the child lives, and how far it is.
#[derive(Debug, Default)]
struct Heartbeat {
    last: Option<(Phase, Instant)>,
}

impl Heartbeat {
    /// A line now.
    fn say(&mut self, phase: Phase, message: String, percent: Option<u8>) {
        self.last = Some((phase, Instant::now()));
        let line = GitLine::Progress(Progress {
            phase,
            message,
            percent,
        });
        // A parent that does not read has ended, and this process gets its signal.
        let _ = write_line(std::io::stdout(), &line);
    }

    /// A line, if the last one was some time ago, or about another phase.
    fn beat(&mut self, phase: Phase, tell: impl FnOnce() -> (String, Option<u8>)) {
        let due = |(last, at): (Phase, Instant)| last != phase || at.elapsed() >= BEAT;
        if self.last.is_none_or(due) {
            let (message, percent) = tell();
            self.say(phase, message, percent);
        }
    }
}

/// `part` of `whole` in percent; none if the whole is not known.
fn percent(part: usize, whole: usize) -> Option<u8> {
    (whole > 0).then(|| u8::try_from(part.min(whole) * 100 / whole).unwrap_or(100))
}

fn received(progress: &git2::Progress<'_>) -> (String, Option<u8>) {
    let total = progress.total_objects();
    let bytes = size(progress.received_bytes() as u64);
    if progress.received_objects() < total || total == 0 {
        let percent = percent(progress.received_objects(), total);
        (format!("received {bytes}"), percent)
    } else {
        // Git's word for it: objects that came as differences are put together.
        let message = format!("received {bytes}, resolving deltas");
        (
            message,
            percent(progress.indexed_deltas(), progress.total_deltas()).or(Some(100)),
        )
    }
}
