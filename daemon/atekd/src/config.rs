//! `config.json`: shipped defaults, what the box changed, and the command line.

use crate::layout::{Layout, SHIPPED_CONFIG};
use atek_api::ids::ServiceId;
use atek_api::secret::Secret;
use atek_files::{FileError, write_atomic};
use atek_host_model::ports::PortRange;
use atek_host_model::trusted_proxy::TrustedProxies;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A core service, as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CoreService {
    /// A built-in service (`builtin:NAME`, or one of the original's two repositories), or any
    /// source of a package.
    pub source_url: String,
    /// Default: `core.` and the last part of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ServiceId>,
    /// A semver range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_version: Option<String>,
    /// Environment of the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<BTreeMap<String, String>>,
}

/// Who may install from a folder of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AllowFileInstall {
    /// Administrators.
    #[default]
    Admin,
    /// Everybody, as the original.
    Any,
}

/// How updates of apps are looked for and tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Updates {
    /// Seconds between two looks for releases; 0 means that none are looked for.
    pub every_seconds: u64,
    /// Seconds in which a new version is watched before it is kept.
    pub probation_seconds: u64,
    /// The box's network costs money: releases are looked for only when a person asks.
    pub metered: bool,
}

impl Default for Updates {
    fn default() -> Self {
        Self {
            every_seconds: 24 * 3600,
            probation_seconds: 30,
            metered: false,
        }
    }
}

impl Updates {
    /// How long a new version is watched before it is kept.
    #[must_use]
    pub fn probation(&self) -> Duration {
        // For longer it would hold up every other operation on the service.
        const LONGEST: u64 = 3600;
        Duration::from_secs(self.probation_seconds.min(LONGEST))
    }

    /// The pause between two looks for releases; zero: none are looked for.
    #[must_use]
    pub fn every(&self) -> Duration {
        Duration::from_secs(self.every_seconds)
    }
}

/// The values in force. Unknown members of the file are kept when it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Config {
    /// The main domain.
    pub domain: String,
    /// The HTTP port that the host announces, and binds when systemd passes no socket.
    pub port: u16,
    /// The server database, once it was made.
    pub server_db_id: Option<String>,
    /// In the order of their start.
    pub core_services: Vec<CoreService>,
    /// The source of every new user's home; the empty text means none.
    pub default_main_service: String,
    /// Tokens that act as the host itself.
    pub system_auth_tokens: Vec<Secret>,
    /// See [`AllowFileInstall`].
    pub allow_file_install: AllowFileInstall,
    /// The ports that apps get, one each, such as `"8100-8199"`; null: none.
    pub app_ports: Option<PortRange>,
    /// Reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed: addresses or
    /// networks, such as `"192.168.1.2"` and `"10.0.0.0/24"`.
    pub trusted_proxies: TrustedProxies,
    /// The largest JSON-RPC request in bytes.
    pub max_request_bytes: usize,
    /// Requests that one user or service may make in a minute; 0 means any number.
    pub max_requests_per_minute: u32,
    /// The least number of characters of a password, between 8 and 64.
    pub password_min_length: usize,
    /// After how long without a call an app that may sleep is put to sleep; 0 means never.
    pub sleep_after_seconds: u64,
    /// See [`Updates`].
    pub updates: Updates,
}

impl Default for Config {
    fn default() -> Self {
        let builtin = |name: &str| CoreService {
            source_url: format!("builtin:{name}"),
            id: None,
            desired_version: None,
            config: None,
        };
        Self {
            domain: "localhost".to_owned(),
            port: 80,
            server_db_id: None,
            core_services: vec![
                builtin("adb"),
                builtin("lonestar"),
                builtin("keys"),
                builtin("hypercore"),
            ],
            default_main_service: String::new(),
            system_auth_tokens: Vec::new(),
            allow_file_install: AllowFileInstall::default(),
            app_ports: Some(PortRange::default()),
            trusted_proxies: TrustedProxies::default(),
            max_request_bytes: 8 << 20,
            max_requests_per_minute: 60_000,
            password_min_length: 8,
            sleep_after_seconds: 600,
            updates: Updates::default(),
        }
    }
}

/// What the command line overrides; not stored.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--port`.
    pub port: Option<u16>,
    /// `--domain`.
    pub domain: Option<String>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that exists cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Its content is not what it should be; the source says where.
    #[error("cannot understand {}, mend or remove it", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// The system's random generator failed.
    #[error("cannot make a system token")]
    Random,
    /// The file cannot be written.
    #[error("cannot store the configuration")]
    Write(#[from] FileError),
}

/// The configuration and the file behind it.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    /// Exactly what the file says, without defaults and overrides.
    stored: Map<String, Value>,
    /// The values in force.
    config: Config,
}

