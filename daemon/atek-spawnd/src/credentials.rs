//! The files that systemd, as root, opens for a service and hands it.
//!
//! They stand where only root writes. If systemd opened a file of atekd's folder
//! instead, an attacker who has taken atekd over could put a link to any file there.

use crate::files::{FileError, Folder};
use crate::layout::Layout;
use atek_api::ids::ServiceKey;
use atek_api::manifest::SidecarName;
use atek_api::spec::ServiceSpec;
use atek_api::spec::paths::{self, CONFIG_CREDENTIAL, TOKEN_CREDENTIAL};
use std::fmt::Write as _;
use std::io::Read as _;

const MAX_TOKEN_BYTES: u64 = 512;

/// Why the credentials cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    #[error("there is no token for service {0}")]
    NoToken(ServiceKey),
    #[error("the token of service {0} is not a small file that only the host writes")]
    OddToken(ServiceKey),
    #[error("cannot read the token of service {0}")]
    ReadToken(ServiceKey, #[source] std::io::Error),
    #[error("cannot write the configuration as JSON")]
    Encode(#[source] serde_json::Error),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Writes a copy of the token that atekd left, and the configuration of each process.
pub(crate) fn write(layout: &Layout, spec: &ServiceSpec) -> Result<(), CredentialError> {
    let token = read_token(layout, &spec.key)?;
    let config = serde_json::to_vec(&spec.env).map_err(CredentialError::Encode)?;
    let folder =
        Folder::open(&layout.credentials)?.child_or_new(spec.key.as_str().as_ref(), 0o700)?;
    folder.write_private(TOKEN_CREDENTIAL.as_ref(), &token)?;
    folder.write_private(CONFIG_CREDENTIAL.as_ref(), &config)?;
    for sidecar in &spec.sidecars {
        let config = serde_json::to_vec(&sidecar.env).map_err(CredentialError::Encode)?;
        let file = paths::config_file(Some(&sidecar.name));
        folder.write_private(file.as_ref(), &config)?;
    }
    Ok(())
}

/// Makes the files that each process of the service will see as its `passwd` and `group`, for
/// atek-sandbox to fill, the one for the outcome of its network unit, and a link to its state:
/// systemd mounts only what is there.
pub(crate) fn make_accounts(layout: &Layout, spec: &ServiceSpec) -> Result<(), FileError> {
    let hosts = (!spec.sidecars.is_empty()).then(|| hosts(spec));
    let sidecars = spec.sidecars.iter().map(|sidecar| Some(&sidecar.name));
    for sidecar in [None].into_iter().chain(sidecars) {
        make_accounts_of(layout, spec, sidecar, hosts.as_deref())?;
    }
    Ok(())
}

fn make_accounts_of(
    layout: &Layout,
    spec: &ServiceSpec,
    sidecar: Option<&SidecarName>,
    hosts: Option<&str>,
) -> Result<(), FileError> {
    let name = paths::process(&spec.key, sidecar);
    let folder = Folder::open(&layout.accounts)?.child_or_new(name.as_ref(), 0o755)?;
    for name in ["passwd", "group"].map(str::as_ref) {
        if !spec.root {
            folder.make_file(name, 0o664)?;
            folder.set_group_of(name, layout.apps)?;
            continue;
        }
        // Its programs look up the users of their image, and may write below `/run`.
        match folder.remove_file(name) {
            Err(error) if !error.is_missing() => return Err(error),
            _ => {}
        }
    }
    // Readable by all, as are the two others.
    for (name, text) in [(paths::NETWORK_OUTCOME, Some("")), ("hosts", hosts)] {
        if let Some(text) = text {
            folder.write_private(name.as_ref(), text.as_bytes())?;
            folder.make_file(name.as_ref(), 0o644)?;
        }
    }
    // The place of the service's state where its key is not known: in a container image.
    let state = paths::process_state(&spec.key, sidecar);
    match folder.make_link(paths::STATE_LINK.as_ref(), &state) {
        Err(error) if !error.is_present() => Err(error),
        _ => Ok(()),
    }
}

/// By which the processes of one service find each other: all listen on the loopback.
fn hosts(spec: &ServiceSpec) -> String {
    let mut text = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
    for sidecar in &spec.sidecars {
        // Writing to a string does not fail.
        let _ = writeln!(text, "127.0.0.1 {}", sidecar.name);
    }
    text
}

fn read_token(layout: &Layout, key: &ServiceKey) -> Result<Vec<u8>, CredentialError> {
    let file = match Folder::open(&layout.tokens)?.open_file(key.as_str().as_ref()) {
        Err(error) if error.is_missing() => return Err(CredentialError::NoToken(key.clone())),
        opened => opened?,
    };
    let failed = |source| CredentialError::ReadToken(key.clone(), source);
    let about = file.metadata().map_err(failed)?;
    let is_atekds = {
        use std::os::unix::fs::MetadataExt as _;
        about.is_file() && about.uid() == layout.host.uid.as_raw() && about.nlink() == 1
    };
    if !is_atekds || about.len() > MAX_TOKEN_BYTES {
        return Err(CredentialError::OddToken(key.clone()));
    }
    let mut token = Vec::new();
    file.take(MAX_TOKEN_BYTES)
        .read_to_end(&mut token)
        .map_err(failed)?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::temporary;
    use crate::properties::tests::spec;
    use std::fs;

    #[test]
    fn a_token_is_copied_and_a_link_to_another_file_is_not() {
        let (_folder, layout) = temporary();
        let mut spec = spec();
        spec.env.insert("PASSWORD".to_owned(), "hunter2".to_owned());
        let token = layout.tokens.join(spec.key.as_str());
        assert!(matches!(
            write(&layout, &spec),
            Err(CredentialError::NoToken(_))
        ));
        fs::write(&token, "t0ken").unwrap();
        write(&layout, &spec).unwrap();
        let folder = layout.credentials.join(spec.key.as_str());
        assert_eq!(fs::read(folder.join("token")).unwrap(), b"t0ken");
        assert_eq!(
            fs::read(folder.join("config")).unwrap(),
            br#"{"PASSWORD":"hunter2"}"#
        );

        let shadow = layout.runtime.join("shadow");
        fs::rename(&token, &shadow).unwrap();
        std::os::unix::fs::symlink(&shadow, &token).unwrap();
        assert!(matches!(
            write(&layout, &spec),
            Err(CredentialError::File(_))
        ));
        fs::remove_file(&token).unwrap();
        fs::hard_link(&shadow, &token).unwrap();
        assert!(matches!(
            write(&layout, &spec),
            Err(CredentialError::OddToken(_))
        ));
        fs::remove_file(&token).unwrap();
        fs::write(&token, vec![b'x'; 600]).unwrap();
        assert!(matches!(
            write(&layout, &spec),
            Err(CredentialError::OddToken(_))
        ));
    }
}
