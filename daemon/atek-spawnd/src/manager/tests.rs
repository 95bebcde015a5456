//! systemd faked on the wire: what is tested is what goes over D-Bus.

use super::*;
use std::sync::{Arc, Mutex};
use zbus::object_server::SignalEmitter;

const MANAGER: &str = "/org/freedesktop/systemd1";
const UNIT: &str = "/org/freedesktop/systemd1/unit/x";

/// What the fake was asked, and what it says.
#[derive(Debug, Default)]
struct Script {
    calls: Mutex<Vec<String>>,
    /// The state of the only unit; none: there is no unit.
    state: Mutex<Option<&'static str>>,
    ignores_stop: bool,
}

impl Script {
    fn called(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }
}

struct FakeManager(Arc<Script>);
struct FakeUnit(Arc<Script>);

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.systemd1")]
enum Refusal {
    #[zbus(error)]
    ZBus(zbus::Error),
    NoSuchUnit(String),
    UnitExists(String),
}

fn job() -> OwnedObjectPath {
    OwnedObjectPath::try_from("/org/freedesktop/systemd1/job/7").unwrap()
}

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl FakeManager {
    fn subscribe(&self) {
        self.0.called("subscribe");
    }

    #[zbus(property)]
    fn version(&self) -> String {
        "257.13-1~deb13u1".to_owned()
    }

    fn get_unit(&self, name: &str) -> Result<OwnedObjectPath, Refusal> {
        match *self.0.state.lock().unwrap() {
            None => Err(Refusal::NoSuchUnit(name.to_owned())),
            Some(_) => Ok(OwnedObjectPath::try_from(UNIT).unwrap()),
        }
    }

    fn list_units_by_patterns(&self, _states: Vec<String>, names: Vec<String>) -> Vec<ListedUnit> {
        let state = *self.0.state.lock().unwrap();
        let path = || OwnedObjectPath::try_from(UNIT).unwrap();
        let text = String::new;
        let listed = |(name, state): (String, &str)| {
            let state = state.to_owned();
            (
                name,
                text(),
                text(),
                state,
                text(),
                text(),
                path(),
                0,
                text(),
                path(),
            )
        };
        names.into_iter().zip(state).map(listed).collect()
    }

    /// The job ends before the reply, like that of a very short service.
    async fn start_transient_unit(
        &self,
        name: String,
        _mode: String,
        properties: Vec<(String, zbus::OwnedVariant)>,
        _aux: Vec<(String, Vec<(String, zbus::OwnedVariant)>)>,
        #[zbus(signal_emitter)] out: SignalEmitter<'_>,
    ) -> Result<OwnedObjectPath, Refusal> {
        self.0
            .called(format!("start {name} with {}", properties.len()));
        if self.0.state.lock().unwrap().is_some() {
            return Err(Refusal::UnitExists(name));
        }
        Self::job_removed(
            &out,
            6,
            OwnedObjectPath::try_from("/other").unwrap(),
            "x",
            "failed",
        )
        .await?;
        Self::job_removed(&out, 7, job(), &name, "done").await?;
        Ok(job())
    }

    async fn stop_unit(
        &self,
        name: String,
        _mode: String,
        #[zbus(signal_emitter)] out: SignalEmitter<'_>,
    ) -> Result<OwnedObjectPath, Refusal> {
        self.0.called(format!("stop {name}"));
        if self.0.state.lock().unwrap().is_none() {
            return Err(Refusal::NoSuchUnit(name));
        }
        if !self.0.ignores_stop {
            *self.0.state.lock().unwrap() = Some("inactive");
            Self::job_removed(&out, 7, job(), &name, "done").await?;
        }
        Ok(job())
    }

    async fn kill_unit(
        &self,
        name: String,
        whom: String,
        signal: i32,
        #[zbus(signal_emitter)] out: SignalEmitter<'_>,
    ) -> Result<(), Refusal> {
        self.0
            .called(format!("kill {whom} of {name} with {signal}"));
        Self::job_removed(&out, 7, job(), &name, "done").await?;
        Ok(())
    }

    fn reset_failed_unit(&self, name: &str) {
        self.0.called(format!("reset {name}"));
        *self.0.state.lock().unwrap() = None;
    }

    #[zbus(signal)]
    async fn job_removed(
        out: &SignalEmitter<'_>,
        id: u32,
        job: OwnedObjectPath,
        unit: &str,
        result: &str,
    ) -> zbus::Result<()>;
}

#[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
impl FakeUnit {
    #[zbus(property)]
    fn active_state(&self) -> String {
        self.0
            .state
            .lock()
            .unwrap()
            .unwrap_or("inactive")
            .to_owned()
    }
}

async fn faked(script: Script) -> (Systemd, Arc<Script>, Connection) {
    let script = Arc::new(script);
    let (theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
    let serve = zbus::connection::Builder::unix_stream(theirs)
        .server(zbus::Guid::generate())
        .p2p()
        .serve_at(MANAGER, FakeManager(Arc::clone(&script)))
        .serve_at(UNIT, FakeUnit(Arc::clone(&script)))
        .build();
    let dial = zbus::connection::Builder::unix_stream(ours).p2p().build();
    let (server, client) = tokio::try_join!(serve, dial).unwrap();
    (Systemd::connect(&client).await.unwrap(), script, server)
}

fn calls(script: &Script) -> Vec<String> {
    std::mem::take(&mut script.calls.lock().unwrap())
}

/// Far longer than anything here takes.
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_job_that_ends_before_the_reply_is_still_seen() {
    let (systemd, script, _server) = faked(Script::default()).await;
    assert_eq!(systemd.version(), Version(257));
    let properties = [("Type", Variant::from("exec"))];
    assert_eq!(
        systemd
            .start("x.service", &properties, MINUTE)
            .await
            .unwrap(),
        "done"
    );
    assert_eq!(calls(&script), ["subscribe", "start x.service with 1"]);
}

#[tokio::test]
async fn a_failed_unit_makes_way_and_a_running_one_does_not() {
    let (systemd, script, _server) = faked(Script::default()).await;
    *script.state.lock().unwrap() = Some("failed");
    assert_eq!(
        systemd.start("x.service", &[], MINUTE).await.unwrap(),
        "done"
    );
    assert_eq!(
        calls(&script),
        ["subscribe", "reset x.service", "start x.service with 0"]
    );
    for state in ["active", "activating", "deactivating"] {
        *script.state.lock().unwrap() = Some(state);
        let refused = systemd.start("x.service", &[], MINUTE).await;
        assert!(matches!(refused, Err(SystemdError::Running(_))), "{state}");
        assert!(calls(&script).is_empty(), "{state}");
    }
}

#[tokio::test]
async fn a_stop_of_nothing_succeeds_and_leaves_nothing_behind() {
    let (systemd, script, _server) = faked(Script::default()).await;
    systemd.stop("x.service", MINUTE).await.unwrap();
    *script.state.lock().unwrap() = Some("active");
    systemd.stop("x.service", MINUTE).await.unwrap();
    assert_eq!(
        calls(&script)[1..],
        ["stop x.service", "stop x.service", "reset x.service"]
    );
}

#[tokio::test]
async fn a_unit_that_ignores_the_stop_is_killed() {
    let (systemd, script, _server) = faked(Script {
        ignores_stop: true,
        ..Script::default()
    })
    .await;
    *script.state.lock().unwrap() = Some("active");
    systemd
        .stop("x.service", Duration::from_millis(20))
        .await
        .unwrap();
    let expected = [
        "stop x.service",
        "kill all of x.service with 9",
        "reset x.service",
    ];
    assert_eq!(calls(&script)[1..], expected);
}
