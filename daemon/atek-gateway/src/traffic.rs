//! A connection to a host outside whose bytes are counted for the audit log.

use atek_host_model::audit::{Act, Tally};
use atek_host_model::permissions::Caller;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes after which a connection that goes on is noted.
const STEP: u64 = 1 << 20;

/// Bytes of one connection that were not noted yet.
#[derive(Debug)]
pub(super) struct Traffic {
    tally: Arc<Tally>,
    caller: Caller,
    host: String,
    port: u16,
    sent: u64,
    received: u64,
}

impl Traffic {
    pub(super) fn new(tally: Arc<Tally>, caller: Caller, host: &str, port: u16) -> Self {
        Self {
            tally,
            caller,
            host: host.to_owned(),
            port,
            sent: 0,
            received: 0,
        }
    }

    fn add(&mut self, sent: usize, received: usize) {
        self.sent += sent as u64;
        self.received += received as u64;
        if self.sent + self.received >= STEP {
            self.note();
        }
    }

    fn note(&mut self) {
        let bytes = (
            std::mem::take(&mut self.sent),
            std::mem::take(&mut self.received),
        );
        if bytes != (0, 0) {
            let (host, port) = (self.host.as_str(), self.port);
            let act = Act::Host { host, port };
            self.tally.note_bytes(&self.caller, act, bytes);
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.note();
    }
}

/// A stream that tells its traffic.
#[derive(Debug)]
pub(super) struct Counted<S> {
    stream: S,
    traffic: Traffic,
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S, traffic: Traffic) -> Self {
        Self { stream, traffic }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        this.traffic.add(0, buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, buf))?;
        this.traffic.add(written, 0);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs))?;
        this.traffic.add(written, 0);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atek_api::audit::AuditOutcome;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn bytes_are_noted_as_they_flow_and_at_the_end() {
        let tally = Arc::<Tally>::default();
        let traffic = Traffic::new(tally.clone(), Caller::System, "a.org", 443);
        let (here, mut there) = tokio::io::duplex(4 << 20);
        let mut stream = Counted::new(here, traffic);
        stream.write_all(&vec![0; 1 << 20]).await.unwrap();
        let noted = || {
            let rows = tally.take();
            let rows = rows.into_iter().map(|(key, counts)| {
                assert_eq!((key.what.as_str(), key.port), ("a.org", 443));
                assert_eq!((key.outcome, counts.count), (AuditOutcome::Done, 0));
                (counts.sent, counts.received)
            });
            rows.collect::<Vec<_>>()
        };
        assert_eq!(noted(), [(1 << 20, 0)]);
        there.write_all(b"hello").await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap();
        assert_eq!(noted(), []);
        drop(stream);
        assert_eq!(noted(), [(0, 5)]);
    }
}
