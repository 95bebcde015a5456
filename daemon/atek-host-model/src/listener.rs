//! Sockets that the gateway accepts on, and what each alone says about its callers.

use atek_api::ids::ServiceKey;
use tokio::net::{TcpListener, UnixListener};

/// Whom a listener serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Anybody who reaches the box.
    Public,
    /// Anybody who reaches the box, at the port that is one app's own site.
    App {
        /// The app's key.
        key: ServiceKey,
        /// The port.
        port: u16,
    },
    /// Who may open the control socket: the administrator, who is the host itself.
    Control,
    /// One service, which alone can reach the listener: it lies in the service's own network
    /// namespace, or is a socket file that only the service sees.
    Service {
        /// The service's key.
        key: ServiceKey,
    },
}

impl Origin {
    /// For logs.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::App { .. } => "app",
            Self::Control => "control",
            Self::Service { .. } => "service",
        }
    }
}

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// HTTP over TCP.
    Tcp(TcpListener),
    /// HTTP over a socket file.
    Unix(UnixListener),
}

/// A change of the listeners that belong to services.
#[derive(Debug)]
pub enum ListenerChange {
    /// Accept on these TCP listeners of the service's own network namespace; those that it had
    /// before are closed.
    Tcp {
        /// The service.
        key: ServiceKey,
        /// IPv4, and IPv6 where there is one.
        listeners: Vec<Listener>,
    },
    /// Accept on this socket file, which only the service sees; the one before is closed.
    Unix {
        /// The service.
        key: ServiceKey,
        /// The socket.
        listener: Listener,
    },
    /// Close what the service had.
    Close {
        /// The service.
        key: ServiceKey,
    },
}
