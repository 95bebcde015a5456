//! Mail that the box sends to its administrators: by which server, and how that goes.

use crate::secret::Secret;
use serde::{Deserialize, Serialize};

/// How a connection to the server is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum MailSecurity {
    /// From its first byte on; usually at port 465.
    Tls,
    /// After STARTTLS, without which nothing is sent; usually at port 587.
    #[default]
    Starttls,
    /// Not at all: for a server in the home that knows no users.
    None,
}

impl MailSecurity {
    /// The port where such servers usually listen.
    #[must_use]
    pub const fn usual_port(self) -> u16 {
        match self {
            Self::Tls => 465,
            Self::Starttls => 587,
            Self::None => 25,
        }
    }
}

/// By which server mail is sent, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MailSettings {
    /// Its name or address.
    pub server: String,
    /// None: the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// See [`MailSecurity`].
    #[serde(default)]
    pub security: MailSecurity,
    /// Who signs in there; none where it knows no users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The address of the sender.
    pub from: String,
    /// The addresses of those who are told.
    pub to: Vec<String>,
}

impl MailSettings {
    /// Where the server listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.security.usual_port())
    }
}

/// Parameters of `setMail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MailChanges {
    /// None: the box sends no mail any more.
    #[serde(default)]
    pub settings: Option<MailSettings>,
    /// The password of the user. Without it, the one of the same user at the same server stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

/// How mail is doing. Times are RFC 3339.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", default)]
pub struct MailStatus {
    /// None: the box sends no mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<MailSettings>,
    /// Whether a password is known.
    pub has_password: bool,
    /// Notices that are not sent yet.
    pub waiting: usize,
    /// Why the last one was not; none after one that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// When the last mail was taken by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sent: Option<String>,
}
