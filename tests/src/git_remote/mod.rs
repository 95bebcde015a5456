//! Git remotes for tests: a server of real repositories over HTTP, and servers that wish nobody well.
//!
//! They serve from a thread of their own, so that a test which waits for a command is served meanwhile.

mod cgi;
mod hostile;
mod repository;
mod server;

pub use hostile::{HostileRemote, Hostility};
pub use repository::GitRemote;
