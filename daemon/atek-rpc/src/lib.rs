//! JSON-RPC over HTTP/1.1 on Unix sockets and TCP.
//!
//! | module | what | used by |
//! |---|---|---|
//! | [`body`] | the one body type that passes through | everybody |
//! | [`pool`] | connections to one HTTP server, kept and reused | the gateway, [`client`] |
//! | [`client`] | one call and its answer; streams of JSON lines | atekd, `atek` |
//! | [`server`] | a method table as an axum route | core services |
//!
//! Knows nothing of users, services or permissions: callers set the headers.

pub mod body;
pub mod client;
pub mod pool;
pub mod server;
