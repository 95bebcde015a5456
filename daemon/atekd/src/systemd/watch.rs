//! The watcher: one session is one connection to the bus.

use super::bus::Bus;
use super::properties::Properties;
use super::proxy::ManagerProxy;
use super::unit::{UnitView, service_of};
use super::{PATIENCE, PATTERN, SERVICE, UNIT, get_all};
use atek_api::ids::ServiceId;
use futures_util::{StreamExt as _, TryStreamExt as _};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use zbus::message::Type;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedObjectPath, OwnedVariant};

/// Delay before the bus is tried again; doubles up to [`MAX_DELAY`].
const FIRST_DELAY: Duration = Duration::from_millis(20);
const MAX_DELAY: Duration = Duration::from_secs(1);
/// Signals that may wait: a daemon-reload sends three for every unit of the system.
const SIGNALS: usize = 16 * 1024;
/// How long systemd may be busy with a reload. It takes some hundred milliseconds.
const LONGEST_RELOAD: Duration = Duration::from_secs(20);
/// Everything of systemd is below this.
const ROOT: &str = "/org/freedesktop/systemd1";

/// What the watcher sees.
#[derive(Debug)]
pub enum UnitEvent {
    /// All units that there are; any other is gone.
    All(Vec<UnitView>),
    /// A unit came or changed.
    Changed(UnitView),
    /// A unit is gone; what was last seen of it.
    Gone(UnitView),
    /// The bus is lost: nothing is known until the next `All`.
    Lost,
    /// Everything before this has been seen; wake those who wait for it.
    Synced(oneshot::Sender<()>),
}

/// The receiver is gone.
struct ReceiverGone;

/// Why a session ended.
enum End {
    ReceiverGone,
    Bus(zbus::Error),
    /// The stream of signals ended, or systemd did not answer.
    Silent,
}

impl From<zbus::Error> for End {
    fn from(error: zbus::Error) -> Self {
        Self::Bus(error)
    }
}

impl From<ReceiverGone> for End {
    fn from(_: ReceiverGone) -> Self {
        Self::ReceiverGone
    }
}

pub(super) async fn run(
    bus: Bus,
    events: mpsc::Sender<UnitEvent>,
    mut syncs: mpsc::Receiver<oneshot::Sender<()>>,
) {
    let mut delay = FIRST_DELAY;
    loop {
        let began = Instant::now();
        match session(&bus, &events, &mut syncs).await {
            Ok(never) => match never {},
            Err(End::ReceiverGone) => return,
            Err(End::Bus(error)) => tracing::warn!(%error, "lost the bus"),
            Err(End::Silent) => tracing::warn!("lost systemd's signals"),
        }
        if events.send(UnitEvent::Lost).await.is_err() {
            return;
        }
        if began.elapsed() > MAX_DELAY {
            delay = FIRST_DELAY;
        }
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = events.closed() => return,
        }
        delay = (delay * 2).min(MAX_DELAY);
    }
}

/// What a task that asked systemd something brings back.
enum Answer {
    /// All units with their properties.
    Listed(
        Option<OwnedUniqueName>,
        Vec<(OwnedObjectPath, ServiceId, Properties)>,
    ),
    /// The properties of one unit.
    Read(OwnedObjectPath, ServiceId, Box<Properties>),
    /// One that is not there any more.
    Vanished,
    Pong(oneshot::Sender<()>),
}

async fn session(
    bus: &Bus,
    events: &mpsc::Sender<UnitEvent>,
    syncs: &mut mpsc::Receiver<oneshot::Sender<()>>,
) -> Result<std::convert::Infallible, End> {
    let connection = bus.open().await?;
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .path_namespace(ROOT)
        .build()?;
    let mut signals =
        MessageStream::for_match_rule(rule, &connection, SIGNALS.try_into().ok()).await?;
    let mut watcher = Watcher {
        connection: connection.clone(),
        owner: None,
        units: HashMap::new(),
        reloading: None,
        asked: JoinSet::new(),
        events,
    };
    ManagerProxy::new(&connection).await?.subscribe().await?;
    watcher.list();
    loop {
        let overdue = overdue(watcher.reloading);
        // In this order: what was signalled before an answer is seen before it.
        tokio::select! {
            biased;
            () = events.closed() => return Err(End::ReceiverGone),
            signal = signals.next() => match signal {
                Some(signal) => watcher.signal(&signal?).await?,
                None => return Err(End::Silent),
            },
            Some(answer) = watcher.asked.join_next() => match answer {
                Ok(Ok(answer)) => watcher.answer(answer).await?,
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(End::Silent),
            },
            Some(done) = syncs.recv() => watcher.ping(done),
            () = overdue => watcher.end_reload(),
        }
    }
}

