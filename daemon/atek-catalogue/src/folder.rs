//! The folder of a catalogue: reading recipes, making an index, verifying it.
//!
//! Everything read is bounded, and no link is followed.

use crate::recipe::{self, Files};
use crate::signature::{self, PublicKey, SignatureError};
use atek_api::catalogue::{Entry, Index, Name};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The index.
pub const INDEX: &str = "index.json";
/// Its signature.
pub const SIGNATURE: &str = "index.json.minisig";
/// The title, for `atek catalogue index`.
pub const ABOUT: &str = "catalogue.json";
/// The recipes' folder.
pub const RECIPES: &str = "recipes";
/// The format that this program reads.
pub const FORMAT: u32 = 1;

/// Bytes of the largest index.
const INDEX_MAX: u64 = 4 << 20;
/// Bytes of the largest signature, and of the file with the title.
const SMALL_MAX: u64 = 4 << 10;
/// Bytes and files of the largest recipe.
const RECIPE_MAX: u64 = 4 << 20;
const RECIPE_FILES: usize = 100;
/// How deep the folders of a recipe may be.
const DEPTH: usize = 8;
/// The most recipes of a catalogue.
const RECIPES_MAX: usize = 1_000;

/// Why a catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A link, a device, or a name that is not UTF-8.
    #[error("{} is neither a file nor a folder with a plain name", .0.display())]
    Special(PathBuf),
    /// Too much of something.
    #[error("{} is larger than a catalogue may be", .0.display())]
    TooLarge(PathBuf),
    /// Not JSON of this format.
    #[error("{} cannot be understood", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// An index of a later Atek.
    #[error("the catalogue has the format {0}, which this version of Atek does not know")]
    Format(u32),
    /// The name of a recipe's folder.
    #[error("the recipe {0:?} needs a name of a-z, 0-9 and '-' that begins with a letter")]
    Name(String),
    /// What is wrong with a recipe.
    #[error("the recipe {name} breaks the rules: {}", problems.join("; "))]
    Recipe {
        /// Which.
        name: Name,
        /// A sentence each.
        problems: Vec<String>,
    },
    /// The index does not list what is there.
    #[error("the recipe {name} is not as the index says: {what}")]
    Differs {
        /// Which.
        name: Name,
        /// In which way.
        what: String,
    },
    /// The signature is missing or not right.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

#[derive(Deserialize)]
struct About {
    title: String,
}

/// Reads the files of a recipe's folder.
///
/// # Errors
///
/// [`FolderError`]: more or other things than a recipe may hold.
pub fn read_files(folder: &Path) -> Result<Files, FolderError> {
    let mut files = Files::new();
    let mut left = RECIPE_MAX;
    collect(folder, "", 0, &mut files, &mut left)?;
    Ok(files)
}

fn collect(
    folder: &Path,
    below: &str,
    depth: usize,
    files: &mut Files,
    left: &mut u64,
) -> Result<(), FolderError> {
    for (name, path, is_folder) in entries(folder)? {
        let inside = format!("{below}{name}");
        if is_folder {
            if depth == DEPTH {
                return Err(FolderError::TooLarge(path));
            }
            collect(&path, &format!("{inside}/"), depth + 1, files, left)?;
            continue;
        }
        let content = read(&path, *left)?;
        *left -= content.len() as u64;
        files.insert(inside, content);
        if files.len() > RECIPE_FILES {
            return Err(FolderError::TooLarge(folder.to_owned()));
        }
    }
    Ok(())
}

/// The SHA-256 of a recipe: of its files' names and their own SHA-256.
#[must_use]
pub fn digest(files: &Files) -> String {
    let mut all = Sha256::new();
    for (path, content) in files {
        all.update(format!(
            "{path}\0{}\n",
            hex::encode(Sha256::digest(content))
        ));
    }
    hex::encode(all.finalize())
}

/// Name, path and whether it is a folder, of everything in a folder.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf, bool)>, FolderError> {
    let failed = |source| FolderError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        let name = entry.file_name().into_string();
        match name {
            Ok(name) if kind.is_file() || kind.is_dir() => found.push((name, path, kind.is_dir())),
            _ => return Err(FolderError::Special(path)),
        }
        if found.len() > RECIPES_MAX {
            return Err(FolderError::TooLarge(folder.to_owned()));
        }
    }
    found.sort();
    Ok(found)
}

