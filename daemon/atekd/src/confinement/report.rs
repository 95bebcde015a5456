//! What `systemd-analyze security --json=short` prints for several units, and the words for
//! it. Pure.
//!
//! First the details of each unit, a JSON list a unit, then a list with a score a unit.

use atek_api::permission::{Network, Permissions};
use serde::Deserialize;

/// How well a unit is confined.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// 0 is locked in, 10 could do everything.
    pub exposure: f64,
    /// The same for a person.
    pub words: String,
}

/// A report that is not one.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It is not made of JSON lists.
    #[error("its report cannot be read")]
    Json(#[source] serde_json::Error),
    /// There is no list of scores.
    #[error("its report has no scores")]
    Empty,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Row {
    Unit { unit: String, exposure: String },
    Detail(Detail),
}

#[derive(Deserialize)]
struct Detail {
    json_field: String,
    exposure: Option<String>,
}

/// The scores, by unit.
pub(super) fn read(report: &[u8]) -> Result<Vec<(String, Score)>, ReportError> {
    let lists = serde_json::Deserializer::from_slice(report).into_iter::<Vec<Row>>();
    let mut lists: Vec<Vec<Row>> = lists.collect::<Result<_, _>>().map_err(ReportError::Json)?;
    let scored = lists.pop().unwrap_or_default();
    let rows: Vec<(String, f64)> = scored
        .into_iter()
        .filter_map(|row| match row {
            Row::Unit { unit, exposure } => Some((unit, exposure.parse().ok()?)),
            Row::Detail(_) => None,
        })
        .collect();
    if rows.is_empty() {
        return Err(ReportError::Empty);
    }
    // The rows follow their details, unless a unit is missing in one of the two.
    let matching = lists.len() == rows.len();
    let mut details = lists.iter();
    let scores = rows.into_iter().map(|(unit, exposure)| {
        let details = details.next().filter(|_| matching);
        let words = words(exposure, details.map_or(&[], Vec::as_slice));
        (unit, Score { exposure, words })
    });
    Ok(scores.collect())
}

/// What a unit can do beyond the usual, most telling first: a field of the report that counts
/// against the unit, and what that means. The rest is told by the score alone: that a program
/// may open local sockets says nothing to a person.
const ABILITIES: &[(&str, &str)] = &[
    ("UserOrDynamicUser", "works as the administrator (root)"),
    (
        "CapabilityBoundingSet_CAP_SYS_ADMIN",
        "may change the whole system",
    ),
    (
        "CapabilityBoundingSet_CAP_DAC_FOWNER_IPC_OWNER",
        "may open files of every user",
    ),
    ("PrivateNetwork", "can use the network"),
    ("PrivateDevices", "can use hardware devices"),
    ("ProtectHome", "can read people's home folders"),
    ("ProtectSystem", "can change the system's files"),
    ("PrivateTmp", "sees other programs' temporary files"),
    ("ProtectProc", "sees other programs"),
    (
        "CapabilityBoundingSet_CAP_NET_ADMIN",
        "may change the network",
    ),
    ("ProtectKernelModules", "may load parts of the kernel"),
    ("ProtectClock", "may set the clock"),
];

/// So many abilities are named.
const NAMED: usize = 3;

fn words(exposure: f64, details: &[Row]) -> String {
    let counts = |field: &str| {
        details.iter().any(|row| match row {
            Row::Detail(detail) => detail.json_field == field && detail.exposure.is_some(),
            Row::Unit { .. } => false,
        })
    };
    let level = match exposure {
        ..=1.0 => "locked in: it reaches nothing but its own data and Atek",
        ..=2.0 => "well confined",
        ..=5.0 => "confined in part",
        _ => "hardly confined",
    };
    let abilities: Vec<&str> = ABILITIES
        .iter()
        .filter(|(field, _)| counts(field))
        .map(|(_, ability)| *ability)
        .take(NAMED)
        .collect();
    match abilities.split_last() {
        // Without the details it is not known what it reaches.
        None if details.is_empty() => short(level).to_owned(),
        None => level.to_owned(),
        // With an ability it does reach something.
        Some((last, [])) => format!("{}; it {last}", short(level)),
        Some((last, others)) => format!("{}; it {} and {last}", short(level), others.join(", ")),
    }
}

/// The words for an app with these hosts or networks to reach. systemd's figures do not show them:
/// such an app's namespace has a link or a way through the host's proxy.
#[must_use]
pub fn with_network(words: &str, granted: &Permissions) -> String {
    let reaches = granted.network.as_ref().map(|network| match network {
        Network::Hosts(_) => "reaches the hosts that it was allowed",
        Network::Direct { lan: false } => "can use the internet",
        Network::Direct { lan: true } => "can use the internet and the home's network",
    });
    let ports: Vec<String> = granted.listen.iter().map(ToString::to_string).collect();
    let reached = (!ports.is_empty())
        .then(|| format!("is reached by devices at home at {}", ports.join(", ")));
    let finds = granted.mdns.then_some("finds devices at home");
    let reaches: Vec<&str> = reaches
        .into_iter()
        .chain(finds)
        .chain(reached.as_deref())
        .collect();
    if reaches.is_empty() {
        return words.to_owned();
    }
    let reaches = reaches.join(" and ");
    match words.split_once("; it ") {
        Some((level, abilities)) => format!("{level}; it {reaches} and {abilities}"),
        None => format!("{}; it {reaches}", short(words)),
    }
}

fn short(level: &str) -> &str {
    level.split(':').next().unwrap_or(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"
[{"set":true,"name":"SystemCallFilter=~@swap","json_field":"SystemCallFilter_swap","description":"…","exposure":null},
 {"set":false,"name":"PrivateNetwork=","json_field":"PrivateNetwork","description":"…","exposure":"0.5"},
 {"set":false,"name":"ProtectHome=","json_field":"ProtectHome","description":"…","exposure":"0.1"}]
[{"set":true,"name":"PrivateNetwork=","json_field":"PrivateNetwork","description":"…","exposure":null},
 {"set":null,"name":"UMask=","json_field":"UMask","description":"…","exposure":"0.1"}]

[{"unit":"atekd.service","exposure":"1.4","predicate":"OK","happy":"x"},{"unit":"atek-app-rss.service","exposure":"0.6","predicate":"SAFE","happy":"x"}]
"#;

    #[test]
    fn scores_come_with_words_that_a_person_understands() {
        let scores = read(REPORT.as_bytes()).unwrap();
        assert_eq!(scores.len(), 2);
        assert_eq!(scores[0].0, "atekd.service");
        assert_eq!(scores[0].1.exposure, 1.4);
        assert_eq!(
            scores[0].1.words,
            "well confined; it can use the network and can read people's home folders"
        );
        assert_eq!(
            scores[1].1.words,
            "locked in: it reaches nothing but its own data and Atek"
        );
    }

    #[test]
    fn details_are_left_out_when_it_is_not_clear_whose_they_are() {
        let report = r#"[{"json_field":"PrivateNetwork","exposure":"0.5"}]
            [{"unit":"a.service","exposure":"9.6"},{"unit":"b.service","exposure":"3"}]"#;
        let scores = read(report.as_bytes()).unwrap();
        assert_eq!(scores[0].1.words, "hardly confined");
        assert_eq!(scores[1].1.words, "confined in part");
    }

    #[test]
    fn what_is_no_report_is_an_error() {
        for (report, part) in [
            ("", "no scores"),
            ("[]", "no scores"),
            (r#"[{"json_field":"UMask","exposure":null}]"#, "no scores"),
            ("Failed to connect", "cannot be read"),
            (r#"{"unit":"a"}"#, "cannot be read"),
        ] {
            let error = read(report.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{report}: {error}");
        }
    }

    #[test]
    fn an_app_with_the_internet_was_called_one_that_reaches_nothing() {
        let locked = "locked in: it reaches nothing but its own data and Atek";
        assert_eq!(with_network(locked, &Permissions::default()), locked);
        let network = |network| Permissions {
            network: Some(network),
            ..Permissions::default()
        };
        let hosts = Network::Hosts(Vec::new());
        let direct = |lan| Network::Direct { lan };
        for (granted, expected) in [
            (
                network(hosts),
                "locked in; it reaches the hosts that it was allowed",
            ),
            (network(direct(false)), "locked in; it can use the internet"),
            (
                network(direct(true)),
                "locked in; it can use the internet and the home's network",
            ),
            (
                Permissions {
                    listen: vec!["tcp/1883".parse().unwrap()],
                    ..Permissions::default()
                },
                "locked in; it is reached by devices at home at tcp/1883",
            ),
        ] {
            assert_eq!(with_network(locked, &granted), expected);
        }
        assert_eq!(
            with_network(
                "well confined; it can set the clock",
                &network(direct(false))
            ),
            "well confined; it can use the internet and can set the clock"
        );
    }
}
