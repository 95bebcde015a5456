//! `atek check-system`: whether this machine has what Atek needs. Needs no host.

use crate::error::Failure;
use crate::out::Out;
use crate::text::clean;
use crate::text::table::Tone;
use atek_system_check::{Report, Severity, check};
use std::fmt::Write as _;
use std::path::Path;

/// Prints what is missing, with what to do about it; fails when no service could start.
pub(super) fn run(root: &Path, out: &Out) -> Result<(), Failure> {
    let report = check(root);
    if out.json {
        let text = serde_json::to_string(&report).unwrap_or_default();
        out.print(&format!("{text}\n"))?;
    } else {
        out.print(&words(&report, out))?;
    }
    if report.is_usable() {
        Ok(())
    } else {
        Err(Failure::UnusableSystem)
    }
}

fn words(report: &Report, out: &Out) -> String {
    let mut text = String::new();
    for miss in &report.missing {
        let (label, tone) = match miss.severity {
            Severity::Fatal => ("missing", Tone::Bad),
            Severity::Degraded => ("limited", Tone::Warn),
        };
        let _ = writeln!(
            text,
            "{}  {}\n         {}",
            out.paint(tone, label),
            clean::line(&miss.problem),
            miss.advice
        );
    }
    let _ = writeln!(
        text,
        "{} of {} needs are met.",
        report.met.len(),
        report.met.len() + report.missing.len()
    );
    text
}
