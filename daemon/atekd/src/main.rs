//! The Atek host daemon. See `ARCHITECTURE.md`.
#![forbid(unsafe_code)]

mod attach;
mod config;
mod database;
mod directory;
mod fsutil;
mod gateway;
mod host_api;
mod journal;
mod layout;
mod packages;
mod permissions;
mod random;
mod registry;
mod services;
mod sessions;
mod spawn;
mod systemd;

fn main() {}
