//! Measures a folder and checks that nothing in it leads out.
//!
//! Links are never followed.

use crate::text::clean_line;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// What a folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    /// Bytes of all files.
    pub(crate) bytes: u64,
    /// Files, links and folders.
    pub(crate) files: u64,
}

/// How much it may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    pub(crate) bytes: u64,
    pub(crate) files: u64,
}

/// What is wrong with a folder.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TreeError {
    #[error("cannot look at {path:?}")]
    Inspect {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("more than {} bytes of files", .0)]
    Bytes(u64),
    #[error("more than {} files", .0)]
    Files(u64),
    #[error(
        "the link {path:?} points to {target:?}, which is not inside the package or goes there by detours; a link must be relative, with \"..\" only at its start"
    )]
    Link { path: String, target: String },
    #[error("{0:?} is neither a file, a folder nor a link")]
    Special(String),
    #[error("{0:?} has a name that no package may have: not UTF-8, or with control characters")]
    Name(String),
}

impl Usage {
    /// Counts one more thing.
    pub(crate) fn add(&mut self, bytes: u64, quota: Quota) -> Result<(), TreeError> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.files += 1;
        if self.bytes > quota.bytes {
            return Err(TreeError::Bytes(quota.bytes));
        }
        if self.files > quota.files {
            return Err(TreeError::Files(quota.files));
        }
        Ok(())
    }
}

/// Measures `folder` while others may be changing it.
pub(crate) fn measure(folder: &Path, quota: Quota) -> Result<Usage, TreeError> {
    walk(folder, quota, |_, _| Ok(()))
}

/// Measures `folder` and checks every name, type and link in it.
pub(crate) fn check(folder: &Path, quota: Quota) -> Result<Usage, TreeError> {
    walk(folder, quota, |path, metadata| {
        let inside = path.strip_prefix(folder).unwrap_or(path);
        check_name(inside.file_name().unwrap_or_default().as_bytes())
            .then_some(())
            .ok_or_else(|| TreeError::Name(shown(inside)))?;
        let kind = metadata.file_type();
        if kind.is_symlink() {
            let target = fs::read_link(path).map_err(|source| TreeError::Inspect {
                path: shown(inside),
                source,
            })?;
            let depth = inside.components().count().saturating_sub(1);
            if !link_stays_inside(depth, &target) {
                return Err(TreeError::Link {
                    path: shown(inside),
                    target: shown(&target),
                });
            }
        } else if !kind.is_file() && !kind.is_dir() {
            return Err(TreeError::Special(shown(inside)));
        }
        Ok(())
    })
}

fn walk(
    folder: &Path,
    quota: Quota,
    mut visit: impl FnMut(&Path, &fs::Metadata) -> Result<(), TreeError>,
) -> Result<Usage, TreeError> {
    let mut usage = Usage::default();
    let mut open: Vec<PathBuf> = vec![folder.to_path_buf()];
    while let Some(current) = open.pop() {
        let look = |source| TreeError::Inspect {
            path: shown(current.strip_prefix(folder).unwrap_or(&current)),
            source,
        };
        let entries = match fs::read_dir(&current) {
            // It went away since its parent was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound && current != folder => continue,
            other => other.map_err(look)?,
        };
        for entry in entries {
            let entry = entry.map_err(look)?;
            let metadata = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(look)?,
            };
            let path = entry.path();
            visit(&path, &metadata)?;
            usage.add(
                if metadata.is_file() {
                    metadata.size()
                } else {
                    0
                },
                quota,
            )?;
            if metadata.is_dir() {
                open.push(path);
            }
        }
    }
    Ok(usage)
}

/// Whether a file may be called so, in any file system and list of a person.
pub(crate) fn check_name(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|text| {
        !matches!(text, "" | "." | "..")
            && text.len() <= 255
            && !text.contains('/')
            && !text.contains(char::is_control)
    })
}

