//! Reusable connections to one HTTP/1.1 server.
//!
//! The task that sends a request drives the connection; there is no task per connection, so a
//! request wakes no other thread. Idle connections are not driven: whether the server has closed
//! one shows when it is taken from the pool.

use crate::body::{Body, BoxError};
use crate::early_answer::EarlyAnswer;
use crate::owned_socket::{ConnectError, Owner, connect_checked};
use crate::port_connector::PortSlot;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::future::Future as _;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Idle connections kept for one server; more than that many callers at once is rare.
const MAX_IDLE: usize = 64;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket file in a folder that only trusted processes write.
    Unix(PathBuf),
    /// A socket file in a folder that the server itself writes; see [`crate::owned_socket`].
    Owned(PathBuf, Owner),
    /// A service: a TCP port in its network namespace while its present start has a connector, else
    /// its socket file as with [`Endpoint::Owned`].
    Service(PathBuf, Owner, PortSlot),
    /// Host and port.
    Tcp(String, u16),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Endpoint::Service(_, _, slot) if slot.get().is_some() => write!(f, "its port"),
            Endpoint::Unix(path) | Endpoint::Owned(path, _) | Endpoint::Service(path, _, _) => {
                write!(f, "{}", path.display())
            }
            Endpoint::Tcp(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Nothing listens, or the socket may not be used. Nothing was sent.
    #[error("cannot connect to {endpoint}")]
    Connect {
        /// The server.
        endpoint: Endpoint,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// What is at the server's address is not the server's socket. Nothing was sent.
    #[error("will not connect to {endpoint}")]
    Untrusted {
        /// The server.
        endpoint: Endpoint,
        /// The cause.
        #[source]
        source: ConnectError,
    },
    /// The connection broke; the request may have been acted on.
    #[error("the connection to {endpoint} broke")]
    Broken {
        /// The server.
        endpoint: Endpoint,
        /// The cause.
        #[source]
        source: hyper::Error,
    },
    /// The connection was closed before the response.
    #[error("{endpoint} closed the connection without an answer")]
    Closed {
        /// The server.
        endpoint: Endpoint,
    },
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

type Driver = http1::Connection<TokioIo<EarlyAnswer<Box<dyn Io>>>, Body>;

struct Connection {
    sender: http1::SendRequest<Body>,
    /// Larger than a kilobyte; the connection moves between the pool, requests and bodies.
    driver: Box<Driver>,
}

impl Connection {
    /// Whether the peer has not closed it, and it can take a request.
    fn is_usable(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(&mut *self.driver).poll(&mut cx).is_pending() && self.sender.is_ready()
    }
}

/// Connections to one server. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    endpoint: Endpoint,
    idle: Mutex<Vec<Connection>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("endpoint", &self.inner.endpoint)
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn put(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }

    fn take(&self) -> Option<Connection> {
        loop {
            let mut candidate = self
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()?;
            if candidate.is_usable() {
                return Some(candidate);
            }
        }
    }

    async fn open(&self) -> Result<Box<dyn Io>, SendError> {
        let failed = |source| SendError::Connect {
            endpoint: self.endpoint.clone(),
            source,
        };
        let (path, owner) = match &self.endpoint {
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(failed)?;
                return Ok(Box::new(stream));
            }
            Endpoint::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port))
                    .await
                    .map_err(failed)?;
                stream.set_nodelay(true).map_err(failed)?;
                return Ok(Box::new(stream));
            }
            Endpoint::Service(path, owner, slot) => match slot.get() {
                Some(port) => return Ok(Box::new(port.connect().await.map_err(failed)?)),
                None => (path, owner),
            },
            Endpoint::Owned(path, owner) => (path, owner),
        };
        match connect_checked(path, *owner).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(ConnectError::Io { source, .. }) => Err(failed(source)),
            Err(source) => Err(SendError::Untrusted {
                endpoint: self.endpoint.clone(),
                source,
            }),
        }
    }

    async fn connect(&self) -> Result<Connection, SendError> {
        let io = self.open().await?;
        let (sender, driver) = http1::Builder::new()
            .handshake(TokioIo::new(EarlyAnswer::new(io)))
            .await
            .map_err(|source| SendError::Broken {
                endpoint: self.endpoint.clone(),
                source,
            })?;
        let driver = Box::new(driver);
        Ok(Connection { sender, driver })
    }
}

