//! What a call says about the provider that it wants: the query of its URL. Pure.

use atek_api::ids::SYSTEM;
use atek_api::manifest::Transport;
use atek_host_model::directory::Entry;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The host's key, as `service=0`.
const HOST_KEY: &str = "0";
/// Pairs of one query.
const MAX_ATTRIBUTES: usize = 64;

/// The attributes of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    api: Cow<'a, str>,
    service: Option<Cow<'a, str>>,
    transport: Option<Cow<'a, str>>,
    home: Option<Cow<'a, str>>,
    metadata: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// What the provider is sent: the pairs as they came, without those above.
    passed_on: Vec<&'a str>,
    is_optional: bool,
}

/// A query says something twice, or too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// Which of the two counts would be the reader's guess.
    #[error("the query names an attribute twice")]
    Repeated,
    /// More pairs than [`MAX_ATTRIBUTES`].
    #[error("the query has more than {MAX_ATTRIBUTES} attributes")]
    TooMany,
}

impl<'a> Attributes<'a> {
    /// Those of a call of the host's own, which wants an API and nothing else.
    #[must_use]
    pub fn of_api(api: &'a str) -> Self {
        Self {
            api: Cow::Borrowed(api),
            ..Self::default()
        }
    }

    /// Reads `api=ID&home=…&service=…&transport=…&NAME=VALUE…`, each name at most once.
    ///
    /// This is the only reader: the host decides by it, and [`Attributes::passed_on`] is what
    /// is left for the provider. Names are compared decoded. `path` is nothing that a call can
    /// choose by.
    ///
    /// # Errors
    ///
    /// [`BadQuery`].
    pub fn of_query(query: &'a str) -> Result<Self, BadQuery> {
        Self::read(query, false)
    }

    /// As [`Attributes::of_query`], of a request with parameters of the provider's own: further
    /// attributes count only where a provider declares one of the name, and may be repeated.
    ///
    /// # Errors
    ///
    /// [`BadQuery`]; `api`, `service` and `transport` may come once.
    pub fn with_parameters(query: &'a str) -> Result<Self, BadQuery> {
        Self::read(query, true)
    }

    fn read(query: &'a str, is_optional: bool) -> Result<Self, BadQuery> {
        let mut attributes = Self {
            is_optional,
            ..Self::default()
        };
        let mut names: Vec<Cow<'a, str>> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name), decode(value));
            // Below a path of the provider's own, `home` is one of its parameters.
            let is_home = !is_optional && name == "home";
            let is_for_host = is_home || matches!(&*name, "api" | "service" | "transport");
            if (is_for_host || !is_optional) && names.contains(&name) {
                return Err(BadQuery::Repeated);
            }
            if !is_for_host {
                attributes.passed_on.push(pair);
            }
            match &*name {
                "api" => attributes.api = value,
                "service" => attributes.service = Some(value),
                "transport" => attributes.transport = Some(value),
                "home" if is_home => attributes.home = Some(value),
                "path" => {}
                // Of two values of one name no provider has both.
                _ => attributes.metadata.push((name.clone(), value)),
            }
            names.push(name);
            if names.len() > MAX_ATTRIBUTES {
                return Err(BadQuery::TooMany);
            }
        }
        Ok(attributes)
    }

    /// The pairs that belong to the provider, undecoded and in their order.
    pub fn passed_on(&self) -> impl Iterator<Item = &'a str> {
        self.passed_on.iter().copied()
    }

    /// The API's id; empty when the call names none.
    #[must_use]
    pub fn api(&self) -> &str {
        &self.api
    }

    /// The home where the provider is, by the public key of a contact; none for this one.
    #[must_use]
    pub fn home(&self) -> Option<&str> {
        self.home.as_deref()
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
