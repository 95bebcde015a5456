//! Where things lie: the checkout, the cache, the results.

use std::path::{Path, PathBuf};

/// The top of the checkout that this crate was built from.
#[must_use]
pub fn repository() -> &'static Path {
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
