//! What a reverse proxy costs that does nothing but copy, made of the same libraries.
//!
//! Beside the gateway's own figures these say how much of the distance to nginx is hyper's.

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::net::{TcpListener, UnixStream};

/// Serves a new port with one event loop per connection's thread and a list of idle connections
/// for each, as the gateway does; returns the port. The threads end with the process.
pub(super) fn serve_bare(socket: &Path, threads: usize) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for number in 0..threads {
        let (listener, socket) = (listener.try_clone().unwrap(), socket.to_owned());
        std::thread::Builder::new()
            .name(format!("bare-{number}"))
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                tokio::task::LocalSet::new().block_on(&runtime, accept(listener, socket));
            })
            .unwrap();
    }
    port
}

type Idle = Rc<RefCell<Vec<SendRequest<BoxBody<Bytes, hyper::Error>>>>>;

async fn accept(listener: std::net::TcpListener, socket: PathBuf) {
    let listener = TcpListener::from_std(listener).unwrap();
    let idle = Idle::default();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let (socket, idle) = (socket.clone(), idle.clone());
        let service = hyper::service::service_fn(move |request| {
            let (socket, idle) = (socket.clone(), idle.clone());
            async move { Ok::<_, Infallible>(pass(&socket, &idle, request).await) }
        });
        tokio::task::spawn_local(async move {
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn pass(socket: &Path, idle: &Idle, request: Request<Incoming>) -> Response<Incoming> {
    let known = idle.borrow_mut().pop();
    let mut sender = match known {
        Some(sender) => sender,
        None => {
            let stream = TokioIo::new(UnixStream::connect(socket).await.unwrap());
            let (sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
            tokio::task::spawn_local(connection);
            sender
        }
    };
    sender.ready().await.unwrap();
    let response = sender
        .send_request(request.map(http_body_util::BodyExt::boxed))
        .await
        .unwrap();
    idle.borrow_mut().push(sender);
    response
}

/// Serves a new port with tokio's shared event loop and the connection pool of `hyper-util`;
/// returns the port.
pub(super) async fn serve_pooled(socket: &Path) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client: Client<_, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build(SocketConnector(socket.to_owned()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let client = client.clone();
            let service = hyper::service::service_fn(move |request| {
                let client = client.clone();
                async move { client.request(to_app(request).await).await }
            });
            tokio::spawn(async move {
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    port
}

/// The pool wants an absolute URL.
async fn to_app(request: Request<Incoming>) -> Request<Full<Bytes>> {
    let (mut head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = format!("http://app{path}").parse().unwrap();
    Request::from_parts(head, Full::new(body.collect().await.unwrap().to_bytes()))
}

#[derive(Debug, Clone)]
struct SocketConnector(PathBuf);

struct SocketStream(TokioIo<UnixStream>);

impl tower_service::Service<Uri> for SocketConnector {
    type Response = SocketStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<SocketStream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let path = self.0.clone();
        Box::pin(async move { Ok(SocketStream(TokioIo::new(UnixStream::connect(path).await?))) })
    }
}

impl Connection for SocketStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for SocketStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl hyper::rt::Write for SocketStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
