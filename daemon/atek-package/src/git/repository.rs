//! A repository on disk.

use super::error::GitError;
use atek_api::package::MAX_NOTES;
use git2::{Commit, ObjectType, Oid, Repository, RepositoryOpenFlags};
use std::path::Path;

/// How a signature begins that stands behind a message (git-tag(1)).
const SIGNATURES: [&str; 2] = [
    "-----BEGIN PGP SIGNATURE-----",
    "-----BEGIN SSH SIGNATURE-----",
];
/// How many tags may stand before a commit.
const TAG_CHAIN_MAX: usize = 8;

/// Opens the repository that stands at `folder` itself, bare or not.
pub(super) fn open(folder: &Path) -> Result<Repository, GitError> {
    Repository::open_ext(
        folder,
        RepositoryOpenFlags::NO_SEARCH,
        std::iter::empty::<&Path>(),
    )
    .map_err(|error| GitError::Open(folder.to_path_buf(), error))
}

/// The names of its tags, without `refs/tags/`.
pub(super) fn tags(repository: &Repository) -> Result<Vec<String>, GitError> {
    let mut names = Vec::new();
    let listed = repository.tag_foreach(|_, name| {
        let name = std::str::from_utf8(name).ok();
        names.extend(
            name.and_then(|name| name.strip_prefix("refs/tags/"))
                .map(ToOwned::to_owned),
        );
        true
    });
    listed.map(|()| names).map_err(GitError::List)
}

/// The commit that a tag leads to, through annotated tags.
pub(super) fn commit_of_tag<'r>(
    repository: &'r Repository,
    tag: &str,
) -> Result<Commit<'r>, GitError> {
    let mut id = repository
        .refname_to_id(&format!("refs/tags/{tag}"))
        .map_err(|source| GitError::Read {
            id: tag.to_owned(),
            source,
        })?;
    for _ in 0..TAG_CHAIN_MAX {
        let object = repository
            .find_object(id, None)
            .map_err(|source| unreadable(id, source))?;
        let kind = match object.kind() {
            Some(ObjectType::Commit) => {
                return repository
                    .find_commit(id)
                    .map_err(|source| unreadable(id, source));
            }
            Some(ObjectType::Tag) => {
                let next = object.as_tag().map(git2::Tag::target_id);
                id = next.ok_or_else(|| not_a_commit(tag, "broken tag"))?;
                continue;
            }
            Some(ObjectType::Tree) => "folder",
            Some(ObjectType::Blob) => "file",
            _ => "thing of an unknown kind",
        };
        return Err(not_a_commit(tag, kind));
    }
    Err(not_a_commit(tag, "chain of tags"))
}

/// The message of an annotated tag, without a signature, control characters, or more than
/// [`MAX_NOTES`] bytes.
pub(super) fn message_of_tag(repository: &Repository, tag: &str) -> Option<String> {
    let id = repository.refname_to_id(&format!("refs/tags/{tag}")).ok()?;
    let object = repository.find_tag(id).ok()?;
    let text = String::from_utf8_lossy(object.message_bytes()?).into_owned();
    let end = SIGNATURES.iter().filter_map(|begin| text.find(begin)).min();
    let mut notes: String = text[..end.unwrap_or(text.len())]
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .collect();
    while notes.len() > MAX_NOTES {
        notes.pop();
    }
    let notes = notes.trim();
    (!notes.is_empty()).then(|| notes.to_owned())
}

fn not_a_commit(tag: &str, kind: &'static str) -> GitError {
    GitError::NotACommit {
        tag: tag.to_owned(),
        kind,
    }
}

pub(super) fn unreadable(id: Oid, source: git2::Error) -> GitError {
    GitError::Read {
        id: id.to_string(),
        source,
    }
}
