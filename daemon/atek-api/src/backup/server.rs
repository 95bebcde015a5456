//! A server in the network as the target of backups: its address, and how it is known again.

use super::guests::{GUESTS_PATH, GuestName};
use crate::secret::Secret;
use crate::text::checked_text;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use url::Url;

/// A text is no address of a server for backups; it says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServerUrl {
    /// It is no URL of one of the kinds.
    #[error(
        "a server for backups is written sftp://NAME@SERVER/FOLDER, https://SERVER:8000/FOLDER for a REST server of restic, or s3+https://KEY@SERVER/BUCKET"
    )]
    Form,
    /// Others would see it.
    #[error("leave the password out of the address: it is asked for")]
    Password,
    /// SSH has no users without names.
    #[error("an SFTP server asks who you are: write sftp://NAME@SERVER/FOLDER")]
    Name,
    /// S3 knows buckets, and keys for them.
    #[error(
        "an S3 server asks for a bucket and for whose it is: write s3+https://KEY@SERVER/BUCKET with the access key; the secret key is asked for"
    )]
    Bucket,
    /// Homes have guests, and nothing below them.
    #[error(
        "another home is written home://NAME@HOME, with the name under which it let this one in"
    )]
    Home,
}

/// The folder of a server: `sftp://anna@nas.local/backups`, `https://nas.local:8000/anna`,
/// `s3+https://KEY@s3.example.org/BUCKET/FOLDER`; or another home, `home://NAME@HOME`, which is
/// reached by a link that is kept with the password.
///
/// The path of an SFTP server begins at its first folder; one that begins with `/~/` begins at the
/// user's. A REST server speaks the protocol of restic's `rest-server`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub struct ServerUrl(String);
checked_text!(ServerUrl);

/// Bytes of the longest address.
const LONGEST: usize = 500;

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The REST protocol of restic, over HTTP or HTTPS.
    Rest,
    /// SFTP, over SSH.
    Sftp,
    /// S3, over HTTP or HTTPS.
    S3,
    /// The REST protocol of restic, over a connection of paired homes.
    Home,
}

/// A folder of a bucket of an S3 server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The server's address.
    pub endpoint: String,
    /// The bucket's name.
    pub name: String,
    /// The folder in it, empty where it is the bucket itself.
    pub folder: String,
}

/// Before the address of the server.
const S3: &str = "s3+";

impl ServerUrl {
    fn url(&self) -> Url {
        // It was parsed when it was made.
        let text = self.0.strip_prefix(S3).unwrap_or(&self.0);
        Url::parse(text).unwrap_or_else(|_| unreachable!("a checked URL"))
    }

    /// How it is spoken to.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self.0.split_once(':') {
            Some(("sftp", _)) => Protocol::Sftp,
            Some(("home", _)) => Protocol::Home,
            Some((scheme, _)) if scheme.starts_with(S3) => Protocol::S3,
            _ => Protocol::Rest,
        }
    }

    /// Host and port; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> (String, u16) {
        let url = self.url();
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let default = match self.protocol() {
            Protocol::Sftp => 22,
            Protocol::Rest | Protocol::S3 | Protocol::Home => 443,
        };
        (
            host.to_owned(),
            url.port_or_known_default().unwrap_or(default),
        )
    }

    /// The user's name there.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        let url = self.url();
        let user = percent_decoded(url.username())?;
        (!user.is_empty()).then_some(user)
    }

    /// The folder: without a `/` at its end, and of the user's own without one at its beginning.
    #[must_use]
    pub fn folder(&self) -> String {
        let url = self.url();
        let path = percent_decoded(url.path()).unwrap_or_default();
        let path = path.trim_end_matches('/');
        let own = path
            .strip_prefix("/~")
            .filter(|rest| rest.is_empty() || rest.starts_with('/'));
        match (self.protocol(), own) {
            (Protocol::Sftp, Some(own)) => own.trim_start_matches('/').to_owned(),
            _ => path.to_owned(),
        }
    }

    /// The bucket of an S3 server.
    #[must_use]
    pub fn bucket(&self) -> Option<Bucket> {
        if self.protocol() != Protocol::S3 {
            return None;
        }
        let path = self.folder();
        let path = path.trim_start_matches('/');
        let (name, folder) = path.split_once('/').unwrap_or((path, ""));
        let mut endpoint = self.url();
        endpoint.set_path("");
        let _ = endpoint.set_username("");
        Some(Bucket {
            endpoint: endpoint.to_string(),
            name: name.to_owned(),
            folder: folder.to_owned(),
        })
    }

    /// The address of a REST server without the user's name, which is sent apart.
    #[must_use]
    pub fn base(&self) -> String {
        if self.protocol() == Protocol::Home {
            // A box answers to this name from wherever it is asked.
            let name = self.user().unwrap_or_default();
            return format!("http://localhost{GUESTS_PATH}{name}");
        }
        let mut url = self.url();
        // Of an address with a host this cannot fail.
        let _ = url.set_username("");
        url.as_str().trim_end_matches('/').to_owned()
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.ok().map(std::borrow::Cow::into_owned)
}

