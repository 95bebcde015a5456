//! Accepting connections, and the way of every request from there to its handler.

use super::activity::{Activity, Observed};
use super::admission::{self, Admission};
use super::body::{self, Body, EarlyAnswer};
use super::connections::Connections;
use super::deps::Limits;
use super::edge::client::Client;
use super::edge::headers;
use super::edge::host_name;
use super::error::Failure;
use super::gateway::{Conn, Gateway};
use super::listener::{self, Stream};
use super::pages::Browser;
use super::peer::{self, Peer};
use super::route::{self, HostPath, Route};
use super::rpc::{self, Offer};
use super::site::{self, Site};
use super::{apps, device_tunnel, egress, guests, host_paths, pages, paired_device, transport};
use atek_host_model::listener::{Listener, Origin};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes of a request's head, and of what is read ahead of a body. Larger than what the pages
/// of one site make a browser send, so that a browser with too many cookies gets the page that
/// removes them.
const MAX_HEAD: usize = 256 << 10;
/// Bytes of a request's headers without cookies.
const MAX_HEADERS: usize = 64 << 10;
/// Pause after a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Gateway {
    /// Serves a listener until `cancel`, then finishes what is running.
    ///
    /// Requests in flight have [`Limits::grace`] to end; WebSockets and followed
    /// streams end at once.
    pub async fn serve(&self, listener: Listener, origin: Origin, cancel: CancellationToken) {
        let origin = Arc::new(origin);
        let tasks = TaskTracker::new();
        let connections = match &*origin {
            Origin::Public | Origin::App { .. } => self.inner.public.clone(),
            Origin::Control | Origin::Service { .. } => {
                Connections::new(self.deps().limits.connections.div_ceil(4))
            }
        };
        loop {
            let accepted = tokio::select! {
                () = cancel.cancelled() => break,
                accepted = listener::accept(&listener) => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, origin = origin.label(), "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let activity: Arc<Activity> = Arc::default();
            let place = self
                .peer(&origin, &stream, peer)
                .and_then(|holder| connections.enter(holder, activity.clone(), &cancel));
            let Some(place) = place else { continue };
            if place.is_over_share && connections.is_news() {
                self.name_peer(&origin, peer);
            }
            let conn = Conn {
                origin: origin.clone(),
                peer,
                forwarded_for: peer.and_then(|peer| headers::forwarded_for(peer.ip())),
                cancel: cancel.clone(),
                tasks: tasks.clone(),
                activity,
            };
            let slot = self.inner.workers.assign();
            let handle = slot.handle.clone();
            let close = place.close.clone();
            let connection = self.clone().connection(stream, Arc::new(conn), close);
            tasks.spawn_on(
                async move {
                    connection.await;
                    drop((place, slot));
                },
                &handle,
            );
        }
        drop(listener);
        tasks.close();
        // Each task has its own deadline.
        tasks.wait().await;
    }

    /// Names in the journal who holds as many connections as one peer may.
    fn name_peer(&self, origin: &Origin, peer: Option<SocketAddr>) {
        let directory = self.deps().directory.now();
        let who = match (origin, peer) {
            (Origin::Service { key, .. }, _) => match directory.by_key(key.as_str()) {
                Some(entry) => format!("the app {}", entry.id()),
                None => format!("the service {key}"),
            },
            (_, Some(peer)) => format!("the address {}", peer.ip().to_canonical()),
            (_, None) => origin.label().to_owned(),
        };
        tracing::warn!(
            who,
            "a peer holds as many connections as it may: the oldest idle ones are closed"
        );
    }

    /// What limits a connection; none for one that is refused.
    fn peer(&self, origin: &Origin, stream: &Stream, peer: Option<SocketAddr>) -> Option<Peer> {
        let refused = self.deps().config.refused_users;
        let address = peer.map(|peer| peer.ip().to_canonical());
        match (origin, address) {
            (Origin::Control | Origin::Service { .. }, None) => {
                let is_own = stream
                    .peer_uid()
                    .is_some_and(|uid| refused.host == Some(uid));
                (!is_own).then_some(Peer::Trusted)
            }
            (Origin::Control | Origin::Service { .. }, Some(_)) | (_, None) => Some(Peer::Trusted),
            (Origin::Public | Origin::App { .. }, Some(address)) => {
                if self.deps().config.trusted_proxies.contains(address) {
                    return Some(Peer::Trusted);
                }
                let is_own = self.inner.own_addresses.contains(address);
                let uid = peer.filter(|_| is_own).and_then(peer::peer_uid);
                if uid.is_some_and(|uid| refused.refuses_at_public(uid)) {
                    return None;
                }
                Some(peer::peer_of(address, uid))
            }
        }
    }

    pub(super) async fn connection(
        self,
        stream: Stream,
        conn: Arc<Conn>,
        close: CancellationToken,
    ) {
        let stream = match stream.rehomed() {
            Ok(stream) => Observed {
                stream,
                activity: conn.activity.clone(),
                head: self.limiter().budget().stranger(None),
                linger: atek_rpc::linger::Linger::default(),
            },
            Err(error) => return tracing::warn!(%error, "cannot serve a connection"),
        };
        let (gateway, conn) = (&self, &conn);
        let service = service_fn(move |request| async move {
            Ok::<_, Infallible>(gateway.answer(conn, request).await)
        });
        let serving = http1::Builder::new()
            // See `Activity`.
            .header_read_timeout(None)
            .max_buf_size(MAX_HEAD)
            // And at most 100 headers, hyper's default: only with that are they parsed on the
            // stack.
            .max_header_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut serving = std::pin::pin!(serving);
        // A `FuturesUnordered` polls what it holds only when that woke, and not for each request.
        let must_end = self.must_end(&conn.activity, &close);
        let mut must_end = FuturesUnordered::from_iter([must_end]);
        let ended = tokio::select! {
            biased;
            ended = serving.as_mut() => ended,
            _ = must_end.next() => {
                if conn.cancel.is_cancelled() {
                    serving.as_mut().graceful_shutdown();
                    let grace = self.deps().limits.grace;
                    tokio::time::timeout(grace, serving).await.unwrap_or(Ok(()))
                } else {
                    Ok(())
                }
            }
        };
        if let Err(error) = ended {
            // A client that left, or sent no HTTP.
            tracing::debug!(%error, "a connection ended early");
        }
    }

    /// Ends when a connection has to: it is closed for another one or with its listener, or it is
    /// idle, see [`Activity`].
    async fn must_end(&self, activity: &Activity, close: &CancellationToken) {
        let Limits {
            head,
            first_request,
            ..
        } = self.deps().limits;
        let first_look = Instant::now() + first_request.min(head);
        let mut looks = tokio::time::interval_at(first_look, head);
        let mut seen = 0;
        loop {
            tokio::select! {
                () = close.cancelled() => return,
                _ = looks.tick() => if activity.is_idle_since(&mut seen) { return },
            }
        }
    }

    /// Answers a request, and ends the connection where its body was not read.
    async fn answer(&self, conn: &Arc<Conn>, request: Request<Incoming>) -> Response<Body> {
        let has_body = !request.body().is_end_stream();
        let mut response = self.answered(conn, request).await;
        if has_body && response.extensions().get::<EarlyAnswer>().is_some() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response
    }

    /// The answer to a request. A panic ends one request, and neither its connection nor anything
    /// else.
    async fn answered(&self, conn: &Arc<Conn>, request: Request<Incoming>) -> Response<Body> {
        let is_host_path = route::below_host(request.uri().path()).is_some();
        let browser = self.browser(request.headers());
        // Pinned here, since a future that is moved takes its space twice.
        let responding = std::pin::pin!(self.respond(conn, request));
        let failure = match AssertUnwindSafe(responding).catch_unwind().await {
            Ok(Ok(response)) => return response,
            Ok(Err(failure)) => failure,
            // The panic hook has written message and place to the journal.
            Err(_) => Failure::Internal,
        };
        failure.log(conn.origin.label());
        body::early(match failure {
            // The host's own paths speak JSON, as the original's did.
            _ if !is_host_path || failure.is_for_browsers() => failure.to_page(browser.as_ref()),
            failure => failure.to_json(),
        })
    }

    /// The browser that sent these headers, and where its main page is.
    fn browser(&self, sent: &HeaderMap) -> Option<Browser> {
        let browser = Browser::of(sent)?;
        let home = site::authority(sent).ok().and_then(|authority| {
            let port = authority.port();
            match self.names().site(&authority) {
                Ok(host_name::Site::Main) => Some("/".to_owned()),
                Ok(host_name::Site::Sub { domain, .. }) => Some(format!("//{domain}{port}/")),
                Err(_) => None,
            }
        });
        Some(browser.with_home(home))
    }

    /// Site, route, admission, handler.
    async fn respond(
        &self,
        conn: &Arc<Conn>,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Failure> {
        if headers::length(request.headers()) > MAX_HEADERS {
            return Err(Failure::HeadTooLarge(MAX_HEADERS));
        }
        let trusted = &self.deps().config.trusted_proxies;
        let client = Client::of(conn.address(), request.headers(), trusted);
        let site = Site::of(self, conn, client, &mut request)?;
        let uri = request.uri().clone();
        let is_websocket = headers::wants_websocket(request.headers());
        let route = Route::of(site.kind(), request.method(), uri.path(), is_websocket);
        let asked = (route, is_websocket);
        let admitted = match admission::admit(self, conn, client, &site, asked, &request).await? {
            Admission::Admitted(admitted) => admitted,
            Admission::Answered(response) => return Ok(body::early(response)),
        };
        match (route, &site) {
            (Route::Rpc, _) => {
                let mut response = rpc::answer(self, &admitted, Offer::Everything, request).await?;
                pages::protect_data(response.headers_mut());
                Ok(response)
            }
            (Route::ApiProxy { below }, _) => {
                let mut response =
                    Box::pin(transport::pass(self, admitted, below, request)).await?;
                if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    pages::protect_data(response.headers_mut());
                }
                Ok(response)
            }
            (Route::Host(HostPath::Guest), _) => {
                Ok(Box::pin(guests::answer(self, admitted, request)).await)
            }
            (Route::Host(_), _) => {
                let (head, _) = request.into_parts();
                let response = Box::pin(host_paths::answer(self, admitted, head)).await?;
                Ok(body::early(response))
            }
            (Route::Options, _) => Ok(body::early(pages::options())),
            (Route::Home, Site::Main(authority)) => {
                apps::home(self, admitted, authority, request).await
            }
            (Route::App, Site::App(site)) => apps::app(self, admitted, site, request).await,
            (Route::Egress, Site::Egress { host, port })
                if *request.method() == Method::CONNECT =>
            {
                match paired_device::device(admitted.caller(), host) {
                    Some(device) => device_tunnel::open(self, admitted, device, request),
                    None => Box::pin(egress::connect(self, admitted, host, *port, request)).await,
                }
            }
            (Route::Egress, Site::Egress { host, port }) => {
                Box::pin(egress::forward(self, admitted, host, *port, request)).await
            }
            (Route::Home | Route::App | Route::Egress, _) => Err(Failure::Internal),
        }
    }
}
