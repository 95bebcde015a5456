//! "Did you mean": the names nearest to one that does not exist.

/// How many names are offered.
const MAX: usize = 3;

/// The candidates most like `wanted`, best first; empty when none is like it.
pub(crate) fn nearest<'a>(
    wanted: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    // A typo in a short name changes much of it: allow a third, at least one.
    let tolerance = (wanted.chars().count() / 3).max(1);
    let mut ranked: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let distance = strsim::osa_distance(&wanted, &lower);
            let contains = wanted.chars().count() >= 2
                && (lower.contains(&wanted) || lower.len() >= 3 && wanted.contains(&lower));
            (distance <= tolerance || contains).then_some((distance, candidate))
        })
        .collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked
        .into_iter()
        .take(MAX)
        .map(|(_, candidate)| candidate)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_alike_are_offered() {
        let ids = [
            "core.adb",
            "core.hypercore",
            "lonestar",
            "lonestar-2",
            "rss",
            "notes",
        ];
        for (wanted, expected) in [
            ("lonesatr", vec!["lonestar"]),
            ("adb", vec!["core.adb"]),
            ("lonestar-3", vec!["lonestar-2", "lonestar"]),
            ("RSS", vec!["rss"]),
            ("rs", vec!["rss"]),
            ("hyper", vec!["core.hypercore"]),
            ("wiki", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(nearest(wanted, ids), expected, "{wanted:?}");
        }
    }

    #[test]
    fn no_more_than_three_names_are_offered() {
        assert_eq!(
            nearest("app", ["app-1", "app-2", "app-3", "app-4"]).len(),
            3
        );
    }
}