impl FromStr for ServerUrl {
    type Err = InvalidServerUrl;

    fn from_str(text: &str) -> Result<Self, InvalidServerUrl> {
        let (prefix, text) = match text.trim().strip_prefix(S3) {
            Some(text) => (S3, text),
            None => ("", text.trim()),
        };
        let url = Url::parse(text).map_err(|_| InvalidServerUrl::Form)?;
        let is_server = matches!(
            (prefix, url.scheme()),
            ("", "sftp" | "home") | (_, "http" | "https")
        ) && url.host_str().is_some_and(|host| !host.is_empty())
            && url.port() != Some(0)
            && url.query().is_none()
            && url.fragment().is_none()
            && url.as_str().len() <= LONGEST;
        if !is_server {
            return Err(InvalidServerUrl::Form);
        }
        if url.password().is_some() {
            return Err(InvalidServerUrl::Password);
        }
        if url.scheme() == "sftp" && url.username().is_empty() {
            return Err(InvalidServerUrl::Name);
        }
        let is_guest = || url.username().parse::<GuestName>().is_ok();
        if url.scheme() == "home"
            && (!is_guest() || !matches!(url.path(), "" | "/") || url.port().is_some())
        {
            return Err(InvalidServerUrl::Home);
        }
        let readable = |text: &str| {
            percent_decoded(text).is_some_and(|text| !text.chars().any(char::is_control))
        };
        let steps = || {
            url.path()
                .split('/')
                .all(|step| !matches!(step, "." | ".."))
        };
        if !readable(url.path()) || !readable(url.username()) || !steps() {
            return Err(InvalidServerUrl::Form);
        }
        let address = Self(format!("{prefix}{url}").trim_end_matches('/').to_owned());
        match address.bucket() {
            Some(bucket) if url.username().is_empty() || !bucket.is_plain() => {
                Err(InvalidServerUrl::Bucket)
            }
            _ => Ok(address),
        }
    }
}

impl Bucket {
    /// Whether its names lead where they say: servers join them to one path.
    fn is_plain(&self) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let name = (3..=63).contains(&self.name.len()) && self.name.bytes().all(plain);
        let steps = || {
            self.folder
                .split('/')
                .all(|step| !matches!(step, "" | "." | ".."))
        };
        name && self.name != "..." && (self.folder.is_empty() || steps())
    }
}

/// A text is no fingerprint of a host key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key of a server is written SHA256: and 43 letters, digits, + and /, as ssh shows it")]
pub struct InvalidHostKey;

/// The fingerprint of an SSH server's key, as `ssh-keygen -l` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub struct HostKey(String);
checked_text!(HostKey);

impl FromStr for HostKey {
    type Err = InvalidHostKey;

    fn from_str(text: &str) -> Result<Self, InvalidHostKey> {
        let digits = text.trim().strip_prefix("SHA256:").ok_or(InvalidHostKey)?;
        let digits = digits.trim_end_matches('=');
        let fits = digits.len() == 43
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
        match fits {
            true => Ok(Self(format!("SHA256:{digits}"))),
            false => Err(InvalidHostKey),
        }
    }
}