impl Pool {
    /// A pool for the server at `endpoint`; connects when it is first used.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            inner: Arc::new(Inner {
                endpoint,
                idle: Mutex::new(Vec::new()),
            }),
        }
    }

    /// A pool for the server that listens on a socket file in a folder that only trusted processes
    /// write.
    #[must_use]
    pub fn unix(path: impl AsRef<Path>) -> Self {
        Self::new(Endpoint::Unix(path.as_ref().to_owned()))
    }

    /// A pool for the server of `owner` that listens on a socket file in a folder which `owner`
    /// writes.
    #[must_use]
    pub fn owned(path: impl AsRef<Path>, owner: Owner) -> Self {
        Self::new(Endpoint::Owned(path.as_ref().to_owned(), owner))
    }

    /// Where the server listens.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner.endpoint
    }

    /// An idle connection that the server has not closed, for one request.
    #[must_use]
    pub fn idle(&self) -> Option<Leased> {
        self.inner.take().map(|connection| self.lease(connection))
    }

    fn lease(&self, connection: Connection) -> Leased {
        Leased {
            connection,
            pool: self.inner.clone(),
        }
    }

    /// A connection for one request: an idle one that the server has not closed, or a new one.
    ///
    /// # Errors
    ///
    /// [`SendError`]; nothing was sent.
    pub async fn connection(&self) -> Result<Leased, SendError> {
        match self.idle() {
            Some(connection) => Ok(connection),
            None => Ok(self.lease(self.inner.connect().await?)),
        }
    }

    /// Sends a request on [`Pool::connection`], see [`Leased::send`].
    ///
    /// # Errors
    ///
    /// [`SendError`]; nothing was sent for [`SendError::Connect`] and [`SendError::Untrusted`].
    pub async fn send(&self, request: Request<Body>) -> Result<Response<PooledBody>, SendError> {
        self.connection().await?.send(request).await
    }

    /// Sends an upgrade request (a WebSocket handshake) on a connection of its own.
    ///
    /// The response's `OnUpgrade` extension (see [`hyper::upgrade::on`]) yields the raw
    /// connection when the status is 101.
    ///
    /// # Errors
    ///
    /// As [`Pool::send`].
    pub async fn send_upgrade(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, SendError> {
        let Connection { mut sender, driver } = self.inner.connect().await?;
        tokio::spawn(async move {
            // The holder of the response sees the error, too.
            let _ = driver.with_upgrades().await;
        });
        sender
            .send_request(request)
            .await
            .map_err(|source| SendError::Broken {
                endpoint: self.inner.endpoint.clone(),
                source,
            })
    }
}

/// A connection that was taken out of a pool, for one request.
pub struct Leased {
    connection: Connection,
    pool: Arc<Inner>,
}

impl std::fmt::Debug for Leased {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leased")
            .field("endpoint", &self.pool.endpoint)
            .finish_non_exhaustive()
    }
}

impl Leased {
    /// Sends a request (its URI in origin form, with a `Host` header) and waits for the head of the
    /// response.
    ///
    /// The connection goes back to the pool when the response's body has been
    /// read to its end; dropping the body earlier closes it.
    ///
    /// # Errors
    ///
    /// [`SendError::Broken`] and [`SendError::Closed`]: the request may have been acted on.
    pub async fn send(mut self, request: Request<Body>) -> Result<Response<PooledBody>, SendError> {
        let response = {
            let mut sending = pin!(self.connection.sender.send_request(request));
            let driver = &mut *self.connection.driver;
            let mut driver_end = None;
            std::future::poll_fn(|cx| {
                if driver_end.is_none()
                    && let Poll::Ready(end) = Pin::new(&mut *driver).poll(cx)
                {
                    driver_end = Some(end);
                }
                match sending.as_mut().poll(cx) {
                    Poll::Ready(result) => Poll::Ready(result.map_err(Some)),
                    Poll::Pending if driver_end.is_some() => {
                        Poll::Ready(Err(driver_end.take().and_then(Result::err)))
                    }
                    Poll::Pending => Poll::Pending,
                }
            })
            .await
        };
        match response {
            Ok(response) => Ok(response.map(|incoming| PooledBody {
                incoming,
                connection: Some(self.connection),
                pool: self.pool,
            })),
            Err(Some(source)) => Err(SendError::Broken {
                endpoint: self.pool.endpoint.clone(),
                source,
            }),
            Err(None) => Err(SendError::Closed {
                endpoint: self.pool.endpoint.clone(),
            }),
        }
    }
}

/// A response's body that drives its connection and returns it to the pool at its end.
pub struct PooledBody {
    incoming: Incoming,
    connection: Option<Connection>,
    pool: Arc<Inner>,
}

impl std::fmt::Debug for PooledBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PooledBody").finish_non_exhaustive()
    }
}

impl PooledBody {
    fn finished(&mut self) {
        if let Some(mut connection) = self.connection.take()
            && connection.is_usable()
        {
            self.pool.put(connection);
        }
    }
}

impl http_body::Body for PooledBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let mut polled = Pin::new(&mut this.incoming).poll_frame(cx);
        // What came with the head is there already.
        if polled.is_pending()
            && let Some(connection) = &mut this.connection
        {
            if Pin::new(&mut *connection.driver).poll(cx).is_ready() {
                this.connection = None;
            }
            polled = Pin::new(&mut this.incoming).poll_frame(cx);
        }
        match polled {
            Poll::Ready(None) => this.finished(),
            Poll::Ready(Some(Ok(_))) if this.incoming.is_end_stream() => this.finished(),
            _ => {}
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for PooledBody {
    fn drop(&mut self) {
        // A body without frames is never polled: `Content-Length: 0`, 204, HEAD.
        if self.incoming.is_end_stream() {
            self.finished();
        }
    }
}
