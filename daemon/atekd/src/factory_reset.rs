//! The request for a factory reset, which the next start of the machine carries out
//! (`atek-spawnd erase`). Once it is written down, no service starts any more.

use crate::attach::Notify;
use crate::error_chain::DisplayChain;
use crate::systemd::{Bus, Power};
use atek_api::spec::paths;
use atek_api::system::ResetRequest;
use atek_files::FileError;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The pause between two attempts to restart the machine.
const PAUSE: Duration = Duration::from_secs(10);

/// Writes it down, durably.
///
/// # Errors
///
/// [`FileError`]; nothing was asked for.
pub fn ask(state: &Path, request: &ResetRequest) -> Result<(), FileError> {
    let text = serde_json::to_vec(request).unwrap_or_default();
    atek_files::write_atomic(&state.join(paths::FACTORY_RESET_NAME), &text, 0o600)
}

/// Removes it: the machine goes on.
///
/// # Errors
///
/// [`FileError`]; the next start will reset the box.
pub fn take_back(state: &Path) -> Result<(), FileError> {
    atek_files::remove(&state.join(paths::FACTORY_RESET_NAME))
}

/// Whether the machine has not been restarted since it was asked for: a start of the machine ends
/// with the request gone, or without atekd (`units/atekd.service`).
pub fn is_asked(state: &Path) -> bool {
    state.join(paths::FACTORY_RESET_NAME).exists()
}

/// Restarts the machine for a host that was ended before it could do so. Serves nothing.
pub async fn restart(notify: &Notify, stop: CancellationToken) {
    notify.tell("READY=1\nSTATUS=The box restarts for a factory reset");
    let power = Power::new(Bus::system());
    while let Err(error) = power.reboot().await {
        tracing::error!(error = %DisplayChain(&error), "cannot restart for a factory reset");
        if stop
            .run_until_cancelled(tokio::time::sleep(PAUSE))
            .await
            .is_none()
        {
            return;
        }
    }
    stop.cancelled().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_there_until_it_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_asked(folder.path()));
        let request = ResetRequest { keep_network: true };
        ask(folder.path(), &request).unwrap();
        assert!(is_asked(folder.path()));
        let text = std::fs::read(folder.path().join(paths::FACTORY_RESET_NAME)).unwrap();
        assert_eq!(
            serde_json::from_slice::<ResetRequest>(&text).unwrap(),
            request
        );
        take_back(folder.path()).unwrap();
        assert!(!is_asked(folder.path()));
    }
}
