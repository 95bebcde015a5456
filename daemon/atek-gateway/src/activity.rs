//! Whether a connection is used for something.

use super::budget::Reserved;
use super::listener::Stream;
use atek_rpc::linger::Linger;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What has happened on a connection.
///
/// One look at it every now and then takes the place of timers for every request:
/// a connection on which nothing runs and nothing was answered between two looks
/// is idle, or its client is dragging out a request's head.
#[derive(Debug, Default)]
pub(super) struct Activity {
    running: AtomicUsize,
    /// Counts requests and writes.
    progress: AtomicU64,
}

/// A request that runs, until its response has been handed over.
#[derive(Debug)]
pub(super) struct Running(Arc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Activity {
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::Relaxed);
        self.progressed();
        Running(self.clone())
    }

    fn progressed(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether no request runs.
    pub(super) fn is_idle(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }

    /// Whether nothing happened since `last` was noted; notes the present.
    pub(super) fn is_idle_since(&self, last: &mut u64) -> bool {
        let now = self.progress.load(Ordering::Relaxed);
        let is_same = std::mem::replace(last, now) == now;
        is_same && self.is_idle()
    }
}

/// A connection that notes what is written to it, counts the memory of heads that arrive,
/// and is closed only after the client had time to read the last answer.
pub(super) struct Observed {
    pub(super) stream: Stream,
    pub(super) activity: Arc<Activity>,
    /// Bytes of a head that is not complete.
    pub(super) head: Reserved,
    pub(super) linger: Linger,
}

impl AsyncRead for Observed {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        if this.activity.is_idle() {
            let came = buf.filled().len() - before;
            this.head.grow(came).map_err(io::Error::other)?;
        } else {
            this.head.clear();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Observed {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, buf));
        this.activity.progressed();
        this.head.clear();
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs));
        this.activity.progressed();
        this.head.clear();
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.linger.poll_shutdown(&mut this.stream, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_idle_when_nothing_runs_and_nothing_happened_between_two_looks() {
        let activity = Arc::new(Activity::default());
        let mut last = 0;
        assert!(activity.is_idle_since(&mut last));
        let running = activity.begin();
        assert!(!activity.is_idle_since(&mut last), "a request began");
        assert!(!activity.is_idle_since(&mut last), "it still runs");
        drop(running);
        assert!(activity.is_idle_since(&mut last));
        activity.progressed();
        assert!(!activity.is_idle_since(&mut last), "something was written");
        assert!(activity.is_idle_since(&mut last));
    }
}