impl ConfigFile {
    /// Reads the configuration and makes a system token if there is none.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn load(layout: &Layout, overrides: &Overrides) -> Result<Self, ConfigError> {
        let path = layout.config();
        let mut stored = read(&path)?.unwrap_or_default();
        let has_token = stored
            .get("systemAuthTokens")
            .and_then(Value::as_array)
            .is_some_and(|tokens| !tokens.is_empty());
        if !has_token {
            let token = crate::random::hex::<32>().map_err(|_| ConfigError::Random)?;
            stored.insert(
                "systemAuthTokens".to_owned(),
                Value::from(vec![token.expose()]),
            );
            write(&path, &stored)?;
        }
        let shipped = Path::new(SHIPPED_CONFIG);
        let mut merged = read(shipped)?.unwrap_or_default();
        merged.extend(stored.clone());
        let mut config: Config =
            serde_json::from_value(Value::Object(merged)).map_err(|source| ConfigError::Parse {
                path: path.clone(),
                source,
            })?;
        if let Some(port) = overrides.port {
            config.port = port;
        }
        if let Some(domain) = &overrides.domain {
            config.domain.clone_from(domain);
        }
        Ok(Self {
            path,
            stored,
            config,
        })
    }

    /// The values in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What `inspect-api getConfig` shows: the values in force, without the tokens.
    #[must_use]
    pub fn shown(&self) -> Value {
        let config = &self.config;
        let mut shown = self.stored.clone();
        shown.remove("systemAuthTokens");
        shown.insert("domain".to_owned(), config.domain.clone().into());
        shown.insert("port".to_owned(), config.port.into());
        shown.insert("serverDbId".to_owned(), config.server_db_id.clone().into());
        shown.insert(
            "coreServices".to_owned(),
            serde_json::json!(config.core_services),
        );
        shown.insert(
            "defaultMainService".to_owned(),
            config.default_main_service.clone().into(),
        );
        Value::Object(shown)
    }

    /// Stores the id of the server database.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Write`].
    pub fn set_server_db_id(&mut self, id: &str) -> Result<(), ConfigError> {
        if self.stored.get("serverDbId").and_then(Value::as_str) == Some(id) {
            return Ok(());
        }
        self.stored.insert("serverDbId".to_owned(), id.into());
        self.config.server_db_id = Some(id.to_owned());
        write(&self.path, &self.stored)
    }
}

fn read(path: &Path) -> Result<Option<Map<String, Value>>, ConfigError> {
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| ConfigError::Parse {
                path: path.to_owned(),
                source,
            }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn write(path: &Path, stored: &Map<String, Value>) -> Result<(), ConfigError> {
    let mut text = serde_json::to_vec_pretty(stored).map_err(|source| ConfigError::Parse {
        path: path.to_owned(),
        source,
    })?;
    text.push(b'\n');
    // The system tokens are in it.
    Ok(write_atomic(path, &text, 0o600)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: Option<&str>) -> (tempfile::TempDir, Result<ConfigFile, ConfigError>) {
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = text {
            std::fs::write(folder.path().join("config.json"), text).unwrap();
        }
        let loaded = ConfigFile::load(&Layout::new(folder.path()), &Overrides::default());
        (folder, loaded)
    }

    #[test]
    fn a_new_host_makes_one_system_token_and_keeps_it() {
        let (folder, first) = load(None);
        let first = first.unwrap().config().system_auth_tokens.clone();
        assert_eq!(first[0].expose().len(), 64);
        let again = ConfigFile::load(&Layout::new(folder.path()), &Overrides::default()).unwrap();
        assert_eq!(again.config().system_auth_tokens, first);
    }

    #[test]
    fn the_shown_configuration_has_no_tokens() {
        let (_folder, file) = load(Some(r#"{"systemAuthTokens":["secret"],"custom":1}"#));
        let shown = file.unwrap().shown().to_string();
        assert!(
            !shown.contains("secret") && shown.contains("custom"),
            "{shown}"
        );
    }

    #[test]
    fn broken_json_names_the_file_and_the_place() {
        let (_folder, file) = load(Some("{\"port\": 80,\n}"));
        let error = file.unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("config.json, mend or remove it"),
            "{error}"
        );
        let place = std::error::Error::source(&error).unwrap().to_string();
        assert!(place.contains("line 2"), "{place}");
    }

    #[test]
    fn the_command_line_overrides_and_is_not_stored() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let overrides = Overrides {
            port: Some(1234),
            domain: Some("box.test".to_owned()),
        };
        let mut file = ConfigFile::load(&layout, &overrides).unwrap();
        assert_eq!(
            (file.config().port, file.config().domain.as_str()),
            (1234, "box.test")
        );
        file.set_server_db_id("ab").unwrap();
        let plain = ConfigFile::load(&layout, &Overrides::default()).unwrap();
        assert_eq!(plain.config().port, 80);
        assert_eq!(plain.config().server_db_id.as_deref(), Some("ab"));
    }
}
