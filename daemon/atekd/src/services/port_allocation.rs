//! Chooses the port of the box at which each app is opened. Pure; applied to the newest records,
//! so that no two apps have the same.
//!
//! A port is an origin: what a browser stored for the app that had it is open to the app that gets
//! it. So a port that became free is given again only after all the others.

use crate::database::{Change, Records, ServiceRecord};
use atek_host_model::ports::AppPorts;
use std::collections::HashSet;

/// The port of a new app, and the change that remembers it; none if all are taken.
pub(super) fn for_new(records: &Records, ports: AppPorts) -> Option<(u16, Change)> {
    let taken = taken(records, ports);
    let port = ports.next_free(newest(records, ports), &taken)?;
    Some((port, Change::PutNewestPort(port)))
}

/// The changes that give a port to every app that has none, or one outside the range.
pub(super) fn missing(records: &Records, ports: AppPorts) -> Vec<Change> {
    let mut taken = taken(records, ports);
    let mut newest = newest(records, ports);
    let mut kept = HashSet::new();
    let mut changes = Vec::new();
    for record in records.services() {
        let old = record.settings.port;
        // A record that was written by hand may name another one's port.
        if old.is_some_and(|port| ports.contains(port) && kept.insert(port)) {
            continue;
        }
        let port = ports.next_free(newest, &taken);
        if let Some(port) = port {
            taken.insert(port);
            kept.insert(port);
            newest = Some(port);
        }
        if port != old {
            let mut record = ServiceRecord::clone(record);
            record.settings.port = port;
            changes.push(Change::PutService(Box::new(record)));
            changes.extend(port.map(Change::PutNewestPort));
        }
    }
    changes
}

fn taken(records: &Records, ports: AppPorts) -> HashSet<u16> {
    used(records, ports).collect()
}

/// The port that was given last. Records of an older Atek do not say it: there it is that of the
/// newest app, as keys sort by the time they were made.
fn newest(records: &Records, ports: AppPorts) -> Option<u16> {
    let remembered = records.newest_port().filter(|port| ports.contains(*port));
    remembered.or_else(|| used(records, ports).last())
}

fn used(records: &Records, ports: AppPorts) -> impl Iterator<Item = u16> {
    records
        .services()
        .filter_map(|record| record.settings.port)
        .filter(move |port| ports.contains(*port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use atek_host_model::ports::PortRange;
    use serde_json::json;

    fn record(key: &str, port: Option<u16>) -> Change {
        let settings = json!({
            "id": key, "owningUserKey": "u1", "sourceUrl": "file:///a", "package": {"sourceType": "file"}, "port": port,
        });
        Change::PutService(Box::new(ServiceRecord {
            key: key.parse().unwrap(),
            settings: serde_json::from_value(settings).unwrap(),
        }))
    }

    fn after(old: &[(&str, Option<u16>)], range: &str) -> Vec<(String, Option<u16>)> {
        let ports = AppPorts::new(PortRange::try_from(range.to_owned()).ok(), 80);
        let mut records = Records::loaded(old.iter().map(|(key, port)| record(key, *port)));
        for change in missing(&records, ports) {
            records.apply(change);
        }
        assert!(missing(&records, ports).is_empty(), "it settles");
        records
            .services()
            .map(|record| (record.key.to_string(), record.settings.port))
            .collect()
    }

    #[test]
    fn records_of_an_older_atek_get_a_port_and_keep_it() {
        let given = |list: &[(&str, u16)]| -> Vec<(String, Option<u16>)> {
            list.iter()
                .map(|(key, port)| ((*key).to_owned(), Some(*port)))
                .collect()
        };
        assert_eq!(
            after(&[("a", None), ("b", None)], "8100-8199"),
            given(&[("a", 8100), ("b", 8101)])
        );
        assert_eq!(
            after(&[("a", Some(8150)), ("b", None)], "8100-8199"),
            given(&[("a", 8150), ("b", 8151)])
        );
        // The range was moved, and two records name one port.
        assert_eq!(
            after(
                &[("a", Some(9000)), ("b", Some(8100)), ("c", Some(8100))],
                "8100-8102"
            ),
            given(&[("a", 8101), ("b", 8100), ("c", 8102)])
        );
    }

    #[test]
    fn a_new_app_got_the_port_of_the_one_that_was_just_uninstalled() {
        let ports = AppPorts::new(PortRange::try_from("8100-8102".to_owned()).ok(), 80);
        let mut records = Records::loaded([]);
        let mut given = Vec::new();
        for key in ["a", "b", "c", "d"] {
            let (port, remembered) = for_new(&records, ports).unwrap();
            given.push(port);
            records.apply(record(key, Some(port)));
            records.apply(remembered);
            records.apply(Change::DeleteService(key.parse().unwrap()));
        }
        assert_eq!(given, [8100, 8101, 8102, 8100]);
    }

    #[test]
    fn an_app_without_a_port_is_left_without_when_the_range_is_full() {
        let full = after(&[("a", None), ("b", None)], "8100-8100");
        assert_eq!(full[0].1, Some(8100));
        assert_eq!(full[1].1, None);
        let off = after(&[("a", Some(8100))], "nothing");
        assert_eq!(off[0].1, None, "no range, no ports");
    }
}
