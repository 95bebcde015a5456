//! The vocabulary of Atek: what the processes say to each other, as plain data.
//!
//! Serde only: nothing here does I/O, waits, or knows a transport. A module is a
//! noun of the system; whoever needs a rule about that noun finds it here as a
//! pure function with its tests.
//!
//! | module | noun |
//! |---|---|
//! | [`ids`] | service key and id, user key, database id |
//! | [`autokey`] | sortable record keys |
//! | [`secret`] | tokens, whose text is never shown |
//! | [`jsonrpc`] | the envelope of every call |
//! | [`manifest`] | `atek.json` |
//! | [`permission`] | what an app may be granted |
//! | [`source`] | where a package comes from |
//! | [`version`] | which git tag is a release, and which one to take |
//! | [`package`] | what atekd and `atek-package` say to each other |
//! | [`spec`] | what atekd asks of `atek-spawnd` |
//! | [`services`], [`users`], [`sessions`], [`setup`], [`system`] | the host APIs' parameters and results |
//! | [`metrics`] | what services and the box used over time |

pub mod autokey;
pub mod ids;
pub mod jsonrpc;
pub mod manifest;
pub mod metrics;
pub mod package;
pub mod permission;
pub mod secret;
pub mod services;
pub mod sessions;
pub mod setup;
pub mod source;
pub mod spec;
pub mod system;
pub mod users;
pub mod version;
