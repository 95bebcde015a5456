//! The HTTP surface of the host: API gateway, apps' sites, home page, and the host's own pages.
//!
//! It knows the rest of the daemon by three traits ([`HostApis`], [`Accounts`], [`Services`]) and
//! the vocabulary of `atek_host_model`.
//!
//! ```text
//!  accept ─ server.rs ─ site.rs ─ route.rs ─ admission.rs ──┬─ rpc/ ──────────┐
//!            limits on   listener,  one         caller,     ├─ transport.rs ┤
//!            connections host name  table       limits,     ├─ apps.rs ─────┴─ upstream.rs ─ Pool
//!                                               setup gate, ├─ host_paths.rs (pages, logs, icons)
//!                                               rights,     └─ egress.rs
//!                                               origin
//! ```
//!
//! | module | what |
//! |---|---|
//! | `server` | connections, and the way of a request to its handler |
//! | `admission` | the checks that every request passes, in one order |
//! | `route` | the table of routes and of what each demands: pure |
//! | `edge` | host names, cookies, same-origin, header rules, rates: pure |
//! | `rpc` | JSON-RPC: envelope, forwarding, batch, the provider's answer |
//! | `registry` | which provider answers a call: pure |
//! | `connections`, `limiter`, `budget` | limits on connections, requests and memory |
//! | `error` | the one table from a failure to a status, a code and a text |
//!
//! A connection is one task on one of a few threads (`workers`), and so is everything that it
//! carries: the provider's connection is driven inline (`atek_rpc::pool`), so that a call costs no
//! hand-over. What belongs to the rest of the daemon runs in its event loop
//! (`Workers::on_main_runtime`).
#![forbid(unsafe_code)]

mod access_end;
mod activity;
mod admission;
mod apps;
mod bind;
mod body;
mod budget;
mod caller;
mod connections;
mod deps;
mod device_tunnel;
mod edge;
mod egress;
mod egress_policy;
mod error;
mod former_app;
mod gateway;
mod guests;
mod host_paths;
mod icons;
mod limiter;
mod listener;
mod pages;
mod paired_device;
mod peer;
mod registry;
mod remote;
mod route;
mod rpc;
mod server;
mod session_end;
mod setup_gate;
mod site;
mod standing;
mod starting;
mod streams;
mod traffic;
mod transport;
mod upgrade;
mod upstream;
mod visit;
mod workers;

pub use deps::{Accounts, BindError, Deps, HostApis, Limits, Services, Settings};
pub use edge::bucket::Rate;
pub use gateway::Gateway;
pub use peer::RefusedUsers;
pub use starting::Starting;

#[cfg(test)]
mod tests;
