//! Lists as JSON: written straight from what is stored, cut where the limits say.

use crate::error::AdbError;
use crate::json::push_string;
use crate::limits::Limits;
use crate::path::RecordPath;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Records on a page when the caller asks for pages without a limit.
const PAGE: usize = 1000;

/// How much of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// At most so many.
    pub(super) limit: usize,
    /// The caller follows cursors: a long list may end early.
    pub(super) pages: bool,
}

impl Cut {
    pub(super) fn from_options(options: &Map<String, Value>) -> Self {
        let pages = options.contains_key("cursor");
        let limit = match options.get("limit").and_then(Value::as_f64) {
            // Negative means all, as in the original.
            Some(n) if n >= 0.0 => n.ceil() as usize,
            Some(_) | None if pages => PAGE,
            _ => usize::MAX,
        };
        Self { limit, pages }
    }
}

/// A list being written as JSON, cut where the limits say.
#[derive(Debug)]
pub(super) struct ListWriter<'a> {
    db_id: &'a str,
    /// Relative keys are relative to it.
    below: &'a RecordPath,
    cut: Cut,
    max_bytes: usize,
    out: Vec<u8>,
    count: usize,
    last: Option<String>,
    state: ListState,
}

#[derive(Debug, PartialEq, Eq)]
enum ListState {
    Open,
    /// There is more, for the next page.
    More,
    /// Too long for a caller that does not follow cursors.
    TooLong,
}

impl<'a> ListWriter<'a> {
    pub(super) fn new(db_id: &'a str, below: &'a RecordPath, cut: Cut, limits: &Limits) -> Self {
        Self {
            db_id,
            below,
            cut,
            max_bytes: limits.list_bytes,
            out: br#"{"records":["#.to_vec(),
            count: 0,
            last: None,
            state: ListState::Open,
        }
    }

    /// Appends a record. Returns whether more is wanted.
    pub(super) fn push(
        &mut self,
        key: &str,
        seq: u64,
        json: &[u8],
        position: impl FnOnce() -> String,
    ) -> bool {
        if self.count == self.cut.limit {
            self.state = ListState::More;
            return false;
        }
        if self.count > 0 && self.out.len() + json.len() > self.max_bytes {
            self.state = if self.cut.pages {
                ListState::More
            } else {
                ListState::TooLong
            };
            return false;
        }
        if self.count > 0 {
            self.out.push(b',');
        }
        let path = RecordPath::from_key(key);
        let relative = key.strip_prefix(&self.below.prefix()).unwrap_or(key);
        write_record(
            &mut self.out,
            &relative.replace('\0', "/"),
            &path,
            self.db_id,
            Some(seq),
            json,
        );
        self.count += 1;
        if self.cut.pages {
            self.last = Some(position());
        }
        // An exact fit is known to be the end only by looking further, which pages need.
        self.count < self.cut.limit || self.cut.pages
    }

    /// Ends a list that takes too long to make; the next page goes on after `position`. Returns
    /// `false`.
    pub(super) fn stop(&mut self, position: impl FnOnce() -> String) -> bool {
        self.state = if self.cut.pages {
            self.last = Some(position());
            ListState::More
        } else {
            ListState::TooLong
        };
        false
    }

    pub(super) fn finish(mut self) -> Result<Box<RawValue>, AdbError> {
        if self.state == ListState::TooLong {
            return Err(AdbError::Limit(format!(
                "the list is longer than {} bytes or takes too long: pass {{cursor: \"\", limit}} and go on with the cursor of each answer",
                self.max_bytes
            )));
        }
        self.out.push(b']');
        if let (ListState::More, Some(last)) = (&self.state, &self.last) {
            self.out.extend_from_slice(br#","cursor":"#);
            push_string(&mut self.out, &URL_SAFE_NO_PAD.encode(last));
        }
        self.out.push(b'}');
        into_raw(self.out)
    }
}

/// What a cursor holds.
pub(super) fn cursor(options: &Map<String, Value>) -> Result<Option<String>, AdbError> {
    let Some(text) = options
        .get("cursor")
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
    else {
        return Ok(None);
    };
    URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(Some)
        .ok_or_else(|| {
            AdbError::Refused(
                "Invalid cursor: pass back the cursor of the answer before".to_owned(),
            )
        })
}

/// Appends a record as JSON; `json` is a stored value, so it is valid.
pub(super) fn write_record(
    out: &mut Vec<u8>,
    key: &str,
    path: &RecordPath,
    db_id: &str,
    seq: Option<u64>,
    json: &[u8],
) {
    out.extend_from_slice(br#"{"key":"#);
    push_string(out, key);
    out.extend_from_slice(br#","path":"#);
    push_string(out, &path.text());
    out.extend_from_slice(br#","url":"#);
    push_string(out, &path.url(db_id));
    if let Some(seq) = seq {
        out.extend_from_slice(format!(r#","seq":{seq}"#).as_bytes());
    }
    out.extend_from_slice(br#","value":"#);
    out.extend_from_slice(json);
    out.push(b'}');
}

/// Text that was put together from valid JSON, checked once more: a damaged file must not break the
/// envelope.
pub(super) fn into_raw(text: Vec<u8>) -> Result<Box<RawValue>, AdbError> {
    let damaged = || AdbError::Storage(crate::storage::StorageError::Damaged("record"));
    let text = String::from_utf8(text).map_err(|_| damaged())?;
    RawValue::from_string(text).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cut(options: Value) -> Cut {
        Cut::from_options(options.as_object().unwrap())
    }

    #[test]
    fn pages_are_for_callers_that_ask_for_them() {
        assert_eq!(
            cut(json!({})),
            Cut {
                limit: usize::MAX,
                pages: false
            }
        );
        assert_eq!(
            cut(json!({"limit": 2.5})),
            Cut {
                limit: 3,
                pages: false
            }
        );
        assert_eq!(
            cut(json!({"limit": -1})),
            Cut {
                limit: usize::MAX,
                pages: false
            }
        );
        assert_eq!(
            cut(json!({"limit": 0})),
            Cut {
                limit: 0,
                pages: false
            }
        );
        assert_eq!(
            cut(json!({"cursor": ""})),
            Cut {
                limit: PAGE,
                pages: true
            }
        );
        assert_eq!(
            cut(json!({"cursor": "", "limit": 5})),
            Cut {
                limit: 5,
                pages: true
            }
        );
    }
}