struct Watcher<'e> {
    connection: Connection,
    /// Who systemd is on the bus: others may send signals, too.
    owner: Option<OwnedUniqueName>,
    units: HashMap<OwnedObjectPath, (ServiceId, Properties)>,
    /// Since the first of the two `Reloading` signals; between them systemd removes and adds
    /// every unit.
    reloading: Option<Instant>,
    asked: JoinSet<Result<Answer, End>>,
    events: &'e mpsc::Sender<UnitEvent>,
}

impl Watcher<'_> {
    fn ask(&mut self, question: impl Future<Output = Result<Answer, End>> + Send + 'static) {
        self.asked.spawn(async move {
            tokio::time::timeout(PATIENCE, question)
                .await
                .unwrap_or(Err(End::Silent))
        });
    }

    fn list(&mut self) {
        let connection = self.connection.clone();
        self.ask(async move { list(&connection).await });
    }

    fn ping(&mut self, done: oneshot::Sender<()>) {
        let connection = self.connection.clone();
        self.ask(async move {
            connection
                .call_method(
                    Some("org.freedesktop.systemd1"),
                    ROOT,
                    Some("org.freedesktop.DBus.Peer"),
                    "Ping",
                    &(),
                )
                .await?;
            Ok(Answer::Pong(done))
        });
    }

    fn end_reload(&mut self) {
        self.reloading = None;
        self.list();
    }

    async fn signal(&mut self, message: &Message) -> Result<(), End> {
        let header = message.header();
        if header.sender().map(|name| name.to_owned().into()) != self.owner {
            // Before the first list; from a process that imitates systemd; or systemd came back
            // under another name.
            if self.owner.is_some() && self.asked.is_empty() {
                self.list();
            }
            return Ok(());
        }
        let member = header.member().map_or("", |member| member.as_str());
        match member {
            "Reloading" => {
                if message.body().deserialize()? {
                    self.reloading = Some(Instant::now());
                } else {
                    self.end_reload();
                }
            }
            _ if self.reloading.is_some() => {}
            "UnitNew" => {
                let body = message.body();
                let (name, _): (&str, OwnedObjectPath) = body.deserialize()?;
                if service_of(name).is_some() {
                    let connection = self.connection.clone();
                    let name = name.to_owned();
                    self.ask(async move { look(&connection, &name).await });
                }
            }
            "UnitRemoved" => {
                let body = message.body();
                let (_, path): (&str, OwnedObjectPath) = body.deserialize()?;
                if let Some((id, last)) = self.units.remove(&path) {
                    self.tell(UnitEvent::Gone(last.view(&id))).await?;
                }
            }
            "PropertiesChanged" => {
                let path = header
                    .path()
                    .map(|path| OwnedObjectPath::from(path.to_owned()));
                if let Some((id, known)) = path.and_then(|path| self.units.get_mut(&path)) {
                    let body = message.body();
                    let (interface, changed, _): (
                        &str,
                        HashMap<String, OwnedVariant>,
                        Vec<String>,
                    ) = body.deserialize()?;
                    known.merge(&changed);
                    // systemd sends the service's properties first, then the unit's state.
                    if interface == UNIT {
                        let view = known.view(id);
                        self.tell(UnitEvent::Changed(view)).await?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn answer(&mut self, answer: Answer) -> Result<(), ReceiverGone> {
        match answer {
            // Made of what was between the two signals; the next list comes after them.
            Answer::Listed(owner, _) if self.reloading.is_some() && owner == self.owner => Ok(()),
            Answer::Listed(owner, units) => {
                // Another owner: systemd executed itself again, and starts with no units.
                self.reloading = None;
                self.owner = owner;
                let views = units.iter().map(|(_, id, known)| known.view(id)).collect();
                self.units = units
                    .into_iter()
                    .map(|(path, id, known)| (path, (id, known)))
                    .collect();
                self.tell(UnitEvent::All(views)).await
            }
            Answer::Read(path, id, known) if self.reloading.is_none() => {
                let view = known.view(&id);
                self.units.insert(path, (id, *known));
                self.tell(UnitEvent::Changed(view)).await
            }
            Answer::Read(..) | Answer::Vanished => Ok(()),
            Answer::Pong(done) => self.tell(UnitEvent::Synced(done)).await,
        }
    }

    async fn tell(&self, event: UnitEvent) -> Result<(), ReceiverGone> {
        self.events.send(event).await.map_err(|_| ReceiverGone)
    }
}

/// Ends when a reload has taken too long: its second signal may be lost, for example with
/// the systemd that sent the first.
async fn overdue(reloading: Option<Instant>) {
    match reloading {
        Some(since) => tokio::time::sleep_until(since + LONGEST_RELOAD).await,
        None => std::future::pending().await,
    }
}

async fn list(connection: &Connection) -> Result<Answer, End> {
    let owner = owner(connection).await?;
    let units = futures_util::stream::iter(loaded(connection, PATTERN).await?)
        .map(|(path, id)| read(connection, path, id))
        .buffer_unordered(16)
        .try_filter_map(|answer| async {
            Ok(match answer {
                Answer::Read(path, id, known) => Some((path, id, *known)),
                _ => None,
            })
        })
        .try_collect()
        .await?;
    Ok(Answer::Listed(owner, units))
}

/// A unit that was announced. It may be gone again, and then its properties must not be
/// asked for: systemd would load it to answer, announce that, and so on for ever.
async fn look(connection: &Connection, name: &str) -> Result<Answer, End> {
    match loaded(connection, name).await?.pop() {
        Some((path, id)) => read(connection, path, id).await,
        None => Ok(Answer::Vanished),
    }
}

/// The units with such a name that systemd has in memory, without loading any.
async fn loaded(
    connection: &Connection,
    pattern: &str,
) -> Result<Vec<(OwnedObjectPath, ServiceId)>, End> {
    let manager = ManagerProxy::new(connection).await?;
    let rows = manager.list_units_by_patterns(&[], &[pattern]).await?;
    let loaded = rows.into_iter().filter(|row| row.2 == "loaded");
    Ok(loaded
        .filter_map(|row| Some((row.6, service_of(&row.0)?)))
        .collect())
}

/// A unit that is gone when it is read is no error. No answer is one: a systemd that executes
/// itself again drops the calls it has, and a list without those units would end their apps.
async fn read(
    connection: &Connection,
    path: OwnedObjectPath,
    id: ServiceId,
) -> Result<Answer, End> {
    let mut known = Properties::default();
    for interface in [SERVICE, UNIT] {
        match get_all(connection, &path, interface).await {
            Ok(all) => known.merge(&all),
            Err(error) if is_unloaded(&error) => return Ok(Answer::Vanished),
            Err(error) => return Err(End::Bus(error)),
        }
    }
    Ok(Answer::Read(path, id, Box::new(known)))
}

/// Whether systemd itself says that it has no such unit.
fn is_unloaded(error: &zbus::Error) -> bool {
    use zbus::fdo::Error as Reply;
    match error {
        zbus::Error::FDO(reply) => matches!(
            **reply,
            Reply::UnknownObject(_) | Reply::UnknownInterface(_) | Reply::UnknownMethod(_)
        ),
        zbus::Error::MethodError(name, ..) => name.starts_with("org.freedesktop.systemd1."),
        _ => false,
    }
}

/// Who systemd is on the bus; `None` where there is no bus in between.
async fn owner(connection: &Connection) -> Result<Option<OwnedUniqueName>, End> {
    if !connection.is_bus() {
        return Ok(None);
    }
    let reply = connection
        .call_method(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/DBus",
            Some("org.freedesktop.DBus"),
            "GetNameOwner",
            &("org.freedesktop.systemd1",),
        )
        .await?;
    Ok(Some(reply.body().deserialize()?))
}

#[cfg(test)]
mod tests {
    use super::is_unloaded;
    use zbus::fdo::Error as Reply;

    #[test]
    fn only_systemd_itself_says_that_a_unit_is_gone() {
        let text = || "unit".to_owned();
        let is_gone = |reply| is_unloaded(&zbus::Error::FDO(Box::new(reply)));
        assert!(is_gone(Reply::UnknownObject(text())));
        assert!(is_gone(Reply::UnknownInterface(text())));
        // systemd executes itself again, hangs, or lost the bus.
        for reply in [
            Reply::NoReply(text()),
            Reply::ServiceUnknown(text()),
            Reply::Disconnected(text()),
            Reply::TimedOut(text()),
            Reply::LimitsExceeded(text()),
        ] {
            let name = reply.to_string();
            assert!(!is_gone(reply), "{name}");
        }
        let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(!is_unloaded(&broken.into()));
    }
}
