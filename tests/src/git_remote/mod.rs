//! Git remotes for tests: a server of real repositories over HTTP, and hostile servers.
//!
//! They serve from a thread of their own, so that a test which waits for a command is served.

mod cgi;
mod hostile;
mod private;
mod repository;
mod server;
mod ssh_key;

pub use hostile::{HostileRemote, Hostility};
pub use private::PrivateRemote;
pub use repository::GitRemote;
pub use ssh_key::SshKey;
