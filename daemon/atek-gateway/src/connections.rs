//! Open connections: how many each peer may hold, and which one makes room when there is none.
//!
//! A connection on which no request runs can be closed at any moment (RFC 9112 section 9.5).
//! So no number of idle ones keeps another device out: the oldest idle one of the peer that
//! holds most is closed for a new one.

use super::activity::Activity;
use super::peer::Peer;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The connections of all listeners of one kind.
#[derive(Debug)]
pub(super) struct Connections {
    /// In sum.
    most: usize,
    /// Of one peer.
    share: usize,
    open: Mutex<Open>,
    /// When the journal last named a peer with its whole share.
    named: Mutex<Option<Instant>>,
}

/// How long no peer is named again.
const NAMED: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    count: usize,
    /// By peer, oldest first.
    held: HashMap<Peer, BTreeMap<u64, Held>>,
}

#[derive(Debug)]
struct Held {
    activity: Arc<Activity>,
    close: CancellationToken,
}

/// One connection's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    connections: Arc<Connections>,
    peer: Peer,
    number: u64,
    /// The peer held its whole share, and lost an older connection to this one.
    pub(super) is_over_share: bool,
    /// Cancelled when the connection must make room for another one, and with its listener.
    pub(super) close: CancellationToken,
}

impl Connections {
    /// At most `most` in sum and a quarter of them for one peer.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            share: most.div_ceil(4),
            open: Mutex::default(),
            named: Mutex::default(),
        })
    }

    /// Whether the journal is to name a peer now: not again and again.
    pub(super) fn is_news(&self) -> bool {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = named.is_none_or(|last| last.elapsed() >= NAMED);
        if is_news {
            *named = Some(Instant::now());
        }
        is_news
    }

    /// A place for a new connection of a listener; none where the peer, or everybody, is busy with
    /// requests on all that they hold.
    pub(super) fn enter(
        self: &Arc<Self>,
        peer: Peer,
        activity: Arc<Activity>,
        listener: &CancellationToken,
    ) -> Option<ConnectionSlot> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let share = match peer {
            Peer::Trusted => self.most,
            _ => self.share,
        };
        let own = open.held.get(&peer).map_or(0, BTreeMap::len);
        if own >= share && !open.close_oldest_idle(peer) {
            return None;
        }
        if open.count >= self.most && !open.make_room() {
            return None;
        }
        let (number, close) = (open.next, listener.child_token());
        open.next += 1;
        open.count += 1;
        let held = Held {
            activity,
            close: close.clone(),
        };
        open.held.entry(peer).or_default().insert(number, held);
        Some(ConnectionSlot {
            connections: self.clone(),
            peer,
            number,
            is_over_share: own >= share,
            close,
        })
    }
}

impl Open {
    /// Closes the oldest idle connection of the peer that holds most; of the next one where all
    /// are busy.
    fn make_room(&mut self) -> bool {
        let mut holders: Vec<(usize, Peer)> = self
            .held
            .iter()
            .map(|(peer, held)| (held.len(), *peer))
            .collect();
        holders.sort_by(|(a, _), (b, _)| b.cmp(a));
        holders
            .into_iter()
            .any(|(_, peer)| self.close_oldest_idle(peer))
    }

    fn close_oldest_idle(&mut self, peer: Peer) -> bool {
        let idle = self.held.get(&peer).and_then(|held| {
            let mut idle = held.iter().filter(|(_, held)| held.activity.is_idle());
            idle.next().map(|(number, _)| *number)
        });
        let Some(closed) = idle.and_then(|number| self.remove(peer, number)) else {
            return false;
        };
        closed.close.cancel();
        true
    }

    fn remove(&mut self, peer: Peer, number: u64) -> Option<Held> {
        let held = self.held.get_mut(&peer)?;
        let removed = held.remove(&number)?;
        if held.is_empty() {
            self.held.remove(&peer);
        }
        self.count -= 1;
        Some(removed)
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let open = &self.connections.open;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have been closed for another one.
        open.remove(self.peer, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> Peer {
        Peer::V4([10, 0, 0, last].into())
    }

    fn enter(connections: &Arc<Connections>, peer: Peer) -> Option<ConnectionSlot> {
        connections.enter(peer, Arc::default(), &CancellationToken::new())
    }

    #[test]
    fn a_peer_with_its_share_closes_its_own_oldest_idle_connection() {
        let connections = Connections::new(8);
        let first = enter(&connections, v4(1)).unwrap();
        let second = enter(&connections, v4(1)).unwrap();
        let _third = enter(&connections, v4(1)).unwrap();
        assert!(first.close.is_cancelled() && !second.close.is_cancelled());
    }

    #[test]
    fn idle_connections_of_many_peers_keep_nobody_out() {
        let connections = Connections::new(8);
        let idle: Vec<_> = (1..=4)
            .flat_map(|peer| (0..2).map(move |_| peer))
            .map(|peer| enter(&connections, v4(peer)).unwrap())
            .collect();
        assert!(idle.iter().all(|place| !place.close.is_cancelled()));
        for newcomer in 100..120 {
            assert!(enter(&connections, v4(newcomer)).is_some(), "{newcomer}");
        }
        assert!(idle.iter().any(|place| place.close.is_cancelled()));
    }

    #[test]
    fn a_connection_in_use_is_never_closed_for_another() {
        let connections = Connections::new(2);
        let busy: Vec<_> = [1, 2]
            .map(|peer| {
                let activity = Arc::new(Activity::default());
                let running = activity.begin();
                let place = connections
                    .enter(v4(peer), activity, &CancellationToken::new())
                    .unwrap();
                (place, running)
            })
            .into();
        assert!(enter(&connections, v4(3)).is_none());
        assert!(busy.iter().all(|(place, _)| !place.close.is_cancelled()));
        drop(busy);
        assert!(
            enter(&connections, v4(3)).is_some(),
            "places are free again"
        );
    }
}
