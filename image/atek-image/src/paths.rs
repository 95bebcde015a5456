//! Where things lie: the checkout, the cache, the results.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The checkout, once it is known.
static CHECKOUT: OnceLock<PathBuf> = OnceLock::new();

/// A file that only a checkout has.
const MARK: &str = "image/layout.toml";

/// Takes the files of `folder`, wherever this program lies. Counts when it comes before the first
/// use.
///
/// # Errors
///
/// With a sentence when the folder is no checkout.
pub fn use_checkout(folder: &Path) -> Result<(), String> {
    let folder = folder
        .canonicalize()
        .ok()
        .filter(|folder| is_checkout(folder));
    let folder = folder.ok_or_else(|| format!("this is no checkout of Atek: it has no {MARK}"))?;
    CHECKOUT
        .set(folder)
        .map_err(|_| "the checkout is in use already".to_owned())
}

/// The top of the checkout: the one that [`use_checkout`] named, else the one that this program or
/// the working folder lies in, else the one that it was compiled in.
#[must_use]
pub fn repository() -> &'static Path {
    CHECKOUT.get_or_init(|| {
        let program = std::env::current_exe().ok();
        let working = std::env::current_dir().ok();
        find(
            [program.as_deref(), working.as_deref()]
                .into_iter()
                .flatten(),
        )
        .unwrap_or_else(|| compiled_in().to_owned())
    })
}

fn find<'a>(places: impl Iterator<Item = &'a Path>) -> Option<PathBuf> {
    places
        .flat_map(Path::ancestors)
        .find(|folder| is_checkout(folder))
        .map(Path::to_owned)
}

fn is_checkout(folder: &Path) -> bool {
    folder.join(MARK).is_file()
}

fn compiled_in() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own)
}

/// The folder for what is made once and kept: `$ATEK_CACHE`, else `.cache` in the checkout.
#[must_use]
pub fn cache() -> PathBuf {
    std::env::var_os("ATEK_CACHE").map_or_else(|| repository().join(".cache"), PathBuf::from)
}

/// The folder for results.
#[must_use]
pub fn output() -> PathBuf {
    repository().join("out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_is_found_from_a_program_that_was_moved_within_it() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("elsewhere/bin/atek-image");
        std::fs::create_dir_all(folder.path().join("image")).unwrap();
        assert_eq!(find([program.as_path()].into_iter()), None);
        std::fs::write(folder.path().join(MARK), "").unwrap();
        assert_eq!(
            find([program.as_path()].into_iter()),
            Some(folder.path().to_owned())
        );
    }

    #[test]
    fn a_folder_that_is_no_checkout_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = use_checkout(folder.path()).unwrap_err();
        assert!(refused.contains("image/layout.toml"), "{refused}");
    }
}
