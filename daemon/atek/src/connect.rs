//! Finding the host: its control socket, a URL with a token, or a config folder.

use crate::cli::Global;
use crate::error::Failure;
use atek_api::secret::Secret;
use atek_rpc::client::Client;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Where atekd listens on an installed box; a user who may connect acts as the system.
const CONTROL_SOCKET: &str = "/run/atek/control.sock";

/// Where the host is, and as whom to talk to it.
#[derive(Debug)]
enum HostTarget {
    Socket(PathBuf),
    Tcp {
        host: String,
        port: u16,
        token: Option<Secret>,
    },
}

/// A client of the host that the flags name: `--host`, else `--configDir`, else the control socket.
pub(crate) fn client(flags: &Global) -> Result<Client, Failure> {
    let connection = |source| Failure::Call {
        action: "reach the host".to_owned(),
        source: Box::new(source),
    };
    match way(flags)? {
        HostTarget::Socket(path) => Ok(Client::unix(path)),
        HostTarget::Tcp { host, port, token } => {
            Client::tcp(&host, port, token.as_ref()).map_err(connection)
        }
    }
}

/// The host's port and one of its own tokens, for requests to the sites of apps.
pub(crate) fn own_token(flags: &Global) -> Result<(u16, Secret), Failure> {
    let state = Path::new("/var/lib/atek");
    let folder = flags.config_dir.as_deref().unwrap_or(state);
    match from_config(&folder.join("config.json"))? {
        HostTarget::Tcp {
            port,
            token: Some(token),
            ..
        } => Ok((port, token)),
        _ => Err(Failure::Usage("the host has no token".to_owned())),
    }
}

/// Whether the host runs on this machine and sees the same files.
pub(crate) fn is_local(flags: &Global) -> bool {
    flags.host.is_none()
}

fn way(flags: &Global) -> Result<HostTarget, Failure> {
    if flags.token_file.is_some() && flags.host.is_none() {
        return Err(Failure::Usage(
            "--token-file belongs to --host URL".to_owned(),
        ));
    }
    if let Some(url) = &flags.host {
        let (host, port) = parse_host(url).map_err(Failure::Usage)?;
        let token = flags.token_file.as_deref().map(read_token).transpose()?;
        return Ok(HostTarget::Tcp { host, port, token });
    }
    if let Some(folder) = &flags.config_dir {
        return from_config(&folder.join("config.json"));
    }
    let path = flags
        .socket
        .clone()
        .unwrap_or_else(|| PathBuf::from(CONTROL_SOCKET));
    Ok(HostTarget::Socket(path))
}

/// Host and port of a URL; `atek.local` and `atek.local:8080` will do too.
fn parse_host(text: &str) -> Result<(String, u16), String> {
    let problem =
        || format!("{text:?} is not the address of a host, write http://NAME or http://NAME:PORT");
    let url = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let url = url::Url::parse(&url).map_err(|_| problem())?;
    if url.scheme() == "https" {
        return Err("the host speaks plain http, write http://NAME".to_owned());
    }
    match (
        url.scheme(),
        url.host_str(),
        url.port_or_known_default(),
        url.path(),
    ) {
        ("http", Some(host), Some(port), "/")
            if url.username().is_empty() && url.password().is_none() && url.query().is_none() =>
        {
            Ok((host.to_owned(), port))
        }
        _ => Err(problem()),
    }
}

fn read_token(path: &Path) -> Result<Secret, Failure> {
    let text = std::fs::read_to_string(path).map_err(|source| Failure::File {
        action: "read the token file",
        path: path.to_owned(),
        source,
    })?;
    let token = text.trim();
    if token.is_empty() {
        return Err(Failure::Usage(format!(
            "the token file {} is empty",
            path.display()
        )));
    }
    Ok(Secret::new(token))
}

/// What the command line needs of the host's config.json, as the original wrote it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default = "default_port")]
    port: u16,
    #[serde(default)]
    system_auth_tokens: Vec<Secret>,
}

fn default_port() -> u16 {
    80
}

fn from_config(path: &Path) -> Result<HostTarget, Failure> {
    let text = std::fs::read(path).map_err(|source| Failure::File {
        action: "read the host's configuration",
        path: path.to_owned(),
        source,
    })?;
    let config: Config = serde_json::from_slice(&text).map_err(|source| Failure::BadFile {
        path: path.to_owned(),
        source,
    })?;
    let token = config.system_auth_tokens.into_iter().next();
    if token.is_none() {
        return Err(Failure::Usage(format!(
            "{} has no systemAuthTokens, start the host once to make one",
            path.display()
        )));
    }
    Ok(HostTarget::Tcp {
        host: "localhost".to_owned(),
        port: config.port,
        token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_host_is_read() {
        for (text, expected) in [
            ("http://atek.local", Some(("atek.local", 80))),
            ("http://atek.local/", Some(("atek.local", 80))),
            ("http://192.168.1.5:8080", Some(("192.168.1.5", 8080))),
            ("atek.local:8080", Some(("atek.local", 8080))),
            ("localhost", Some(("localhost", 80))),
            ("http://[::1]:80", Some(("[::1]", 80))),
            ("https://atek.local", None),
            ("http://user:pw@atek.local", None),
            ("http://atek.local/path", None),
            ("ftp://atek.local", None),
            ("", None),
        ] {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(parse_host(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_port_and_token_come_from_the_config_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(
            &path,
            r#"{"port":4000,"systemAuthTokens":["t1","t2"],"domain":"x"}"#,
        )
        .unwrap();
        let flags = Global {
            config_dir: Some(folder.path().to_owned()),
            ..Global::default()
        };
        match way(&flags).unwrap() {
            HostTarget::Tcp { host, port, token } => {
                assert_eq!((host.as_str(), port), ("localhost", 4000));
                assert_eq!(token, Some(Secret::new("t1")));
            }
            HostTarget::Socket(path) => panic!("{}", path.display()),
        }
        std::fs::write(&path, r#"{"port":4000}"#).unwrap();
        assert!(
            way(&flags)
                .unwrap_err()
                .to_string()
                .contains("systemAuthTokens")
        );
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(way(&flags), Err(Failure::BadFile { .. })));
    }
}
