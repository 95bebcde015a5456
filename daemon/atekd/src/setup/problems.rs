//! What the first boot found wrong in the settings that the owner had put on the card.

use atek_api::setup::Problem;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Where atek-firstboot reports.
pub const REPORT: &str = "/run/atek-firstboot/problems.json";
/// The report quotes files that a person wrote; more than this is not shown.
const MOST: usize = 20;
const LONGEST: usize = 500;
const MAX_BYTES: u64 = 64 << 10;

/// The problems; none without a report, or one that cannot be understood.
#[must_use]
pub fn read(report: &Path) -> Vec<Problem> {
    let text = match File::open(report).and_then(|file| {
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text)?;
        Ok(text)
    }) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!(%error, "cannot read the report of the first boot");
            return Vec::new();
        }
    };
    match serde_json::from_str::<Vec<Problem>>(&text) {
        Ok(problems) => problems.into_iter().take(MOST).map(shortened).collect(),
        Err(error) => {
            tracing::warn!(%error, "cannot understand the report of the first boot");
            Vec::new()
        }
    }
}

fn shortened(problem: Problem) -> Problem {
    let short = |text: String| -> String {
        text.chars()
            .filter(|c| !c.is_control())
            .take(LONGEST)
            .collect()
    };
    Problem {
        file: short(problem.file),
        problem: short(problem.problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_far_as_it_makes_sense() {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("problems.json");
        assert_eq!(read(&report), []);
        for (text, count) in [
            ("[]", 0),
            (r#"[{"file":"wifi.txt","problem":"no password"}]"#, 1),
            ("{", 0),
            ("{}", 0),
        ] {
            std::fs::write(&report, text).unwrap();
            assert_eq!(read(&report).len(), count, "{text}");
        }
        let long = serde_json::json!([{ "file": "a\u{1b}[31m", "problem": "x".repeat(9000) }]);
        std::fs::write(&report, long.to_string()).unwrap();
        let problem = read(&report).remove(0);
        assert_eq!(
            (problem.file.as_str(), problem.problem.len()),
            ("a[31m", 500)
        );
    }
}
