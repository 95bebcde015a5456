//! systemd played on a socket pair: what goes over the wire.

use super::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use zbus::{Connection, OwnedObjectPath, Variant};

const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const ROOT: &str = "/org/freedesktop/systemd1";

#[derive(Debug, Clone)]
struct FakeUnit {
    active: &'static str,
    sub: &'static str,
    result: &'static str,
    pid: u32,
}

type Units = Arc<Mutex<Vec<String>>>;

struct FakeManager {
    units: Units,
}

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl FakeManager {
    fn subscribe(&self) {}

    fn list_units_by_patterns(
        &self,
        _states: Vec<String>,
        patterns: Vec<String>,
    ) -> Vec<proxy::UnitRow> {
        let units = self.units.lock().unwrap();
        units
            .iter()
            .filter(|name| patterns == [PATTERN] || patterns == [name.as_str()])
            .map(|name| {
                let none = || OwnedObjectPath::try_from("/").unwrap();
                let text = String::new;
                let row = (name.clone(), text(), "loaded".to_owned(), text(), text());
                (
                    row.0,
                    row.1,
                    row.2,
                    row.3,
                    row.4,
                    text(),
                    path(name),
                    0,
                    text(),
                    none(),
                )
            })
            .collect()
    }
}

struct UnitSide(FakeUnit);

#[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
impl UnitSide {
    #[zbus(property)]
    fn active_state(&self) -> &str {
        self.0.active
    }

    #[zbus(property)]
    fn sub_state(&self) -> &str {
        self.0.sub
    }

    #[zbus(property, name = "InvocationID")]
    fn invocation(&self) -> Vec<u8> {
        vec![0xab, 0x01]
    }
}

struct ServiceSide(FakeUnit);

#[zbus::interface(name = "org.freedesktop.systemd1.Service")]
impl ServiceSide {
    #[zbus(property)]
    fn result(&self) -> &str {
        self.0.result
    }

    #[zbus(property, name = "MainPID")]
    fn main_pid(&self) -> u32 {
        self.0.pid
    }
}

fn path(unit: &str) -> OwnedObjectPath {
    let label = unit.replace('-', "_2d").replace('.', "_2e");
    OwnedObjectPath::try_from(format!("{ROOT}/unit/{label}")).unwrap()
}

struct Machine {
    side: Connection,
    units: Units,
    systemd: Systemd,
    events: mpsc::Receiver<UnitEvent>,
}

