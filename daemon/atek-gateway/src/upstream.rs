//! A request to a service: wakes it, sends, and says what went wrong.

use super::body::{Body, BoxError, GuardedBody};
use super::error::Failure;
use super::gateway::Gateway;
use super::workers;
use atek_api::services::State;
use atek_host_model::directory::Entry;
use atek_host_model::idle::KeepAwake;
use atek_rpc::pool::{Leased, Pool, PooledBody, SendError};
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// How long it may take until the death of a service is known here.
pub(super) const DEATH_DETECTION_LAG: Duration = Duration::from_secs(2);
/// Pause between attempts in that time.
const PAUSE: Duration = Duration::from_millis(10);

/// A service that listens, and is kept from falling asleep.
#[derive(Debug)]
pub(super) struct Awake<'a> {
    /// The service as it was found; another one where it had to be woken.
    pub(super) entry: Cow<'a, Arc<Entry>>,
    pub(super) hold: KeepAwake,
}

/// The body of a service's response; as long as it is there, the service stays awake.
pub(super) type ServiceBody = GuardedBody<PooledBody, KeepAwake>;

/// By when the head of a response must have come.
#[derive(Debug, Clone)]
pub(super) struct ResponseDeadline {
    wait: Duration,
    progress: Option<Progress>,
}

impl ResponseDeadline {
    /// So long from now.
    pub(super) fn of(wait: Duration) -> Self {
        Self {
            wait,
            progress: None,
        }
    }

    /// So long after the service last took a part of the request's body.
    pub(super) fn after(wait: Duration, progress: Progress) -> Self {
        Self {
            wait,
            progress: Some(progress),
        }
    }

    fn ran_out(&self, entry: &Entry) -> Failure {
        Failure::Timeout {
            id: entry.id().clone(),
            waited: self.wait,
        }
    }
}

impl Gateway {
    /// The service, listening.
    pub(super) async fn awake<'a>(&self, entry: &'a Arc<Entry>) -> Result<Awake<'a>, Failure> {
        if entry.state == State::Running
            && let Some(hold) = entry.hold()
        {
            return Ok(Awake {
                entry: Cow::Borrowed(entry),
                hold,
            });
        }
        Box::pin(self.woken(entry)).await
    }

    async fn woken(&self, entry: &Arc<Entry>) -> Result<Awake<'static>, Failure> {
        loop {
            let entry = self.wake(entry).await?;
            // It would have to fall asleep again at this very moment for a second round.
            if let Some(hold) = entry.hold() {
                return Ok(Awake {
                    entry: Cow::Owned(entry),
                    hold,
                });
            }
        }
    }

    async fn wake(&self, entry: &Arc<Entry>) -> Result<Arc<Entry>, Failure> {
        let id = || entry.id().clone();
        let waited = self.deps().limits.wake;
        match tokio::time::timeout(
            waited,
            self.workers()
                .on_main_runtime(self.deps().services.wake(&entry.key)),
        )
        .await
        {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => return Err(Failure::CannotWake { id: id(), reason }),
            Err(_) => return Err(Failure::Timeout { id: id(), waited }),
        }
        let now = self.deps().directory.now();
        let found = now.by_key(entry.key.as_str()).cloned();
        found.ok_or_else(|| Failure::CannotWake {
            id: id(),
            reason: "it was uninstalled".to_owned(),
        })
    }

    /// Sends a request, to a service that may have died a moment ago.
    pub(super) async fn send(
        &self,
        entry: &Arc<Entry>,
        deadline: ResponseDeadline,
        request: Request<Body>,
    ) -> Result<Response<ServiceBody>, Failure> {
        let awake = self.awake(entry).await?;
        let (awake, connection) = match self.pool(&awake.entry).idle() {
            Some(connection) => (awake, connection),
            None => Box::pin(self.connected(awake, &deadline)).await?,
        };
        // Pinned here, since a future that is moved takes its space twice.
        let sending = std::pin::pin!(connection.send(request));
        let sent = match deadline.progress {
            None => tokio::time::timeout(deadline.wait, sending).await.ok(),
            Some(ref progress) => progress.timeout(deadline.wait, sending).await,
        };
        match sent {
            Some(Ok(response)) => Ok(response.map(|body| GuardedBody::new(body, awake.hold))),
            Some(Err(error)) => Err(failed(&awake.entry, error)),
            None => Err(deadline.ran_out(&awake.entry)),
        }
    }

    /// A new connection. Until there is one nothing is sent, so that this can be done again.
    async fn connected<'a>(
        &self,
        mut awake: Awake<'a>,
        deadline: &ResponseDeadline,
    ) -> Result<(Awake<'a>, Leased), Failure> {
        let until = Instant::now() + DEATH_DETECTION_LAG;
        loop {
            let pool = self.pool(&awake.entry);
            let failure = match tokio::time::timeout(deadline.wait, pool.connection()).await {
                Ok(Ok(connection)) => return Ok((awake, connection)),
                Ok(Err(error)) => failed(&awake.entry, error),
                Err(_) => deadline.ran_out(&awake.entry),
            };
            awake = self.again(&awake, failure, until).await?;
        }
    }

    /// After an attempt that was not accepted: the service, to try again.
    ///
    /// It may have died a moment ago, before anybody could know: until `until` it is then
    /// waited for as one that sleeps, until it listens again or is known not to.
    pub(super) async fn again(
        &self,
        awake: &Awake<'_>,
        failure: Failure,
        until: Instant,
    ) -> Result<Awake<'static>, Failure> {
        match failure {
            Failure::Unreachable { .. } if Instant::now() < until => {
                tokio::time::sleep(PAUSE).await;
                self.woken(&awake.entry).await
            }
            failure => Err(failure),
        }
    }

    /// This thread's connections to the service.
    pub(super) fn pool(&self, entry: &Entry) -> Pool {
        workers::pool(entry, |key| {
            self.deps().directory.now().by_key(key.as_str()).is_some()
        })
    }
}

