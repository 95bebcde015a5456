//! `atek system`, `atek top`, `atek kept`.

use crate::fake::{FakeHost, SERVICES};
use crate::run::atek;
use crate::sample::{list, service};
use serde_json::{Value, json};

const SYSTEM: &str = "atek.cloud/system-api";

#[test]
fn the_box_tells_what_it_is_and_what_it_has_left() {
    let host = FakeHost::new();
    let info = json!({
        "name": "attic", "version": "0.1.0", "os": "Debian 13", "kernel": "6.12.1", "arch": "aarch64",
        "model": "Pi\u{1b}[2J 4", "timezone": "Europe/Berlin", "time": "2026-01-01T00:00:00Z",
        "uptimeSec": 7200, "domain": "localhost", "addresses": ["10.0.0.2"], "urls": ["http://attic.local/"]
    });
    let left = json!({
        "disk": {"path": "/var/lib/atek", "totalBytes": 2147483648u64, "freeBytes": 1073741824},
        "memory": {"totalBytes": 1073741824, "availableBytes": 536870912},
        "swap": {"totalBytes": 0, "freeBytes": 0},
        "load": [0.5, 0.25, 0.125], "cpus": 4, "temperatureC": 48.3
    });
    host.result(SYSTEM, "info", info)
        .result(SYSTEM, "resources", left);
    let text = atek(&host, &["system"]).ok();
    for part in [
        "attic",
        "Debian 13, Linux 6.12.1 on aarch64",
        "1.1 GB free of 2.1 GB",
        "48 °C",
        "on 4 CPUs",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert!(!text.contains('\u{1b}') && !text.contains("Swap"), "{text}");
    let both: Value = serde_json::from_str(&atek(&host, &["system", "--json"]).ok()).unwrap();
    assert_eq!(
        (&both["info"]["name"], &both["resources"]["cpus"]),
        (&json!("attic"), &json!(4))
    );
}

#[test]
fn the_sandboxes_are_told_with_what_their_score_means() {
    let host = FakeHost::new();
    let unit = json!({"unit": "atek-app-rss.service", "id": "rss", "title": "News", "exposure": 0.6, "words": "locked in"});
    host.result(SYSTEM, "security", json!({ "units": [unit] }));
    let text = atek(&host, &["system", "--security"]).ok();
    assert!(
        text.contains("atek-app-rss.service") && text.contains("0.6") && text.contains("locked in"),
        "{text}"
    );
}

#[test]
fn top_shows_the_newest_sample_of_what_runs() {
    let host = FakeHost::new();
    let sample = |time, cpu: Value| json!({"time": time, "memoryBytes": null, "cpuPercent": cpu, "tasks": 3});
    let series =
        json!({"intervalSec": 10, "samples": [sample(1, json!(99.0)), sample(2, json!(12.5))]});
    host.result(
        SERVICES,
        "list",
        list(&[service("rss", "running"), service("old", "stopped")]),
    )
    .result(SERVICES, "metrics", series);
    let text = atek(&host, &["top"]).ok();
    assert!(
        text.contains("rss") && text.contains("12.5%") && !text.contains("99"),
        "{text}"
    );
    assert!(!text.contains("old"), "{text}");
    assert_eq!(host.calls_of("metrics").len(), 1);
}

#[test]
fn kept_data_is_listed_and_removed_only_after_a_yes() {
    let host = FakeHost::new();
    let one = json!({
        "key": "k1", "id": "rss", "title": "News", "owner": "alice", "sourceUrl": "https://example.org/rss",
        "version": "v1", "keptAt": "2026-01-01T00:00:00Z"
    });
    host.result(SERVICES, "keptData", json!({ "kept": [one] }))
        .result(SERVICES, "removeKept", Value::Null);
    let text = atek(&host, &["kept", "--quiet"]).ok();
    assert!(text.contains("k1") && text.contains("alice"), "{text}");
    assert_eq!(atek(&host, &["kept", "--remove", "k1"]).code, Some(2));
    assert!(host.calls_of("removeKept").is_empty());
    atek(&host, &["kept", "--remove", "k1", "--yes"]).ok();
    assert_eq!(host.calls_of("removeKept"), [json!(["k1"])]);
}
