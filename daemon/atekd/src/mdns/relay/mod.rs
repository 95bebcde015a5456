//! Lets apps that were given the permission `mdns` find devices at home and announce themselves.
//!
//! ```text
//!  app, eth0 --firewall--> relay: questions, and services at its ports --> every network at home
//!            <------------ relay <-------------------------------- what devices say to all
//! ```
//!
//! Multicast does not pass the links of apps. What an app says to all leads here, and is said on
//! again where it is a question or announces what the app may ([`filter`]). The kernel knows which
//! links have the permission: they are of a group of their own. While no app has it, no socket is
//! open.

mod filter;
mod sockets;

use self::filter::{Announcer, farewell, inwards, outwards};
use self::sockets::{Heard, Sockets};
use super::interfaces::{self, Changes};
use super::{Local, RETRY};
use crate::directory::DirectoryView;
use atek_api::permission::LanPort;
use atek_api::spec::{LINK_PREFIX, MDNS_LINKS};
use nix::net::if_::if_nameindex;
use simple_dns::ResourceRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What one app says in a second at most; more is lost, as on a network.
const MESSAGES: u32 = 50;
/// Announcements of one app that are taken back when it is gone.
const MAX_ANNOUNCED: usize = 64;
/// How long what is known of the links is believed.
const FRESH: Duration = Duration::from_secs(1);

/// What the relay follows.
#[derive(Debug)]
pub struct RelayDeps {
    /// The apps and what they were given.
    pub directory: DirectoryView,
    /// The box's name on the network.
    pub local: watch::Receiver<Arc<Local>>,
}

/// Runs until `stop`.
pub async fn run(mut parts: RelayDeps, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = follow(&mut parts) => {}
    }
}