/// The table entry for a request that got no response.
pub(super) fn failed(entry: &Entry, source: SendError) -> Failure {
    let id = entry.id().clone();
    match source {
        SendError::Connect { .. } => Failure::Unreachable { id, source },
        // Not tried again: a link in the place of the socket does not become one.
        SendError::Untrusted { .. } | SendError::Broken { .. } | SendError::Closed { .. } => {
            Failure::Broken { id, source }
        }
    }
}

/// When a body was last moved on, and whether it is over.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    start: Instant,
    shared: Arc<Moved>,
}

#[derive(Debug, Default)]
struct Moved {
    /// Milliseconds since the start.
    last: AtomicU64,
    is_over: AtomicBool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            shared: Arc::default(),
        }
    }

    fn moved(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.shared.last.store(millis, Ordering::Relaxed);
    }

    /// Whether all of the body was read.
    pub(super) fn is_over(&self) -> bool {
        self.shared.is_over.load(Ordering::Relaxed)
    }

    async fn timeout<T>(
        &self,
        wait: Duration,
        mut doing: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        loop {
            let until =
                self.start + Duration::from_millis(self.shared.last.load(Ordering::Relaxed)) + wait;
            if until <= Instant::now() {
                return None;
            }
            if let Ok(done) = tokio::time::timeout_at(until, doing.as_mut()).await {
                return Some(done);
            }
        }
    }
}

/// A body that notes its progress.
pub(super) struct ProgressBody<B> {
    pub(super) body: B,
    pub(super) progress: Progress,
}

impl<B> http_body::Body for ProgressBody<B>
where
    B: http_body::Body<Data = bytes::Bytes, Error = BoxError> + Unpin,
{
    type Data = bytes::Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, BoxError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(frame) = &polled {
            this.progress.moved();
            if frame.is_none() || this.body.is_end_stream() {
                this.progress.shared.is_over.store(true, Ordering::Relaxed);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
