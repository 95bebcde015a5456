//! `atek claim`, and the same beside `atek status`.

use crate::fake::{FakeHost, SERVICES};
use crate::run::atek;
use crate::sample::list;
use serde_json::{Value, json};

const SETUP: &str = "atek.cloud/setup-api";

fn host(code: Value) -> FakeHost {
    let host = FakeHost::new();
    host.result(
        SETUP,
        "claim",
        json!({ "code": code, "url": "http://atek.local/" }),
    );
    host.result(SERVICES, "list", list(&[]));
    host
}

#[test]
fn a_box_without_an_owner_shows_its_code_and_where_to_enter_it() {
    let host = host(json!("K7QX-03TB"));
    let words =
        "This box has no administrator yet. Open http://atek.local/ and enter the code K7QX-03TB\n";
    assert_eq!(atek(&host, &["claim"]).ok(), words);
    assert!(atek(&host, &["status"]).ok().ends_with(words));
    let json = atek(&host, &["claim", "--json"]).ok();
    assert!(json.contains(r#""code":"K7QX-03TB""#), "{json}");
}

#[test]
fn a_box_with_an_owner_has_nothing_to_claim() {
    let host = host(Value::Null);
    let done = atek(&host, &["claim"]).ok();
    assert!(done.contains("nothing to claim"), "{done}");
    assert!(!atek(&host, &["status"]).ok().contains("administrator"));
}
