//! Bodies: responses in memory, requests read with limits, streams with a deadline.

use super::budget::Reserved;
pub(super) use atek_rpc::body::{Body, BoxError, boxed, empty, full};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Bytes of an answer that is not worth counting until it was sent.
const SMALL: u64 = 16 << 10;

/// A JSON response.
pub(super) fn json(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let kind = const { HeaderValue::from_static("application/json") };
    respond(status, kind, text)
}

/// A plain text response.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    respond(
        status,
        HeaderValue::from_static("text/plain; charset=utf-8"),
        text,
    )
}

fn respond(status: StatusCode, kind: HeaderValue, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Marks an answer to a request whose body was not read to its end. Its connection ends with it,
/// and says so: a client that keeps connections open would send its next request into the end of
/// this one (RFC 9112, section 9.6).
#[derive(Debug, Clone, Copy)]
pub(super) struct EarlyAnswer;

/// Marks an answer as an [`EarlyAnswer`].
pub(super) fn early(mut response: Response<Body>) -> Response<Body> {
    response.extensions_mut().insert(EarlyAnswer);
    response
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadError {
    TooLarge,
    Slow,
    Broken,
    /// There is no memory for it now.
    Busy,
}

/// What came of a body before it was over, or before it was too much.
pub(super) enum Collected<B> {
    /// All of it.
    Whole(Bytes),
    /// More than the limit: what has come, and the rest.
    More(Vec<Bytes>, B),
}

/// Reads a body until its end, or until it is longer than `limit` bytes. What is read is held in
/// `memory`.
///
/// A body in one piece, the usual case, is not copied.
pub(super) async fn gather<B>(
    mut body: B,
    limit: usize,
    memory: &mut Reserved,
) -> Result<Collected<B>, ReadError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let mut parts: Vec<Bytes> = Vec::new();
    let mut length = 0;
    if body.size_hint().lower() > limit as u64 {
        return Ok(Collected::More(parts, body));
    }
    while !body.is_end_stream()
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|error| read_error(&error.into()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length += data.len();
        memory.grow(data.len()).map_err(|_| ReadError::Busy)?;
        parts.push(data);
        if length > limit {
            return Ok(Collected::More(parts, body));
        }
    }
    if parts.len() <= 1 {
        return Ok(Collected::Whole(parts.pop().unwrap_or_default()));
    }
    // The pieces and the whole exist side by side for a moment.
    memory.grow(length).map_err(|_| ReadError::Busy)?;
    let whole = parts.concat();
    drop(parts);
    memory.shrink(length);
    Ok(Collected::Whole(whole.into()))
}

/// Reads a whole body of at most `limit` bytes.
pub(super) async fn read<B>(
    body: B,
    limit: usize,
    memory: &mut Reserved,
) -> Result<Bytes, ReadError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    match gather(body, limit, memory).await? {
        Collected::Whole(bytes) => Ok(bytes),
        Collected::More(..) => Err(ReadError::TooLarge),
    }
}

/// The response, with `memory` held until its body was handed over.
pub(super) fn holding(response: Response<Body>, memory: Reserved) -> Response<Body> {
    if response
        .body()
        .size_hint()
        .upper()
        .is_some_and(|most| most <= SMALL)
    {
        return response;
    }
    response.map(|body| boxed(GuardedBody::new(body, memory)))
}

fn read_error(error: &BoxError) -> ReadError {
    if error.is::<Stalled>() {
        ReadError::Slow
    } else {
        ReadError::Broken
    }
}

/// Nothing came for too long.
#[derive(Debug, thiserror::Error)]
#[error("the sender of a body paused for more than {} seconds", .0.as_secs())]
pub(super) struct Stalled(Duration);

/// A body whose sender may not pause for long.
///
/// The clock runs only while the reader waits: a slow reader is not the sender's fault.
pub(super) struct IdleTimeoutBody<B> {
    body: B,
    pause: Duration,
    /// None until the reader first waits, so that a body that is there costs no timer.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl<B> IdleTimeoutBody<B> {
    pub(super) fn new(body: B, pause: Duration) -> Self {
        Self {
            body,
            pause,
            timer: None,
            waiting: false,
        }
    }
}

impl<B> http_body::Body for IdleTimeoutBody<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let until = Instant::now() + this.pause;
        let timer = this
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if !this.waiting {
            timer.as_mut().reset(until);
            this.waiting = true;
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(Stalled(this.pause).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body whose begin was already read.
pub(super) struct PrefixedBody<B> {
    parts: VecDeque<Bytes>,
    rest: B,
}

impl<B> PrefixedBody<B> {
    pub(super) fn new(parts: Vec<Bytes>, rest: B) -> Self {
        Self {
            parts: parts.into(),
            rest,
        }
    }
}

impl<B> http_body::Body for PrefixedBody<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        match this.parts.pop_front() {
            Some(part) => Poll::Ready(Some(Ok(Frame::data(part)))),
            None => Pin::new(&mut this.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty() && self.rest.is_end_stream()
    }
}

/// A body that keeps something alive until it ends, such as a place among the running requests.
pub(super) struct GuardedBody<B, K> {
    body: B,
    _kept: K,
}

impl<B, K> GuardedBody<B, K> {
    pub(super) fn new(body: B, kept: K) -> Self {
        Self { body, _kept: kept }
    }
}

impl<B, K> http_body::Body for GuardedBody<B, K>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    K: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