impl Machine {
    async fn boot() -> Self {
        let units = Units::default();
        let (theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
        let serve = zbus::connection::Builder::unix_stream(theirs)
            .server(zbus::Guid::generate())
            .p2p()
            .serve_at(
                ROOT,
                FakeManager {
                    units: units.clone(),
                },
            )
            .build();
        let dial = zbus::connection::Builder::unix_stream(ours).p2p().build();
        let (side, client) = tokio::try_join!(serve, dial).unwrap();
        let (systemd, events) = watch(&Bus::fixed(client));
        let mut machine = Self {
            side,
            units,
            systemd,
            events,
        };
        assert!(machine.next().await.starts_with("all []"));
        machine
    }

    async fn load(&self, name: &str, unit: FakeUnit) {
        self.units.lock().unwrap().push(name.to_owned());
        let server = self.side.object_server();
        server.at(path(name), UnitSide(unit.clone())).await.unwrap();
        server.at(path(name), ServiceSide(unit)).await.unwrap();
    }

    async fn emit(&self, member: &str, body: &(impl serde::Serialize + zbus::Type)) {
        self.side
            .emit_signal(None::<&str>, ROOT, MANAGER, member, body)
            .await
            .unwrap();
    }

    async fn change(&self, name: &str, interface: &str, changed: &[(&str, Variant<'_>)]) {
        let changed: HashMap<&str, &Variant<'_>> =
            changed.iter().map(|(name, value)| (*name, value)).collect();
        let body = (interface, changed, Vec::<String>::new());
        let properties = "org.freedesktop.DBus.Properties";
        let path = path(name);
        self.side
            .emit_signal(None::<&str>, &path, properties, "PropertiesChanged", &body)
            .await
            .unwrap();
    }

    /// The next event, in short.
    async fn next(&mut self) -> String {
        let wait = tokio::time::timeout(Duration::from_secs(60), self.events.recv());
        let show =
            |view: &UnitView| format!("{} {:?} {:?} {}", view.id, view.phase, view.pid, view.exit);
        match wait.await.unwrap().unwrap() {
            UnitEvent::All(views) => {
                format!("all {:?}", views.iter().map(show).collect::<Vec<_>>())
            }
            UnitEvent::Changed(view) => format!("changed {}", show(&view)),
            UnitEvent::Gone(view) => format!("gone {}", show(&view)),
            UnitEvent::Lost => "lost".to_owned(),
            UnitEvent::Synced(done) => {
                done.send(()).unwrap();
                "synced".to_owned()
            }
        }
    }
}

const RUNNING: FakeUnit = FakeUnit {
    active: "active",
    sub: "running",
    result: "success",
    pid: 7,
};

#[tokio::test]
async fn a_new_unit_is_read_and_its_changes_arrive_with_their_reason() {
    let mut machine = Machine::boot().await;
    let name = "atek-app-rss.service";
    machine.load(name, RUNNING).await;
    machine.emit("UnitNew", &(name, path(name))).await;
    assert_eq!(
        machine.next().await,
        "changed rss Active Some(7) exit code 0"
    );
    // As systemd sends them: the service's part, then the unit's.
    let service = [
        ("Result", Variant::from("oom-kill")),
        ("MainPID", Variant::from(0u32)),
        ("ExecMainCode", Variant::from(2i32)),
        ("ExecMainStatus", Variant::from(9i32)),
    ];
    machine.change(name, SERVICE, &service).await;
    let unit = [
        ("ActiveState", Variant::from("failed")),
        ("SubState", Variant::from("failed")),
    ];
    machine.change(name, UNIT, &unit).await;
    assert_eq!(
        machine.next().await,
        "changed rss Failed None killed by the kernel: out of memory"
    );
    machine.emit("UnitRemoved", &(name, path(name))).await;
    assert!(machine.next().await.starts_with("gone rss Failed"));
}

#[tokio::test]
async fn a_unit_that_is_gone_when_it_is_announced_is_not_asked_about() {
    let mut machine = Machine::boot().await;
    let name = "atek-app-gone.service";
    // Asking the object would load the unit again; here it would be an event.
    machine.load(name, RUNNING).await;
    machine.units.lock().unwrap().clear();
    machine.emit("UnitNew", &(name, path(name))).await;
    let systemd = machine.systemd.clone();
    let synced = tokio::spawn(async move { systemd.sync().await });
    assert_eq!(machine.next().await, "synced");
    synced.await.unwrap();
}

#[tokio::test]
async fn a_reload_that_removes_and_adds_every_unit_is_one_list_afterwards() {
    let mut machine = Machine::boot().await;
    let name = "atek-app-rss.service";
    machine.load(name, RUNNING).await;
    machine.emit("Reloading", &true).await;
    for member in ["UnitRemoved", "UnitNew"] {
        machine.emit(member, &(name, path(name))).await;
    }
    machine.emit("Reloading", &false).await;
    assert_eq!(
        machine.next().await,
        r#"all ["rss Active Some(7) exit code 0"]"#
    );
}

#[tokio::test]
async fn units_of_others_are_of_no_interest() {
    let mut machine = Machine::boot().await;
    machine.load("ssh.service", RUNNING).await;
    machine.load("atek-app-rss.service", RUNNING).await;
    for name in ["ssh.service", "atek-app-rss.service"] {
        machine.emit("UnitNew", &(name, path(name))).await;
    }
    assert!(machine.next().await.starts_with("changed rss"));
}

#[tokio::test]
async fn a_sync_comes_after_everything_that_happened_before_it() {
    let mut machine = Machine::boot().await;
    let name = "atek-app-rss.service";
    machine.load(name, RUNNING).await;
    machine.emit("UnitNew", &(name, path(name))).await;
    assert!(machine.next().await.starts_with("changed"));
    let stopped = [
        ("ActiveState", Variant::from("inactive")),
        ("SubState", Variant::from("dead")),
    ];
    machine.change(name, UNIT, &stopped).await;
    let systemd = machine.systemd.clone();
    let synced = tokio::spawn(async move { systemd.sync().await });
    assert!(machine.next().await.starts_with("changed rss Dead"));
    assert_eq!(machine.next().await, "synced");
    synced.await.unwrap();
}

#[tokio::test]
async fn a_lost_bus_is_told_and_tried_again() {
    let mut machine = Machine::boot().await;
    machine.side.clone().close().await.unwrap();
    assert_eq!(machine.next().await, "lost");
    assert_eq!(machine.next().await, "lost");
}
