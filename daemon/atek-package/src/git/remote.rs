//! A repository on another machine.
//!
//! No credentials are ever offered. libgit2 verifies certificates, follows a redirect
//! of the first request only, and never one from https to http.

use super::bridge::Bridge;
use super::error::{GitError, is_illegible};
use super::{Pulse, received};
use atek_api::package::{FetchLimits, Phase};
use git2::{
    AutotagOption, Direction, FetchOptions, ProxyOptions, Remote, RemoteCallbacks, RemoteRedirect,
    Repository,
};
use std::path::Path;

/// What a repository has.
#[derive(Debug)]
pub(super) struct Tags {
    /// The URL that answered, for libgit2 alone: it may be a [`Bridge`]'s.
    pub(super) url: String,
    /// Without `refs/tags/`. Those that are not UTF-8 are no releases, and left out.
    pub(super) names: Vec<String>,
}

/// Asks for the tags; where there is nothing, the same again with `.git`, as the
/// original did.
pub(super) fn tags(url: &str) -> Result<Tags, GitError> {
    match list(url) {
        Err(error) if is_not_found(&error) && !url.ends_with(".git") => {
            let with_ending = format!("{url}.git");
            // Of two refusals the first is about the URL that was given.
            list(&with_ending).map_err(|_| error)
        }
        other => other,
    }
    .map_err(GitError::List)
}

/// Asks at one URL; where there is an answer that cannot be made out, once more over a
/// [`Bridge`]: it may be one that libgit2 takes for an empty one.
fn list(url: &str) -> Result<Tags, git2::Error> {
    let error = match list_at(url) {
        Err(error) if is_illegible(&error) => error,
        other => return other,
    };
    match Bridge::to(url) {
        // Of two refusals the first is about the URL that was given.
        Ok(Some(bridge)) => list_at(&bridge.url).map_err(|_| error),
        Ok(None) | Err(_) => Err(error),
    }
}

fn is_not_found(error: &git2::Error) -> bool {
    error.message().contains("status code: 404")
}

fn list_at(url: &str) -> Result<Tags, git2::Error> {
    let mut remote = Remote::create_detached(url)?;
    let connection = remote.connect_auth(Direction::Fetch, None, Some(proxy()))?;
    let names = connection
        .list()?
        .iter()
        .filter_map(|head| head.name().strip_prefix("refs/tags/"))
        // The commit behind an annotated tag is listed as a name of its own.
        .filter(|name| !name.ends_with("^{}"))
        .map(ToOwned::to_owned)
        .collect();
    Ok(Tags {
        url: url.to_owned(),
        names,
    })
}

/// The machine's proxy, if it has one.
fn proxy<'cb>() -> ProxyOptions<'cb> {
    let mut options = ProxyOptions::new();
    options.auto();
    options
}

/// Fetches one tag into a new bare repository, without its history where the server
/// can do that.
pub(super) fn fetch(
    url: &str,
    tag: &str,
    limits: &FetchLimits,
    folder: &Path,
    pulse: &mut Pulse,
) -> Result<Repository, GitError> {
    let repository = Repository::init_bare(folder).map_err(GitError::Fetch)?;
    match fetch_depth(&repository, url, tag, 1, limits, pulse) {
        Err(GitError::Fetch(error)) if error.message().contains("doesn't support shallow") => {
            fetch_depth(&repository, url, tag, 0, limits, pulse)?;
        }
        other => other?,
    }
    Ok(repository)
}

fn fetch_depth(
    repository: &Repository,
    url: &str,
    tag: &str,
    depth: i32,
    limits: &FetchLimits,
    pulse: &mut Pulse,
) -> Result<(), GitError> {
    let mut exceeded = None;
    let mut callbacks = RemoteCallbacks::new();
    callbacks.transfer_progress(|progress| {
        let bytes = progress.received_bytes() as u64;
        if bytes > limits.fetch_bytes {
            exceeded = Some(GitError::FetchBytes(limits.fetch_bytes));
        } else if progress.total_objects() as u64 > limits.fetch_objects {
            exceeded = Some(GitError::FetchObjects(limits.fetch_objects));
        } else {
            pulse.beat(Phase::Fetch, || received(&progress));
        }
        exceeded.is_none()
    });
    let mut options = FetchOptions::new();
    options
        .remote_callbacks(callbacks)
        .proxy_options(proxy())
        .follow_redirects(RemoteRedirect::Initial)
        .download_tags(AutotagOption::None)
        .update_fetchhead(false)
        .depth(depth);
    // A release's tag has only letters, digits, '.', '-' and '+'.
    let refspec = format!("+refs/tags/{tag}:refs/tags/{tag}");
    let result = repository
        .remote_anonymous(url)
        .and_then(|mut remote| remote.fetch(&[refspec], Some(&mut options), None));
    drop(options);
    match exceeded {
        Some(error) => Err(error),
        None => result.map_err(GitError::Fetch),
    }
}