/// A regular file of at most so many bytes.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, FolderError> {
    let failed = |source| FolderError::Read {
        path: path.to_owned(),
        source,
    };
    // A pipe would keep the reader waiting.
    if !path.symlink_metadata().map_err(failed)?.is_file() {
        return Err(FolderError::Special(path.to_owned()));
    }
    let mut content = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(most.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(failed)?;
    if content.len() as u64 > most {
        return Err(FolderError::TooLarge(path.to_owned()));
    }
    Ok(content)
}

fn parse<T: serde::de::DeserializeOwned>(path: PathBuf, text: &[u8]) -> Result<T, FolderError> {
    serde_json::from_slice(text).map_err(|source| FolderError::Parse { path, source })
}

/// Lists the recipes of a catalogue's folder, in the order of their names.
///
/// # Errors
///
/// [`FolderError`].
pub fn recipes(folder: &Path) -> Result<Vec<(Name, PathBuf)>, FolderError> {
    let mut found = Vec::new();
    for (name, path, is_folder) in entries(&folder.join(RECIPES))? {
        if !is_folder {
            return Err(FolderError::Special(path));
        }
        let name = name.parse().map_err(|_| FolderError::Name(name))?;
        found.push((name, path));
    }
    Ok(found)
}

/// Makes the index of a catalogue's folder. The serial is that of the index that is there, and
/// one more if the content has changed.
///
/// # Errors
///
/// [`FolderError`]: a recipe breaks the rules.
pub fn make_index(folder: &Path) -> Result<Index, FolderError> {
    let about = folder.join(ABOUT);
    let title = parse::<About>(about.clone(), &read(&about, SMALL_MAX)?)?.title;
    let mut entries = BTreeMap::new();
    for (name, path) in recipes(folder)? {
        let entry = entry(&name, &read_files(&path)?)?;
        entries.insert(name, entry);
    }
    let before = match read_index(folder) {
        Ok((_, index)) => Some(index),
        Err(FolderError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let serial = before.as_ref().map_or(1, |index| index.serial);
    let mut index = Index {
        format: FORMAT,
        title,
        serial,
        recipes: entries,
    };
    if before.is_some_and(|before| before != index) {
        index.serial += 1;
    }
    Ok(index)
}

fn entry(name: &Name, files: &Files) -> Result<Entry, FolderError> {
    let checked = recipe::read(files).map_err(|problems| FolderError::Recipe {
        name: name.clone(),
        problems,
    })?;
    let digests = files.iter();
    let digests =
        digests.map(|(path, content)| (path.clone(), hex::encode(Sha256::digest(content))));
    Ok(Entry {
        recipe: checked.recipe,
        permissions: checked.permissions,
        files: digests.collect(),
    })
}

fn read_index(folder: &Path) -> Result<(Vec<u8>, Index), FolderError> {
    let path = folder.join(INDEX);
    let text = read(&path, INDEX_MAX)?;
    let index: Index = parse(path, &text)?;
    if index.format != FORMAT {
        return Err(FolderError::Format(index.format));
    }
    if index.recipes.len() > RECIPES_MAX {
        return Err(FolderError::TooLarge(folder.join(INDEX)));
    }
    Ok((text, index))
}

/// Reads the index of a catalogue's folder and checks that it is signed with `key`, that its
/// recipes keep the rules, and that the folder holds what it lists. Without a key, the folder is
/// believed, as the one that came with the system.
///
/// # Errors
///
/// [`FolderError`]; nothing of the catalogue may be used.
pub fn verify(folder: &Path, key: Option<&PublicKey>) -> Result<Index, FolderError> {
    if let Some(key) = key {
        // Before anything of it is parsed.
        let text = read(&folder.join(INDEX), INDEX_MAX)?;
        let signature = read(&folder.join(SIGNATURE), SMALL_MAX)?;
        let signature = std::str::from_utf8(&signature).map_err(|_| SignatureError::Form)?;
        signature::verify(&text, signature, key)?;
    }
    let (_, index) = read_index(folder)?;
    for (name, listed) in &index.recipes {
        let path = folder.join(RECIPES).join(name.as_str());
        let there = entry(name, &read_files(&path)?)?;
        if there == *listed {
            continue;
        }
        let changed = |path: &&String| there.files.get(*path) != listed.files.get(*path);
        let path = there.files.keys().chain(listed.files.keys()).find(changed);
        let what = match path {
            Some(path) => format!("{path} differs"),
            None => "its description differs from recipe.json or atek.json".to_owned(),
        };
        return Err(FolderError::Differs {
            name: name.clone(),
            what,
        });
    }
    Ok(index)
}

/// A picture of a recipe, from a folder that was verified: its content and media type.
#[must_use]
pub fn picture(folder: &Path, name: &Name, path: &str) -> Option<(Vec<u8>, &'static str)> {
    let path = folder.join(RECIPES).join(name.as_str()).join(path);
    let content = read(&path, recipe::SCREENSHOT_MAX as u64).ok()?;
    let kind = crate::picture::media_type(&content).ok()?;
    Some((content, kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn catalogue() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let recipe = folder.path().join("recipes/files");
        fs::create_dir_all(&recipe).unwrap();
        for (path, content) in recipe::tests::good() {
            fs::write(recipe.join(path), content).unwrap();
        }
        fs::write(folder.path().join(ABOUT), r#"{ "title": "Ours" }"#).unwrap();
        publish(folder.path());
        folder
    }

    fn publish(folder: &Path) -> Index {
        let index = make_index(folder).unwrap();
        fs::write(folder.join(INDEX), serde_json::to_vec(&index).unwrap()).unwrap();
        index
    }

    #[test]
    fn the_serial_rises_with_each_change() {
        let folder = catalogue();
        assert_eq!(publish(folder.path()).serial, 1);
        fs::write(folder.path().join("recipes/files/more.txt"), "x").unwrap();
        assert_eq!(publish(folder.path()).serial, 2);
        assert_eq!(publish(folder.path()).serial, 2);
    }

    #[test]
    fn a_file_that_the_index_does_not_list_like_this_is_found() {
        for (change, expected) in [
            ("write atek.json", "atek.json differs"),
            ("add", "more.txt differs"),
            ("remove", "icon.svg"),
            ("link", "neither a file"),
            ("index", "its description differs"),
        ] {
            let folder = catalogue();
            let recipe = folder.path().join("recipes/files");
            assert_eq!(verify(folder.path(), None).unwrap().title, "Ours");
            match change {
                "write atek.json" => fs::write(recipe.join("atek.json"), "{}").unwrap(),
                "add" => fs::write(recipe.join("more.txt"), "x").unwrap(),
                "remove" => fs::remove_file(recipe.join("icon.svg")).unwrap(),
                "link" => symlink("/etc/passwd", recipe.join("link")).unwrap(),
                _ => {
                    let mut index = make_index(folder.path()).unwrap();
                    let entry = index.recipes.values_mut().next().unwrap();
                    entry.permissions = Default::default();
                    fs::write(
                        folder.path().join(INDEX),
                        serde_json::to_vec(&index).unwrap(),
                    )
                    .unwrap();
                }
            }
            let error = verify(folder.path(), None).unwrap_err().to_string();
            assert!(error.contains(expected), "{change}: {error}");
        }
    }

    #[test]
    fn an_index_without_its_signature_is_not_even_parsed() {
        let folder = catalogue();
        let key = include_str!("../tests/minisign.pub.txt").parse().unwrap();
        let missing = verify(folder.path(), Some(&key)).unwrap_err().to_string();
        assert!(missing.contains(SIGNATURE), "{missing}");
        let other = include_str!("../tests/index.json.minisig");
        fs::write(folder.path().join(SIGNATURE), other).unwrap();
        fs::write(folder.path().join(INDEX), "{").unwrap();
        let wrong = verify(folder.path(), Some(&key)).unwrap_err();
        assert!(
            matches!(wrong, FolderError::Signature(SignatureError::Wrong)),
            "{wrong}"
        );
    }

    #[test]
    fn a_later_format_is_said_to_be_one() {
        let folder = catalogue();
        let later = r#"{ "format": 2, "title": "x", "serial": 9, "recipes": {} }"#;
        fs::write(folder.path().join(INDEX), later).unwrap();
        let error = verify(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains("format 2"), "{error}");
    }
}
