use super::*;
use serde_json::json;

fn settings(changes: serde_json::Value) -> Arc<ServiceSettings> {
    let mut value = json!({
        "id": "rss", "owningUserKey": "u1", "sourceUrl": "https://example.org/rss",
        "package": {"sourceType": "git", "installedVersion": "v1.0.0"},
        "manifest": {
            "name": "News %h",
            "permissions": {"network": {"hosts": ["a.example.org"]}, "hostApis": ["atek.cloud/users-api"]},
            "limits": {"memoryMax": 67_108_864, "tasksMax": 20}
        }
    });
    value
        .as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    Arc::new(serde_json::from_value(value).unwrap())
}

fn definition(changes: serde_json::Value) -> Definition {
    Definition::installed("k1".parse().unwrap(), settings(changes))
}

#[test]
fn what_is_granted_is_in_force_also_beyond_what_the_manifest_asks_for() {
    assert_eq!(definition(json!({})).network(), Network::None);
    let granted = json!({"granted": {"network": {"direct": {"lan": true}}}});
    assert_eq!(definition(granted).network(), Network::Direct { lan: true });
    let more = json!({"manifest": null, "granted": {"hostApis": ["atek.cloud/services-api"]}});
    let permissions = definition(more).permissions();
    assert!(permissions.allows_host_api("atek.cloud/services-api"));
    assert!(!permissions.allows_host_api("atek.cloud/users-api"));
}

#[test]
fn limits_are_the_persons_then_the_manifests_then_the_defaults() {
    let limits = definition(json!({"limits": {"tasksMax": 50}})).effective_limits();
    assert_eq!(limits.tasks_max, Some(50));
    assert_eq!(limits.memory_max, Some(67_108_864));
    assert_eq!(limits.cpu_weight, Limits::for_apps().cpu_weight);
}

#[test]
fn a_folder_becomes_a_spec_with_an_upper_case_environment_and_a_safe_title() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.js"), "").unwrap();
    let spec = definition(json!({
        "sourceUrl": format!("file://{}", folder.path().display()),
        "package": {"sourceType": "file"},
        "config": {"greeting": "hello", "atek_x": "y"},
    }))
    .spec();
    // The host's own names cannot be configured.
    assert!(
        matches!(spec, Err(FolderError::Forbidden(SpecError::ConfigName(_)))),
        "{spec:?}"
    );
    let spec = definition(json!({
        "sourceUrl": format!("file://{}", folder.path().display()),
        "package": {"sourceType": "file"},
        "config": {"greeting": "hello"},
    }))
    .spec()
    .unwrap();
    assert_eq!(spec.env.get("GREETING").map(String::as_str), Some("hello"));
    assert_eq!(spec.title, "News h");
    assert_eq!(
        spec.package.folder,
        std::fs::canonicalize(folder.path()).unwrap()
    );
}

#[test]
fn a_git_package_without_its_version_cannot_start() {
    let missing = definition(json!({})).spec();
    assert!(matches!(missing, Err(FolderError::Entry(_))), "{missing:?}");
    let none = definition(json!({"package": {"sourceType": "git"}})).spec();
    assert!(matches!(none, Err(FolderError::NoVersion)), "{none:?}");
}
