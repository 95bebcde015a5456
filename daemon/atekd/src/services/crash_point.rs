//! Places between two steps that must survive a crash.
//!
//! In a debug build, `ATEK_FAULT=NAME:kill` ends the process at the crash point NAME, so that a
//! test sees what is left. A release build does not read the variable.

/// Marks a crash point.
#[cfg(debug_assertions)]
pub(super) fn reached(name: &str) {
    use std::sync::LazyLock;
    static NAME: LazyLock<Option<String>> = LazyLock::new(|| {
        let fault = std::env::var("ATEK_FAULT").ok()?;
        fault.strip_suffix(":kill").map(ToOwned::to_owned)
    });
    if NAME.as_deref() == Some(name) {
        tracing::error!(name, "ending at this crash point, as ATEK_FAULT says");
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
    }
}

/// Marks a crash point, which a release build passes.
#[cfg(not(debug_assertions))]
pub(super) fn reached(_name: &str) {}
