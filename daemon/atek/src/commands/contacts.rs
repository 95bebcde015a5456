//! People of other homes, and what they may call: `atek contacts`.

use super::homes::Home;
use crate::cli::homes::{ContactAction, Contacts};
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone};
use crate::text::{clean, time};
use serde::Deserialize;
use serde_json::json;

/// A person of another home, as the service tells it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contact {
    id: String,
    #[serde(default)]
    label: String,
    status: String,
    /// What both people see, and can compare.
    number: Option<String>,
    #[serde(default)]
    connected: bool,
    #[serde(default)]
    calls: u64,
    last_seen: Option<String>,
    #[serde(default)]
    grants: Vec<Grant>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Grant {
    api: String,
}

#[derive(Deserialize)]
struct Invitation {
    link: String,
}

pub(super) async fn run(host: &Host, args: Contacts) -> Result<(), Failure> {
    let home = Home::of(host, args.whose.user.as_deref()).await?;
    match args.action.unwrap_or(ContactAction::List) {
        ContactAction::List => list(host, &home).await,
        ContactAction::Invite { label, name } => {
            let options = json!({ "label": label, "name": name });
            let answer = home
                .call("inviteContact", vec![options], "invite the person")
                .await?;
            if host.out.json {
                return host.out.print_json(&answer);
            }
            host.out.note(
                "send this link to the person, who opens it with: atek contacts add LINK\n\
                 it is for one person and seven days, and is shown once",
            );
            let link = read::<Invitation>("inviteContact", &answer)?.link;
            host.out.print(&format!("{}\n", clean::line(&link)))
        }
        ContactAction::Add { link, label, name } => {
            let params = vec![json!(link), json!({ "label": label, "name": name })];
            let done = "the other home is looked for; the person who invited you confirms then";
            change(host, &home, "addContact", params, "add the contact", done).await
        }
        ContactAction::Confirm { contact } => {
            let params = vec![json!(id(&home, &contact).await?)];
            let (action, done) = ("confirm the contact", "confirmed");
            change(host, &home, "confirmContact", params, action, done).await
        }
        ContactAction::Remove { contact } => {
            let params = vec![json!(id(&home, &contact).await?)];
            let (action, done) = ("remove the contact", "removed, and cut off");
            change(host, &home, "removeContact", params, action, done).await
        }
        ContactAction::Allow { contact, api } => {
            let params = vec![json!(id(&home, &contact).await?), json!(api)];
            let done = "allowed: the apps of this person can call it";
            change(host, &home, "allowContact", params, "allow this", done).await
        }
        ContactAction::Deny { contact, api } => {
            let params = vec![json!(id(&home, &contact).await?), json!(api)];
            let done = "taken back: calls that were under way have ended";
            change(host, &home, "denyContact", params, "take this back", done).await
        }
    }
}

async fn change(
    host: &Host,
    home: &Home<'_>,
    method: &str,
    params: Vec<serde_json::Value>,
    action: &str,
    done: &str,
) -> Result<(), Failure> {
    let answer = home.call(method, params, action).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    host.out.done(done)
}

async fn all(home: &Home<'_>) -> Result<Vec<Contact>, Failure> {
    let answer = home
        .call("contacts", Vec::new(), "list the contacts")
        .await?;
    read("contacts", &answer)
}

/// The id of a contact that is named by its id or its name.
async fn id(home: &Home<'_>, named: &str) -> Result<String, Failure> {
    let mut found = all(home)
        .await?
        .into_iter()
        .filter(|contact| contact.id == named || contact.label == named);
    match (found.next(), found.next()) {
        (Some(contact), None) => Ok(contact.id),
        (Some(_), Some(_)) => Err(Failure::Usage(format!(
            "several contacts are called {}: give the id that atek contacts shows",
            clean::line(named)
        ))),
        (None, _) => Err(Failure::Usage(format!(
            "there is no contact {}, see: atek contacts",
            clean::line(named)
        ))),
    }
}

async fn list(host: &Host, home: &Home<'_>) -> Result<(), Failure> {
    if host.out.json {
        let answer = home
            .call("contacts", Vec::new(), "list the contacts")
            .await?;
        return host.out.print_json(&answer);
    }
    let contacts = all(home).await?;
    if contacts.is_empty() {
        return host.out.done(
            "there is no contact, invite a person of another home with: atek contacts invite",
        );
    }
    let headings = [
        "ID",
        "NAME",
        "STATUS",
        "NUMBER",
        "CONNECTED",
        "LAST SEEN",
        "MAY CALL",
        ">CALLS",
        "STATE",
    ];
    let mut table = Columns::new(host.out.look(), &headings);
    for contact in &contacts {
        let status = match contact.status.as_str() {
            "looking" => "looks for the other home",
            "asks" => "asks you to confirm",
            "waiting" => "waits for the other",
            _ => "confirmed",
        };
        let connected = if contact.connected { "yes" } else { "no" };
        let apis: Vec<_> = contact
            .grants
            .iter()
            .map(|grant| clean::line(&grant.api).into_owned())
            .collect();
        table.row([
            (&*clean::line(&contact.id), Tone::Strong),
            (&*clean::line(&contact.label), Tone::Plain),
            (status, Tone::Plain),
            (
                &*clean::line(contact.number.as_deref().unwrap_or_default()),
                Tone::Plain,
            ),
            (connected, Tone::Plain),
            (
                &time::age_of(contact.last_seen.as_deref(), host.now()),
                Tone::Plain,
            ),
            (&apis.join(", "), Tone::Plain),
            (&contact.calls.to_string(), Tone::Plain),
            (
                &*clean::line(contact.error.as_deref().unwrap_or_default()),
                Tone::Warn,
            ),
        ]);
    }
    host.out.print(&table.render())
}
