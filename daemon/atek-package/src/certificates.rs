//! Whom the children trust: the system's authorities, and those that administrators added.

use crate::npm::HOME_FOLDER;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The system's authorities (update-ca-certificates(8)).
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Variables that name such a file: of OpenSSL, Node and git.
const VARIABLES: [&str; 3] = ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"];

fn file(staging: &Path) -> PathBuf {
    staging.join(HOME_FOLDER).join("certificates.pem")
}

/// Writes the authorities of both kinds into the home folder; none where there are no further
/// ones.
pub(crate) fn write(staging: &Path, added: &str) -> io::Result<()> {
    if added.is_empty() {
        return Ok(());
    }
    let system = std::env::var_os("SSL_CERT_FILE").map_or_else(|| SYSTEM.into(), PathBuf::from);
    let mut all = match fs::read_to_string(system) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        read => read.unwrap_or_default(),
    };
    all.push('\n');
    all.push_str(added);
    fs::write(file(staging), all)
}

/// What leads the children there.
pub(crate) fn variables(staging: &Path) -> Vec<(&'static str, PathBuf)> {
    let file = file(staging);
    if !file.exists() {
        return Vec::new();
    }
    VARIABLES.map(|name| (name, file.clone())).into()
}
