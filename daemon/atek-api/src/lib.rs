//! The vocabulary of Atek: what its processes exchange, as plain data.
//!
//! Nothing here does I/O, waits, or knows a transport. A module is a noun of the system, with
//! the rules about it as pure functions.
//!
//! | module | noun |
//! |---|---|
//! | [`address`] | which addresses belong to the internet at large |
//! | [`ids`] | service key and id, user key, database id |
//! | [`image`] | names of container images, and how their programs are started |
//! | [`autokey`] | sortable record keys |
//! | [`backup`] | backups: the messages between atekd and `atek-backup`, when one is due, which are kept |
//! | [`secret`] | tokens, whose text is never shown |
//! | [`jsonrpc`] | the envelope of every call |
//! | [`manifest`] | `atek.json` |
//! | [`catalogue`] | recipes of apps, and the lists that publish them |
//! | [`permission`] | what an app may be granted |
//! | [`audit`] | what programs and people did |
//! | [`grants`] | who was granted what, by whom and until when; shares and groups |
//! | [`source`] | where a package comes from |
//! | [`signer`] | who signed a release |
//! | [`version`] | which git tag is a release, and which one to take |
//! | [`package`] | the messages between atekd and `atek-package` |
//! | [`spec`] | what atekd asks of `atek-spawnd` |
//! | [`services`], [`updates`], [`users`], [`sessions`], [`setup`], [`system`] | the host APIs' parameters and results |
//! | [`metrics`] | what services and the box used over time |

pub mod address;
pub mod audit;
pub mod autokey;
pub mod backup;
pub mod catalogue;
pub mod grants;
pub mod ids;
pub mod image;
pub mod jsonrpc;
pub mod mail;
pub mod manifest;
pub mod metrics;
pub mod moving;
pub mod package;
pub mod permission;
pub mod secret;
pub mod services;
pub mod sessions;
pub mod setup;
pub mod signer;
pub mod source;
pub mod spec;
pub mod system;
mod text;
pub mod updates;
pub mod users;
pub mod version;

#[cfg(test)]
mod browser_types;
