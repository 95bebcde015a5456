//! Exchanges lines with a package job.
//!
//! The job handles hostile input, so nothing that it writes is trusted: the length and number of
//! its lines are bounded, and its texts are cleaned where they are shown.

use atek_api::package::{Event, Request};
use std::io;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// Bytes of the longest line: a list of some ten thousand releases.
const MAX_LINE: u64 = 4 << 20;
/// Events before the last; a build that reports more is broken.
const MAX_EVENTS: usize = 100_000;

/// The channel gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// No socket pair, or the job closed it.
    #[error("cannot use the channel of the package job")]
    Io(#[from] io::Error),
    /// It ended before its result.
    #[error("it was killed, perhaps for its memory or its time")]
    Ended,
    /// It wrote a line that is not an event.
    #[error("it wrote a line that is not an event")]
    Malformed(#[source] serde_json::Error),
    /// It wrote more than is read.
    #[error("it wrote more than is read")]
    TooMuch,
    /// It answered another request.
    #[error("it gave another kind of result than was asked for")]
    Unexpected,
}

/// The end of atekd.
#[derive(Debug)]
pub(super) struct Channel {
    stream: BufReader<UnixStream>,
    events: usize,
}

impl Channel {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream: BufReader::new(stream),
            events: 0,
        }
    }

    pub(super) async fn ask(&mut self, request: &Request) -> Result<(), ChannelError> {
        let mut line = serde_json::to_vec(request).map_err(ChannelError::Malformed)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).await?;
        Ok(())
    }

    pub(super) async fn next(&mut self) -> Result<Event, ChannelError> {
        self.events += 1;
        if self.events > MAX_EVENTS {
            return Err(ChannelError::TooMuch);
        }
        let mut line = Vec::new();
        let length = (&mut self.stream)
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .await?;
        match line.last() {
            None => Err(ChannelError::Ended),
            Some(b'\n') => serde_json::from_slice(&line).map_err(ChannelError::Malformed),
            Some(_) if length as u64 == MAX_LINE => Err(ChannelError::TooMuch),
            Some(_) => Err(ChannelError::Ended),
        }
    }

    /// Waits until the job has closed its end: its process is gone.
    pub(super) async fn closed(&mut self) {
        let mut rest = [0; 1024];
        while matches!(self.stream.read(&mut rest).await, Ok(1..)) {}
    }
}
