//! Where things lie: the checkout, the build output, the cache.

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};

/// The top of the checkout that this crate was built from.
#[must_use]
pub fn repository() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// The folder for what is made once and kept: `$ATEK_CACHE`, else `.cache` in the checkout.
#[must_use]
pub fn cache() -> PathBuf {
    std::env::var_os("ATEK_CACHE").map_or_else(|| repository().join(".cache"), PathBuf::from)
}

/// The folder for what a run leaves for people to read (console logs, journals).
#[must_use]
pub fn output() -> PathBuf {
    repository().join("out")
}

/// The folder of one built program, e.g. `target/debug/atekd`.
///
/// The profile is that of the running test, unless `$ATEK_PROFILE` (`dev` or `release`) says
/// otherwise.
///
/// # Errors
///
/// When the program is not built; the message names the command that builds it.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the running program's file")?;
    let own_dir = own.parent().context("the running program has no folder")?;
    // Test binaries lie in `target/PROFILE/deps`, programs in `target/PROFILE`.
    let own_profile = if own_dir.ends_with("deps") {
        own_dir.parent().unwrap_or(own_dir)
    } else {
        own_dir
    };
    let (dir, flag) = match std::env::var("ATEK_PROFILE").ok().as_deref() {
        None | Some("") => (own_profile.to_owned(), ""),
        Some("dev") => (own_profile.with_file_name("debug"), ""),
        Some("release") => (own_profile.with_file_name("release"), " --release"),
        Some(other) => bail!("ATEK_PROFILE must be dev or release, not {other:?}"),
    };
    let file = dir.join(name);
    if !file.is_file() {
        bail!(
            "{} is not built: run `cargo build{flag} --bin {name}`, or ./tests/run",
            file.display()
        );
    }
    Ok(file)
}

/// The harness's own helper, `atek-machine`, of the same build as the running test.
///
/// # Errors
///
/// When it is not built.
pub(crate) fn helper() -> anyhow::Result<PathBuf> {
    fixture_program("atek-machine")
}

/// A program of the tests' own crate, of the same build as the running test whatever
/// `$ATEK_PROFILE` says.
///
/// # Errors
///
/// When it is not built.
pub fn fixture_program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the running program's file")?;
    let beside = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file());
    beside.with_context(|| {
        format!("{name} is not built: run `cargo build -p atek-tests --bins`, or ./tests/run")
    })
}
