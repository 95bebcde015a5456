//! The box's names on the local network.

use atek_api::ids::ServiceKey;
use std::collections::BTreeMap;

/// What the box is called on the local network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Local {
    /// Its own name, such as `atek.local`: not always its host name, which another device may
    /// have.
    pub domain: Option<String>,
    /// The names of apps that other devices can resolve now.
    pub apps: BTreeMap<ServiceKey, Vec<String>>,
}
