//! The connection to the system bus, made again when it is lost.

use std::sync::Arc;
use tokio::sync::Mutex;
use zbus::Connection;

/// Where a connection comes from.
#[derive(Debug)]
enum Source {
    /// The system bus.
    System,
    /// One connection that is there already: a peer that plays systemd.
    #[cfg(test)]
    Fixed(Connection),
}

/// A way to the system bus. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: Source,
    live: Mutex<Option<Connection>>,
}

impl Bus {
    /// The system bus; connects when it is first used.
    #[must_use]
    pub fn system() -> Self {
        Self {
            inner: Arc::new(Inner {
                source: Source::System,
                live: Mutex::default(),
            }),
        }
    }

    /// A bus that is one connection.
    #[cfg(test)]
    pub(crate) fn fixed(connection: Connection) -> Self {
        let source = Source::Fixed(connection);
        Self {
            inner: Arc::new(Inner {
                source,
                live: Mutex::default(),
            }),
        }
    }

    /// A live connection for calls, shared by all who ask.
    pub(crate) async fn connection(&self) -> zbus::Result<Connection> {
        let mut live = self.inner.live.lock().await;
        match &*live {
            Some(connection) if !connection.is_closed() => Ok(connection.clone()),
            _ => {
                let connection = self.open().await?;
                *live = Some(connection.clone());
                Ok(connection)
            }
        }
    }

    /// A connection of one's own, for signals.
    pub(crate) async fn open(&self) -> zbus::Result<Connection> {
        match &self.inner.source {
            Source::System => Connection::system().await,
            #[cfg(test)]
            Source::Fixed(connection) => Ok(connection.clone()),
        }
    }
}
