//! What was decided about mail, with the password, in a file of its own that only the host reads.

use super::MailError;
use atek_api::mail::{MailChanges, MailSecurity, MailSettings};
use atek_api::secret::Secret;
use atek_files::write_atomic;
use lettre::Address;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

const FILE: &str = "mail.json";
/// Those who are told.
const MOST: usize = 8;
/// Bytes of the longest name of a host, user or password.
const LONGEST: usize = 255;

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Decided {
    pub(super) settings: MailSettings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) password: Option<Secret>,
}

/// What was decided; nothing where the file is missing or cannot be understood.
pub(super) fn read(state: &Path) -> Option<Decided> {
    let text = fs::read(state.join(FILE)).ok()?;
    serde_json::from_slice(&text)
        .inspect_err(|_| {
            tracing::error!(
                file = FILE,
                "what was decided about mail cannot be understood"
            )
        })
        .ok()
}

/// Remembers it, or forgets what was decided.
pub(super) fn write(state: &Path, decided: Option<&Decided>) -> Result<(), MailError> {
    let path = state.join(FILE);
    let Some(decided) = decided else {
        return Ok(atek_files::remove(&path)?);
    };
    let text = serde_json::to_vec(decided).map_err(|_| MailError::Form("cannot be stored"))?;
    Ok(write_atomic(&path, &text, 0o600)?)
}

/// What becomes of a decision by changes. A password goes to no other server or user.
pub(super) fn changed(
    before: Option<Decided>,
    changes: MailChanges,
) -> Result<Option<Decided>, MailError> {
    let Some(settings) = changes.settings else {
        return Ok(None);
    };
    check(&settings)?;
    let kept = before.filter(|before| {
        let of = |settings: &MailSettings| {
            let MailSettings {
                server,
                security,
                user,
                ..
            } = settings.clone();
            (server, settings.port(), security, user)
        };
        of(&before.settings) == of(&settings)
    });
    let password = changes.password.filter(|text| !text.expose().is_empty());
    let password = password.or_else(|| kept.and_then(|kept| kept.password));
    let password = password.filter(|_| settings.user.is_some());
    match (&settings.user, &password) {
        (Some(_), None) => Err(MailError::NoPassword),
        (_, Some(password)) if password.expose().len() > LONGEST => {
            Err(MailError::Form("the password is too long"))
        }
        _ => Ok(Some(Decided { settings, password })),
    }
}

fn check(settings: &MailSettings) -> Result<(), MailError> {
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    let server = &settings.server;
    if server.is_empty() || server.len() > LONGEST || !server.chars().all(is_host) {
        return Err(MailError::Form(
            "the server is a name such as smtp.example.org, without a port",
        ));
    }
    if settings.port == Some(0) {
        return Err(MailError::Form("a port is a number from 1 to 65535"));
    }
    let is_user = |user: &String| {
        !user.is_empty() && user.len() <= LONGEST && !user.contains(char::is_control)
    };
    if !settings.user.iter().all(is_user) {
        return Err(MailError::Form("that is no name of a user"));
    }
    if settings.security == MailSecurity::None && settings.user.is_some() {
        return Err(MailError::Form(
            "without encryption no password is sent: choose TLS or STARTTLS, or leave the user out",
        ));
    }
    if settings.to.is_empty() || settings.to.len() > MOST {
        return Err(MailError::Form("mail goes to one to eight addresses"));
    }
    for address in settings.to.iter().chain([&settings.from]) {
        let read: Result<Address, _> = address.parse();
        read.map_err(|_| MailError::Address(address.chars().take(100).collect()))?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::mail) fn settings() -> MailSettings {
        MailSettings {
            server: "smtp.example.org".into(),
            port: None,
            security: MailSecurity::Starttls,
            user: Some("anna".into()),
            from: "box@example.org".into(),
            to: vec!["anna@example.org".into()],
        }
    }

    fn changes(settings: MailSettings, password: Option<&str>) -> MailChanges {
        MailChanges {
            settings: Some(settings),
            password: password.map(Secret::new),
        }
    }

    #[test]
    fn a_password_stays_for_its_server_and_user_and_goes_to_no_other() {
        let first = changed(None, changes(settings(), Some("secret"))).unwrap();
        let same = MailSettings {
            to: vec!["bob@example.org".into()],
            port: Some(587),
            ..settings()
        };
        let second = changed(first.clone(), changes(same, None))
            .unwrap()
            .unwrap();
        assert_eq!(second.password, Some(Secret::new("secret")));
        let change: [fn(&mut MailSettings); 4] = [
            |to| to.server = "smtp.example.com".into(),
            |to| to.port = Some(2525),
            |to| to.user = Some("bob".into()),
            |to| to.security = MailSecurity::Tls,
        ];
        for change in change {
            let mut other = settings();
            change(&mut other);
            let refused = changed(first.clone(), changes(other, None)).unwrap_err();
            assert!(matches!(refused, MailError::NoPassword), "{refused}");
        }
        let none = MailChanges {
            settings: None,
            password: None,
        };
        assert_eq!(changed(first, none).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        type Change = fn(&mut MailSettings);
        let wrong: [(Change, &str); 8] = [
            (
                |it| it.server = "smtp.example.org:25/x".into(),
                "the server",
            ),
            (|it| it.server = String::new(), "the server"),
            (|it| it.port = Some(0), "port"),
            (|it| it.user = Some("a\r\nb".into()), "user"),
            (|it| it.security = MailSecurity::None, "encryption"),
            (|it| it.to = Vec::new(), "one to eight"),
            (
                |it| it.to = vec!["anna@example.org\r\nBcc: x".into()],
                "address",
            ),
            (|it| it.from = "box".into(), "address"),
        ];
        for (change, part) in wrong {
            let mut one = settings();
            change(&mut one);
            let refused = changed(None, changes(one, Some("secret"))).unwrap_err();
            assert!(refused.to_string().contains(part), "{refused}");
        }
    }

    #[test]
    fn the_file_is_the_hosts_alone_and_goes_with_the_decision() {
        let state = tempfile::tempdir().unwrap();
        let decided = changed(None, changes(settings(), Some("secret"))).unwrap();
        write(state.path(), decided.as_ref()).unwrap();
        assert_eq!(read(state.path()), decided);
        let mode = fs::metadata(state.path().join(FILE)).unwrap().permissions();
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
            0o600
        );
        fs::write(state.path().join(FILE), "no json").unwrap();
        assert_eq!(read(state.path()), None);
        write(state.path(), None).unwrap();
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
    }
}
