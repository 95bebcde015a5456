//! The threads that carry connections, each with an event loop of its own.
//!
//! A connection, its requests and the connections to services that they use stay on
//! one thread. A loop shared by several threads wakes a second one for every event
//! that the first one handles, which costs more than the event.

use atek_api::ids::ServiceKey;
use atek_host_model::directory::Entry;
use atek_rpc::pool::Pool;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// More threads than this have nothing to do on a home server.
const MOST: usize = 4;

thread_local! {
    /// This thread's connections to services; none on a thread that is no worker.
    static POOLS: RefCell<Option<HashMap<ServiceKey, Pool>>> = const { RefCell::new(None) };
}

/// The threads; they end with it.
#[derive(Debug)]
pub(super) struct Workers {
    list: Vec<Worker>,
    /// Where everything else of the daemon runs.
    main: Handle,
    _stop: DropGuard,
}

#[derive(Debug)]
struct Worker {
    handle: Handle,
    connections: Arc<AtomicUsize>,
}

/// A connection's place on a worker; free again when it is dropped.
#[derive(Debug)]
pub(super) struct WorkerSlot {
    pub(super) handle: Handle,
    connections: Option<Arc<AtomicUsize>>,
}

impl Drop for WorkerSlot {
    fn drop(&mut self) {
        if let Some(connections) = &self.connections {
            connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Workers {
    /// Starts a thread for each processor, up to a few. Must be called on the daemon's own event
    /// loop.
    pub(super) fn start() -> Self {
        let stop = CancellationToken::new();
        let count = std::thread::available_parallelism().map_or(1, |count| count.get().min(MOST));
        let list = (0..count)
            .filter_map(|number| match Worker::start(number, stop.clone()) {
                Ok(worker) => Some(worker),
                Err(error) => {
                    // Without any, connections run where the rest of the daemon does.
                    tracing::error!(%error, "cannot start a thread for connections");
                    None
                }
            })
            .collect();
        Self {
            list,
            main: Handle::current(),
            _stop: stop.drop_guard(),
        }
    }

    /// A place for a new connection: where there are fewest.
    pub(super) fn assign(&self) -> WorkerSlot {
        let fewest = self
            .list
            .iter()
            .min_by_key(|worker| worker.connections.load(Ordering::Relaxed));
        match fewest {
            Some(worker) => {
                worker.connections.fetch_add(1, Ordering::Relaxed);
                WorkerSlot {
                    handle: worker.handle.clone(),
                    connections: Some(worker.connections.clone()),
                }
            }
            None => WorkerSlot {
                handle: self.main.clone(),
                connections: None,
            },
        }
    }

    /// Runs something of the rest of the daemon: tasks that it starts belong to the daemon's own
    /// event loop.
    pub(super) async fn on_main_runtime<T>(&self, doing: impl Future<Output = T>) -> T {
        let mut doing = std::pin::pin!(doing);
        std::future::poll_fn(|cx| {
            let _main = self.main.enter();
            doing.as_mut().poll(cx)
        })
        .await
    }
}

impl Worker {
    fn start(number: usize, stop: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        std::thread::Builder::new()
            .name(format!("gateway-{number}"))
            .spawn(move || {
                POOLS.set(Some(HashMap::new()));
                runtime.block_on(stop.cancelled());
                // Connections close before the event loop that drives them ends.
                POOLS.set(None);
            })?;
        Ok(Self {
            handle,
            connections: Arc::default(),
        })
    }
}

/// The connections to a service that belong to this thread.
///
/// Those of services that `exists` does not know are closed when a new service is first called.
pub(super) fn pool(entry: &Entry, exists: impl Fn(&ServiceKey) -> bool) -> Pool {
    POOLS.with_borrow_mut(|pools| {
        let Some(pools) = pools else {
            return entry.pool.clone();
        };
        if let Some(pool) = pools.get(&entry.key)
            && pool.endpoint() == entry.pool.endpoint()
        {
            return pool.clone();
        }
        pools.retain(|key, _| exists(key));
        let pool = Pool::new(entry.pool.endpoint().clone());
        pools.insert(entry.key.clone(), pool.clone());
        pool
    })
}
