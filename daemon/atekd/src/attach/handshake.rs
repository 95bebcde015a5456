//! One hand-over: read the message and its descriptors, check them, keep them, answer.

use super::accept::tcp_listener;
use super::run_files::RunFileError;
use super::{Attach, Expected, passed};
use atek_api::ids::ServiceKey;
use atek_api::spec::{AttachError, AttachRequest};
use atek_host_model::listener::Listener;
use atek_rpc::port_connector::{PortConnector, PortSlot};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use subtle::ConstantTimeEq as _;
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;

/// Listeners for IPv4 and IPv6, and the channel of a connector.
const MAX_DESCRIPTORS: usize = 3;

/// Why listeners were not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("cannot read the attach message")]
    Read(#[source] io::Error),
    #[error(transparent)]
    Message(#[from] AttachError),
    #[error("service {0} is not expected to start")]
    NotExpected(ServiceKey),
    #[error("service {0} gave a wrong token")]
    WrongToken(ServiceKey),
    #[error("service {0} attached something else than its listeners")]
    NotListeners(ServiceKey),
    #[error("service {0} has not the channel to its port that it must have, or has one too many")]
    WrongConnector(ServiceKey),
    #[error("service {0} attached already, and the process that did so still runs")]
    AlreadyAttached(ServiceKey),
    #[error("it is not known yet how service {0} was started")]
    NotKnownYet(ServiceKey),
    #[error(transparent)]
    Files(#[from] RunFileError),
    #[error("cannot keep the listeners of {key} over a restart")]
    Store {
        key: ServiceKey,
        #[source]
        source: io::Error,
    },
}

/// The text of a message, and the descriptors that came with it.
#[derive(Debug)]
pub(super) struct Received {
    text: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

/// Takes what was received, and tells the service.
pub(super) async fn answer(
    attach: &Attach,
    stream: &mut UnixStream,
    received: Result<Received, Refusal>,
) -> Result<(), Refusal> {
    let outcome = match received {
        Ok(received) => take(attach, received).await,
        Err(refusal) => Err(refusal),
    };
    let answer = match &outcome {
        Ok(()) => AttachRequest::ACCEPTED,
        // The fault may be on this side; without an answer the service tries again.
        Err(
            Refusal::Read(_) | Refusal::Store { .. } | Refusal::Files(_) | Refusal::NotKnownYet(_),
        ) => return outcome,
        Err(_) => AttachRequest::REFUSED,
    };
    // That a service has gone by now is seen by its unit.
    let _ = stream.write_all(&[answer]).await;
    outcome
}

async fn take(attach: &Attach, received: Received) -> Result<(), Refusal> {
    let Received {
        text,
        mut descriptors,
    } = received;
    let request = AttachRequest::decode(&text)?;
    let key = &request.key;
    let expected = attach
        .inner
        .files
        .token(key)?
        .ok_or(Refusal::NotExpected(key.clone()))?;
    let given = request.token.expose().as_bytes();
    if !bool::from(expected.expose().as_bytes().ct_eq(given)) {
        return Err(Refusal::WrongToken(key.clone()));
    }
    let expected = attach.with(key, |held| held.expected);
    let channel = request
        .connector
        .then(|| descriptors.pop())
        .map(|channel| channel.ok_or(Refusal::NotListeners(key.clone())))
        .transpose()?;
    let slot = attach.port_slot(key);
    let connector = connector(&request, expected, &slot, channel.as_ref())?;
    let listeners = check(&descriptors, request.port).ok_or(Refusal::NotListeners(key.clone()))?;
    keep(attach, key, &descriptors, channel.as_ref()).await?;
    let listeners = listeners.into_iter().map(Listener::Tcp).collect();
    attach.with(key, |held| held.stored.clear());
    slot.set(connector);
    attach.hand_over(key, listeners).await;
    tracing::debug!(%key, "attached");
    Ok(())
}

/// The connector that a starting service brings.
///
/// The program has the token, too, so it could come here and bring a channel of its own, with
/// sockets that it shares. Therefore a channel is taken only for a service that has a port, and
/// only when the process that attached before has ended: it alone holds the other end.
fn connector(
    request: &AttachRequest,
    expected: Option<Expected>,
    slot: &PortSlot,
    channel: Option<&OwnedFd>,
) -> Result<Option<PortConnector>, Refusal> {
    let key = &request.key;
    if slot.get().is_some_and(|connector| connector.is_open()) {
        return Err(Refusal::AlreadyAttached(key.clone()));
    }
    match expected {
        // After a restart of this daemon, until the supervisor has adopted the unit.
        None if request.connector => return Err(Refusal::NotKnownYet(key.clone())),
        Some(expected) if expected.port != request.connector => {
            return Err(Refusal::WrongConnector(key.clone()));
        }
        _ => {}
    }
    let channel = channel.map(|channel| PortConnector::new(channel.try_clone()?));
    channel
        .transpose()
        .map_err(|_| Refusal::WrongConnector(key.clone()))
}

/// Hands the descriptors to systemd, in place of those of an earlier start, and waits
/// until it has them.
async fn keep(
    attach: &Attach,
    key: &ServiceKey,
    listeners: &[OwnedFd],
    channel: Option<&OwnedFd>,
) -> Result<(), Refusal> {
    let notify = &attach.inner.notify;
    let names = passed::stored_names(key);
    let connector = passed::connector_name(key);
    for name in names.iter().chain([&connector]) {
        notify.forget(name);
    }
    for (name, descriptor) in names.iter().zip(listeners) {
        notify.store(name, descriptor.as_fd());
    }
    if let Some(channel) = channel {
        notify.store(&connector, channel.as_fd());
    }
    notify.barrier().await.map_err(|source| Refusal::Store {
        key: key.clone(),
        source,
    })
}

/// Listening TCP sockets on the loopback at `port`, IPv4 first; `None` for anything else.
fn check(descriptors: &[OwnedFd], port: u16) -> Option<Vec<tokio::net::TcpListener>> {
    let listeners: Vec<_> = descriptors
        .iter()
        .map(|descriptor| tcp_listener(descriptor.try_clone().ok()?).ok())
        .collect::<Option<_>>()?;
    let addresses: Vec<_> = listeners
        .iter()
        .map(|listener| listener.local_addr().ok())
        .collect::<Option<_>>()?;
    let right = match addresses.as_slice() {
        [v4] => v4.is_ipv4(),
        [v4, v6] => v4.is_ipv4() && v6.is_ipv6(),
        _ => false,
    };
    let here = |ip: IpAddr| ip.is_loopback();
    let all = addresses
        .iter()
        .all(|address| here(address.ip()) && address.port() == port);
    (right && all).then_some(listeners)
}

/// Reads one message.
pub(super) async fn receive(stream: &UnixStream) -> Result<Received, Refusal> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut descriptors = Vec::new();
    loop {
        let wanted = match bytes.first_chunk::<4>() {
            None => 4,
            Some(prefix) => 4 + AttachRequest::text_length(*prefix)?,
        };
        if bytes.len() == wanted && wanted > 4 {
            bytes.drain(..4);
            return Ok(Received {
                text: bytes,
                descriptors,
            });
        }
        let mut buffer = vec![0; wanted - bytes.len()];
        let length = stream
            .async_io(Interest::READABLE, || {
                receive_part(stream, &mut buffer, &mut descriptors)
            })
            .await
            .map_err(Refusal::Read)?;
        if length == 0 {
            return Err(Refusal::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        bytes.extend_from_slice(&buffer[..length]);
    }
}

fn receive_part(
    stream: &UnixStream,
    buffer: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(buffer)];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = rustix::net::recvmsg(stream, &mut into, &mut control, flags)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(owned) = message {
            descriptors.extend(owned);
        }
    }
    if descriptors.len() > MAX_DESCRIPTORS {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(received.bytes)
}
