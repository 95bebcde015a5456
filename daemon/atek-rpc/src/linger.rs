//! The end of a server's connection, at which the client can still read the last answer.
//!
//! A server that answers before it has read the whole request, and then closes, makes the kernel
//! reset the connection: the client sees a broken pipe, and an answer that it has not read yet is
//! destroyed. So nothing more is written, and what the client still sends is read and dropped for
//! a while (nginx calls it a lingering close; RFC 9112, section 9.6).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long a client may go on sending after the last answer.
const LINGER: Duration = Duration::from_secs(10);
/// The longest pause in doing so.
const LINGER_PAUSE: Duration = Duration::from_secs(2);

/// State of the end of one connection; the default is one that has not begun to end.
#[derive(Debug, Default)]
pub struct Linger {
    until: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Linger {
    /// Shuts the sending side down, then reads until the client closes, pauses for 2 s or 10 s
    /// are over. To be called from `poll_shutdown`.
    ///
    /// # Errors
    ///
    /// What the shutdown of the stream says.
    pub fn poll_shutdown<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.until.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        }
        ready!(self.poll_read(stream, cx));
        Poll::Ready(Ok(()))
    }

    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let now = Instant::now();
        let until = *self.until.get_or_insert(now + LINGER);
        let pause = |now: Instant| (now + LINGER_PAUSE).min(until);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(pause(now))));
        let mut dropped = [std::mem::MaybeUninit::uninit(); 8 << 10];
        loop {
            let mut buffer = ReadBuf::uninit(&mut dropped);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let now = Instant::now();
                    if now >= until {
                        return Poll::Ready(());
                    }
                    timer.as_mut().reset(pause(now));
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return timer.as_mut().poll(cx),
            }
        }
    }
}

/// A stream that [lingers](Linger) when it is shut down.
#[derive(Debug)]
pub struct Lingering<S> {
    stream: S,
    linger: Linger,
}

impl<S> Lingering<S> {
    /// Wraps an accepted connection.
    #[must_use]
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            linger: Linger::default(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    #[tokio::test]
    async fn a_client_that_is_still_sending_gets_the_answer_and_no_broken_pipe() {
        for lingers in [true, false] {
            let (mut client, mut server) = UnixStream::pair().unwrap();
            let serve = tokio::spawn(async move {
                server.read_u8().await.unwrap();
                server.write_all(b"no").await.unwrap();
                if lingers {
                    Lingering::new(server).shutdown().await.unwrap();
                }
            });
            client.write_u8(1).await.unwrap();
            if !lingers {
                serve.await.unwrap();
            }
            let sent = client.write_all(&vec![0; 8 << 20]).await;
            assert_eq!(sent.is_ok(), lingers, "{sent:?}");
            if lingers {
                let mut answer = [0; 2];
                client.read_exact(&mut answer).await.unwrap();
                assert_eq!(&answer, b"no");
            }
        }
    }
}
