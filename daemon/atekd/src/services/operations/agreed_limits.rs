//! Limits of a new version that are higher than before need a yes. Pure.

use crate::services::error::OperationError;
use atek_api::manifest::Manifest;
use atek_api::services::ServiceSettings;
use atek_api::spec::Limits;

/// The limits that a person sets for an app with a new version of it: `given`, merged into those
/// that were set before, or those alone while the version asks for no more than the last one.
///
/// # Errors
///
/// [`OperationError::AsksForHigherLimits`] when that is not decided.
pub(super) fn of_update(
    settings: &ServiceSettings,
    new_tag: &str,
    new: Option<&Manifest>,
    given: Option<&Limits>,
) -> Result<Limits, OperationError> {
    if let Some(given) = given {
        let limits = settings.limits.changed(given);
        limits.validate()?;
        return Ok(limits);
    }
    let usual = Limits::for_apps();
    let raised = |manifest: Option<&Manifest>| {
        manifest
            .map(|manifest| manifest.limits.raised())
            .unwrap_or_default()
    };
    let asked_before = raised(settings.manifest.as_ref()).merged(&usual);
    let growth = raised(new)
        .beyond(&asked_before)
        .beyond(&settings.limits.merged(&usual));
    if growth.is_default() {
        return Ok(settings.limits);
    }
    Err(OperationError::AsksForHigherLimits {
        id: settings.id.clone(),
        new: new_tag.to_owned(),
        old: settings
            .package
            .installed_version
            .clone()
            .unwrap_or_default(),
        limits: Box::new(growth),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const MIB: u64 = 1 << 20;

    fn manifest(limits: Value) -> Manifest {
        let text = json!({ "limits": limits }).to_string();
        Manifest::parse(text.as_bytes()).unwrap()
    }

    /// What becomes of an update from one manifest to another: the limits that a person has then
    /// set, or those that have to be agreed to.
    fn update(set: Value, old: Value, new: Value, given: Option<Value>) -> Result<Value, Value> {
        let mut settings: ServiceSettings = serde_json::from_value(json!({
            "id": "rss", "owningUserKey": "u1", "sourceUrl": "https://example.org/rss",
            "package": {"sourceType": "git", "installedVersion": "v1.0.0"}, "limits": set,
        }))
        .unwrap();
        settings.manifest = Some(manifest(old));
        let new = manifest(new);
        let given = given.map(|given| serde_json::from_value(given).unwrap());
        match of_update(&settings, "v2.0.0", Some(&new), given.as_ref()) {
            Ok(limits) => Ok(json!(limits)),
            Err(OperationError::AsksForHigherLimits { limits, .. }) => Err(json!(limits)),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_new_version_that_asks_for_more_of_the_box_is_not_taken_without_a_yes() {
        let (none, much) = (json!({}), json!({"memoryMax": 1024 * MIB, "tasksMax": 500}));
        let more = json!({"memoryMax": 2048 * MIB, "tasksMax": 500});
        for (set, old, new, given, expected) in [
            (&none, &none, &none, None, Ok(none.clone())),
            // Less than the default needs no question.
            (
                &none,
                &none,
                &json!({"memoryMax": 64 * MIB}),
                None,
                Ok(none.clone()),
            ),
            (&none, &none, &much, None, Err(much.clone())),
            (&much, &none, &much, None, Ok(much.clone())),
            // Asked for before, and not allowed then.
            (&none, &much, &much, None, Ok(none.clone())),
            (
                &much,
                &much,
                &more,
                None,
                Err(json!({"memoryMax": 2048 * MIB})),
            ),
            (&much, &much, &more, Some(more.clone()), Ok(more.clone())),
            (&much, &much, &more, Some(none.clone()), Ok(much.clone())),
            // Beyond what can be asked for.
            (
                &none,
                &none,
                &json!({"memoryMax": 1u64 << 40, "tasksMax": 32_768, "cpuWeight": 10_000}),
                None,
                Err(json!({"memoryMax": 4096 * MIB, "tasksMax": 4096, "cpuWeight": 1000})),
            ),
        ] {
            let became = update(set.clone(), old.clone(), new.clone(), given.clone());
            assert_eq!(became, expected, "{set} {old} {new} {given:?}");
        }
    }
}
