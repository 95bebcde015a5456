//! Services and their limits in words.

use super::{clean, size};
use atek_api::services::ServiceSettings;
use atek_api::spec::Limits;

/// The limits that are set, as a list; empty when there is none.
pub(crate) fn limits(limits: &Limits) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(bytes) = limits.memory_max {
        words.push(format!("memory {}", size::limit(bytes)));
    }
    if let Some(count) = limits.tasks_max {
        words.push(format!("tasks {count}"));
    }
    if let Some(percent) = limits.cpu_quota {
        words.push(format!("cpu {percent}%"));
    }
    if let Some(weight) = limits.cpu_weight {
        words.push(format!("cpu weight {weight}"));
    }
    words
}

/// The installed version and what may follow it: `v1.2.0 (pinned to ^1)`.
pub(crate) fn version(settings: &ServiceSettings) -> String {
    let installed = settings.package.installed_version.as_deref().unwrap_or("-");
    match settings.desired_version.as_deref() {
        None | Some("" | "latest") => clean::line(installed).into_owned(),
        Some(range) => format!(
            "{} (pinned to {})",
            clean::line(installed),
            clean::line(range)
        ),
    }
}

/// `1 service`, `2 services`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_in_the_units_that_people_set_them_in() {
        let all = Limits {
            memory_max: Some(256 << 20),
            tasks_max: Some(64),
            cpu_quota: Some(50),
            cpu_weight: Some(200),
        };
        assert_eq!(
            limits(&all),
            ["memory 256 MiB", "tasks 64", "cpu 50%", "cpu weight 200"]
        );
        assert!(limits(&Limits::default()).is_empty());
    }

    #[test]
    fn counts_agree_with_their_nouns() {
        assert_eq!(count(0, "app"), "0 apps");
        assert_eq!(count(1, "app"), "1 app");
        assert_eq!(count(2, "app"), "2 apps");
    }
}
