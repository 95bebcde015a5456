//! One mail to the server that was decided for.
//!
//! TLS is the system's, with its authorities and those that administrators added. A password goes
//! to a server only after its certificate was found right.

use super::MailError;
use super::settings::Decided;
use super::wire::{BoxedWire, Wire};
use crate::outgoing::reach;
use atek_api::mail::{MailSecurity, MailSettings};
use atek_api::secret::Secret;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lettre::Message;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use std::error::Error as StdError;
use std::time::Duration;
use tokio::time::timeout;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Characters of what a server says that are shown.
const SAID_MAX: usize = 300;

/// A text for people.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    /// The same for each try, so that a mailbox shows it once.
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) body: String,
}

/// RFC 3834: nothing that answers by itself answers this.
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn StdError + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Sends it. `authorities` is PEM.
///
/// # Errors
///
/// The server did not take it; why, is for a person.
pub(super) async fn send(
    decided: &Decided,
    authorities: &str,
    letter: &Letter,
) -> Result<(), MailError> {
    let message = message(&decided.settings, letter)?;
    let sent = timeout(PATIENCE, deliver(decided, authorities, &message)).await;
    sent.map_err(|_| MailError::Slow)?
}

fn message(settings: &MailSettings, letter: &Letter) -> Result<Message, MailError> {
    let address = |text: &String| {
        let read = text.parse();
        read.map_err(|_| MailError::Address(text.clone()))
    };
    let from: lettre::Address = address(&settings.from)?;
    let id = format!("<{}@{}>", letter.id, from.domain());
    let mut builder = Message::builder()
        .message_id(Some(id))
        .date_now()
        .from(from.into())
        .subject(&letter.subject)
        .header(ContentType::TEXT_PLAIN)
        .header(AutoSubmitted);
    for to in &settings.to {
        let to: lettre::Address = address(to)?;
        builder = builder.to(to.into());
    }
    let made = builder.body(letter.body.clone());
    made.map_err(|_| MailError::Form("the mail cannot be written"))
}

async fn deliver(decided: &Decided, authorities: &str, message: &Message) -> Result<(), MailError> {
    let settings = &decided.settings;
    let said = |error: lettre::transport::smtp::Error| told(error, decided.password.as_ref());
    let sender = settings.from.rsplit('@').next().unwrap_or_default();
    let hello = ClientId::Domain(sender.to_owned());
    let stream = connect(settings, authorities).await?;
    let mut server = AsyncSmtpConnection::connect_with_transport(stream, &hello)
        .await
        .map_err(said)?;
    if settings.security == MailSecurity::Starttls {
        if !server.can_starttls() {
            return Err(MailError::NoTls);
        }
        let tls = starttls(&settings.server, authorities)?;
        server.starttls(tls, &hello).await.map_err(said)?;
    }
    if let (Some(user), Some(password)) = (&settings.user, &decided.password) {
        let credentials = Credentials::new(user.clone(), password.expose().to_owned());
        let signed_in = server.auth(&[Mechanism::Plain, Mechanism::Login], &credentials);
        signed_in.await.map_err(|error| match said(error) {
            MailError::Refused(said) => MailError::Login(said),
            MailError::Broken(_) => MailError::NoLogin,
            other => other,
        })?;
    }
    let sent = server.send(message.envelope(), &message.formatted()).await;
    sent.map_err(said)?;
    // It has taken the mail; how it says goodbye is all the same.
    let _ = timeout(Duration::from_secs(5), server.quit()).await;
    Ok(())
}

/// A connection to the server, encrypted where that comes first.
async fn connect(settings: &MailSettings, authorities: &str) -> Result<BoxedWire, MailError> {
    let stream = reach(&settings.server, settings.port())
        .await
        .map_err(MailError::Unreachable)?;
    let peer = stream.peer_addr().map_err(MailError::Unreachable)?;
    if settings.security != MailSecurity::Tls {
        return Ok(Wire::boxed(stream, peer));
    }
    let mut connector = native_tls::TlsConnector::builder();
    connector.min_protocol_version(Some(native_tls::Protocol::Tlsv12));
    for pem in certificates(authorities) {
        let read = native_tls::Certificate::from_pem(pem.as_bytes());
        connector.add_root_certificate(read.map_err(|error| tls_error(&error))?);
    }
    let connector = connector.build().map_err(|error| tls_error(&error))?;
    let connector = tokio_native_tls::TlsConnector::from(connector);
    let encrypted = connector.connect(&settings.server, stream).await;
    let encrypted = encrypted.map_err(|error| tls_error(&error))?;
    Ok(Wire::boxed(encrypted, peer))
}

