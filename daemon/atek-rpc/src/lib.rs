//! JSON-RPC over HTTP/1.1 on Unix sockets and TCP.
//!
//! | module | what | feature | used by |
//! |---|---|---|---|
//! | [`body`] | the body type of requests to services | `client` | atekd, `atek` |
//! | [`owned_socket`] | connections to a socket that a less trusted process made | `client` | [`pool`], atekd |
//! | [`port_connector`] | connections to a port in another network namespace | `client` | [`pool`], atekd |
//! | [`pool`] | reusable connections to one HTTP server | `client` | atekd, [`client`] |
//! | [`client`] | one call and its answer; streams of JSON lines | `client` | atekd, `atek` |
//! | [`linger`] | the end of a server's connection | | atekd, [`server`] |
//! | [`server`] | a method table as an axum route | `server` | core services |
//!
//! Knows nothing of users, services or permissions: callers set the headers.

#[cfg(feature = "client")]
pub mod body;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
mod early_answer;
pub mod linger;
#[cfg(feature = "client")]
pub mod owned_socket;
#[cfg(feature = "client")]
pub mod pool;
#[cfg(feature = "client")]
pub mod port_connector;
#[cfg(feature = "server")]
pub mod server;
