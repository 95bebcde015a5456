//! What a call says about the provider that it wants: the query of its URL. Pure.

use atek_api::ids::SYSTEM;
use atek_api::manifest::Transport;
use atek_host_model::directory::Entry;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The host's key, as `service=0`.
const HOST_KEY: &str = "0";
/// No provider has more metadata than that.
const MAX_ATTRIBUTES: usize = 32;

/// The attributes of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    api: Cow<'a, str>,
    service: Option<Cow<'a, str>>,
    transport: Option<Cow<'a, str>>,
    metadata: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    is_optional: bool,
}

impl<'a> Attributes<'a> {
    /// Reads `api=ID&service=…&transport=…&NAME=VALUE…`.
    ///
    /// Of a repeated attribute the first counts. `path` is nothing that a call can choose by.
    #[must_use]
    pub fn of_query(query: Option<&'a str>) -> Self {
        let mut attributes = Self::default();
        let mut has_api = false;
        for pair in query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name), decode(value));
            match &*name {
                "api" if has_api => {}
                "api" => {
                    has_api = true;
                    attributes.api = value;
                }
                "service" => _ = attributes.service.get_or_insert(value),
                "transport" => _ = attributes.transport.get_or_insert(value),
                "path" => {}
                _ if attributes.metadata.len() >= MAX_ATTRIBUTES => {}
                _ if attributes.metadata.iter().any(|(known, _)| *known == name) => {}
                _ => attributes.metadata.push((name, value)),
            }
        }
        attributes
    }

    /// Lets further attributes count only where a provider declares one of the name:
    /// the others are the provider's own business.
    pub fn make_optional(&mut self) {
        self.is_optional = true;
    }

    /// The API's id; empty when the call names none.
    #[must_use]
    pub fn api(&self) -> &str {
        &self.api
    }

    /// Whether the call wants this transport, or says nothing about it.
    #[must_use]
    pub fn admits_transport(&self, transport: Transport) -> bool {
        self.transport
            .as_ref()
            .is_none_or(|wanted| wanted == name(transport))
    }

    /// Whether the host may answer: it has no metadata.
    #[must_use]
    pub fn admits_host(&self) -> bool {
        self.metadata.is_empty()
            && self
                .service
                .as_ref()
                .is_none_or(|wanted| wanted == SYSTEM || wanted == HOST_KEY)
    }

    /// Whether the call wants this service, by id or by key, or any.
    #[must_use]
    pub fn admits_service(&self, entry: &Entry) -> bool {
        self.service
            .as_ref()
            .is_none_or(|wanted| entry.key.as_str() == wanted || entry.id().as_str() == wanted)
    }

    /// Whether an export has every further attribute of the call, with the same value.
    #[must_use]
    pub fn admits_metadata(&self, metadata: &BTreeMap<String, String>) -> bool {
        self.metadata
            .iter()
            .all(|(name, value)| match metadata.get(&**name) {
                Some(has) => has == value,
                None => self.is_optional,
            })
    }

    /// What is wanted, as JSON, for an error's text.
    #[must_use]
    pub fn describe(&self, transport: Transport) -> String {
        let mut text = format!(r#"{{"transport":"{}""#, name(transport));
        let service = self.service.as_ref().map(|service| ("service", &**service));
        let further = self
            .metadata
            .iter()
            .map(|(name, value)| (&**name, &**value));
        for (name, value) in std::iter::once(("api", &*self.api))
            .chain(service)
            .chain(further)
        {
            text.push_str(&format!(
                ",{}:{}",
                serde_json::Value::from(shortened(name)),
                serde_json::Value::from(shortened(value))
            ));
        }
        text.push('}');
        text
    }
}

fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Rpc => "rpc",
        Transport::Proxy => "proxy",
    }
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned(),
    )
}

/// An error's text does not repeat a whole megabyte of nonsense.
fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}
