//! What a session carries ends with it: WebSockets, followed streams, long downloads.

use super::body::BoxError;
use super::gateway::Gateway;
use atek_host_model::permissions::Caller;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, pending};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
#[error("the right to this stream has ended")]
struct Ended;

/// Ends with the caller's session; never for a caller without one.
pub(super) fn session_end(gateway: &Gateway, caller: &Caller) -> BoxFuture<'static, ()> {
    match caller {
        Caller::User(person) => gateway.deps().accounts.session_end(person),
        Caller::Anonymous | Caller::Service(_) | Caller::System => pending().boxed(),
    }
}

/// A body that breaks off when `end` comes first.
pub(super) struct SessionBoundBody<B> {
    body: B,
    end: BoxFuture<'static, ()>,
}

impl<B> SessionBoundBody<B> {
    pub(super) fn new(body: B, end: BoxFuture<'static, ()>) -> Self {
        Self { body, end }
    }
}

impl<B> Body for SessionBoundBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.end.poll_unpin(cx).is_ready() {
            self.end = pending().boxed();
            return Poll::Ready(Some(Err(Ended.into())));
        }
        Pin::new(&mut self.body).poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt as _;
    use futures_util::stream;
    use http_body_util::{BodyExt as _, StreamBody};
    use std::convert::Infallible;

    #[tokio::test]
    async fn a_body_breaks_off_also_when_it_never_pauses() {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let line = || Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x")));
        let flood = StreamBody::new(stream::repeat_with(line).boxed());
        let mut body = SessionBoundBody::new(flood, stopped.map(|_| ()).boxed());
        assert!(body.frame().await.unwrap().is_ok());
        stop.send(()).unwrap();
        assert!(body.frame().await.unwrap().is_err());
    }
}
