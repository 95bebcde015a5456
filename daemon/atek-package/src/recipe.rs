//! A package that a recipe describes: the recipe's files, over a release of a git repository
//! where the recipe names one.

use crate::error::JobError;
use crate::git::CheckedOut;
use crate::job::{check_out, staging_of};
use crate::report::Reporter;
use atek_api::catalogue::{Recipe, Upstream};
use atek_api::package::{Failure, FailureCode, PACKAGE_FOLDER, Request, Wanted};
use atek_api::source::Source;
use atek_api::version::{self, NoChoice, Release};
use atek_catalogue::folder;
use atek_catalogue::recipe::{self, Files};
use std::fs;
use std::io::Write;
use std::path::Path;

/// The one release that a recipe has.
pub(crate) fn release(folder: &Path) -> Result<Release, JobError> {
    let (recipe, _) = read(folder)?;
    Ok(release_of(&recipe))
}

fn release_of(recipe: &Recipe) -> Release {
    Release {
        tag: recipe.version.to_string(),
        version: recipe.version.clone(),
    }
}

fn read(folder: &Path) -> Result<(Recipe, Files), JobError> {
    let files = folder::read_files(folder).map_err(|error| JobError::Recipe(error.to_string()))?;
    let checked = recipe::read(&files).map_err(|problems| JobError::Recipe(problems.join("; ")))?;
    Ok((checked.recipe, files))
}

/// Makes the package of a recipe's folder, running nothing of it.
pub(crate) fn fetch<W: Write>(
    request: &Request,
    staging: &Path,
    report: &mut Reporter<W>,
) -> Result<CheckedOut, JobError> {
    let Request::Fetch {
        source: Source::RecipeFolder(folder),
        wanted,
        access,
        limits,
    } = request
    else {
        return Err(JobError::Recipe("it is no folder".to_owned()));
    };
    let (recipe, files) = read(folder)?;
    let release = choose(&recipe, wanted)?;
    let package = staging.join(PACKAGE_FOLDER);
    let warnings = match &recipe.upstream {
        Upstream::Npm { .. } => {
            fs::create_dir(&package).map_err(staging_of("make the package's folder"))?;
            Vec::new()
        }
        Upstream::Git { git, tag, commit } => {
            let below = Request::Fetch {
                source: git
                    .parse()
                    .map_err(|_| JobError::Recipe(format!("{git} is not a repository")))?,
                wanted: Wanted::Tag { tag: tag.clone() },
                access: access.without_token(),
                limits: *limits,
            };
            let below = check_out(&below, staging, report)?;
            if below.commit != *commit {
                let is = &below.commit;
                let problem = format!("{tag} of {git} is {is} now, and not {commit}");
                return Err(JobError::Recipe(problem));
            }
            below.warnings
        }
    };
    for (path, content) in &files {
        if !recipe::is_about(&recipe, path) {
            write(&package, path, content)?;
        }
    }
    Ok(CheckedOut {
        release,
        commit: folder::digest(&files),
        notes: None,
        // The catalogue's own signature covers it.
        signer: None,
        warnings,
    })
}

/// Writes a file in place of what is there, without following a link.
fn write(package: &Path, path: &str, content: &[u8]) -> Result<(), JobError> {
    let cannot = staging_of("write a file of the recipe");
    let mut at = package.to_owned();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        at.push(part);
        let is_last = parts.peek().is_none();
        match at.symlink_metadata() {
            Ok(about) if about.is_dir() && !is_last => {}
            Ok(about) if about.is_dir() => {
                return Err(JobError::Recipe(format!(
                    "{path} is a folder of the program"
                )));
            }
            Ok(_) => fs::remove_file(&at).map_err(&cannot)?,
            Err(_) => {}
        }
        if is_last {
            fs::write(&at, content).map_err(&cannot)?;
        } else if !at.is_dir() {
            fs::create_dir(&at).map_err(&cannot)?;
        }
    }
    Ok(())
}

/// The recipe's release, if it is one that is wanted.
fn choose(recipe: &Recipe, wanted: &Wanted) -> Result<Release, JobError> {
    let release = release_of(recipe);
    let chosen = match wanted {
        Wanted::Tag { tag } if *tag == release.tag => Ok(release.clone()),
        Wanted::Tag { .. } => Err(NoChoice::NoMatch),
        Wanted::Newest { range, refused } => {
            version::choose([release.tag.as_str()], range, refused)
        }
    };
    chosen.map_err(|why| {
        let message = format!("{why}: the catalogue has {}", release.tag);
        let code = match why {
            NoChoice::AllRefused => FailureCode::Refused,
            NoChoice::NoMatch | NoChoice::NoRelease => FailureCode::NoMatchingRelease,
        };
        JobError::Git(Failure { code, message })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_of_the_program_does_not_lead_the_recipes_files_elsewhere() {
        let home = tempfile::tempdir().unwrap();
        let (package, outside) = (home.path().join("package"), home.path().join("outside"));
        fs::create_dir_all(package.join("lib")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "theirs").unwrap();
        symlink(&outside, package.join("config")).unwrap();
        symlink(outside.join("file"), package.join("atek.json")).unwrap();
        write(&package, "atek.json", b"ours").unwrap();
        write(&package, "config/new", b"ours").unwrap();
        write(&package, "lib/new", b"ours").unwrap();
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"theirs");
        assert!(!outside.join("new").exists());
        for path in ["atek.json", "config/new", "lib/new"] {
            assert_eq!(fs::read(package.join(path)).unwrap(), b"ours", "{path}");
        }
        assert!(write(&package, "lib", b"ours").is_err());
    }
}
