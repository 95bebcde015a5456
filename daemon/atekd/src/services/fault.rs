//! Places where a test ends this process, to see what is left (`ATEK_FAULT=tag:kill`).
//!
//! The tag is a place's name. Without the variable a place costs a comparison.

use std::sync::LazyLock;

static TAG: LazyLock<Option<String>> = LazyLock::new(|| {
    let fault = std::env::var("ATEK_FAULT").ok()?;
    fault.strip_suffix(":kill").map(ToOwned::to_owned)
});

/// A place between two steps that must survive a crash.
pub(super) fn point(tag: &str) {
    if TAG.as_deref() == Some(tag) {
        tracing::error!(tag, "ending here, as ATEK_FAULT says");
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
    }
}
