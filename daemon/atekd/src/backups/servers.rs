//! Passwords of servers with backups, in a file of their own: what is decided about backups is
//! shown to administrators, and they are not.

use super::{BackupError, Backups, home};
use atek_api::backup::{Failure, FailureCode, Protocol, ServerLogin, ServerUrl, Target};
use atek_api::secret::Secret;
use atek_files::write_atomic;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

pub(super) const FILE: &str = "backup-servers.json";
/// Bytes of the longest password: a private key of RSA.
const LONGEST: usize = 16 << 10;

type Known = BTreeMap<ServerUrl, Secret>;

fn read(state: &Path) -> Known {
    let Ok(text) = fs::read(state.join(FILE)) else {
        return Known::new();
    };
    serde_json::from_slice(&text).unwrap_or_else(|_| {
        tracing::error!("the passwords of the servers with backups cannot be understood");
        Known::new()
    })
}

fn write(state: &Path, known: &Known) -> Result<(), BackupError> {
    let text = serde_json::to_vec(known).map_err(|_| BackupError::Malformed)?;
    Ok(write_atomic(&state.join(FILE), &text, 0o600)?)
}

/// The password that was given for a server.
pub(super) fn password(state: &Path, target: &Target) -> Option<Secret> {
    match target {
        Target::Server { url, .. } => read(state).remove(url),
        _ => None,
    }
}

/// Remembers the password of a server, beside that of the target until now.
pub(super) fn remember(
    state: &Path,
    target: &Target,
    password: Option<&Secret>,
) -> Result<(), BackupError> {
    let (Target::Server { url, .. }, Some(password)) = (target, password) else {
        return Ok(());
    };
    let mut known = read(state);
    known.insert(url.clone(), password.clone());
    write(state, &known)
}

/// Forgets those of all servers but the target.
pub(super) fn forget_others(state: &Path, target: Option<&Target>) -> Result<(), BackupError> {
    let known = read(state);
    let kept: Known = known
        .iter()
        .filter(|(known, _)| matches!(target, Some(Target::Server { url, .. }) if url == *known))
        .map(|(url, password)| (url.clone(), password.clone()))
        .collect();
    match kept.len() == known.len() {
        true => Ok(()),
        false => write(state, &kept),
    }
}

impl Backups {
    /// How a job signs in to a target, none where that is no server; and the link that leads to
    /// another home.
    pub(super) fn login(
        &self,
        target: &Target,
        password: Option<&Secret>,
    ) -> Result<(Option<ServerLogin>, Option<Secret>), BackupError> {
        let Target::Server { url, .. } = target else {
            return Ok((None, None));
        };
        let password = password.cloned();
        let password = password.or_else(|| self::password(&self.state, target));
        if password
            .as_ref()
            .is_some_and(|text| text.expose().len() > LONGEST)
        {
            return Err(BackupError::Failed(Failure {
                code: FailureCode::Login,
                message: "the password of the server is too long".to_owned(),
                host_key: None,
            }));
        }
        let (password, link) = match (url.protocol(), password) {
            (Protocol::Home, secret) => {
                let (password, link) = home::parts(secret.as_ref())?;
                (Some(password), Some(link))
            }
            (_, password) => (password, None),
        };
        let login = ServerLogin {
            password,
            authorities: self.authorities.pem(),
        };
        Ok((Some(login), link))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_server_goes_to_no_other() {
        let state = tempfile::tempdir().unwrap();
        let server = |name: &str| Target::Server {
            url: format!("sftp://anna@{name}/b").parse().unwrap(),
            host_key: None,
        };
        let (old, new) = (server("old"), server("new"));
        let secret = Secret::new("hunter2");
        remember(state.path(), &old, Some(&secret)).unwrap();
        assert_eq!(password(state.path(), &old), Some(secret));
        assert_eq!(password(state.path(), &new), None);
        // Until the target is decided for, both are known.
        remember(state.path(), &new, Some(&Secret::new("other"))).unwrap();
        assert!(password(state.path(), &old).is_some());
        forget_others(state.path(), Some(&new)).unwrap();
        assert_eq!(password(state.path(), &old), None);
        assert!(password(state.path(), &new).is_some());
        let mode = fs::metadata(state.path().join(FILE)).unwrap();
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
            0o600
        );
        fs::write(state.path().join(FILE), "no json").unwrap();
        assert_eq!(password(state.path(), &new), None);
    }
}
