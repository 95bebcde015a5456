//! A repository on another machine.
//!
//! No credentials are ever offered. libgit2 verifies certificates, follows a redirect
//! of the first request only, and never one from https to http.

use super::bridge::Bridge;
use super::error::{GitError, is_illegible};
use super::{Heartbeat, received};
use atek_api::package::{FetchLimits, Phase, Reach};
use git2::{
    AutotagOption, Direction, FetchOptions, ProxyOptions, Remote, RemoteCallbacks, RemoteRedirect,
    Repository,
};
use std::path::Path;

/// What a repository has.
#[derive(Debug)]
pub(super) struct Tags {
    /// The URL that answered.
    pub(super) url: String,
    /// The proxy over which it answered, if not directly.
    pub(super) bridge: Option<Bridge>,
    /// Without `refs/tags/`. Those that are not UTF-8 are no releases, and left out.
    pub(super) names: Vec<String>,
}

/// Asks for the tags; where there is nothing, the same again with `.git`, as the original did.
pub(super) fn tags(url: &str, reach: Reach) -> Result<Tags, GitError> {
    match list(url, reach) {
        Err(error) if error.is_not_found() && !url.ends_with(".git") => {
            let with_ending = format!("{url}.git");
            // Of two refusals the first is about the URL that was given.
            list(&with_ending, reach).map_err(|_| error)
        }
        other => other,
    }
}

/// Asks at one URL. Over a [`Bridge`] where addresses have to be checked, and once more where
/// there is an answer that cannot be made out: it may be one that libgit2 takes for empty.
fn list(url: &str, reach: Reach) -> Result<Tags, GitError> {
    if reach == Reach::Internet {
        return list_over(url, Bridge::to(url, reach).map_err(GitError::Bridge)?);
    }
    let error = match list_at(url, None) {
        Ok(names) => {
            return Ok(Tags {
                url: url.to_owned(),
                bridge: None,
                names,
            });
        }
        Err(error) => error,
    };
    if !is_illegible(&error) || !url.starts_with("http://") || has_proxy() {
        return Err(GitError::List(error));
    }
    // Of two refusals the first is about the URL that was given.
    let bridge = Bridge::to(url, reach).map_err(GitError::Bridge)?;
    list_over(url, bridge).map_err(|_| GitError::List(error))
}

fn list_over(url: &str, bridge: Bridge) -> Result<Tags, GitError> {
    match list_at(url, Some(&bridge)) {
        Ok(names) => Ok(Tags {
            url: url.to_owned(),
            bridge: Some(bridge),
            names,
        }),
        Err(error) => Err(match bridge.refused() {
            Some(host) => GitError::PrivateAddress(host),
            None => GitError::List(error),
        }),
    }
}

fn list_at(url: &str, bridge: Option<&Bridge>) -> Result<Vec<String>, git2::Error> {
    let url = bridge.map_or(url, |bridge| &bridge.url);
    let mut remote = Remote::create_detached(url)?;
    let connection = remote.connect_auth(Direction::Fetch, None, Some(proxy(bridge)))?;
    let names = connection
        .list()?
        .iter()
        .filter_map(|head| head.name().strip_prefix("refs/tags/"))
        // The commit behind an annotated tag is listed as a name of its own.
        .filter(|name| !name.ends_with("^{}"))
        .map(ToOwned::to_owned)
        .collect();
    Ok(names)
}

/// Whether this machine reaches http over a proxy, which frames its answers itself.
fn has_proxy() -> bool {
    ["http_proxy", "HTTP_PROXY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// The bridge, or else the machine's proxy, if it has one.
fn proxy(bridge: Option<&Bridge>) -> ProxyOptions<'_> {
    let mut options = ProxyOptions::new();
    match bridge {
        Some(bridge) => options.url(&bridge.proxy),
        None => options.auto(),
    };
    options
}

/// Fetches one tag into a new bare repository, without its history where the server
/// can do that.
pub(super) fn fetch(
    tags: &Tags,
    tag: &str,
    limits: &FetchLimits,
    folder: &Path,
    pulse: &mut Heartbeat,
) -> Result<Repository, GitError> {
    let repository = Repository::init_bare(folder).map_err(GitError::Fetch)?;
    match fetch_depth(&repository, tags, tag, 1, limits, pulse) {
        Err(GitError::Fetch(error)) if error.message().contains("doesn't support shallow") => {
            fetch_depth(&repository, tags, tag, 0, limits, pulse)?;
        }
        other => other?,
    }
    Ok(repository)
}

fn fetch_depth(
    repository: &Repository,
    tags: &Tags,
    tag: &str,
    depth: i32,
    limits: &FetchLimits,
    pulse: &mut Heartbeat,
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
        .proxy_options(proxy(tags.bridge.as_ref()))
        .follow_redirects(RemoteRedirect::Initial)
        .download_tags(AutotagOption::None)
        .update_fetchhead(false)
        .depth(depth);
    // A release's tag has only letters, digits, '.', '-', '+', '@' and '/'.
    let refspec = format!("+refs/tags/{tag}:refs/tags/{tag}");
    let result = repository
        .remote_anonymous(tags.bridge.as_ref().map_or(&tags.url, |bridge| &bridge.url))
        .and_then(|mut remote| remote.fetch(&[refspec], Some(&mut options), None));
    drop(options);
    match exceeded {
        Some(error) => Err(error),
        None => result.map_err(|error| {
            let refused = tags.bridge.as_ref().and_then(Bridge::refused);
            refused.map_or(GitError::Fetch(error), GitError::PrivateAddress)
        }),
    }
}