fn starttls(server: &str, authorities: &str) -> Result<TlsParameters, MailError> {
    let mut tls = TlsParameters::builder(server.to_owned());
    for pem in certificates(authorities) {
        let read = Certificate::from_pem(pem.as_bytes());
        tls = tls.add_root_certificate(read.map_err(|error| tls_error(&error))?);
    }
    tls.build().map_err(|error| tls_error(&error))
}

fn certificates(pem: &str) -> impl Iterator<Item = &str> {
    let end = "-----END CERTIFICATE-----";
    pem.split_inclusive(end)
        .filter(move |text| text.ends_with(end))
}

fn tls_error(error: &(dyn StdError + 'static)) -> MailError {
    tls_problem(error).unwrap_or_else(|| MailError::Tls(line(&error.to_string())))
}

/// What OpenSSL says in the causes of an error, if it does.
fn tls_problem(error: &(dyn StdError + 'static)) -> Option<MailError> {
    let mut cause = Some(error);
    let mut found = None;
    while let Some(error) = cause {
        let said = line(&error.to_string());
        if let Some(reason) = wrong_certificate(&said) {
            return Some(MailError::Certificate(reason));
        }
        if said.contains("SSL routines") {
            found = Some(MailError::Tls(said));
        }
        cause = error.source();
    }
    found
}

/// What is wrong with it, in what OpenSSL says:
/// `…:certificate verify failed:… (hostname mismatch)`.
fn wrong_certificate(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("certificate verify failed")?;
    let reason = rest.rsplit_once('(').map(|(_, reason)| reason);
    let reason = reason.and_then(|reason| reason.strip_suffix(')'));
    Some(
        reason
            .unwrap_or("it is of no authority that this box trusts")
            .to_owned(),
    )
}

/// What a failure means for a person. What the server said is shown, but never the password.
fn told(error: lettre::transport::smtp::Error, password: Option<&Secret>) -> MailError {
    // Of STARTTLS, too, that of an encryption that did not come about.
    if let Some(found) = tls_problem(&error) {
        return found;
    }
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    let said = without(line(&said), password);
    if error.is_permanent() {
        return MailError::Refused(said);
    }
    if error.is_transient() {
        return MailError::Later(said);
    }
    MailError::Broken(said)
}

/// One line of bounded length.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let line = line.chars().filter(|c| !c.is_control());
    line.take(SAID_MAX).collect()
}

/// A server may repeat what it was told.
fn without(said: String, password: Option<&Secret>) -> String {
    let Some(password) = password.map(Secret::expose) else {
        return said;
    };
    // Of the whole message of PLAIN, its end is enough.
    let encoded = BASE64_STANDARD.encode(password);
    let shows = said.contains(password) || said.contains(encoded.trim_end_matches('='));
    match shows {
        true => "its answer repeats the password, and is not shown".to_owned(),
        false => said,
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::settings;
    use super::*;

    #[test]
    fn a_mail_has_the_headers_that_programs_expect_and_no_line_of_others() {
        let letter = Letter {
            id: "5.1".into(),
            subject: "büro\r\nBcc: evil@example.org".into(),
            body: "Grüße\r\n.\r\nQUIT\r\n".into(),
        };
        let message = message(&settings(), &letter).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        assert!(text.contains("Message-ID: <5.1@example.org>\r\n"), "{text}");
        assert!(
            text.contains("Auto-Submitted: auto-generated\r\n"),
            "{text}"
        );
        assert!(text.contains("\r\nDate: "), "{text}");
        assert!(!text.contains("\nBcc:"), "{text}");
        assert!(text.is_ascii(), "{text}");
        let to: Vec<_> = message
            .envelope()
            .to()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(to, ["anna@example.org"]);
    }

    #[test]
    fn the_password_is_not_shown_in_what_a_server_says() {
        let secret = Secret::new("hunter2");
        let plain = BASE64_STANDARD.encode("hunter2");
        for said in ["no hunter2 here".to_owned(), format!("bad {plain}")] {
            assert!(!without(said, Some(&secret)).contains("hunter2"));
        }
        assert_eq!(without("5.7.8 no".into(), Some(&secret)), "5.7.8 no");
        assert_eq!(line("a\r\nb\u{1b}[0m "), "a b[0m");
        let wrong =
            "error:0A000086:SSL routines:f:certificate verify failed:s.c:1: (hostname mismatch)";
        assert_eq!(
            wrong_certificate(wrong).as_deref(),
            Some("hostname mismatch")
        );
        assert_eq!(wrong_certificate("wrong version number"), None);
    }
}
