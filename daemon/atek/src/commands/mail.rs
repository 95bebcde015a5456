//! `atek mail`: by which server the box tells what is wrong.

use super::backup_server::from_file;
use crate::ask;
use crate::cli::mail::{Encryption, Mail, Set};
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::fields;
use crate::text::{clean, time};
use atek_api::mail::{MailChanges, MailSecurity, MailSettings, MailStatus};
use atek_api::system::API;

pub(super) async fn run(host: &Host, action: Option<Mail>) -> Result<(), Failure> {
    match action {
        None => status(host).await,
        Some(Mail::Set(args)) => set(host, args).await,
        Some(Mail::Test) => {
            let action = "send a test mail";
            host.call(API, "testMail", [(); 0], action).await?;
            host.out
                .done("the server took the mail: look into the mailbox")
        }
        Some(Mail::Off) => {
            let changes = MailChanges {
                settings: None,
                password: None,
            };
            change(host, &changes).await?;
            host.out.done("no mail is sent any more")
        }
    }
}

async fn status(host: &Host) -> Result<(), Failure> {
    let answer = host.call(API, "mail", [(); 0], "look at the mail").await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let status: MailStatus = read("mail", &answer)?;
    let Some(settings) = &status.settings else {
        return host
            .out
            .done("the box sends no mail: atek mail set SERVER --from ADDRESS changes that");
    };
    host.out.print(&fields(&rows(host, &status, settings)))
}

fn rows(host: &Host, status: &MailStatus, settings: &MailSettings) -> Vec<(&'static str, String)> {
    let clean = |text: &str| clean::line(text).into_owned();
    let encrypted = match settings.security {
        MailSecurity::Tls => "TLS",
        MailSecurity::Starttls => "STARTTLS",
        MailSecurity::None => "not encrypted",
    };
    let server = format!(
        "{}:{}, {encrypted}",
        clean(&settings.server),
        settings.port()
    );
    let mut rows = vec![("Server", server)];
    if let Some(user) = &settings.user {
        rows.push(("User", clean(user)));
    }
    rows.push(("From", clean(&settings.from)));
    rows.push(("To", clean(&settings.to.join(", "))));
    let sent = match &status.last_sent {
        Some(at) => time::with_age(at, host.now(), &host.zone),
        None => "never".to_owned(),
    };
    rows.push(("Last sent", sent));
    if status.waiting > 0 {
        rows.push(("Not sent yet", status.waiting.to_string()));
    }
    if let Some(problem) = &status.problem {
        rows.push(("Problem", clean(problem)));
    }
    rows
}

async fn set(host: &Host, args: Set) -> Result<(), Failure> {
    let password = match (&args.user, &args.password) {
        (_, Some(file)) => Some(from_file(file)?),
        (Some(user), None) => {
            let prompt = format!("Password of {user} at {}: ", args.server);
            Some(ask::password(&prompt)?)
        }
        (None, None) => None,
    };
    let to = match args.to.is_empty() {
        true => vec![args.from.clone()],
        false => args.to,
    };
    let settings = MailSettings {
        server: args.server,
        port: args.port,
        security: match args.tls {
            Encryption::Starttls => MailSecurity::Starttls,
            Encryption::Tls => MailSecurity::Tls,
            Encryption::None => MailSecurity::None,
        },
        user: args.user,
        from: args.from,
        to,
    };
    let changes = MailChanges {
        settings: Some(settings),
        password,
    };
    change(host, &changes).await?;
    host.out.done("set; atek mail test shows whether it works")
}

async fn change(host: &Host, changes: &MailChanges) -> Result<(), Failure> {
    let action = "change the settings of mail";
    let answer = host.call(API, "setMail", (changes,), action).await?;
    if host.out.json {
        host.out.print_json(&answer)?;
    }
    Ok(())
}
