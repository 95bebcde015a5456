//! Which listeners the gateway accepts on: the public ones, the control socket, and
//! those of the services, which come and go.

use atek_api::ids::ServiceKey;
use atek_gateway::Gateway;
use atek_host_model::listener::{Listener, ListenerChange, Origin};
use std::collections::HashMap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Accepts on the services' listeners as they change, until `cancel`.
pub async fn follow(
    gateway: Gateway,
    mut changes: mpsc::Receiver<ListenerChange>,
    tasks: TaskTracker,
    cancel: CancellationToken,
) {
    // The two ways of one service change apart: TCP with each start of its process,
    // the socket file with each start that atekd makes.
    let mut tcp: HashMap<ServiceKey, CancellationToken> = HashMap::new();
    let mut unix: HashMap<ServiceKey, CancellationToken> = HashMap::new();
    loop {
        let change = tokio::select! {
            () = cancel.cancelled() => return,
            change = changes.recv() => change,
        };
        let serve = |listener, key: &ServiceKey, token: &CancellationToken| {
            let origin = Origin::Service { key: key.clone() };
            let (gateway, token) = (gateway.clone(), token.clone());
            tasks.spawn(async move { gateway.serve(listener, origin, token).await });
        };
        match change {
            None => return,
            Some(ListenerChange::Tcp { key, listeners }) => {
                let token = replace(&mut tcp, &key, &cancel);
                for listener in listeners {
                    serve(listener, &key, &token);
                }
            }
            Some(ListenerChange::Unix { key, listener }) => {
                let token = replace(&mut unix, &key, &cancel);
                serve(listener, &key, &token);
            }
            Some(ListenerChange::Close { key }) => {
                for token in [tcp.remove(&key), unix.remove(&key)].into_iter().flatten() {
                    token.cancel();
                }
            }
        }
    }
}

/// Serves a listener that stays, in the background.
pub fn serve(
    gateway: &Gateway,
    listener: Listener,
    origin: Origin,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    let (gateway, cancel) = (gateway.clone(), cancel.clone());
    tasks.spawn(async move { gateway.serve(listener, origin, cancel).await });
}

fn replace(
    live: &mut HashMap<ServiceKey, CancellationToken>,
    key: &ServiceKey,
    parent: &CancellationToken,
) -> CancellationToken {
    let token = parent.child_token();
    if let Some(old) = live.insert(key.clone(), token.clone()) {
        old.cancel();
    }
    token
}
