//! What systemd hands the unit in files that only its user reads.

use anyhow::Context as _;
use atek_api::secret::Secret;
use atek_api::spec::paths::{CONFIG_CREDENTIAL, TOKEN_CREDENTIAL};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Both credentials of a service.
#[derive(Debug)]
pub(crate) struct Credentials {
    /// Proves to atekd who is calling.
    pub(crate) token: Secret,
    /// The service's configuration: names and values of environment variables.
    pub(crate) config: BTreeMap<String, Secret>,
}

/// Reads them from the folder that systemd names.
pub(crate) fn read() -> anyhow::Result<Credentials> {
    read_from(&folder()?)
}

/// Reads the configuration of a process that has no token.
pub(crate) fn read_config() -> anyhow::Result<BTreeMap<String, Secret>> {
    config_from(&folder()?)
}

fn folder() -> anyhow::Result<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY")
        .map(PathBuf::from)
        .context("CREDENTIALS_DIRECTORY is not set: this program runs in a unit of atek-spawnd")
}

fn text(folder: &Path, name: &str) -> anyhow::Result<String> {
    let path = folder.join(name);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn config_from(folder: &Path) -> anyhow::Result<BTreeMap<String, Secret>> {
    // The text may hold secrets: the parser's message, which quotes it, is not shown.
    serde_json::from_str(&text(folder, CONFIG_CREDENTIAL)?)
        .ok()
        .context("the configuration is not an object of texts")
}

fn read_from(folder: &Path) -> anyhow::Result<Credentials> {
    let token = Secret::new(text(folder, TOKEN_CREDENTIAL)?.trim_end());
    anyhow::ensure!(!token.expose().is_empty(), "the token is empty");
    let config = config_from(folder)?;
    Ok(Credentials { token, config })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_files(token: &str, config: &str) -> anyhow::Result<Credentials> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), token).unwrap();
        std::fs::write(folder.path().join("config"), config).unwrap();
        read_from(folder.path())
    }

    #[test]
    fn the_token_is_a_line_and_the_configuration_an_object() {
        let read = read_files("t0ken\n", r#"{"GREETING":"hello\nworld"}"#).unwrap();
        assert_eq!(read.token.expose(), "t0ken");
        assert_eq!(read.config["GREETING"].expose(), "hello\nworld");
    }

    #[test]
    fn a_missing_or_odd_credential_is_an_error_that_does_not_show_it() {
        assert!(read_from(Path::new("/nonexistent")).is_err());
        assert!(read_files("\n", "{}").is_err());
        let error = read_files("t", r#"{"PASSWORD": ["hunter2"]}"#).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
