//! Subscriptions over a WebSocket.
//!
//! Messages are JSON objects, one a line. The gateway may join or split frames, so
//! a line counts, not a frame; a frame that holds one whole object needs no line end.
//!
//! ```text
//! → {"subscribe": ID, "dbId": "…", "path": "a/b", "since": 17}
//! ← {"id": ID, "changes": [{"seq", "type": "put"|"del", "key", "path", "url", "value"?}], "seq": 21, "more": false}
//! ← {"id": ID, "error": {"code", "message"}}        (the subscription has ended)
//! → {"unsubscribe": ID}
//! ```
//!
//! Nothing is lost and nothing comes twice: a client that reconnects passes the last
//! `seq` as `since`. A page of changes counts against the caller's share until it is
//! sent, so that a slow reader gets larger steps and not a longer queue.

use super::{Failure, stream_place};
use crate::budget::Held;
use crate::caller::Caller;
use crate::error::AdbError;
use crate::json::push_string;
use crate::service::Adb;
use crate::service::diff::follow_of;
use atek_api::jsonrpc::RpcError;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use bytes::Bytes;
use futures_util::SinkExt as _;
use futures_util::StreamExt as _;
use http::HeaderMap;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Subscriptions of one connection.
const SUBSCRIPTIONS: usize = 64;
/// Bytes of one message from a client.
const MESSAGE: usize = 64 << 10;
/// Messages that wait for a slow reader; then its subscriptions wait.
const QUEUE: usize = 4;
/// Bytes of the id that a client gives to a subscription.
const ID: usize = 256;
const PING: Duration = Duration::from_secs(30);
/// How long a client may be silent, pings included, before its connection is closed.
const SILENCE: Duration = Duration::from_secs(90);

/// `GET /` with an upgrade.
pub(super) async fn connect(
    State(adb): State<Adb>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Failure> {
    let caller = adb.caller(&headers)?;
    let place = stream_place(&adb, &caller)?;
    Ok(upgrade
        .max_message_size(MESSAGE)
        .on_upgrade(async move |socket| {
            serve(adb, caller, socket).await;
            drop(place);
        }))
}

/// A message, and the part of the budget that it takes until it is sent.
type Outgoing = (Vec<u8>, Held);

async fn serve(adb: Adb, caller: Caller, socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    let (out, mut outgoing) = mpsc::channel::<Outgoing>(QUEUE);
    let mut client = Client {
        adb,
        caller,
        out,
        running: HashMap::new(),
        input: Vec::new(),
    };
    let mut ping = tokio::time::interval(PING);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            message = stream.next() => {
                heard = Instant::now();
                let go_on = match message {
                    Some(Ok(Message::Text(text))) => client.receive(text.as_bytes()),
                    Some(Ok(Message::Binary(bytes))) => client.receive(&bytes),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => true,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => false,
                };
                if !go_on {
                    break;
                }
            }
            Some((text, _held)) = outgoing.recv() => {
                let Ok(text) = String::from_utf8(text) else { break };
                // A reader that takes nothing is found by its silence.
                match tokio::time::timeout(SILENCE, sink.send(Message::Text(text.into()))).await {
                    Ok(Ok(())) => {}
                    _ => break,
                }
            }
            _ = ping.tick() => {
                if heard.elapsed() > SILENCE || sink.send(Message::Ping(Bytes::new())).await.is_err() {
                    break;
                }
            }
        }
    }
    let _ = tokio::time::timeout(PING, sink.close()).await;
}

/// One connection.
struct Client {
    adb: Adb,
    caller: Caller,
    out: mpsc::Sender<Outgoing>,
    running: HashMap<String, AbortHandle>,
    input: Vec<u8>,
}

impl Client {
    /// Returns whether the connection goes on.
    fn receive(&mut self, bytes: &[u8]) -> bool {
        let begins_a_message = self.input.is_empty();
        self.input.extend_from_slice(bytes);
        while let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            if !line.trim_ascii().is_empty() {
                match serde_json::from_slice(&line) {
                    Ok(message) if self.handle(&message) => {}
                    _ => return false,
                }
            }
        }
        // Looked at once, where it begins: a message in many small frames would else be read for
        // each of them.
        if begins_a_message
            && let Ok(message) = serde_json::from_slice::<Value>(&self.input)
            && message.is_object()
        {
            self.input.clear();
            if !self.handle(&message) {
                return false;
            }
        }
        self.input.len() <= MESSAGE
    }

    /// Returns whether the connection goes on.
    fn handle(&mut self, message: &Value) -> bool {
        self.running.retain(|_, task| !task.is_finished());
        if let Some(id) = message.get("unsubscribe") {
            if let Some(task) = self.running.remove(&id.to_string()) {
                task.abort();
            }
            return true;
        }
        let id = message.get("subscribe").unwrap_or(&Value::Null).to_string();
        if let Err(error) = self.subscribe(&id, message) {
            // The id is repeated, and may be as long as a message.
            let id = if id.len() > ID { "null" } else { &id };
            // This task also empties the queue, so it must not wait for a place in it.
            return self
                .out
                .try_send((refusal(id, error), Held::default()))
                .is_ok();
        }
        true
    }

    fn subscribe(&mut self, id: &str, message: &Value) -> Result<(), AdbError> {
        if message.get("subscribe").is_none_or(Value::is_null) {
            return Err(AdbError::Refused(
                "a message has \"subscribe\" or \"unsubscribe\"".to_owned(),
            ));
        }
        if id.len() > ID {
            return Err(AdbError::Limit(format!(
                "the id of a subscription has at most {ID} bytes"
            )));
        }
        if self.running.contains_key(id) {
            return Err(AdbError::Refused(
                "this subscription exists already".to_owned(),
            ));
        }
        if self.running.len() >= SUBSCRIPTIONS {
            return Err(AdbError::Limit(format!(
                "a connection has at most {SUBSCRIPTIONS} subscriptions"
            )));
        }
        let mut follow = follow_of(message, self.adb.limits())?;
        let place = self.adb.follower_place(&self.caller)?;
        let (adb, caller, out, name) = (
            self.adb.clone(),
            self.caller.clone(),
            self.out.clone(),
            id.to_owned(),
        );
        let task = tokio::spawn(async move {
            let _place = place;
            loop {
                let pushes = &adb.budgets.pushes;
                match adb.next_page(&caller, &follow, pushes).await {
                    Ok((page, held)) => {
                        follow.since = page.seq;
                        if page.changes.is_empty() && !page.reset {
                            continue;
                        }
                        let mut text = format!(r#"{{"id":{name},"#).into_bytes();
                        text.extend_from_slice(&page.to_json()[1..]);
                        text.push(b'\n');
                        if out.send((text, held)).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        // The connection may have ended.
                        let _ = out.send((refusal(&name, error), Held::default())).await;
                        return;
                    }
                }
            }
        });
        self.running.insert(id.to_owned(), task.abort_handle());
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.running.values().for_each(AbortHandle::abort);
    }
}

fn refusal(id: &str, error: AdbError) -> Vec<u8> {
    let RpcError { code, message, .. } = error.into();
    let mut text =
        format!(r#"{{"id":{id},"error":{{"code":{},"message":"#, json!(code)).into_bytes();
    push_string(&mut text, &message);
    text.extend_from_slice(b"}}\n");
    text
}
