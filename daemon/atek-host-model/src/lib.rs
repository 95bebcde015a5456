//! Vocabulary of the host daemon: who calls, which services there are, and what passes
//! between the gateway and the rest.
//!
//! Everything here is data with small pure decisions over it. The daemon's modules and
//! `atek-gateway` both depend on this crate, so that neither has to know the other.
#![forbid(unsafe_code)]

pub mod audit;
pub mod bind;
pub mod directory;
pub mod host_api;
pub mod idle;
pub mod listener;
pub mod local;
pub mod permissions;
pub mod ports;
pub mod random;
pub mod setup;
pub mod streams;
pub mod trusted_proxy;
pub mod users;
