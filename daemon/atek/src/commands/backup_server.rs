//! A server as the place of backups: its password, and the key by which it is known again.

use crate::ask;
use crate::cli::server::Server;
use crate::error::Failure;
use atek_api::backup::{HostKey, InvalidServerUrl, Protocol, ServerUrl, Target};
use atek_api::secret::Secret;
use std::fs;
use std::io::Read as _;
use std::path::Path;

/// Bytes of the longest file with a password: a private key of RSA.
const FILE_MAX: u64 = 16 << 10;

/// The server that a person names; none where that is a disk or a folder.
pub(super) fn named(text: &str, flags: &Server) -> Result<Option<Target>, Failure> {
    if !text.contains("://") {
        return Ok(None);
    }
    let url = text.parse();
    let url = url.map_err(|error: InvalidServerUrl| Failure::Usage(error.to_string()))?;
    let host_key = flags.host_key.clone();
    Ok(Some(Target::Server { url, host_key }))
}

/// Its password, from a file or the person; none where it has no users.
pub(super) fn password(target: &Target, flags: &Server) -> Result<Option<Secret>, Failure> {
    let Target::Server { url, .. } = target else {
        return Ok(None);
    };
    if let Some(file) = &flags.server_password {
        return from_file(file).map(Some);
    }
    match url.user() {
        Some(user) => ask::password(&prompt(url, &user)).map(Some),
        None => Ok(None),
    }
}

fn prompt(url: &ServerUrl, user: &str) -> String {
    let what = match url.protocol() {
        Protocol::Sftp => "Password of",
        Protocol::Rest => "Password for backups of",
        Protocol::S3 => "Secret key of",
        Protocol::Home => "Key of",
    };
    format!("{what} {user} at {}: ", url.host().0)
}

pub(super) fn from_file(path: &Path) -> Result<Secret, Failure> {
    let read = fs::File::open(path).and_then(|file| {
        let mut text = String::new();
        file.take(FILE_MAX).read_to_string(&mut text)?;
        Ok(text)
    });
    let text = read.map_err(|source| Failure::File {
        action: "read the password in",
        path: path.to_owned(),
        source,
    })?;
    // A private key ends with its line.
    let is_key = text.trim_start().starts_with("-----BEGIN");
    Ok(Secret::new(match is_key {
        true => text.as_str(),
        false => text.trim_end_matches(['\r', '\n']),
    }))
}

/// The same target with the key that the server shows, once the person has agreed to it; none
/// where the refusal is about something else, or there is no person to ask.
pub(super) async fn agreed(target: &Target, why: &Failure) -> Result<Option<Target>, Failure> {
    let Target::Server { url, .. } = target else {
        return Ok(None);
    };
    let Some(shown) = shown_key(why).filter(|_| ask::somebody_is_there()) else {
        return Ok(None);
    };
    let prompt = format!(
        "{}\nType yes if it is the key of {}: ",
        why.account(),
        url.host().0
    );
    let typed = tokio::task::spawn_blocking(move || ask::line(&prompt))
        .await
        .map_err(|error| Failure::Prompt(error.into()))??;
    match typed.as_str() {
        "yes" => Ok(Some(Target::Server {
            url: url.clone(),
            host_key: Some(shown),
        })),
        _ => Err(Failure::Interrupted("nothing was changed")),
    }
}

fn shown_key(why: &Failure) -> Option<HostKey> {
    if why.reason() != Some("host-key") {
        return None;
    }
    serde_json::from_value(why.data()?.get("hostKey")?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_from_a_disk_and_a_folder() {
        let flags = Server::default();
        for text in ["/mnt/usb", "2A1C-77F0", "My Disk"] {
            assert!(named(text, &flags).unwrap().is_none(), "{text}");
        }
        let server = named("sftp://anna@nas/backups", &flags).unwrap().unwrap();
        assert_eq!(server.to_string(), "sftp://anna@nas/backups/atek-backup");
        let wrong = named("sftp://anna:secret@nas/backups", &flags).unwrap_err();
        assert!(
            wrong.to_string().contains("leave the password out"),
            "{wrong}"
        );
    }

    #[test]
    fn a_password_loses_the_end_of_its_line_and_a_key_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let path = folder.path().join("secret");
            std::fs::write(&path, text).unwrap();
            from_file(&path).unwrap().expose().to_owned()
        };
        assert_eq!(read("hunter 2\r\n"), "hunter 2");
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
        assert_eq!(read(key), key);
        assert!(from_file(&folder.path().join("none")).is_err());
    }
}
