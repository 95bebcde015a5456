//! The HTTP surface of the host: API gateway, subdomain proxy, main service, and
//! the host's own few pages. It knows the rest of the daemon by three traits
//! ([`HostApis`], [`Accounts`], [`Services`]) and the vocabulary of `atek_host_model`. Translates and delegates: who is calling is decided in
//! [`caller`], what they may do in `atek_host_model::permissions`, which provider answers in [`registry`].
//!
//! ```text
//!  accept ── server.rs ── site.rs ──┬─ /_atek/gateway ── rpc/ ─────────┐
//!   (a task a connection)  host,    │                  └ transport.rs ─┤
//!                          caller,  ├─ /_atek/…  ─────── pages/        ├─ upstream.rs ── Pool
//!                          limits   ├─ ID.DOMAIN ─────── apps.rs ──────┤   wakes, times out
//!                                   └─ /  main service ─ apps.rs ──────┘
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`edge`] | host names, cookies, same-origin, header rules, rates: pure |
//! | [`rpc`] | JSON-RPC: envelope, forwarding, batch, the provider's answer |
//! | [`error`] | the one table from a failure to a status, a code and a text |
//!
//! A connection is one task on one of a few threads ([`workers`]), and so is everything
//! that it carries: the provider's connection is driven inline (`atek_rpc::pool`), so
//! that a call costs no hand-over. What belongs to the rest of the daemon runs in its
//! event loop ([`workers::Workers::on_main_runtime`]).

#![forbid(unsafe_code)]

mod activity;
mod admission;
mod apps;
mod bind;
mod body;
mod budget;
mod caller;
mod connections;
mod deps;
mod edge;
mod egress;
mod error;
mod host_paths;
mod icons;
mod limiter;
mod listener;
mod pages;
mod peer;
mod registry;
mod route;
mod rpc;
mod server;
mod session_end;
mod setup_gate;
mod site;
mod streams;
mod transport;
mod upgrade;
mod upstream;
mod workers;

pub use deps::{Accounts, BindError, Deps, HostApis, Limits, Services, Settings};
pub use edge::bucket::Rate;
pub use peer::RefusedUsers;
pub use server::Gateway;

#[cfg(test)]
mod tests;
