//! Nostr events (NIP-01): the id is made here, so that what is shown is what is signed.

use super::{Description, Field, MAX_PAYLOAD, Meaning, Read, bad};
use crate::KeysError;
use crate::crypto::ToSign;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What an app sends. `pubkey` may be there and must then be the key's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    kind: u16,
    content: String,
    #[serde(default)]
    tags: Vec<Vec<String>>,
    created_at: u64,
    #[serde(default)]
    pubkey: Option<String>,
}

/// Tags of one event.
const MAX_TAGS: usize = 2_000;
/// Tags that are shown; the rest is counted.
const SHOWN_TAGS: usize = 50;

pub(super) fn event(payload: &Value, public: &[u8]) -> Result<Read, KeysError> {
    let template = Template::deserialize(payload)
        .map_err(|error| KeysError::Params(format!("the payload is no Nostr event: {error}")))?;
    let x = public.get(1..).filter(|x| x.len() == 32);
    let pubkey = hex::encode(x.ok_or_else(|| bad("a Nostr event needs a secp256k1 key"))?);
    if template.pubkey.as_ref().is_some_and(|said| *said != pubkey) {
        return Err(bad("the event is of another public key"));
    }
    if template.tags.len() > MAX_TAGS {
        return Err(bad("the event has more than 2,000 tags"));
    }
    let serialized = json!([
        0,
        pubkey,
        template.created_at,
        template.kind,
        template.tags,
        template.content
    ])
    .to_string();
    if serialized.len() > MAX_PAYLOAD {
        return Err(bad("the payload is longer than 64 KiB"));
    }
    let id: [u8; 32] = Sha256::digest(serialized.as_bytes()).into();
    let event = json!({
        "id": hex::encode(id),
        "pubkey": pubkey,
        "created_at": template.created_at,
        "kind": template.kind,
        "tags": template.tags,
        "content": template.content,
    });
    Ok(Read {
        description: describe(&template),
        to_sign: ToSign::Schnorr(id),
        event: Some(event),
    })
}

fn describe(template: &Template) -> Description {
    let tag = |name: &str| {
        let tag = template
            .tags
            .iter()
            .find(|tag| tag.first().is_some_and(|it| it == name));
        tag.and_then(|tag| tag.get(1)).cloned()
    };
    let (meaning, words) = match template.kind {
        0 => (
            Meaning::NostrEvent,
            "change your public profile on Nostr".to_owned(),
        ),
        1 => (Meaning::NostrEvent, "publish a note on Nostr".to_owned()),
        3 => (
            Meaning::NostrEvent,
            "replace the list of those you follow on Nostr".to_owned(),
        ),
        4 | 13 | 14 => (
            Meaning::NostrEvent,
            "send a private message on Nostr".to_owned(),
        ),
        5 => (
            Meaning::NostrEvent,
            "delete what you published on Nostr".to_owned(),
        ),
        6 | 16 => (Meaning::NostrEvent, "repost on Nostr".to_owned()),
        7 => (Meaning::NostrEvent, "react to a note on Nostr".to_owned()),
        9734 | 9735 => (
            Meaning::NostrEvent,
            "send money by a zap on Nostr".to_owned(),
        ),
        10002 => (
            Meaning::NostrEvent,
            "change your relays on Nostr".to_owned(),
        ),
        22242 => (
            Meaning::Login,
            format!(
                "sign in at the Nostr relay {}",
                super::text::visible(&tag("relay").unwrap_or_default(), 100)
            ),
        ),
        27235 => (
            Meaning::Login,
            format!(
                "sign in at {}",
                super::text::visible(&tag("u").unwrap_or_default(), 100)
            ),
        ),
        30023 => (
            Meaning::NostrEvent,
            "publish an article on Nostr".to_owned(),
        ),
        other => (
            Meaning::NostrEvent,
            format!("sign a Nostr event of kind {other}, which this box has no words for"),
        ),
    };
    let mut fields = vec![
        Field::new("kind", template.kind.to_string()),
        Field::new("text", &template.content),
    ];
    let shown = template.tags.iter().take(SHOWN_TAGS);
    fields.extend(shown.map(|tag| Field::new("tag", tag.join(" · "))));
    if template.tags.len() > SHOWN_TAGS {
        let more = template.tags.len() - SHOWN_TAGS;
        fields.push(Field::new("tag", format!("… and {more} more")));
    }
    Description {
        meaning,
        words,
        fields,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_strictly() {
        let public = [2; 33];
        let good = json!({"kind": 1, "content": "hi", "tags": [["t", "x"]], "created_at": 1});
        let read = event(&good, &public).expect("reads");
        assert_eq!(read.description.words, "publish a note on Nostr");
        for (field, value) in [
            ("kind", json!(70_000)),
            ("kind", json!("1")),
            ("content", json!(1)),
            ("tags", json!([[1]])),
            ("created_at", json!(-1)),
            ("pubkey", json!("00")),
            ("id", json!("00")),
            ("content", json!("x".repeat(MAX_PAYLOAD))),
            ("tags", json!(vec![vec!["t"]; 3000])),
        ] {
            let mut changed = good.clone();
            changed[field] = value;
            assert!(event(&changed, &public).is_err(), "{field}");
        }
        assert!(event(&json!([]), &public).is_err());
        let sign_in = json!({"kind": 22242, "content": "", "tags": [["relay", "wss://r.example"]], "created_at": 1});
        let read = event(&sign_in, &public).expect("reads");
        assert_eq!(read.description.meaning, Meaning::Login);
        assert!(read.description.words.ends_with("wss://r.example"));
    }
}