/// Whether a link that stands `depth` folders below the top stays inside.
///
/// `..` only at the start: behind the name of another link it would lead to that
/// link's parent, wherever that is. With this rule every link that is reached stays
/// inside by itself, so a chain of them does, too.
pub(crate) fn link_stays_inside(depth: usize, target: &Path) -> bool {
    let mut up = 0;
    let mut down = false;
    for component in target.components() {
        match component {
            Component::ParentDir if down => return false,
            Component::ParentDir => up += 1,
            Component::Normal(_) => down = true,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    up <= depth && (up > 0 || down)
}

/// A path as a message may show it.
pub(crate) fn shown(path: &Path) -> String {
    clean_line(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::symlink;

    const LARGE: Quota = Quota {
        bytes: 1 << 40,
        files: 1 << 20,
    };

    #[test]
    fn links_stay_inside() {
        for (depth, target, expected) in [
            (0, "a", true),
            (0, "./a/b", true),
            (1, "../a", true),
            (2, "../../a", true),
            (1, "..", true),
            (0, "..", false),
            (0, "../a", false),
            (1, "../../a", false),
            (0, "/etc/passwd", false),
            (0, "", false),
            (0, ".", false),
            (3, "a/../b", false),
            (0, "a/..", false),
        ] {
            assert_eq!(
                link_stays_inside(depth, Path::new(target)),
                expected,
                "{depth} {target}"
            );
        }
    }

    #[test]
    fn a_folder_is_measured_and_its_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::write(top.join("a/b/file"), "12345").unwrap();
        symlink("../..", top.join("a/b/up")).unwrap();
        assert_eq!(check(top, LARGE).unwrap(), Usage { bytes: 5, files: 4 });
        assert!(matches!(
            measure(top, Quota { bytes: 4, ..LARGE }),
            Err(TreeError::Bytes(4))
        ));
        assert!(matches!(
            measure(top, Quota { files: 3, ..LARGE }),
            Err(TreeError::Files(3))
        ));
    }

    #[test]
    fn what_a_build_must_not_leave_is_found() {
        type Make = fn(&Path);
        let bad: [(&str, Make); 4] = [
            ("points to \"/etc\"", |top| {
                symlink("/etc", top.join("x")).unwrap()
            }),
            ("points to \"../..\"", |top| {
                symlink("../..", top.join("d/x")).unwrap()
            }),
            ("neither a file", |top| {
                nix::unistd::mkfifo(&top.join("x"), nix::sys::stat::Mode::S_IRWXU).unwrap();
            }),
            ("has a name", |top| fs::write(top.join("a\nb"), "").unwrap()),
        ];
        for (words, make) in bad {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("d")).unwrap();
            make(folder.path());
            let error = check(folder.path(), LARGE).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    proptest! {
        /// The kernel is the judge: whatever links a tree has, if each of them is
        /// admitted, no path through any of them leaves the tree.
        #[test]
        fn no_chain_of_admitted_links_leads_out(
            links in prop::collection::vec(
                ("[abc](/[abc]){0,2}", "(\\.\\./){0,3}([abc]|[abc]/[abc]|[abc]/\\.\\.|\\.\\.)"), 1..8)
        ) {
            let outer = tempfile::tempdir().unwrap();
            let top = outer.path().canonicalize().unwrap().join("top");
            for folder in ["a/b/c", "b/a", "c"] {
                fs::create_dir_all(top.join(folder)).unwrap();
            }
            for (place, target) in &links {
                let place = Path::new(place);
                let parent = top.join(place).parent().unwrap().to_path_buf();
                // Only real folders hold links: that is where the walk gets to.
                if parent.canonicalize().ok() != Some(parent) {
                    continue;
                }
                if link_stays_inside(place.components().count() - 1, Path::new(target)) {
                    let _ = symlink(target, top.join(place));
                }
            }
            prop_assert!(check(&top, LARGE).is_ok());
            for path in ["a", "b", "c", "a/a", "a/b", "a/b/c", "b/a/b", "a/b/c/a", "c/c/c", "a/b/a/b/a"] {
                if let Ok(real) = top.join(path).canonicalize() {
                    prop_assert!(real.starts_with(&top), "{path} is {}", real.display());
                }
            }
        }
    }
}
