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
            let distance = distance(&wanted, &lower);
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

/// Single-character insertions, deletions, substitutions and swaps of neighbours
/// that lead from one text to the other (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substitution = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substitution.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_single_edits() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("kitten", "sitting", 3),
            ("lonestar", "lonesatr", 1),
            ("rss", "rsss", 1),
            ("äb", "ab", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

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
