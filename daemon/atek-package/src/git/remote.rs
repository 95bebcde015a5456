//! A repository on another machine.
//!
//! A token is offered to the https server of the repository's address alone. libgit2 verifies
//! certificates, follows a redirect of the first request only, and never one from https to http.

use super::bridge::{Bridge, Refused};
use super::error::{GitError, is_illegible};
use super::handshake;
use super::{Heartbeat, received};
use atek_api::package::{Access, FetchLimits, Phase, Reach, SourceToken};
use git2::{
    AutotagOption, Cred, Direction, ErrorClass, ErrorCode, FetchOptions, ProxyOptions, Remote,
    RemoteCallbacks, RemoteRedirect, Repository,
};
use std::path::Path;
use url::Url;

/// What a repository has.
#[derive(Debug)]
pub(super) struct Tags {
    /// The URL that answered.
    pub(super) url: String,
    /// The proxy over which it answered, if not directly.
    pub(super) bridge: Option<Bridge>,
    /// The token with which it answered.
    pub(super) token: Option<SourceToken>,
    /// Without `refs/tags/`. Those that are not UTF-8 are no releases, and left out.
    pub(super) names: Vec<String>,
}

/// Asks for the tags; where there is nothing, the same again with `.git`, as the original did.
pub(super) fn tags(url: &Url, access: &Access) -> Result<Tags, GitError> {
    match list(url, access) {
        Err(error) if error.is_not_found() && !url.path().ends_with(".git") => {
            let mut with_ending = url.clone();
            with_ending.set_path(&format!("{}.git", url.path()));
            // Of two refusals the first is about the URL that was given.
            list(&with_ending, access).map_err(|_| error)
        }
        other => other,
    }
}

/// Asks at one URL. Over a [`Bridge`] where addresses have to be checked or a token must not go
/// elsewhere, and once more where there is an answer that cannot be made out: it may be one that
/// libgit2 takes for empty.
fn list(url: &Url, access: &Access) -> Result<Tags, GitError> {
    if let Some(token) = &access.token {
        let server = (url.scheme() == "https")
            .then(|| Some((url.host_str()?, url.port_or_known_default()?)))
            .flatten();
        // In the clear, others on the way would have it.
        let (host, port) = server.ok_or(GitError::TokenInTheClear)?;
        let only = format!("{host}:{port}");
        let bridge = Bridge::only_to(only, access.reach).map_err(GitError::Bridge)?;
        return list_over(url, bridge, Some(token));
    }
    let (address, reach) = (url, access.reach);
    let url = url.as_str();
    if reach == Reach::Internet {
        let bridge = Bridge::to(url, reach).map_err(GitError::Bridge)?;
        return list_over(address, bridge, None);
    }
    let error = match list_at(url, None, None) {
        Ok(names) => {
            return Ok(Tags {
                url: url.to_owned(),
                bridge: None,
                token: None,
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
    list_over(address, bridge, None).map_err(|_| GitError::List(error))
}

fn list_over(address: &Url, bridge: Bridge, token: Option<&SourceToken>) -> Result<Tags, GitError> {
    if let Some(why) = handshake::problem(address, &bridge.proxy) {
        return Err(GitError::Certificate(why));
    }
    let url = address.as_str();
    match list_at(url, Some(&bridge), token) {
        Ok(names) => Ok(Tags {
            url: url.to_owned(),
            bridge: Some(bridge),
            token: token.cloned(),
            names,
        }),
        Err(error) => Err(failed(error, Some(&bridge), token, GitError::List)),
    }
}

/// Why a connection failed: for the bridge's reasons, the token's, or those of `other`.
fn failed(
    error: git2::Error,
    bridge: Option<&Bridge>,
    token: Option<&SourceToken>,
    other: fn(git2::Error) -> GitError,
) -> GitError {
    match bridge.and_then(Bridge::refused) {
        Some(Refused::Private(host)) => GitError::PrivateAddress(host),
        Some(Refused::Elsewhere(host)) => GitError::TokenElsewhere(host),
        None if token.is_some() && error.code() == ErrorCode::Auth => GitError::TokenRefused,
        None => other(error),
    }
}

/// Answers a server that asks who reads, once: one that asks again does not take the token.
fn answer_with<'t>(callbacks: &mut RemoteCallbacks<'t>, token: &'t SourceToken) {
    let mut asked = false;
    callbacks.credentials(move |_, _, _| {
        if std::mem::replace(&mut asked, true) {
            let refused = "the token was refused";
            return Err(git2::Error::new(ErrorCode::Auth, ErrorClass::Http, refused));
        }
        let (name, password) = token.name_and_password();
        Cred::userpass_plaintext(name, password)
    });
}

fn list_at(
    url: &str,
    bridge: Option<&Bridge>,
    token: Option<&SourceToken>,
) -> Result<Vec<String>, git2::Error> {
    let url = bridge.map_or(url, |bridge| bridge.url_for(url));
    let mut remote = Remote::create_detached(url)?;
    let callbacks = token.map(|token| {
        let mut callbacks = RemoteCallbacks::new();
        answer_with(&mut callbacks, token);
        callbacks
    });
    let connection = remote.connect_auth(Direction::Fetch, callbacks, Some(proxy(bridge)))?;
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
    if let Some(token) = &tags.token {
        answer_with(&mut callbacks, token);
    }
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
    let bridge = tags.bridge.as_ref();
    let url = bridge.map_or(tags.url.as_str(), |bridge| bridge.url_for(&tags.url));
    let result = repository
        .remote_anonymous(url)
        .and_then(|mut remote| remote.fetch(&[refspec], Some(&mut options), None));
    drop(options);
    match exceeded {
        Some(error) => Err(error),
        None => result.map_err(|error| {
            let token = tags.token.as_ref();
            failed(error, tags.bridge.as_ref(), token, GitError::Fetch)
        }),
    }
}
