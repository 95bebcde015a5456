//! What a scenario says and what it is answered: one JSON object a line. The other side is
//! `tests/web/lib/box.mjs`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A line of the scenario's.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Told {
    /// A step held, after so many milliseconds.
    Step { step: String, ms: u64 },
    /// Something was measured; the value carries its unit.
    Figure { figure: String, value: String },
    /// A step failed. It is the last line.
    Failed {
        failed: String,
        message: String,
        pictures: Vec<String>,
    },
    /// The story is over, and held.
    Done {
        #[serde(rename = "done")]
        _done: bool,
    },
    /// The machine's administrator is asked to do something.
    Ask(Ask),
}

/// What the machine's administrator is asked to do.
#[derive(Debug, Deserialize)]
#[serde(
    tag = "ask",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub(super) enum Ask {
    /// Run a command as root; the answer is what it printed.
    Run { words: Vec<String>, input: String },
    /// Call a host API as the host itself; the answer is the result.
    Call {
        api: String,
        method: String,
        params: Value,
    },
    /// Put a fixture app on the machine; the answer is its `file://` URL.
    PlaceApp { app: String },
    /// Publish a fixture app as a version of a remote, with these files besides and this message,
    /// signed by an author where one is named; the answer is the fingerprint of that key.
    Publish {
        remote: String,
        tag: String,
        app: String,
        files: BTreeMap<String, String>,
        notes: String,
        signer: Option<String>,
    },
    /// End every process at once.
    CutPower,
    /// Boot again and wait until the host is ready; the answer is the machine's address.
    PowerOn,
    /// Wait until the host is ready.
    Ready,
    /// Wait until the machine has turned itself off.
    TurnedOff,
}

/// The answer to an [`Ask`].
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Answer {
    /// It is done.
    Answer(Value),
    /// It could not be done, and why.
    Refused(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_line_is_what_it_says_it_is() {
        let told = |line: Value| serde_json::from_value::<Told>(line).unwrap();
        assert!(matches!(
            told(json!({"step": "x", "ms": 3})),
            Told::Step { ms: 3, .. }
        ));
        assert!(matches!(told(json!({"done": true})), Told::Done { .. }));
        let failed = json!({"failed": "x", "message": "y", "pictures": []});
        assert!(matches!(told(failed), Told::Failed { .. }));
        assert!(matches!(
            told(json!({"ask": "cutPower"})),
            Told::Ask(Ask::CutPower)
        ));
        let run = json!({"ask": "run", "words": ["true"], "input": ""});
        assert!(matches!(told(run), Told::Ask(Ask::Run { .. })));
        let unknown = json!({"ask": "dance"});
        assert!(serde_json::from_value::<Told>(unknown).is_err());
    }
}
