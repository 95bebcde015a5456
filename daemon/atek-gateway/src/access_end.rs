//! What is open ends with the right to it: a session that ends, a permission that is taken back or
//! runs out, a share that is ended.

use super::gateway::Gateway;
use super::session_end::session_end;
use atek_api::ids::ServiceKey;
use atek_host_model::directory::Directory;
use atek_host_model::permissions::{Action, Caller, Decision, Rules, ServiceCaller, Verb, decide};
use futures_util::future::{BoxFuture, FutureExt as _, pending};

/// What a connection is open for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opened {
    /// Pages of this service; `changes`: what is sent there may change something.
    Pages { service: ServiceKey, changes: bool },
    /// This API of this service.
    Provider { api: String, service: ServiceKey },
    /// The log of the service with this id.
    Log(String),
    /// This host at this port, through the host.
    Host(String, u16),
    /// Something of the caller alone.
    Own,
}

/// Ends when the caller may not have open what is opened; never for what needs no right.
pub(super) fn access_end(
    gateway: &Gateway,
    caller: &Caller,
    opened: Opened,
) -> BoxFuture<'static, ()> {
    let session = session_end(gateway, caller);
    if opened == Opened::Own || matches!(caller, Caller::Anonymous | Caller::System) {
        return session;
    }
    let (directory, caller) = (gateway.deps().directory.clone(), caller.clone());
    let mut changed = directory.changes();
    let lost = async move {
        while is_allowed(&directory.now(), &caller, &opened) {
            if changed.changed().await.is_err() {
                // No more changes can come.
                pending::<()>().await;
            }
        }
    };
    async move {
        tokio::select! {
            () = session => {}
            () = lost => {}
        }
    }
    .boxed()
}

/// Whether the caller, with what it was granted by now, may still have this open. Pure.
fn is_allowed(directory: &Directory, caller: &Caller, opened: &Opened) -> bool {
    let now;
    let caller = match caller {
        Caller::Service(service) => {
            let Some(entry) = directory.by_key(service.key.as_str()) else {
                return false;
            };
            now = Caller::Service(ServiceCaller {
                key: entry.key.clone(),
                owner: entry.owner().clone(),
                granted: entry.granted.clone(),
                decisions: entry.decisions.clone(),
            });
            &now
        }
        other => other,
    };
    let entry = match opened {
        Opened::Pages { service, .. } | Opened::Provider { service, .. } => {
            directory.by_key(service.as_str())
        }
        Opened::Log(id) => directory.by_id(id),
        Opened::Host(..) | Opened::Own => None,
    };
    let target = entry.map(|entry| entry.target());
    let action = match (opened, target) {
        (Opened::Own, _) => return true,
        (Opened::Host(host, port), _) => Action::Reach(host, *port),
        (Opened::Pages { changes: true, .. }, Some(target)) => Action::ChangePages(target),
        (Opened::Pages { .. }, Some(target)) => Action::OpenPages(target),
        (Opened::Provider { api, .. }, Some(target)) => Action::CallProvider(api, target),
        (Opened::Log(_), Some(target)) => Action::On(Verb::ReadLogs, target),
        // It is gone, and what was open there ends by itself.
        (Opened::Pages { .. } | Opened::Provider { .. } | Opened::Log(_), None) => return true,
    };
    decide(caller, action, &Rules::default()) == Decision::Yes
}