async fn follow(parts: &mut RelayDeps) {
    let mut changes = parts.directory.changes();
    loop {
        while !is_wanted(&parts.directory) {
            if changes.changed().await.is_err() {
                return;
            }
        }
        match relay(parts).await {
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(%error, "apps cannot announce themselves for now");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Whether an app may announce itself.
fn is_wanted(directory: &DirectoryView) -> bool {
    let directory = directory.now();
    directory
        .entries()
        .any(|entry| entry.granted.mdns && entry.is_routable())
}

/// Passes messages on until no app may announce itself any more.
async fn relay(parts: &mut RelayDeps) -> io::Result<()> {
    let addresses = Changes::watch()?;
    let mut apps = parts.directory.changes();
    let mut relay = Relay {
        sockets: Sockets::open()?,
        home: BTreeSet::new(),
        speakers: BTreeMap::new(),
        looked: Instant::now(),
    };
    loop {
        apps.mark_unchanged();
        relay.look(&parts.directory).await;
        if !is_wanted(&parts.directory) {
            relay.take_back(|_| true).await;
            return Ok(());
        }
        tokio::select! {
            changed = apps.changed() => changed.map_err(io::Error::other)?,
            changed = addresses.next() => changed?,
            ended = relay.pass(parts) => ended?,
        }
    }
}

/// An app that may announce itself.
struct Speaker {
    ports: Vec<LanPort>,
    announced: Vec<ResourceRecord<'static>>,
    /// The present second, and what was said in it.
    second: Instant,
    said: u32,
}

impl Speaker {
    fn new() -> Self {
        Self {
            ports: Vec::new(),
            announced: Vec::new(),
            second: Instant::now(),
            said: 0,
        }
    }

    /// Whether it may say one more now.
    fn may_speak(&mut self) -> bool {
        if self.second.elapsed() >= Duration::from_secs(1) {
            self.second = Instant::now();
            self.said = 0;
        }
        self.said += 1;
        self.said <= MESSAGES
    }

    fn remember(&mut self, announced: Vec<ResourceRecord<'static>>) {
        for record in announced {
            let is_same = |other: &ResourceRecord<'_>| {
                other.name == record.name && other.rdata == record.rdata
            };
            if self.announced.len() < MAX_ANNOUNCED && !self.announced.iter().any(is_same) {
                self.announced.push(record);
            }
        }
    }
}

struct Relay {
    sockets: Sockets,
    /// Interfaces at home.
    home: BTreeSet<u32>,
    /// By the machine's end of their links.
    speakers: BTreeMap<u32, Speaker>,
    looked: Instant,
}

impl Relay {
    /// Passes messages on, until one comes by a link that is new.
    async fn pass(&mut self, parts: &RelayDeps) -> io::Result<()> {
        loop {
            tokio::select! {
                heard = self.sockets.hear_home() => self.to_apps(&heard?, None).await,
                heard = self.sockets.hear_apps() => {
                    let heard = heard?;
                    let is_new = !self.speakers.contains_key(&heard.interface);
                    if is_new && self.looked.elapsed() > FRESH {
                        self.look(&parts.directory).await;
                    }
                    let local = parts.local.borrow().domain.clone();
                    self.heard_app(&heard, local.as_deref()).await;
                }
            }
        }
    }

    async fn heard_app(&mut self, heard: &Heard, host: Option<&str>) {
        let Some(speaker) = self.speakers.get_mut(&heard.interface) else {
            return;
        };
        if !speaker.may_speak() {
            return;
        }
        let ports = &speaker.ports;
        let Some(passed) = outwards(&heard.message, Announcer { host, ports }) else {
            return;
        };
        speaker.remember(passed.announced);
        self.to_home(&passed.message).await;
        let message = passed.message;
        let interface = heard.interface;
        self.to_apps(&Heard { interface, message }, Some(interface))
            .await;
    }

    async fn to_home(&self, message: &[u8]) {
        for interface in &self.home {
            if let Err(error) = self.sockets.say_home(*interface, message).await {
                tracing::debug!(%error, "cannot pass an announcement on");
            }
        }
    }

    /// `from` is the link of the app that says it.
    async fn to_apps(&self, heard: &Heard, from: Option<u32>) {
        let is_ours = from.is_some() || self.home.contains(&heard.interface);
        if !is_ours || !inwards(&heard.message) {
            return;
        }
        for interface in self.speakers.keys().filter(|link| Some(**link) != from) {
            if let Err(error) = self.sockets.say_app(*interface, &heard.message).await {
                tracing::debug!(%error, "cannot pass a message on to an app");
            }
        }
    }

    /// Learns which links and networks there are. What an app announced that is gone is taken back.
    async fn look(&mut self, directory: &DirectoryView) {
        self.looked = Instant::now();
        let found = interfaces::now().unwrap_or_default();
        self.home = found.iter().map(|address| address.interface).collect();
        for address in found {
            if let IpAddr::V4(ip) = address.ip {
                self.sockets.join(ip);
            }
        }
        let directory = directory.now();
        let links = links();
        let speaking: BTreeMap<u32, Vec<LanPort>> = links
            .into_iter()
            .filter_map(|(interface, unit)| {
                let mut entries = directory.entries();
                let entry = entries.find(|entry| entry.unit() == unit)?;
                // What was taken back ends before the link does.
                let granted = &entry.granted;
                granted.mdns.then(|| (interface, granted.listen.clone()))
            })
            .collect();
        self.take_back(|interface| !speaking.contains_key(&interface))
            .await;
        for (interface, ports) in speaking {
            let speaker = self.speakers.entry(interface).or_insert_with(Speaker::new);
            speaker.ports = ports;
        }
    }

    /// Forgets some apps, and takes back what they announced.
    async fn take_back(&mut self, is_gone: impl Fn(u32) -> bool) {
        let known: Vec<u32> = self.speakers.keys().copied().collect();
        for interface in known.into_iter().filter(|link| is_gone(*link)) {
            let gone = self.speakers.remove(&interface);
            if let Some(message) = gone.and_then(|speaker| farewell(speaker.announced)) {
                self.to_home(&message).await;
            }
        }
    }
}

/// The links whose app may announce itself, with the names of their units (see atek-network).
fn links() -> BTreeMap<u32, String> {
    let Ok(all) = if_nameindex() else {
        return BTreeMap::new();
    };
    let links = all.iter().filter_map(|interface| {
        let name = interface.name().to_str().ok()?;
        let read = |what: &str| fs::read_to_string(format!("/sys/class/net/{name}/{what}")).ok();
        if !name.starts_with(LINK_PREFIX) {
            return None;
        }
        let group: u32 = read("netdev_group")?.trim().parse().ok()?;
        let unit = MDNS_LINKS.contains(&group).then(|| read("ifalias"))??;
        Some((interface.index(), unit.trim().to_owned()))
    });
    links.collect()
}
