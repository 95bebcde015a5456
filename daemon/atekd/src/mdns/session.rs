//! One connection to the bus: what Avahi publishes for us, kept as it should be.

use super::interfaces::{self, Address, Changes};
use super::proxy::{
    ANY_PROTOCOL, AVAHI, COLLISION, ESTABLISHED, EntryGroupProxy, FAILURE, NO_REVERSE, RUNNING,
    ServerProxy,
};
use super::{Local, PublisherDeps, RETRY, plan};
use atek_api::ids::ServiceKey;
use futures_util::StreamExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;
use zbus::fdo::DBusProxy;
use zbus::message::Type;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedObjectPath};

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("the system bus cannot be used ({0})")]
    Bus(#[from] zbus::Error),
    #[error("the system bus was lost")]
    Lost,
    #[error("the addresses of the box cannot be watched ({0})")]
    Addresses(#[from] std::io::Error),
}

/// Runs until the bus is lost.
pub(super) async fn run(parts: &PublisherDeps, shown: &watch::Sender<Arc<Local>>) -> End {
    match follow(parts, shown).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

async fn follow(
    parts: &PublisherDeps,
    shown: &watch::Sender<Arc<Local>>,
) -> Result<std::convert::Infallible, End> {
    let connection = parts.bus.open().await?;
    let bus = DBusProxy::new(&connection).await?;
    let mut owners = bus
        .receive_name_owner_changed_with_args(&[(0, AVAHI)])
        .await?;
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(AVAHI)
        .build()?;
    let mut signals = MessageStream::for_match_rule(rule, &connection, None).await?;
    let addresses = Changes::watch()?;
    let mut apps = parts.directory.changes();
    let mut host_name = parts.host_name.clone();
    let mut publisher = Publisher {
        server: ServerProxy::new(&connection).await?,
        bus,
        connection,
        said: None,
        told: host_name.borrow_and_update().clone(),
        owner: None,
        live: None,
    };
    loop {
        apps.mark_unchanged();
        let updated = publisher.update(parts).await;
        if let Err(error) = &updated {
            publisher.say(&format!("Avahi refused them ({error})"));
        }
        shown.send_if_modified(|before| {
            let now = publisher.local();
            let is_new = **before != now;
            if is_new {
                *before = Arc::new(now);
            }
            is_new
        });
        tokio::select! {
            changed = apps.changed() => changed.map_err(|_| End::Lost)?,
            changed = host_name.changed() => {
                changed.map_err(|_| End::Lost)?;
                let name = host_name.borrow_and_update().clone();
                publisher.rename(name).await;
            }
            changed = addresses.next() => changed?,
            owner = owners.next() => {
                owner.ok_or(End::Lost)?;
            }
            () = tokio::time::sleep(RETRY), if updated.is_err() => {}
            signal = signals.next() => publisher.signal(&signal.ok_or(End::Lost)??),
        }
    }
}

struct Publisher {
    connection: Connection,
    bus: DBusProxy<'static>,
    server: ServerProxy<'static>,
    /// What was said last about why there are no names.
    said: Option<String>,
    /// The host name that Avahi knows from the system, or was told.
    told: Option<String>,
    owner: Option<OwnedUniqueName>,
    live: Option<Published>,
}

/// What Avahi was given.
struct Published {
    domain: String,
    addresses: BTreeSet<Address>,
    groups: BTreeMap<String, Group>,
}

/// The records of one name.
struct Group {
    key: ServiceKey,
    path: OwnedObjectPath,
    state: i32,
}

impl Publisher {
    /// Makes what is published what it should be.
    async fn update(&mut self, parts: &PublisherDeps) -> zbus::Result<()> {
        let owner = self.bus.get_name_owner(AVAHI.try_into()?).await.ok();
        if owner != self.owner {
            // Another Avahi knows nothing of the groups of the one before.
            self.live = None;
            self.owner = owner;
        }
        if self.owner.is_none() {
            self.say("Avahi does not run");
            return Ok(());
        }
        if self.server.get_state().await? != RUNNING {
            // It takes a name, or another one; the next signal says when it has.
            return self.withdraw().await;
        }
        let domain = self.server.get_host_name_fqdn().await?;
        let addresses = interfaces::now().unwrap_or_default();
        let is_same = |live: &Published| live.domain == domain && live.addresses == addresses;
        if !self.live.as_ref().is_some_and(is_same) {
            self.withdraw().await?;
            tracing::info!("the box is {domain} on the local network");
            self.said = None;
        }
        let wanted = plan::names(&parts.directory.now(), &domain);
        let live = self.live.get_or_insert_with(|| Published {
            domain,
            addresses,
            groups: BTreeMap::new(),
        });
        let gone: Vec<String> = live
            .groups
            .iter()
            .filter(|(name, group)| wanted.get(*name) != Some(&group.key))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            if let Some(group) = live.groups.remove(&name) {
                free(&self.connection, &group).await?;
            }
        }
        if live.addresses.is_empty() {
            return Ok(());
        }
        for (name, key) in wanted {
            if live.groups.contains_key(&name) {
                continue;
            }
            let group = publish(&self.connection, &self.server, &live.addresses, &name, key).await;
            match group {
                Ok(group) => {
                    live.groups.insert(name, group);
                }
                // The others may still get theirs.
                Err(error) => tracing::warn!(%error, "cannot publish the name {name}"),
            }
        }
        Ok(())
    }

    async fn withdraw(&mut self) -> zbus::Result<()> {
        for group in self.live.take().into_iter().flat_map(|live| live.groups) {
            free(&self.connection, &group.1).await?;
        }
        Ok(())
    }

    /// Passes a new host name on: Avahi does not ask for it again.
    async fn rename(&mut self, name: Option<String>) {
        let Some(name) = name.filter(|name| self.told.as_ref() != Some(name)) else {
            return;
        };
        if self.owner.is_some()
            && let Err(error) = self.server.set_host_name(&name).await
        {
            tracing::warn!(%error, "Avahi does not take the name {name}");
        }
        self.told = Some(name);
    }

    fn signal(&mut self, message: &Message) {
        let header = message.header();
        let is_of_avahi = header.sender().map(|name| name.as_str())
            == self.owner.as_ref().map(|name| name.as_str());
        if !is_of_avahi
            || header
                .member()
                .is_none_or(|member| member != "StateChanged")
        {
            return;
        }
        let groups = self.live.iter_mut().flat_map(|live| &mut live.groups);
        let group = groups
            .filter(|(_, group)| header.path().is_some_and(|path| *path == *group.path))
            .last();
        let Ok((state, _)) = message.body().deserialize::<(i32, String)>() else {
            return;
        };
        if let Some((name, group)) = group {
            if state == COLLISION && group.state != COLLISION {
                tracing::warn!("another device of the network has the name {name}");
            }
            if state == FAILURE {
                tracing::warn!("Avahi could not publish the name {name}");
            }
            group.state = state;
        }
    }

    /// What others can resolve now.
    fn local(&self) -> Local {
        let mut local = Local::default();
        let Some(live) = &self.live else { return local };
        local.domain = Some(live.domain.clone());
        for (name, group) in &live.groups {
            if group.state == ESTABLISHED {
                let names = local.apps.entry(group.key.clone()).or_default();
                names.push(name.clone());
            }
        }
        for names in local.apps.values_mut() {
            // The subdomain first.
            names.sort_by_key(|name| std::cmp::Reverse(name.matches('.').count()));
        }
        local
    }

    /// Once for each reason.
    fn say(&mut self, reason: &str) {
        if self.said.as_deref() != Some(reason) {
            tracing::info!("apps have no names on the local network: {reason}");
            self.said = Some(reason.to_owned());
        }
    }
}

async fn publish(
    connection: &Connection,
    server: &ServerProxy<'_>,
    addresses: &BTreeSet<Address>,
    name: &str,
    key: ServiceKey,
) -> zbus::Result<Group> {
    let path = server.entry_group_new().await?;
    let mut group = Group {
        key,
        path,
        state: 0,
    };
    let filled = fill(connection, addresses, name, &group).await;
    match filled {
        Ok(state) => {
            group.state = state;
            Ok(group)
        }
        Err(error) => {
            free(connection, &group).await?;
            Err(error)
        }
    }
}

/// Address records, not an alias: not every resolver follows an alias of multicast DNS.
async fn fill(
    connection: &Connection,
    addresses: &BTreeSet<Address>,
    name: &str,
    group: &Group,
) -> zbus::Result<i32> {
    let records = proxy(connection, group).await?;
    for address in addresses {
        let interface = i32::try_from(address.interface).unwrap_or(ANY_PROTOCOL);
        let ip = address.ip.to_string();
        records
            .add_address(interface, ANY_PROTOCOL, NO_REVERSE, name, &ip)
            .await?;
    }
    records.commit().await?;
    records.get_state().await
}

async fn free(connection: &Connection, group: &Group) -> zbus::Result<()> {
    proxy(connection, group).await?.free().await
}

async fn proxy<'a>(connection: &Connection, group: &'a Group) -> zbus::Result<EntryGroupProxy<'a>> {
    EntryGroupProxy::builder(connection)
        .path(&*group.path)
        .build()
        .await
}
