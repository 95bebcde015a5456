//! The key service: the only process that can read the private keys of people and apps.
//!
//! ```text
//!  caller (named by the host) -> service (who may) -> keyring (what is stored) -> crypto (curves)
//!                                   |-> describe (what is signed, in words)
//!                                   |-> consent (what was asked for, what was allowed)
//! ```
//!
//! It has no network and one folder. Callers are named by two headers that only the host can send.

#![forbid(unsafe_code)]

pub mod caller;
pub mod consent;
pub mod crypto;
pub mod describe;
mod error;
pub mod keyring;
pub mod seed;
pub mod service;
mod store;

pub use error::KeysError;
