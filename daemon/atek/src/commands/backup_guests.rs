//! `atek backup guests`: other homes that keep their backups on this one.

use super::homes::Home;
use crate::ask;
use crate::cli::backup::Guests;
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone};
use crate::text::{clean, size, time};
use atek_api::backup::{API, BackupGuest, GuestName, InviteGuest, InvitedGuest};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Known {
    guests: Vec<BackupGuest>,
}

/// A device for the other home, as the hypercore service tells it.
#[derive(Deserialize)]
struct Paired {
    link: String,
}

pub(super) async fn run(host: &Host, args: Guests) -> Result<(), Failure> {
    match (args.invite, args.quota, args.remove) {
        (Some(name), Some(quota), _) => {
            let home = match args.pair {
                true => Some(Home::of(host, args.user.as_deref()).await?),
                false => None,
            };
            invite(host, InviteGuest { name, quota }, home).await
        }
        (_, _, Some(name)) => remove(host, &name, args.yes).await,
        _ => list(host).await,
    }
}

async fn invite(host: &Host, guest: InviteGuest, home: Option<Home<'_>>) -> Result<(), Failure> {
    let action = "let the other home in";
    let answer = host.call(API, "inviteGuest", (&guest,), action).await?;
    let invited: InvitedGuest = read("inviteGuest", &answer)?;
    if let Some(home) = home {
        let options = json!({ "label": format!("backups of {}", guest.name) });
        let action = "pair a device for the other home";
        let paired = home.call("pairDevice", vec![options], action).await?;
        let Paired { link } = read("pairDevice", &paired)?;
        let key = format!("{}@{link}", invited.password.expose());
        if host.out.json {
            let target = format!("home://{}@BOX", invited.name);
            let answer = json!({ "target": target, "password": key }).to_string();
            return host.out.print(&format!("{answer}\n"));
        }
        return host.out.done(&format!(
            "{0} may keep {1} here. On the other home:\n  atek backup target home://{0}@BOX\nwith a name of this box for BOX. The key, which is not shown again:\n  {2}",
            invited.name,
            size::bytes(guest.quota),
            clean::line(&key)
        ));
    }
    if host.out.json {
        return host.out.print_json(&answer);
    }
    host.out.done(&format!(
        "{} may keep {} here. On the other home:\n  atek backup target https://{}@BOX{}\nwith the address of this box for BOX. The password, which is not shown again:\n  {}",
        invited.name,
        size::bytes(guest.quota),
        invited.name,
        clean::line(&invited.path),
        clean::line(invited.password.expose())
    ))
}

async fn remove(host: &Host, name: &GuestName, agreed: bool) -> Result<(), Failure> {
    if !agreed && ask::somebody_is_there() {
        let prompt = format!("The backups of {name} on this box are removed for good. Type yes: ");
        let typed = tokio::task::spawn_blocking(move || ask::line(&prompt))
            .await
            .map_err(|error| Failure::Prompt(error.into()))??;
        if typed != "yes" {
            return Err(Failure::Interrupted("nothing was changed"));
        }
    } else if !agreed {
        let text = "its backups are removed for good: say so with --yes";
        return Err(Failure::Usage(text.to_owned()));
    }
    let action = "remove the guest";
    host.call(API, "removeGuest", (name,), action).await?;
    host.out
        .done(&format!("{name} keeps no backups here any more"))
}

async fn list(host: &Host) -> Result<(), Failure> {
    let answer = host.call(API, "guests", [(); 0], "list the guests").await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let Known { guests } = read("guests", &answer)?;
    if guests.is_empty() {
        return host.out.done("no other home keeps backups here");
    }
    let mut table = Columns::new(host.out.look(), &["NAME", "KEEPS", "OF", "WROTE LAST"]);
    for guest in &guests {
        let last = match &guest.last_write {
            Some(last) => time::with_age(last, host.now(), &host.zone),
            None => "never".to_owned(),
        };
        table.row([
            (guest.name.as_str(), Tone::Strong),
            (&size::bytes(guest.used), Tone::Plain),
            (&size::bytes(guest.quota), Tone::Plain),
            (&last, Tone::Plain),
        ]);
    }
    host.out.print(&table.render())
}
