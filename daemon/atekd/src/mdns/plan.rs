//! Which names an app gets on the local network. Pure.

use crate::directory::Directory;
use atek_api::ids::ServiceKey;
use std::collections::BTreeMap;

/// The longest label of a name (RFC 1035 section 2.3.4).
const LONGEST_LABEL: usize = 63;

/// Every name that the apps are to have, and whose it is, below the box's own name (`atek.local`).
pub(super) fn names(directory: &Directory, domain: &str) -> BTreeMap<String, ServiceKey> {
    directory
        .entries()
        .filter(|entry| !entry.core)
        .flat_map(|entry| {
            let names = names_of(entry.id().as_str(), domain);
            names.into_iter().map(|name| (name, entry.key.clone()))
        })
        .collect()
}

/// `ID.BOX.local`, and `ID-BOX.local` for resolvers that ask the local network only for
/// names of two labels.
pub(super) fn names_of(id: &str, domain: &str) -> Vec<String> {
    let names = [format!("{id}.{domain}"), format!("{id}-{domain}")];
    let fits = |name: &String| name.split('.').all(|label| label.len() <= LONGEST_LABEL);
    names.into_iter().filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_has_a_name_of_three_labels_and_one_of_two() {
        assert_eq!(
            names_of("rss", "atek-2.local"),
            ["rss.atek-2.local", "rss-atek-2.local"]
        );
        let long = "a".repeat(60);
        assert_eq!(
            names_of(&long, "atek.local"),
            [format!("{long}.atek.local")]
        );
    }
}
