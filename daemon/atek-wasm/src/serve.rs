//! Answers requests, each with an instance of its own.

use crate::clock::Clock;
use crate::confine;
use crate::engine::{self, Threads};
use crate::guest::{self, Guest, Surroundings};
use crate::listener::Listener;
use crate::memory::Pool;
use crate::outgoing::Ways;
use bytes::Bytes;
use clap::Args;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use wasmtime::component::Component;
use wasmtime::error::Context as _;
use wasmtime::{Engine, Result};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::{Error, WasiHttpView as _};

/// Instances at once. More requests wait.
const INSTANCES: usize = 32;
/// How long a request waits for its instance.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an instance may go on after its answer, or after its client has gone.
const AFTERWARDS: Duration = Duration::from_secs(30);
/// How long open requests have when the app is stopped.
const GOODBYE: Duration = Duration::from_secs(5);
/// For the head of a request, which the host sends at once.
const HEAD: Duration = Duration::from_secs(30);
/// Of a unit whose memory is not said.
const MEMORY: u64 = 256 * 1024 * 1024;

/// What runs, and within which bounds.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder with native code that `compile` made.
    #[arg(long)]
    compiled: Option<PathBuf>,
    /// Bytes of memory of the unit.
    #[arg(long, default_value_t = MEMORY)]
    memory: u64,
    /// The component, and its arguments.
    #[arg(required = true, last = true)]
    words: Vec<String>,
}

/// Answers requests until it is told to end.
pub(crate) fn run(options: &Options) -> Result<()> {
    let engine = engine::engine(Threads::One)?;
    let component = load(&engine, options)?;
    let component = guest::prepare(&engine, &component)?;
    let given = Surroundings::new(
        Clock::new(engine.clone())?,
        Pool::of_unit(options.memory),
        Ways::from_environment()?,
        options.words.clone(),
    );
    let app = Arc::new(App {
        engine,
        component,
        given,
        instances: Arc::new(Semaphore::new(INSTANCES)),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    confine::no_new_code()?;
    runtime.block_on(serve(app))
}

/// The component's native code, as a job left it; or compiled here and now, for code of another
/// Atek or another processor, and for a folder of a person.
fn load(engine: &Engine, options: &Options) -> Result<Component> {
    let path = PathBuf::from(&options.words[0]);
    let bytes = engine::read(&path)?;
    let name = engine::name_of_code(engine, &bytes);
    let compiled = options.compiled.as_ref().map(|folder| folder.join(name));
    if let Some(file) = compiled.filter(|file| file.is_file()) {
        match engine::load_code(engine, &file) {
            Ok(component) => return Ok(component),
            Err(error) => eprintln!("<4>the compiled component is not used: {error:#}"),
        }
    }
    let started = Instant::now();
    let component = Component::new(engine, &bytes).context("the component cannot be compiled")?;
    eprintln!(
        "<6>compiled the component in {:.1} s, since there is no code of it for this system",
        started.elapsed().as_secs_f32()
    );
    Ok(component)
}

struct App {
    engine: Engine,
    component: ProxyPre<Guest>,
    given: Surroundings,
    instances: Arc<Semaphore>,
}

async fn serve(app: Arc<App>) -> Result<()> {
    let listener = Listener::open().await?;
    let mut told = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = told.recv() => break,
            accepted = listener.accept() => match accepted {
                Ok(stream) => {
                    connections.spawn(connection(app.clone(), TokioIo::new(stream), stopping.clone()));
                }
                Err(error) => {
                    // Out of descriptors; some will be free.
                    eprintln!("<4>cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    let _ = stop.send(true);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GOODBYE, all).await;
    Ok(())
}

/// Answers the requests of one connection.
async fn connection<S>(app: Arc<App>, stream: TokioIo<S>, mut stopping: watch::Receiver<bool>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let answers = service_fn(|request| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(app.answer(request).await) }
    });
    let mut served = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(stream, answers)
    );
    let stop = async {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    // An error is a client that has gone, or a body that the component has broken off.
    tokio::select! {
        _ = served.as_mut() => {}
        () = stop => {
            served.as_mut().graceful_shutdown();
            let _ = served.await;
        }
    }
}

impl App {
    async fn answer(&self, request: Request<Incoming>) -> Response<Answer> {
        let place = self.instances.clone().acquire_owned();
        let Ok(Ok(place)) = tokio::time::timeout(PATIENCE, place).await else {
            return failure(StatusCode::SERVICE_UNAVAILABLE, "The app is busy.\n");
        };
        let (sender, receiver) = oneshot::channel();
        let running = self.given.clock.run();
        let instance = self.instance(request, sender);
        let task = tokio::spawn(async move {
            let ended = instance.await;
            drop((place, running));
            ended
        });
        let guard = Guard(task.abort_handle());
        match receiver.await {
            Ok(Ok(response)) => response.map(|body| Answer {
                body,
                _guard: Some(guard),
            }),
            Ok(Err(code)) => {
                eprintln!("<4>the component answered with an error: {code:?}");
                failure(StatusCode::BAD_GATEWAY, "The app failed to answer.\n")
            }
            Err(_) => {
                match task.await {
                    Ok(Ok(())) => eprintln!("<4>a request ended without an answer"),
                    Ok(Err(error)) => eprintln!("<4>a request ended without an answer: {error:#}"),
                    Err(error) => eprintln!("<4>a request ended without an answer: {error}"),
                }
                failure(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The app failed to answer.\n",
                )
            }
        }
    }

    /// Runs an instance of the component for a request, to its end.
    fn instance(
        &self,
        request: Request<Incoming>,
        sender: oneshot::Sender<Result<Response<HyperOutgoingBody>, ErrorCode>>,
    ) -> impl Future<Output = Result<()>> + use<> {
        let (engine, component) = (self.engine.clone(), self.component.clone());
        let given = self.given.clone();
        async move {
            let mut store = guest::store(&engine, &given)?;
            let mut http = store.data_mut().http();
            let request = http.new_incoming_request(Scheme::Http, request)?;
            let answer = http.new_response_outparam(sender)?;
            let proxy = component.instantiate_async(&mut store).await?;
            let handler = proxy.wasi_http_incoming_handler();
            handler.call_handle(&mut store, request, answer).await
        }
    }
}

/// Ends an instance some time after its answer.
struct Guard(AbortHandle);

impl Drop for Guard {
    fn drop(&mut self) {
        let task = self.0.clone();
        if task.is_finished() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(AFTERWARDS).await;
                task.abort();
            });
        }
    }
}

/// The body of an answer.
struct Answer {
    body: HyperOutgoingBody,
    _guard: Option<Guard>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn failure(status: StatusCode, text: &'static str) -> Response<Answer> {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let body = body.map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(Answer { body, _guard: None });
    *response.status_mut() = status;
    response
}