/// With what a job signs in to a server, and whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServerLogin {
    /// The user's password there, or of an SFTP server a private key of SSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Certificate authorities beside those of the system, in PEM.
    #[serde(default)]
    pub authorities: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_known_by_their_urls() {
        let read = |text: &str| text.parse::<ServerUrl>().unwrap();
        let nas = read("sftp://anna@nas.local/backups/");
        assert_eq!(nas.to_string(), "sftp://anna@nas.local/backups");
        assert_eq!(nas.protocol(), Protocol::Sftp);
        assert_eq!(nas.host(), ("nas.local".to_owned(), 22));
        assert_eq!(nas.user().as_deref(), Some("anna"));
        assert_eq!(nas.folder(), "/backups");
        assert_eq!(
            read("sftp://a@nas:2222/~/my%20backups").folder(),
            "my backups"
        );
        assert_eq!(read("sftp://a@nas/~").folder(), "");
        assert_eq!(read("sftp://a@nas").folder(), "");
        let rest = read("https://b%C3%B6b@nas:8000/anna");
        assert_eq!(rest.user().as_deref(), Some("böb"));
        assert_eq!(rest.base(), "https://nas:8000/anna");
        assert_eq!(rest.host().1, 8000);
        assert_eq!(
            read("http://[fd00::1]:8000").host(),
            ("fd00::1".to_owned(), 8000)
        );
        assert_eq!(read("http://10.0.0.2").host().1, 80);
    }

    #[test]
    fn buckets_of_s3_are_known_by_their_urls() {
        let read = |text: &str| text.parse::<ServerUrl>().unwrap();
        let own = read("s3+https://AKIA%2FX@S3.example.org/my-bucket/some/folder/");
        assert_eq!(
            own.to_string(),
            "s3+https://AKIA%2FX@s3.example.org/my-bucket/some/folder"
        );
        assert_eq!(own.protocol(), Protocol::S3);
        assert_eq!(own.user().as_deref(), Some("AKIA/X"));
        assert_eq!(own.host(), ("s3.example.org".to_owned(), 443));
        let bucket = own.bucket().unwrap();
        assert_eq!(bucket.endpoint, "https://s3.example.org/");
        assert_eq!(
            (bucket.name.as_str(), bucket.folder.as_str()),
            ("my-bucket", "some/folder")
        );
        let near = read("s3+http://key@[fd00::1]:9000/bucket");
        assert_eq!(near.host(), ("fd00::1".to_owned(), 9000));
        assert_eq!(near.bucket().unwrap().folder, "");
        assert_eq!(read("https://nas/anna").bucket(), None);
        for wrong in [
            "s3+https://s3.example.org/bucket",
            "s3+https://key@s3.example.org",
            "s3+https://key@s3.example.org/ab",
            "s3+https://key@s3.example.org/my%2Fbucket/%2e%2e",
            "s3+https://key@s3.example.org/bucket//folder",
            "s3+https://key:secret@s3.example.org/bucket",
            "s3+https://key@s3.example.org/bucket?region=x",
            "s3+sftp://key@s3.example.org/bucket",
            "s3://key@s3.example.org/bucket",
        ] {
            assert!(wrong.parse::<ServerUrl>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn homes_are_known_by_their_names_for_this_one() {
        let home: ServerUrl = "home://anna@berta/".parse().unwrap();
        assert_eq!(home.to_string(), "home://anna@berta");
        assert_eq!(home.protocol(), Protocol::Home);
        assert_eq!(home.base(), "http://localhost/_atek/backups/anna");
        for wrong in [
            "home://berta",
            "home://Anna@berta",
            "home://anna@berta/x",
            "home://anna@berta:80",
            "home://anna:secret@berta",
        ] {
            assert!(wrong.parse::<ServerUrl>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for wrong in [
            "",
            "nas",
            "/mnt/disk",
            "ftp://nas/x",
            "file:///etc",
            "sftp:///x",
            "sftp://nas/x",
            "sftp://a:secret@nas/x",
            "https://a:secret@nas",
            "https://nas/?a=b",
            "https://nas/#a",
            "http://nas:0/",
            "sftp://a@nas/x%0Ay",
            "sftp://a%00b@nas/x",
            &format!("https://nas/{}", "a".repeat(600)),
        ] {
            assert!(wrong.parse::<ServerUrl>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn host_keys_are_written_as_ssh_does() {
        let text = "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8";
        assert_eq!(text.parse::<HostKey>().unwrap().to_string(), text);
        assert_eq!(
            format!(" {text}=\n").parse::<HostKey>().unwrap().as_str(),
            text
        );
        for wrong in ["", "SHA256:", "MD5:aa", &text[..49], &format!("{text}a")] {
            assert!(wrong.parse::<HostKey>().is_err(), "{wrong:?}");
        }
    }
}
